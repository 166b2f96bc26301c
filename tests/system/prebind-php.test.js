/*
 * A session that a web server opens as xmpp-prebind-php does, and that
 * Converse.js in a browser goes on with.  The page is of another origin than
 * doab, so the browser also asks for leave.
 * Conformance: A01, A30, A36, B80, G02, I40; Q01-Q04, Q08-Q10,
 * 12, 16 and 4.1.
 */

import assert from 'node:assert/strict';
import { conversePages, ConversePage } from './clients/converse.js';
import { PhpPrebind } from './clients/prebind.js';
import { startSecurePair } from './clients/secure.js';
import { startWeb } from './clients/web.js';
import { launch } from './lib/browser.js';
import {
    check,
    checkDoab,
    secretsSeen,
    setup,
    teardown,
} from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { attributes, NS } from './lib/raw.js';
import { until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

const JID = 'alice@localhost/prebind';

let pair;
let web;
let browser;
let bob;
const opened = [];

const box = setup('prebind-php', async () => {
    /* Without a list to look into, Converse holds back what strangers say. */
    pair = await startSecurePair(box, {}, { modules: ['blocklist'] });
    web = await startWeb(conversePages(box), {
        '/prebind': async () => {
            const client = new PhpPrebind(pair.bosh, JID, USERS.alice);
            opened.push(client);
            return client.login();
        },
    });
    browser = await launch();
    bob = await new StropheClient(pair.ws).login('bob@localhost/ws', USERS.bob);
    await bob.present();
});

/* A30, A36, G02; its rids are past 32 bits more often than not. */
check('five requests open a session', async () => {
    const client = new PhpPrebind(pair.bosh, 'alice@localhost/a', USERS.alice);
    client.rid = 9876543210;
    const { sid, rid } = await client.login();
    assert.equal(client.answers.length, 5);
    assert.equal(rid, 9876543215);
    assert.equal(attributes(client.answers[0]).sid, sid);
    assert.match(client.answers[0], /^<body [^>]*><stream:features[ >]/);
    assert.match(client.answers[1], /^<body [^>]*><success /);
    assert.match(client.answers[2], /^<body [^>]*><stream:features[ >]/);
    assert.match(client.answers[3], /<jid>alice@localhost\/a<\/jid>/);
    for (const answer of client.answers)
        assert.equal(attributes(answer).xmlns, NS);
    await client.post({ type: 'terminate' });
});

/* curl sends the body only when it is told to go on, or after a second, which
 * is what Prosody makes it wait. */
checkDoab('a large body waits for 100 Continue', async () => {
    const client = new PhpPrebind(pair.bosh, 'alice@localhost/b', USERS.alice);
    await client.login();
    assert.equal(client.continued, 0);
    const text = 'much to say '.repeat(5000).trim();
    const body = await client.post(
        { type: 'terminate' },
        `<message xmlns="jabber:client" to="${bob.jid}" type="chat">` +
            `<body>${text}</body></message>`,
    );
    assert.equal(body.nodeName, 'body');
    assert.equal(client.continued, 1);
    await bob.hear(text);
});

check('a wrong password is answered with the failure at once', async () => {
    const client = new PhpPrebind(pair.bosh, JID, 'not the password');
    await assert.rejects(client.login(), /invalid login: failure/);
    assert.equal(client.answers.length, 2);
});

let page;

check('Converse goes on with a session that was opened for it', async () => {
    page = await ConversePage.open(
        browser,
        web.base,
        {
            authentication: 'prebind',
            bosh_service_url: pair.bosh,
            prebind_url: '/prebind',
            jid: JID,
        },
        'bob@localhost',
    );
    assert.equal(opened.length, 1);
    const first = await until('the first request', () => page.seen.sent[0]);
    assert.equal(attributes(first).sid, opened[0].sid);
    assert.equal(Number(attributes(first).rid), opened[0].rid);
    assert.ok(!page.seen.sent.some((text) => text.includes('<auth')));
});

check('messages pass both ways', () => page.talk(bob, JID, 'first'));

/* B80 */
check('a reload keeps the session and asks for no other', async () => {
    await page.reload();
    assert.equal(opened.length, 1);
    await page.talk(bob, JID, 'after the reload');
    const sids = page.seen.sent.map((text) => attributes(text).sid);
    assert.deepEqual([...new Set(sids)], [opened[0].sid]);
});

check('nothing was missing, foreign or wrong in the page', () =>
    page.clean([pair.bosh]),
);

teardown(async () => {
    await browser?.close();
    await bob?.close();
    web?.stop();
    assert.ok(secretsSeen('sid') >= 3);
    assert.ok(secretsSeen('SASL payload') >= 3);
});
