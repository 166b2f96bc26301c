#!/usr/bin/env node
/*
 * Counts the instructions that doab needs for a message, by callgrind: what
 * two runs differ by, one of which has twice the messages, all else alike.
 * Unlike time it is the same on a busy machine, and the same again tomorrow.
 *
 *   node contrib/bench/compare/instructions.mjs [--tools DIRECTORY]
 *       [--out FILE.json]
 *
 * It does not count what the kernel does.
 */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { copyDoab, top } from '../../../tests/system/lib/doab.js';
import { freePorts, Sandbox } from '../../../tests/system/lib/sandbox.js';

const exec = promisify(execFile);
const { values: options } = parseArgs({
    options: {
        tools: {
            type: 'string',
            default: path.join(top, 'build/plain/bench'),
        },
        out: {
            type: 'string',
            default: path.join(top, 'build/instructions.json'),
        },
    },
});
const KINDS = {
    bosh: 'BOSH, one POST',
    browser: 'BOSH, held poll and send',
    websocket: 'WebSocket',
};
const MESSAGES = 500;
const START_MS = 60 * 1000;
const RUN_MS = 2 * 60 * 1000;

/* Instructions of a doab from start to end, which carries so many. */
async function count(kind, messages) {
    const box = new Sandbox('instructions');
    try {
        const back = `127.0.0.1:${await freePorts(1)}`;
        const file = box.write(
            'doab.conf',
            `
listen "127.0.0.1:0" { }
domain "localhost" { route = "${back}" mode = plain }
limits { workers = 1 drain_timeout = 0s }
log { level = warn }
`,
        );
        const child = box.start('doab', [
            ...['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null'],
            ...[copyDoab(box), '-c', file],
        ]);
        await child.waitFor(/^ready$/m, START_MS);
        const port = /^listening http 127\.0\.0\.1:(\d+)$/m.exec(child.out)[1];
        const args = ['--quiet', '--kind', kind, '--to', `127.0.0.1:${port}`];
        args.push('--sessions', '1', '--messages', String(messages));
        args.push('--serve', back);
        const bench = path.join(options.tools, 'doab-bench');
        await exec(bench, args, { timeout: RUN_MS });
        await child.stop();
        const found = /Collected : (\d+)/.exec(child.err);
        if (!found) throw new Error(`callgrind says: ${child.err}`);
        return Number(found[1]);
    } finally {
        await box.close();
    }
}

try {
    await exec('valgrind', ['--version']);
} catch {
    console.error('bench-instructions: there is no valgrind; install it');
    process.exit(1);
}
const results = {};
for (const [kind, words] of Object.entries(KINDS)) {
    const once = await count(kind, MESSAGES);
    const twice = await count(kind, 2 * MESSAGES);
    results[kind] = Math.round((twice - once) / MESSAGES);
    console.log(`${words.padEnd(26)} ${results[kind]} instructions a message`);
}
fs.mkdirSync(path.dirname(options.out), { recursive: true });
const date = new Date().toISOString().slice(0, 10);
fs.writeFileSync(options.out, JSON.stringify({ date, results }, null, 1));
