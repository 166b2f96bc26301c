/*
 * A thousand WebSockets whose clients stop reading while their servers push,
 * and a thousand that push while their servers do not read.  What waits is
 * bounded, in doab and in the kernel's buffers that it fills; others are not
 * disturbed; and when they read again, every byte is there.
 * Conformance: J51, L11, L12.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { copyDoab, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { CLOSE, frame, OPCODE, OPEN, RawWebSocket } from './lib/raw.js';
import { sleep, until } from './lib/sandbox.js';
import { BIND, HEADER, MECHANISMS } from './lib/scripted.js';

const SESSIONS = 1000;
const AT_ONCE = 50; /* that log in */
const KIB = 1024;
const MIB = 1024 * KIB;

/* doab's settings, as small as they may be together. */
const STANZA_MAX = 16 * KIB;
const QUEUE_MAX = 224 * KIB; /* to one client */
const SERVER_QUEUE_MAX = 64 * KIB;

/* What one read may bring, and stanzas grow in translation. */
const READ_BYTES = 64 * KIB;
/* The other end's receive buffer, doab's own, and what is unsent. */
const KERNEL_BYTES = 2 * MIB;

const STANZA_BYTES = 8000;
const STANZAS = 500;
const OFFERED_BYTES = STANZAS * STANZA_BYTES; /* by each session */
const STEP = 8; /* stanzas */
const STEP_BYTES = STEP * STANZA_BYTES;
const VARIANTS = 7; /* neighbours say different things */

const AUTH =
    '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>';
const SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const NS = ' xmlns="jabber:client"';
const LANG = ' xml:lang="en"';

let server;
let doab;
let sessions = [];
let live;
let rssBefore;
let peak = 0; /* above it */

const box = setup('backpressure', async () => {
    server = net.createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    if (!isDoab) return;
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: {
            localhost: {
                route: `127.0.0.1:${server.address().port}`,
                mode: 'plain',
            },
        },
        websocket: { ping: '0s' }, /* they would be bytes, too */
        limits: { stanza_max: STANZA_MAX, queue_max: 128 * KIB },
        http: { queue_max: QUEUE_MAX, write_timeout: '120s' },
        upstream: { queue_max: SERVER_QUEUE_MAX, write_timeout: '120s' },
    });
});

/* --- The server ----------------------------------------------------------- */

const streams = new Map(); /* number -> socket */

/* Logs in; then the socket is the session's. */
function serve(socket) {
    let got = '';
    let isLoggedIn = false;
    socket.setNoDelay(true).on('error', () => {});
    const read = (bytes) => {
        got += bytes.toString();
        const header = /<stream:stream[^>]* xml:lang="x-(\d+)"[^>]*>/.exec(got);
        if (header !== null) {
            got = got.slice(header.index + header[0].length);
            socket.write(HEADER + (isLoggedIn ? BIND : MECHANISMS));
            if (!isLoggedIn) return;
            socket.off('data', read);
            streams.set(Number(header[1]), socket);
        } else if (got.includes('<auth ')) {
            got = '';
            isLoggedIn = true;
            socket.write(SUCCESS);
        }
    };
    socket.on('data', read);
}

/* --- What is said --------------------------------------------------------- */

/* One stanza; doab writes the stream's namespace and language into those of
 * servers, and takes them out of those of clients. */
function stanza(variant, n, ns = '', lang = '') {
    const head = `<message${ns} id="${String(n).padStart(4, '0')}"${lang}>`;
    const text = String.fromCharCode(97 + variant).repeat(STANZA_BYTES);
    return `${head}<body>${text}</body></message>`;
}

function all(make) {
    return Array.from({ length: VARIANTS }, (_, variant) =>
        Buffer.concat(
            Array.from({ length: STANZAS }, (__, n) =>
                Buffer.from(make(variant, n)),
            ),
        ),
    );
}

const unmasked = (text) => frame(OPCODE.text, text, { unmasked: true });
const plain = all((variant, n) => stanza(variant, n));

/* --- Sessions ------------------------------------------------------------- */

