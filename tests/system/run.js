#!/usr/bin/env node
/*
 * Runs every *.test.js of this folder, or those named, one after another: the
 * machine may be small, and timing should not depend on a neighbour.  The
 * exit status is 1 when one fails.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const FILE_MS = 6 * 60 * 1000;

const here = path.dirname(fileURLToPath(import.meta.url));
const names = process.argv.slice(2).map((n) => path.basename(n));
const files = fs
    .readdirSync(here)
    .filter(
        (n) =>
            n.endsWith('.test.js') && (names.length === 0 || names.includes(n)),
    )
    .sort();

/* A group of its own, so that a hung file goes with all that it started. */
function run(file) {
    const child = spawn(process.execPath, [path.join(here, file)], {
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
    });
    const stop = () => {
        try {
            process.kill(-child.pid, 'SIGKILL');
        } catch {
            /* It has just ended by itself. */
        }
    };
    const timer = setTimeout(stop, FILE_MS);
    const onSignal = () => {
        stop();
        process.exit(1);
    };
    process.once('SIGINT', onSignal);
    process.once('SIGTERM', onSignal);
    return new Promise((done) =>
        child.once('close', (code) => {
            clearTimeout(timer);
            process.removeListener('SIGINT', onSignal);
            process.removeListener('SIGTERM', onSignal);
            done(code === 0);
        }),
    );
}

const failed = [];
for (const file of files) {
    console.log(`== ${file}`);
    if (!(await run(file))) failed.push(file);
}
for (const name of names.filter((n) => !files.includes(n)))
    failed.push(`${name} (no such test)`);
console.log(
    `system: ${files.length} files, ${failed.length} failed` +
        (failed.length ? `: ${failed.join(', ')}` : ''),
);
process.exit(failed.length || files.length === 0 ? 1 : 0);
