/*
 * BOSH sessions by hand: what a creation is answered, the window of request
 * ids, waiting and holding, and the terminal conditions.
 * Conformance and decisions are cited at each check.
 */

import assert from 'node:assert/strict';
import { startPair } from './lib/doab.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import {
    ask,
    attributes,
    bodyOf,
    BoshSession,
    NS,
    post,
    Raw,
} from './lib/raw.js';

const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';

let pair;
let port;

setup('raw-bosh', async (box) => {
    pair = await startPair(box);
    port = pair.port;
});

function assertEnded(answer, condition) {
    assert.equal(answer.status, 200);
    const attrs = attributes(answer.body);
    assert.equal(attrs.type, 'terminate', answer.body);
    assert.equal(attrs.condition, condition);
    assert.equal(attrs.xmlns, NS);
}

function assertAlive(answer) {
    assert.equal(answer.status, 200);
    assert.equal(attributes(answer.body).type, undefined, answer.body);
}

const send = (attrs, payload) => ask(port, post(bodyOf(attrs, payload)));

/* Logs in anonymously and binds; resolves to a session with `jid`. */
/* Longer than any answer is waited for. */
const LONG = { wait: 60 };

async function login(attrs = {}) {
    const session = await new BoshSession(port).open({
        to: 'anon.localhost',
        ...attrs,
    });
    const success = await session.ask(
        {},
        `<auth xmlns="${SASL}" mechanism="ANONYMOUS"/>`,
    );
    assert.match(success.body, /<success /);
    const features = await session.ask({
        to: 'anon.localhost',
        'xmlns:xmpp': 'urn:xmpp:xbosh',
        'xmpp:restart': 'true',
    });
    assert.match(features.body, /<stream:features/);
    const bound = await session.ask(
        {},
        '<iq xmlns="jabber:client" type="set" id="b">' +
            '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>',
    );
    session.jid = /<jid>([^<]+)<\/jid>/.exec(bound.body)?.[1];
    assert.ok(session.jid, bound.body);
    return session;
}

const message = (to, text) =>
    `<message xmlns="jabber:client" to="${to}" type="chat">` +
    `<body>${text}</body></message>`;

/* --- Creation --- */

/* A30-A36, A41, A45, A46; Q01-Q03, Q08 */
check(
    'a creation is answered with the features and all attributes',
    async () => {
        const { created } = await new BoshSession(port).open({ wait: 30 });
        assertAlive(created);
        const attrs = attributes(created.body);
        for (const name of ['sid', 'authid'])
            assert.ok(attrs[name]?.length >= 8, name);
        assert.ok(Number(attrs.wait) > 0 && Number(attrs.wait) <= 30);
        assert.equal(attrs.hold, '1');
        assert.ok(Number(attrs.requests) > Number(attrs.hold));
        assert.ok(Number(attrs.inactivity) >= 60);
        assert.ok(Number(attrs.polling) >= 0);
        assert.equal(attrs.ver, '1.6');
        assert.equal(attrs.from, 'localhost');
        assert.equal(attrs['xmpp:version'], '1.0');
        assert.equal(attrs['xmlns:xmpp'], 'urn:xmpp:xbosh');
        assert.equal(attrs['xmlns:stream'], 'http://etherx.jabber.org/streams');
        assert.match(created.body, /^<body[^>]*><stream:features[ >]/);
        assert.match(
            created.body,
            new RegExp(`<mechanisms xmlns=['"]${SASL}['"]>` + '<mechanism>'),
        );
        assert.match(
            created.headers['content-type'],
            /^text\/xml; charset=utf-8$/,
        );
    },
);

