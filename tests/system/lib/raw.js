/*
 * HTTP and WebSocket by hand, over plain sockets, so that a test can say
 * exactly what is sent and see exactly what comes back.
 */

import crypto from 'node:crypto';
import net from 'node:net';
import { secret } from './harness.js';
import { sleep } from './sandbox.js';

const WAIT_MS = 10000;

/* A socket whose input is read as a stream of bytes. */
export class Raw {
    constructor(port) {
        this.bytes = Buffer.alloc(0);
        this.ended = false;
        this.error = undefined;
        this.socket = net.connect(port, '127.0.0.1');
        this.socket.on('data', (d) => {
            this.bytes = Buffer.concat([this.bytes, d]);
        });
        this.socket.on('end', () => {
            this.ended = true;
        });
        this.socket.on('close', () => {
            this.ended = true;
        });
        this.socket.on('error', (e) => {
            this.error = e;
            this.ended = true;
        });
    }

    send(data) {
        this.socket.write(data);
        return this;
    }

    async wait(what, probe, ms = WAIT_MS) {
        const deadline = Date.now() + ms;
        for (;;) {
            const value = probe();
            if (value !== undefined && value !== false) return value;
            if (this.ended)
                throw new Error(
                    `the connection ended before ${what}: ` +
                        JSON.stringify(this.bytes.toString()),
                );
            if (Date.now() > deadline)
                throw new Error(
                    `waited in vain for ${what}, got ` +
                        JSON.stringify(this.bytes.toString()),
                );
            await sleep(5);
        }
    }

    async waitEnd(ms = WAIT_MS) {
        const deadline = Date.now() + ms;
        while (!this.ended) {
            if (Date.now() > deadline)
                throw new Error('the connection stays open');
            await sleep(5);
        }
    }

    take(count) {
        const taken = this.bytes.subarray(0, count);
        this.bytes = this.bytes.subarray(count);
        return taken;
    }

