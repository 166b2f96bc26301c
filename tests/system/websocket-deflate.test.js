/*
 * Compressed messages (RFC 7692) with a real server: what is agreed on, and
 * that nothing of a login is compressed.
 * Conformance J05, L60.
 */

import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { startPair } from './lib/doab.js';
import { checkDoab, isDoab, secret, setup, teardown } from './lib/harness.js';
import {
    ask,
    CLOSE,
    frame,
    OPCODE,
    OPEN,
    RawWebSocket,
    upgrade,
} from './lib/raw.js';

const OFFER = {
    'Sec-WebSocket-Extensions':
        'permessage-deflate; client_max_window_bits; server_max_window_bits=9',
};
const ANSWER =
    'permessage-deflate; server_no_context_takeover;' +
    ' client_no_context_takeover; server_max_window_bits=9';
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const LONG = 'once more, '.repeat(300);

let port;

setup('websocket-deflate', async (box) => {
    if (!isDoab) return;
    const pair = await startPair(box, { websocket: { deflate: 'yes' } });
    port = pair.port;
});

const sync = { finishFlush: zlib.constants.Z_SYNC_FLUSH };

class Deflated extends RawWebSocket {
    /* Compressed. */
    zipped(text) {
        const bytes = zlib.deflateRawSync(text, sync);
        return this.send(
            frame(OPCODE.text, bytes.subarray(0, -4), { rsv: 4 }),
        );
    }

    /* The next message, and whether it came compressed. */
    async either() {
        const { opcode, rsv, bytes } = await this.frame();
        assert.equal(opcode, OPCODE.text);
        if (rsv === 0) return { text: bytes.toString(), isZipped: false };
        assert.equal(rsv, 4);
        const coded = Buffer.concat([bytes, TAIL]);
        const text = zlib.inflateRawSync(coded, { ...sync, windowBits: 9 });
        return { text: text.toString(), isZipped: true };
    }

    async plain() {
        const { text, isZipped } = await this.either();
        assert.equal(isZipped, false, text);
        return text;
    }
}

async function loggedIn(headers) {
    const ws = await Deflated.open(port, '/xmpp-websocket', headers);
    ws.text(OPEN('anon.localhost'));
    await ws.plain();
    assert.match(await ws.plain(), /<mechanism>ANONYMOUS</);
    /* What the client compresses is its own affair. */
    const auth =
        '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"' +
        ' mechanism="ANONYMOUS"/>';
    if (headers === undefined) ws.text(auth);
    else ws.zipped(auth);
    const success = await ws.plain();
    assert.match(success, /^<success /);
    secret('SASL payload', />([^<]+)</.exec(success)?.[1]);
    ws.text(OPEN('anon.localhost'));
    await ws.plain();
    assert.match(await ws.plain(), /<bind /);
    ws.text(
        '<iq xmlns="jabber:client" type="set" id="b">' +
            '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>',
    );
    const { text } = await ws.either();
    ws.jid = /<jid>([^<]+)/.exec(text)[1];
    return ws;
}

const message = (to, body) =>
    `<message xmlns="jabber:client" to="${to}"><body>${body}</body></message>`;

/* J05, L60 */
checkDoab('a login goes plain, long messages behind it compressed', async () => {
    const ws = await loggedIn(OFFER);
    assert.equal(ws.handshake.headers['sec-websocket-extensions'], ANSWER);
    for (let i = 0; i < 3; i++) {
        ws.zipped(message(ws.jid, LONG));
        const { text, isZipped } = await ws.either();
        assert.ok(text.includes(LONG));
        assert.equal(isZipped, true);
    }
    ws.zipped(message(ws.jid, 'short'));
    assert.match(await ws.plain(), /short/);
    ws.zipped(CLOSE);
    assert.match(await ws.plain(), /^<close /);
    assert.equal((await ws.rest()).code, 1000);
    ws.close();
});

checkDoab('who does not offer it gets everything plain', async () => {
    const ws = await loggedIn();
    assert.equal(ws.handshake.headers['sec-websocket-extensions'], undefined);
    ws.text(message(ws.jid, LONG));
    assert.ok((await ws.plain()).includes(LONG));
    ws.close();
});

checkDoab('an offer that cannot be kept is declined, no more', async () => {
    const answer = await ask(
        port,
        upgrade('/ws', {
            'Sec-WebSocket-Extensions':
                'permessage-deflate; server_max_window_bits=8',
        }),
        { bodyless: true },
    );
    assert.equal(answer.status, 101);
    assert.equal(answer.headers['sec-websocket-extensions'], undefined);
});

/* J13: 40 MB in 40 kB */
checkDoab('a bomb ends its connection with 1009', async () => {
    const ws = await loggedIn(OFFER);
    ws.zipped(message(ws.jid, 'x'.repeat(40 << 20)));
    const { messages, code } = await ws.rest();
    assert.match(messages.join(''), /<policy-violation /);
    assert.equal(code, 1009);
    ws.close();
});

teardown();
