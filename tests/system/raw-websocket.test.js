/*
 * WebSocket by hand: the handshake, frames that break RFC 6455, and the
 * framing of RFC 7395.
 * Conformance J; decisions 7, 10 and the first of "Measured".
 */

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { startPair } from './lib/doab.js';
import { check, checkDoab, secret, setup, teardown } from './lib/harness.js';
import {
    ask,
    CLOSE,
    frame,
    OPCODE,
    OPEN,
    RawWebSocket,
    request,
    upgrade,
} from './lib/raw.js';

const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

let port;

setup('raw-websocket', async (box) => {
    port = (await startPair(box)).port;
});

const shake = (headers, path) =>
    ask(port, upgrade(path, headers), { bodyless: false });

/* One that has its features. */
async function opened(to = 'anon.localhost') {
    const ws = await RawWebSocket.open(port);
    ws.text(OPEN(to));
    ws.header = await ws.message();
    ws.features = await ws.message();
    return ws;
}

/* A stream error in its own message, then <close/>, then the close frame. */
async function assertStreamError(ws, condition) {
    let message = await ws.message();
    if (message.startsWith('<open ')) message = await ws.message();
    assert.match(message, /^<stream:error[^>]* xmlns:stream=/);
    assert.match(message, new RegExp(`<${condition} xmlns=`));
    assert.match(await ws.message(), /^<close xmlns=/);
    ws.text(CLOSE);
    const { code } = await ws.rest();
    ws.close();
    return code;
}

/* A close frame of the WebSocket itself, whatever text comes before it. */
async function assertCloses(ws, code) {
    const end = await ws.rest();
    assert.equal(end.code, code);
    ws.send(frame(OPCODE.close, Buffer.from([code >> 8, code & 255])));
    await ws.waitEnd();
}

/* --- Handshake --- */

/* J01, J03, J05; Q18 */
check('the handshake is accepted and names the one subprotocol', async () => {
    const key = crypto.randomBytes(16).toString('base64');
    const answer = await ask(
        port,
        upgrade('/xmpp-websocket', {
            'Sec-WebSocket-Key': key,
            'Connection': 'keep-alive, Upgrade',
            'Sec-WebSocket-Extensions': 'permessage-deflate',
        }),
        { bodyless: true },
    );
    assert.equal(answer.status, 101);
    assert.equal(answer.headers['sec-websocket-protocol'], 'xmpp');
    assert.equal(answer.headers['sec-websocket-extensions'], undefined);
    assert.equal(
        answer.headers['sec-websocket-accept'],
        crypto
            .createHash('sha1')
            .update(key + GUID)
            .digest('base64'),
    );
    assert.match(answer.headers.upgrade, /^websocket$/i);
    assert.match(answer.headers.connection, /^upgrade$/i);
});

checkDoab('the subprotocol is found in a list, in any case', async () => {
    for (const list of ['foo, xmpp', 'xmpp, foo', 'XMPP']) {
        const answer = await ask(
            port,
            upgrade('/ws', { 'Sec-WebSocket-Protocol': list }),
            { bodyless: true },
        );
        assert.equal(answer.status, 101, list);
        assert.equal(answer.headers['sec-websocket-protocol'], 'xmpp');
    }
});

/* J04 */
checkDoab('without the subprotocol xmpp it is 400', async () => {
    for (const protocol of [null, 'mqtt', 'xmppx, myxmpp'])
        assert.equal(
            (await shake({ 'Sec-WebSocket-Protocol': protocol })).status,
            400,
            String(protocol),
        );
});

/* J02 */
checkDoab('another version is 426 and names 13', async () => {
    const answer = await shake({ 'Sec-WebSocket-Version': '12' });
    assert.equal(answer.status, 426);
    assert.equal(answer.headers['sec-websocket-version'], '13');
});

/* decision 10 */
checkDoab('the path without an upgrade is 426', async () => {
    const answer = await ask(port, request('GET', '/xmpp-websocket'));
    assert.equal(answer.status, 426);
});

/* J01 */
checkDoab('a wrong key is 400', async () => {
    for (const key of [null, 'short', 'AAAA', `${'A'.repeat(30)}==`])
        assert.equal(
            (await shake({ 'Sec-WebSocket-Key': key })).status,
            400,
            String(key),
        );
});

/* --- Opening --- */

