/*
 * What every test file begins and ends with:
 *
 *     const box = setup('name', async (box) => { ...start daemons... });
 *     check('a sentence', async () => { ... });
 *     teardown();
 *
 * Teardown is a test of its own, so that a daemon that ends badly, or a
 * secret in a log, fails the run; a hook's failure is easily overlooked.
 */

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import test from 'node:test';
import { Sandbox } from './sandbox.js';

export const peer =
    process.env.DOAB_TEST_PEER === 'prosody' ? 'prosody' : 'doab';
export const isDoab = peer === 'doab';

/* Clients look for it where browsers have it; Node 18 does not. */
globalThis.crypto ??= webcrypto;

const HANG_MS = 120000;

let box;
let failed = false;

/* For those who only ask whether something fails (tests/mutants/run). */
async function abort(error) {
    console.error(error);
    await box?.close();
    process.exit(1);
}

async function guarded(body) {
    try {
        await body();
    } catch (error) {
        failed = true;
        if (process.env.DOAB_TEST_ABORT) await abort(error);
        throw error;
    }
}

export function check(name, body, options = {}) {
    test(name, { timeout: HANG_MS, ...options }, () => guarded(body));
}

/* For what only doab can be asked.  With another peer it does not exist. */
export function checkDoab(name, body, options) {
    if (isDoab) check(name, body, options);
}

export function setup(name, start) {
    box = new Sandbox(name);
    check(`${peer} and what it needs start`, () => start(box));
    return box;
}

export function teardown(inspect = async () => {}) {
    check(
        'nothing secret was logged and everything stops cleanly',
        async () => {
            let error;
            try {
                await inspect();
                checkLogs(box);
            } catch (e) {
                error = e;
            }
            const faults = await box.close();
            const bad = failed || error !== undefined || faults.length > 0;
            if (bad) box.dump();
            endSoon(bad);
            if (error) throw error;
            assert.deepEqual(faults, []);
        },
    );
}

/* A client that was abandoned by a failed test may try to reconnect for ever,
 * which would keep the process alive. */
function endSoon(bad) {
    setTimeout(() => process.exit(bad ? 1 : 0), 2000).unref();
}

/* Strings that were handed out or sent in confidence during this run. */
const secrets = new Map();

export function secret(kind, value) {
    if (typeof value === 'string' && value.length >= 8)
        secrets.set(value, kind);
}

/* A sid or a SASL payload in the log is a leak at any level but trace. */
function checkLogs(sandbox) {
    for (const child of sandbox.children) {
        if (child.name !== 'doab') continue;
        for (const [value, kind] of secrets)
            assert.ok(
                !(child.out + child.err).includes(value),
                `doab logged a ${kind}: ${value}`,
            );
    }
}

export function secretsSeen(kind) {
    return [...secrets.values()].filter((k) => k === kind).length;
}
