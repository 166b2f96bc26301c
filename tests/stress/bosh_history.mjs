/*
 * Histories of many sessions, checked.
 *
 * Clients and a scripted XMPP server in this process, doab between them.  Both
 * sides send numbered stanzas; connections die at random before, during and
 * after requests and answers; requests are repeated, sent early inside the
 * window, pipelined, paused, terminated.  What must hold:
 *
 *   - each side receives exactly 1..n, in order and unharmed; what a lost
 *     answer carried comes again with its repeat, byte for byte the same
 *   - a request on a connection that lives is answered once, in time
 *   - no session ends without a reason; its stream to the server ends with it
 *   - nothing secret is logged, no sanitizer complains, doab ends with 0
 *
 * WebSockets only are killed: up to there the same must hold.
 * The seed decides what is done; when, is up to the machine.
 *
 *   DOAB=path node tests/stress/bosh_history.mjs [--seed N] [--sessions N]
 *       [--ws N] [--seconds N] [--hold N] [--tls]
 */

import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { makeCerts } from '../system/lib/certs.js';
import { startDoab } from '../system/lib/doab.js';
import { Sandbox, sleep, until } from '../system/lib/sandbox.js';
import { exchange, FATES } from './lib/exchange.mjs';
import {
    Chance,
    count,
    counts,
    isSpoilt,
    SASL,
    SECRETS,
    serve,
    Session,
    STANZA,
    violations,
} from './lib/history.mjs';

const WAIT_S = 2;
const ATTEMPTS_MAX = 6; /* then a request is spared */
const GIVE_UP = 60; /* attempts */
const LAST_WORDS_MS = 40000;
const POLLS_MAX = 10; /* for one thing, while logging in */

