/*
 * Clients that keep silent, stay away or do not read, against a server that
 * says what the test wants.
 * Conformance: J13, J27, J45, J51, L10-L13; L11.
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { copyDoab, routes, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import {
    attributes,
    BoshSession,
    frame,
    OPCODE,
    OPEN,
    RawWebSocket,
} from './lib/raw.js';
import { sleep, until } from './lib/sandbox.js';
import { Scripted } from './lib/scripted.js';

const AUTH =
    '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>';

let server;
let doab;
let port;

const box = setup('limits', async () => {
    server = await Scripted.start();
    if (!isDoab) return;
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: routes(server.port),
        websocket: {
            ping: '1s',
            ping_timeout: '2s',
            open_timeout: '1s',
            close_timeout: '1s',
        },
        limits: { authenticate_timeout: '3s' },
        log: { level: 'debug' },
    });
    port = doab.port;
});

/* Answers the server's pings, as a browser does by itself. */
class Attentive extends RawWebSocket {
    constructor(to) {
        super(to);
        this.socket.on('data', (bytes) => {
            if (bytes[0] === (0x80 | OPCODE.ping))
                this.send(frame(OPCODE.pong, bytes.subarray(2)));
        });
    }
}

async function login(Kind) {
    const ws = await Kind.open(port);
    const [stream] = await server.next(() => ws.text(OPEN('localhost')));
    await stream.greet();
    await ws.message();
    await ws.message();
    ws.text(AUTH);
    const done = stream.authenticate();
    await ws.message();
    ws.text(OPEN('localhost'));
    await done;
    await ws.message();
    await ws.message();
    return [ws, stream];
}

/* J45, J51 */
checkDoab(
    'a client that answers no ping is gone, without a goodbye',
    async () => {
        const [ws, stream] = await login(RawWebSocket);
        const begun = Date.now();
        await stream.over();
        const waited = Date.now() - begun;
        assert.ok(waited > 2500 && waited < 20000, `${waited} ms`);
        assert.doesNotMatch(stream.got, /<\/stream:stream>/);
        ws.close();
    },
);

/* J51 */
checkDoab('one that answers them stays, for all its silence', async () => {
    const [ws, stream] = await login(Attentive);
    await sleep(4000);
    assert.equal(stream.ended, false);
    stream.say('<message><body>still there?</body></message>');
    assert.match(await ws.message(), /still there/);
    ws.close();
});

/* J27 */
checkDoab('a WebSocket that is never opened is closed', async () => {
    const ws = await RawWebSocket.open(port);
    await ws.waitEnd();
});

/* J27, L10 */
checkDoab('who does not log in in time is sent away', async () => {
    const ws = await Attentive.open(port);
    const [stream] = await server.next(() => ws.text(OPEN('localhost')));
    await stream.greet();
    const session = new BoshSession(port);
    const [second, opened] = await server.next(() =>
        session.open({ wait: 30 }),
    );
    await second.greet();
    await opened;
    const { messages } = await ws.rest();
    assert.match(messages.join(''), /<stream:error.*<close /s);
    await stream.left();
    ws.close();
    const answer = await session.ask();
    assert.equal(attributes(answer.body).type, 'terminate');
    await second.left();
});

/* J13, L10; decision 11 */
checkDoab('before the login a stanza must be small', async () => {
    const ws = await RawWebSocket.open(port);
    const [stream] = await server.next(() => ws.text(OPEN('localhost')));
    await stream.greet();
    ws.text(`<a xmlns="urn:x">${'x'.repeat(11000)}</a>`);
    const { messages } = await ws.rest();
    assert.match(messages.join(''), /policy-violation/);
    await stream.left();
    assert.doesNotMatch(stream.got, /urn:x/);
    ws.close();
});

const rssMib = () =>
    Number(
        /VmRSS:\s+(\d+)/.exec(
            fs.readFileSync(`/proc/${doab.child.pid}/status`, 'utf8'),
        )[1],
    ) / 1024;

/* AddressSanitizer keeps what was freed for a while. */
function assertFrugal(before) {
    const isSanitized = fs.readFileSync(copyDoab(box)).includes('__asan_init');
    const grown = rssMib() - before;
    assert.ok(grown < (isSanitized ? 256 : 20), `${grown} MiB more`);
}

/* L11, L12 */
checkDoab(
    'a client that does not read stops the server, not doab',
    async () => {
        const [ws, stream] = await login(Attentive);
        const before = rssMib();
        const filler = 'x'.repeat(20000);
        const count = 1500;
        ws.socket.pause();
        for (let i = 0; i < count; i++)
            stream.say(`<message id='${i}'><body>${filler}</body></message>`);
        await sleep(700);
        assert.ok(
            stream.socket.writableLength > 15e6,
            'the server had to stop',
        );
        assertFrugal(before);
        ws.socket.resume();
        for (let i = 0; i < count; i++)
            assert.match(
                await ws.message(),
                new RegExp(`^<message[^>]* id="${i}"`),
            );
        ws.close();
    },
);

/* L11, L12, B51 */
checkDoab('nor does one that does not poll', async () => {
    const session = new BoshSession(port);
    const [stream, opened] = await server.next(() => session.open());
    await stream.greet();
    await opened;
    const done = stream.authenticate();
    await session.ask({}, AUTH);
    await session.ask({
        'to': 'localhost',
        'xmpp:restart': 'true',
        'xmlns:xmpp': 'urn:xmpp:xbosh',
    });
    await done;
    const before = rssMib();
    const filler = 'x'.repeat(20000);
    const count = 500;
    for (let i = 0; i < count; i++)
        stream.say(`<message id='${i}'><body>${filler}</body></message>`);
    await sleep(500);
    assert.ok(stream.socket.writableLength > 4e6, 'the server had to stop');
    assertFrugal(before);
    let next = 0;
    while (next < count) {
        const { body } = await session.ask();
        for (const [, id] of body.matchAll(/<message[^>]* id="(\d+)"/g))
            assert.equal(Number(id), next++);
    }
    await session.ask({ type: 'terminate' });
});

/* L12 */
checkDoab(
    'a server that does not read stops the client, not doab',
    async () => {
        const [ws, stream] = await login(Attentive);
        const before = rssMib();
        stream.socket.pause();
        const filler = 'x'.repeat(20000);
        for (let i = 0; i < 1500; i++)
            ws.text(
                `<message xmlns="jabber:client" id="${i}"><body>${filler}` +
                    '</body></message>',
            );
        await sleep(700);
        assert.ok(ws.socket.writableLength > 10e6, 'the client had to stop');
        assertFrugal(before);
        stream.socket.resume();
        await until(
            'the last message',
            () =>
                stream.got.includes('id="1499"') ||
                stream.got.includes("id='1499'"),
            20000,
        );
        ws.close();
    },
);

teardown(() => server.stop());