/* A42, A44, I30; decisions 11, 16 */
checkDoab('it has what only doab promises, and nothing obsolete', async () => {
    const { created } = await new BoshSession(port).open({ ver: '1.11' });
    const attrs = attributes(created.body);
    assert.match(attrs.sid, /^[a-z0-9]+-[a-z0-9]+[a-z2-7]{26}$/);
    assert.notEqual(attrs.sid, attrs.authid);
    assert.equal(attrs['xmpp:restartlogic'], 'true');
    assert.equal(attrs.ver, '1.11');
    assert.equal(attrs.inactivity, '90');
    for (const name of ['secure', 'charsets', 'accept', 'ack', 'stream'])
        assert.equal(attrs[name], undefined, name);
    assert.match(created.headers['cache-control'], /no-store/);
});

/* A10, A30; decision 11 */
checkDoab('a client that names no version is told none', async () => {
    const answer = await send({ rid: 5, to: 'localhost', wait: 5, hold: 1 });
    assertAlive(answer);
    assert.equal(attributes(answer.body).ver, undefined);
    assert.match(answer.body, /<stream:features/);
});

/* A13, A31-A33, A52 */
checkDoab('wait and hold are never granted above what was asked', async () => {
    const { created } = await new BoshSession(port).open({
        wait: 9999,
        hold: 200,
    });
    const attrs = attributes(created.body);
    assert.equal(attrs.wait, '45');
    assert.equal(attrs.hold, '1');
    assert.equal(attrs.requests, '2');
});

/* A18-A20; decision 3 */
checkDoab(
    'content is honoured from a short list and cannot inject',
    async () => {
        const xml = 'application/xml; charset=utf-8';
        const { created } = await new BoshSession(port).open({ content: xml });
        assert.equal(created.headers['content-type'], xml);
        const evil = await new BoshSession(port).open({
            content: 'text/html&#13;&#10;X-Evil: 1',
        });
        assert.equal(
            evil.created.headers['content-type'],
            'text/xml; charset=utf-8',
        );
        assert.equal(evil.created.headers['x-evil'], undefined);
        assert.ok(evil.sid);
    },
);

/* A05; decision 7 */
checkDoab('a domain that is not served is host-unknown', async () => {
    for (const to of ['nowhere.example', 'notlocalhost', 'x.localhost.example'])
        assertEnded(
            await send({ rid: 5, to, wait: 5, hold: 1, ver: '1.6' }),
            'host-unknown',
        );
});

/* A04 */
checkDoab('a creation without a domain is improper-addressing', async () => {
    assertEnded(
        await send({ rid: 5, wait: 5, hold: 1, ver: '1.6' }),
        'improper-addressing',
    );
});

/* A03, A11, A12 */
checkDoab('numbers that are none are a bad-request', async () => {
    const good = { rid: 5, to: 'localhost', wait: 5, hold: 1, ver: '1.6' };
    for (const wrong of [
        { rid: '' },
        { rid: '-1' },
        { rid: '0' },
        { rid: '1e3' },
        { rid: '9007199254740993' },
        { rid: '18446744073709551617' },
        { wait: 'x' },
        { wait: '-1' },
        { wait: '65536' },
        { hold: '256' },
    ])
        assertEnded(await send({ ...good, ...wrong }), 'bad-request');
});

/* A27; decision 25: early.test.js has logins that come so */
checkDoab('payload of a creation reaches the server', async () => {
    const answer = await send(
        { rid: 5, to: 'anon.localhost', wait: 5, hold: 1, ver: '1.6' },
        `<auth xmlns="${SASL}" mechanism="ANONYMOUS"/>`,
    );
    assertAlive(answer);
    assert.match(answer.body, /<stream:features.*<success /s);
});

/* --- Faults --- */

/* B01, F05, F16 */
check('an unknown sid is item-not-found', async () => {
    for (const sid of ['nothing', 'n1-0aaaaaaaaaaaaaaaaaaaaaaaaaaa'])
        assertEnded(await send({ rid: 5, sid }), 'item-not-found');
});

/* A02 */
checkDoab('an empty sid is not a creation', async () => {
    assertEnded(
        await send({ rid: 5, sid: '', to: 'localhost', ver: '1.6' }),
        'item-not-found',
    );
});

