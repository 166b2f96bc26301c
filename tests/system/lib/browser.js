/*
 * Headless Chromium, and the project's pages as it shall see them.
 */

import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { top } from './doab.js';
import { secret } from './harness.js';

const FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

function chromiumPath() {
    const found = (process.env.CHROMIUM ? [process.env.CHROMIUM] : [])
        .concat('/usr/bin/chromium', '/usr/bin/chromium-browser')
        .find((p) => fs.existsSync(p));
    if (!found)
        throw new Error('there is no Chromium; run contrib/install-deps');
    return found;
}

export async function launch() {
    return chromium.launch({
        executablePath: chromiumPath(),
        headless: true,
        args: FLAGS,
    });
}

/* The pages as contrib/demo assembles them. */
export function assemblePages(box) {
    const www = path.join(top, 'www');
    const dist = path.join(www, 'node_modules/converse.js/dist');
    if (!fs.existsSync(dist))
        throw new Error('there is no Converse.js; run contrib/install-deps');
    for (const name of fs.readdirSync(www))
        if (/\.(html|css|js)$/.test(name))
            box.copy(path.join(www, name), `pages/${name}`);
    for (const name of fs.readdirSync(dist)) {
        const file = path.join(dist, name);
        if (fs.statSync(file).isDirectory())
            box.copyTree(file, `pages/dist/${name}`);
        else if (!name.endsWith('.map')) box.copy(file, `pages/dist/${name}`);
    }
    return box.path('pages');
}

/* Errors of the page and what it asked of other hosts, and in `seen` the
 * bytes of its WebSockets and BOSH requests. */
export function observe(page, base) {
    const seen = { errors: [], foreign: [], missing: [], sent: [], got: [] };
    const note = (list, text) => {
        list.push(text);
        for (const [, sid] of text.matchAll(/<body[^>]* sid=["']([^"']+)/g))
            secret('sid', sid);
        for (const [, data] of text.matchAll(
            /<(?:auth|response|challenge|success)\b[^>]*>([^<]+)</g,
        ))
            secret('SASL payload', data);
    };
    page.on('pageerror', (e) => seen.errors.push(String(e)));
    page.on('request', (r) => {
        const url = r.url();
        if (!url.startsWith(base) && !/^(data|blob):/.test(url))
            seen.foreign.push(url);
        if (url.endsWith('/http-bind') && r.postData())
            note(seen.sent, r.postData());
    });
    page.on('response', async (r) => {
        if (r.status() >= 400) seen.missing.push(`${r.status()} ${r.url()}`);
        if (r.url().endsWith('/http-bind'))
            note(seen.got, await r.text().catch(() => ''));
    });
    page.on('websocket', (ws) => {
        seen.websocket = ws.url();
        ws.on('framesent', (f) => note(seen.sent, String(f.payload)));
        ws.on('framereceived', (f) => note(seen.got, String(f.payload)));
    });
    return seen;
}