/* J20, J23, J28, H32; Q19 */
check('<open/> is answered with <open/> and then the features', async () => {
    const ws = await opened();
    assert.match(ws.header, /^<open [^>]*\/>$/);
    assert.match(ws.header, new RegExp(` xmlns=['"]${FRAMING}['"]`));
    assert.match(ws.header, / version=['"]1\.0['"]/);
    assert.match(ws.header, / from=['"]anon\.localhost['"]/);
    assert.match(ws.header, / id=['"][^'"]+['"]/);
    assert.doesNotMatch(ws.header, /xmlns:stream/);
    assert.match(ws.features, /^<stream:features[^>]* xmlns:stream=/);
    assert.match(ws.features, /<mechanism>ANONYMOUS<\/mechanism>/);
    ws.close();
});

/* J10, J11, J30 */
check(
    'SASL, a restart and binding work; a message may come in fragments',
    async () => {
        const ws = await opened();
        const first = /id=['"]([^'"]+)/.exec(ws.header)[1];
        ws.text(
            '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"' +
                ' mechanism="ANONYMOUS"/>',
        );
        const success = await ws.message();
        assert.match(success, /^<success /);
        secret('SASL payload', />([^<]+)</.exec(success)?.[1]);
        ws.text(OPEN('anon.localhost'));
        const header = await ws.message();
        assert.match(header, /^<open /);
        assert.notEqual(/id=['"]([^'"]+)/.exec(header)[1], first);
        assert.match(await ws.message(), /<bind /);
        ws.text(
            '<iq xmlns="jabber:client" type="set" id="b">' +
                '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>',
        );
        assert.match(await ws.message(), /^<iq [^>]*>.*<jid>/);
        ws.close();
    },
);

/* J11, T33 */
checkDoab(
    'a fragmented message is put together, a ping between answered',
    async () => {
        const ws = await RawWebSocket.open(port);
        const text = OPEN('anon.localhost');
        ws.send(frame(OPCODE.text, text.slice(0, 10), { fin: false }));
        ws.send(frame(OPCODE.ping, 'between'));
        ws.send(frame(OPCODE.more, text.slice(10)));
        const pong = await ws.frame();
        assert.equal(pong.opcode, OPCODE.pong);
        assert.equal(pong.data, 'between');
        assert.match(await ws.message(), /^<open /);
        ws.close();
    },
);

/* J21, J22, J24, J25; decision 7 */
const OPENINGS = {
    'the wrong namespace': [
        '<open xmlns="jabber:client" to="localhost"' + ' version="1.0"/>',
        'invalid-namespace',
    ],
    'no namespace': [
        '<open to="localhost" version="1.0"/>',
        'invalid-namespace',
    ],
    'no domain': [
        `<open xmlns="${FRAMING}" version="1.0"/>`,
        'improper-addressing',
    ],
    'a domain that is not served': [OPEN('nowhere.example'), 'host-unknown'],
};

for (const [name, [text, condition]] of Object.entries(OPENINGS))
    checkDoab(`an opening with ${name} is answered ${condition}`, async () => {
        const ws = await RawWebSocket.open(port);
        ws.text(text);
        assert.match(await ws.message(), /^<open /);
        assert.equal(await assertStreamError(ws, condition), 1000);
    });

checkDoab('a stanza before the opening ends the stream', async () => {
    const ws = await RawWebSocket.open(port);
    ws.text('<presence xmlns="jabber:client"/>');
    assert.match(await ws.message(), /^<open /);
    await assertStreamError(
        ws,
        '(invalid-namespace|not-well-formed|not-authorized|bad-format)',
    );
});

/* --- XML --- */

/* J14, J16, J17 */
const MESSAGES = {
    'two elements': ['<a xmlns="x"/><b xmlns="x"/>', 'not-well-formed'],
    'mismatched tags': ['<a xmlns="x"></b>', 'not-well-formed'],
    'an unfinished element': ['<a xmlns="x">', 'not-well-formed'],
    'leading text': ['hello', '(bad-format|not-well-formed)'],
    'a comment': ['<a xmlns="x"><!-- c --></a>', 'restricted-xml'],
    'a processing instruction': ['<a xmlns="x"><?p i?></a>', 'restricted-xml'],
    'a DTD': ['<!DOCTYPE a><a xmlns="x"/>', 'restricted-xml'],
    'an entity': [
        '<a xmlns="x">&nbsp;</a>',
        '(restricted-xml|not-well-formed)',
    ],
    'a stream header': [
        '<stream:stream xmlns="jabber:client"' +
            ' xmlns:stream="http://etherx.jabber.org/streams"/>',
        '[a-z-]+',
    ],
};

for (const [name, [text, condition]] of Object.entries(MESSAGES))
    checkDoab(`a message with ${name} ends the stream`, async () => {
        const ws = await opened();
        ws.text(text);
        await assertStreamError(ws, condition);
    });

/* J15 */
checkDoab('an empty message is ignored', async () => {
    const ws = await opened();
    ws.text('').text(' \n').text(CLOSE);
    assert.match(await ws.message(), /^<close /);
    ws.close();
});

/* J13; decision 11 */
checkDoab('a message above the limit is refused by its length', async () => {
    const ws = await opened();
    const head = Buffer.from([
        0x81, 0xff, 0, 0, 0, 0, 0x20, 0, 0, 0, 1, 2, 3, 4,
    ]);
    ws.send(head);
    const { messages, code } = await ws.rest();
    assert.equal(code, 1009);
    assert.match(messages.join(''), /policy-violation/);
    ws.close();
});

/* --- Frames --- */

/* J08, J10, J12, J42 */
const FRAMES = {
    'an unmasked frame': [frame(OPCODE.text, CLOSE, { unmasked: true }), 1002],
    'a reserved bit': [frame(OPCODE.text, CLOSE, { rsv: 4 }), 1002],
    'a reserved opcode': [frame(3, ''), 1002],
    'a stray continuation': [frame(OPCODE.more, 'x'), 1002],
    'a fragmented ping': [frame(OPCODE.ping, 'x', { fin: false }), 1002],
    'a ping of 126 bytes': [frame(OPCODE.ping, 'x'.repeat(126)), 1002],
    'text within a message': [
        Buffer.concat([
            frame(OPCODE.text, '<a', { fin: false }),
            frame(OPCODE.text, '/>'),
        ]),
        1002,
    ],
    'a length of 2^63': [
        Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
        1002,
    ],
    'a length in too many bytes': [
        Buffer.from([0x81, 0xfe, 0, 5, 0, 0, 0, 0, 60, 97, 98, 47, 62]),
        1002,
    ],
    'a close of one byte': [frame(OPCODE.close, 'x'), 1002],
    'a close with code 1005': [
        frame(OPCODE.close, Buffer.from([3, 237])),
        1002,
    ],
    'a close with a bad reason': [
        frame(OPCODE.close, Buffer.from([3, 232, 0xff, 0xfe])),
        '1002|1007',
    ],
    'a binary message': [frame(OPCODE.binary, 'x'), 1003],
    'bad UTF-8': [
        frame(OPCODE.text, Buffer.from([60, 97, 0xc0, 0xaf, 62])),
        1007,
    ],
    'half a character': [
        frame(OPCODE.text, Buffer.from([60, 0xe2, 0x82])),
        1007,
    ],
};

for (const [name, [bytes, code]] of Object.entries(FRAMES))
    checkDoab(`${name} is answered with a close ${code}`, async () => {
        const ws = await opened();
        ws.send(bytes);
        const end = await ws.rest();
        assert.match(String(end.code), new RegExp(`^(${code})$`));
        ws.send(
            frame(OPCODE.close, Buffer.from([end.code >> 8, end.code & 255])),
        );
        await ws.waitEnd();
        ws.close();
    });

checkDoab('one that is ended so leaves the others alone', async () => {
    const other = await opened();
    const ws = await opened();
    ws.send(frame(3, ''));
    await assertCloses(ws, 1002);
    other.text(
        '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"' +
            ' mechanism="ANONYMOUS"/>',
    );
    assert.match(await other.message(), /^<success /);
    other.close();
});

/* --- Closing --- */

/* J40; Q20 */
check(
    '<close/> is answered, then the WebSocket is closed with 1000',
    async () => {
        const ws = await opened();
        ws.text(CLOSE);
        assert.match(await ws.message(), /^<close /);
        const { code } = await ws.rest();
        assert.equal(code, 1000);
        ws.send(frame(OPCODE.close, Buffer.from([3, 232])));
        await ws.waitEnd();
        ws.close();
    },
);

/* Q20 */
checkDoab('it is the <close/> that Strophe compares byte by byte', async () => {
    const ws = await opened();
    ws.text(CLOSE);
    assert.equal(await ws.message(), `<close xmlns="${FRAMING}" />`);
    ws.close();
});

/* Q23 */
checkDoab('what was sent before a hasty end is still forwarded', async () => {
    const ws = await opened();
    ws.text(
        '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"' +
            ' mechanism="ANONYMOUS"/>',
    );
    ws.text(CLOSE);
    ws.send(frame(OPCODE.close, Buffer.from([3, 232])));
    const { messages, code } = await ws.rest();
    assert.equal(code, 1000);
    assert.ok(messages.length <= 2);
    ws.close();
});

/* J42 */
checkDoab(
    'a close frame without <close/> is echoed with its code',
    async () => {
        const ws = await opened();
        ws.send(frame(OPCODE.close, Buffer.from([3, 233])));
        const { code } = await ws.rest();
        assert.equal(code, 1001);
        await ws.waitEnd();
    },
);

teardown();