/* One way of a session: pushes bytes, and compares those that come. */
class Way {
    constructor(from, to, bytes, expected) {
        Object.assign(this, { from, to, bytes, expected });
        this.said = 0; /* stanzas */
        this.pushed = 0; /* bytes */
        this.got = 0;
        this.isBad = false;
        to.pause();
        to.on('data', (chunk) => {
            const due = this.expected.subarray(
                this.got,
                this.got + chunk.length,
            );
            if (!due.equals(chunk)) this.isBad = true;
            this.got += chunk.length;
        });
        to.pause();
    }

    /* False: there is no more to say. */
    push() {
        const said = Math.min(this.said + STEP, STANZAS);
        const size = this.bytes.length / STANZAS;
        if (said === this.said) return false;
        this.from.write(this.bytes.subarray(this.said * size, said * size));
        this.said = said;
        this.pushed = said * size;
        return true;
    }

    isDone() {
        const size = this.expected.length / STANZAS;
        return this.isBad || this.got >= this.said * size;
    }
}

async function login(number) {
    const ws = await RawWebSocket.open(doab.port);
    const open = OPEN('localhost').replace('/>', ` xml:lang="x-${number}"/>`);
    for (const [said, answers] of [
        [open, 2],
        [AUTH, 1],
        [open, 2],
    ]) {
        ws.text(said);
        for (let left = answers; left > 0; left--) await ws.message(30000);
    }
    return { ws, stream: await until('it', () => streams.get(number)) };
}

async function loginAll(first, count) {
    const made = [];
    while (made.length < count) {
        const left = Math.min(AT_ONCE, count - made.length);
        const from = first + made.length;
        made.push(
            ...(await Promise.all(
                Array.from({ length: left }, (_, i) => login(from + i)),
            )),
        );
    }
    return made;
}

/* --- What is seen from outside -------------------------------------------- */

const rss = () =>
    Number(
        /VmRSS:\s+(\d+)/.exec(
            fs.readFileSync(`/proc/${doab.child.pid}/status`, 'utf8'),
        )[1],
    ) * KIB;

const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;

/* Bytes in the kernel's send queue of every connection, by its ports. */
function unacknowledged() {
    const queues = new Map();
    const lines = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n');
    for (const line of lines) {
        const hit =
            /^ *\d+: \w+:(\w{4}) \w+:(\w{4}) \w\w (\w{8}):/.exec(line);
        if (hit === null) continue;
        const [local, remote, bytes] = hit.slice(1).map((x) => parseInt(x, 16));
        queues.set(`${local} ${remote}`, bytes);
    }
    return queues;
}

/* Pushes as a sender with a small buffer does: more only when the other side
 * has taken what was pushed.  Ends when nobody takes any more, and returns
 * how much each has taken. */
async function pushUntilStalled(ways) {
    let stillFor = 0;
    for (let turn = 0; stillFor < 4; turn++) {
        assert.ok(turn < 300, 'they are read without end');
        const queues = unacknowledged();
        let moved = 0;
        for (const way of ways) {
            const { localPort, remotePort, writableLength } = way.from;
            const waiting =
                writableLength + queues.get(`${localPort} ${remotePort}`);
            const taken = way.pushed - waiting;
            if (waiting < STEP_BYTES / 2 && way.push()) moved++;
            if (taken !== way.taken) moved++;
            way.taken = taken;
        }
        stillFor = moved === 0 ? stillFor + 1 : 0;
        await sleep(50);
    }
    return ways.map((way) => way.taken);
}

const factor = () =>
    fs.readFileSync(copyDoab(box)).includes('__asan_init') ? 4 : 1;

/* While all others wait: there and back. */
async function assertLive() {
    const begun = Date.now();
    for (let i = 0; i < 20; i++) {
        live.ws.text(`<iq${NS} id="live${i}" type="get"/>`);
        const [question] = await once(live.stream, 'data');
        assert.match(question.toString(), new RegExp(`id="live${i}"`));
        live.stream.write(`<iq id="answer${i}" type="result"/>`);
        assert.match(await live.ws.message(), new RegExp(`id="answer${i}"`));
    }
    const took = Date.now() - begun;
    console.log(`# 20 times there and back: ${took} ms`);
    assert.ok(took < 10000, `${took} ms`);
}

