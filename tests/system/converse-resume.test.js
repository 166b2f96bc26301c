/*
 * Converse.js with an account, over WebSocket: it resumes its stream (XEP-0198)
 * after the page was reloaded and after its connection was cut, and what was
 * said meanwhile arrives exactly once; two tabs share one connection by a
 * SharedWorker; https and wss change nothing.
 * Conformance: J40, J42, J45, J54, I40; Q22, Q23.
 */

import assert from 'node:assert/strict';
import { conversePages, ConversePage } from './clients/converse.js';
import { launch } from './lib/browser.js';
import { makeCerts } from './lib/certs.js';
import { endpoints, startPair } from './lib/doab.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { Relay } from './lib/relay.js';
import { freePorts, until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

const JID = 'alice@localhost/page';

let pair;
let relay;
let browser;
let bob;
let page;

setup('converse-resume', async (box) => {
    /* Without a list to look into, Converse holds back what strangers say. */
    const { good } = await makeCerts(box, ['localhost']);
    const ports = await freePorts(2);
    pair = await startPair(
        box,
        {
            listen: {
                [`127.0.0.1:${ports[0]}`]: {},
                [`127.0.0.1:${ports[1]}`]: good,
            },
            pages: { directory: conversePages(box) },
        },
        { modules: ['blocklist'] },
    );
    relay = await Relay.start(pair.port);
    browser = await launch();
    bob = await new StropheClient(pair.ws).login('bob@localhost/b', USERS.bob);
    await bob.present();
});

const through = (url) => url.replace(`:${pair.port}`, `:${relay.port}`);
const hibernations = () => pair.prosody.count(/going into hibernation/g);
const resumptions = () => pair.prosody.count(/resuming existing session/g);

const ends = () => pair.prosody.count(/Client disconnected/g);

/* How often a page was handed a text. */
const times = (list, text) => list.filter((t) => t.includes(text)).length;

const open = (pages, settings = {}, base = through(pair.base)) =>
    ConversePage.open(
        pages,
        base,
        {
            authentication: 'login',
            jid: JID,
            password: USERS.alice,
            websocket_url: through(pair.ws),
            ...settings,
        },
        'bob@localhost',
    );

check('a browser logs in and talks', async () => {
    page = await open(browser);
    assert.equal(await page.jid(), JID);
    await page.talk(bob, JID, 'first');
    await until('stream management', () =>
        times(page.seen.got, '<enabled '),
    );
});

/* What an action does to the stream, which it interrupts: it is resumed, and
 * what the partner said meanwhile arrives once. */
async function interrupted(tag, action) {
    const [before, asleep] = [resumptions(), hibernations()];
    const mark = page.seen.got.length;
    await action(async () => {
        await until('the server to wait', () => hibernations() > asleep);
        bob.say(JID, `${tag} meanwhile`);
    });
    await page.hears(`${tag} meanwhile`);
    assert.equal(resumptions(), before + 1);
    assert.equal(await page.jid(), JID);
    await page.talk(bob, JID, tag);
    const got = page.seen.got.slice(mark);
    assert.equal(times(got, '<resumed '), 1);
    assert.equal(times(got, `${tag} meanwhile`), 1);
    assert.equal(await page.shown(`${tag} meanwhile`), 1);
}

/* Before the reloads: a page that has resumed once does so no more when it is
 * cut off, but logs in anew (Converse 14.0.0, onWillReconnect). */
check('a cut resumes the stream, and nothing is lost', async () => {
    await interrupted('cut', async (meanwhile) => {
        relay.deafen();
        await page.say('cut lost on the way');
        await relay.swallowed();
        relay.cut();
        await meanwhile();
        relay.mend();
    });
    await bob.hear('cut lost on the way');
    assert.deepEqual(bob.heard('cut lost'), ['cut lost on the way']);
});

check('a page that went elsewhere and comes back resumes it', () =>
    interrupted('elsewhere', async (meanwhile) => {
        const url = page.page.url();
        await page.page.goto('about:blank');
        await meanwhile();
        await page.page.goto(url);
        await page.ready();
    }),
);

check('a reload resumes it', () =>
    interrupted('reload', async (meanwhile) => {
        const loaded = page.page.reload();
        await meanwhile();
        await loaded;
        await page.ready();
    }),
);

/* Tabs of one browser context meet in one worker, whose WebSocket they share:
 * the second attaches to what the first has logged in to. */
const worker = { worker: '/dist/shared-connection-worker.js' };
let context;
const tabs = [];

check('two tabs share one connection by a SharedWorker', async () => {
    await page.page.close();
    const logins = pair.prosody.saslCount();
    context = await browser.newContext();
    for (let i = 0; i < 2; i++)
        tabs.push(await open(context, { connection_options: worker }));
    for (const tab of tabs) assert.equal(await tab.jid(), JID);
    assert.equal(pair.prosody.saslCount(), logins + 1);
});

check('each tab speaks, and both hear', async () => {
    for (const [i, tab] of tabs.entries()) {
        await tab.talk(bob, JID, `tab ${i}`);
        for (const one of tabs)
            await one.hears(`from the desk <&> ü € 😀 tab ${i}`);
    }
});

check('the connection outlives the tab that made it', async () => {
    const [first, second] = tabs;
    const closed = ends();
    await first.page.close();
    await second.talk(bob, JID, 'alone');
    assert.equal(ends(), closed);
});

check('with the last tab it is gone, and not as if by will', async () => {
    const asleep = hibernations();
    await context.close();
    await until('the server to wait', () => hibernations() > asleep);
});

checkDoab('it is the same over https, wss and long polls', async () => {
    const base = pair.doab.urls.find((url) => url.startsWith('https:'));
    const { ws, bosh } = endpoints(base);
    const secure = await browser.newContext({ ignoreHTTPSErrors: true });
    for (const [name, settings] of Object.entries({
        wss: { websocket_url: ws },
        https: { websocket_url: undefined, bosh_service_url: bosh },
    })) {
        const jid = `alice@localhost/${name}`;
        const one = await open(secure, { jid, ...settings }, base);
        await one.talk(bob, jid, name);
        one.clean();
    }
    await secure.close();
});

check('nothing was missing, foreign or wrong in any page', () => {
    for (const one of [page, ...tabs]) one.clean();
});

teardown(async () => {
    await browser?.close();
    await bob?.close();
    relay?.stop();
});
