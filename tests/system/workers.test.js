/*
 * Four workers: sessions live on all of them, and each client is served on
 * whatever connection it comes by, plain or TLS, also on one that others use,
 * as behind a reverse proxy.  The kernel says which worker accepts what, so
 * the tests take as many connections as it needs to see several of them.
 * decision 38; decisions 14, 16, 19, 21.
 */

import assert from 'node:assert/strict';
import tls from 'node:tls';
import { makeCerts } from './lib/certs.js';
import { DOMAINS, endpoints, routes, startDoab } from './lib/doab.js';
import { checkDoab, setup, teardown } from './lib/harness.js';
import { startProsody, USERS } from './lib/prosody.js';
import {
    ask,
    attributes,
    bodyOf,
    BoshSession,
    NS,
    post,
    Raw,
    RawWebSocket,
} from './lib/raw.js';
import { freePorts, sleep, until } from './lib/sandbox.js';
import { converse, StropheClient, trust } from './lib/strophe.js';

const WORKERS = 4;
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
const MESSAGES = 8;

let certs;
let prosody;
let doab;
let plain;
let secure;

const box = setup('workers', async () => {
    certs = await makeCerts(box, DOMAINS);
    trust(certs.ca);
    prosody = await startProsody(box);
    const [port] = await freePorts(1);
    doab = await start('doab.conf', {
        listen: { '127.0.0.1:0': {}, [`127.0.0.1:${port}`]: certs.good },
    });
    plain = endpoints(doab.urls.find((u) => u.startsWith('http:')));
    secure = endpoints(doab.urls.find((u) => u.startsWith('https:')));
});

function start(name, config) {
    return startDoab(
        box,
        {
            domain: routes(prosody.port),
            limits: { workers: WORKERS },
            log: { level: 'debug' },
            ...config,
        },
        name,
    );
}

const workerOf = (sid) => sid.split('-')[1][0];

/* The worker's character in a sid, put in another's place. */
const withWorker = (sid, digit) => sid.replace(/-./, () => `-${digit}`);

const message = (to, text) =>
    `<message xmlns="jabber:client" to="${to}" type="chat">` +
    `<body>${text}</body></message>`;

const textsIn = (xml) =>
    [...xml.matchAll(/<message[^>]*>.*?<body>([^<]*)<\/body>/g)].map(
        ([, text]) => text,
    );

/* A connection with TLS; otherwise as Raw. */
class RawTls extends Raw {
    constructor(port) {
        super(port);
        this.socket.removeAllListeners('data');
        this.socket = tls.connect({
            socket: this.socket,
            rejectUnauthorized: false,
        });
        this.socket.on('data', (d) => {
            this.bytes = Buffer.concat([this.bytes, d]);
        });
        this.socket.on('error', (e) => {
            this.error = e;
            this.ended = true;
        });
    }
}

/* What a reverse proxy has: connections that are kept open, each lent to one
 * request at a time, whoever it comes from. */
class Pool {
    constructor(size, connect) {
        this.all = Array.from({ length: size }, connect);
        this.free = [...this.all];
        this.waiting = [];
    }

    async ask(text) {
        const raw =
            this.free.shift() ??
            (await new Promise((done) => this.waiting.push(done)));
        const answer = await raw.send(text).response();
        const next = this.waiting.shift();
        /* Any but the one that was used longest ago would do as well. */
        if (next) next(raw);
        else this.free.push(raw);
        return answer;
    }

    close() {
        for (const raw of this.all) raw.close();
    }
}

/* A session whose requests go through a pool. */
class Client extends BoshSession {
    constructor(ways) {
        super(0, 1 + Math.floor(Math.random() * 1e6));
        this.ways = ways;
        this.got = [];
    }

    async say(attrs, payload) {
        const answer = await this.ways.ask(this.next(attrs, payload));
        assert.equal(answer.status, 200, answer.head);
        assert.equal(attributes(answer.body).type, undefined, answer.body);
        this.got.push(...textsIn(answer.body));
        return answer.body;
    }

