/*
 * A server that the configuration names was restarted, and all of its clients
 * come back at once: they wait for their turn or are told to come again, and
 * no one hears that the server is gone.
 * Conformance: L50; decision 9.
 */

import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, bodyOf, post, Raw } from './lib/raw.js';
import { HEADER, MECHANISMS } from './lib/scripted.js';

const CLIENTS = 300;
const TRIES = 100;

let doab;
let server;
let port;

function listen() {
    server = net.createServer((socket) => {
        let heard = '';
        socket.on('error', () => {});
        socket.on('data', (bytes) => {
            heard += bytes;
            if (/<stream:stream[^>]*>$/.test(heard))
                socket.write(HEADER + MECHANISMS);
            else if (heard.endsWith('</stream:stream>'))
                socket.end('</stream:stream>');
        });
    });
    server.listen(port ?? 0, '127.0.0.1');
    return once(server, 'listening');
}

setup('restart', async (box) => {
    if (!isDoab) return;
    await listen();
    ({ port } = server.address());
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: { localhost: { route: `127.0.0.1:${port}`, mode: 'plain' } },
        limits: { workers: 1 },
        upstream: {
            connects_max: 4,
            connects_per_network: 1,
            connects_per_client: 1,
            connects_waiting_max: 20,
        },
    });
});

/* All connections are there before the first request is. */
function clients() {
    return Promise.all(
        Array.from({ length: CLIENTS }, async () => {
            const raw = new Raw(doab.port);
            raw.send('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
            await raw.response();
            return raw;
        }),
    );
}

async function getIn(raw, seen) {
    for (let i = 0; i < TRIES; i++) {
        raw.send(post(bodyOf({ rid: 1, to: 'localhost', wait: 5, hold: 1 })));
        const { status, head, body } = await raw.response();
        seen.add(status);
        if (status === 200) {
            assert.equal(attributes(body).type, undefined, body);
            assert.match(body, /<mechanisms/);
            return;
        }
        assert.equal(status, 503, head + body);
        assert.match(head, /\r\nRetry-After: \d+\r\n/);
        await sleep(20 + Math.random() * 100);
    }
    assert.fail('it was turned away all the time');
}

checkDoab('all clients of a route get in, at once or the next time', async () => {
    const seen = new Set();
    const all = await clients();
    await Promise.all(all.map((raw) => getIn(raw, seen)));
    assert.deepEqual([...seen].sort(), [200, 503]);
    for (const raw of all) raw.close();
});

/* That one is really gone. */
checkDoab('where nobody listens they hear that', async () => {
    server.close();
    const [raw] = await clients();
    raw.send(post(bodyOf({ rid: 1, to: 'localhost', wait: 5, hold: 1 })));
    const { body } = await raw.response();
    assert.equal(attributes(body).condition, 'remote-connection-failed');
    raw.close();
    await listen();
    await getIn(new Raw(doab.port), new Set());
});

teardown(() => server?.close());
