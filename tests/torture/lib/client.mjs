/*
 * Clients over BOSH and WebSocket, plain and TLS.  Whatever goes wrong is an
 * exception; one of class Stuck when nothing came at all in STUCK_MS, since
 * that is never right: an answer, an error or the end of the connection is.
 */

import crypto from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import zlib from 'node:zlib';
import { attributes, bodyOf, CLOSE, OPEN, request } from '../../system/lib/raw.js';

const STUCK_MS = 20000;
const PATIENCE_MS = 20000;

const SASL = 'xmlns="urn:ietf:params:xml:ns:xmpp-sasl"';
const AUTH = `<auth ${SASL} mechanism="ANONYMOUS"/>`;
const BIND =
    '<iq xmlns="jabber:client" type="set" id="b">' +
    '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>';
const DEFLATE =
    'permessage-deflate; server_no_context_takeover; ' +
    'client_no_context_takeover';
const TAIL = Buffer.from([0, 0, 255, 255]);
const NONE = Buffer.alloc(0);

const message = (n, size) =>
    `<message xmlns="jabber:client" id="m-${n}-${size}">` +
    `<body>${'x'.repeat(size)}</body></message>`;

export class Stuck extends Error {}

/* Bytes in both directions. */
export class Wire {
    constructor({ port, isTls }) {
        this.got = NONE;
        this.isOver = false;
        this.waiting = undefined;
        this.raw = net.connect({ port, host: '127.0.0.1' });
        this.raw.setNoDelay(true);
        this.raw.on('error', () => {});
        this.stream = isTls
            ? tls.connect({ socket: this.raw, rejectUnauthorized: false })
            : this.raw;
        this.stream.on('error', () => this.#end());
        this.stream.on('data', (bytes) => {
            this.got = this.got.length ? Buffer.concat([this.got, bytes]) : bytes;
            this.waiting?.();
        });
        this.stream.on('end', () => this.#end());
        this.stream.on('close', () => this.#end());
        this.raw.on('close', () => this.#end());
    }

    #end() {
        this.isOver = true;
        this.waiting?.();
    }

    send(bytes) {
        if (!this.isOver) this.stream.write(bytes);
        return this;
    }

    take(count) {
        const taken = this.got.subarray(0, count);
        this.got = this.got.subarray(count);
        return taken;
    }

    /* What probe() returns once that is not undefined. */
    wait(what, probe) {
        return new Promise((done, fail) => {
            const settle = (act, value) => {
                clearTimeout(timer);
                this.waiting = undefined;
                act(value);
            };
            const look = () => {
                let value;
                try {
                    value = probe();
                } catch (error) {
                    return settle(fail, error);
                }
                if (value !== undefined) return settle(done, value);
                if (this.isOver)
                    return settle(fail, new Error(`${what}: ended`));
                this.waiting = look;
                return undefined;
            };
            const timer = setTimeout(
                () => settle(fail, new Stuck(`${what}: nothing came`)),
                STUCK_MS,
            );
            look();
        });
    }

    /* The next response to an HTTP request: { status, headers, body }. */
    async response(isBodyless = false) {
        const end = await this.wait('a response', () => {
            const at = this.got.indexOf('\r\n\r\n');
            return at < 0 ? undefined : at;
        });
        const lines = this.take(end + 4).toString('latin1').split('\r\n');
        const status = Number(lines[0].split(' ')[1]);
        const headers = Object.fromEntries(
            lines.slice(1).map((line) => {
                const at = line.indexOf(':');
                return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
            }),
        );
        const length = isBodyless ? 0 : Number(headers['content-length'] ?? 0);
        const bytes = await this.wait('the body', () =>
            this.got.length < length ? undefined : this.take(length),
        );
        const body =
            headers['content-encoding'] === 'gzip'
                ? zlib.gunzipSync(bytes)
                : bytes;
        return { status, headers, body: body.toString() };
    }

    reset() {
        this.raw.resetAndDestroy();
    }

    close() {
        this.stream.destroy();
        this.raw.destroy();
    }
}

/* --- What both transports do ---------------------------------------------- */

class Session {
    constructor(at, to, options = {}) {
        this.at = at;
        this.to = to;
        this.options = options;
        this.inbox = '';
        this.n = 0;
    }

    /* Waits for a text, and forgets all up to its end.  A server may leave one
     * waiting; doab answers all the time. */
    async expect(text) {
        const deadline = Date.now() + (this.options.patience_ms ?? PATIENCE_MS);
        while (!this.inbox.includes(text)) {
            if (Date.now() > deadline) throw new Error(`no ${text}`);
            await this.hear(text);
        }
        this.inbox = this.inbox.slice(this.inbox.indexOf(text) + text.length);
    }

    async login() {
        await this.open();
        await this.expect('mechanism>ANONYMOUS');
        await this.say(AUTH);
        await this.expect('<success');
        await this.restart();
        await this.expect('urn:ietf:params:xml:ns:xmpp-bind');
        await this.say(BIND);
        await this.expect('type="result"');
        return this;
    }

    async echo(size) {
        const n = ++this.n;
        await this.say(message(n, size));
        await this.expect(`id="e-${n}"`);
        await this.expect('</message>');
    }
}

/* --- BOSH ----------------------------------------------------------------- */

const QUIET = { 'Content-Type': 'text/xml; charset=utf-8' };

export class Bosh extends Session {
    constructor(at, to, options) {
        super(at, to, options);
        this.rid = 1 + crypto.randomInt(1e6);
        this.wires = [];
        this.asked = new Set(); /* requests without an answer */
    }

    #wire() {
        const free = this.wires.find((w) => !w.isBusy && !w.isOver);
        if (free !== undefined) return free;
        const wire = new Wire(this.at);
        this.wires.push(wire);
        return wire;
    }

    /* Sends a request; what comes back goes into the inbox. */
    #post(attrs, payload = '') {
        const wire = this.#wire();
        const rid = this.rid++;
        const headers = { ...QUIET };
        if (this.options.gzip) headers['Accept-Encoding'] = 'gzip';
        const text = request(
            'POST',
            '/http-bind',
            bodyOf({ rid, ...(this.sid && { sid: this.sid }), ...attrs }, payload),
            headers,
        );
        wire.isBusy = true;
        wire.send(text);
        const asked = wire.response().then((answer) => {
            wire.isBusy = false;
            this.asked.delete(asked);
            this.#read(answer);
        });
        asked.catch((error) => {
            this.asked.delete(asked);
            this.fault ??= error;
        });
        this.asked.add(asked);
        return asked;
    }

    #read({ status, body }) {
        if (status !== 200) throw new Error(`status ${status}`);
        const { sid, type, condition } = attributes(body);
        if (sid !== undefined) this.sid = sid;
        this.inbox += body;
        if (type !== 'terminate') return;
        this.isOver = true;
        if (!this.isLeaving)
            throw new Error(`terminated: ${condition ?? 'no condition'}`);
    }

