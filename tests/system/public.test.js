/*
 * Servers at public addresses, which are ours here: DNS leads there without a
 * route, a client may name one where that is allowed, and a name that changes
 * its mind gains nothing.
 * Conformance: A14, A15, L50; L50.
 */

import assert from 'node:assert/strict';
import { Dns } from './lib/dns.js';
import { startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { ownNetwork } from './lib/network.js';
import { attributes, createAt } from './lib/raw.js';
import { freePorts, sleep } from './lib/sandbox.js';
import { HEADER, Scripted } from './lib/scripted.js';
import { startVictim } from './lib/victim.js';

const PUBLIC = '9.9.9.9';
const PUBLIC6 = '2620:fe::9';
const skip = ownNetwork([`${PUBLIC}/32`, `${PUBLIC6}/128`]);

const TTL_S = 5; /* no answer is kept for less */

let dns;
let doab;
let own;
let port;
let server;
let server6;
let victim;

/* One server at each address, and whoever must not be reached, all at one
 * port. */
async function startServers() {
    server = await Scripted.start(PUBLIC);
    port = server.port;
    server6 = await Scripted.start(PUBLIC6, port);
    victim = await startVictim('127.0.0.1', port);
}

function name(domain, records) {
    dns.zone[domain] ??= {};
    dns.zone[`_xmpp-client._tcp.${domain}`] = {
        SRV: [[0, 0, port, `to.${domain}`]],
    };
    dns.zone[`to.${domain}`] = records;
}

setup('public', async (box) => {
    if (!isDoab || skip) return;
    await startServers();
    dns = await Dns.start({}, TTL_S);
    name('four.test', { A: [PUBLIC] });
    name('six.test', { AAAA: [PUBLIC6] });
    name('mixed.test', { A: ['127.0.0.1', PUBLIC] });
    name('elsewhere.test', { A: ['127.0.0.1'] });
    name('fixed.test', { A: ['127.0.0.1'] });
    [own] = await freePorts(1);
    doab = await startDoab(box, {
        listen: { [`127.0.0.1:${own}`]: {} },
        domain: {
            '*': { mode: 'plain' },
            'elsewhere.test': { mode: 'plain', route_attribute: true },
        },
        upstream: {
            dns_servers: dns.address,
            dns_stale: '0s',
            ports: String(port),
        },
        log: { level: 'debug' },
    });
});

/* A session that this server serves. */
async function served(by, to, attrs) {
    const [stream, answer] = await by.next(() => createAt(own, to, attrs));
    await stream.greet(HEADER.replace("from='localhost'", `from='${to}'`));
    const body = await answer;
    assert.match(body, /<mechanism>ANONYMOUS</, to);
    assert.ok(attributes(body).sid, to);
}

async function refused(to, attrs) {
    const body = await createAt(own, to, attrs);
    assert.equal(attributes(body).condition, 'remote-connection-failed', to);
    assert.equal(victim.accepted, 0);
}

const check = (sentence, body) => checkDoab(sentence, body, { skip });

check('DNS leads to a public server, over IPv4 and IPv6', async () => {
    await served(server, 'four.test');
    await served(server6, 'six.test');
});

check('of several addresses only the public one is used', async () => {
    await served(server, 'mixed.test');
    assert.equal(victim.accepted, 0);
});

check('a client names a public server where that is allowed', async () => {
    for (const host of [PUBLIC, 'to.four.test'])
        await served(server, 'elsewhere.test', { route: `xmpp:${host}:${port}` });
    await served(server6, 'elsewhere.test', {
        route: `xmpp:[${PUBLIC6}]:${port}`,
    });
    /* Not heeded for others: DNS says where they are. */
    await refused('fixed.test', { route: `xmpp:${PUBLIC}:${port}` });
    await refused('elsewhere.test', { route: `xmpp:127.0.0.1:${port}` });
});

/* Public while it is looked at, and somebody inside the next time; and the
 * other way round, since a refusal is no verdict on the name. */
check('a name that changes to an address inside gains nothing', async () => {
    name('rebind.test', { A: [PUBLIC] });
    await served(server, 'rebind.test');
    name('rebind.test', { A: ['127.0.0.1'] });
    await sleep(TTL_S * 1000 + 500);
    await refused('rebind.test');
    await doab.child.waitFor(/domain=rebind\.test .*why=refused-by-policy/);
    name('rebind.test', { A: [PUBLIC] });
    await sleep(TTL_S * 1000 + 500);
    await served(server, 'rebind.test');
    assert.equal(victim.accepted, 0);
});

teardown(() => {
    victim?.close();
    server?.stop();
    server6?.stop();
    dns?.stop();
});
