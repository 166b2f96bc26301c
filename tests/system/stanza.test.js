/*
 * stanza over BOSH and over WebSocket.  It asks for hold='2', uses two
 * channels in turn and sends restarts without xml:lang.
 * Conformance: A12, A32, B02, B20; Q09.
 */

import assert from 'node:assert/strict';
import stanza from 'stanza';
import { startPair } from './lib/doab.js';
import { check, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { sleep, until } from './lib/sandbox.js';

let pair;

setup('stanza', async (box) => {
    pair = await startPair(box);
});

async function login(user, kind) {
    const client = stanza.createClient({
        jid: `${user}@localhost`,
        resource: kind,
        password: USERS[user],
        autoReconnect: false,
        transports: {
            bosh: kind === 'bosh' ? pair.bosh : false,
            websocket: kind === 'ws' ? pair.ws : false,
        },
    });
    client.heard = [];
    client.on('message', (m) => client.heard.push(m));
    /* Not 'disconnected': over BOSH that waits for a queue of stanza's own,
     * which stays blocked when something was in it. */
    let ended;
    let terminate = {};
    client.on('stream:end', () => {
        ended = true;
    });
    client.on('bosh:terminate', (body) => {
        terminate = body;
    });
    client.connect();
    await new Promise((ok, fail) => {
        client.once('session:started', ok);
        client.once('auth:failed', () => fail(new Error('auth:failed')));
        client.once('disconnected', (e) =>
            fail(e || new Error('disconnected')),
        );
    });
    client.sendPresence();
    client.close = async () => {
        /* Two answers may overtake each other on their way; stanza throws
         * when payload comes in after the end.  So let it be quiet, and on a
         * slow machine let nothing in. */
        await sleep(300);
        const { transport } = client;
        const push = transport.push?.bind(transport);
        transport.push = (what) =>
            what !== null && transport.isEnded ? false : push(what);
        client.disconnect();
        await until('the end of the stream', () => ended);
        assert.equal(terminate.condition, undefined);
    };
    return client;
}

async function hear(client, body) {
    return until(`"${body}"`, () => client.heard.find((m) => m.body === body));
}

/* Texts differ from pair to pair: what one did not acknowledge before it left
 * is stored, and given to the next that logs in. */
async function exchange(one, other, tag) {
    const there = `${tag} there <&> ü 😀`;
    one.sendMessage({ to: other.jid, type: 'chat', body: there });
    const message = await hear(other, there);
    assert.equal(message.from, one.jid);
    other.sendMessage({ to: one.jid, type: 'chat', body: `${tag} back` });
    await hear(one, `${tag} back`);
}

async function burst(one, other, tag) {
    const sent = [...Array(20).keys()].map((i) => `${tag} ${i}`);
    for (const body of sent)
        one.sendMessage({ to: other.jid, type: 'chat', body });
    await hear(other, sent.at(-1));
    const got = other.heard.map((m) => m.body).filter((b) => sent.includes(b));
    assert.deepEqual(got, sent);
}

for (const [first, second] of [
    ['bosh', 'bosh'],
    ['ws', 'ws'],
    ['bosh', 'ws'],
])
    check(`${first} and ${second} exchange messages and close`, async () => {
        const alice = await login('alice', first);
        const bob = await login('bob', second);
        assert.equal(alice.jid, `alice@localhost/${first}`);
        const tag = `${first}-${second}`;
        await exchange(alice, bob, tag);
        await burst(alice, bob, tag);
        await alice.close();
        await bob.close();
    });

teardown();
