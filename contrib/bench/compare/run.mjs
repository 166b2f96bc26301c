#!/usr/bin/env node
/*
 * Measures doab, its floor and its peers side by side: each round takes every
 * figure once, so that a busy minute of the machine hits them all.
 *
 *   node contrib/bench/compare/run.mjs [--rounds 3] [--seconds 5]
 *       [--only PATTERN] [--tools DIRECTORY] [--out FILE.json]
 *
 * The subject runs on one core, the generator and the server behind it on
 * another.  Everything is on loopback and in a directory of its own.
 */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { top } from '../../../tests/system/lib/doab.js';
import { Sandbox } from '../../../tests/system/lib/sandbox.js';
import { figures } from './figures.mjs';
import { LOAD_CORE, startTool, subjects } from './subjects.mjs';

const exec = promisify(execFile);
const { values: options } = parseArgs({
    options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        only: { type: 'string', default: '.' },
        tools: {
            type: 'string',
            default: path.join(top, 'build/plain/bench'),
        },
        out: { type: 'string', default: 'build/bench.json' },
    },
});
const RUN_MS = 10 * 60 * 1000;

async function generate(subject, figure) {
    const args = [
        '-c',
        LOAD_CORE,
        path.join(options.tools, 'doab-bench'),
        '--quiet',
        '--to',
        `127.0.0.1:${subject.to[figure.kind]}`,
        '--kind',
        figure.kind,
        '--pid',
        subject.pids.join(','),
        '--seconds',
        String(figure.seconds ?? options.seconds),
    ];
    for (const [key, value] of Object.entries(figure.options ?? {}))
        args.push(`--${key}`, String(value));
    /* A run that fails still says in its line how far it came. */
    const { stdout } = await exec('taskset', args, { timeout: RUN_MS }).catch(
        (e) => e,
    );
    return JSON.parse(stdout);
}

async function measure(figure, rate) {
    const box = new Sandbox('bench');
    try {
        const tool = (args) =>
            startTool(box, options.tools, 'doab-bench-server', args, LOAD_CORE);
        const xmpp = await tool(['127.0.0.1:0']);
        const http = await tool(['--http', '127.0.0.1:0']);
        const back = { xmpp: xmpp.port, http: http.port };
        const subject = await subjects[figure.subject](
            box,
            back,
            options.tools,
        );
        const own = rate ? { rate: Math.round(rate) } : {};
        return await generate(subject, {
            ...figure,
            options: { ...figure.options, ...own },
        });
    } finally {
        await box.close();
    }
}

const wanted = figures.filter((f) =>
    new RegExp(options.only).test(`${f.id} ${f.subject}`),
);
const results = Object.fromEntries(wanted.map((f) => [f.id, []]));
for (let round = 1; round <= Number(options.rounds); round++) {
    for (const figure of wanted) {
        /* Half of the peak that this round has just seen. */
        const peak = results[figure.halfOf]?.at(-1)?.messages_per_s;
        const result = await measure(figure, peak && peak / 2);
        results[figure.id].push(result);
        console.log(
            `${round} ${figure.id.padEnd(28)}` +
                ` ${result.cpu_us.toFixed(2).padStart(8)} us` +
                ` ${result.messages_per_s.toFixed(0).padStart(7)}/s` +
                ` p50 ${result.p50_ms} p99 ${result.p99_ms} ms` +
                ` ${result.setups_per_s.toFixed(0)} setups/s` +
                ` ${result.bytes_per_idle_session} B ${result.why}`,
        );
    }
    fs.writeFileSync(
        options.out,
        JSON.stringify({ date: new Date().toISOString(), results }, null, 1),
    );
}
