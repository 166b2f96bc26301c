/*
 * What a server delivers reaches its client, however large it is and however
 * small the limits of the queues are: a roster of 10,000 contacts, and floods
 * around it, over BOSH and WebSocket, plain and compressed, to clients that read
 * and to such as wait first.
 * Conformance: B29, B51, L12; decision 23.
 */

import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { startLogins } from './lib/logins.js';
import { BoshSession, OPEN, Raw, RawWebSocket, upgrade } from './lib/raw.js';
import { sleep } from './lib/sandbox.js';

const CONTACTS = 10000;
const AUTH =
    '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>';
const ASK =
    '<iq xmlns="jabber:client" type="get" id="r1">' +
    '<query xmlns="jabber:iq:roster"/></iq>';
const RESTART = {
    'to': 'localhost',
    'xmpp:restart': 'true',
    'xmlns:xmpp': 'urn:xmpp:xbosh',
};

const ROSTER =
    "<iq type='result' id='r1'><query xmlns='jabber:iq:roster'>" +
    Array.from(
        { length: CONTACTS },
        (_, n) =>
            `<item jid='contact-${n}@example.org' name='Contact ${n}, of ` +
            `the group of very many people' subscription='both'><group>Many</group></item>`,
    ).join('') +
    '</query></iq>';
const AROUND = 40; /* messages before and behind it */

const message = (n) =>
    `<message id='m${n}'><body>${'x'.repeat(3000)}</body></message>`;

let server;
const doabs = {};

/* All at its default, and all as small as can be. */
const LIMITS = {
    defaults: {},
    small: {
        bosh: { answer_max: 4096 },
        http: { queue_max: '64k' },
        limits: { queue_max: 20000 },
        upstream: { queue_max: '64k' },
    },
    odd: {
        bosh: { answer_max: 20001, gzip: 'yes' },
        websocket: { deflate: 'yes' },
        http: { queue_max: '65537' },
        limits: { queue_max: 20001 },
    },
};

const box = setup('large-elements', async () => {
    assert.ok(ROSTER.length > 1.3e6);
    server = await startLogins((text, socket) => {
        if (!text.includes('jabber:iq:roster')) return;
        let said = '';
        for (let n = 0; n < AROUND; n++) said += message(n);
        said += ROSTER;
        for (let n = AROUND; n < 2 * AROUND; n++) said += message(n);
        socket.write(said);
    });
    if (!isDoab) return;
    for (const [name, keys] of Object.entries(LIMITS))
        doabs[name] = await startDoab(
            box,
            {
                listen: { '127.0.0.1:0': {} },
                domain: { localhost: { route: server.route, mode: 'plain' } },
                log: { level: 'warn' },
                ...keys,
                limits: { ...keys.limits, stanza_max: '2M' },
            },
            `${name}.conf`,
        );
});

/* What came is all of it, once, and in order. */
function assertAll(text) {
    const ids = [...text.matchAll(/<(?:message|iq)[^>]* id=["'](\w+)["']/g)];
    const wanted = Array.from({ length: 2 * AROUND }, (_, n) => `m${n}`);
    wanted.splice(AROUND, 0, 'r1');
    assert.deepEqual(
        ids.map(([, id]) => id),
        wanted,
    );
    assert.equal(text.match(/<item /g).length, CONTACTS);
    assert.match(text, new RegExp(`contact-${CONTACTS - 1}@`));
    assert.doesNotMatch(text, /policy-violation|terminate|stream:error/);
}

const isOver = (text) => text.includes(`id="m${2 * AROUND - 1}"`);

/* Clients take what is offered. */
const asking = (request) =>
    request.replace('\r\n', '\r\nAccept-Encoding: gzip\r\n');

const isCoded = ({ headers }) => headers['content-encoding'] === 'gzip';

const plainText = (answer) =>
    isCoded(answer) ? zlib.gunzipSync(answer.bytes).toString() : answer.body;

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

const inflated = ({ rsv, bytes, data }) =>
    rsv === 4
        ? zlib
              .inflateRawSync(Buffer.concat([bytes, TAIL]), {
                  finishFlush: zlib.constants.Z_SYNC_FLUSH,
              })
              .toString()
        : data;

for (const name of Object.keys(LIMITS))
    for (const wait of [0, 700])
        checkDoab(
            `a roster of ${CONTACTS} arrives over BOSH, limits: ${name}, ` +
                (wait > 0 ? 'client waits' : 'client reads'),
            async () => {
                const { port } = doabs[name];
                const session = await new BoshSession(port).open();
                await session.ask({}, AUTH);
                await session.ask(RESTART);
                const raw = new Raw(port);
                raw.send(asking(session.next({}, ASK)));
                if (wait > 0) {
                    raw.socket.pause();
                    await sleep(wait);
                    raw.socket.resume();
                }
                let text = plainText(await raw.response());
                while (!isOver(text)) {
                    raw.send(asking(session.next()));
                    if (wait > 0) {
                        raw.socket.pause();
                        await sleep(5);
                        raw.socket.resume();
                    }
                    text += plainText(await raw.response());
                }
                raw.close();
                assertAll(text);
                await session.ask({ type: 'terminate' });
            },
        );

async function login(port) {
    const ws = await RawWebSocket.open(port, undefined, {
        'Sec-WebSocket-Extensions': 'permessage-deflate',
    });
    for (const [said, answers] of [
        [OPEN('localhost'), 2],
        [AUTH, 1],
        [OPEN('localhost'), 2],
    ]) {
        ws.text(said);
        for (let left = answers; left > 0; left--) await ws.message();
    }
    return ws;
}

for (const name of Object.keys(LIMITS))
    for (const wait of [0, 700])
        checkDoab(
            `a roster of ${CONTACTS} arrives over WebSocket, limits: ${name}, ` +
                (wait > 0 ? 'client waits' : 'client reads'),
            async () => {
                const ws = await login(doabs[name].port);
                if (wait > 0) ws.socket.pause();
                ws.text(ASK);
                await sleep(wait);
                ws.socket.resume();
                let text = '';
                while (!isOver(text)) text += inflated(await ws.frame());
                assertAll(text);
                ws.close();
            },
        );

teardown(() => server.stop());
