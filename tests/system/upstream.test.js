/*
 * What the server sees when a client goes, and what the client sees when the
 * server does something that no real one does on request.
 * Conformance: G02-G05, G40, G41, H30-H35, J43-J45, J50, K48, K49, F08, F09;
 * decisions 1, 2, 6, 7.
 */

import assert from 'node:assert/strict';
import { routes, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import {
    attributes,
    bodyOf,
    BoshSession,
    CLOSE,
    frame,
    OPCODE,
    OPEN,
    post,
    Raw,
    RawWebSocket,
} from './lib/raw.js';
import { sleep } from './lib/sandbox.js';
import { HEADER, MECHANISMS, Scripted } from './lib/scripted.js';

const AUTH =
    '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"' +
    ' mechanism="ANONYMOUS"/>';
const END = '</stream:stream>';

let server;
let port;

setup('upstream', async (box) => {
    server = await Scripted.start();
    if (!isDoab) return;
    port = (
        await startDoab(box, {
            listen: { '127.0.0.1:0': {} },
            domain: {
                ...routes(server.port),
                'dead.example': {
                    route: '127.0.0.1:1',
                    mode: 'plain',
                },
            },
            bosh: { inactivity: '5s' },
            log: { level: 'debug' },
        })
    ).port;
});

/* A WebSocket that has its features, and the server's end of it. */
async function openWebSocket(header, features) {
    const ws = await RawWebSocket.open(port);
    const [stream] = await server.next(() => ws.text(OPEN('localhost')));
    await stream.greet(header, features);
    ws.header = await ws.message();
    ws.features = await ws.message();
    return [ws, stream];
}

async function openBosh(header, features) {
    const session = new BoshSession(port);
    const [stream, opened] = await server.next(() => session.open());
    await stream.greet(header, features);
    await opened;
    return [session, stream];
}

async function loggedInWebSocket() {
    const [ws, stream] = await openWebSocket();
    ws.text(AUTH);
    const done = stream.authenticate();
    await ws.message();
    ws.text(OPEN('localhost'));
    await done;
    await ws.message();
    await ws.message();
    return [ws, stream];
}

async function loggedInBosh() {
    const [session, stream] = await openBosh();
    const done = stream.authenticate();
    await session.ask({}, AUTH);
    const features = await session.ask({
        to: 'localhost',
        'xmpp:restart': 'true',
        'xmlns:xmpp': 'urn:xmpp:xbosh',
    });
    await done;
    assert.match(features.body, /<bind /);
    return [session, stream];
}

/* --- The client goes --- */

/* J40, K48 */
checkDoab('<close/> ends the stream properly', async () => {
    const [ws, stream] = await loggedInWebSocket();
    ws.text('<presence xmlns="jabber:client" type="unavailable"/>');
    ws.text(CLOSE);
    assert.match(await stream.expect(END), /<presence [^>]*unavailable/);
    stream.say(END);
    assert.match(await ws.message(), /^<close /);
    await stream.over();
    ws.close();
});

/* J45, K49, T32; Q22 */
const LOSSES = {
    'its socket is reset': (ws) => ws.socket.resetAndDestroy(),
    'its socket is closed': (ws) => ws.close(),
    'the page goes away (1001)': (ws) =>
        ws.send(frame(OPCODE.close, Buffer.from([3, 233]))),
};

for (const [name, lose] of Object.entries(LOSSES))
    checkDoab(`without <close/> the stream is not ended: ${name}`, async () => {
        const [ws, stream] = await loggedInWebSocket();
        lose(ws);
        await stream.over();
        assert.ok(!stream.got.includes(END), stream.got);
        ws.close();
    });

/* B70 */
checkDoab('terminate ends the stream properly, after its payload', async () => {
    const [session, stream] = await loggedInBosh();
    const answered = session.ask(
        { type: 'terminate' },
        '<presence xmlns="jabber:client" type="unavailable"/>',
    );
    assert.match(await stream.expect(END), /<presence [^>]*unavailable/);
    stream.say(END);
    assert.equal(attributes((await answered).body).type, 'terminate');
    await stream.over();
});

/* B40, B41 */
checkDoab(
    'a BOSH client that stays away is forgotten after inactivity',
    async () => {
        const [session, stream] = await loggedInBosh();
        const begun = Date.now();
        await stream.left();
        const waited = Date.now() - begun;
        assert.ok(waited > 4500 && waited < 20000, `${waited} ms`);
        const { body } = await session.ask();
        assert.equal(attributes(body).condition, 'item-not-found');
    },
);

/* B43 */
checkDoab(
    'one whose held request was dropped is forgotten as well',
    async () => {
        const [session, stream] = await loggedInBosh();
        const poll = new Raw(port).send(session.next());
        await sleep(200);
        poll.close();
        await stream.left();
    },
);

/* A50 */
checkDoab(
    'a creation whose client has gone leaves nothing behind',
    async () => {
        const raw = new Raw(port);
        const [stream] = await server.next(() =>
            raw.send(
                post(
                    bodyOf({
                        rid: 1,
                        to: 'localhost',
                        wait: 1,
                        hold: 1,
                        ver: '1.6',
                    }),
                ),
            ),
        );
        await sleep(200);
        raw.close();
        await stream.over();
    },
);

/* --- The server goes --- */

/* Decision 6 */
checkDoab('lost before authentication: remote-connection-failed', async () => {
    const [ws, stream] = await openWebSocket();
    stream.socket.destroy();
    assert.match(await ws.message(), /<remote-connection-failed /);
    assert.match(await ws.message(), /^<close /);
    ws.close();
    const [session, second] = await openBosh();
    const poll = session.ask();
    await sleep(200);
    second.socket.destroy();
    const attrs = attributes((await poll).body);
    assert.equal(attrs.type, 'terminate');
    assert.equal(attrs.condition, 'remote-connection-failed');
});

/* Decision 6 */
checkDoab('lost after authentication: remote-stream-error', async () => {
    const [ws, stream] = await loggedInWebSocket();
    stream.socket.destroy();
    assert.match(await ws.message(), /^<stream:error/);
    assert.match(await ws.message(), /^<close /);
    ws.close();
    const [session, second] = await loggedInBosh();
    second.socket.destroy();
    await sleep(200);
    const attrs = attributes((await session.ask()).body);
    assert.equal(attrs.condition, 'remote-stream-error');
});

/* F09, G40, J43 */
checkDoab('its stream error is passed on', async () => {
    const error =
        '<stream:error><conflict' +
        " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    const [ws, stream] = await loggedInWebSocket();
    stream.say(error + END);
    const message = await ws.message();
    assert.match(message, /^<stream:error[^>]* xmlns:stream=.*<conflict /);
    assert.match(await ws.message(), /^<close /);
    ws.close();
    const [session, second] = await loggedInBosh();
    const poll = session.ask();
    await sleep(200);
    second.say(error + END);
    const { body } = await poll;
    assert.equal(attributes(body).condition, 'remote-stream-error');
    assert.match(body, /<stream:error[^>]*>.*<conflict /);
});

/* G41 */
checkDoab('its orderly end is a terminate without a condition', async () => {
    const [session, stream] = await loggedInBosh();
    const poll = session.ask();
    await sleep(200);
    stream.say(END);
    const attrs = attributes((await poll).body);
    assert.equal(attrs.type, 'terminate');
    assert.equal(attrs.condition, undefined);
});

/* F08, J26 */
checkDoab('one that cannot be reached: remote-connection-failed', async () => {
    const session = await new BoshSession(port).open({ to: 'dead.example' });
    assert.equal(
        attributes(session.created.body).condition,
        'remote-connection-failed',
    );
    const ws = await RawWebSocket.open(port);
    ws.text(OPEN('dead.example'));
    assert.match(await ws.message(), /^<open /);
    assert.match(await ws.message(), /<remote-connection-failed /);
    assert.match(await ws.message(), /^<close /);
    ws.close();
});

/* A05, J24, J25; decision 7 */
checkDoab('no connection is made for a domain that is not served', async () => {
    const count = server.streams.length;
    await new BoshSession(port).open({ to: 'other.localhost.example' });
    const ws = await RawWebSocket.open(port);
    ws.text(OPEN('other.localhost.example'));
    await ws.message();
    assert.match(await ws.message(), /<host-unknown /);
    ws.close();
    await sleep(300);
    assert.equal(server.streams.length, count);
});

/* --- What passes between --- */

/* K41 */
checkDoab('the header it is sent is a plain one', async () => {
    const ws = await RawWebSocket.open(port);
    const [stream] = await server.next(() => ws.text(OPEN('localhost')));
    const header =
        (await stream.expect('<stream:stream')) + (await stream.expect('>'));
    assert.match(header, /^<\?xml version=['"]1\.0['"]/);
    assert.match(header, / to=['"]localhost['"]/);
    assert.match(header, / version=['"]1\.0['"]/);
    assert.match(header, / xmlns=['"]jabber:client['"]/);
    assert.doesNotMatch(header, / id=/);
    ws.close();
});

const ODD_HEADER =
    "<?xml version='1.0'?><s:stream xmlns:c='jabber:client'" +
    " xmlns:s='http://etherx.jabber.org/streams' xmlns:p='urn:example:p'" +
    " id='odd' from='localhost' version='1.0' xml:lang='de'>";
const ODD_FEATURES =
    '<s:features>' +
    "<x:mechanisms xmlns:x='urn:ietf:params:xml:ns:xmpp-sasl'>" +
    '<x:mechanism>ANONYMOUS</x:mechanism></x:mechanisms>' +
    "<p:thing p:key='v'/></s:features>";

/* G03, H31-H34; Q03 */
checkDoab("the server's own prefixes never reach the client", async () => {
    const [ws] = await openWebSocket(ODD_HEADER, ODD_FEATURES);
    const [session] = await openBosh(ODD_HEADER, ODD_FEATURES);
    for (const text of [ws.features, session.created.body]) {
        assert.match(text, /<stream:features/);
        assert.match(text, /<mechanisms [^>]*xmlns=['"][^'"]+sasl['"]/);
        assert.match(text, /<mechanism>ANONYMOUS</);
        assert.match(text, /urn:example:p/);
    }
    assert.match(ws.header, / xml:lang=['"]de['"]/);
    ws.close();
});

/* G05, G06; decision 2 */
checkDoab(
    'starttls and compression are taken out, all else stays',
    async () => {
        const features = MECHANISMS.replace(
            '</stream:features>',
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" +
                "<compression xmlns='http://jabber.org/features/compress'>" +
                '<method>zlib</method></compression>' +
                "<mechanism2 xmlns='urn:example'/></stream:features>",
        ).replace(
            '</mechanisms>',
            '<mechanism>SCRAM-SHA-1-PLUS</mechanism>' +
                '<mechanism>TIKITOKEN</mechanism></mechanisms>',
        );
        const [ws] = await openWebSocket(HEADER, features);
        const [session] = await openBosh(HEADER, features);
        for (const text of [ws.features, session.created.body]) {
            assert.doesNotMatch(text, /starttls|compress/);
            assert.match(text, /SCRAM-SHA-1-PLUS/);
            assert.match(text, /TIKITOKEN/);
            assert.match(text, /mechanism2/);
        }
        ws.close();
    },
);

/* J50, T27 */
checkDoab('white space from the server becomes no message', async () => {
    const [ws, stream] = await loggedInWebSocket();
    stream.say(' \n ').say('\n').say("<iq type='get' id='1'/>").say(' ');
    assert.match(await ws.message(), /^<iq /);
    await sleep(200);
    assert.equal(ws.bytes.length, 0);
    ws.close();
});

/* H30, H34, H35, H11 */
checkDoab('a stanza in pieces arrives whole, and means the same', async () => {
    const [ws, stream] = await loggedInWebSocket();
    const stanza =
        "<message from='a@b'><body>&lt;&amp;&gt; ]]&gt; &#13; ü</body>" +
        "<x xmlns=''><y xmlns='urn:y' z='&quot;&apos;&#10;'/></x></message>";
    for (const byte of Buffer.from(stanza)) {
        stream.socket.write(Buffer.from([byte]));
        await sleep(0);
    }
    const text = await ws.message();
    assert.match(text, /^<message [^>]*xmlns=['"]jabber:client['"]/);
    assert.match(text, /&lt;&amp;(&gt;|>) \]\](&gt;) &#(13|xD|xd); ü/);
    assert.match(text, /<x xmlns=(''|"")>/);
    assert.match(text, /&#(10|xA|xa);/);
    ws.close();
});

/* H20-H23 */
checkDoab(
    'what a client wraps in httpbind arrives in jabber:client',
    async () => {
        const [session, stream] = await loggedInBosh();
        const poll = new Raw(port).send(
            session.next(
                { 'xmlns:q': 'urn:q' },
                '<message to="x@y"><body>hi</body><q:ext/></message>',
            ),
        );
        const seen = await stream.expect('</message>');
        assert.doesNotMatch(seen, /httpbind/);
        assert.match(seen, /<message [^>]*to=['"]x@y['"]/);
        assert.match(seen, /<body>hi<\/body>/);
        assert.match(seen, /urn:q/);
        poll.close();
    },
);

/* G05, T31 */
checkDoab(
    'a client that sends <starttls/> does not reach the server',
    async () => {
        const [ws, stream] = await openWebSocket();
        ws.text('<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>');
        assert.match(await ws.message(), /^<failure [^>]*xmpp-tls/);
        await stream.expect(END);
        assert.doesNotMatch(stream.got, /starttls/);
        ws.close();
    },
);

teardown(() => server.stop());
