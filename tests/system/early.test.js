/*
 * Clients that do not wait, and clients that ask for what no login calls for,
 * at real servers: restarts before SASL and after binding, the login and what
 * follows it in two requests, in one body, in the creation request, and over
 * WebSocket in one write; a login that fails and is tried again.
 * Conformance: A27, G09, G14, G17, G30, G31, J18, J30; decisions 1, 25.
 */

import assert from 'node:assert/strict';
import { makeAccount } from './clients/register.js';
import { makeCerts } from './lib/certs.js';
import { endpoints, startDoab } from './lib/doab.js';
import { startEjabberd } from './lib/ejabberd.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { startProsody } from './lib/prosody.js';
import {
    ask,
    attributes,
    bodyOf,
    BoshSession,
    frame,
    OPCODE,
    OPEN,
    post,
    Raw,
    RawWebSocket,
} from './lib/raw.js';

const SERVERS = { prosody: 'prosody.example', ejabberd: 'ejabberd.example' };
const PASSWORD = 'a secret';
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';

let port;

setup('early', async (box) => {
    if (!isDoab) return;
    const certs = await makeCerts(box, Object.values(SERVERS));
    const tls = certs.good;
    const [prosody, ejabberd] = await Promise.all([
        startProsody(box, { tls, hosts: [SERVERS.prosody] }),
        startEjabberd(box, { tls, hosts: [SERVERS.ejabberd] }),
    ]);
    const ports = { prosody: prosody.port, ejabberd: ejabberd.ports.starttls };
    const domain = Object.fromEntries(
        Object.entries(SERVERS).map(([server, name]) => [
            name,
            { route: `127.0.0.1:${ports[server]}`, ca_file: certs.caFile },
        ]),
    );
    const doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain,
    });
    ({ port } = endpoints(doab.urls[0]));
    for (const name of Object.values(SERVERS))
        await makeAccount(port, 'bosh', `ann@${name}`, PASSWORD);
});

const auth = (password = PASSWORD) =>
    `<auth xmlns="${SASL}" mechanism="PLAIN">` +
    Buffer.from(`\0ann\0${password}`).toString('base64') +
    '</auth>';

const BIND =
    '<iq xmlns="jabber:client" type="set" id="bind">' +
    '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>';

const RESTART = { 'xmlns:xmpp': 'urn:xmpp:xbosh', 'xmpp:restart': 'true' };

/* A session whose creation request has this payload, with or without `ver`. */
async function create(domain, ver, payload = '') {
    const session = new BoshSession(port);
    const attrs = {
        rid: session.rid,
        to: domain,
        wait: 20,
        hold: 1,
        'xmpp:version': '1.0',
        'xmlns:xmpp': 'urn:xmpp:xbosh',
    };
    if (ver !== undefined) attrs.ver = ver;
    session.created = await ask(port, post(bodyOf(attrs, payload)));
    session.sid = attributes(session.created.body).sid;
    assert.ok(session.sid, session.created.body);
    return session;
}

const bound = (text) => /<jid>([^<]+)<\/jid>/.exec(text)?.[1];

/* Answers, with empty requests in between, until a pattern is in them. */
async function pollFor(session, pattern, text = '') {
    for (let n = 0; n < 10 && !pattern.test(text); n++)
        text += (await session.ask()).body;
    assert.match(text, pattern);
    return text;
}

/* A message of the client to itself comes through: the session is whole. */
async function echo(session, jid, body) {
    const message =
        `<message xmlns="jabber:client" to="${jid}" type="chat">` +
        `<body>${body}</body></message>`;
    const answer = await session.ask({}, message);
    await pollFor(session, new RegExp(`<body>${body}</body>`), answer.body);
}

