/*
 * Histories of many sessions, checked.
 *
 * Clients and a scripted XMPP server in this process, doab between them.  Both
 * sides send numbered stanzas; connections die at random before, during and
 * after requests and answers; requests are repeated, sent early inside the
 * window, pipelined, paused, terminated; clients vanish, acknowledge, use key
 * sequences; others guess.  What must hold:
 *
 *   - each side receives exactly 1..n, in order and unharmed; what a lost
 *     answer carried comes again with its repeat, byte for byte the same
 *   - a request on a connection that lives is answered once, in time
 *   - acknowledgements name what was sent
 *   - no session ends without a reason; its stream to the server ends with it,
 *     and what nobody was there to read goes back
 *   - nothing secret is logged, no sanitizer complains, doab ends with 0
 *
 * WebSockets are cut into frames and pieces at random, nap, and die: by FIN,
 * reset or silence, between two bytes of a message, of the handshake or of the
 * end.  There it must hold that
 *
 *   - each side receives exactly 1..n, in order; after a death to some n that
 *     was sent, and after <close/> to the last one before it
 *   - the server hears </stream:stream> of those who said <close/>, and of
 *     nobody else
 *   - over XEP-0198, through all deaths, nothing is lost or comes twice
 *
 * With --drain doab is told to end under load: everybody hears of it.
 * The seed decides what is done; when, is up to the machine.
 *
 *   DOAB=path node tests/stress/bosh_history.mjs [--seed N] [--sessions N]
 *       [--ws N] [--seconds N] [--stanzas N] [--hold N] [--steps N]
 *       [--inactivity N] [--tls] [--quick] [--drain] [--workers N] [--shared]
 *
 * --sessions, --ws: at a time.  --seconds 0: until --stanzas, or a signal.
 * --quick: ends with the first violation.  --shared: BOSH sessions use the same
 * connections in turn, as behind a reverse proxy, and strangers' requests of
 * any worker are pipelined behind theirs.
 */

import { once } from 'node:events';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { makeCerts } from '../system/lib/certs.js';
import { startDoab } from '../system/lib/doab.js';
import { Sandbox, sleep, until } from '../system/lib/sandbox.js';
import { BoshSession, sids } from './lib/bosh.mjs';
import { Chance } from './lib/chance.mjs';
import {
    count,
    counts,
    faults,
    isSpoilt,
    limit,
    SECRETS,
    violations,
} from './lib/history.mjs';
import { open, serve } from './lib/server.mjs';
import { WsSession } from './lib/ws.mjs';

const PROGRESS_MS = 10000;
const LATE_S = 15;
const LOG_MS = 500;
const LOG_TAIL = 6000; /* characters */

const { values: given } = parseArgs({
    options: {
        seed: { type: 'string', default: String(Date.now() % 1000000) },
        sessions: { type: 'string', default: '20' },
        ws: { type: 'string', default: '0' },
        seconds: { type: 'string', default: '10' },
        stanzas: { type: 'string', default: '0' },
        hold: { type: 'string', default: '3' },
        steps: { type: 'string', default: '300' },
        inactivity: { type: 'string', default: '6' },
        tls: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        drain: { type: 'boolean', default: false },
        workers: { type: 'string', default: '1' },
        shared: { type: 'boolean', default: false },
    },
});

/* A number within bounds, or the end of it all. */
function option(name, min, max) {
    const n = Number(given[name]);
    if (Number.isInteger(n) && n >= min && n <= max) return n;
    console.error(`--${name}: a whole number from ${min} to ${max}`);
    return process.exit(2);
}

const seed = option('seed', 0, 2 ** 31 - 1);
const seconds = option('seconds', 0, 1e7);
const stanzasMax = option('stanzas', 0, 1e12);
const begun = Date.now();
const ended = { sessions: 0, passed: 0 };
let isToldToEnd = false;

const elapsed = () => (Date.now() - begun) / 1000;
const stanzas = () =>
    (counts['stanzas up'] ?? 0) + (counts['stanzas down'] ?? 0);

function isOver() {
    return (
        isToldToEnd ||
        isSpoilt() ||
        (seconds > 0 && elapsed() > seconds) ||
        (stanzasMax > 0 && stanzas() >= stanzasMax)
    );
}

/* --- The log of doab ------------------------------------------------------ */

/* Reads what is new in it, and keeps its tail. */
function readLog(child) {
    const log = child.err;
    for (const secret of SECRETS)
        if (log.includes(secret)) violations.push(`logged: ${secret}`);
    for (const [word] of log.matchAll(/[0-9A-Za-z]{20,}/g))
        if (sids.has(word)) violations.push('logged: a sid');
    if (/runtime error:|(ERROR|WARNING): \w+Sanitizer/.test(log))
        violations.push(log.slice(-LOG_TAIL));
    const end = log.lastIndexOf('\n') + 1;
    const tail = Math.max(0, end - LOG_TAIL);
    /* What was read already must not be found again. */
    child.err = log.slice(end);
    child.tail = (child.tail ?? '').concat(log.slice(tail, end));
    child.tail = child.tail.slice(-LOG_TAIL);
}

/* --- Figures -------------------------------------------------------------- */

const kills = () =>
    Object.keys(counts)
        .filter((name) => name.startsWith('kill: '))
        .reduce((sum, name) => sum + counts[name], 0);

