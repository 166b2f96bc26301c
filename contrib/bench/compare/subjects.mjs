/*
 * What is measured, one server each: how it is started, where its generator
 * connects, which processes are it.
 *
 * A subject is a function of the sandbox, of the address where the generator
 * will be the server behind it, and of the directory of our tools; it resolves
 * to { to: { kind: port }, pids, options }, options being those of the
 * generator that this subject needs.  Each has a fresh start for each run, so
 * that memory is counted from nothing.
 */

import fs from 'node:fs';
import path from 'node:path';
import { makeCerts } from '../../../tests/system/lib/certs.js';
import { copyDoab } from '../../../tests/system/lib/doab.js';
import { tempPaths } from '../../../tests/system/lib/nginx.js';
import { freePorts, waitPort } from '../../../tests/system/lib/sandbox.js';

const SERVER_CORE = '0';
const BOTH_CORES = '0,1';

/* Where the generator and what stands behind a subject run; `spread` lets them
 * share both cores with it, with less right to them. */
export const LOAD = ['taskset', '-c', '1'];
export const LOAD_SPREAD = ['nice', '-n', '10', 'taskset', '-c', BOTH_CORES];

const pin = (core) => ['taskset', '-c', core];
const LIMIT = 9000; /* of HAProxy and nginx: two descriptors a connection */

function find(name) {
    const dirs = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin'];
    return dirs.map((d) => path.join(d, name)).find((f) => fs.existsSync(f));
}

async function started(child, ports, to, options = {}) {
    for (const port of ports) await waitPort(port, child);
    return { to, pids: [child.pid], options };
}

async function startDoab(box, back, options = {}) {
    const { keys = 'mode = plain', workers = 1, more = '' } = options;
    const { route = back, where = pin(SERVER_CORE) } = options;
    const file = box.write(
        'bench.conf',
        `
listen "127.0.0.1:0" { }
domain "localhost" { route = "${route}" ${keys} }
limits {
    workers = ${workers}
    sessions_max = 100000
    connections_max = 100000
}
log { level = warn }
${more}
`,
    );
    const child = box.start('doab', [
        ...where,
        copyDoab(box),
        '-c',
        file,
    ]);
    await child.waitFor(/^ready$/m);
    const [, port] = /^listening http 127\.0\.0\.1:(\d+)$/m.exec(child.out);
    const to = { bosh: port, browser: port, websocket: port };
    return started(child, [], to, { serve: back });
}

const doab = (box, back) => startDoab(box, back);

/*
 * SCHED_BATCH, for one worker as for two: who wakes up does not take the core
 * from who is running.  Elsewhere a worker wakes for what has come by a network;
 * here, where it shares a core with the niced generator, each message that is
 * sent would stop the generator at once, nothing would ever come together with
 * anything else, and two workers would be compared with one by that.
 */
const BATCH = ['chrt', '--batch', '0'];

const doabWorkers = (n) => (box, back) =>
    startDoab(box, back, { workers: n, where: [...BATCH, ...pin(BOTH_CORES)] });

/* TLS from the first byte to an HAProxy that stands before the server. */
function doabTls(sessions) {
    return async (box, back) => {
        const certs = await makeCerts(box, ['localhost']);
        const [port] = await freePorts(1);
        const pem = box.write(
            'localhost.pem',
            fs.readFileSync(certs.good.certificate, 'utf8') +
                fs.readFileSync(certs.good.key, 'utf8'),
        );
        const front = `
listen tls
    mode tcp
    bind 127.0.0.1:${port} ssl crt ${pem}
    server a ${back}
`;
        const child = startHaproxy(box, LOAD, front);
        await waitPort(port, child);
        return startDoab(box, back, {
            route: `127.0.0.1:${port}`,
            keys: `mode = tls ca_file = "${certs.caFile}"`,
            more: `upstream { tls_sessions_max = ${sessions} }`,
        });
    };
}

function relay(mode, kind) {
    return async (box, back, tools) => {
        const name = 'doab-bench-relay';
        const copy = box.copy(path.join(tools, name), name, 0o755);
        const args = [copy, mode, '127.0.0.1:0', back];
        const child = box.start(name, [...pin(SERVER_CORE), ...args]);
        const [, port] = await child.waitFor(/^ready (\d+)$/m);
        return started(child, [], { [kind]: Number(port) }, { serve: back });
    };
}

