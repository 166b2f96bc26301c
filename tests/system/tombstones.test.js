/*
 * Sessions that are opened and ended as fast as that goes: what is kept of them
 * for repeats is bounded, and keeps no new session out.
 * Conformance: B73.
 */

import assert from 'node:assert/strict';
import { startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { ask, attributes, BoshSession } from './lib/raw.js';
import { startLogins } from './lib/logins.js';

const SESSIONS_MAX = 500;
const ENDED = 2100; /* more than four for each place */
const AT_ONCE = 50;

let server;
let doab;

const box = setup('tombstones', async () => {
    server = await startLogins();
    if (!isDoab) return;
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: { localhost: { route: server.route, mode: 'plain' } },
        bosh: { tombstones_max: '256k' },
        limits: { sessions_max: SESSIONS_MAX, workers: 1 },
        log: { level: 'warn' },
    });
});

async function comeAndGo() {
    const session = await new BoshSession(doab.port).open();
    assert.equal(attributes(session.created.body).type, undefined);
    session.last = session.next({ type: 'terminate' });
    await ask(doab.port, session.last);
    return session;
}

const repeat = async (session) =>
    attributes((await ask(doab.port, session.last)).body);

checkDoab('ended sessions keep no new one out', async () => {
    const first = await comeAndGo();
    assert.equal((await repeat(first)).condition, undefined);
    let latest;
    for (let n = 1; n < ENDED; n += AT_ONCE)
        [latest] = await Promise.all(
            Array.from({ length: AT_ONCE }, () => comeAndGo()),
        );
    /* The first is forgotten, the last is not. */
    assert.equal((await repeat(first)).condition, 'item-not-found');
    assert.equal((await repeat(latest)).condition, undefined);
    await comeAndGo();
});

checkDoab('nor do they count among those that live', async () => {
    const living = await Promise.all(
        Array.from({ length: SESSIONS_MAX }, () =>
            new BoshSession(doab.port).open(),
        ),
    );
    const refused = await new BoshSession(doab.port).open();
    assert.equal(refused.created.status, 503);
    await ask(doab.port, living[0].next({ type: 'terminate' }));
    await comeAndGo();
    for (const session of living.slice(1))
        await ask(doab.port, session.next({ type: 'terminate' }));
});

teardown(() => server.stop());
