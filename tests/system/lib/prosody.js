/*
 * Debian's Prosody on loopback with a directory of its own.  It is the server
 * behind doab, and with DOAB_TEST_PEER=prosody it is also what stands in for
 * doab: its own BOSH and WebSocket, by which the tests themselves are tested.
 */

import { freePorts, waitPort } from './sandbox.js';

/* For clients, for HTTP, and for TLS from the first byte. */
const PORTS = 3;

export const freeProsodyPorts = () => freePorts(PORTS);

export const USERS = { alice: 'wonderland-1', bob: 'builder-2' };

/* A domain where anybody may make an account. */
function openHost(name, ssl) {
    return `
VirtualHost "${name}"
authentication = "internal_hashed"
modules_enabled = { "register_ibr" }
allow_registration = true
${ssl || ''}
`;
}

function rooms(name) {
    return `
Component "${name}" "muc"
muc_room_locking = false
`;
}

function hosts(options) {
    const ssl =
        options.tls &&
        `ssl = { certificate = "${options.tls.certificate}",
    key = "${options.tls.key}" }`;
    return `
VirtualHost "localhost"
authentication = "internal_hashed"
${ssl || ''}
${(options.hosts ?? []).map((name) => openHost(name, ssl)).join('')}
VirtualHost "anon.localhost"
authentication = "anonymous"
${ssl || ''}
${['conference.anon.localhost', ...(options.rooms ?? [])].map(rooms).join('')}
`;
}

function directTls(tls, port) {
    return `c2s_direct_tls_ports = { ${port} }
c2s_direct_tls_ssl = { certificate = "${tls.certificate}",
    key = "${tls.key}" }`;
}

function config(box, name, options, ports) {
    const modules = ['roster', 'saslauth', 'disco', 'smacks', 'ping'];
    modules.push(...(options.modules ?? []));
    if (options.tls) modules.push('tls');
    if (options.http) modules.push('bosh', 'websocket', 'http_errors');
    if (options.pages) modules.push('http_files');
    return `
data_path = "${box.path(name)}/data"
daemonize = false
pidfile = "${box.path(name)}/pid"
log = { { levels = { min = "debug" }, to = "console" } }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { ${ports[0]} }
${options.tls ? directTls(options.tls, ports[2]) : ''}
s2s_ports = { }
http_ports = { ${options.http ? ports[1] : ''} }
https_ports = { }
http_default_host = "localhost"
consider_bosh_secure = true
consider_websocket_secure = true
cross_domain_bosh = true
http_paths = { files = "/" }
http_files_dir = "${options.pages ?? ''}"
http_index_files = { "index.html" }
modules_enabled = { ${modules.map((m) => `"${m}"`).join(', ')} }
modules_disabled = { "s2s" }
c2s_require_encryption = ${options.tls ? 'true' : 'false'}
smacks_hibernation_time = ${options.hibernation ?? 60}
${hosts(options)}
`;
}

/*
 * Options: tls (certificate and key; then STARTTLS is required, and direct TLS
 * has a port of its own), hosts (domains beyond the usual ones, where anybody
 * may register), rooms (domains of rooms beyond the usual one), http (serve
 * BOSH and WebSocket too), pages (a directory to serve with them), name (of its
 * directory), ports (to start again on the same ones), modules (beyond the
 * usual ones).
 */
export async function startProsody(box, options = {}) {
    const name = options.name ?? 'prosody';
    const ports = options.ports ?? (await freeProsodyPorts());
    box.mkdir(`${name}/data`);
    for (const [user, password] of Object.entries(USERS))
        box.write(
            `${name}/data/localhost/accounts/${user}.dat`,
            `return { ["password"] = "${password}"; };\n`,
        );
    const file = box.write(
        `${name}/prosody.cfg.lua`,
        config(box, name, options, ports),
    );
    const child = box.start(name, ['prosody', '--config', file, '-F']);
    await waitPort(ports[0], child);
    if (options.http) await waitPort(ports[1], child);
    if (options.tls) await waitPort(ports[2], child);
    /* How often something stands in its log. */
    const count = (pattern) =>
        ((child.out + child.err).match(pattern) || []).length;
    return {
        child,
        port: ports[0],
        tlsPort: ports[2],
        ports,
        http: ports[1],
        count,
        /* How often it began to wait for a client to come back, how often one
         * did, and how often the stream of a user ended for good. */
        waits: () => count(/going into hibernation/g),
        resumptions: () => count(/resuming existing session/g),
        ends: (jid) => count(new RegExp(`c2s stream for ${jid} closed`, 'g')),
        /* How many SASL exchanges clients have begun. */
        saslCount: () =>
            count(/Received\[c2s[^\]]*\]: <(auth|authenticate)\b/g),
    };
}
