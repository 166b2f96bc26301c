/*
 * Servers that are found by the DNS.
 * Conformance: K01, K04-K08, K10, K13, A06.
 */

import assert from 'node:assert/strict';
import { startDoab } from './lib/doab.js';
import { Dns } from './lib/dns.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, BoshSession } from './lib/raw.js';
import { Scripted } from './lib/scripted.js';

const SERVICES = ['_xmpp-client._tcp', '_xmpps-client._tcp'];

let dns;
let server;
let port;

setup('dns', async (box) => {
    if (!isDoab) return;
    server = await Scripted.start();
    const srv = (target) => ({ SRV: [[0, 0, server.port, target]] });
    dns = await Dns.start({
        '_xmpp-client._tcp.xn--bcher-kva.test': srv('xmpp.test'),
        'xmpp.test': { CNAME: 'host.test' },
        'host.test': { A: ['127.0.0.1'] },
        '_xmpp-client._tcp.none.test': { SRV: [[0, 0, 0, '']] },
        'none.test': { A: ['127.0.0.1'] },
        '_xmpp-client._tcp.half.test': srv('host.test'),
        '_xmpps-client._tcp.half.test': null,
        '_xmpp-client._tcp.black.test': null,
        '_xmpps-client._tcp.black.test': null,
    });
    const found = { mode: 'plain', private: true };
    port = (
        await startDoab(box, {
            listen: { '127.0.0.1:0': {} },
            domain: {
                'bücher.test': found,
                'none.test': found,
                'half.test': found,
                'black.test': found,
            },
            /* Each has a cache of its own. */
            limits: { workers: 1 },
            upstream: {
                dns_servers: dns.address,
                dns_timeout: '4s',
                ports: [5222, server.port],
            },
        })
    ).port;
});

/* A session to a domain, and the stream that the server gets. */
async function open(domain) {
    const [stream, created] = await server.next(() =>
        new BoshSession(port).open({ to: domain }),
    );
    const header = await stream.greet();
    await created;
    return header;
}

checkDoab('A-labels are asked for and U-labels are said', async () => {
    const [stream, created] = await server.next(() =>
        new BoshSession(port).open({ to: 'BÜcher.test' }),
    );
    await stream.expect('<stream:stream');
    assert.match(await stream.expect('>'), / to=['"]bücher\.test['"]/);
    stream.socket.destroy();
    await created;
    assert.deepEqual(dns.questions(), [
        'A xmpp.test',
        'AAAA host.test' /* the alias led there, and said nothing of it */,
        'AAAA xmpp.test',
        ...SERVICES.map((s) => `SRV ${s}.xn--bcher-kva.test`),
    ]);
});

checkDoab('a second session asks the DNS nothing', async () => {
    await open('xn--bcher-kva.test');
    await open('bücher.test.');
    assert.deepEqual(dns.questions(), []);
});

checkDoab('a domain that says it has no server has none', async () => {
    const session = await new BoshSession(port).open({ to: 'none.test' });
    assert.equal(
        attributes(session.created.body).condition,
        'remote-connection-failed',
    );
    assert.deepEqual(
        dns.questions(),
        SERVICES.map((s) => `SRV ${s}.none.test`),
    );
});

checkDoab('one question that is not answered holds nobody up', async () => {
    const began = Date.now();
    await open('half.test');
    assert.ok(Date.now() - began < 3500);
});

checkDoab('a domain that is not answered for holds no other up', async () => {
    const dead = Array.from({ length: 50 }, () =>
        new BoshSession(port).open({ to: 'black.test' }),
    );
    await open('bücher.test');
    for (const { created } of await Promise.all(dead))
        assert.equal(
            attributes(created.body).condition,
            'remote-connection-failed',
        );
    const asked = dns.questions().filter((q) => q.includes('black.test'));
    assert.ok(asked.length <= 4, asked.join()); /* two, each twice */
});

teardown(() => {
    server?.stop();
    dns?.stop();
});
