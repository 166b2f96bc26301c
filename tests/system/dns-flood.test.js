/*
 * Open mode, and one client who asks for domains that nobody answers for.
 * Conformance: K13; decision 60.
 */

import assert from 'node:assert/strict';
import { startDoab } from './lib/doab.js';
import { Dns } from './lib/dns.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { ask, attributes, bodyOf, post } from './lib/raw.js';
import { until } from './lib/sandbox.js';
import { Scripted } from './lib/scripted.js';

/* 16 questions at a time and 128 that wait: each session has two. */
const QUERIES = 16;
const FLOOD = 150;
/* What one client has: two places, and eight that wait. */
const SHARE = (2 + 8) / 2;

const FLOODER = '192.0.2.1';
const FOUND = [
    'one.example',
    'two.example',
    'three.example',
    'any.test',
    'ours.example',
];

let dns;
let server;
let port;
let flood;
let failed = 0;

setup('dns-flood', async (box) => {
    if (!isDoab) return;
    server = await Scripted.start();
    const zone = {};
    for (let i = 0; i < FLOOD; i += 1)
        for (const service of ['_xmpp-client._tcp', '_xmpps-client._tcp'])
            zone[`${service}.n${i}.flood${i}`] = null;
    for (const name of FOUND) {
        const target = `xmpp.${name}`;
        zone[`_xmpp-client._tcp.${name}`] = {
            SRV: [[0, 0, server.port, target]],
        };
        zone[target] = { CNAME: `host.${name}` };
        zone[`host.${name}`] = { A: ['127.0.0.1'] };
    }
    dns = await Dns.start(zone);
    const found = { mode: 'plain', private: true };
    port = (
        await startDoab(box, {
            listen: { '127.0.0.1:0': {} },
            http: { trusted_proxies: ['127.0.0.1'] },
            /* Only a named domain's servers may be on this machine; those of
             * a suffix count as open mode all the same. */
            domain: {
                'ours.example': found,
                '.example': found,
                '*': { mode: 'plain' },
            },
            limits: { workers: 1 },
            upstream: {
                dns_servers: dns.address,
                dns_timeout: '8s',
                dns_queries_max: QUERIES,
                ports: [5222, server.port],
            },
        })
    ).port;
});

/* The answer to a client at this address who creates a session. */
async function create(client, to) {
    const headers = client === '' ? {} : { 'X-Forwarded-For': client };
    const creation = { rid: 1, to, wait: 30, hold: 1, ver: '1.6' };
    const text = post(bodyOf(creation), headers);
    return attributes((await ask(port, text, { ms: 20000 })).body);
}

/* The server is found while the flood waits. */
async function isServed(client, to) {
    const [stream, created] = await server.next(() => create(client, to));
    await stream.greet();
    assert.equal((await created).condition, undefined);
}

checkDoab('a client who floods fails above its share', async () => {
    flood = Array.from({ length: FLOOD }, async (_, i) => {
        const { condition } = await create(FLOODER, `n${i}.flood${i}`);
        assert.equal(condition, 'remote-connection-failed');
        failed += 1;
    });
    await until('it to fail', () => failed >= FLOOD - SHARE, 4000);
    assert.equal(failed, FLOOD - SHARE);
});

checkDoab('names that another client asks for are found', async () => {
    await isServed('192.0.2.2', 'one.example');
    await isServed('2001:db8::1', 'two.example');
    await isServed('', 'three.example');
    dns.questions();
    await create('192.0.2.3', 'any.test');
    assert.ok(dns.questions().includes('A xmpp.any.test'));
});

checkDoab('a configured domain is found, even for that client', async () => {
    await isServed(FLOODER, 'ours.example');
    assert.equal(failed, FLOOD - SHARE); /* the flood was there all the time */
});

checkDoab('those who wait for a place fail in time', async () => {
    await Promise.all(flood);
});

teardown(() => {
    server?.stop();
    dns?.stop();
});
