/*
 * nginx as an ordinary user, with the project's own snippet in it.
 */

import fs from 'node:fs';
import path from 'node:path';
import { top } from './doab.js';
import { freePorts, waitPort } from './sandbox.js';

export const snippet = path.join(top, 'contrib/nginx/doab.conf');
const binary =
    ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find((p) =>
        fs.existsSync(p),
    ) ?? 'nginx';

/* Where nginx puts what it cannot hold: by default only root may write there. */
export function tempPaths(dir) {
    return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `    ${name}_temp_path ${dir}/${name};`)
        .join('\n');
}

/* The snippet with the addresses and files of this run, otherwise untouched. */
function fill(upstream, listen, cert) {
    let text = fs.readFileSync(snippet, 'utf8');
    const swap = (pattern, by) => {
        if (!pattern.test(text))
            throw new Error(`${snippet} has nothing like ${pattern}`);
        text = text.replace(pattern, by);
    };
    swap(/server 127\.0\.0\.1:5280;/, `server 127.0.0.1:${upstream};`);
    swap(/listen 443 ssl;/, `listen 127.0.0.1:${listen} ssl;`);
    swap(/server_name [^;]*;/, 'server_name localhost;');
    swap(/ssl_certificate [^;]*;/, `ssl_certificate ${cert.certificate};`);
    swap(/ssl_certificate_key [^;]*;/, `ssl_certificate_key ${cert.key};`);
    return text;
}

/* Resolves to the base URL at which nginx listens. */
export async function startNginx(box, upstream, cert) {
    const [port] = await freePorts(1);
    const dir = box.mkdir('nginx');
    const file = box.write(
        'nginx/nginx.conf',
        `
daemon off;
pid ${dir}/pid;
error_log stderr info;
worker_processes 1;
events { worker_connections 256; }
http {
    access_log off;
${tempPaths(dir)}
${fill(upstream, port, cert)}
}
`,
    );
    const child = box.start('nginx', [
        binary,
        '-p',
        dir,
        '-e',
        'stderr',
        '-c',
        file,
    ]);
    await waitPort(port, child);
    return `https://127.0.0.1:${port}`;
}
