/*
 * A doab that ends and knows another one: Strophe goes there by itself.
 * Conformance: J41, J46; Q20.
 */

import assert from 'node:assert/strict';
import { endpoints, routes, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { startProsody, USERS } from './lib/prosody.js';
import { CLOSE, OPEN, RawWebSocket } from './lib/raw.js';
import { until } from './lib/sandbox.js';
import { Scripted } from './lib/scripted.js';
import { StropheClient } from './lib/strophe.js';

let other;
let silent;
let leaving;

const box = setup('websocket-drain', async () => {
    if (!isDoab) return;
    const prosody = await startProsody(box, {});
    const doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: routes(prosody.port),
    });
    other = endpoints(doab.urls[0]);
    /* Its clients wait for a server that says nothing. */
    silent = await Scripted.start();
    leaving = await startDoab(
        box,
        {
            listen: { '127.0.0.1:0': {} },
            domain: routes(silent.port),
            websocket: { see_other_uri: other.ws },
        },
        'leaving.conf',
    );
});

checkDoab('on SIGTERM Strophe logs in at the other place', async () => {
    const raw = await RawWebSocket.open(leaving.port);
    raw.text(OPEN('localhost'));
    const alice = new StropheClient(endpoints(leaving.urls[0]).ws);
    const connected = alice.login('alice@localhost/moved', USERS.alice);
    await until('two streams', () => silent.streams.length === 2);
    leaving.child.signal('SIGTERM');

    assert.equal(
        await raw.message(),
        '<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"' +
            ` see-other-uri="${other.ws}" />`,
    );
    raw.text(CLOSE);
    assert.deepEqual(await raw.rest(), { messages: [], code: 1001 });
    raw.close();

    await connected;
    assert.ok(alice.states.some((s) => s.name === 'REDIRECT'));
    assert.equal(alice.jid, 'alice@localhost/moved');
    assert.equal(await leaving.child.exited, 0);
    await alice.close();
});

teardown(async () => silent?.stop());
