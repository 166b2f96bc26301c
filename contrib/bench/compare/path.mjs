#!/usr/bin/env node
/*
 * Writes src/path.order: the functions that a message passes through, those
 * of all ways first.  The Makefile says what they are for.
 *
 *   node contrib/bench/compare/path.mjs [--tools DIRECTORY]
 */

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { top } from '../../../tests/system/lib/doab.js';
import { measure, needValgrind, TOOLS } from './callgrind.mjs';

const { values: options } = parseArgs({
    options: { tools: { type: 'string', default: TOOLS } },
});
const BOSH = ['bosh', 'browser'];
const FILE = path.join(top, 'src/path.order');

await needValgrind();
const bosh = new Set();
for (const kind of BOSH) {
    const { functions } = await measure(kind, options.tools);
    for (const name of functions.keys()) bosh.add(name);
}
const { functions: websocket } = await measure('websocket', options.tools);

const groups = {
    'BOSH and WebSocket': [...bosh].filter((name) => websocket.has(name)),
    BOSH: [...bosh].filter((name) => !websocket.has(name)),
    WebSocket: [...websocket.keys()].filter((name) => !bosh.has(name)),
};
let text = `# The functions that a message passes through, which are linked side by side.
# Written by \`make path-order\`; see the Makefile.
`;
for (const [words, names] of Object.entries(groups))
    text += `\n# ${words}\n${names.sort().join('\n')}\n`;
fs.writeFileSync(FILE, text);
console.log(`${bosh.size + groups.WebSocket.length} functions`);
