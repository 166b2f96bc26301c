/*
 * What is measured, one server each: how it is started, where its generator
 * connects, which processes are it.
 *
 * A subject is { kinds, start(box) } and start resolves to { to: {kind: port},
 * paths: {kind: path}, pids, stop() }.  Each has a fresh start for each run,
 * so that memory is counted from nothing.
 */

import fs from 'node:fs';
import path from 'node:path';
import { copyDoab } from '../../../tests/system/lib/doab.js';
import { freePorts, waitPort } from '../../../tests/system/lib/sandbox.js';

export const SERVER_CORE = '0';
export const LOAD_CORE = '1';

const pin = (core) => ['taskset', '-c', core];
const LIMIT = 9000; /* of HAProxy and nginx: two descriptors a connection */

function find(name) {
    const dirs = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin'];
    return dirs.map((d) => path.join(d, name)).find((f) => fs.existsSync(f));
}

/* One of our own little servers, pinned; resolves to its port. */
export async function startTool(box, tools, name, args, core) {
    const copy = box.path(name);
    if (!fs.existsSync(copy)) box.copy(path.join(tools, name), name, 0o755);
    const child = box.start(name, [...pin(core), copy, ...args]);
    const [, port] = await child.waitFor(/^ready (\d+)$/m);
    return { child, port: Number(port) };
}

async function started(child, ports, to, extra = {}) {
    for (const port of ports) await waitPort(port, child);
    return { to, pids: [child.pid], stop: () => child.stop(), ...extra };
}

function doab(extra = '') {
    return async (box, back) => {
        const file = box.write(
            'bench.conf',
            `
listen "127.0.0.1:0" { }
domain "localhost" { route = "127.0.0.1:${back.xmpp}" mode = plain }
limits { sessions_max = 100000 connections_max = 100000 ${extra} }
log { level = warn }
`,
        );
        const child = box.start('doab', [
            ...pin(SERVER_CORE),
            copyDoab(box),
            '-c',
            file,
        ]);
        await child.waitFor(/^ready$/m);
        const [, port] = /^listening http 127\.0\.0\.1:(\d+)$/m.exec(child.out);
        const to = { bosh: port, browser: port, websocket: port };
        return started(child, [], to);
    };
}

function relay(mode, kind) {
    return async (box, back, tools) => {
        const args = [mode, '127.0.0.1:0', `127.0.0.1:${back.xmpp}`];
        const { child, port } = await startTool(
            box,
            tools,
            'doab-bench-relay',
            args,
            SERVER_CORE,
        );
        return started(child, [], { [kind]: port });
    };
}

async function haproxy(box, back) {
    const [tcp, http] = await freePorts(2);
    const file = box.write(
        'haproxy.cfg',
        `
global
    maxconn ${LIMIT}
    nbthread 1
defaults
    timeout connect 5s
    timeout client 300s
    timeout server 300s
listen tcp
    mode tcp
    bind 127.0.0.1:${tcp}
    server a 127.0.0.1:${back.xmpp}
listen http
    mode http
    bind 127.0.0.1:${http}
    server a 127.0.0.1:${back.http}
`,
    );
    const child = box.start('haproxy', [
        ...pin(SERVER_CORE),
        find('haproxy') ?? 'haproxy',
        '-db',
        '-f',
        file,
    ]);
    return started(child, [tcp, http], { tcp, 'bare-http': http });
}

async function nginx(box, back) {
    const [port] = await freePorts(1);
    const dir = box.mkdir('nginx');
    const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `    ${name}_temp_path ${dir}/${name};`,
    );
    const file = box.write(
        'nginx/nginx.conf',
        `
daemon off;
master_process off;
pid ${dir}/pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
    access_log off;
    keepalive_requests 1000000000;
${temps.join('\n')}
    upstream back { server 127.0.0.1:${back.http}; keepalive 1000; }
    server {
        listen 127.0.0.1:${port};
        location / {
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }
    }
}
`,
    );
    const child = box.start('nginx', [
        ...pin(SERVER_CORE),
        find('nginx') ?? 'nginx',
        '-p',
        dir,
        '-e',
        'stderr',
        '-c',
        file,
    ]);
    return started(child, [port], { 'bare-http': port });
}

/* Its better setting for this load. */
async function prosody(box) {
    const [http] = await freePorts(1);
    box.mkdir('prosody/data');
    const file = box.write(
        'prosody/prosody.cfg.lua',
        `
data_path = "${box.path('prosody')}/data"
daemonize = false
pidfile = "${box.path('prosody')}/pid"
log = { { levels = { min = "error" }, to = "console" } }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { }
s2s_ports = { }
http_ports = { ${http} }
https_ports = { }
http_default_host = "localhost"
consider_bosh_secure = true
consider_websocket_secure = true
cross_domain_websocket = true
modules_enabled = { "saslauth", "bosh", "websocket" }
modules_disabled = { "s2s", "c2s", "offline" }
c2s_require_encryption = false
gc = { mode = "generational" }
network_settings = { tcp_backlog = 4096 }
bosh_max_wait = 300
VirtualHost "localhost"
authentication = "anonymous"
`,
    );
    const child = box.start('prosody', [
        ...pin(SERVER_CORE),
        'prosody',
        '--config',
        file,
        '-F',
    ]);
    const to = { bosh: http, browser: http, websocket: http };
    return started(child, [http], to);
}

function erlangLibrary() {
    return fs
        .readdirSync('/usr/lib')
        .map((name) => path.join('/usr/lib', name))
        .find(
            (dir) =>
                fs.statSync(dir, { throwIfNoEntry: false })?.isDirectory() &&
                fs.readdirSync(dir).some((n) => /^ejabberd-\d/.test(n)),
        );
}

async function ejabberd(box) {
    const [http] = await freePorts(1);
    box.mkdir('ejabberd/spool');
    const file = box.write(
        'ejabberd/ejabberd.yml',
        `
hosts: [ localhost ]
loglevel: error
auth_method: anonymous
anonymous_protocol: sasl_anon
allow_multiple_connections: true
shaper: { }
shaper_rules: { }
listen:
  - port: ${http}
    ip: "127.0.0.1"
    module: ejabberd_http
    backlog: 4096
    request_handlers:
      /http-bind: mod_bosh
      /xmpp-websocket: ejabberd_http_ws
modules:
  mod_bosh: { max_concat: 10 }
`,
    );
    const child = box.start(
        'ejabberd',
        [
            ...pin(SERVER_CORE),
            'erl',
            '-noinput',
            '+P',
            '1000000',
            '+Q',
            '65536',
            '-mnesia',
            'dir',
            JSON.stringify(box.path('ejabberd', 'spool')),
            '-s',
            'ejabberd',
        ],
        {
            env: {
                ...process.env,
                HOME: box.path('ejabberd'),
                ERL_LIBS: erlangLibrary(),
                ERL_CRASH_DUMP_BYTES: '0',
                EJABBERD_CONFIG_PATH: file,
                EJABBERD_LOG_PATH: box.path('ejabberd', 'log'),
                EJABBERD_PID_PATH: box.path('ejabberd', 'pid'),
            },
        },
    );
    const to = { bosh: http, browser: http, websocket: http };
    return started(child, [http], to);
}

export const subjects = {
    doab: doab(),
    'relay http': relay('http', 'bare-http'),
    'relay websocket': relay('websocket', 'bare-websocket'),
    haproxy,
    nginx,
    prosody,
    ejabberd,
};
