#!/usr/bin/env node
/*
 * Makes docs/performance.md and docs/performance.svg of what run.mjs and
 * instructions.mjs have measured; the text around the tables is in
 * performance.in.md.
 *
 *   node contrib/bench/compare/write.mjs [--from FILE.json]
 *       [--instructions FILE.json] [--to DIRECTORY]
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chart } from './chart.mjs';
import { judge, median, roundsOf, rows } from './targets.mjs';
import { digits, numbers, target } from './words.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const top = path.resolve(here, '../../..');
const { values: options } = parseArgs({
    options: {
        from: { type: 'string', default: path.join(top, 'build/bench.json') },
        instructions: {
            type: 'string',
            default: path.join(top, 'build/instructions.json'),
        },
        to: { type: 'string', default: path.join(top, 'docs') },
    },
});

const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const measured = read(options.from);
const rounds = roundsOf(measured.results);

function table(head, lines) {
    return [head, head.map(() => '---'), ...lines]
        .map((cells) => `| ${cells.join(' | ')} |`)
        .join('\n');
}

function targets() {
    const lines = rows.map((row) => {
        const found = judge(row, rounds);
        return [row.what, target(row), numbers(row, found), found.verdict];
    });
    return table(['figure', 'target', 'measured', 'verdict'], lines);
}

function summary() {
    const verdicts = rows.map((row) => judge(row, rounds).verdict);
    const count = (word) => verdicts.filter((v) => v === word).length;
    return (
        `Of ${count('met') + count('missed')} targets that were measured, ` +
        `${count('met')} are met and ${count('missed')} missed.`
    );
}

/* The median of a field over the rounds in which the figure succeeded. */
function middle(id, field) {
    const good = (measured.results[id] ?? []).filter((r) => r.ok);
    return median(good.map((r) => r[field]));
}

const NAMES = {
    doab: 'doab',
    floor: 'doab-bench-relay (no XML, no sessions)',
    'nginx kept': 'nginx, proxying HTTP, kept connections',
    nginx: 'nginx, proxying HTTP, as it comes',
    haproxy: 'HAProxy',
    ejabberd: 'ejabberd',
    prosody: 'Prosody',
    'node-xmpp-bosh': 'node-xmpp-bosh',
};
const WAYS = {
    bosh: 'BOSH, one POST',
    browser: 'BOSH, held poll and send',
    websocket: 'WebSocket',
};
/* A peer that is no gateway does another thing with the same bytes. */
const NOTES = {
    'bosh haproxy': 'HAProxy, proxying HTTP',
    'websocket haproxy': 'HAProxy, TCP mode',
    'browser ejabberd': 'ejabberd (at a fixed rate, see below)',
};

function peers() {
    const lines = [];
    for (const [way, title] of Object.entries(WAYS))
        for (const [peer, name] of Object.entries(NAMES)) {
            const id = `${way} ${peer}`;
            const cpu = middle(id, 'cpu_us');
            if (cpu === undefined) continue;
            lines.push([
                title,
                NOTES[id] ?? name,
                digits(cpu),
                digits(middle(id, 'messages_per_s')),
                digits(middle(id, 'p50_ms')),
                digits(middle(id, 'p99_ms')),
                digits(middle(id, 'own_cpu_us')),
            ]);
        }
    const head = ['way', 'program', 'CPU µs', 'messages/s', 'p50 ms'];
    return table([...head, 'p99 ms', 'generator and server µs'], lines);
}

function instructions() {
    if (!fs.existsSync(options.instructions))
        return 'They were not counted for this page.';
    const { results } = read(options.instructions);
    const lines = Object.entries(results).map(([kind, n]) => [
        WAYS[kind],
        n.toLocaleString('en-US'),
    ]);
    return table(['way', 'instructions a message'], lines);
}

function machine() {
    const { cpu, cores, kernel, versions, load } = measured;
    const list = Object.entries(versions).map(([k, v]) => `${k} ${v}`);
    return (
        `${cpu}, ${cores} cores, Linux ${kernel}, load average ${load} before ` +
        `the run; ${list.join(', ')}.`
    );
}

/* On the chart there is little room. */
const SHORT = {
    'bosh floor': 'bare relay',
    'bosh nginx kept': 'nginx, HTTP, kept',
    'bosh nginx': 'nginx, HTTP',
    'bosh haproxy': 'HAProxy, HTTP',
    'websocket floor': 'bare relay',
    'websocket haproxy': 'HAProxy, TCP',
};

const bar = (way) => (peer) => ({
    name: SHORT[`${way} ${peer}`] ?? NAMES[peer],
    value: middle(`${way} ${peer}`, 'cpu_us'),
    isOurs: peer === 'doab',
});

function memory(kind) {
    const weigh = (id) =>
        (middle(id, 'bytes_per_idle_session') ?? NaN) / 1024 || undefined;
    return ['doab', 'ejabberd', 'prosody'].map((peer) => ({
        name: NAMES[peer],
        value: weigh(`memory ${kind}${peer === 'doab' ? '' : ` ${peer}`}`),
        isOurs: peer === 'doab',
    }));
}

const panels = [
    ['BOSH, one POST: CPU µs a message', Object.keys(NAMES).map(bar('bosh'))],
    ['WebSocket: CPU µs a message', Object.keys(NAMES).map(bar('websocket'))],
    ['Idle BOSH session: KiB', memory('bosh')],
    ['Idle WebSocket session: KiB', memory('websocket')],
];

const QUIET = 0.5; /* load average of a machine that does nothing else */
const ROUNDS = 3; /* fewer say little */

const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;

/* What a reader must know first: nothing, of a run as it should be. */
function caution() {
    const because = [];
    if (measured.rounds < ROUNDS)
        because.push(`of ${plural(measured.rounds, 'round')} only`);
    if (Number(measured.load) > QUIET)
        because.push(`on a machine that others kept busy as well`);
    if (because.length === 0) return '';
    return (
        `\n**This is a run ${because.join(', ')}:\nits figures are likely ` +
        `too high, latencies most of all, and its verdicts are not\nthe last ` +
        `word.**\n`
    );
}

const words = {
    date: measured.date,
    rounds: plural(measured.rounds, 'round'),
    seconds: plural(measured.seconds, 'second'),
    caution: caution(),
    machine: machine(),
    summary: summary(),
    targets: targets(),
    peers: peers(),
    instructions: instructions(),
};
const text = fs
    .readFileSync(path.join(here, 'performance.in.md'), 'utf8')
    .replace(/^<!--.*?-->\n/s, '')
    .replace(/@([a-z]+)@/g, (all, word) => words[word] ?? all);
fs.writeFileSync(path.join(options.to, 'performance.md'), text);
fs.writeFileSync(
    path.join(options.to, 'performance.svg'),
    chart(panels, measured.date),
);
console.log(summary());
