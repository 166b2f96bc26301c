/*
 * Starts doab with a configuration, or with DOAB_TEST_PEER=prosody the thing
 * that stands in for it, and says where it listens.
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDoab } from './harness.js';
import { startProsody } from './prosody.js';

const here = path.dirname(fileURLToPath(import.meta.url));
export const top = path.resolve(here, '../../..');
const binary = path.resolve(process.env.DOAB || path.join(top, 'doab'));

export const DOMAINS = ['localhost', 'anon.localhost'];

/* The path of a copy of the program that any user may run. */
export function copyDoab(box) {
    const copy = box.path('doab');
    if (!fs.existsSync(copy)) {
        if (!fs.existsSync(binary))
            throw new Error(`there is no ${binary}; run make first`);
        box.copy(binary, 'doab', 0o755);
    }
    return copy;
}

/* A value in the configuration file's syntax. */
function value(v) {
    if (Array.isArray(v)) return `{ ${v.map(value).join(', ')} }`;
    if (typeof v !== 'string') return String(v);
    /* Sizes, times and words stand bare, the rest in quotes. */
    return /^([0-9]+[a-z]*|[a-z]+)$/.test(v) ? v : JSON.stringify(v);
}

function section(head, keys) {
    const lines = Object.entries(keys).map(
        ([k, v]) => `    ${k} = ${value(v)}\n`,
    );
    return `${head} {\n${lines.join('')}}\n`;
}

/*
 * { listen: { '127.0.0.1:0': {} }, domain: { localhost: { route: … } },
 *   limits: { body_max: '10k' } } as text: the values of `listen` and `domain`
 * are sections with titles.
 */
export function configText(config) {
    let text = '';
    for (const [name, body] of Object.entries(config)) {
        if (name !== 'listen' && name !== 'domain') {
            text += section(name, body);
            continue;
        }
        for (const [title, keys] of Object.entries(body))
            text += section(`${name} ${JSON.stringify(title)}`, keys);
    }
    return text;
}

/* Waits for `ready` and resolves to { child, urls, port }.  `options` are those
 * of spawn. */
export async function startDoab(
    box,
    config,
    name = 'doab.conf',
    options = {},
) {
    const text = typeof config === 'string' ? config : configText(config);
    const file = box.write(name, text);
    const child = box.start('doab', [copyDoab(box), '-c', file], options);
    await child.waitFor(/^ready$/m);
    const urls = [...child.out.matchAll(/^listening (https?) (\S+)$/gm)].map(
        ([, scheme, address]) => `${scheme}://${address}`,
    );
    return { child, urls, port: Number(new URL(urls[0]).port) };
}

/* Where a client finds BOSH and WebSocket under a base URL. */
export function endpoints(base, wsPath = '/xmpp-websocket') {
    const url = new URL(base);
    return {
        base,
        host: url.hostname,
        port: Number(url.port),
        bosh: `${base}/http-bind`,
        ws: `${base.replace(/^http/, 'ws')}${wsPath}`,
    };
}

/* `plain` routes to one Prosody for all the domains of the tests. */
export function routes(port, keys = { mode: 'plain' }) {
    return Object.fromEntries(
        DOMAINS.map((d) => [d, { route: `127.0.0.1:${port}`, ...keys }]),
    );
}

/*
 * The usual pair: a Prosody, and doab in front of it.  `config` is merged over
 * doab's configuration; to a stand-in only its pages mean anything.
 */
export async function startPair(box, config = {}, prosodyOptions = {}) {
    const options = {
        http: !isDoab,
        pages: isDoab ? undefined : config.pages?.directory,
        ...prosodyOptions,
    };
    const prosody = await startProsody(box, options);
    const pair = { prosody };
    pair.restartProsody = async () => {
        await pair.prosody.child.stop();
        pair.prosody = await startProsody(box, {
            ...options,
            ports: prosody.ports,
        });
    };
    if (!isDoab)
        return Object.assign(
            pair,
            endpoints(`http://127.0.0.1:${prosody.http}`),
        );
    pair.doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: routes(prosody.port),
        log: { level: 'debug' },
        ...config,
    });
    return Object.assign(pair, endpoints(pair.doab.urls[0]));
}