function startHaproxy(box, where, listens) {
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
${listens}`,
    );
    return box.start('haproxy', [
        ...where,
        find('haproxy') ?? 'haproxy',
        '-db',
        '-f',
        file,
    ]);
}

async function haproxy(box, back) {
    const [tcp, http] = await freePorts(2);
    const child = startHaproxy(
        box,
        pin(SERVER_CORE),
        `
listen tcp
    mode tcp
    bind 127.0.0.1:${tcp}
    server a ${back}
listen http
    mode http
    bind 127.0.0.1:${http}
    server a ${back}
`,
    );
    const to = { tcp, 'bare-http': http };
    return started(child, [tcp, http], to, { serve: back });
}

/* What Debian's nginx.conf says, and a bare proxy_pass: HTTP/1.0 to the server,
 * so a new connection for each request. */
const NGINX_AS_IT_COMES = {
    http: (dir) => `
    access_log ${dir}/access.log;
    sendfile on;
    tcp_nopush on;
    gzip on;`,
    upstream: '',
    location: '',
};

/* As our own contrib/nginx/doab.conf has it, and nothing is logged. */
const NGINX_KEPT = {
    http: () => `
    access_log off;`,
    upstream: 'keepalive 1000;',
    location: `
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;`,
};

/* One process; as many connections as it takes, and no end of requests on those
 * of clients. */
function nginx(how) {
    return async (box, back) => {
        const [port] = await freePorts(1);
        const dir = box.mkdir('nginx');
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
    keepalive_requests 1000000000;${how.http(dir)}
${tempPaths(dir)}
    upstream back { server ${back}; ${how.upstream} }
    server {
        listen 127.0.0.1:${port};
        location / {
            proxy_pass http://back;${how.location}
        }
    }
}
`,
        );
        const child = box.start('nginx', [
            ...pin(SERVER_CORE),
            ...[find('nginx') ?? 'nginx', '-p', dir, '-e', 'stderr', '-c', file],
        ]);
        const to = { 'bare-http': port };
        return started(child, [port], to, { serve: back });
    };
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
modules_disabled = { "s2s", "offline" }
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

/*
 * Where somebody has installed it: its directory in NODE_XMPP_BOSH.  It looks
 * servers up in the DNS and knows no port but 5222, also when it is told of
 * another: so the generator serves there, at an address that is a domain.
 */
const NXB_DOMAIN = '127.0.0.77';

async function nodeXmppBosh(box) {
    const [port] = await freePorts(1);
    const file = box.write(
        'node-xmpp-bosh.js',
        `exports.config = {
    port: ${port},
    host: '127.0.0.1',
    path: /^\\/http-bind(\\/+)?$/,
    logging: 'FATAL',
    pidgin_compatible: true,
    firewall: {},
    no_tls_domains: ['${NXB_DOMAIN}'],
};
`,
    );
    const child = box.start('node-xmpp-bosh', [
        ...pin(SERVER_CORE),
        process.execPath,
        path.join(process.env.NODE_XMPP_BOSH, 'run-server.js'),
        `--config=${file}`,
    ]);
    const to = { bosh: port, browser: port };
    const serve = `${NXB_DOMAIN}:5222`;
    return started(child, [port], to, { domain: NXB_DOMAIN, serve });
}

export const subjects = {
    doab,
    'doab 1 worker': doabWorkers(1),
    'doab 2 workers': doabWorkers(2),
    'doab tls resumed': doabTls(1000),
    'doab tls full': doabTls(0),
    'relay http': relay('http', 'bare-http'),
    'relay websocket': relay('websocket', 'bare-websocket'),
    haproxy,
    'nginx as it comes': nginx(NGINX_AS_IT_COMES),
    'nginx kept': nginx(NGINX_KEPT),
    prosody,
    ejabberd,
    ...(process.env.NODE_XMPP_BOSH ? { 'node-xmpp-bosh': nodeXmppBosh } : {}),
};