    async login(wait = 1, domain = 'anon.localhost') {
        const created = await this.ways.ask(
            post(
                bodyOf({
                    rid: this.rid,
                    to: domain,
                    wait,
                    hold: 1,
                    ver: '1.6',
                    'xmpp:version': '1.0',
                    'xmlns:xmpp': 'urn:xmpp:xbosh',
                }),
            ),
        );
        this.sid = attributes(created.body).sid;
        assert.ok(this.sid, created.head + created.body);
        let body = await this.say(
            {},
            `<auth xmlns="${SASL}" mechanism="ANONYMOUS"/>`,
        );
        assert.match(body, /<success /);
        body = await this.say({
            to: domain,
            'xmlns:xmpp': 'urn:xmpp:xbosh',
            'xmpp:restart': 'true',
        });
        assert.match(body, /<stream:features/);
        body = await this.say(
            {},
            '<iq xmlns="jabber:client" type="set" id="b">' +
                '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>',
        );
        this.jid = /<jid>([^<]+)<\/jid>/.exec(body)?.[1];
        assert.ok(this.jid, body);
        return this;
    }

    /* To itself, one after another; each must come, once and in order. */
    async chat(tag) {
        const sent = [];
        for (let i = 0; i < MESSAGES; i++) {
            sent.push(`${tag} ${i}`);
            await this.say({}, message(this.jid, sent[i]));
        }
        for (let i = 0; i < 10 && this.got.length < sent.length; i++)
            await this.say();
        assert.deepEqual(this.got, sent);
    }

    async end() {
        const answer = await this.ways.ask(this.next({ type: 'terminate' }));
        assert.equal(attributes(answer.body).type, 'terminate');
    }
}

/* Ways that use a new connection for each request. */
const fresh = { ask: (text) => ask(plain.port, text) };

/* Sessions on so many different workers, all logged in. */
async function onWorkers(count, wait) {
    const found = new Map();
    for (let i = 0; i < 40 && found.size < count; i++) {
        const client = await new Client(fresh).login(wait);
        const worker = workerOf(client.sid);
        if (found.has(worker)) await client.end();
        else found.set(worker, client);
    }
    assert.equal(found.size, count, 'the kernel divides the connections');
    return [...found.values()];
}

async function counters(child = doab.child) {
    const before = child.err.length;
    child.signal('SIGUSR1');
    const line = await until('the counters', () =>
        / counters (.*)\n/.exec(child.err.slice(before)),
    );
    return Object.fromEntries(
        line[1].split(' ').map((pair) => {
            const [name, number] = pair.split('=');
            return [name, Number(number)];
        }),
    );
}

/* --- Connections that many sessions share --- */

async function crowd(connect, tag) {
    const pool = new Pool(5, connect);
    const clients = Array.from({ length: 16 }, () => new Client(pool));
    await Promise.all(clients.map((c) => c.login()));
    const moved = (await counters()).http_moved ?? 0;
    await Promise.all(clients.map((c, i) => c.chat(`${tag} ${i}`)));
    const workers = new Set(clients.map((c) => workerOf(c.sid)));
    /* All five may have come to one worker; then none has where to go. */
    if (workers.size > 1)
        assert.ok((await counters()).http_moved > moved, 'connections moved');
    await Promise.all(clients.map((c) => c.end()));
    pool.close();
    return workers;
}

/* decision 38: the pool's connections move to and fro without loss. */
checkDoab('many sessions share few connections', async () => {
    const workers = new Set();
    for (let i = 0; i < 5 && workers.size < 2; i++)
        for (const w of await crowd(() => new Raw(plain.port), `plain ${i}`))
            workers.add(w);
    assert.ok(workers.size >= 2, `only on ${[...workers]}`);
});

/* decision 21; B84: those that began on TLS stay there. */
checkDoab('and the same over TLS', async () => {
    const workers = new Set();
    for (let i = 0; i < 5 && workers.size < 2; i++)
        for (const w of await crowd(() => new RawTls(secure.port), `tls ${i}`))
            workers.add(w);
    assert.ok(workers.size >= 2, `only on ${[...workers]}`);
});