for (const [server, domain] of Object.entries(SERVERS)) {
    /* G09; node-xmpp-client 3 asks for the first of these */
    checkDoab(`${server}: restarts that nothing calls for`, async () => {
        const session = await create(domain, '1.6');
        const restart = { to: domain, ...RESTART };
        const raw = new Raw(port);
        /* Held until the next request comes. */
        raw.send(session.next(restart));
        const success = await session.ask({}, auth());
        assert.equal(attributes((await raw.response()).body).type, undefined);
        await pollFor(session, /<success /, success.body);
        const features = await session.ask(restart);
        assert.match(features.body, /<stream:features/);
        const jid = bound((await session.ask({}, BIND)).body);
        assert.ok(jid);
        raw.send(session.next(restart));
        await echo(session, jid, 'still there');
        assert.equal(attributes((await raw.response()).body).type, undefined);
        raw.close();
    });

    for (const ver of ['1.6', undefined]) {
        const how = ver === undefined ? 'without ver' : 'with ver';

        /* decision 25 */
        checkDoab(`${server}: two requests at once, ${how}`, async () => {
            const session = await create(domain, ver);
            const raw = new Raw(port);
            raw.send(session.next({}, auth()) + session.next({}, BIND));
            let text = (await raw.response()).body;
            text += (await raw.response()).body;
            raw.close();
            text = await pollFor(session, /<jid>/, text);
            assert.match(text, /<success .*<jid>/s);
            await echo(session, bound(text), 'in order');
        });

        checkDoab(`${server}: one body for all, ${how}`, async () => {
            const session = await create(domain, ver);
            const answer = await session.ask({}, auth() + BIND);
            const text = await pollFor(session, /<jid>/, answer.body);
            await echo(session, bound(text), 'in one body');
        });

        /* A27 */
        checkDoab(`${server}: the creation request, ${how}`, async () => {
            const session = await create(domain, ver, auth() + BIND);
            const text = session.created.body;
            assert.match(text, /<stream:features.*<success .*<jid>/s);
            await echo(session, bound(text), 'at once');
        });
    }

    /* J18, J30 */
    checkDoab(`${server}: a WebSocket in one write`, async () => {
        const ws = await RawWebSocket.open(port);
        ws.send(
            Buffer.concat(
                [OPEN(domain), auth(), OPEN(domain), BIND].map((text) =>
                    frame(OPCODE.text, text),
                ),
            ),
        );
        const got = [];
        while (!/<jid>/.test(got[got.length - 1] ?? ''))
            got.push(await ws.message());
        const names = got.map((text) => /^<([^\s>]+)/.exec(text)[1]);
        assert.deepEqual(names, [
            'open',
            'stream:features',
            'success',
            'open',
            'stream:features',
            'iq',
        ]);
        ws.close();
    });

    /* G30, G31 */
    checkDoab(`${server}: a login that fails, and another one`, async () => {
        const session = await create(domain, '1.6');
        const raw = new Raw(port);
        raw.send(session.next({}, auth('wrong')) + session.next({}, BIND));
        let text = (await raw.response()).body;
        text += (await raw.response()).body;
        raw.close();
        text = await pollFor(session, /<iq /, text);
        assert.match(text, /<failure .*<iq [^>]*id="bind" type="error"/s);
        assert.match(text, /<not-authorized/);
        const answer = await session.ask({}, auth() + BIND);
        await echo(
            session,
            bound(await pollFor(session, /<jid>/, answer.body)),
            'at last',
        );
    });

    checkDoab(`${server}: a WebSocket login that fails`, async () => {
        const ws = await RawWebSocket.open(port);
        ws.send(
            Buffer.concat(
                [OPEN(domain), auth('wrong'), OPEN(domain), BIND].map((text) =>
                    frame(OPCODE.text, text),
                ),
            ),
        );
        assert.match(await ws.message(), /^<open /);
        assert.match(await ws.message(), /^<stream:features/);
        assert.match(await ws.message(), /^<failure /);
        assert.match(await ws.message(), /^<iq [^>]*id="bind" type="error"/);
        ws.text(auth());
        assert.match(await ws.message(), /^<success /);
        ws.text(OPEN(domain));
        assert.match(await ws.message(), /^<open /);
        assert.match(await ws.message(), /^<stream:features/);
        ws.text(BIND);
        assert.ok(bound(await ws.message()));
        ws.close();
    });
}

teardown();
