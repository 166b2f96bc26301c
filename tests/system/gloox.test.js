/*
 * gloox over BOSH in each of its modes: HTTP/1.0 with a connection for each
 * request, HTTP/1.1 with two that stay, and one for all.  It sends `ack='0'`,
 * `route`, a Host with a port of its own, and ends with `type='terminal'`.
 * Conformance: A01, B02, B22, B70; Q09, Q11, Q15.
 */

import assert from 'node:assert/strict';
import { build, chat, expected } from './clients/native.js';
import { startPair } from './lib/doab.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

let pair;
let bob;
let program;

const box = setup('gloox', async () => {
    program = await build(box, 'gloox_bosh.cpp', 'gloox');
    pair = await startPair(box);
    bob = await new StropheClient(pair.ws).login('bob@localhost/ws', USERS.bob);
    await bob.present();
});

const start = (mode, password, name = mode) =>
    box.start(name, [
        program,
        String(pair.port),
        '/http-bind/',
        mode,
        `alice@localhost/${mode}`,
        password,
        bob.jid,
    ]);

const MODES = ['legacy', 'persistent', 'pipelining'];

for (const mode of MODES)
    check(`it logs in, talks and logs out, mode ${mode}`, async () => {
        const gloox = start(mode, USERS.alice);
        const { from, odd, code, lines } = await chat(gloox, bob, 'gloox');
        bob.messages = [];
        assert.equal(from, `alice@localhost/${mode}`);
        assert.deepEqual(lines, expected(odd));
        assert.equal(code, 0);
    });

/* B70; type='terminal' is what it sends. */
checkDoab('each of its sessions ended when it logged out', async () => {
    const reasons = () =>
        [
            ...pair.doab.child.err.matchAll(
                /session\.end .*transport=bosh .*reason=(\S+)/g,
            ),
        ].map(([, reason]) => reason);
    await until('three ends', () => reasons().length === MODES.length);
    assert.deepEqual(reasons(), MODES.map(() => 'client-closed'));
});

check('a wrong password is refused', async () => {
    const gloox = start('persistent', 'not the password', 'stranger');
    assert.equal(await gloox.exited, 1);
    /* AuthenticationError 7 is SaslNotAuthorized. */
    assert.match(gloox.out, /^error .* login error 7$/m);
    assert.doesNotMatch(gloox.out, /^online$/m);
});

teardown(() => bob?.close());
