/*
 * doab while memory fails.
 *
 * Clients and servers in this process, doab between them with an allocator
 * that fails on demand (fail_alloc.c): the k-th call of one session, each way
 * to a call once, or any call by chance, while many sessions begin, chat and
 * end in all ways.  What must hold:
 *
 *   - doab lives, and ends with 0 when it is told to, under failures, too
 *   - no sanitizer complains
 *   - what a client asks is answered, or its connection ends: in time
 *   - sessions that were there before and are not hit go on
 *   - once memory is back every honest client is served, and nothing is left
 *     of the sessions that were hit: no memory, no file descriptor
 *   - with too little memory to start it ends, and says so by its exit status
 *
 * The seed decides which calls fail and what is done; when, is up to the
 * machine.
 *
 *   DOAB=path node tests/torture/torture.mjs --library fail_alloc.so
 *       [--seed N] [--seconds N] [--name TEXT] [--quick]
 *
 * --quick: ends with the first violation.
 */

import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { Chance } from '../stress/lib/chance.mjs';
import { makeCerts } from '../system/lib/certs.js';
import { Dns } from '../system/lib/dns.js';
import { configText, copyDoab, startDoab } from '../system/lib/doab.js';
import { freePorts, Sandbox, sleep, until } from '../system/lib/sandbox.js';
import { bodyOf, post } from '../system/lib/raw.js';
import { Bosh, Stuck, Wire, Ws } from './lib/client.mjs';
import { Memory } from './lib/memory.mjs';
import { Servers } from './lib/server.mjs';

const AT_ONCE = 10;
const ROUND_MS = 1000;
const KINDS = ['plain', 'starttls', 'tls'];
const NAMES = 8; /* of domains that the DNS knows */
const TTL_S = 1;
const SPEAK_MS = 500;
const QUIET_MS = 15000;
const LOG_TAIL = 4000;
const START_FAILED = [66, 69, 71, 78]; /* of sysexits(3) */
const COMPLAINT = /runtime error:|(ERROR|WARNING): \w+Sanitizer/;

/* Spare parsers and caches fill while it runs.  What is lost for good a leak
 * checker finds, to the byte; this is for what is kept and not used. */
const SLACK = { blocks: 8000, bytes: 2000000, fds: 1 };

const { values: given } = parseArgs({
    options: {
        seed: { type: 'string', default: String(Date.now() % 1000000) },
        seconds: { type: 'string', default: '20' },
        library: { type: 'string' },
        name: { type: 'string', default: 'plain' },
        quick: { type: 'boolean', default: false },
    },
});
const seed = Number(given.seed);
const begun = Date.now();
const over = begun + Number(given.seconds) * 1000;
const chance = new Chance(seed);
const counts = { sessions: 0, honest: 0, starts: 0 };
const violations = [];
let places;

const box = new Sandbox('torture');
let memory;
let servers;
let dns;
let config;
let doab;

function blame(what) {
    violations.push(what);
    console.log(`  ${what}`);
    console.log(memory.explain(box.path('doab')).replace(/^/gm, '    '));
}

/* --- doab ----------------------------------------------------------------- */

function configOf(certs, tlsPort) {
    const route = (kind) => ({
        route: `127.0.0.1:${servers.ports[kind]}`,
        mode: kind,
        ca_file: certs.caFile,
    });
    return {
        listen: {
            '127.0.0.1:0': {},
            [`127.0.0.1:${tlsPort}`]: {
                certificate: certs.good.certificate,
                key: certs.good.key,
            },
        },
        domain: {
            ...Object.fromEntries(KINDS.map((k) => [`${k}.test`, route(k)])),
            '.dns.test': { private: true, mode: 'plain' },
        },
        bosh: {
            inactivity: '5s',
            tombstone: '1s',
            gzip: true,
            gap_timeout: '1s',
        },
        websocket: {
            open_timeout: '3s',
            close_timeout: '1s',
            ping: '2s',
            ping_timeout: '2s',
            deflate: true,
        },
        http: { header_timeout: '3s', body_timeout: '3s', tls_timeout: '3s' },
        upstream: {
            dns_servers: dns.address,
            dns_timeout: '2s',
            dns_cache_max: '64k',
            tls_sessions_max: 2,
            connect_timeout: '4s',
            target_timeout: '3s',
            attempt_timeout: '2s',
            stream_timeout: '4s',
            close_timeout: '1s',
            ports: [servers.ports.plain],
        },
        limits: {
            workers: 2,
            authenticate_timeout: '5s',
            drain_timeout: '3s',
            sessions_max: 1000,
            connections_max: 120,
        },
        log: { level: 'warn' },
    };
}

