#!/usr/bin/env node
/*
 * Runs every *.test.js of this folder, or those named, two at a time (JOBS):
 * mostly they wait.  What a file says is printed when it has ended.  The exit
 * status is 1 when one fails.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const FILE_MS = 6 * 60 * 1000;
const JOBS = Number(process.env.JOBS ?? 2);

/* They take longest, so they begin first. */
const LONG = ['upstream', 'limits', 'raw-bosh', 'backpressure', 'servers'];
const rank = (file) => (LONG.indexOf(file.split('.')[0]) + 1 || 9) + file;

const here = path.dirname(fileURLToPath(import.meta.url));
const names = process.argv.slice(2).map((n) => path.basename(n));
const files = fs
    .readdirSync(here)
    .filter(
        (n) =>
            n.endsWith('.test.js') && (names.length === 0 || names.includes(n)),
    )
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1));

const running = new Set();
const failed = [];

for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
        for (const stop of running) stop();
        process.exit(1);
    });

/* A group of its own, so that a hung file goes with all that it started. */
async function run(file) {
    const child = spawn(process.execPath, [path.join(here, file)], {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
    });
    const said = [];
    const begun = Date.now();
    const stop = () => {
        try {
            process.kill(-child.pid, 'SIGKILL');
        } catch {
            /* It has just ended by itself. */
        }
    };
    const timer = setTimeout(stop, FILE_MS);
    running.add(stop);
    child.stdout.on('data', (bytes) => said.push(bytes));
    child.stderr.on('data', (bytes) => said.push(bytes));
    const [code] = await once(child, 'close');
    clearTimeout(timer);
    running.delete(stop);
    if (code !== 0) failed.push(file);
    const took = ((Date.now() - begun) / 1000).toFixed(1);
    process.stdout.write(
        `== ${file}\n${Buffer.concat(said)}== ${file}: exit ${code}, ${took} s\n`,
    );
}

async function runNext() {
    while (waiting.length > 0) await run(waiting.shift());
}

const waiting = [...files];
await Promise.all(Array.from({ length: JOBS }, runNext));
for (const name of names.filter((n) => !files.includes(n)))
    failed.push(`${name} (no such test)`);
console.log(
    `system: ${files.length} files, ${failed.length} failed` +
        (failed.length ? `: ${failed.join(', ')}` : ''),
);
process.exit(failed.length || files.length === 0 ? 1 : 0);
