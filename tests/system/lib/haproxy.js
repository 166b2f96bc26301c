/*
 * HAProxy as an ordinary user, in front of doab.
 */

import fs from 'node:fs';
import { freePorts, waitPort } from './sandbox.js';

const binary =
    ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy'].find((p) =>
        fs.existsSync(p),
    ) ?? 'haproxy';

/*
 * fronts: { name: { mode, options: [lines], server: 'keywords', to: host } };
 * resolves to { name: port }.
 */
export async function startHaproxy(box, fronts) {
    const names = Object.keys(fronts);
    const ports = await freePorts(names.length);
    const listens = names.map((name, i) => {
        const { mode, options = [], server = '', to } = fronts[name];
        return `
listen ${name}
    mode ${mode}
    bind 127.0.0.1:${ports[i]}
${options.map((o) => `    ${o}\n`).join('')}\
    server doab ${to} ${server}
`;
    });
    const file = box.write(
        'haproxy.cfg',
        `
global
    maxconn 100
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
${listens.join('')}`,
    );
    const child = box.start('haproxy', [binary, '-db', '-f', file]);
    for (const port of ports) await waitPort(port, child);
    return Object.fromEntries(names.map((name, i) => [name, ports[i]]));
}