/* queued: what doab itself may keep of one session. */
async function assertStalls(ways, queued) {
    const before = rss();
    const taken = await pushUntilStalled(ways);
    const most = Math.max(...taken);
    const total = taken.reduce((sum, n) => sum + n, 0);
    const grown = rss() - before;
    peak = Math.max(peak, rss() - rssBefore);
    const bound = SESSIONS * queued * factor();
    console.log(
        `# taken: ${mib(total)} in all, ${mib(most)} of one, of` +
            ` ${mib(SESSIONS * OFFERED_BYTES)}; memory: ${mib(grown)} more,` +
            ` bound ${mib(bound)}`,
    );
    assert.ok(most < queued + KERNEL_BYTES, `one could push ${mib(most)}`);
    assert.ok(grown < bound, `${mib(grown)} more, bound ${mib(bound)}`);
    assert.ok(total < (SESSIONS * OFFERED_BYTES) / 2, 'nobody was stopped');
    await assertLive();
}

/* All that was pushed, and more. */
async function assertArrives(ways) {
    const begun = Date.now();
    for (const way of ways) {
        way.to.resume();
        way.push();
    }
    await until('every byte', () => ways.every((w) => w.isDone()), 90000);
    console.log(`# all of it: ${Date.now() - begun} ms`);
    for (const way of ways) {
        assert.equal(way.isBad, false, `differs before byte ${way.got}`);
        assert.equal(way.got, (way.said * way.expected.length) / STANZAS);
        way.to.removeAllListeners('data');
    }
}

checkDoab('a thousand log in', async () => {
    [live] = await loginAll(0, 1);
    rssBefore = rss();
    sessions = await loginAll(1, SESSIONS);
    for (const { ws } of sessions) ws.socket.removeAllListeners('data');
    console.log(`# ${mib(rss() - rssBefore)} for ${SESSIONS} sessions`);
});

/* L11, L12 */
checkDoab('clients that do not read stop their servers', async () => {
    const expected = all((variant, n) => 
        unmasked(stanza(variant, n, NS, LANG)),
    );
    const ways = sessions.map(
        ({ ws, stream }, i) =>
            new Way(
                stream,
                ws.socket,
                plain[i % VARIANTS],
                expected[i % VARIANTS],
            ),
    );
    await assertStalls(ways, QUEUE_MAX + READ_BYTES);
    await assertArrives(ways);
});

/* L12 */
checkDoab('servers that do not read stop their clients', async () => {
    const bytes = all((variant, n) =>
        frame(OPCODE.text, stanza(variant, n, NS)),
    );
    const ways = sessions.map(
        ({ ws, stream }, i) =>
            new Way(ws.socket, stream, bytes[i % VARIANTS], plain[i % VARIANTS]),
    );
    await assertStalls(ways, SERVER_QUEUE_MAX + READ_BYTES + STANZA_MAX);
    await assertArrives(ways);
});

/* L11 */
checkDoab('what they had comes back when they end', async () => {
    const before = rss();
    for (const { stream } of sessions)
        stream.on('data', () => stream.end('</stream:stream>'));
    for (const { ws } of sessions) {
        ws.socket.on('data', () => {}).on('end', () => ws.close());
        ws.text(CLOSE).send(frame(OPCODE.close, Buffer.from([3, 232])));
    }
    await until(
        'the end of all',
        () => sessions.every(({ ws }) => ws.ended || ws.socket.destroyed),
        30000,
    );
    /* The allocator keeps some for those who come next. */
    await until(
        `memory that comes back, of ${mib(peak)}`,
        () => rss() - rssBefore < 0.5 * peak,
        30000,
    );
    console.log(
        `# ${mib(peak)} at most, ${mib(before - rssBefore)} before the end,` +
            ` ${mib(rss() - rssBefore)} after`,
    );
    live.ws.close();
});

teardown(() => server?.close());
