#!/usr/bin/env node
/*
 * Measures doab, its floor and its peers side by side: each round takes every
 * figure once, so that a busy minute of the machine hits them all.
 *
 *   node contrib/bench/compare/run.mjs [--rounds 3] [--seconds 5]
 *       [--only PATTERN] [--tools DIRECTORY] [--out FILE.json]
 *
 * The subject runs on one core, the generator, which is the server behind it as
 * well, on another.  Everything is on loopback and in a directory of its own.
 * What was measured goes to FILE after each round; write.mjs makes a page of
 * it.
 */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { top } from '../../../tests/system/lib/doab.js';
import { freePorts, Sandbox } from '../../../tests/system/lib/sandbox.js';
import { figures } from './figures.mjs';
import { LOAD, LOAD_SPREAD, subjects } from './subjects.mjs';
import { judge, roundsOf, rows } from './targets.mjs';
import { numbers, target } from './words.mjs';

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
        out: { type: 'string', default: path.join(top, 'build/bench.json') },
    },
});
const RUN_MS = 10 * 60 * 1000;

async function generate(subject, figure, where, more) {
    const args = [
        ...where.slice(1),
        path.join(options.tools, 'doab-bench'),
        '--quiet',
        '--to',
        `127.0.0.1:${subject.to[figure.kind]}`,
        '--kind',
        figure.kind,
        '--pid',
        subject.pids.join(','),
    ];
    const all = {
        seconds: options.seconds,
        ...figure.options,
        ...subject.options,
        ...more,
    };
    for (const [key, value] of Object.entries(all))
        args.push(`--${key}`, String(value));
    /* A run that fails still says in its line how far it came. */
    const ran = await exec(where[0], args, { timeout: RUN_MS }).catch((e) => e);
    if (!ran.stdout) throw new Error(ran.stderr || String(ran));
    return JSON.parse(ran.stdout);
}

async function measure(figure, rate) {
    const box = new Sandbox('bench');
    const where = figure.spread ? LOAD_SPREAD : LOAD;
    try {
        /* Nothing listens there before the generator does. */
        const [port] = await freePorts(1);
        const start = subjects[figure.subject];
        const subject = await start(box, `127.0.0.1:${port}`, options.tools);
        const more = rate ? { rate: Math.round(rate) } : {};
        return await generate(subject, figure, where, more);
    } finally {
        await box.close();
    }
}

/* What was measured, and on what: no name of the machine. */
async function scene() {
    const versions = {};
    for (const name of ['haproxy', 'nginx', 'prosody', 'ejabberd'])
        versions[name] = await exec('dpkg-query', [
            ...['-W', '-f', '${Version}', name],
        ]).then(
            (r) => r.stdout,
            () => 'of unknown version',
        );
    return {
        date: new Date().toISOString().slice(0, 10),
        rounds: Number(options.rounds),
        seconds: Number(options.seconds),
        cpu: os.cpus()[0].model.trim(),
        cores: os.cpus().length,
        kernel: /^\d+\.\d+\.\d+/.exec(os.release())?.[0] ?? '?',
        load: os.loadavg()[0].toFixed(1),
        versions,
    };
}

function show(round, figure, r) {
    const { cpu_us: us, messages_per_s: rate, setups_per_s: setups } = r;
    console.log(
        `${round} ${figure.id.padEnd(29)}` +
            ` ${us.toFixed(2).padStart(7)} us ${rate.toFixed(0).padStart(6)}/s` +
            ` p50 ${r.p50_ms} p99 ${r.p99_ms} ms` +
            ` ${setups.toFixed(0)} setups/s` +
            ` ${r.bytes_per_idle_session} B ${r.why}`,
    );
}

if (os.cpus().length < 2)
    throw new Error('two cores are needed: one for what is measured');
const wanted = figures.filter(
    (f) =>
        f.subject in subjects &&
        new RegExp(options.only).test(`${f.id} ${f.subject}`),
);
const about = await scene();
const results = Object.fromEntries(wanted.map((f) => [f.id, []]));
for (let round = 1; round <= Number(options.rounds); round++) {
    for (const figure of wanted) {
        if (figure.once && round > 1) continue;
        /* Half of the peak that this round has just seen. */
        const peak = results[figure.halfOf]?.at(-1)?.messages_per_s;
        if (figure.halfOf && !peak) continue;
        try {
            const result = await measure(figure, peak && peak / 2);
            results[figure.id].push(result);
            show(round, figure, result);
            if (!result.ok) process.exitCode = 1;
        } catch (e) {
            results[figure.id].push({ ok: false, why: String(e) });
            console.log(`${round} ${figure.id}: not measured: ${e.message}`);
            process.exitCode = 1;
        }
    }
    fs.writeFileSync(
        options.out,
        JSON.stringify({ ...about, results }, null, 1),
    );
}

console.log();
const rounds = roundsOf(results);
for (const row of rows) {
    const found = judge(row, rounds);
    if (found.n > 0)
        console.log(
            `${row.what.padEnd(58)} ${target(row).padEnd(10)}` +
                ` ${numbers(row, found).padEnd(24)} ${found.verdict}`,
        );
}
