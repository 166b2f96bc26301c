/*
 * A session that a web server opens as Strophe's Django example does, and that
 * a page with Debian's Strophe.js, or the present one, goes on with.
 * Conformance: A01, A30, G17, T1; Q01-Q04, Q09, Q10, Q12 and
 * 4.2.
 */

import assert from 'node:assert/strict';
import { StrophePage, strophePages, STROPHES } from './clients/page.js';
import { DjangoAttach } from './clients/prebind.js';
import { startSecurePair } from './clients/secure.js';
import { launch } from './lib/browser.js';
import {
    check,
    checkDoab,
    isDoab,
    secretsSeen,
    setup,
    teardown,
} from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { attributes } from './lib/raw.js';
import { StropheClient } from './lib/strophe.js';

let pair;
let browser;
let bob;

const box = setup('attach-django', async () => {
    pair = await startSecurePair(box, {
        pages: { directory: strophePages(box) },
    });
    browser = await launch();
    bob = await new StropheClient(pair.ws).login('bob@localhost/ws', USERS.bob);
    await bob.present();
});

const client = (resource, password = USERS.alice) =>
    new DjangoAttach(pair.bosh, `alice@localhost/${resource}`, password);

/* Five requests and no restart among them. */
check('a session opens without a version and without a restart', async () => {
    const django = client('a');
    const { sid } = await django.login();
    assert.equal(attributes(django.answers[0]).sid, sid);
    assert.match(django.answers[0], /^<body [^>]*><stream:features[ >]/);
    assert.match(django.answers[1], /^<body [^>]*><success /);
    assert.match(django.answers[2], /^<body [^>]*><stream:features[ >]/);
    assert.match(django.answers[2], /<bind /);
    assert.match(django.answers[3], /<jid>alice@localhost\/a<\/jid>/);
    assert.match(django.answers[4], /<iq [^>]*type=["']result["']/);
    assert.equal(django.answers.length, 5);
    await django.send({ rid: django.rid, sid, type: 'terminate' });
});

/* Its base64 ends in a line feed, which a server need not bear. */
checkDoab('a wrong password is answered with the failure', async () => {
    const django = client('b', 'not the password');
    await assert.rejects(django.login(), /invalid login: failure/);
});

for (const version of Object.keys(STROPHES))
    check(`a page with Strophe ${version} goes on and talks`, async () => {
        const django = client(`page-${version}`);
        const info = await django.login();
        const page = await StrophePage.open(browser, pair.base, version);
        await page.attach(info);
        const odd = `<&> ü € 😀 ${version}`;
        await page.say(bob.jid, `from the page ${odd}`);
        const message = await bob.hear(`from the page ${odd}`);
        assert.equal(message.getAttribute('from'), info.jid);
        bob.say(info.jid, `from the desk ${odd}`);
        await page.hear(`from the desk ${odd}`);
        await page.close();
        const first = attributes(page.seen.sent[0]);
        assert.equal(first.sid, info.sid);
        assert.equal(Number(first.rid), info.rid);
        assert.ok(!page.seen.sent.some((text) => text.includes('<auth')));
        assert.deepEqual(page.seen.errors, []);
        assert.deepEqual(page.seen.missing, []);
        await page.page.close();
    });

teardown(async () => {
    await browser?.close();
    await bob?.close();
    if (isDoab) assert.ok(secretsSeen('sid') >= 3);
});
