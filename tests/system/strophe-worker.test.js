/*
 * Strophe.js 5 with its SharedWorker, which keeps XEP-0198 for all the tabs
 * that share its WebSocket: the tab that drives it may go, the connection may
 * be cut, and the last one logs out for all.
 * Conformance: J40, J45; Q22, Q23.
 */

import assert from 'node:assert/strict';
import { StrophePage, strophePages, WORKER } from './clients/page.js';
import { launch } from './lib/browser.js';
import { startPair } from './lib/doab.js';
import { check, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { Relay } from './lib/relay.js';
import { until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

const JID = 'alice@localhost/tabs';
const OPTIONS = { worker: WORKER, enableStreamManagement: true };

let pair;
let relay;
let browser;
let bob;
let first;
let second;

setup('strophe-worker', async (box) => {
    pair = await startPair(box, { pages: { directory: strophePages(box) } });
    relay = await Relay.start(pair.port);
    browser = await launch();
    bob = await new StropheClient(pair.ws).login('bob@localhost/b', USERS.bob);
    await bob.present();
});

const hibernations = () => pair.prosody.count(/going into hibernation/g);

async function open(context) {
    const ws = pair.ws.replace(`:${pair.port}`, `:${relay.port}`);
    return StrophePage.open(context, pair.base, '5.x', ws, OPTIONS);
}

check('the second tab joins what the first has logged in to', async () => {
    const context = await browser.newContext();
    const logins = pair.prosody.saslCount();
    first = await open(context);
    await first.login(JID, USERS.alice);
    second = await open(context);
    await second.login(JID, USERS.alice, 'ATTACHED');
    assert.equal(pair.prosody.saslCount(), logins + 1);
    assert.equal(await second.call('jid'), JID);
});

check('each tab speaks, and both hear', async () => {
    for (const [name, tab] of Object.entries({ first, second })) {
        await tab.say(bob.jid, `from the ${name}`);
        const message = await bob.hear(`from the ${name}`);
        assert.equal(message.getAttribute('from'), JID);
        bob.say(JID, `to the ${name}`);
        for (const one of [first, second]) await one.hear(`to the ${name}`);
    }
});

check('the tab that drives it goes, and the other goes on', async () => {
    const asleep = hibernations();
    await first.page.close();
    await second.say(bob.jid, 'still here');
    await bob.hear('still here');
    assert.equal(hibernations(), asleep);
});

check('the worker resumes after a cut, and nothing is lost', async () => {
    const asleep = hibernations();
    relay.deafen();
    await second.say(bob.jid, 'lost on the way');
    await relay.swallowed();
    relay.cut();
    await second.reach('DISCONNECTED');
    await until('the server to wait', () => hibernations() > asleep);
    bob.say(JID, 'meanwhile');
    relay.mend();
    await second.login(JID, USERS.alice);
    assert.ok(await second.call('resumed'));
    await second.hear('meanwhile');
    await bob.hear('lost on the way');
    await second.say(bob.jid, 'and on');
    await bob.hear('and on');
    assert.deepEqual(await second.heard('meanwhile'), ['meanwhile']);
    assert.deepEqual(bob.heard('lost'), ['lost on the way']);
});

check('the last one logs out, and nothing stays at the server', async () => {
    const asleep = hibernations();
    await second.close();
    await until('the end of its stream', () =>
        pair.prosody.count(/c2s stream for alice@localhost\/tabs closed/g),
    );
    assert.equal(hibernations(), asleep);
    assert.deepEqual(second.seen.errors, []);
});

teardown(async () => {
    await browser?.close();
    await bob?.close();
    relay?.stop();
});
