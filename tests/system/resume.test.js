/*
 * Clients that know XEP-0198, over a connection that is cut: the server keeps
 * their stream, since doab never ends it for them; they resume it, and what
 * was said meanwhile arrives exactly once, in both directions.
 * Conformance: J40, J42, J45, J50; clients.md 0.2 point 22.
 */

import assert from 'node:assert/strict';
import { CLIENTS } from './clients/resumable.js';
import { startPair } from './lib/doab.js';
import { check, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { Relay } from './lib/relay.js';
import { until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

let pair;
let relay;
let bob;
let url;

const box = setup('resume', async (box) => {
    pair = await startPair(box);
    relay = await Relay.start(pair.port);
    url = pair.ws.replace(`:${pair.port}/`, `:${relay.port}/`);
    bob = await new StropheClient(pair.ws).login('bob@localhost/b', USERS.bob);
    await bob.present();
});

const count = (list, body) => list.filter((b) => b === body).length;

const hears = (who, body) =>
    until(`"${body}"`, () => who.bodies.includes(body));

/* How often the server has begun to wait for a client to come back. */
const hibernations = () => pair.prosody.count(/going into hibernation/g);
const ends = () => pair.prosody.count(/c2s stream for alice@localhost\/phone closed/g);
const resumptions = () => pair.prosody.count(/resuming existing session/g);

async function talk(one, tag) {
    const odd = `<&> ü € 😀 ${tag}`;
    await one.say(bob.jid, `there ${odd}`);
    const message = await bob.hear(`there ${odd}`);
    assert.equal(message.getAttribute('from'), one.jid);
    bob.say(one.jid, `back ${odd}`);
    await hears(one, `back ${odd}`);
}

/* The last words of the client are lost, and then the connection; while it is
 * gone the other one speaks. */
async function breakOff(one, tag) {
    const asleep = hibernations();
    relay.deafen();
    await one.say(bob.jid, `${tag} lost on the way`);
    await relay.swallowed();
    relay.cut();
    await until('the server to wait', () => hibernations() > asleep);
    bob.say(one.jid, `${tag} meanwhile`);
    relay.mend();
}

for (const [name, login] of Object.entries(CLIENTS)) {
    let one;

    check(`${name} logs in and talks`, async () => {
        one = await login(url, 'alice@localhost/phone', USERS.alice, box);
        assert.equal(one.jid, 'alice@localhost/phone');
        await talk(one, name);
    });

    check(`${name} resumes after a cut, and nothing is lost`, async () => {
        const before = resumptions();
        await breakOff(one, name);
        await hears(one, `${name} meanwhile`);
        await bob.hear(`${name} lost on the way`);
        assert.equal(one.resumed, 1);
        assert.equal(resumptions(), before + 1);
        await talk(one, `${name} again`);
        assert.equal(count(one.bodies, `${name} meanwhile`), 1);
        assert.deepEqual(bob.heard(`${name} lost`), [
            `${name} lost on the way`,
        ]);
    });

    check(`${name} closes, and nothing of it stays at the server`, async () => {
        const asleep = hibernations();
        const before = ends();
        await one.close();
        await until('the end of its session', () => ends() > before);
        assert.equal(hibernations(), asleep);
    });
}

teardown(async () => {
    relay.stop();
    await bob.close();
});
