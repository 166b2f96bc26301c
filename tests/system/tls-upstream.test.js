/*
 * TLS towards servers that fail, lie, or show another certificate than before,
 * by STARTTLS and from the first byte, with sessions that could be resumed.
 * Conformance: K20, K22, K23, K26, K27, K29, K31-K38, K51, L70; decision 7.
 */

import assert from 'node:assert/strict';
import { makeCerts, srvId, xmppAddr } from './lib/certs.js';
import { startDoab } from './lib/doab.js';
import { Faulty } from './lib/faulty.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, BoshSession } from './lib/raw.js';
import { until } from './lib/sandbox.js';

const AUTH =
    '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"' +
    ' mechanism="ANONYMOUS"/>';

/* Each has a domain of its own, for all to be tried at once. */
const FAULTS = {
    starttls: [
        'reset-accept',
        'reset-header',
        'reset-handshake',
        'black-hole',
        'drip',
        'stripped',
        'refused',
        'injected',
        'oversized',
        'malformed',
    ],
    tls: [
        'reset-accept',
        'reset-header',
        'reset-handshake',
        'black-hole',
        'drip',
        'injected',
        'oversized',
        'malformed',
    ],
};
/* Until Node 20 its servers pass over ALPN that they do not know. */
if (Number(process.versions.node.split('.')[0]) >= 20) FAULTS.tls.push('alpn');

const MODES = Object.keys(FAULTS);
const RIGHT = ['good', 'wildcard', 'srv', 'jid'];
const WRONG = ['misnamed', 'expired', 'unknown', 'server', 'sub'];

/* Domains that are addresses. */
const ADDRESS = { starttls: '127.0.0.1', tls: '[::1]' };

const servers = {};
let certs;
let doab;

const domainOf = (mode, what) => `${what}.${mode}.test`;

async function serve(mode, domain, what = 'none') {
    const server = await Faulty.start({
        certs,
        fault: FAULTS[mode].includes(what) ? what : 'none',
        direct: mode === 'tls',
    });
    servers[domain] = server;
    return server;
}

setup('tls-upstream', async (box) => {
    if (!isDoab) return;
    const names = MODES.flatMap((mode) => [
        `*.${mode}.test`,
        ...['names', 'resume'].map((what) => domainOf(mode, what)),
    ]);
    const identity = MODES.map((mode) => domainOf(mode, 'names'));
    certs = await makeCerts(box, names, {
        wildcard: MODES.map((mode) => `*.${mode}.test`),
        srv: ['a.test', ...identity.map(srvId)],
        jid: ['a.test', ...identity.map(xmppAddr)],
        server: identity.map((d) =>
            srvId(d).replace('_xmpp-client', '_xmpp-server'),
        ),
        sub: identity.map((d) => `*.${d}`),
        address: ['IP:127.0.0.1', 'IP:::1'],
        dns: ['DNS:127.0.0.1', 'IP:127.0.0.2', xmppAddr('127.0.0.1')],
    });
    const domain = {};
    const add = async (mode, name, what) => {
        const { port } = await serve(mode, name, what);
        domain[name] = {
            route: `127.0.0.1:${port}`,
            mode,
            ca_file: certs.caFile,
        };
    };
    for (const mode of MODES) {
        for (const what of [...FAULTS[mode], 'names', 'resume', 'truncated'])
            await add(mode, domainOf(mode, what), what);
        await add(mode, ADDRESS[mode]);
    }
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain,
        /* Each has a cache of TLS sessions of its own. */
        limits: { workers: 1 },
        upstream: {
            attempt_timeout: '2s',
            stream_timeout: '2s',
            connect_timeout: '4s',
        },
        log: { level: 'debug' },
    });
});

/* What a client is told first: the condition of the end, or undefined when it
 * got features. */
async function meet(domain) {
    const session = new BoshSession(doab.port);
    await session.open({ to: domain });
    const { body } = session.created;
    const { type, condition } = attributes(body);
    if (type === 'terminate') return { session, condition };
    assert.match(body, /<mechanism>ANONYMOUS</);
    return { session };
}

async function leave(session) {
    await session.ask({ type: 'terminate' });
}