    /* The next response: { status, headers, body }.  With `bodyless` it is
     * one that has none whatever its headers say: HEAD, 1xx, 204, 101. */
    async response({ ms = WAIT_MS, bodyless = false } = {}) {
        const end = await this.wait(
            'a response head',
            () => {
                const at = this.bytes.indexOf('\r\n\r\n');
                return at >= 0 && at;
            },
            ms,
        );
        const head = this.take(end + 4).toString('latin1');
        const [first, ...lines] = head.trimEnd().split('\r\n');
        const headers = {};
        for (const line of lines) {
            const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line);
            const key = name.toLowerCase();
            if (key in headers) throw new Error(`two ${name} headers`);
            headers[key] = value;
        }
        const status = Number(first.split(' ')[1]);
        const none = bodyless || status < 200 || status === 204;
        const length = none ? 0 : Number(headers['content-length']);
        if (!none && !Number.isInteger(length))
            throw new Error(`no Content-Length in ${head}`);
        await this.wait('the body', () => this.bytes.length >= length, ms);
        const bytes = this.take(length);
        const body = bytes.toString();
        for (const [, sid] of body.matchAll(/<body[^>]* sid=['"]([^'"]+)/g))
            secret('sid', sid);
        return { first, status, headers, body, bytes, head };
    }

    close() {
        this.socket.destroy();
    }
}

export function request(method, path, body = '', headers = {}) {
    const all = { Host: '127.0.0.1', ...headers };
    if ((body !== '' || method === 'POST') && !('Content-Length' in headers))
        all['Content-Length'] = String(Buffer.byteLength(body));
    const lines = Object.entries(all)
        .filter(([, v]) => v !== null)
        .map(([k, v]) => `${k}: ${v}\r\n`);
    return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

export const post = (body, headers = {}) =>
    request('POST', '/http-bind', body, {
        'Content-Type': 'text/xml; charset=utf-8',
        ...headers,
    });

/* Sends one text on a new connection and returns the response to it. */
export async function ask(port, text, options) {
    const raw = new Raw(port);
    try {
        raw.send(text);
        return await raw.response(options);
    } finally {
        raw.close();
    }
}

/* The attributes of the first tag of an XML text. */
export function attributes(xml) {
    const tag = /^<[^\s/>]+([^>]*)>/.exec(xml)?.[1] ?? '';
    return Object.fromEntries(
        [...tag.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map(
            ([, name, a, b]) => [name, a ?? b],
        ),
    );
}

export const NS = 'http://jabber.org/protocol/httpbind';

/* A BOSH body with these attributes; see BoshSession for whole sessions. */
export function bodyOf(attrs, payload = '') {
    const text = Object.entries(attrs)
        .map(([k, v]) => ` ${k}="${v}"`)
        .join('');
    return payload === ''
        ? `<body xmlns="${NS}"${text}/>`
        : `<body xmlns="${NS}"${text}>${payload}</body>`;
}

/* The answer to a request at this port that creates a session. */
export async function createAt(port, to, attrs = {}) {
    const creation = { rid: 1, to, wait: 5, hold: 1, ver: '1.6', ...attrs };
    return (await ask(port, post(bodyOf(creation)))).body;
}

/* A session by hand: each request on a connection of its own unless told. */
export class BoshSession {
    constructor(port, rid = 1000) {
        this.port = port;
        this.rid = rid;
    }

    async open(attrs = {}) {
        this.created = await ask(
            this.port,
            post(
                bodyOf({
                    rid: this.rid,
                    to: 'localhost',
                    wait: 5,
                    hold: 1,
                    ver: '1.6',
                    'xml:lang': 'en',
                    'xmpp:version': '1.0',
                    'xmlns:xmpp': 'urn:xmpp:xbosh',
                    ...attrs,
                }),
            ),
        );
        this.sid = attributes(this.created.body).sid;
        return this;
    }

    next(attrs = {}, payload = '') {
        this.rid += 1;
        return this.same(attrs, payload);
    }

    /* The text of a request with the current rid. */
    same(attrs = {}, payload = '') {
        return post(
            bodyOf({ rid: this.rid, sid: this.sid, ...attrs }, payload),
        );
    }

    ask(attrs, payload) {
        return ask(this.port, this.next(attrs, payload));
    }

    /* The connection of a request that is held for certain, with hold 1: it
     * has released the one before it. */
    async held() {
        const first = new Raw(this.port).send(this.next());
        const second = new Raw(this.port).send(this.next());
        await first.response();
        first.close();
        return second;
    }
}

/* --- WebSocket --- */

export const OPCODE = {
    more: 0,
    text: 1,
    binary: 2,
    close: 8,
    ping: 9,
    pong: 10,
};

export function upgrade(path = '/xmpp-websocket', headers = {}) {
    return request('GET', path, '', {
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Protocol': 'xmpp',
        ...headers,
    });
}

/* One frame from a client.  `unmasked` and `rsv` make it a wrong one. */
export function frame(
    opcode,
    data,
    { fin = true, unmasked = false, rsv = 0 } = {},
) {
    const payload = Buffer.from(data);
    const length = payload.length;
    const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
    const masked = unmasked ? 0 : 0x80;
    if (length < 126) head.push(masked | length);
    else if (length < 65536) head.push(masked | 126, length >> 8, length & 255);
    else
        head.push(
            masked | 127,
            0,
            0,
            0,
            0,
            (length >>> 24) & 255,
            (length >> 16) & 255,
            (length >> 8) & 255,
            length & 255,
        );
    if (unmasked) return Buffer.concat([Buffer.from(head), payload]);
    const mask = crypto.randomBytes(4);
    const body = payload.map((b, i) => b ^ mask[i & 3]);
    return Buffer.concat([Buffer.from(head), mask, body]);
}

export class RawWebSocket extends Raw {
    /* Resolves once the handshake is done. */
    static async open(port, path, headers) {
        const ws = new this(port);
        ws.send(upgrade(path, headers));
        ws.handshake = await ws.response({ bodyless: true });
        if (ws.handshake.status !== 101)
            throw new Error(`no upgrade: ${ws.handshake.head}`);
        return ws;
    }

    text(data, options) {
        return this.send(frame(OPCODE.text, data, options));
    }

    /* The next frame: { opcode, rsv, bytes, data, code }.  Ping frames are
     * skipped. */
    async frame(ms) {
        for (;;) {
            const size = await this.wait('a frame', () => this.#whole(), ms);
            const bytes = this.take(size.head + size.length);
            const opcode = bytes[0] & 15;
            const data = bytes.subarray(size.head);
            if (opcode === OPCODE.ping) continue;
            if (!(bytes[0] & 0x80) || bytes[1] & 0x80)
                throw new Error('a fragment or a mask from the server');
            return {
                opcode,
                rsv: (bytes[0] >> 4) & 7,
                bytes: data,
                data: data.toString(),
                code:
                    opcode === OPCODE.close && data.length >= 2
                        ? data.readUInt16BE(0)
                        : undefined,
            };
        }
    }

    #whole() {
        if (this.bytes.length < 2) return false;
        let head = 2;
        let length = this.bytes[1] & 127;
        if (length === 126) {
            head = 4;
            length = this.bytes.length >= 4 ? this.bytes.readUInt16BE(2) : NaN;
        } else if (length === 127) {
            head = 10;
            length =
                this.bytes.length >= 10
                    ? Number(this.bytes.readBigUInt64BE(2))
                    : NaN;
        }
        return this.bytes.length >= head + length && { head, length };
    }

    /* The next text message; anything else is an error. */
    async message(ms) {
        const got = await this.frame(ms);
        if (got.opcode !== OPCODE.text)
            throw new Error(`opcode ${got.opcode}, code ${got.code}`);
        return got.data;
    }

    /* All text messages up to the close frame, and that one's code. */
    async rest() {
        const messages = [];
        for (;;) {
            const got = await this.frame();
            if (got.opcode === OPCODE.close)
                return { messages, code: got.code };
            messages.push(got.data);
        }
    }
}

export const OPEN = (to) =>
    '<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"' +
    ` to="${to}" version="1.0"/>`;
export const CLOSE = '<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>';
