/*
 * What a history consists of: chance, numbered stanzas, the server that takes
 * and sends them, and the record of what went wrong.
 */

import { sleep, until } from '../../system/lib/sandbox.js';

const TRAIL = 60; /* events kept of a session, for the record of a violation */
const VIOLATIONS_MAX = 10;

export const counts = {};
export const violations = [];

export function count(what, by = 1) {
    counts[what] = (counts[what] ?? 0) + by;
}

export const isSpoilt = () => violations.length >= VIOLATIONS_MAX;

/* --- Chance --------------------------------------------------------------- */

/* mulberry32: small, and the same everywhere. */
export class Chance {
    constructor(seed) {
        this.state = seed >>> 0;
    }

    /* 0 <= x < n */
    below(n) {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let t = this.state;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
    }

    of(percent) {
        return this.below(100) < percent;
    }

    one(list) {
        return list[this.below(list.length)];
    }

    /* Half of the time none. */
    pause(ms) {
        return sleep(this.of(50) ? 0 : this.below(ms));
    }
}

/* --- Stanzas -------------------------------------------------------------- */

/* The text of stanza n, as doab writes it: its size depends on n. */
function text(n) {
    const size = n % 97 === 0 ? 40000 : (n * 7919) % 400;
    return `${n}:${'grün &amp; &lt;b'.repeat(Math.ceil(size / 16))}`;
}

/* Side c is the client, s the server. */
export const STANZA = new RegExp(
    '<message\\b[^>]*\\bid="([cs])(\\d+)"[^>]*>' +
        '<body>([^<]*)</body></message>',
    'g',
);

/* In any log this would be a leak. */
export const SECRETS = ['grün', '<message'];

/* One direction of one session. */
class Flow {
    constructor(session, side) {
        this.session = session;
        this.side = side;
        this.sent = 0;
        this.got = 0;
    }

    next() {
        this.sent++;
        return (
            `<message xmlns='jabber:client' id='${this.side}${this.sent}'>` +
            `<body>${text(this.sent)}</body></message>`
        );
    }

    take(side, digits, body) {
        const n = Number(digits);
        const due = this.got + 1;
        if (side !== this.side || n !== due)
            this.session.blame(`${side}${n} instead of ${this.side}${due}`);
        if (body !== text(n)) this.session.blame(`${side}${n} was changed`);
        this.got = n;
        count(side === 'c' ? 'stanzas up' : 'stanzas down');
    }
}

/* --- Sessions, however they are carried ----------------------------------- */

const streams = new Map(); /* name of a session -> session */

export class Session {
    constructor(name, chance, target) {
        this.name = name;
        this.chance = chance;
        this.target = target; /* { port, isTls } */
        this.up = new Flow(this, 'c');
        this.down = new Flow(this, 's');
        this.trail = [];
        this.isServerClosed = false;
        this.isEnding = false;
        this.isBlamed = false;
        streams.set(name, this);
    }

    event(what) {
        this.trail.push(`${(performance.now() / 1000).toFixed(3)} ${what}`);
        if (this.trail.length > TRAIL) this.trail.shift();
    }

    blame(what) {
        this.event(what);
        if (!this.isBlamed)
            violations.push(
                `${this.name}: ${what}\n  ${this.trail.join('\n  ')}`,
            );
        this.isBlamed = true;
    }

    /* The server talks until the session ends: mostly a little, now and then
     * more than shall wait for a client. */
    async talk() {
        while (!this.isEnding && !this.isServerClosed) {
            let burst = '';
            let left = this.chance.of(1) ? 500 : 1 + this.chance.below(4);
            for (; left > 0; left--) burst += this.down.next();
            this.server.write(burst);
            await sleep(this.chance.below(60));
        }
    }

    async serverIsLeft() {
        try {
            await until('the end', () => this.isServerClosed, 15000);
        } catch {
            this.blame('its stream to the server did not end');
        }
        streams.delete(this.name);
    }
}

/* --- The server ----------------------------------------------------------- */

const HEADER =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client'" +
    " xmlns:stream='http://etherx.jabber.org/streams'" +
    " version='1.0' from='localhost' id='history'>";
const features = (what) => `<stream:features>${what}</stream:features>`;

export const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const MECHANISMS = features(
    `<mechanisms ${SASL}><mechanism>ANONYMOUS</mechanism></mechanisms>`,
);
const BIND = features("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");

const TOKEN = [
    '<stream:stream[^>]*>',
    '<auth[^>]*>([^<]*)</auth>',
    '</stream:stream>',
    STANZA.source,
].join('|');

/* One stream.  Who logs in says the name of its session instead of a trace. */
export function serve(socket) {
    const token = new RegExp(TOKEN, 'g');
    let session = null;
    let kept = '';

    const answer = ([all, name, ...stanza]) => {
        if (all.startsWith('<message')) {
            session.up.take(...stanza);
        } else if (all.startsWith('<auth')) {
            session = streams.get(name);
            socket.write(`<success ${SASL}/>`);
        } else if (all.startsWith('<stream')) {
            socket.write(HEADER + (session === null ? MECHANISMS : BIND));
            if (session !== null) session.server = socket;
        } else {
            socket.end('</stream:stream>');
        }
    };
    socket.setNoDelay(true).setEncoding('utf8');
    socket.on('data', (chunk) => {
        let at = 0;
        kept += chunk;
        token.lastIndex = 0;
        for (let hit = token.exec(kept); hit; hit = token.exec(kept)) {
            at = token.lastIndex;
            answer(hit);
        }
        kept = kept.slice(at);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
        if (session !== null) session.isServerClosed = true;
    });
}
