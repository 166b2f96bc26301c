/*
 * A WebSocket by hand, whose bytes are cut wherever chance has it: messages
 * into frames, with control frames between; frames into pieces, sent one
 * after the other or with what follows.  What comes is held against RFC 6455.
 */

import crypto from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { count } from './history.mjs';

const MORE = 0;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const JOIN_MS = 15; /* how long bytes wait for others to go with them */
const FRAGMENTS_MAX = 6;
const IDLE_MS = 25;
const PATHS = ['/xmpp-websocket', '/ws', '/ws-xmpp'];

/* The beginning of a TLS record of 4096 bytes that never come. */
const HALF_RECORD = Buffer.from([23, 3, 3, 16, 0, 1, 2, 3]);

function frame(opcode, isLast, payload, mask) {
    const { length } = payload;
    const extra = length < 126 ? 0 : length < 65536 ? 2 : 8;
    const out = Buffer.alloc(2 + extra + 4 + length);
    out[0] = (isLast ? 0x80 : 0) | opcode;
    out[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
    if (extra === 2) out.writeUInt16BE(length, 2);
    if (extra === 8) out.writeBigUInt64BE(BigInt(length), 2);
    out.writeUInt32BE(mask, 2 + extra);
    const at = 2 + extra + 4;
    for (let i = 0; i < length; i++)
        out[at + i] = payload[i] ^ ((mask >>> (24 - 8 * (i & 3))) & 255);
    return out;
}

/* Where the payload of the first frame begins and ends; null: not there. */
function measure(bytes) {
    if (bytes.length < 2) return null;
    let length = bytes[1] & 127;
    const at = 2 + (length < 126 ? 0 : length === 126 ? 2 : 8);
    if (bytes.length < at) return null;
    if (length === 126) length = bytes.readUInt16BE(2);
    else if (length === 127) length = Number(bytes.readBigUInt64BE(2));
    return bytes.length < at + length ? null : { at, end: at + length };
}

export class Wire {
    /* on: { text(string), closed(code), gone(), bad(sentence) } */
    constructor({ port, isTls }, chance, on) {
        this.chance = chance;
        this.on = on;
        this.got = Buffer.alloc(0);
        this.isUpgraded = false;
        this.isClosing = false; /* our Close frame was sent */
        this.code = undefined; /* of the other side's */
        this.isGone = false;
        this.idled_ms = 0; /* when the last frame without text was made */
        this.pinged = 0;
        this.pings = []; /* not answered yet */
        this.held = []; /* bytes that wait for company */
        this.tail = Promise.resolve(); /* after all that is being written */
        this.raw = net.connect({ port, host: '127.0.0.1' });
        this.raw.setNoDelay(true);
        this.raw.on('error', () => {});
        this.stream = isTls
            ? tls.connect({ socket: this.raw, rejectUnauthorized: false })
            : this.raw;
        this.isTls = isTls;
        this.stream.on('error', () => {});
        this.stream.on('data', (bytes) => this.take(bytes));
        this.stream.on('close', () => this.lose());
        this.raw.on('close', () => this.lose());
    }

    lose() {
        if (this.isGone) return;
        this.isGone = true;
        this.on.gone();
    }

    /* --- What comes ------------------------------------------------------- */

    take(bytes) {
        this.got = this.got.length ? Buffer.concat([this.got, bytes]) : bytes;
        if (!this.isUpgraded && !this.takeHead()) return;
        for (let m = measure(this.got); m !== null; m = measure(this.got)) {
            const [first, second] = this.got;
            const payload = this.got.subarray(m.at, m.end);
            this.got = this.got.subarray(m.end);
            this.takeFrame(first, second, payload);
        }
    }

    takeHead() {
        const end = this.got.indexOf('\r\n\r\n');
        if (end < 0) return false;
        const head = this.got.subarray(0, end).toString();
        this.got = this.got.subarray(end + 4);
        this.isUpgraded = head.startsWith('HTTP/1.1 101 ');
        if (!this.isUpgraded) this.on.bad(`no upgrade: ${head}`);
        return this.isUpgraded;
    }

    takeFrame(first, second, payload) {
        if (second & 0x80 || !(first & 0x80) || first & 0x70)
            this.on.bad(`a frame begins with ${first} ${second}`);
        else if (this.code !== undefined) this.on.bad('bytes behind Close');
        else if (first === (0x80 | TEXT)) this.on.text(payload.toString());
        else if (first === (0x80 | PING)) this.control(PONG, payload);
        else if (first === (0x80 | PONG)) this.takePong(payload.toString());
        else if (first === (0x80 | CLOSE)) this.takeClose(payload);
        else this.on.bad(`opcode ${first & 15}`);
    }

    /* The last one may stand for those before it (RFC 6455 section 5.5.3). */
    takePong(payload) {
        const at = this.pings.indexOf(payload);
        if (at < 0) this.on.bad(`a pong to no ping: ${payload}`);
        this.pings.splice(0, at + 1);
    }

    takeClose(payload) {
        this.code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
        if (!this.isClosing) this.close(this.code);
        this.on.closed(this.code);
    }

    /* --- What goes -------------------------------------------------------- */

    later(act) {
        this.tail = this.tail.then(act);
        return this.tail;
    }

    put(...all) {
        if (!this.isGone && this.stream.writable)
            this.stream.write(Buffer.concat(all));
    }

    flush() {
        return this.later(() => {
            if (this.held.length > 0) this.put(...this.held.splice(0));
        });
    }

    /* Whole, with what comes next, or in pieces. */
    write(bytes) {
        const { chance } = this;
        const manner = chance.below(10);
        return this.later(async () => {
            if (manner < 3) {
                count('pieces: joined');
                this.held.push(bytes);
                if (this.held.length === 1)
                    setTimeout(() => this.flush(), JOIN_MS);
                return;
            }
            const all = Buffer.concat([...this.held.splice(0), bytes]);
            if (manner < 7) return this.put(all);
            count('pieces: cut');
            let at = 0;
            for (let cuts = 1 + chance.below(4); cuts > 0; cuts--) {
                const to = at + chance.below(all.length - at);
                this.put(all.subarray(at, to));
                at = to;
                await chance.pause(6);
            }
            this.put(all.subarray(at));
        });
    }

    mask() {
        return this.chance.of(2) ? 0 : this.chance.below(2 ** 32);
    }

    control(opcode, payload) {
        return this.write(frame(opcode, true, payload, this.mask()));
    }

    ping() {
        const payload = `ping ${this.pinged++}`;
        this.pings.push(payload);
        return frame(PING, true, Buffer.from(payload), this.mask());
    }

    /* More of them than these would be a flood. */
    mayIdle() {
        const now_ms = performance.now();
        if (now_ms - this.idled_ms < IDLE_MS) return false;
        this.idled_ms = now_ms;
        return true;
    }

    /* The length of a fragment, now and then 0. */
    cut(left) {
        const length = this.chance.below(left + 1);
        return length > 0 || left === 0 || this.mayIdle() ? length : 1;
    }

    /* The frames of one message and those between. */
    frames(message) {
        const { chance } = this;
        const payload = Buffer.from(message);
        const all = [];
        let left = chance.of(60) ? 0 : chance.below(FRAGMENTS_MAX);
        let at = 0;
        if (chance.of(5) && this.mayIdle()) all.push(this.ping());
        if (left > 0) count('messages in fragments');
        for (let opcode = TEXT; ; opcode = MORE) {
            if (at === payload.length && !this.mayIdle()) left = 0;
            const to =
                left === 0
                    ? payload.length
                    : at + this.cut(payload.length - at);
            const piece = payload.subarray(at, to);
            all.push(frame(opcode, left === 0, piece, this.mask()));
            at = to;
            if (left-- === 0) return Buffer.concat(all);
            if (chance.of(30) && this.mayIdle()) {
                count('control frames inside messages');
                all.push(
                    chance.of(60)
                        ? this.ping()
                        : frame(PONG, true, piece.subarray(0, 9), this.mask()),
                );
            }
        }
    }

    text(message) {
        return this.write(this.frames(message));
    }

    /* A burst, as fast as it goes. */
    texts(messages) {
        const all = Buffer.concat(messages.map((m) => this.frames(m)));
        return this.later(() => this.put(...this.held.splice(0), all));
    }

    /* Less than a message. */
    half(message) {
        const all = this.frames(message);
        const cut = all.subarray(0, 1 + this.chance.below(all.length - 1));
        return this.later(() => this.put(...this.held.splice(0), cut));
    }

    close(code) {
        const payload = Buffer.from([code >> 8, code & 255]);
        this.isClosing = true;
        this.control(CLOSE, code === 1005 ? Buffer.alloc(0) : payload);
        return this.flush();
    }

    /* The upgrade; behind: a message that goes in one piece with it.  cut: a
     * part of it only. */
    shake(behind, isCut = false) {
        const key = crypto.randomBytes(16).toString('base64');
        const head = Buffer.from(
            `GET ${this.chance.one(PATHS)} HTTP/1.1\r\nHost: localhost\r\n` +
                'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n' +
                `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n` +
                'Sec-WebSocket-Protocol: xmpp\r\n\r\n',
        );
        if (isCut)
            return this.put(head.subarray(0, this.chance.below(head.length)));
        if (behind === undefined) return this.write(head);
        return this.write(Buffer.concat([head, this.frames(behind)]));
    }

    /* --- Ends ------------------------------------------------------------- */

    /* Nothing that comes from here on is of interest. */
    leave() {
        const nothing = () => {};
        this.on = { text: nothing, closed: nothing, gone: nothing };
        this.on.bad = nothing;
    }

    /* fin: all that was said goes first; polite only without TLS.  truncate:
     * in the middle of a TLS record.  reset: whatever is on its way. */
    async kill(how) {
        if (how === 'reset') {
            this.raw.resetAndDestroy();
            this.stream.destroy();
            this.lose();
            return;
        }
        await this.flush();
        if (how === 'truncate' && this.isTls) this.raw.write(HALF_RECORD);
        if (how === 'truncate') this.raw.end();
        else this.stream.end();
    }
}