/* A long body in pieces: the connection goes to the session's worker before
 * the rest of it has come, and nothing of it is lost. */
checkDoab('a long body finds its worker at its beginning', async () => {
    const text = 'long'.repeat(9000);
    for (const client of await onWorkers(2)) {
        for (const isChunked of [false, true, false, true, false, true]) {
            const whole = client.next({}, message(client.jid, text));
            const body = whole.slice(whole.indexOf('\r\n\r\n') + 4);
            const cut = 17000 + Math.floor(Math.random() * 4000);
            const raw = new Raw(plain.port);
            raw.send(
                'POST /http-bind HTTP/1.1\r\nHost: a\r\n' +
                    (isChunked
                        ? 'Transfer-Encoding: chunked\r\n\r\n' +
                          `${body.length.toString(16)}\r\n`
                        : `Content-Length: ${body.length}\r\n\r\n`) +
                    body.slice(0, cut),
            );
            await sleep(20);
            raw.send(body.slice(cut) + (isChunked ? '\r\n0\r\n\r\n' : ''));
            const answer = await raw.response();
            client.got.push(...textsIn(answer.body));
            for (let i = 0; i < 5 && client.got.length === 0; i++)
                await client.say();
            assert.deepEqual(client.got.splice(0), [text]);
            raw.close();
        }
        await client.end();
    }
});

/* --- One connection, two workers --- */

/* The first is held; the second one's session lives elsewhere. */
checkDoab('a request behind a held one of another worker', async () => {
    const [one, two] = await onWorkers(2, 10);
    const raw = new Raw(plain.port);
    raw.send(one.next());
    await sleep(50); /* it is held by now, if it was read at all */
    const began = Date.now();
    raw.send(two.next({}, message(two.jid, 'behind')) + one.next());
    const first = await raw.response();
    assert.equal(attributes(first.body).type, undefined, first.body);
    const second = await raw.response();
    two.got.push(...textsIn(second.body));
    assert.ok(Date.now() - began < 8000, 'nobody waited for the wait');
    /* The last one is held where it should be. */
    await two.say({}, message(one.jid, 'last'));
    assert.deepEqual(textsIn((await raw.response()).body), ['last']);
    for (let i = 0; i < 5 && two.got.length === 0; i++) await two.say();
    assert.deepEqual(two.got, ['behind']);
    raw.close();
    await one.end();
    await two.end();
});

/* B80-B83: who leaves after a move is missed by the session's worker. */
checkDoab('a client that leaves after its connection moved', async () => {
    const [one, two] = await onWorkers(2);
    const raw = new Raw(plain.port);
    raw.send(two.next({}, message(two.jid, 'first')));
    assert.deepEqual(textsIn((await raw.response()).body), ['first']);
    raw.send(one.next()); /* moves, and is held */
    await sleep(50);
    raw.socket.resetAndDestroy();
    await sleep(50);
    const body = await two.say({}, message(one.jid, 'kept'));
    assert.doesNotMatch(body, /type="error"/);
    /* The lost request is repeated, as a client does, and has it. */
    const again = await fresh.ask(one.same());
    assert.deepEqual(textsIn(again.body), ['kept']);
    await one.end();
    await two.end();
});

/* --- Sids that name a worker --- */

checkDoab('a sid of a worker that is not there is not found', async () => {
    const raw = new Raw(plain.port);
    const session = await new BoshSession(plain.port).open();
    const digits = [...'0123vz~', WORKERS.toString()];
    for (const digit of digits) {
        const sid = withWorker(session.sid, digit);
        if (sid === session.sid) continue;
        raw.send(post(bodyOf({ rid: session.rid + 1, sid })));
        const { status, body } = await raw.response();
        assert.equal(status, 200);
        assert.equal(attributes(body).condition, 'item-not-found', digit);
        assert.equal(attributes(body).xmlns, NS);
    }
    /* The same connection is still good for the session itself. */
    raw.send(session.next({ type: 'terminate' }));
    assert.equal(attributes((await raw.response()).body).type, 'terminate');
    raw.close();
});

