/*
 * Strophe.js over BOSH, with a partner on WebSocket.
 * Conformance: A01, A30-A33, B02, B03, B22, B70, G02-G04, G09; Q01-Q27
 * 0.2 points 1-4.
 */

import assert from 'node:assert/strict';
import { startPair } from './lib/doab.js';
import { check, secretsSeen, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { burst, converse, StropheClient } from './lib/strophe.js';

let pair;
let alice;
let bob;

setup('bosh-strophe', async (box) => {
    pair = await startPair(box);
});

check('a user logs in with SCRAM', async () => {
    alice = await new StropheClient(pair.bosh).login(
        'alice@localhost/bosh',
        USERS.alice,
    );
    assert.equal(alice.jid, 'alice@localhost/bosh');
    assert.match(alice.conn._sasl_mechanism?.mechname ?? '', /^SCRAM-SHA/);
    await alice.present();
});

check('the session was granted what a client needs', async () => {
    const proto = alice.conn._proto;
    assert.ok(proto.sid);
    assert.ok(proto.wait >= 1 && proto.wait <= 45);
    assert.equal(Number(proto.hold), 1);
    assert.ok(proto.window >= 2);
});

check('messages pass both ways to a partner on WebSocket', async () => {
    bob = await new StropheClient(pair.ws).login('bob@localhost/ws', USERS.bob);
    await bob.present();
    const message = await converse(alice, bob, 'bosh to ws');
    assert.equal(message.getAttribute('from'), alice.jid);
    assert.equal(message.getAttribute('xmlns'), 'jabber:client');
});

check('a burst of messages arrives complete and in order', async () => {
    await burst(alice, bob, 60, 'over');
    await burst(bob, alice, 60, 'out');
});

check('the partner learns that the user logged out', async () => {
    bob.greet(alice.jid);
    alice.greet(bob.jid);
    await bob.sees(alice.jid);
    await alice.close();
    await bob.sees(alice.jid, 'unavailable');
    await bob.close();
});

check('a wrong password is refused and the session ends', async () => {
    await assert.rejects(
        new StropheClient(pair.bosh).login(
            'alice@localhost',
            'not the password',
        ),
        /AUTHFAIL/,
    );
});

check('anonymous login yields an address', async () => {
    const guest = await new StropheClient(pair.bosh).login(
        'anon.localhost',
        '',
    );
    assert.match(guest.jid, /@anon\.localhost\//);
    await guest.close();
});

teardown(async () => {
    assert.ok(secretsSeen('sid') >= 3, 'sids were seen and searched for');
    assert.ok(secretsSeen('SASL payload') >= 4);
});
