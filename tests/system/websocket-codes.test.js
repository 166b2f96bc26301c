/*
 * What RFC 6455 forbids and libraries let through, and the code of the Close
 * frame that a client of doab sees for it; and the end of doab while clients wait.
 * Conformance J08, J12, J13, J26, J41, J42; decisions, first of "Measured".
 */

import assert from 'node:assert/strict';
import { routes, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { ask, frame, OPCODE, RawWebSocket, upgrade } from './lib/raw.js';
import { freePorts } from './lib/sandbox.js';

let doab;

const box = setup('websocket-codes', async () => {
    if (!isDoab) return;
    const [nobody] = await freePorts(1);
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: routes(nobody),
        websocket: { open_timeout: '60s' },
        limits: { drain_timeout: '60s' },
    });
});

const MASK = [1, 2, 3, 4];
const close = (...bytes) => frame(OPCODE.close, Buffer.from(bytes));

const INPUTS = [
    ['an unmasked frame', frame(OPCODE.text, 'x', { unmasked: true }), 1002],
    ['125 in two bytes', Buffer.from([0x81, 0xfe, 0, 125, ...MASK]), 1002],
    [
        '65535 in eight bytes',
        Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255, ...MASK]),
        1002,
    ],
    [
        'a length of 2^62',
        Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, ...MASK]),
        1009,
    ],
    [
        'a length with the top bit set',
        Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, ...MASK]),
        1002,
    ],
    ['a ping of 126 bytes', frame(OPCODE.ping, 'x'.repeat(126)), 1002],
    ['bad UTF-8 in a close reason', close(3, 232, 0xc3, 0x28), 1007],
    ['a close of one byte', close(3), 1002],
];

/* J08, J12, J13, J42 */
checkDoab('what libraries let through has its close code', async () => {
    for (const [name, bytes, code] of INPUTS) {
        const ws = await RawWebSocket.open(doab.port);
        ws.send(bytes);
        const end = await ws.rest();
        assert.equal(end.code, code, name);
        /* Only what is too large is an error of XMPP as well. */
        assert.equal(end.messages.length, code === 1009 ? 3 : 0, name);
        ws.send(close(code >> 8, code & 255));
        await ws.waitEnd();
        ws.close();
    }
});

checkDoab('a cookie of 5 KB does not end the connection', async () => {
    const head = upgrade('/xmpp-websocket', { Cookie: 'c'.repeat(5120) });
    const { status } = await ask(doab.port, head, { bodyless: true });
    assert.equal(status, 101);
});

/* J26, J41: it does not wait for open_timeout. */
checkDoab('on SIGTERM a client that has said nothing sees 1001', async () => {
    const ws = await RawWebSocket.open(doab.port);
    const begun = Date.now();
    doab.child.signal('SIGTERM');
    assert.deepEqual(await ws.rest(), { messages: [], code: 1001 });
    ws.send(close(3, 233));
    await ws.waitEnd();
    assert.equal(await doab.child.exited, 0);
    assert.ok(Date.now() - begun < 30000);
    ws.close();
});

teardown();
