/*
 * The client of a session over WebSocket, and what its server says to it: one
 * connection after the other, each with its login; XEP-0198 for those who have
 * it.  What it does with its life is said in ws.mjs.
 */

import { sleep, until } from '../../system/lib/sandbox.js';
import { count, limit, message, Session, STANZA } from './history.mjs';
import { auth, SM } from './server.mjs';
import { Wire } from './wire.mjs';

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'";
export const CLOSE = `<close ${FRAMING}/>`;
const ALONE = new RegExp(`^${STANZA.source}$`);
const NS = ' xmlns="jabber:client"';

const WIRES = 100; /* forks of a session's chance, one a connection */
export const BACKLOG_BYTES = 1 << 20; /* more is not said before some is gone */

/* The connection is no more, before what was wanted. */
export class Lost extends Error {}

export class WsClient extends Session {
    constructor(...params) {
        super(...params);
        this.open =
            `<open ${FRAMING} to='localhost' version='1.0'` +
            ` xml:lang='x-${this.name}'/>`;
        this.isManaged = this.chance.of(40);
        this.isEnabled = false; /* XEP-0198, on the server's side */
        this.acked = 0; /* what the server told of ours */
        this.wires = 0;
        this.isPolite = false; /* </stream:stream> was heard */
        this.mayEnd = false; /* and is no forgery */
        if (this.isManaged) count('sessions with XEP-0198');
    }

    /* --- The connection --------------------------------------------------- */

    connect() {
        this.wires++;
        this.isKilled = false;
        this.isBack = false;
        this.event(`connection ${this.wires}`);
        this.seen = '';
        this.hasClose = false;
        this.saidClose = false;
        this.code = undefined;
        this.isGone = false;
        this.wire = new Wire(this.setup, this.chance.fork(WIRES + this.wires), {
            text: (text) => this.take(text),
            closed: (code) => {
                this.code = code;
                this.event(`Close ${code}`);
            },
            gone: () => {
                this.isGone = true;
                this.event('gone');
            },
            bad: (what) => {
                const isRefused = / 503 /.test(what);
                if (!isRefused || !this.setup.isDraining) this.blame(what);
            },
        });
    }

    take(text) {
        const stanza = ALONE.exec(text);
        if (this.hasClose) return this.blame(`after <close/>: ${text}`);
        if (stanza !== null && text.includes(NS)) {
            const [, ...parts] = stanza;
            return this.down.take(...parts);
        }
        this.event(`< ${text.slice(0, 200)}`);
        if (text.startsWith('<close ')) return this.takeClose();
        if (SM.test(text)) return this.takeManaged(text);
        if (/^<(message|iq|presence)/.test(text))
            this.blame(`not as it was said: ${text.slice(0, 300)}`);
        this.seen += text;
        return undefined;
    }

    takeClose() {
        this.hasClose = true;
        if (!this.saidClose) this.tell(CLOSE);
        this.saidClose = true;
    }

    tell(text) {
        this.event(`> ${text.slice(0, 100)}`);
        return this.wire.text(text);
    }

    async seeing(wanted) {
        await until(
            wanted,
            () => this.seen.includes(wanted) || this.isGone || this.isBlamed,
            limit.end_ms,
        );
        if (!this.seen.includes(wanted)) throw new Lost(`before ${wanted}`);
    }

    /* The messages of a login, each with what it brings about.  Nothing is
     * awaited after step `last`; false: that was reached. */
    async login(last = Infinity) {
        const isJoined = this.chance.of(30);
        const steps = [
            [() => this.wire.shake(isJoined ? this.open : undefined), ''],
            [() => isJoined || this.tell(this.open), '<mechanisms'],
            [() => this.tell(auth(this.name)), '<success'],
            [() => this.tell(this.open), '<bind'],
        ];
        if (this.isEnabled) steps.push([() => this.resume(), '<resumed']);
        else if (this.isManaged)
            steps.push([() => this.tell(SM.ENABLE), '<enabled']);
        this.connect();
        for (const [i, [act, wanted]] of steps.entries()) {
            this.seen = '';
            await act();
            if (i === last) return false;
            await this.seeing(wanted);
        }
        if (this.isManaged) this.takeAck(this.isEnabled ? this.seen : null);
        this.isEnabled = this.isManaged;
        this.isBack = true;
        return true;
    }

    /* --- XEP-0198 --------------------------------------------------------- */

    resume() {
        count('resumptions');
        return this.tell(SM.resume(this.down.got, this.name));
    }

    takeManaged(text) {
        if (text.startsWith('<r ')) this.tell(SM.ack(this.down.got));
        else if (text.startsWith('<a ')) this.takeAck(text);
        else this.seen += text;
    }

    /* Who resumes says again what did not arrive. */
    takeAck(text) {
        if (text === null) return;
        const h = SM.number(text, 'h');
        if (!(h >= this.acked && h <= this.up.sent))
            this.blame(`h=${h} after ${this.acked}, sent ${this.up.sent}`);
        this.acked = h;
        if (!text.includes('<resumed')) return;
        count('stanzas said again by clients', this.up.sent - h);
        const all = [];
        for (let n = h + 1; n <= this.up.sent; n++) all.push(message('c', n));
        this.wire.texts(all);
    }

    /* --- The server's side of it (server.mjs) ----------------------------- */

    say(howMany) {
        const isThere = this.server?.writable ?? false;
        if (!isThere && !this.isManaged) return;
        if (isThere && this.server.writableLength > BACKLOG_BYTES) return;
        let burst = '';
        for (let left = howMany; left > 0; left--) burst += this.down.next();
        if (isThere) this.server.write(burst);
    }

    async talk() {
        const chance = this.chance.fork(1);
        while (!this.isEnding) {
            this.say(1 + chance.below(4));
            if (this.isEnabled && chance.of(5) && this.server.writable)
                this.server.write(SM.REQUEST);
            await sleep(chance.below(60));
        }
    }

    /* A stream that can be resumed is not ended even when doab is, once it
     * knows. */
    hearEnd(isResumable) {
        const isKept = isResumable && this.isBack;
        const isDrained = this.setup.isDraining && !isKept;
        this.isPolite = true;
        if (!this.mayEnd && !isDrained)
            this.blame('</stream:stream> of one that said no goodbye');
    }

    lastWords() {
        this.isEnding = true;
        let words = '';
        for (let left = this.chance.fork(2).below(30); left > 0; left--)
            words += this.down.next();
        return words;
    }
}