for (const mode of MODES) {
    /* K22, K23, K26, K27, K29 */
    checkDoab(`${mode}: no fault of a server gets through`, async () => {
        await Promise.all(
            FAULTS[mode].map(async (fault) => {
                const domain = domainOf(mode, fault);
                const server = servers[domain];
                const { condition } = await meet(domain);
                assert.equal(condition, 'remote-connection-failed', fault);
                assert.ok(server.connections > 0, fault);
                assert.doesNotMatch(server.plain, /<auth|<presence/);
            }),
        );
        for (const fault of FAULTS[mode])
            await doab.child.waitFor(
                new RegExp(
                    `session.end .*domain=${domainOf(mode, fault)}` +
                        ' reason=server-(unreachable|invalid|lost)',
                ),
            );
        if (mode === 'tls') return;
        /* Where TLS was to begin, nothing else was said, not even goodbye. */
        for (const fault of ['injected', 'reset-handshake'])
            assert.doesNotMatch(
                servers[domainOf(mode, fault)].plain,
                /<starttls[^>]*>[^]*</,
            );
    });

    /* K31-K38 */
    checkDoab(`${mode}: what the certificate says decides`, async () => {
        const domain = domainOf(mode, 'names');
        const server = servers[domain];
        for (const [i, wrong] of WRONG.entries()) {
            const right = RIGHT[i % RIGHT.length];
            server.cert = right;
            const { session, condition: none } = await meet(domain);
            assert.equal(none, undefined, right);
            await leave(session);
            const before = server.secured;
            server.cert = wrong;
            const { condition } = await meet(domain);
            assert.equal(condition, 'remote-connection-failed', wrong);
            for (const stream of server.streams.slice(before))
                assert.equal(stream.all, '', wrong);
        }
        await doab.child.waitFor(
            /why=tls cause=[^\n]*certificate refused: not for/,
        );
    });

    /* K32, RFC 6125 section 1.7.2, RFC 6066 section 3 */
    checkDoab(`${mode}: an address is an address in certificates`, async () => {
        const server = servers[ADDRESS[mode]];
        server.cert = 'address';
        for (const to of [ADDRESS[mode], ADDRESS[mode].replace('::', '0:0::')]) {
            const { session, condition } = await meet(to);
            assert.equal(condition, undefined, to);
            assert.equal(attributes(session.created.body).from, ADDRESS[mode]);
            await leave(session);
        }
        for (const stream of server.streams) assert.ok(!stream.sni);
        server.cert = 'dns';
        const { condition } = await meet(ADDRESS[mode]);
        assert.equal(condition, 'remote-connection-failed');
    });

    /* K20, L70; decisions: sessions are resumed */
    checkDoab(`${mode}: sessions are resumed, and the log says so`, async () => {
        /* Node sends two tickets with the first, and none with the others. */
        const domain = domainOf(mode, 'resume');
        const server = servers[domain];
        for (let i = 0; i < 3; i++) {
            const { session, condition } = await meet(domain);
            assert.equal(condition, undefined);
            await leave(session);
        }
        assert.equal(server.secured, 3);
        assert.equal(server.resumed, 2);
        for (const stream of server.streams) {
            assert.equal(stream.sni, domain);
            assert.equal(stream.alpn, mode === 'tls' && 'xmpp-client');
        }
        const opened = () =>
            doab.child.err
                .split('\n')
                .filter((l) => l.includes('upstream.open '))
                .filter((l) => l.includes(` domain=${domain} `));
        await until('the three lines', () => opened().length >= 3);
        const lines = opened();
        assert.equal(lines.length, 3);
        for (const [i, line] of lines.entries())
            assert.match(
                line,
                new RegExp(
                    'policy=verified tls="TLSv1.3 [^"]+"' +
                        ` resumed=${i === 0 ? 'no' : 'yes'} trust=verified`,
                ),
            );
        /* Another certificate, and the old tickets are worth nothing. */
        server.cert = 'misnamed';
        assert.equal((await meet(domain)).condition, 'remote-connection-failed');
        server.cert = 'good';
        const { session } = await meet(domain);
        assert.equal(server.resumed, 2);
        await leave(session);
    });

    /* K51 */
    checkDoab(`${mode}: a stream that is cut is lost, and logged`, async () => {
        const domain = domainOf(mode, 'truncated');
        servers[domain].fault = 'truncated';
        const { session } = await meet(domain);
        const { body } = await session.ask({}, AUTH);
        const { type, condition } = attributes(body);
        assert.equal(type, 'terminate');
        assert.equal(condition, 'remote-connection-failed');
        await until('a line in the log', () =>
            new RegExp(
                `stream.lost .*why=truncated\\n.*session.end .*=${domain}`,
            ).test(doab.child.err),
        );
    });
}

teardown(() => {
    for (const server of Object.values(servers)) server.stop();
});
