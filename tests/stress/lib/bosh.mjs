/*
 * A session over BOSH, whose client has bad luck with its connections.
 */

import { sleep, until } from '../../system/lib/sandbox.js';
import { exchange, FATES, SENT } from './exchange.mjs';
import { count, message, Session, STANZA } from './history.mjs';
import { Keys } from './keys.mjs';
import { auth } from './server.mjs';

const ATTEMPTS_MAX = 6; /* then a request is spared */
const GIVE_UP = 60; /* attempts */
const LAST_WORDS_MS = 40000;
const POLLS_MAX = 10; /* for one thing, while logging in */
const PAST = 4; /* requests that may be repeated after their answer */
const DEATH_MS = 1000; /* until doab must know of it */
const EARLY_MS = 300; /* no timer is more exact */
const TRANSIT_MS = 500;
const LATE_MS = 4000; /* nor any machine slower */

const BODY = "<body xmlns='http://jabber.org/protocol/httpbind'";
const XBOSH = "xmlns:xmpp='urn:xmpp:xbosh'";
const TERMINATE = /^[^>]* type="terminate"/;
const NOT_FOUND = /^[^>]* type="terminate" condition="item-not-found"/;
const ERROR = /^[^>]* type="error"/;

export const sids = new Set();

/* Forks of a session's chance: the rids are above them. */
const KEYS = 2;

function number(answer, name) {
    const found = new RegExp(`^[^>]* ${name}="(\\d+)"`).exec(answer);
    return found === null ? undefined : Number(found[1]);
}

export class BoshSession extends Session {
    static tag = 'b';

    constructor(...params) {
        super(...params);
        const { chance } = this;
        this.idle = this.setup.isShared ? this.setup.idle : [];
        this.first = 1 + chance.below(2 ** 31);
        this.rid = this.first; /* of the next request */
        this.due = this.first; /* the answer to be read next */
        this.begun = this.first; /* all up to this one have been sent */
        this.early = new Set(); /* and these above it */
        this.answers = new Map();
        this.past = []; /* { rid, body, answer } */
        this.open = 0;
        this.isTerminated = false;
        this.terminated_ms = Infinity;
        this.hasSkipped = false;
        this.wait = 1 + chance.below(2);
        this.hold = 1 + chance.below(this.setup.hold);
        this.keys = chance.of(40) ? new Keys(chance.fork(KEYS)) : null;
        this.acks = chance.of(40);
        this.acked = 0;
        this.ackedAll = new Set();
        if (this.keys !== null) count('sessions with keys');
        if (this.acks) count('sessions with acks');
    }

    /* --- Requests --------------------------------------------------------- */

    /* A request in its place of the sequence; it is sent by carry(). */
    compose(attrs, payload) {
        const rid = this.rid++;
        let named = `${BODY} sid='${this.sid}' rid='${rid}'${attrs}`;
        if (this.keys !== null) named += this.keys.next();
        if (this.acks) {
            const lag = this.chance.of(80) ? 0 : this.chance.below(3);
            this.acked = Math.max(this.acked, this.due - 1 - lag);
            this.ackedAll.add(this.acked);
            named += ` ack='${this.acked}'`;
        }
        return { rid, body: `${named}>${payload}</body>` };
    }

    begin(rid) {
        this.early.add(rid);
        while (this.early.delete(this.begun + 1)) this.begun++;
    }

    /* The same request until it is answered, now and then twice at once. */
    async insist({ rid, body }, isSpared) {
        const chance = this.chance.fork(rid);
        const fate = (attempt) =>
            isSpared || attempt >= ATTEMPTS_MAX || !chance.of(20)
                ? null
                : chance.one(FATES);
        this.begin(rid);
        for (let attempt = 0; ; attempt++) {
            const label = `${rid % 1000}.${attempt}`;
            const send = (mark, how) =>
                exchange(this, chance, label + mark, body, how);
            const tries = [send('', fate(attempt))];
            if (!isSpared && chance.of(10)) {
                count('duplicates');
                await chance.pause(20);
                tries.push(send('+', fate(attempt)));
            }
            const all = (await Promise.all(tries)).filter((a) => a !== null);
            /* Between workers nothing orders what a dead connection carried
             * and what comes on the next one: it must not come when the
             * window has passed. */
            if (this.setup.workers > 1 && all.length < tries.length)
                await sleep(TRANSIT_MS);
            const answers = all.filter((a) => !ERROR.test(a));
            count('recoverable errors', all.length - answers.length);
            if (answers.length > 0 && !isSpared && chance.of(10)) {
                count('replays');
                answers.push((await send('=', null)) ?? answers[0]);
            }
            if (answers.some((a) => a !== answers[0]))
                this.blame(`${label}: its repeat was answered otherwise`);
            if (attempt > GIVE_UP) this.blame(`${label}: nobody is there`);
            if (answers.length > 0 || this.isBlamed) return answers[0] ?? '';
            count('lost connections, request repeated');
            await chance.pause(40);
        }
    }

