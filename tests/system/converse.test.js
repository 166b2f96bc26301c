/*
 * Converse.js in two browser contexts, one over BOSH and one over WebSocket:
 * they meet in a room, talk both ways, survive a reload each, and talk again.
 * Conformance: B80, J45, I40; Q13, Q22, Q23.
 */

import assert from 'node:assert/strict';
import { startPair } from './lib/doab.js';
import {
    check,
    checkDoab,
    secretsSeen,
    setup,
    teardown,
} from './lib/harness.js';
import { assemblePages, launch, observe } from './lib/browser.js';
import { until } from './lib/sandbox.js';

const SLOW = { timeout: 30000 };

let pair;
let browser;
const people = {};

setup('converse', async (box) => {
    const directory = assemblePages(box);
    pair = await startPair(box, { pages: { directory } });
    browser = await launch();
});

/* Its own context: as two computers, not as two tabs. */
async function open(transport, nickname) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const seen = observe(page, pair.base);
    await page.goto(
        `${pair.base}/chat.html?transport=${transport}` +
            `&nickname=${nickname}`,
    );
    people[transport] = { page, seen, nickname };
    await entered(people[transport]);
}

/* Converse shows the place to write a while before it listens to its keys. */
async function entered({ page }) {
    await page.waitForFunction(
        () => {
            const form = document.querySelector('converse-muc-message-form');
            return (
                form?.auto_complete &&
                form.model.session.get('connection_status') ===
                    window.converse.ROOMSTATUS.ENTERED
            );
        },
        undefined,
        SLOW,
    );
}

async function say({ page }, text) {
    await page.fill('textarea.chat-textarea', text);
    await page.press('textarea.chat-textarea', 'Enter');
}

async function hears({ page }, from, text) {
    await page.waitForFunction(
        ([nickname, wanted]) =>
            [...document.querySelectorAll('.chat-msg')].some(
                (m) =>
                    m.textContent.includes(nickname) &&
                    m.textContent.includes(wanted),
            ),
        [from.nickname, text],
        SLOW,
    );
}

async function talk(tag) {
    const { bosh, websocket } = people;
    await say(bosh, `river speaks <&> ü 😀 ${tag}`);
    await hears(websocket, bosh, `river speaks <&> ü 😀 ${tag}`);
    await say(websocket, `bank answers ${tag}`);
    await hears(bosh, websocket, `bank answers ${tag}`);
}

/* What Strophe keeps of a BOSH session for a reload: jid, sid, rid. */
const kept = async ({ page }) =>
    JSON.parse(
        await page.evaluate(() =>
            sessionStorage.getItem('strophe-bosh-session'),
        ),
    );

check(
    'a browser over BOSH logs in anonymously and joins the room',
    async () => {
        await open('bosh', 'river');
        const { seen } = people.bosh;
        assert.equal(seen.websocket, undefined);
        assert.ok(seen.sent.length > 3);
    },
);

check('a browser over WebSocket joins the same room', async () => {
    await open('websocket', 'bank');
    assert.ok(people.websocket.seen.websocket.endsWith('/xmpp-websocket'));
    assert.ok(!people.websocket.seen.sent.some((t) => t.includes('httpbind')));
});

check('they exchange messages both ways', () => talk('first'));

check('the page over BOSH is reloaded and keeps its session', async () => {
    const person = people.bosh;
    const before = await kept(person);
    const mark = person.seen.sent.length;
    assert.ok(before.sid);
    await person.page.reload();
    await entered(person);
    const after = await kept(person);
    assert.equal(after.sid, before.sid);
    assert.equal(after.jid, before.jid);
    assert.ok(
        !person.seen.sent.slice(mark).some((t) => t.includes('<auth ')),
        'it did not log in anew',
    );
});

check('messages still pass both ways', () => talk('second'));

check('the page over WebSocket is reloaded and comes back', async () => {
    await people.websocket.page.reload();
    await entered(people.websocket);
});

check('messages pass both ways once more', () => talk('third'));

check('nothing was missing, foreign or wrong in either page', () => {
    for (const { seen } of Object.values(people)) {
        assert.deepEqual(seen.errors, []);
        assert.deepEqual(seen.foreign, []);
        assert.deepEqual(seen.missing, []);
    }
});

checkDoab('the server is restarted and both come back', async () => {
    for (const person of Object.values(people))
        person.mark = person.seen.sent.length;
    await pair.restartProsody();
    for (const person of Object.values(people)) {
        await until(
            `${person.nickname} to join again`,
            () =>
                person.seen.sent
                    .slice(person.mark)
                    .some((t) => t.includes('http://jabber.org/protocol/muc"')),
            60000,
        );
        await entered(person);
    }
    await talk('after the restart');
});

check('the landing page finds both ways working', async () => {
    const page = await browser.newPage();
    await page.goto(`${pair.base}/`);
    for (const id of ['ws-state', 'bosh-state'])
        await page.waitForSelector(`#${id}.good`, SLOW);
    assert.equal(await page.inputValue('#bosh-url'), `${pair.base}/http-bind`);
    assert.equal(await page.inputValue('#ws-url'), pair.ws);
    await page.waitForSelector('#chat:not([hidden])', SLOW);
    await browser.close();
});

teardown(async () => {
    await browser?.close();
    assert.ok(secretsSeen('sid') > 0);
});