    async open() {
        await this.#post({
            to: this.to,
            wait: this.options.wait_s ?? 2,
            hold: 1,
            ver: '1.6',
            'xml:lang': 'en',
            'xmpp:version': '1.0',
            'xmlns:xmpp': 'urn:xmpp:xbosh',
        });
        if (this.sid === undefined) throw new Error('no sid');
    }

    async say(payload) {
        if (this.fault) throw this.fault;
        this.#post({}, payload).catch(() => {});
    }

    async restart() {
        this.#post({
            to: this.to,
            'xmpp:restart': 'true',
            'xmlns:xmpp': 'urn:xmpp:xbosh',
        }).catch(() => {});
    }

    async hear() {
        if (this.fault) throw this.fault;
        if (this.isOver) throw new Error('over');
        if (this.asked.size === 0) this.#post({}).catch(() => {});
        await Promise.race(this.asked);
    }

    async leave() {
        this.isLeaving = true;
        await this.#post({ type: 'terminate' });
    }

    /* The same rid again, on another connection. */
    async repeat() {
        this.rid--;
        await this.#post({}).catch(() => {});
    }

    async vanish(isReset) {
        for (const wire of this.wires) isReset ? wire.reset() : wire.close();
    }

    close() {
        this.vanish(false);
    }
}

