/*
 * stanza over BOSH and over WebSocket.  It asks for hold='2', uses two
 * channels in turn and sends restarts without xml:lang.
 * Conformance: A12, A32, B02, B20; clients.md 3.
 */

import assert from 'node:assert/strict';
import stanza from 'stanza';
import { startPair } from './lib/doab.js';
import { check, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { until } from './lib/sandbox.js';

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
        client.disconnect();
        await until('the end of the stream', () => ended);
        assert.equal(terminate.condition, undefined);
    };
    return client;
}

async function hear(client, body) {
    return until(`"${body}"`, () => client.heard.find((m) => m.body === body));
}

async function exchange(one, other) {
    one.sendMessage({ to: other.jid, type: 'chat', body: 'there <&> ü 😀' });
    const message = await hear(other, 'there <&> ü 😀');
    assert.equal(message.from, one.jid);
    other.sendMessage({ to: one.jid, type: 'chat', body: 'and back' });
    await hear(one, 'and back');
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
        await exchange(alice, bob);
        for (let i = 0; i < 20; i++)
            alice.sendMessage({ to: bob.jid, type: 'chat', body: `n ${i}` });
        await hear(bob, 'n 19');
        const order = bob.heard
            .map((m) => m.body)
            .filter((b) => b?.startsWith('n '));
        assert.deepEqual(
            order,
            [...Array(20).keys()].map((i) => `n ${i}`),
        );
        await alice.close();
        await bob.close();
    });

teardown();
