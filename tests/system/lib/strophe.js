/*
 * Strophe.js in Node, over either transport, with promises round it.
 *
 * Strophe brings its DOM along; XMLHttpRequest is xhr2's.  Both it and ws are
 * told which CA to trust here, since neither asks the page for it.
 */

import assert from 'node:assert/strict';
import https from 'node:https';
import ws from 'ws';
import xhr2 from 'xhr2';
import { Strophe, $msg, $pres } from 'strophe.js';
import { secret } from './harness.js';
import { until } from './sandbox.js';

export { Strophe };

let ca;

class WebSocket extends ws {
    constructor(url, protocols) {
        super(url, protocols, { ca });
    }
}

/* xhr2 never parses a response; Strophe relies on that. */
class XMLHttpRequest extends xhr2.XMLHttpRequest {
    constructor() {
        super();
        Object.defineProperty(this, 'responseXML', {
            get: () =>
                this.responseText
                    ? new DOMParser().parseFromString(
                          this.responseText,
                          'text/xml',
                      )
                    : null,
            set: () => {},
        });
    }
}

globalThis.XMLHttpRequest = XMLHttpRequest;
globalThis.WebSocket = WebSocket;
Strophe.setLogLevel(Strophe.LogLevel.FATAL);

export function trust(pem) {
    ca = pem;
    https.globalAgent.options.ca = pem;
}

const NAMES = Object.fromEntries(
    Object.entries(Strophe.Status).map(([name, number]) => [number, name]),
);

/* Notes the secrets that pass, so that the logs can be searched for them. */
function watchSecrets(conn) {
    const note = (stanza) => {
        /* For <close/> over WebSocket Strophe hands over its event. */
        if (!stanza.getElementsByTagName) return;
        secret('sid', stanza.getAttribute('sid'));
        for (const name of ['auth', 'response', 'challenge', 'success'])
            for (const e of stanza.getElementsByTagName(name))
                secret('SASL payload', e.textContent);
    };
    conn.xmlInput = note;
    conn.xmlOutput = note;
}

export class StropheClient {
    constructor(url, options = {}) {
        this.conn = new Strophe.Connection(url, options);
        this.states = [];
        this.messages = [];
        this.presences = [];
        watchSecrets(this.conn);
    }

    get state() {
        return this.states.at(-1)?.name;
    }

    /* Resolves once connected; rejects when that fails. */
    async login(jid, password) {
        this.states = [];
        this.conn.connect(jid, password, (status, condition) => {
            this.states.push({ name: NAMES[status], condition });
            if (this.state === 'CONNECTED') this.listen();
            if (this.state === 'DISCONNECTED') this.onLost?.();
        });
        await until(`${jid} to be connected`, () => {
            const bad = this.states.find((s) =>
                ['CONNFAIL', 'AUTHFAIL', 'DISCONNECTED'].includes(s.name),
            );
            if (bad) throw new Error(`${bad.name}: ${bad.condition}`);
            return this.state === 'CONNECTED';
        });
        return this;
    }

    /* At once when connected: a stream that is resumed goes on with what was
     * missed.  Strophe forgets its handlers with the connection. */
    listen() {
        for (const [name, list] of [
            ['message', 'messages'],
            ['presence', 'presences'],
        ])
            this.conn.addHandler(
                (stanza) => {
                    this[list].push(stanza);
                    return true;
                },
                null,
                name,
            );
    }

    get jid() {
        return this.conn.jid;
    }

    /* Announces itself and waits for the server to reflect that. */
    async present() {
        this.conn.send($pres());
        await until('own presence', () =>
            this.presences.some((p) => p.getAttribute('from') === this.jid),
        );
        return this;
    }

    /* The bodies heard so far that begin with `prefix`. */
    heard(prefix) {
        return this.messages
            .map((m) => m.getElementsByTagName('body')[0]?.textContent ?? '')
            .filter((text) => text.startsWith(prefix));
    }

    say(to, body) {
        this.conn.send($msg({ to, type: 'chat' }).c('body').t(body));
        this.conn.flush();
    }

    async hear(body) {
        return until(`message "${body}"`, () =>
            this.messages.find(
                (m) => m.getElementsByTagName('body')[0]?.textContent === body,
            ),
        );
    }

    /* Directed presence, so that the other one learns of the end. */
    greet(to) {
        this.conn.send($pres({ to }));
    }

    async sees(from, type = null) {
        await until(`presence ${type} from ${from}`, () =>
            this.presences.some(
                (p) =>
                    p.getAttribute('from') === from &&
                    (p.getAttribute('type') || null) === type,
            ),
        );
    }

    async close() {
        this.conn.disconnect('bye');
        await until('the disconnection', () => this.state === 'DISCONNECTED');
    }
}

/* Sends `count` messages and expects each once and in order. */
export async function burst(from, to, count, prefix) {
    const sent = [];
    for (let i = 0; i < count; i++) {
        sent.push(`${prefix} ${i}`);
        from.say(to.jid, sent[i]);
    }
    await to.hear(sent.at(-1));
    assert.deepEqual(to.heard(`${prefix} `), sent);
}

/* Messages both ways between two clients, with bytes that break a careless
 * serialiser. */
export async function converse(one, other, tag) {
    const odd = `<&>"' ]]> ü € 😀 ${tag}`;
    one.say(other.jid, `there ${odd}`);
    const there = await other.hear(`there ${odd}`);
    other.say(one.jid, `back ${odd}`);
    await one.hear(`back ${odd}`);
    return there;
}