const { values: given } = parseArgs({
    options: {
        seed: { type: 'string', default: String(Date.now() % 1000000) },
        sessions: { type: 'string', default: '20' },
        ws: { type: 'string', default: '0' },
        seconds: { type: 'string', default: '10' },
        hold: { type: 'string', default: '1' },
        tls: { type: 'boolean', default: false },
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
const hold = option('hold', 1, 10);
const endsAt = Date.now() + option('seconds', 1, 3600) * 1000;
const isOver = () => Date.now() > endsAt || isSpoilt();
const sids = [];

/* --- BOSH ----------------------------------------------------------------- */

const BODY = "<body xmlns='http://jabber.org/protocol/httpbind'";
const XBOSH = "xmlns:xmpp='urn:xmpp:xbosh'";
const TERMINATE = /^[^>]* type="terminate"/;
const ERROR = /^[^>]* type="error"/;

class BoshSession extends Session {
    constructor(...params) {
        super(...params);
        this.idle = []; /* connections */
        this.rid = 1 + this.chance.below(2 ** 31);
        this.due = this.rid; /* the answer to be read next */
        this.answers = new Map();
        this.open = 0;
        this.isTerminated = false;
    }

    fate(attempt) {
        if (attempt >= ATTEMPTS_MAX || !this.chance.of(20)) return null;
        return this.chance.one(FATES);
    }

    /* The same request until it is answered, now and then twice at once. */
    async insist(rid, body) {
        for (let attempt = 0; ; attempt++) {
            const label = `${rid % 1000}.${attempt}`;
            const send = (mark, fate) =>
                exchange(this, label + mark, body, fate);
            const tries = [send('', this.fate(attempt))];
            if (this.chance.of(10)) {
                count('duplicates');
                await this.chance.pause(20);
                tries.push(send('+', this.fate(attempt)));
            }
            const all = (await Promise.all(tries)).filter((a) => a !== null);
            const answers = all.filter((a) => !ERROR.test(a));
            count('recoverable errors', all.length - answers.length);
            if (answers.length > 0 && this.chance.of(10)) {
                count('replays asked for');
                answers.push((await send('=', null)) ?? answers[0]);
            }
            if (answers.some((a) => a !== answers[0]))
                this.blame(`${label}: its repeat was answered otherwise`);
            if (attempt > GIVE_UP) this.blame(`${label}: nobody is there`);
            if (answers.length > 0 || this.isBlamed) return answers[0] ?? '';
            await this.chance.pause(40);
        }
    }

    /* Sends one request; its answer is read in its turn. */
    async send(attrs, payload, rid = this.rid++) {
        const named = `${BODY} sid='${this.sid}' rid='${rid}'`;
        this.open++;
        const answer = await this.insist(
            rid,
            `${named}${attrs}>${payload}</body>`,
        );
        this.open--;
        this.answers.set(rid, answer);
        for (; this.answers.has(this.due); this.due++) {
            const read = this.answers.get(this.due);
            this.answers.delete(this.due);
            for (const [, ...stanza] of read.matchAll(STANZA))
                this.down.take(...stanza);
            if (TERMINATE.test(read) && !this.isTerminated)
                this.blame(`ended without reason: ${read}`);
        }
        return answer;
    }

    /* The same and then empty ones, until what is wanted comes. */
    async sendFor(wanted, attrs, payload) {
        let answer = await this.send(attrs, payload);
        for (let polls = 0; !answer.includes(wanted); polls++) {
            if (polls > POLLS_MAX) this.blame(`${wanted} never came`);
            if (this.isBlamed) return;
            answer = await this.send('', '');
        }
    }

    async login() {
        const created = await exchange(
            this,
            'creation',
            `${BODY} rid='${this.rid}' to='localhost' wait='${WAIT_S}'` +
                ` hold='${hold}' ver='1.11' ${XBOSH} xmpp:version='1.0'/>`,
            null,
        );
        const attribute = (name) =>
            new RegExp(`\\b${name}="([^"]+)"`).exec(created ?? '')?.[1];
        this.sid = attribute('sid');
        if (this.sid === undefined) return this.blame('not created');
        sids.push(this.sid);
        this.requests = Number(attribute('requests'));
        this.rid++;
        this.due++;
        const auth = `<auth ${SASL} mechanism='ANONYMOUS'>${this.name}</auth>`;
        await this.sendFor('<success', '', auth);
        return this.sendFor('<bind', ` ${XBOSH} xmpp:restart='true'`, '');
    }

    payload() {
        let all = '';
        for (let left = this.chance.below(4); left > 0; left--)
            all += this.up.next();
        return all;
    }

    async pause() {
        count('pauses');
        const answer = await this.send(" pause='5'", this.payload());
        if (answer.includes('<message'))
            this.blame('the answer to a pause has payload');
        await this.chance.pause(1500);
    }

    /* A whole window, made in order and sent in reverse. */
    async sendEarly() {
        const first = this.rid;
        const payloads = [];
        for (let i = 0; i < this.requests; i++) payloads.push(this.payload());
        this.rid += payloads.length;
        count('early requests', payloads.length - 1);
        for (let i = payloads.length - 1; i >= 0; i--) {
            this.send('', payloads[i], first + i);
            await this.chance.pause(20);
        }
    }

    async step() {
        if (this.open === 0 && this.chance.of(4)) return this.pause();
        if (this.open === 0 && this.chance.of(20)) return this.sendEarly();
        if (this.open > 0) await this.chance.pause(100);
        this.send('', this.payload());
        return undefined;
    }

    /* The client's side of the window. */
    async room() {
        while (this.rid - this.due >= this.requests && !this.isBlamed)
            await sleep(2);
    }

    /* Polls until all is there that the server has said. */
    async drain() {
        const deadline = Date.now() + LAST_WORDS_MS;
        while (this.down.got < this.down.sent && !this.isBlamed) {
            await this.room();
            this.send('', '');
            if (Date.now() > deadline)
                this.blame(`s${this.down.got + 1} and on never came`);
        }
    }

    async terminate() {
        await this.room();
        if (this.isBlamed) return;
        this.isTerminated = true;
        count('terminates');
        this.send(" type='terminate'", this.payload());
        await until(
            'the last answers',
            () => this.open === 0 || this.isBlamed,
            LAST_WORDS_MS,
        );
        await this.serverIsLeft();
        if (this.up.got !== this.up.sent)
            this.blame(`the server got ${this.up.got} of ${this.up.sent}`);
    }

    async run() {
        await this.login();
        if (this.isBlamed) return;
        const talking = this.talk();
        let left = 20 + this.chance.below(300);
        for (; left > 0 && !isOver() && !this.isBlamed; left--) {
            await this.step();
            await this.room();
        }
        if (this.chance.of(70)) {
            this.isEnding = true;
            await this.drain();
        }
        await this.terminate();
        this.isEnding = true;
        await talking;
        for (const connection of this.idle) connection.kill('destroy');
    }
}

/* --- WebSocket ------------------------------------------------------------ */

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'";
const OPEN = `<open ${FRAMING} to='localhost' version='1.0'/>`;
const CLOSE = `<close ${FRAMING}/>`;

class WsSession extends Session {
    /* Says one thing and waits for what it brings about. */
    async ask(message, wanted) {
        this.ws.send(message);
        await until(wanted, () => this.seen.includes(wanted));
        this.seen = '';
    }

    take(message) {
        const stanzas = [...message.matchAll(STANZA)];
        if (stanzas.length === 0) this.seen += message;
        for (const [, ...stanza] of stanzas) this.down.take(...stanza);
    }

    async login() {
        const WebSocket = createRequire(
            new URL('../system/', import.meta.url),
        )('ws');
        const { port, isTls } = this.target;
        this.seen = '';
        this.isClosed = false;
        this.ws = new WebSocket(
            `${isTls ? 'wss' : 'ws'}://127.0.0.1:${port}/xmpp-websocket`,
            'xmpp',
            { rejectUnauthorized: false },
        );
        this.ws.on('error', () => {});
        this.ws.on('message', (data) => this.take(data.toString()));
        this.ws.on('close', () => {
            this.isClosed = true;
        });
        await once(this.ws, 'open');
        const auth = `<auth ${SASL} mechanism='ANONYMOUS'>${this.name}</auth>`;
        await this.ask(OPEN, '<mechanisms');
        await this.ask(auth, '<success');
        await this.ask(OPEN, '<bind');
    }

    async run() {
        await this.login();
        const talking = this.talk();
        let left = this.chance.below(200);
        for (; left > 0 && !isOver() && !this.isBlamed; left--) {
            this.ws.send(this.up.next());
            await this.chance.pause(40);
            if (this.isClosed) this.blame('ended without reason');
        }
        this.isEnding = true;
        await talking;
        await this.leave(this.chance.one(['close', 'fin', 'terminate']));
    }

    async leave(how) {
        count(`websockets left: ${how}`);
        if (how === 'terminate') this.ws.terminate();
        if (how === 'fin') this.ws._socket.end();
        if (how === 'close') {
            this.ws.send(CLOSE);
            await until('the end', () => this.isClosed);
            for (const flow of [this.up, this.down])
                if (flow.got !== flow.sent)
                    this.blame(`${flow.side}: ${flow.got} of ${flow.sent}`);
        }
        await this.serverIsLeft();
    }
}

/* --- All of it ------------------------------------------------------------ */

/* One session after the other. */
async function keepOne(Kind, number, target) {
    const chance = new Chance(seed * 1009 + number);
    for (let life = 0; !isOver(); life++) {
        const name = `${Kind.name}-${number}-${life}`;
        const session = new Kind(name, chance, target);
        count(`${Kind.name}s`);
        try {
            await session.run();
        } catch (error) {
            session.blame(String(error));
        }
    }
}

async function main(box) {
    const server = net.createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const route = `127.0.0.1:${server.address().port}`;
    const certs = given.tls ? await makeCerts(box, ['localhost']) : undefined;
    const { child, port } = await startDoab(box, {
        listen: { '127.0.0.1:0': certs?.good ?? {} },
        domain: { localhost: { route, mode: 'plain' } },
        /* Nobody is too fast here. */
        bosh: {
            hold_max: hold,
            inactivity: '30s',
            polling: '0s',
            repeats_max: 200,
        },
        limits: { stanza_max: '64k', queue_max: '128k' },
        log: { level: 'debug' },
    });
    const target = { port, isTls: given.tls };
    const all = [];
    for (let i = option('sessions', 0, 1000); i > 0; i--)
        all.push(keepOne(BoshSession, i, target));
    for (let i = option('ws', 0, 1000); i > 0; i--)
        all.push(keepOne(WsSession, -i, target));
    await Promise.all(all);
    server.close();
    const faults = await box.close();
    violations.push(...faults);
    if (faults.length > 0) violations.push(child.err.slice(-6000));
    for (const secret of [...sids, ...SECRETS])
        if (child.err.includes(secret)) violations.push(`logged: ${secret}`);
}

console.log(`seed ${seed}`);
await main(new Sandbox('history'));
console.log(counts);
for (const violation of violations) console.log(violation);
console.log(`seed ${seed}: ${violations.length} violations`);
process.exit(violations.length > 0 ? 1 : 0);