/* H01-H04, H08, I15; decision 10 */
const START = `<body xmlns="${NS}" rid="1" ver="1.6"`;

const MALFORMED = {
    'unclosed tag': `${START}`,
    'mismatched tags': `${START}><a></b></body>`,
    'two documents': `${START}/><body xmlns="${NS}"/>`,
    'another root': `<bodies xmlns="${NS}" rid="1" ver="1.6"/>`,
    'no namespace': '<body rid="1" ver="1.6"/>',
    'another namespace': '<body xmlns="jabber:client" rid="1" ver="1.6"/>',
    'DTD': `<!DOCTYPE body [<!ENTITY a "b">]>${START}/>`,
    'comment': `${START}><!-- x --></body>`,
    'processing instruction': `${START}><?x y?></body>`,
    'entity': `${START}>&nbsp;</body>`,
    'text': `${START}>text</body>`,
    'unbound prefix': `${START}><a:b/></body>`,
    'overlong UTF-8': Buffer.concat([
        Buffer.from(`<body xmlns="${NS}" x="`),
        Buffer.from([0xc0, 0xaf]),
        Buffer.from('"/>'),
    ]),
    'a NUL': `${START}/>\0`,
    'nothing': '',
    'JSON': '{"jid":"a@b"}',
};

for (const [name, text] of Object.entries(MALFORMED))
    checkDoab(`malformed XML is a bad-request: ${name}`, async () => {
        const bytes = Buffer.from(text);
        const head = post('', { 'Content-Length': bytes.length });
        assertEnded(
            await ask(port, Buffer.concat([Buffer.from(head), bytes])),
            'bad-request',
        );
    });

/* H05, H06; Q09 */
checkDoab(
    'an XML declaration, a BOM and white space are tolerated',
    async () => {
        const body = bodyOf({ rid: 5, sid: 'nothing' });
        for (const text of [
            `<?xml version="1.0" encoding="utf-8"?>\n${body}\n`,
            `\ufeff${body}`,
            body.replace('/>', '>\n  \n</body>'),
        ])
            assertEnded(await ask(port, post(text)), 'item-not-found');
    },
);

/* F18, T20: one that knows the sid but not the rid must not end it. */
checkDoab('a malformed request with a wrong rid ends no session', async () => {
    const session = await login();
    for (const rid of [session.rid + 1000, 'x', '']) {
        const { sid } = session;
        const broken = bodyOf({ rid, sid }).replace('/>', '>');
        assertEnded(await ask(port, post(broken)), 'bad-request');
        const unclosed = bodyOf({ sid, rid }).replace('/>', '');
        assertEnded(await ask(port, post(unclosed)), 'bad-request');
    }
    assertAlive(await session.ask({}, message(session.jid, 'still here')));
});

/* --- Requests --- */

/* B23, B24 */
check('an empty request is held until the wait is over', async () => {
    const session = await login({ wait: 1 });
    const begun = Date.now();
    const answer = await session.ask();
    const waited = Date.now() - begun;
    assertAlive(answer);
    assert.ok(waited > 800, `${waited} ms`);
    assert.match(answer.body, /^<body [^>]*(\/>|><\/body>)$/);
});

/* A47, B24 */
checkDoab('the answer at the end of the wait is a bare body', async () => {
    const session = await login({ wait: 1 });
    const { body } = await session.ask();
    assert.deepEqual(Object.keys(attributes(body)), ['xmlns']);
});

/* B20, B21 */
check('a second request answers the first one', async () => {
    const session = await login(LONG);
    const first = new Raw(port).send(session.next());
    const second = new Raw(port).send(session.next());
    assertAlive(await first.response());
    first.close();
    second.close();
});