    /* Sends one request; its answer is read in its turn. */
    async carry(request, isSpared = false) {
        const { rid, body } = request;
        this.open++;
        const answer = await this.insist(request, isSpared);
        this.open--;
        this.checkNumbers(rid, answer);
        this.answers.set(rid, answer);
        this.past.push({ rid, body, answer });
        if (this.past.length > PAST * 2) this.past.shift();
        for (; this.answers.has(this.due); this.due++) {
            const read = this.answers.get(this.due);
            this.answers.delete(this.due);
            for (const [, ...stanza] of read.matchAll(STANZA))
                this.down.take(...stanza);
            if (TERMINATE.test(read) && !this.isTerminated)
                this.blame(`ended without reason: ${read.slice(0, 300)}`);
        }
        return answer;
    }

    send(attrs, payload, isSpared) {
        return this.carry(this.compose(attrs, payload), isSpared);
    }

    /* Section 9: what doab acknowledges, it was sent, and all before it. */
    checkNumbers(rid, answer) {
        const ack = number(answer, 'ack');
        const report = number(answer, 'report');
        const isLast = TERMINATE.test(answer);
        if (ack !== undefined) {
            count('acks');
            if (!this.acks) this.blame(`ack ${ack}, not asked for`);
            else if (ack > this.begun || (ack <= rid && !isLast))
                this.blame(`ack ${ack} to ${rid}, sent to ${this.begun}`);
        }
        if (report === undefined) return;
        count('reports');
        if (!this.ackedAll.has(report - 1) || report >= rid)
            this.blame(`report ${report} to ${rid}`);
        if (number(answer, 'time') === undefined)
            this.blame(`report ${report} without time`);
    }

    /* One request that has no place in the sequence. */
    async intrude(what, rid, attrs, payload = '') {
        const named = `${BODY} sid='${this.sid}' rid='${rid}'${attrs}`;
        const answer = await exchange(
            this,
            this.chance,
            what,
            `${named}>${payload}</body>`,
            null,
        );
        count(`intruders: ${what}`);
        if (answer !== null && !NOT_FOUND.test(answer))
            this.blame(`${what} was answered ${answer.slice(0, 300)}`);
    }

    /* --- Login ------------------------------------------------------------ */

    /* A request and then empty ones, until what is wanted comes. */
    async sendFor(wanted, attrs, payload) {
        let answer = await this.send(attrs, payload);
        for (let polls = 0; !answer.includes(wanted); polls++) {
            if (polls > POLLS_MAX) this.blame(`${wanted} never came`);
            if (this.isBlamed) return;
            answer = await this.send('', '');
        }
    }

