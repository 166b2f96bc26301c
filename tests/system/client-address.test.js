/*
 * Who the client is, behind a proxy: a real HAProxy that says so by headers
 * and by the PROXY protocol, and clients that lie.
 * Conformance L04.
 */

import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { makeCerts } from './lib/certs.js';
import { startDoab } from './lib/doab.js';
import { checkDoab, setup, teardown } from './lib/harness.js';
import { startHaproxy } from './lib/haproxy.js';

/* Not the address of the proxy, which is trusted. */
const CLIENT = '127.0.0.5';
const LIE = 'X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.8\r\n';

let doab;
let proxy;
let counter = 0;

setup('client-address', async (box) => {
    const cert = (await makeCerts(box, ['localhost'])).good;
    doab = await startDoab(box, {
        listen: {
            '127.0.0.1:0': {},
            '[::1]:0': {
                proxy_protocol: 'yes',
                certificate: cert.certificate,
                key: cert.key,
            },
        },
        http: { trusted_proxies: ['127.0.0.1', '::1'] },
        log: { level: 'debug' },
    });
    const [plain, secure] = doab.urls.map((u) => new URL(u).host);
    proxy = await startHaproxy(box, {
        headers: {
            mode: 'http',
            options: ['option forwardfor'],
            to: plain,
        },
        v1: { mode: 'tcp', server: 'send-proxy', to: secure },
        v2: { mode: 'tcp', server: 'send-proxy-v2', to: secure },
    });
});

/* Asks for a path of its own, and says whom the log takes the client for. */
async function clientOf(port, { from = CLIENT, secure = false, lines = '' }) {
    const path = `/who-${++counter}`;
    let socket = net.connect({ port, host: '127.0.0.1', localAddress: from });
    socket.setTimeout(10000, () => socket.destroy(new Error('no answer')));
    if (secure) socket = tls.connect({ socket, rejectUnauthorized: false });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
    const answer = await new Promise((resolve, reject) => {
        socket.once('data', (d) => resolve(String(d)));
        socket.once('end', () => reject(new Error('closed')));
        socket.once('error', reject);
    });
    socket.destroy();
    assert.match(answer, /^HTTP\/1\.1 404 /);
    const line = new RegExp(`http\\.request c=(\\S+) path="?${path}"?\\b`);
    return (await doab.child.waitFor(line))[1];
}

checkDoab('X-Forwarded-For of a trusted proxy names the client', async () => {
    assert.equal(await clientOf(proxy.headers, {}), CLIENT);
});

checkDoab('what the client wrote into it is not believed', async () => {
    assert.equal(await clientOf(proxy.headers, { lines: LIE }), CLIENT);
});

checkDoab('a stranger who names somebody else stays himself', async () => {
    assert.equal(await clientOf(doab.port, { lines: LIE }), CLIENT);
});

checkDoab('the PROXY protocol names the client, in front of TLS', async () => {
    for (const port of [proxy.v1, proxy.v2])
        assert.equal(await clientOf(port, { secure: true }), CLIENT);
});

checkDoab('a client behind it adds nothing by a header', async () => {
    const seen = await clientOf(proxy.v2, { secure: true, lines: LIE });
    assert.equal(seen, CLIENT);
});

teardown();