/* --- Clients --- */

checkDoab('real clients on both transports, plain and TLS', async () => {
    const urls = [plain.bosh, plain.ws, secure.bosh, secure.ws];
    const clients = [];
    for (const [i, url] of urls.entries()) {
        const user = i % 2 ? 'bob' : 'alice';
        const client = await new StropheClient(url).login(
            `${user}@localhost/w${i}`,
            USERS[user],
        );
        await client.present();
        clients.push(client);
    }
    for (let i = 0; i < clients.length; i++)
        await converse(
            clients[i],
            clients[(i + 1) % clients.length],
            `workers ${i}`,
        );
    for (const client of clients) await client.close();
});

/* A ticket of one worker is good for the others. */
checkDoab('TLS is resumed whichever worker accepts', async () => {
    const options = {
        port: secure.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
    };
    const visit = (session) =>
        new Promise((done, fail) => {
            const socket = tls.connect({ ...options, session });
            const seen = {};
            socket.on('secureConnect', () => {
                seen.resumed = socket.isSessionReused();
            });
            socket.on('session', (ticket) => {
                seen.ticket = ticket;
            });
            socket.on('error', fail);
            socket.on('data', () => socket.end());
            socket.on('close', () => done(seen));
            socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        });
    let { ticket } = await visit();
    for (let i = 0; i < 12; i++) {
        const next = await visit(ticket);
        assert.ok(next.resumed, `visit ${i}`);
        ticket = next.ticket ?? ticket;
    }
});

/* --- Limits of the whole process --- */

checkDoab('sessions_max counts the sessions of all workers', async () => {
    const { child, port } = await start('small.conf', {
        listen: { '127.0.0.1:0': {} },
        limits: { workers: WORKERS, sessions_max: 6 },
    });
    const open = () => new BoshSession(port, 1).open();
    const sessions = await Promise.all(Array.from({ length: 12 }, open));
    const status = sessions.map((s) => s.created.status).sort();
    assert.deepEqual(status, [...Array(6).fill(200), ...Array(6).fill(503)]);
    const one = sessions.find((s) => s.sid);
    await one.ask({ type: 'terminate' });
    /* The place is free again, once the server said goodbye. */
    await until('a place', async () => (await open()).sid);
    assert.equal(await child.stop(), 0);
});

/* --- The end --- */

checkDoab('SIGTERM drains all of them', async () => {
    const { child, port } = await start('drain.conf', {
        listen: { '127.0.0.1:0': {} },
    });
    const workers = new Set();
    const held = [];
    for (let i = 0; i < 40 && (workers.size < 2 || i < 8); i++) {
        const session = await new BoshSession(port, 1).open();
        workers.add(workerOf(session.sid));
        held.push(await session.held());
    }
    const ws = await RawWebSocket.open(port);
    child.signal('SIGTERM');
    for (const raw of held) {
        const { body } = await raw.response();
        assert.equal(attributes(body).condition, 'system-shutdown', body);
        raw.close();
    }
    assert.equal((await ws.frame()).code, 1001);
    ws.close();
    assert.equal(await child.exited, 0);
    const stops = child.err.match(/ worker\.stop number=\d/g);
    assert.deepEqual(stops.map((s) => s.at(-1)).sort(), ['0', '1', '2', '3']);
});

checkDoab('the second signal waits for nobody', async () => {
    const { child, port } = await start('stop.conf', {
        listen: { '127.0.0.1:0': {} },
        http: { header_timeout: '60s' },
        limits: { workers: WORKERS, drain_timeout: '60s' },
    });
    /* A request that never ends: a drain waits for it. */
    const raw = new Raw(port).send('POST /http-bind HTTP/1.1\r\nHost: a\r\n');
    await sleep(100);
    child.signal('SIGTERM');
    await child.waitFor(/worker\.drain number=3/);
    child.signal('SIGTERM');
    const began = Date.now();
    assert.equal(await child.exited, 0);
    assert.ok(Date.now() - began < 30000);
    raw.close();
});

teardown();
