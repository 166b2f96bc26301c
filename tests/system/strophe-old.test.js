/*
 * Strophe.js in Chromium over both transports: Debian's 1.2, which many pages
 * still have, and the present one.
 * Conformance: A01, A30, B02, B22, B70, G02, J01, J20, J40;
 * Q01-Q07.
 */

import assert from 'node:assert/strict';
import { StrophePage, strophePages, STROPHES } from './clients/page.js';
import { launch } from './lib/browser.js';
import { startPair } from './lib/doab.js';
import {
    check,
    checkDoab,
    secretsSeen,
    setup,
    teardown,
} from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { attributes } from './lib/raw.js';
import { until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

const VERSIONS = Object.keys(STROPHES);

let pair;
let browser;
let bob;

setup('strophe-old', async (box) => {
    pair = await startPair(box, { pages: { directory: strophePages(box) } });
    browser = await launch();
    bob = await new StropheClient(pair.ws).login('bob@localhost/ws', USERS.bob);
    await bob.present();
});

async function talk(alice, jid, tag) {
    const odd = `<&>"' ]]> ü € 😀 ${tag}`;
    await alice.say(bob.jid, `there ${odd}`);
    const there = await bob.hear(`there ${odd}`);
    assert.equal(there.getAttribute('from'), jid);
    bob.say(jid, `back ${odd}`);
    const back = await alice.hear(`back ${odd}`);
    assert.equal(back.from, bob.jid);
}

async function bursts(alice, jid, tag) {
    const texts = (way) =>
        [...Array(40).keys()].map((i) => `${way} ${tag} ${i}`);
    const out = texts('out');
    await alice.say(bob.jid, ...out);
    await bob.hear(out.at(-1));
    assert.deepEqual(bob.heard('out '), out);
    const home = texts('home');
    for (const text of home) bob.say(jid, text);
    await alice.hear(home.at(-1));
    assert.deepEqual(await alice.heard('home '), home);
    bob.messages = [];
}

/* Requests that a page sent: each rid once, one after the other. */
function assertRids(sent) {
    const rids = sent.map((text) => Number(attributes(text).rid));
    assert.deepEqual(
        rids,
        rids.map((_, i) => rids[0] + i),
    );
}

for (const version of VERSIONS) {
    const jid = `alice@localhost/strophe-${version}`;

    check(`Strophe ${version} logs in, talks and disconnects`, async () => {
        const alice = await StrophePage.open(browser, pair.base, version);
        await alice.login(jid, USERS.alice);
        await talk(alice, jid, `by ${version}`);
        await bursts(alice, jid, version);
        await alice.close();
        assert.match(alice.seen.sent.at(-1), /type=["']terminate["']/);
        assertRids(alice.seen.sent);
        assert.deepEqual(alice.seen.errors, []);
        assert.deepEqual(alice.seen.missing, []);
        assert.deepEqual(alice.seen.foreign, []);
        await alice.page.close();
    });

    /* J01, J20, J40 */
    check(`Strophe ${version} does so over WebSocket, too`, async () => {
        const alice = await StrophePage.open(
            browser,
            pair.base,
            version,
            pair.ws,
        );
        await alice.login(jid, USERS.alice);
        assert.equal(alice.seen.websocket, pair.ws);
        await talk(alice, jid, `over WebSocket by ${version}`);
        await bursts(alice, jid, version);
        await alice.close();
        assert.match(alice.seen.sent.at(-1), /^<close /);
        assert.deepEqual(alice.seen.errors, []);
        await alice.page.close();
    });

    check(`a wrong password is told to Strophe ${version}`, async () => {
        const page = await StrophePage.open(browser, pair.base, version);
        await assert.rejects(page.login(jid, 'not the password'), /AUTHFAIL/);
        /* It leaves that to the page. */
        await page.close();
        await page.page.close();
    });
}

/* B70 */
checkDoab('all sessions ended when they were told to', async () => {
    const reasons = () =>
        [
            ...pair.doab.child.err.matchAll(
                /session\.end .*reason=(\S+)/g,
            ),
        ].map(([, reason]) => reason);
    await until('their ends', () => reasons().length === 3 * VERSIONS.length);
    assert.deepEqual([...new Set(reasons())], ['client-closed']);
});

teardown(async () => {
    await browser?.close();
    await bob?.close();
    assert.ok(secretsSeen('sid') >= 4);
});