/* What makes the allocator fail as `file` says. */
const preload = (file) => ({
    DOAB_FAIL_ALLOC: file,
    LD_PRELOAD: given.library,
    ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`,
});

async function start() {
    const certs = await makeCerts(box, KINDS.map((k) => `${k}.test`));
    const zone = { 'host.test': { A: ['127.0.0.1'] } };
    const file = box.write('memory', '');

    servers = await Servers.start(certs, chance.fork(1));
    const srv = [[0, 0, servers.ports.plain, 'host.test']];
    for (let i = 0; i < NAMES; i++)
        zone[`_xmpp-client._tcp.n${i}.dns.test`] = { SRV: srv };
    dns = await Dns.start(zone, TTL_S);
    memory = new Memory(file);

    const [tlsPort] = await freePorts(1);
    config = configOf(certs, tlsPort);
    doab = await startDoab(box, config, 'doab.conf', {
        env: { ...process.env, HOME: box.dir, ...preload(file) },
    });
    places = [
        { port: doab.port, isTls: false },
        { port: tlsPort, isTls: true },
    ];
}

/* Where AddressSanitizer begins a thread it does not look whether it got
 * memory. */
const isForeign = (said) => said.includes('CHECK failed');

/* Another doab, whose k-th call fails, and `span` behind it, from its first
 * instruction on. */
async function startShort(k, span) {
    const file = box.write('memory-start', '');
    const scarce = new Memory(file);
    const variables = Object.entries(preload(file)).map((v) => v.join('='));
    /* What OpenSSL loses where it cannot begin ends with the process. */
    variables.push(`${variables.pop()}:detect_leaks=0`);
    const { ['127.0.0.1:0']: open } = config.listen;
    const text = configText({ ...config, listen: { '127.0.0.1:0': open } });

    scarce.failNth(k, span);
    /* Not the tool that takes our rights away. */
    const child = box.start('starting', [
        'env',
        ...variables,
        copyDoab(box),
        '-c',
        box.write('start.conf', text),
    ]);
    const isUp = await Promise.race([
        child.exited.then(() => false),
        child.waitFor(/^ready$/m, QUIET_MS).then(() => true, () => false),
    ]);
    counts.starts++;
    scarce.back();
    const code = await child.stop();
    const isFine = isUp
        ? code === 0
        : START_FAILED.includes(code) && child.err !== '';
    const isBad = !isFine || COMPLAINT.test(child.err);
    if (isBad && !isForeign(child.err)) {
        violations.push(`start, call ${k}: ${code}`);
        console.log(`  start, call ${k} and ${span}: ${code} ${child.err}`);
        console.log(`    ${scarce.explain(box.path('doab')).replace(/\n/g, '\n    ')}`);
    }
    const { calls } = scarce;
    scarce.close();
    return calls;
}

/* Early calls and late ones alike. */
async function starts(end) {
    const luck = chance.fork(4);
    const all = await startShort(2 ** 40, 1);
    while (Date.now() < end && !isDone()) {
        const k = Math.ceil(all ** (luck.below(1000) / 1000));
        await startShort(k, luck.of(50) ? 1 : 2 ** 40);
    }
}

/* --- Sessions ------------------------------------------------------------- */

const domain = (luck) =>
    luck.one([
        'plain.test',
        'starttls.test',
        'tls.test',
        `n${luck.below(NAMES)}.dns.test`,
    ]);

const options = (luck) => ({
    gzip: luck.of(50),
    deflate: luck.of(50),
    patience_ms: 1500,
});

const ENDS = {
    leave: (s) => s.leave(),
    close: (s) => s.vanish(false),
    reset: (s) => s.vanish(true),
    silence: () => sleep(300),
    malformed: (s) => s.say('<a><b></a>'),
    large: async (s) => {
        await s.say(`<message><body>${'z'.repeat(400000)}</body></message>`);
        await s.hear('an error');
    },
};

/* What has nothing to do with a session. */
const STRAY = [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n',
    'OPTIONS /http-bind HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n' +
        'Access-Control-Request-Method: POST\r\n\r\n',
    'GET /xmpp-websocket HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /http-bind HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n<a>',
    post(bodyOf({ sid: 'x', rid: 1 })),
    'POST /http-bind HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n' +
        '4\r\n<a/>\r\n0\r\n\r\n',
    'nonsense\r\n\r\n',
];

async function stray(luck) {
    const wire = new Wire(luck.one(places));
    try {
        wire.send(luck.one(STRAY));
        await wire.response();
    } finally {
        wire.close();
    }
}

/* Whatever happens to it, but that nothing happens. */
async function live(luck) {
    const Kind = luck.one([Bosh, Ws]);
    const session = new Kind(luck.one(places), domain(luck), options(luck));
    counts.sessions++;
    try {
        if (luck.of(10)) return await stray(luck);
        await session.login();
        for (let i = luck.below(5); i > 0; i--) {
            await session.echo(luck.one([1, 300, 3000, 30000]));
            if (luck.of(20)) await session.repeat();
        }
        await ENDS[luck.one(Object.keys(ENDS))](session);
    } catch (error) {
        if (error instanceof Stuck)
            blame(`${Kind.name} to ${session.to}: ${error.message}`);
    } finally {
        session.close();
    }
    return undefined;
}

/* One of each kind, with nothing in its way. */
async function honest() {
    const faults = [];
    const kinds = ['plain.test', 'starttls.test', 'tls.test', 'n0.dns.test'];
    servers.isHonest = true;
    await Promise.all(
        [Bosh, Ws].flatMap((Kind) =>
            kinds.map(async (to, i) => {
                const session = new Kind(places[i % 2], to, {
                    gzip: true,
                    deflate: true,
                });
                try {
                    await session.login();
                    for (const size of [1, 3000, 60000])
                        await session.echo(size);
                    await session.leave();
                    counts.honest++;
                } catch (error) {
                    faults.push(`honest ${Kind.name} to ${to}: ${error.message}`);
                } finally {
                    session.close();
                }
            }),
        ),
    );
    for (const fault of faults) blame(fault);
}

/* --- What is left --------------------------------------------------------- */

/* Undefined where only root may look. */
function openFiles() {
    try {
        return fs.readdirSync(`/proc/${doab.child.pid}/fd`).length;
    } catch {
        return undefined;
    }
}

const now = () => ({ ...memory.live, fds: openFiles() });

const excess = (base) =>
    Object.entries(now())
        .filter(([k, v]) => v > base[k] + SLACK[k])
        .map(([k, v]) => `${v - base[k]} ${k}`);

/* Once nothing has changed for a while. */
async function settle() {
    const deadline = Date.now() + QUIET_MS;
    let before;
    do {
        before = now();
        await sleep(700);
    } while (
        Date.now() < deadline &&
        JSON.stringify(before) !== JSON.stringify(now())
    );
    return now();
}

async function checkLeft(base) {
    const deadline = Date.now() + QUIET_MS;
    while (excess(base).length > 0 && Date.now() < deadline) await sleep(200);
    const left = excess(base);
    if (left.length > 0) blame(`left behind: ${left.join(', ')}`);
}

/* --- How memory fails ----------------------------------------------------- */

const isAlive = () => doab.child.code === undefined;
const isDone = () =>
    !isAlive() || (given.quick && violations.length > 0);

/* Sessions at a time until the round is over. */
async function mix(number, ms) {
    const end = Date.now() + ms;
    servers.isHonest = false;
    await Promise.all(
        Array.from({ length: AT_ONCE }, async (_, i) => {
            for (let j = 0; Date.now() < end && isAlive(); j++)
                await live(chance.fork(1000 * number + 50 * i + j));
        }),
    );
}

async function round(number) {
    const luck = chance.fork(number);
    if (luck.of(60)) memory.failPaths(luck.one([30, 200, 600]));
    else
        memory.failRandom(
            luck.one([0.3, 0.05, 0.01, 0.002]),
            luck.below(2 ** 31),
        );
    await mix(number, ROUND_MS);
    memory.back();
}

/* One session alone, its k-th call failing; false: it has fewer. */
async function hit(Kind, at, to, k) {
    const session = new Kind(at, to, { deflate: true, gzip: true });
    counts.sessions++;
    servers.isHonest = true;
    memory.failNth(k);
    try {
        await session.login();
        await session.echo(3000);
        await session.leave();
    } catch (error) {
        if (error instanceof Stuck)
            blame(`${Kind.name} to ${to}, call ${k}: ${error.message}`);
    } finally {
        memory.back();
        session.close();
    }
    return memory.calls >= k;
}

/* Sessions that do nothing while memory fails: they are not hit. */
class Bystanders {
    static async come() {
        const some = new Bystanders();
        servers.isHonest = true;
        some.sessions = [Bosh, Ws].flatMap((Kind) =>
            KINDS.map((kind, i) => {
                const at = places[i % 2];
                return new Kind(at, `${kind}.test`, { wait_s: 60 });
            }),
        );
        for (const session of some.sessions) await session.login();
        await some.speak();
        return some;
    }

    /* Often enough for doab to ask none of them whether it is there. */
    isDue() {
        return Date.now() - this.spoke > SPEAK_MS;
    }

    async speak() {
        this.spoke = Date.now();
        await Promise.all(
            this.sessions.map((session) =>
                session.echo(300).catch((error) => {
                    const who = `${session.constructor.name} to ${session.to}`;
                    blame(`not hit, ${who}: ${error.message}`);
                }),
            ),
        );
    }

    async go() {
        await this.speak();
        for (const session of this.sessions) await session.leave();
        for (const session of this.sessions) session.close();
    }
}

/* k = 1, 1 + step, ... of every kind of session, in turn. */
async function enumerate(end, step) {
    const kinds = [Bosh, Ws].flatMap((Kind) =>
        places.flatMap((at) =>
            ['plain.test', 'starttls.test', 'tls.test', 'dns.test'].map(
                (to) => ({ Kind, at, to }),
            ),
        ),
    );
    const luck = chance.fork(2);
    const others = await Bystanders.come();
    for (let k = 1 + luck.below(step); kinds.length > 0; k += step) {
        for (const kind of [...kinds]) {
            const { Kind, at, to } = kind;
            const name = to === 'dns.test' ? `n${luck.below(NAMES)}.${to}` : to;
            if (!(await hit(Kind, at, name, k)))
                kinds.splice(kinds.indexOf(kind), 1);
            if (isDone()) return;
            if (Date.now() > end) return others.go();
            if (others.isDue()) await others.speak();
        }
    }
    await others.go();
}

/* SIGTERM among sessions, while memory fails. */
async function end() {
    const exited = doab.child.exited;
    const luck = chance.fork(3);
    if (isAlive()) {
        const sessions = mix(3, ROUND_MS);
        await sleep(ROUND_MS / 2);
        memory.failRandom(0.02, luck.below(2 ** 31));
        doab.child.signal('SIGTERM');
        const code = await Promise.race([exited, sleep(QUIET_MS)]);
        if (code !== 0) blame(`the end by SIGTERM: ${code ?? 'none'}`);
        await sessions;
    } else {
        blame(`doab ended by itself: ${doab.child.code}`);
    }
    const said = doab.child.err;
    if (COMPLAINT.test(said)) blame('a sanitizer complained');
    if (violations.length > 0) console.log(said.slice(-LOG_TAIL));
}

/* --- All of it ------------------------------------------------------------ */

async function run() {
    await start();
    /* First of all: what is made once and for good, at its first use. */
    memory.failRandom(0.3, chance.below(2 ** 31));
    await mix(2, ROUND_MS);
    memory.back();
    await honest();
    await honest();
    await mix(1, ROUND_MS);
    await honest();
    const base = await settle();
    const seconds = (over - Date.now()) / 1000;
    await starts(Date.now() + 150 * seconds);
    /* A long run has time for every call. */
    await enumerate(Date.now() + 300 * seconds, seconds > 100 ? 1 : 7);
    for (let i = 10; Date.now() < over && !isDone(); i++) {
        await round(i);
        if (!isDone()) await honest();
        doab.child.err = doab.child.err.slice(-LOG_TAIL);
    }
    if (isAlive()) {
        await settle();
        await checkLeft(base);
    }
    await end();
}

try {
    await run();
} catch (error) {
    violations.push('the test fell over');
    console.log(error);
}
await box.close();
servers?.stop();
dns?.stop();
const failed = memory?.failed ?? 0;
const paths = memory?.paths ?? 0;
if (failed === 0) violations.push('no call failed');
console.log(
    `torture ${given.name}, seed ${seed}: ${counts.sessions} sessions, ` +
        `${counts.starts} starts, ` +
        `${failed} calls failed, ${paths} ways to a call; ` +
        `${counts.honest} honest sessions served`,
);
console.log(
    `torture ${given.name}: ${violations.length ? '0 passed, 1' : '1 passed, 0'} failed`,
);
process.exit(violations.length ? 1 : 0);