    async login() {
        const rid = this.rid++;
        const created =
            (await exchange(
                this,
                this.chance,
                'creation',
                `${BODY} rid='${rid}' to='localhost' wait='${this.wait}'` +
                    ` hold='${this.hold}' ver='1.11' ${XBOSH}` +
                    (this.keys?.first() ?? '') +
                    (this.acks ? " ack='1'" : '') +
                    " xmpp:version='1.0'/>",
                null,
            )) ?? '';
        this.sid = /\bsid="([^"]+)"/.exec(created)?.[1];
        if (this.sid === undefined) return this.blame('not created');
        sids.add(this.sid);
        this.requests = number(created, 'requests');
        if (number(created, 'ack') !== (this.acks ? rid : undefined))
            this.blame('the creation is acknowledged wrongly');
        this.due++;
        await this.sendFor('<success', '', auth(this.name));
        return this.sendFor('<bind', ` ${XBOSH} xmpp:restart='true'`, '');
    }

    /* --- What a client does ----------------------------------------------- */

    payload() {
        let all = '';
        for (let left = this.chance.below(4); left > 0; left--)
            all += this.up.next();
        return all;
    }

    /* Also with the window full: it may be one above. */
    async pause() {
        count('pauses');
        const answer = await this.send(" pause='5'", this.payload());
        if (answer.includes('<message'))
            this.blame('the answer to a pause has payload');
        await this.chance.pause(1500);
    }

    /* A whole window, made in order and sent in reverse. */
    async sendEarly() {
        const made = [];
        for (let i = 0; i < this.requests; i++)
            made.push(this.compose('', this.payload()));
        count('early requests', made.length - 1);
        for (const request of made.reverse()) {
            this.carry(request);
            await this.chance.pause(20);
        }
        if (this.chance.of(20)) await this.pause();
    }

    /* The oldest answer that doab has to remember. */
    async repeatPast() {
        const rid = this.due - this.requests;
        const kept = this.past.find((p) => p.rid === rid);
        if (kept === undefined || rid <= this.acked) return;
        count('replays of the oldest');
        const again = await exchange(
            this,
            this.chance,
            `${rid % 1000}.=`,
            kept.body,
            null,
        );
        if (again !== null && again !== kept.answer)
            this.blame(`${rid % 1000}: its old answer came otherwise`);
    }

    async step() {
        if (this.open === 0 && this.chance.of(4)) return this.pause();
        if (this.open === 0 && this.chance.of(20)) return this.sendEarly();
        if (this.open === 0 && this.chance.of(20)) return this.repeatPast();
        if (this.open > 0) await this.chance.pause(100);
        this.send('', this.payload());
        return undefined;
    }

    /* The client's side of the window. */
    async room(size = this.requests) {
        while (this.rid - this.due >= size && !this.isBlamed) await sleep(2);
    }

    /* --- The end ---------------------------------------------------------- */

    /* Polls until all is there that the server has said. */
    async drain() {
        const deadline = Date.now() + LAST_WORDS_MS;
        while (this.down.got < this.down.sent && !this.isBlamed) {
            await this.room();
            this.send('', '');
            if (Date.now() > deadline) this.down.close();
        }
        await this.room(1);
    }

    /* Nobody has anything to say: doab waits as long as it promised. */
    async beQuiet() {
        count('waits');
        const begun = performance.now();
        this.isQuiet = true;
        const answer = await this.send('', '', true);
        this.isQuiet = false;
        const late = performance.now() - begun - this.wait * 1000;
        if (late > LATE_MS || (late < -EARLY_MS && !/ report=/.test(answer)))
            this.blame(`wait ended ${late.toFixed()} ms late`);
    }

    /* Repeats and requests of somebody who knows the sid, but no keys. */
    async guessKeys() {
        const guess = this.keys.guess();
        await this.intrude('guessed key of a repeat', this.due - 1, guess);
        if (this.isBlamed) return;
        await this.send('', this.payload());
        await this.room(1);
        if (this.isBlamed) return;
        const payload = message('c', 0);
        await this.intrude('guessed key', this.rid, guess, payload);
    }

    /* Closes its laptop: with a request pending, or while paused. */
    async vanish() {
        const { chance } = this;
        const isPaused = chance.of(50);
        const limit = isPaused ? 2 : this.setup.inactivity;
        if (isPaused) {
            await this.send(` pause='${limit}'`, '', true);
        } else {
            const { body, rid } = this.compose('', '');
            this.begin(rid);
            await exchange(this, chance, 'last words', body, SENT, 200);
        }
        const begun = performance.now();
        await sleep(DEATH_MS);
        this.say(1 + chance.below(5));
        await this.serverIsLeft(limit * 1000 + LATE_MS);
        const early = limit * 1000 - (performance.now() - begun);
        if (early > EARLY_MS) this.blame(`ended ${early.toFixed()} ms early`);
        const back = this.down.got + this.returned.length;
        if (back !== this.down.sent)
            this.blame(`${back} of ${this.down.sent} are accounted for`);
        await this.intrude('late', this.rid, '');
    }

    /* A terminate waits for what was sent before it, but no longer than any
     * request (B72): what is still on its way then is given up. */
    maySkip() {
        const waited = performance.now() - this.terminated_ms;
        return waited > this.wait * 1000 - EARLY_MS;
    }

    async terminate() {
        await this.room();
        if (this.isBlamed) return;
        this.isTerminated = true;
        this.terminated_ms = performance.now();
        this.send(" type='terminate'", this.payload()).then(() => {
            this.hasSkipped = this.maySkip();
        });
        await until(
            'the last answers',
            () => this.open === 0 || this.isBlamed,
            LAST_WORDS_MS,
        );
    }

    async end(how) {
        count(`end: ${how}`);
        this.event(`the end: ${how}`);
        if (how !== 'terminate at once') {
            this.isEnding = true;
            await this.talking;
            await this.drain();
            if (!this.isBlamed && this.chance.of(30)) await this.beQuiet();
        }
        if (this.isBlamed) return;
        if (how === 'vanish') await this.vanish();
        else if (how === 'keys') await this.guessKeys();
        else if (how === 'window')
            await this.intrude('too early', this.rid + this.requests, '');
        else await this.terminate();
        await this.serverIsLeft();
        if (!this.isBlamed && !this.hasSkipped) this.up.close();
        this.checkReturned();
    }

    chooseEnd() {
        const ends = ['terminate', 'terminate', 'terminate at once'];
        ends.push('terminate at once', 'vanish', 'window');
        if (this.keys !== null) ends.push('keys', 'keys');
        return this.chance.one(ends);
    }

    async run() {
        await this.login();
        if (this.isBlamed) return;
        this.talking = this.talk();
        let left = 20 + this.chance.below(this.setup.steps);
        for (; left > 0 && !this.setup.isOver() && !this.isBlamed; left--) {
            await this.step();
            await this.room();
        }
        await this.end(this.chooseEnd());
        this.isEnding = true;
        await this.talking;
        if (this.setup.isShared) return;
        for (const connection of this.idle) connection.kill('destroy');
    }
}
