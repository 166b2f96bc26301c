/*
 * TLS on both sides: a listener with a certificate (https and wss), and
 * STARTTLS to a server, which is refused when its certificate is not right.
 * Conformance: J26, J53, J54, K23, K26-K29, K31-K36, F08; decisions 6, 7.
 */

import assert from 'node:assert/strict';
import https from 'node:https';
import tls from 'node:tls';
import { makeCerts } from './lib/certs.js';
import { DOMAINS, endpoints, routes, startDoab } from './lib/doab.js';
import { check, checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { startProsody, USERS } from './lib/prosody.js';
import {
    ask,
    attributes,
    BoshSession,
    OPEN,
    post,
    bodyOf,
    Raw,
    RawWebSocket,
} from './lib/raw.js';
import { freePorts } from './lib/sandbox.js';
import { converse, StropheClient, trust } from './lib/strophe.js';

/* What the server shows, and why it must be refused. */
const REFUSED = ['misnamed', 'expired', 'unknown'];

let certs;
let plain;
let secure;
let good;
const bad = {};

/* A server and a doab for each certificate: all are routes of one domain. */
const box = setup('tls', async () => {
    certs = await makeCerts(box, DOMAINS);
    trust(certs.ca);
    if (!isDoab) {
        good = await startProsody(box, { tls: certs.good, http: true });
        plain = endpoints(`http://127.0.0.1:${good.http}`);
        return;
    }
    good = await startProsody(box, { tls: certs.good });
    const ports = await freePorts(2);
    const { urls } = await start(box, 'good', good, {
        [`127.0.0.1:${ports[0]}`]: {},
        [`127.0.0.1:${ports[1]}`]: certs.good,
    });
    plain = endpoints(urls.find((u) => u.startsWith('http:')));
    secure = endpoints(urls.find((u) => u.startsWith('https:')));
    for (const fault of REFUSED) {
        const server = await startProsody(box, {
            tls: certs[fault],
            name: `prosody-${fault}`,
        });
        const doab = await start(box, fault, server, { '127.0.0.1:0': {} });
        bad[fault] = { server, doab, port: doab.port };
    }
});

function start(box, name, prosody, listen) {
    return startDoab(
        box,
        {
            listen,
            domain: routes(prosody.port, { ca_file: certs.caFile }),
            log: { level: 'debug' },
        },
        `doab-${name}.conf`,
    );
}

async function chat(urls, tag) {
    const alice = await new StropheClient(urls.bosh).login(
        `alice@localhost/${tag}`,
        USERS.alice,
    );
    const bob = await new StropheClient(urls.ws).login(
        `bob@localhost/${tag}`,
        USERS.bob,
    );
    await alice.present();
    await bob.present();
    await converse(alice, bob, tag);
    await alice.close();
    await bob.close();
}

check('the certificates are wrong in the way their names say', async () => {
    const verify = (name) =>
        box.tool([
            'openssl',
            'verify',
            '-CAfile',
            certs.caFile,
            '-purpose',
            'sslserver',
            '-verify_hostname',
            'localhost',
            certs[name].certificate,
        ]);
    await verify('good');
    await assert.rejects(verify('misnamed'), /hostname mismatch/i);
    await assert.rejects(verify('expired'), /expired/);
    await assert.rejects(verify('unknown'), /unable to get local issuer/);
});

check(
    'STARTTLS to a server with a right certificate, on both transports',
    async () => {
        const before = good.saslCount();
        await chat(plain, 'starttls');
        assert.ok(good.saslCount() > before, 'SASL is seen where it happens');
    },
);

checkDoab('the client is never offered STARTTLS', async () => {
    const session = await new BoshSession(plain.port).open();
    assert.match(session.created.body, /<stream:features/);
    assert.match(session.created.body, /SCRAM-SHA-1/);
    assert.doesNotMatch(session.created.body, /starttls/);
    const ws = await RawWebSocket.open(plain.port);
    ws.text(OPEN('localhost'));
    assert.match(await ws.message(), /^<open /);
    assert.doesNotMatch(await ws.message(), /starttls/);
    ws.close();
});

checkDoab('https and wss: log in and talk', () => chat(secure, 'tls'));

function postSecurely(body) {
    return new Promise((ok, fail) => {
        const options = { method: 'POST', ca: certs.ca, agent: false };
        const request = https.request(secure.bosh, options, (answer) => {
            let text = '';
            answer.setEncoding('utf8');
            answer.on('data', (piece) => (text += piece));
            answer.on('end', () => ok(text));
        });
        request.on('error', fail);
        request.end(body);
    });
}

/* B84: nobody may go on with it in clear, nor end it that way. */
checkDoab('a session born on TLS takes no request over plain', async () => {
    const { sid } = attributes(
        await postSecurely(
            bodyOf({ rid: 1, to: 'localhost', ver: '1.6', wait: 1, hold: 1 }),
        ),
    );
    assert.ok(sid);
    const raw = new Raw(plain.port);
    raw.send(post(bodyOf({ rid: 2, sid, type: 'terminate' })));
    const { body } = await raw.response();
    assert.equal(attributes(body).condition, 'item-not-found');
    await raw.waitEnd();
    const answer = attributes(await postSecurely(bodyOf({ rid: 2, sid })));
    assert.equal(answer.type, undefined);
});

checkDoab(
    'a client that does not know the CA refuses the listener',
    async () => {
        await assert.rejects(
            new Promise((ok, fail) => {
                https
                    .get(secure.bosh, { ca: [], agent: false }, ok)
                    .on('error', fail);
            }),
            /self.signed|unable to (verify|get)/i,
        );
    },
);

checkDoab('the listener speaks TLS 1.2 and 1.3 and nothing older', async () => {
    const connect = (version) =>
        new Promise((ok, fail) => {
            const socket = tls.connect(
                {
                    host: '127.0.0.1',
                    port: secure.port,
                    ca: certs.ca,
                    minVersion: version,
                    maxVersion: version,
                    ciphers: 'DEFAULT:@SECLEVEL=0',
                },
                () => {
                    ok(socket.getProtocol());
                    socket.destroy();
                },
            );
            socket.on('error', fail);
        });
    assert.equal(await connect('TLSv1.3'), 'TLSv1.3');
    assert.equal(await connect('TLSv1.2'), 'TLSv1.2');
    await assert.rejects(connect('TLSv1.1'));
});

checkDoab('plain HTTP on the TLS listener gets no XMPP', async () => {
    await assert.rejects(
        ask(secure.port, post(bodyOf({ rid: 1 }))),
        /ended before a response head/,
    );
});

for (const fault of REFUSED) {
    checkDoab(
        `BOSH: a server with a certificate that is ${fault} is refused`,
        async () => {
            const { body } = (await new BoshSession(bad[fault].port).open())
                .created;
            const { type, condition } = attributes(body);
            assert.equal(type, 'terminate');
            assert.equal(condition, 'remote-connection-failed');
        },
    );

    checkDoab(
        `WebSocket: a server with a certificate that is ${fault} is refused`,
        async () => {
            const ws = await RawWebSocket.open(bad[fault].port);
            ws.text(OPEN('localhost'));
            assert.match(await ws.message(), /^<open /);
            const error = await ws.message();
            assert.match(error, /^<stream:error/);
            assert.match(error, /<remote-connection-failed\b/);
            assert.match(await ws.message(), /^<close /);
            ws.close();
        },
    );

    checkDoab(
        `no SASL reached the server that is ${fault}, and the log says why`,
        async () => {
            assert.equal(bad[fault].server.saslCount(), 0);
            await bad[fault].doab.child.waitFor(/certificate|verif/i);
        },
    );
}

teardown();
