/*
 * Strophe.js over WebSocket, on each path that doab serves.
 * Conformance: J01-J03, J10, J20, J23, J28, J30, J40; Q01-Q27 0.2 points
 * 18-23.
 */

import assert from 'node:assert/strict';
import { endpoints, startPair } from './lib/doab.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { burst, converse, StropheClient } from './lib/strophe.js';

let pair;
let alice;
let bob;

setup('websocket-strophe', async (box) => {
    pair = await startPair(box);
});

check('two users log in with SCRAM', async () => {
    alice = await new StropheClient(pair.ws).login(
        'alice@localhost/one',
        USERS.alice,
    );
    bob = await new StropheClient(pair.ws).login(
        'bob@localhost/two',
        USERS.bob,
    );
    assert.equal(alice.jid, 'alice@localhost/one');
    await alice.present();
    await bob.present();
});

check('messages pass both ways', async () => {
    const message = await converse(alice, bob, 'ws to ws');
    assert.equal(message.getAttribute('from'), alice.jid);
});

check('a burst of messages arrives complete and in order', async () => {
    await burst(alice, bob, 100, 'over');
    await burst(bob, alice, 100, 'out');
});

check('a message of 60 kB passes whole', async () => {
    const large = `large ${'0123456789abcde\n'.repeat(3800)}`;
    alice.say(bob.jid, large);
    await bob.hear(large);
});

check(
    'logging out tells the partner, and the server closed its stream',
    async () => {
        alice.greet(bob.jid);
        bob.greet(alice.jid);
        await bob.sees(alice.jid);
        await alice.close();
        await bob.sees(alice.jid, 'unavailable');
        await bob.close();
    },
);

check('anonymous login yields an address', async () => {
    const guest = await new StropheClient(pair.ws).login('anon.localhost', '');
    assert.match(guest.jid, /@anon\.localhost\//);
    await guest.close();
});

check('a wrong password is refused', async () => {
    await assert.rejects(
        new StropheClient(pair.ws).login('alice@localhost', 'not the password'),
        /AUTHFAIL/,
    );
});

for (const path of ['/ws', '/ws-xmpp', '/xmpp-websocket/', '/ws/', '/ws-xmpp/'])
    checkDoab(`the path ${path} works as well`, async () => {
        const { ws } = endpoints(pair.base, path);
        const guest = await new StropheClient(ws).login('anon.localhost', '');
        await guest.close();
    });

teardown();