/* --- WebSocket ------------------------------------------------------------ */

function frame(opcode, data, rsv = 0) {
    const payload = Buffer.from(data);
    const { length } = payload;
    const extra = length < 126 ? 0 : length < 65536 ? 2 : 8;
    const out = Buffer.alloc(6 + extra + length);
    out[0] = 0x80 | (rsv << 4) | opcode;
    out[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
    if (extra === 2) out.writeUInt16BE(length, 2);
    if (extra === 8) out.writeBigUInt64BE(BigInt(length), 2);
    payload.copy(out, 6 + extra); /* the mask is 0 */
    return out;
}

export class Ws extends Session {
    async open() {
        this.wire = new Wire(this.at);
        this.wire.send(
            request('GET', '/xmpp-websocket', '', {
                Upgrade: 'websocket',
                Connection: 'Upgrade',
                'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
                'Sec-WebSocket-Version': '13',
                'Sec-WebSocket-Protocol': 'xmpp',
                ...(this.options.deflate && {
                    'Sec-WebSocket-Extensions': DEFLATE,
                }),
            }),
        );
        const { status, headers } = await this.wire.response(true);
        if (status !== 101) throw new Error(`status ${status}`);
        this.isDeflating = 'sec-websocket-extensions' in headers;
        await this.say(OPEN(this.to));
    }

    async say(text) {
        if (!this.isDeflating || text.length < 200) {
            this.wire.send(frame(1, text));
            return;
        }
        const whole = zlib.deflateRawSync(text, {
            finishFlush: zlib.constants.Z_SYNC_FLUSH,
        });
        this.wire.send(frame(1, whole.subarray(0, -4), 4));
    }

    async restart() {
        await this.say(OPEN(this.to));
    }

    /* The next message into the inbox. */
    async hear(what) {
        const { opcode, rsv, data } = await this.wire.wait(what, () =>
            this.#frame(),
        );
        if (opcode === 9) this.wire.send(frame(10, data));
        else if (opcode === 8) this.#closed(data);
        else if (opcode === 1)
            this.inbox += rsv
                ? zlib.inflateRawSync(Buffer.concat([data, TAIL]), {
                      finishFlush: zlib.constants.Z_SYNC_FLUSH,
                  })
                : data;
    }

    #closed(data) {
        this.wire.send(frame(8, data.subarray(0, 2)));
        this.isOver = true;
        throw new Error(`closed: ${data.length ? data.readUInt16BE(0) : ''}`);
    }

    #frame() {
        const { got } = this.wire;
        if (got.length < 2) return undefined;
        let length = got[1] & 127;
        const head = 2 + (length < 126 ? 0 : length === 126 ? 2 : 8);
        if (got.length < head) return undefined;
        if (length === 126) length = got.readUInt16BE(2);
        else if (length === 127) length = Number(got.readBigUInt64BE(2));
        if (got.length < head + length) return undefined;
        const bytes = this.wire.take(head + length);
        return {
            opcode: bytes[0] & 15,
            rsv: (bytes[0] >> 4) & 7,
            data: bytes.subarray(head),
        };
    }

    async leave() {
        await this.say(CLOSE);
        await this.expect('<close');
    }

    async repeat() {
        this.wire.send(frame(9, 'ping'));
    }

    async vanish(isReset) {
        if (isReset) this.wire?.reset();
        else this.wire?.close();
    }

    close() {
        this.wire?.close();
    }
}
