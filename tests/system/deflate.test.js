/*
 * permessage-deflate with those who wrote it anew: Chromium and Node's ws,
 * and with a client that knows none.  What goes over the wire is counted.
 * Conformance: J05.
 */

import assert from 'node:assert/strict';
import { CLIENTS } from './clients/resumable.js';
import { StrophePage, strophePages } from './clients/page.js';
import { launch } from './lib/browser.js';
import { startPair } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { Relay } from './lib/relay.js';
import { until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

const EXTENSION = /^Sec-WebSocket-Extensions: permessage-deflate\b.*$/im;
/* Far below the limit of a stanza, far above what is left of it. */
const LARGE = 'much and ever the same '.repeat(2000);
const SMALL_BYTES = 10000;

let pair;
let browser;
let bob;
const relays = [];

const box = setup('deflate', async (box) => {
    if (!isDoab) return;
    pair = await startPair(box, {
        pages: { directory: strophePages(box) },
        websocket: { deflate: true },
    });
    browser = await launch();
    bob = await new StropheClient(pair.ws).login('bob@localhost/b', USERS.bob);
    await bob.present();
});

/* A relay of its own for each client, and the address through it. */
async function through() {
    const relay = await Relay.start(pair.port);
    relays.push(relay);
    return [relay, pair.ws.replace(`:${pair.port}`, `:${relay.port}`)];
}

/* Bytes on the wire while a client said, and heard, something large. */
async function weigh(relay, jid, tag, { say, hear }) {
    const [up, down] = [relay.up, relay.down];
    await say(`there ${LARGE}${tag}`);
    await bob.hear(`there ${LARGE}${tag}`);
    bob.say(jid, `back ${LARGE}${tag}`);
    await hear(`back ${LARGE}${tag}`);
    return { up: relay.up - up, down: relay.down - down };
}

function small({ up, down }) {
    assert.ok(up < SMALL_BYTES, `${up} bytes went up`);
    assert.ok(down < SMALL_BYTES, `${down} bytes came down`);
}

/* Small ones between large ones, some below the size that is compressed. */
async function mixed(jid, { say, hear }) {
    for (let i = 0; i < 20; i++) {
        const body = `${i} `.repeat(1 + (i % 4) * 700).trim();
        await say(`out ${body}`);
        await bob.hear(`out ${body}`);
        bob.say(jid, `home ${body}`);
        await hear(`home ${body}`);
    }
}

checkDoab('what Chromium says and hears goes compressed', async () => {
    const [relay, url] = await through();
    const jid = 'alice@localhost/page';
    const page = await StrophePage.open(browser, pair.base, '5.x', url);
    await page.login(jid, USERS.alice);
    assert.match(relay.told, EXTENSION);
    const words = {
        say: (body) => page.say(bob.jid, body),
        hear: (body) => page.hear(body),
    };
    small(await weigh(relay, jid, 'page', words));
    await mixed(jid, words);
    await page.close();
    assert.deepEqual(page.seen.errors, []);
});

/* nbxmpp does not ask for it, and is served as it is by default. */
for (const name of Object.keys(CLIENTS)) {
    const compresses = name !== 'nbxmpp';
    const way = compresses ? 'compressed' : 'as it is';

    checkDoab(`what ${name} says and hears goes ${way}`, async () => {
        const [relay, url] = await through();
        const jid = `alice@localhost/${name.replace(/\W/g, '')}`;
        const one = await CLIENTS[name](url, jid, USERS.alice, box);
        const words = {
            say: (body) => one.say(bob.jid, body),
            hear: (body) =>
                until(`"${body}"`, () => one.bodies.includes(body)),
        };
        assert.equal(EXTENSION.test(relay.told), compresses);
        const bytes = await weigh(relay, jid, name, words);
        if (compresses) small(bytes);
        else assert.ok(Math.min(bytes.up, bytes.down) > LARGE.length);
        await mixed(jid, words);
        await one.close();
    });
}

checkDoab('all of them left in good order', async () => {
    await bob.close();
    const reasons = () =>
        [...pair.doab.child.err.matchAll(/session\.end .*reason=(\S+)/g)].map(
            ([, reason]) => reason,
        );
    const count = 2 + Object.keys(CLIENTS).length;
    await until('their ends', () => reasons().length === count);
    assert.deepEqual([...new Set(reasons())], ['client-closed']);
});

teardown(async () => {
    await browser?.close();
    for (const relay of relays) relay.stop();
});
