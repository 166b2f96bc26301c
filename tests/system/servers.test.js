/*
 * Real servers behind doab, each by STARTTLS and by TLS from the first byte,
 * each for both transports: an account is made before login, two users log in
 * by SCRAM, talk, and resume a stream that was cut.
 * ejabberd is also told who the client is.
 * Conformance: K21, K23, K26, K48, K54, G02, G04, J40, J45; decisions 1, 6.
 */

import assert from 'node:assert/strict';
import { makeAccount } from './clients/register.js';
import { makeCerts } from './lib/certs.js';
import { endpoints, startDoab } from './lib/doab.js';
import { startEjabberd } from './lib/ejabberd.js';
import { startHaproxy } from './lib/haproxy.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { startProsody } from './lib/prosody.js';
import { Relay } from './lib/relay.js';
import { sleep, until } from './lib/sandbox.js';
import { burst, converse, StropheClient } from './lib/strophe.js';

const SERVERS = ['prosody', 'ejabberd'];
const MODES = ['starttls', 'tls'];
const TRANSPORTS = ['bosh', 'ws'];

/* Versions of the PROXY protocol, by which a server is told of the client. */
const PROXIES = ['v1', 'v2'];
const ELSEWHERE = '127.0.0.2';

/* A domain for each server and way to it, and all of them at each server. */
const domainOf = (server, mode) => `${mode}.${server}.example`;
const password = (user) => `${user}'s secret`;

let urls;
let relay;
let elsewhere;
let ejabberd;
let haproxy;

setup('servers', async (box) => {
    if (!isDoab) return;
    const hosts = (server) =>
        [...MODES, ...PROXIES].map((way) => domainOf(server, way));
    const certs = await makeCerts(box, SERVERS.flatMap(hosts));
    const tls = certs.good;
    const [prosody, other] = await Promise.all([
        startProsody(box, { tls, hosts: hosts('prosody') }),
        startEjabberd(box, { tls, hosts: hosts('ejabberd') }),
    ]);
    ejabberd = other;
    const ports = {
        prosody: { starttls: prosody.port, tls: prosody.tlsPort },
        ejabberd: ejabberd.ports,
    };
    const domain = {};
    for (const server of SERVERS)
        for (const mode of MODES)
            domain[domainOf(server, mode)] = {
                route: `127.0.0.1:${ports[server][mode]}`,
                mode,
                ca_file: certs.caFile,
            };
    /* Debian's Prosody does not read the header; who stands before it does. */
    haproxy = await startHaproxy(box, {
        xmpp: {
            mode: 'tcp',
            bind: 'accept-proxy',
            to: `127.0.0.1:${prosody.port}`,
        },
    });
    const told = { prosody: haproxy.xmpp, ejabberd: ejabberd.ports.proxy };
    for (const server of SERVERS)
        for (const proxy of PROXIES)
            domain[domainOf(server, proxy)] = {
                route: `127.0.0.1:${told[server]}`,
                ca_file: certs.caFile,
                proxy,
            };
    const doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain,
        log: { level: 'debug' },
    });
    urls = endpoints(doab.urls[0]);
    relay = await Relay.start(urls.port);
    elsewhere = await Relay.start(urls.port, ELSEWHERE);
});

const through = (url, { port }) => url.replace(`:${urls.port}/`, `:${port}/`);

async function login(transport, domain, user, url = urls[transport]) {
    const client = new StropheClient(url);
    await client.login(`${user}@${domain}/${transport}`, password(user));
    assert.match(client.conn._sasl_mechanism.mechname, /^SCRAM-SHA-/);
    return client.present();
}

/* One whose network a test can break. */
async function loginOverRelay(domain, user) {
    const client = new StropheClient(through(urls.ws, relay), {
        enableStreamManagement: true,
    });
    const again = () =>
        client.login(`${user}@${domain}/relay`, password(user));
    client.lost = false;
    client.onLost = () => (client.lost = true);
    await again();
    return Object.assign(await client.present(), { again });
}

async function resume(domain, other) {
    const one = await loginOverRelay(domain, 'ws');
    await converse(one, other, 'before the cut');
    relay.deafen();
    one.say(other.jid, 'lost on the way');
    await relay.swallowed();
    relay.cut();
    await until('the client to notice', () => one.lost);
    other.say(one.jid, 'meanwhile');
    await sleep(100);
    relay.mend();
    await one.again();
    assert.ok(one.conn.hasResumed());
    await one.hear('meanwhile');
    await other.hear('lost on the way');
    await converse(one, other, 'after the cut');
    assert.deepEqual(one.heard('meanwhile'), ['meanwhile']);
    assert.deepEqual(other.heard('lost'), ['lost on the way']);
    await one.close();
}

for (const server of SERVERS)
    for (const mode of MODES) {
        const domain = domainOf(server, mode);
        const way = `${server}, ${mode}`;

        for (const transport of TRANSPORTS)
            checkDoab(`${way}: an account is made over ${transport}`, () =>
                makeAccount(
                    urls.port,
                    transport,
                    `${transport}@${domain}`,
                    password(transport),
                ),
            );

        const users = {};

        checkDoab(`${way}: both transports log in and talk`, async () => {
            for (const transport of TRANSPORTS)
                users[transport] = await login(transport, domain, transport);
            const { bosh, ws } = users;
            await converse(bosh, ws, way);
            await burst(bosh, ws, 20, 'over');
            await burst(ws, bosh, 20, 'out');
        });

        checkDoab(`${way}: a stream is resumed after a cut`, () =>
            resume(domain, users.bosh),
        );

        checkDoab(`${way}: each learns that the other goes`, async () => {
            const { bosh, ws } = users;
            bosh.greet(ws.jid);
            ws.greet(bosh.jid);
            await ws.sees(bosh.jid);
            await bosh.close();
            await ws.sees(bosh.jid, 'unavailable');
            await ws.close();
        });
    }

/* How often the server, or HAProxy in front of it, has seen a client from
 * there: ejabberd tells of every login where it came from. */
const SEEN_BY = {
    prosody: () =>
        haproxy.child.out.match(new RegExp(`^${ELSEWHERE}:\\d+ `, 'gm'))
            ?.length ?? 0,
    ejabberd: (domain) =>
        ejabberd.count(
            new RegExp(
                `Accepted c2s SCRAM\\S+ authentication for \\S+@${domain}` +
                    ` .*from ${ELSEWHERE}$`,
                'gm',
            ),
        ),
};

/* K54.  The PROXY header comes before STARTTLS, and names who is behind us. */
async function isTold(server, proxy) {
    const domain = domainOf(server, proxy);
    for (const transport of TRANSPORTS) {
        await makeAccount(
            elsewhere.port,
            transport,
            `${transport}@${domain}`,
            password(transport),
        );
        const before = SEEN_BY[server](domain);
        const url = through(urls[transport], elsewhere);
        const one = await login(transport, domain, transport, url);
        await one.close();
        await until(
            `a client from ${ELSEWHERE}`,
            () => SEEN_BY[server](domain) > before,
        );
    }
}

for (const server of SERVERS)
    for (const proxy of PROXIES)
        checkDoab(`PROXY ${proxy} tells ${server} who the client is`, () =>
            isTold(server, proxy),
        );

teardown(() => {
    relay?.stop();
    elsewhere?.stop();
});
