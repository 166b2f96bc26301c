/*
 * The control file of fail_alloc.c, from the side of the test: which calls
 * fail, and which did.  The layout is that of its `struct page`.
 */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const MODE = { off: 0, nth: 1, random: 2, paths: 3 };
const AT = {
    mode: 0,
    chance: 4,
    n: 8,
    span: 16,
    seed: 24,
    calls: 32,
    failed: 40,
    paths: 48,
    last: 56,
    live_blocks: 64,
    live_bytes: 72,
    base: 80,
    records: 88,
};
const FRAMES = 14;
const RECORD_BYTES = 16 + 8 * FRAMES;
const RECORDS = 256;
const PATHS = 65536;
const PAGE_BYTES = AT.records + RECORDS * RECORD_BYTES + 4 * PATHS;

export class Memory {
    /* Not yet mapped by anybody. */
    constructor(file) {
        this.fd = fs.openSync(file, 'r+');
        fs.ftruncateSync(this.fd, 0);
        fs.ftruncateSync(this.fd, PAGE_BYTES);
    }

    #put(name, value, bytes = 8) {
        const b = Buffer.alloc(bytes);
        if (bytes === 4) b.writeUInt32LE(value);
        else b.writeBigUInt64LE(BigInt(value));
        fs.writeSync(this.fd, b, 0, bytes, AT[name]);
    }

    #get(name) {
        const b = Buffer.alloc(8);
        fs.readSync(this.fd, b, 0, 8, AT[name]);
        return Number(b.readBigInt64LE());
    }

    /* No call fails any more. */
    back() {
        this.#put('mode', MODE.off, 4);
    }

    #begin(mode, { n = 0, span = 1, seed = 0, chance = 0 }) {
        this.back();
        this.#put('n', n);
        this.#put('span', span);
        this.#put('seed', seed);
        this.#put('chance', Math.round(chance * 2 ** 32) >>> 0, 4);
        this.#put('calls', 0);
        this.#put('last', 0);
        this.#put('mode', MODE[mode], 4);
    }

    /* The n-th call from now, and all to `span` calls from it. */
    failNth(n, span = 1) {
        this.#begin('nth', { n, span });
    }

    /* Each call by this chance, which the seed decides. */
    failRandom(chance, seed) {
        this.#begin('random', { chance, seed });
    }

    /* Each way to a call once since the program began; `span` calls in between
     * succeed. */
    failPaths(span) {
        this.#begin('paths', { span });
    }

    get calls() {
        return this.#get('calls');
    }

    get failed() {
        return this.#get('failed');
    }

    get paths() {
        return this.#get('paths');
    }

    /* What was allocated and not freed. */
    get live() {
        return {
            blocks: this.#get('live_blocks'),
            bytes: this.#get('live_bytes'),
        };
    }

    /* The calls that failed last, newest first, as text: where in the program
     * they came from. */
    explain(program, max = 5) {
        const base = this.#get('base');
        const { failed } = this;
        const lines = [];
        for (let i = failed - 1; i >= 0 && i >= failed - max; i--) {
            const b = Buffer.alloc(RECORD_BYTES);
            const at = AT.records + (i % RECORDS) * RECORD_BYTES;
            fs.readSync(this.fd, b, 0, RECORD_BYTES, at);
            const frames = Array.from({ length: FRAMES }, (_, f) =>
                Number(b.readBigUInt64LE(16 + 8 * f)),
            );
            const call = b.readBigUInt64LE(0);
            const size = b.readBigUInt64LE(8);
            lines.push(
                `call ${call}, ${size} bytes: ` + where(program, base, frames),
            );
        }
        return lines.join('\n');
    }

    close() {
        fs.closeSync(this.fd);
    }
}

/* Frames of libraries are left out; those of the program have names. */
function where(program, base, frames) {
    const size = fs.statSync(program).size;
    const own = frames
        .map((f) => f - base)
        .filter((f) => f > 0 && f < size)
        .map((f) => `0x${(f - 1).toString(16)}`);
    if (own.length === 0) return 'a library';
    try {
        const argv = ['-fs', '-e', program, ...own];
        const out = execFileSync('addr2line', argv, { encoding: 'utf8' });
        const names = out.trim().split('\n');
        return names
            .map((n, i) => (i % 2 ? '' : `${n} (${names[i + 1]})`))
            .filter((n) => n !== '')
            .join(' < ');
    } catch {
        return own.join(' < ');
    }
}
