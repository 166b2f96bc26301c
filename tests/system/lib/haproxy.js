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
 * fronts: { name: { mode, options: [lines], bind: 'keywords', server:
 * 'keywords', to: host } }; resolves to { name: port }, and child, which logs
 * each connection when it ends.
 */
export async function startHaproxy(box, fronts) {
    const names = Object.keys(fronts);
    const ports = await freePorts(names.length);
    const listens = names.map((name, i) => {
        const {
            mode,
            options = [],
            bind = '',
            server = '',
            to,
        } = fronts[name];
        return `
listen ${name}
    mode ${mode}
    bind 127.0.0.1:${ports[i]} ${bind}
${options.map((o) => `    ${o}\n`).join('')}\
    option ${mode}log
    server doab ${to} ${server}
`;
    });
    const file = box.write(
        'haproxy.cfg',
        `
global
    maxconn 100
    log stdout format raw local0
defaults
    log global
    option dontlognull
    timeout connect 5s
    timeout client 30s
    timeout server 30s
${listens.join('')}`,
    );
    const child = box.start('haproxy', [binary, '-db', '-f', file]);
    await Promise.all(ports.map((port) => waitPort(port, child)));
    const found = Object.fromEntries(names.map((name, i) => [name, ports[i]]));
    return { ...found, child };
}