/* B22, B26, G04, H30 */
check('what arrives goes out at once on the held request', async () => {
    const session = await login(LONG);
    const poll = new Raw(port).send(session.next());
    const other = await login({ wait: 1 });
    await other.ask({}, message(session.jid, 'x &lt; y'));
    const { body } = await poll.response();
    assert.match(body, /<message [^>]*xmlns=['"]jabber:client['"]/);
    assert.match(body, /<body>x &lt; y<\/body>/);
    poll.close();
});

/* B07, B12 */
check(
    'a repeated rid gets the same bytes again, and is not forwarded twice',
    async () => {
        const session = await login();
        const other = await login();
        const text = session.next({}, message(other.jid, 'once'));
        const poll = new Raw(port).send(text);
        /* Answered by the next one, so that it is no longer held. */
        const next = new Raw(port).send(session.next());
        const first = await poll.response();
        const again = await ask(port, text);
        assert.equal(again.body, first.body);
        assert.equal((await ask(port, text)).body, first.body);
        const got = await other.ask();
        assert.equal(got.body.match(/<message /g)?.length, 1);
        poll.close();
        next.close();
    },
);

/* B08; Q05 */
check('a repeat of a held request takes its place', async () => {
    const session = await login(LONG);
    const text = session.next();
    const first = new Raw(port).send(text);
    await new Promise((done) => setTimeout(done, 200));
    const second = new Raw(port).send(text);
    await new Promise((done) => setTimeout(done, 200));
    const other = await login({ wait: 1 });
    await other.ask({}, message(session.jid, 'for the second'));
    assert.match((await second.response()).body, /for the second/);
    first.close();
    second.close();
});

/* B02, B05 */
check('payload is forwarded in the order of the rids', async () => {
    const session = await login({ hold: 1 });
    const other = await login();
    const one = session.next({}, message(other.jid, 'one'));
    const two = session.next({}, message(other.jid, 'two'));
    const late = new Raw(port).send(two);
    await new Promise((done) => setTimeout(done, 300));
    const early = new Raw(port).send(one);
    assertAlive(await early.response());
    let got = '';
    while (!got.includes('two')) got += (await other.ask()).body;
    assert.ok(
        got.indexOf('>one<') >= 0 &&
            got.indexOf('>one<') < got.indexOf('>two<'),
    );
    late.close();
    early.close();
});

/* B04, F13 */
checkDoab('a rid beyond the window ends the session', async () => {
    const session = await login();
    session.rid += 20;
    assertEnded(await session.ask(), 'item-not-found');
    session.rid -= 20;
    assertEnded(await session.ask(), 'item-not-found');
});

/* B80, B81; Q13 */
check('a client that drops its held poll loses nothing', async () => {
    const session = await login();
    const other = await login({ wait: 1 });
    const poll = new Raw(port).send(session.next());
    await new Promise((done) => setTimeout(done, 300));
    poll.socket.end();
    await new Promise((done) => setTimeout(done, 300));
    poll.close();
    await other.ask({}, message(session.jid, 'kept for you'));
    const { body } = await session.ask();
    assert.match(body, /kept for you/);
});

/* G09, G13, T28: a restart is part of login(); this is without it (T1) */
checkDoab('a legacy client gets its new stream without asking', async () => {
    const session = new BoshSession(port);
    const raw = await send({ rid: 70, to: 'anon.localhost', wait: 5, hold: 1 });
    session.sid = attributes(raw.body).sid;
    session.rid = 70;
    const success = await session.ask(
        {},
        `<auth xmlns="${SASL}" mechanism="ANONYMOUS"/>`,
    );
    assert.match(success.body, /<success /);
    assert.match((await session.ask()).body, /<stream:features.*<bind /);
});

/* B70, B71 */
check('terminate is answered with terminate and no condition', async () => {
    const session = await login();
    const answer = await session.ask(
        { type: 'terminate' },
        '<presence xmlns="jabber:client" type="unavailable"/>',
    );
    assertEnded(answer, undefined);
    assertEnded(await session.ask(), 'item-not-found');
});

/* Q11 */
checkDoab("gloox's type='terminal' ends a session as well", async () => {
    const session = await login();
    assertEnded(await session.ask({ type: 'terminal' }), undefined);
});

teardown();
