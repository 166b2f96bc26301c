/*
 * Who may go where: whatever DNS says, no connection reaches what is not
 * public, and no client learns why; and a server that swallows connections
 * holds up nobody else.
 * Conformance: K12, K45, L50, L51, T30; decision 7; L50.
 *
 * DOAB_TEST_HOLE=1000 makes that many sessions to the black hole and prints
 * the times of everybody else's messages with and without them.
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { Dns } from './lib/dns.js';
import { startDoab, top } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, bodyOf, BoshSession, createAt } from './lib/raw.js';
import { OPEN, post, Raw, RawWebSocket } from './lib/raw.js';
import { freePorts, until } from './lib/sandbox.js';
import { Scripted } from './lib/scripted.js';
import { startVictim } from './lib/victim.js';

/* All of them lead to this machine, should anything go there. */
const HERE = ['127.0.0.1', '127.0.0.2', '0.0.0.0'];
const HERE6 = ['::1', '::', '::ffff:127.0.0.1', '::127.0.0.1'];
const HOLE = Number(process.env.DOAB_TEST_HOLE || 150);

let dns;
let doab;
let own;
let server;
const victims = [];
const domains = [];

async function addVictim(address, port) {
    const victim = await startVictim(address, port);
    victims.push(victim);
    return victim.address().port;
}

/* Connections that reached one of them. */
const accepted = () => victims.reduce((n, victim) => n + victim.accepted, 0);

/* A domain with these records, tried from now on. */
function add(records, extra = {}) {
    const domain = `d${domains.length}.test`;
    for (const [name, zone] of Object.entries({ '@': records, ...extra }))
        dns.zone[name === '@' ? domain : name.replace('@', domain)] = zone;
    domains.push(domain);
    return domain;
}

const srv = (port, host) => ({ SRV: [[0, 0, port, host]] });

/* Each forbidden address by A or AAAA, CNAME, and both kinds of SRV. */
function addForbidden(address, port) {
    const host = { [address.includes(':') ? 'AAAA' : 'A']: [address] };
    const client = '_xmpp-client._tcp.@';
    add({}, { [client]: srv(port, 'to.@'), 'to.@': host });
    add({}, { '_xmpps-client._tcp.@': srv(port, 'to.@'), 'to.@': host });
    add(
        {},
        {
            [client]: srv(port, 'alias.@'),
            'alias.@': { CNAME: 'to.@'.replace('@', `d${domains.length}.test`) },
            'to.@': host,
        },
    );
    add(host); /* on 5222, where no victim is */
}

async function startHole(box) {
    const script = box.copy(
        path.join(top, 'tests/system/lib/blackhole.py'),
        'blackhole.py',
    );
    const child = box.start('blackhole', [
        '/usr/bin/python3',
        script,
        '127.0.9.1',
    ]);
    const [, port] = await child.waitFor(/^port (\d+)$/m);
    return Number(port);
}

setup('ssrf', async (box) => {
    if (!isDoab) return;
    dns = await Dns.start({});
    server = await Scripted.start();
    const port = await addVictim('127.0.0.1', 0);
    await addVictim('127.0.0.2', port);
    await addVictim('::1', port);
    for (const address of [...HERE, ...HERE6]) addForbidden(address, port);
    const client = '_xmpp-client._tcp.@';
    add({}, { [client]: srv(22, 'to.@'), 'to.@': { A: ['9.9.9.9'] } });
    add({}, { [client]: srv(0, 'to.@'), 'to.@': { A: ['9.9.9.9'] } });
    add({}, { [client]: srv(0, '.') });
    add(null);
    [own] = await freePorts(1);
    dns.zone['site.test'] = {};
    dns.zone['_xmpp-client._tcp.site.test'] = srv(port, 'a.site.test');
    dns.zone['a.site.test'] = { A: ['127.0.0.1'] };
    dns.zone['self.test'] = {};
    dns.zone['_xmpp-client._tcp.self.test'] = srv(own, 'a.site.test');
    doab = await startDoab(box, {
        listen: { [`127.0.0.1:${own}`]: {} },
        domain: {
            '*': {},
            '.denied.test': { denied: true },
            'site.test': { private: true },
            'self.test': { private: true },
            'closed.test': { route: '127.0.0.1:1' },
            'abroad.test': { route_attribute: true },
            localhost: { route: `127.0.0.1:${server.port}`, mode: 'plain' },
            'hole.test': {
                route: `127.0.9.1:${await startHole(box)}`,
                mode: 'plain',
            },
        },
        upstream: {
            dns_servers: dns.address,
            dns_timeout: '500ms',
            connect_timeout: '4s',
            attempt_timeout: '3s',
            connects_per_network: 20,
            ports: [String(port), String(own), '5222'],
        },
        websocket: { close_timeout: '300ms' },
        log: { level: 'debug' },
    });
    dns.victimPort = port;
});

const create = (to, attrs) => createAt(own, to, attrs);