function progress() {
    const { lost, doubled, reordered, other } = faults;
    console.log(
        `${elapsed().toFixed()} s: ${ended.sessions} sessions,` +
            ` ${stanzas()} stanzas, ${kills()} kills; ${lost} lost,` +
            ` ${doubled} doubled, ${reordered} reordered, ${other} other`,
    );
}

function figures() {
    for (const name of Object.keys(counts).sort())
        console.log(`  ${name.padEnd(44)} ${counts[name]}`);
    for (const name of Object.keys(faults))
        console.log(`  ${`faults: ${name}`.padEnd(44)} ${faults[name]}`);
    progress();
}

/* --- All of it ------------------------------------------------------------ */

/* One session after the other. */
async function keepOne(Kind, number, setup) {
    const chance = new Chance(seed * 1009 + number);
    for (let life = 0; !isOver() && !setup.isDraining; life++) {
        const name = `${Kind.tag}${Math.abs(number)}-${life}`;
        const session = new Kind(name, chance.fork(life), setup);
        count(`sessions: ${Kind.name}`);
        try {
            await session.run();
        } catch (error) {
            session.blame(String(error));
        }
        ended.sessions++;
        if (!session.isBlamed) ended.passed++;
    }
}

/* Resolves when nothing more has to be seen. */
function firstViolation() {
    return new Promise((done) => {
        const timer = setInterval(() => {
            if (!isSpoilt()) return;
            clearInterval(timer);
            done();
        }, 50);
        timer.unref();
    });
}

/* No stream to the server outlives its client. */
async function nobodyStays() {
    try {
        await until('the last stream', () => open.size === 0);
    } catch {
        violations.push(`${open.size} streams to the server did not end`);
    }
}

/* In the middle of it all. */
async function drainLater(child, setup) {
    await sleep((seconds * 1000) / 2);
    count('drains');
    setup.isDraining = true;
    child.signal('SIGTERM');
}

/* A ^C is for the checker, which then ends doab. */
class OwnGroup extends Sandbox {
    start(name, argv, options) {
        return super.start(name, argv, { ...options, detached: true });
    }
}

async function main(box) {
    const server = net.createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const route = `127.0.0.1:${server.address().port}`;
    const certs = given.tls ? await makeCerts(box, ['localhost']) : undefined;
    const hold = option('hold', 1, 10);
    const inactivity = option('inactivity', 5, 60);
    const close = given.quick ? '5s' : '8s';
    const workers = option('workers', 1, 32);
    const { child, port } = await startDoab(box, {
        listen: { '127.0.0.1:0': certs?.good ?? {} },
        domain: { localhost: { route, mode: 'plain' } },
        /* Nobody is too fast here. */
        bosh: {
            hold_max: hold,
            inactivity: `${inactivity}s`,
            polling: '0s',
            repeats_max: 200,
        },
        /* Ends wait for what sleepers have not read yet, and this process may
         * be slow to read. */
        websocket: { ping: '2s', ping_timeout: '10s', close_timeout: close },
        /* As small as stanza_max allows: who is slow is soon waited for. */
        limits: {
            workers,
            stanza_max: '64k',
            queue_max: '128k',
            drain_timeout: '10s',
        },
        http: { queue_max: '320k' },
        upstream: { queue_max: '128k', close_timeout: close },
        log: { level: 'debug' },
    });
    const reading = setInterval(() => readLog(child), LOG_MS);
    const telling = setInterval(progress, PROGRESS_MS);
    const setup = {
        port,
        isTls: given.tls,
        workers,
        isShared: given.shared,
        idle: [] /* connections, if they are shared */,
        hold,
        inactivity,
        steps: option('steps', 1, 10000),
        isOver,
        isLate: () => seconds > 0 && elapsed() > seconds - LATE_S,
        isDraining: false,
    };
    if (given.drain) drainLater(child, setup);
    const all = [];
    for (let i = option('sessions', 0, 1000); i > 0; i--)
        all.push(keepOne(BoshSession, i, setup));
    for (let i = option('ws', 0, 1000); i > 0; i--)
        all.push(keepOne(WsSession, -i, setup));
    await Promise.race([
        Promise.all(all),
        ...(given.quick ? [firstViolation()] : []),
    ]);
    for (const connection of setup.idle) connection.kill('destroy');
    clearInterval(reading);
    clearInterval(telling);
    if (!isSpoilt()) await nobodyStays();
    server.close();
    const badly = await box.close();
    readLog(child);
    violations.push(...badly);
    if (badly.length > 0) violations.push(child.tail);
}

for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => {
        if (isToldToEnd || given.quick) process.exit(1);
        isToldToEnd = true;
    });
if (given.quick) {
    limit.violations = 1;
    limit.end_ms = 12000;
}
console.log(`seed ${seed}`);
await main(given.quick ? new Sandbox('history') : new OwnGroup('history'));
figures();
const failed = Math.max(ended.sessions - ended.passed, violations.length);
if (failed > 0) {
    for (const violation of violations) console.log(violation);
    const again = process.argv
        .slice(2)
        .join(' ')
        .replace(/--seed[ =]\d+/, '');
    console.log(
        `again: node tests/stress/bosh_history.mjs ${again} --seed ${seed}`,
    );
}
console.log(`seed ${seed}: ${ended.passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
