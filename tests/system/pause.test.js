/*
 * A machine that pauses: doab is stopped for longer than clients may be silent.
 * What they sent meanwhile waits in the sockets and is served first, and time
 * in which doab could not serve counts for no deadline.
 */

import assert from 'node:assert/strict';
import { routes, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { ask, attributes, BoshSession, OPEN, RawWebSocket } from './lib/raw.js';
import { sleep } from './lib/sandbox.js';
import { Scripted } from './lib/scripted.js';

const SESSIONS = 100;
const WEBSOCKETS = 20;
const INACTIVITY_S = 5;
const PAUSE_MS = 9000;

let server;
let doab;

const box = setup('pause', async () => {
    server = await Scripted.start();
    if (!isDoab) return;
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: routes(server.port),
        limits: { workers: 3 },
        bosh: { inactivity: `${INACTIVITY_S}s` },
        websocket: { ping: '2s', ping_timeout: '3s' },
        log: { level: 'debug' },
    });
});

async function openBosh() {
    const session = new BoshSession(doab.port);
    const [stream, opened] = await server.next(() =>
        session.open({ wait: 1, hold: 1 }),
    );
    await stream.greet();
    await opened;
    return { session, stream };
}

async function openWebSocket() {
    const ws = await RawWebSocket.open(doab.port);
    const [stream] = await server.next(() => ws.text(OPEN('localhost')));
    await stream.greet();
    await ws.message();
    await ws.message();
    return { ws, stream };
}

async function pause(ms) {
    doab.child.signal('SIGSTOP');
    const done = sleep(ms).then(() => doab.child.signal('SIGCONT'));
    return { done };
}

checkDoab('polls and messages of a pause are served after it', async () => {
    const bosh = [];
    for (let i = 0; i < SESSIONS; i++) bosh.push(await openBosh());
    const webSockets = [];
    for (let i = 0; i < WEBSOCKETS; i++)
        webSockets.push(await openWebSocket());
    /* They all begin with the same silence. */
    await Promise.all(bosh.map(({ session }) => session.ask()));

    const { done } = await pause(PAUSE_MS);
    const polls = bosh.map(({ session }) =>
        ask(doab.port, session.next(), { ms: 3 * PAUSE_MS }),
    );
    webSockets.forEach(({ ws }, i) =>
        ws.text(
            '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" ' +
                `mechanism="X">n${i}</auth>`,
        ),
    );
    await done;

    const ends = (await Promise.all(polls)).filter(
        ({ body }) => attributes(body).type === 'terminate',
    );
    assert.equal(ends.length, 0, `${ends.length} of ${SESSIONS} ended`);
    await Promise.all(
        webSockets.map(({ stream }, i) => stream.expect(`>n${i}</auth>`)),
    );
    for (const { session } of bosh) await session.ask({ type: 'terminate' });
    for (const { ws } of webSockets) ws.close();
});

checkDoab('who comes a while after the pause is in time, too', async () => {
    const { session } = await openBosh();
    await session.ask();
    const { done } = await pause(PAUSE_MS);
    await done;
    /* With the second before it that is less than inactivity. */
    await sleep((INACTIVITY_S - 3) * 1000);
    const { body } = await session.ask();
    assert.notEqual(attributes(body).type, 'terminate');

    /* The deadline moved, and holds. */
    await sleep((INACTIVITY_S + 3) * 1000);
    const late = await session.ask();
    assert.equal(attributes(late.body).type, 'terminate');
});

teardown(() => server.stop());
