/*
 * Runs doab under callgrind with the generator before and behind it, and says
 * which instructions it needed.  Unlike time they are the same on a busy
 * machine, and the same again tomorrow.  The kernel's are not counted.
 */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { copyDoab, top } from '../../../tests/system/lib/doab.js';
import { freePorts, Sandbox } from '../../../tests/system/lib/sandbox.js';

const exec = promisify(execFile);
const MESSAGES = 500;
const START_MS = 60 * 1000;
const RUN_MS = 2 * 60 * 1000;

export const TOOLS = path.join(top, 'build/plain/bench');

export async function needValgrind() {
    try {
        await exec('valgrind', ['--version']);
    } catch {
        console.error('there is no valgrind; install it');
        process.exit(1);
    }
}

/* What doab itself executed, by function: the lines behind `fn=` are its own
 * costs, and the one behind `calls=` is of what it called (`cfn=`).  A name
 * stands with its number where it comes first, and then only the number. */
function functionsOf(text) {
    const names = { ob: {}, fn: {} };
    const now = { ob: '', fn: '' };
    const found = new Map();
    let isOfCall = false;
    for (const line of text.split('\n')) {
        const named = /^(c?)(ob|fn)=\((\d+)\)(?: (.*))?$/.exec(line);
        const cost = /^[+\-*\d]\S* (\d+)$/.exec(line);
        if (named) {
            const [, isOfCalled, what, number, name] = named;
            if (name) names[what][number] = name;
            if (!isOfCalled) now[what] = names[what][number];
        } else if (cost && !isOfCall && now.ob.endsWith('/doab')) {
            /* Of one depth of a recursion. */
            const name = now.fn.replace(/'.*/, '');
            found.set(name, (found.get(name) ?? 0) + Number(cost[1]));
        }
        isOfCall = line.startsWith('calls=');
    }
    return found;
}

/* A doab from start to end, which carries so many messages. */
async function run(kind, messages, tools) {
    const box = new Sandbox('callgrind');
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
        const out = box.path('out');
        const child = box.start('doab', [
            ...['valgrind', '--tool=callgrind', '--compress-strings=yes'],
            `--callgrind-out-file=${out}`,
            ...[copyDoab(box), '-c', file],
        ]);
        await child.waitFor(/^ready$/m, START_MS);
        const port = /^listening http 127\.0\.0\.1:(\d+)$/m.exec(child.out)[1];
        const args = ['--quiet', '--kind', kind, '--to', `127.0.0.1:${port}`];
        args.push('--sessions', '1', '--messages', String(messages));
        args.push('--serve', back);
        await exec(path.join(tools, 'doab-bench'), args, { timeout: RUN_MS });
        await child.stop();
        const found = /Collected : (\d+)/.exec(child.err);
        if (!found) throw new Error(`callgrind says: ${child.err}`);
        return {
            total: Number(found[1]),
            functions: functionsOf(fs.readFileSync(out, 'utf8')),
        };
    } finally {
        await box.close();
    }
}

/* What a message costs, { total, functions }: what two runs differ by, one of
 * which has twice the messages, all else alike. */
export async function measure(kind, tools = TOOLS) {
    const once = await run(kind, MESSAGES, tools);
    const twice = await run(kind, 2 * MESSAGES, tools);
    const functions = new Map();
    for (const [name, count] of twice.functions) {
        const more = (count - (once.functions.get(name) ?? 0)) / MESSAGES;
        if (more >= 1) functions.set(name, more);
    }
    return {
        total: Math.round((twice.total - once.total) / MESSAGES),
        functions,
    };
}
