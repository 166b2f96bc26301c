/*
 * What a history consists of: numbered stanzas, the sessions that carry them,
 * and the record of what went wrong.
 */

import { sleep, until } from '../../system/lib/sandbox.js';

const TRAIL = 60; /* events kept of a session, for the record of a violation */
const TALK = 1; /* fork of a session's chance */

export const counts = {};
export const faults = { lost: 0, doubled: 0, reordered: 0, other: 0 };
export const violations = [];

export function count(what, by = 1) {
    counts[what] = (counts[what] ?? 0) + by;
}

/* After so many violations it ends, and what comes of ending it is none.  What
 * doab has to do at once it must have done after end_ms. */
export const limit = { violations: 10, end_ms: 30000 };
export const isSpoilt = () => violations.length >= limit.violations;

/* --- Stanzas -------------------------------------------------------------- */

/* The text of stanza n, as doab writes it: its size depends on n. */
function text(n) {
    const size = n % 97 === 0 ? 40000 : (n * 7919) % 400;
    return `${n}:${'grün &amp; &lt;b'.repeat(Math.ceil(size / 16))}`;
}

export const message = (side, n) =>
    `<message xmlns='jabber:client' id='${side}${n}'>` +
    `<body>${text(n)}</body></message>`;

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
        this.missing = new Set();
    }

    next() {
        this.sent++;
        return message(this.side, this.sent);
    }

    take(side, digits, body) {
        const n = Number(digits);
        const due = this.got + 1;
        const named = `${side}${n} instead of ${this.side}${due}`;
        count(side === 'c' ? 'stanzas up' : 'stanzas down');
        if (side !== this.side || n < 1 || n > this.sent) {
            this.session.blame(named);
        } else if (n > due && side === 'c' && this.session.maySkip()) {
            count('given up for a terminate', n - due);
        } else if (n > due) {
            for (let lost = due; lost < n; lost++) this.missing.add(lost);
            this.session.blame(named, 'lost', n - due);
        } else if (this.missing.delete(n)) {
            faults.lost--; /* it was only late */
            this.session.blame(named, 'reordered');
        } else if (n < due) {
            this.session.blame(named, 'doubled');
        } else if (body !== text(n)) {
            this.session.blame(`${side}${n} was changed`);
        }
        this.got = Math.max(n, this.got);
    }

    /* All that was said must be there. */
    close() {
        if (this.got < this.sent && !this.session.isBlamed)
            this.session.blame(
                `${this.side}: ${this.got} of ${this.sent}`,
                'lost',
                this.sent - this.got,
            );
    }
}

/* --- Sessions, however they are carried ----------------------------------- */

export const streams = new Map(); /* name of a session -> session */

export class Session {
    constructor(name, chance, setup) {
        this.name = name;
        this.chance = chance;
        this.setup = setup; /* { port, isTls, hold, inactivity, isOver } */
        this.up = new Flow(this, 'c');
        this.down = new Flow(this, 's');
        this.returned = []; /* what doab gave back to the server */
        this.trail = [];
        this.carried = 0; /* streams to the server */
        this.isServerClosed = false;
        this.isEnding = false;
        this.isBlamed = false;
        streams.set(name, this);
    }

    event(what) {
        this.trail.push(`${(performance.now() / 1000).toFixed(3)} ${what}`);
        if (this.trail.length > TRAIL) this.trail.shift();
    }

    blame(what, kind = 'other', by = 1) {
        faults[kind] += by;
        this.event(what);
        if (!this.isBlamed && !isSpoilt())
            violations.push(
                `${this.name}: ${what}\n  ${this.trail.join('\n  ')}`,
            );
        this.isBlamed = true;
    }

    /* The server talks until the session ends: mostly a little, now and then
     * more than shall wait for a client. */
    async talk() {
        const chance = this.chance.fork(TALK);
        while (!this.isEnding && !this.isServerClosed) {
            this.say(chance.of(1) ? 500 : 1 + chance.below(4));
            await sleep(chance.below(60));
        }
    }

    say(howMany) {
        let burst = '';
        for (let left = howMany; left > 0; left--) burst += this.down.next();
        this.server.write(burst);
    }

    /* Whether what comes next may be missing. */
    maySkip() {
        return false;
    }

    /* doab says </stream:stream>. */
    hearEnd() {}

    /* What the server then says before its own. */
    lastWords() {
        return '';
    }

    async serverIsLeft(ms = limit.end_ms) {
        try {
            await until(
                'the end',
                () => this.isServerClosed || this.isBlamed,
                ms,
            );
        } catch {
            this.blame('its stream to the server did not end');
        }
        streams.delete(this.name);
    }

    /* What was given back is what no answer carried, from its beginning. */
    checkReturned() {
        this.returned.forEach((n, i) => {
            if (n !== this.down.got + 1 + i)
                this.blame(`s${n} was given back after s${this.down.got + i}`);
        });
    }
}
