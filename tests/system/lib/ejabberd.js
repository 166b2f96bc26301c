/*
 * Debian's ejabberd on loopback with a directory of its own, as a plain Erlang
 * process that is no part of any cluster: so there is no epmd, and the process
 * ends when it is told to.
 */

import fs from 'node:fs';
import path from 'node:path';
import { freePorts, waitPort } from './sandbox.js';

const LIBRARIES = '/usr/lib';

/* Where Debian has its Erlang programs: /usr/lib/ARCHITECTURE. */
function library() {
    const found = fs
        .readdirSync(LIBRARIES)
        .map((name) => path.join(LIBRARIES, name))
        .find((dir) => {
            const stat = fs.statSync(dir, { throwIfNoEntry: false });
            return (
                stat?.isDirectory() &&
                fs.readdirSync(dir).some((n) => /^ejabberd-\d/.test(n))
            );
        });
    if (!found)
        throw new Error('there is no ejabberd; run contrib/install-deps');
    return found;
}

const LISTENERS = {
    starttls: 'starttls_required: true',
    tls: 'tls: true',
    proxy: 'starttls_required: true, use_proxy_protocol: true',
};

function config(box, name, { hosts, tls, rooms }, ports) {
    const pem = box.write(
        `${name}/cert.pem`,
        fs.readFileSync(tls.certificate) + fs.readFileSync(tls.key, 'utf8'),
        0o600,
    );
    const listen = Object.entries(LISTENERS).map(
        ([kind, keys]) =>
            `  - { port: ${ports[kind]}, ip: "127.0.0.1",` +
            ` module: ejabberd_c2s, ${keys} }\n`,
    );
    return `
hosts: ${JSON.stringify(hosts)}
certfiles: [ "${pem}" ]
loglevel: info
log_rotate_count: 0
auth_password_format: scram
registration_timeout: infinity
listen:
${listen.join('')}
modules:
  mod_offline: {}
  mod_ping: {}
  mod_register: { ip_access: all }
  mod_roster: {}
  mod_stream_mgmt: { resume_timeout: 60 }
${rooms ? `  mod_muc: { hosts: ${JSON.stringify(rooms)} }` : ''}
`;
}

/* Options: hosts, rooms (their domains), tls (certificate and key), name (of
 * its directory). */
export async function startEjabberd(box, options) {
    const name = options.name ?? 'ejabberd';
    const kinds = Object.keys(LISTENERS);
    const numbers = await freePorts(kinds.length);
    const ports = Object.fromEntries(kinds.map((k, i) => [k, numbers[i]]));
    box.mkdir(`${name}/spool`);
    const file = box.write(
        `${name}/ejabberd.yml`,
        config(box, name, options, ports),
    );
    const child = box.start(
        name,
        [
            'erl',
            '-noinput',
            '+P',
            '20000',
            '-mnesia',
            'dir',
            JSON.stringify(box.path(name, 'spool')),
            '-s',
            'ejabberd',
        ],
        {
            env: {
                ...process.env,
                HOME: box.path(name),
                ERL_LIBS: library(),
                ERL_CRASH_DUMP_BYTES: '0',
                EJABBERD_CONFIG_PATH: file,
                EJABBERD_LOG_PATH: box.path(name, 'ejabberd.log'),
                EJABBERD_PID_PATH: box.path(name, 'pid'),
            },
        },
    );
    for (const port of numbers) await waitPort(port, child);
    /* How often something stands in its log. */
    const count = (pattern) =>
        ((child.out + child.err).match(pattern) || []).length;
    return {
        child,
        ports,
        count,
        /* How often it began to wait for a client to come back, how often one
         * did, and how often the stream of a user ended for good. */
        waits: () => count(/waiting \d+ seconds for stream resumption/g),
        resumptions: () => count(/Resumed session for/g),
        ends: (jid) =>
            count(new RegExp(`Closing c2s session for ${jid}:`, 'g')),
    };
}
