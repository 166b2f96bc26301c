/*
 * Chance that a seed decides, the same everywhere.
 */

import { sleep } from '../../system/lib/sandbox.js';

/* mulberry32 */
export class Chance {
    constructor(seed) {
        this.origin = seed >>> 0;
        this.state = this.origin;
    }

    /* Another one, of its own: what happens there changes nothing here. */
    fork(n) {
        const mixed = this.origin ^ Math.imul(n + 1, 0x9e3779b1);
        return new Chance(Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b));
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
