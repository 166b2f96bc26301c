/*
 * A client's key sequence (XEP-0124 section 15).  Each key is the SHA-1 of the
 * one that is sent after it; the last one of a sequence announces another.
 */

import { createHash } from 'node:crypto';

const LENGTH_MAX = 20;

export class Keys {
    constructor(chance) {
        this.chance = chance;
        this.isUpper = chance.of(30);
        this.refill();
    }

    hash(text) {
        const hex = createHash('sha1').update(text).digest('hex');
        return this.isUpper ? hex.toUpperCase() : hex;
    }

    refill() {
        this.keys = [this.hash(String(this.chance.below(2 ** 31)))];
        for (let left = 2 + this.chance.below(LENGTH_MAX); left > 0; left--)
            this.keys.push(this.hash(this.keys.at(-1)));
    }

    /* The attributes of the first request. */
    first() {
        return ` newkey='${this.keys.pop()}'`;
    }

    /* Those of the next one, in rid order. */
    next() {
        const key = ` key='${this.keys.pop()}'`;
        if (this.keys.length > 0) return key;
        this.refill();
        return key + this.first();
    }

    /* What somebody would send who does not know the sequence. */
    guess() {
        return ` key='${this.hash('guess')}'`;
    }
}
