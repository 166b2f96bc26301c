#!/usr/bin/env node
/*
 * Counts the instructions that doab needs for a message, so that a later
 * change can be held against them.
 *
 *   node contrib/bench/compare/instructions.mjs [--tools DIRECTORY]
 *       [--out FILE.json]
 */

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { top } from '../../../tests/system/lib/doab.js';
import { measure, needValgrind, TOOLS } from './callgrind.mjs';

const { values: options } = parseArgs({
    options: {
        tools: { type: 'string', default: TOOLS },
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

await needValgrind();
const results = {};
for (const [kind, words] of Object.entries(KINDS)) {
    results[kind] = (await measure(kind, options.tools)).total;
    console.log(`${words.padEnd(26)} ${results[kind]} instructions a message`);
}
fs.mkdirSync(path.dirname(options.out), { recursive: true });
const date = new Date().toISOString().slice(0, 10);
fs.writeFileSync(options.out, JSON.stringify({ date, results }, null, 1));
