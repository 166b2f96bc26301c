/*
 * libpurple over BOSH, as Pidgin and Finch use it: a `Content-Encoding` that
 * is a content type, `to` on every request, a second connection for sending
 * while a request is held, and a second between requests.
 * Conformance: A01, B02, B22, B70, G02-G04; Q01, Q02, Q08-Q10.
 */

import assert from 'node:assert/strict';
import { build, chat, expected } from './clients/native.js';
import { startPair } from './lib/doab.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { StropheClient } from './lib/strophe.js';

let pair;
let bob;
let program;

const box = setup('libpurple', async () => {
    program = await build(box, 'purple_bosh.c', 'purple');
    pair = await startPair(box);
    bob = await new StropheClient(pair.ws).login('bob@localhost/ws', USERS.bob);
    await bob.present();
});

const start = (name, password) =>
    box.start(
        name,
        [
            program,
            pair.bosh,
            'alice@localhost/purple',
            password,
            bob.jid,
            box.mkdir(`home-${name}`),
        ],
        { env: { ...process.env, LC_ALL: 'C' } },
    );

check('it logs in, talks both ways and logs out', async () => {
    const purple = start('purple', USERS.alice);
    const { from, odd, code, lines } = await chat(purple, bob, 'libpurple');
    assert.equal(from, 'alice@localhost/purple');
    assert.deepEqual(lines, expected(odd));
    assert.equal(code, 0);
});

/* B70 */
checkDoab('its session ended when it logged out', async () => {
    const [, reason] = await pair.doab.child.waitFor(
        /session\.end .*transport=bosh .*reason=(\S+)/,
    );
    assert.equal(reason, 'client-closed');
});

/* Behind Prosody's own BOSH libpurple waits for ever here. */
checkDoab('a wrong password is refused', async () => {
    const purple = start('stranger', 'not the password');
    assert.equal(await purple.exited, 1);
    assert.match(purple.out, /^error Incorrect username or password$/m);
    assert.doesNotMatch(purple.out, /^online$/m);
});

teardown(() => bob?.close());
