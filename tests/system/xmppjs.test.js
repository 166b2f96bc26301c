/*
 * @xmpp/client over WebSocket.  It reads frames with a streaming parser, and
 * checks <open/> and <close/> by namespace.
 * Conformance: J20-J30, J40.
 */

import assert from 'node:assert/strict';
import { client, xml } from '@xmpp/client';
import ws from 'ws';
import { startPair } from './lib/doab.js';
import { check, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { until } from './lib/sandbox.js';

/* Node 20 has no WebSocket of its own. */
globalThis.WebSocket = ws;

let pair;
let alice;
let bob;

setup('xmppjs', async (box) => {
    pair = await startPair(box);
});

async function login(user) {
    const xmpp = client({
        service: pair.ws,
        domain: 'localhost',
        resource: 'x',
        username: user,
        password: USERS[user],
    });
    xmpp.heard = [];
    xmpp.faults = [];
    xmpp.on('error', (e) => xmpp.faults.push(e));
    xmpp.on('stanza', (s) => {
        if (s.is('message')) xmpp.heard.push(s);
    });
    xmpp.reconnect.stop();
    xmpp.address = (await xmpp.start()).toString();
    /* It is online before XEP-0198 is, and counts what comes from the server
     * in the same moment as <enabled/> to the wrong side of it. */
    await until('XEP-0198', () => xmpp.streamManagement.enabled);
    await xmpp.send(xml('presence'));
    return xmpp;
}

async function tell(from, to, body) {
    await from.send(
        xml('message', { type: 'chat', to: to.address }, xml('body', {}, body)),
    );
    const message = await until(`"${body}"`, () =>
        to.heard.find((m) => m.getChildText('body') === body),
    );
    assert.equal(message.attrs.from, from.address);
}

check('two users log in', async () => {
    alice = await login('alice');
    bob = await login('bob');
    assert.equal(alice.address, 'alice@localhost/x');
});

check('messages pass both ways', async () => {
    await tell(alice, bob, 'there <&> ü 😀');
    await tell(bob, alice, 'and back');
});

check(
    'closing is orderly: <close/> is answered and nothing is an error',
    async () => {
        await alice.stop();
        await bob.stop();
        assert.equal(alice.status, 'offline');
        assert.deepEqual([...alice.faults, ...bob.faults], []);
    },
);

teardown();