/* What is the same whatever the session and the domain are. */
const bare = (text, domain) =>
    text
        .replaceAll(domain, 'DOMAIN')
        .replace(/ (sid|id|authid|ack)=("[^"]*"|'[^']*')/g, '');

async function overWebSocket(to) {
    const ws = await RawWebSocket.open(own);
    ws.text(OPEN(to));
    const { messages, code } = await ws.rest();
    return bare([...messages.map(String), code].join('\n'), to);
}

/* L50, L51, T30 */
checkDoab('no answer of DNS leads to this machine, and none tells', async () => {
    const answers = new Set();
    for (const domain of domains) {
        const body = await create(domain);
        assert.equal(
            attributes(body).condition,
            'remote-connection-failed',
            domain,
        );
        answers.add(bare(body, domain));
    }
    answers.add(bare(await create('closed.test'), 'closed.test'));
    assert.equal(answers.size, 1, [...answers].join('\n'));
    assert.equal(accepted(), 0);
    await doab.child.waitFor(/why=refused-by-policy/);
    await doab.child.waitFor(/why=dns/);
    await doab.child.waitFor(/why=connect/);
});

/* L50, L51 */
checkDoab('it is the same over WebSocket', async () => {
    const tried = [...domains.filter((_, i) => i % 5 === 0), 'closed.test'];
    const answers = new Set(await Promise.all(tried.map(overWebSocket)));
    assert.equal(answers.size, 1, [...answers].join('\n---\n'));
    assert.match([...answers][0], /<remote-connection-failed /);
    assert.equal(accepted(), 0);
});

/* L50: heeded, and judged like DNS; not heeded elsewhere */
checkDoab('a client cannot name a server of this network', async () => {
    const port = dns.victimPort;
    for (const host of ['127.0.0.1', '[::1]', 'a.site.test', '0.0.0.0']) {
        const route = `xmpp:${host}:${port}`;
        for (const to of ['abroad.test', domains[0]]) {
            const body = await create(to, { route });
            assert.equal(
                attributes(body).condition,
                'remote-connection-failed',
                route,
            );
        }
    }
    assert.equal(accepted(), 0);
});

/* L50 */
checkDoab('denied domains and addresses are not served', async () => {
    for (const to of ['a.denied.test', 'A.B.Denied.test.', '127.0.0.1', '[::1]'])
        assert.equal(
            attributes(await create(to)).condition.replace(
                'improper-addressing',
                'host-unknown',
            ),
            'host-unknown',
            to,
        );
});

/* L50: and so the listeners above would have counted */
checkDoab('a site may have servers in its own network, but not us', async () => {
    await create('site.test');
    assert.equal(accepted(), 1);
    await create('self.test');
    await doab.child.waitFor(/our own listener/);
});

/* Times of messages to the server and back, in ms. */
async function echoTimes(rounds) {
    const session = new BoshSession(own);
    const [stream, opened] = await server.next(() => session.open());
    await stream.greet();
    await opened;
    stream.socket.on('data', (text) => {
        for (const [, n] of text.matchAll(/id=["']up(\d+)/g))
            stream.say(`<message id='down${n}'/>`);
    });
    const times = [];
    for (let i = 0; i < rounds; i++) {
        session.rid += 1;
        const body = bodyOf(
            { rid: session.rid, sid: session.sid },
            `<message to='a@b' id='up${i}'/>`,
        );
        const begin = performance.now();
        const answer = await fetch(`http://127.0.0.1:${own}/http-bind`, {
            method: 'POST',
            body,
        });
        assert.match(await answer.text(), new RegExp(`down${i}`));
        times.push(performance.now() - begin);
    }
    return times.sort((x, y) => x - y);
}

const quantile = (times, q) =>
    times[Math.min(times.length - 1, Math.floor(times.length * q))].toFixed(2);

function report(what, times) {
    if (process.env.DOAB_TEST_HOLE)
        console.log(
            `${what}: n=${times.length} p50=${quantile(times, 0.5)}ms` +
                ` p99=${quantile(times, 0.99)}ms`,
        );
}

/* K12, K45, L50 */
checkDoab('a server that swallows connections holds up nobody else', async () => {
    const rounds = process.env.DOAB_TEST_HOLE ? 1000 : 30;
    report('without', await echoTimes(rounds));
    const lost = [];
    for (let i = 0; i < HOLE; i++)
        lost.push(
            new Raw(own).send(
                post(bodyOf({ rid: 1, to: 'hole.test', wait: 60, hold: 1 })),
            ),
        );
    const starts = () =>
        (doab.child.err + doab.child.out).split('domain=hole.test secure')
            .length - 1;
    await until('all to be there', () => starts() >= HOLE);
    report(`with ${HOLE}`, await echoTimes(rounds));
    /* Whoever waited in vain is told so, and as ever. */
    const { body } = await lost[0].response();
    assert.equal(attributes(body).condition, 'remote-connection-failed');
    for (const raw of lost) raw.close();
});

teardown(() => {
    for (const victim of victims) victim.close();
    server?.stop();
    dns?.stop();
});
