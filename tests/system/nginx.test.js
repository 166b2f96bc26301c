/*
 * Both transports through nginx with contrib/nginx/doab.conf.
 * Conformance: I17, I20, J01; Q15, Q16
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { makeCerts } from './lib/certs.js';
import { endpoints, startPair, top } from './lib/doab.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import { snippet, startNginx } from './lib/nginx.js';
import { USERS } from './lib/prosody.js';
import { burst, converse, StropheClient, trust } from './lib/strophe.js';

let via;
let alice;
let bob;

setup('nginx', async (box) => {
    const pair = await startPair(box);
    const certs = await makeCerts(box, ['localhost']);
    trust(certs.ca);
    via = endpoints(await startNginx(box, pair.port, certs.good));
});

check('one logs in over BOSH and one over WebSocket', async () => {
    alice = await new StropheClient(via.bosh).login(
        'alice@localhost/a',
        USERS.alice,
    );
    bob = await new StropheClient(via.ws).login('bob@localhost/b', USERS.bob);
    await alice.present();
    await bob.present();
});

check('messages pass both ways, in order', async () => {
    await converse(alice, bob, 'through nginx');
    await burst(alice, bob, 30, 'over');
    await burst(bob, alice, 30, 'out');
});

check('a message of 60 kB passes whole both ways', async () => {
    const large = `large ${'0123456789abcde\n'.repeat(3800)}`;
    alice.say(bob.jid, large);
    await bob.hear(large);
    bob.say(alice.jid, large);
    await alice.hear(large);
});

check('both log out', async () => {
    await alice.close();
    await bob.close();
});

async function ask(url, options = {}) {
    const answer = await new Promise((ok, fail) =>
        https.request(url, options, ok).on('error', fail).end(),
    );
    answer.resume();
    return answer;
}

/* 426 is what doab says to a GET without Upgrade on a WebSocket path */
checkDoab('each path passes with a final slash and without', async () => {
    const paths = { 'http-bind': 200, 'xmpp-websocket': 426, ws: 426 };
    paths['ws-xmpp'] = 426;
    for (const [path, status] of Object.entries(paths))
        for (const end of ['', '/']) {
            const url = new URL(`/${path}${end}`, via.bosh);
            assert.equal((await ask(url)).statusCode, status, url.pathname);
        }
    const other = await ask(new URL('/ws//', via.bosh));
    assert.equal(other.statusCode, 404);
});

checkDoab('what doab itself refuses keeps its CORS header', async () => {
    const answer = await ask(via.bosh, {
        method: 'PUT',
        headers: { Origin: 'http://page.example' },
    });
    assert.equal(answer.statusCode, 405);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
});

check('the README shows this very snippet', () => {
    const readme = fs.readFileSync(path.join(top, 'README.md'), 'utf8');
    assert.ok(readme.includes(fs.readFileSync(snippet, 'utf8').trim()));
});

teardown();
