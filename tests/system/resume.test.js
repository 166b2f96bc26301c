/*
 * Clients that know XEP-0198, over a connection that is cut: the server keeps
 * their stream, since doab never ends it for them; they resume it, and what
 * was said meanwhile arrives exactly once, in both directions.  Each client
 * with each server; and they resume after doab itself was restarted.
 * Conformance: J40, J42, J45, J50; Q22.
 */

import assert from 'node:assert/strict';
import { makeAccount } from './clients/register.js';
import { CLIENTS } from './clients/resumable.js';
import { makeCerts } from './lib/certs.js';
import { endpoints, routes, startDoab, startPair } from './lib/doab.js';
import { startEjabberd } from './lib/ejabberd.js';
import { check, checkDoab, setup, teardown } from './lib/harness.js';
import { USERS } from './lib/prosody.js';
import { Relay } from './lib/relay.js';
import { freePorts, until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

const EJABBERD = 'ejabberd.example';

const relays = [];
const box = setup('resume', () => {});

/* Each: { server, domain, port, ws }. */
const START = {
    async Prosody() {
        const { prosody, port, ws } = await startPair(box);
        return { server: prosody, domain: 'localhost', port, ws };
    },

    async ejabberd() {
        const certs = await makeCerts(box, [EJABBERD]);
        const server = await startEjabberd(box, {
            hosts: [EJABBERD],
            tls: certs.good,
        });
        const doab = await startDoab(
            box,
            {
                listen: { '127.0.0.1:0': {} },
                domain: {
                    [EJABBERD]: {
                        route: `127.0.0.1:${server.ports.starttls}`,
                        ca_file: certs.caFile,
                    },
                },
                log: { level: 'debug' },
            },
            'doab-ejabberd.conf',
        );
        const { port, ws } = endpoints(doab.urls[0]);
        for (const [user, password] of Object.entries(USERS))
            await makeAccount(port, 'ws', `${user}@${EJABBERD}`, password);
        return { server, domain: EJABBERD, port, ws };
    },
};

/* A server with a partner who stays, and a network that a test can break. */
async function start(name) {
    const place = await START[name]();
    place.relay = await Relay.start(place.port);
    relays.push(place.relay);
    place.url = place.ws.replace(
        `:${place.port}/`,
        `:${place.relay.port}/`,
    );
    place.bob = await new StropheClient(place.ws).login(
        `bob@${place.domain}/b`,
        USERS.bob,
    );
    await place.bob.present();
    return place;
}

const times = (list, body) => list.filter((b) => b === body).length;

const hears = (who, body) =>
    until(`"${body}"`, () => who.bodies.includes(body));

async function talk(one, bob, tag) {
    const odd = `<&> ü € 😀 ${tag}`;
    await one.say(bob.jid, `there ${odd}`);
    const message = await bob.hear(`there ${odd}`);
    assert.equal(message.getAttribute('from'), one.jid);
    bob.say(one.jid, `back ${odd}`);
    await hears(one, `back ${odd}`);
}

/* The last words of the client are lost, and then the connection; while it is
 * gone the other one speaks. */
async function breakOff(one, { relay, server, bob }, tag) {
    const waits = server.waits();
    relay.deafen();
    await one.say(bob.jid, `${tag} lost on the way`);
    await relay.swallowed();
    relay.cut();
    await until('the server to wait', () => server.waits() > waits);
    bob.say(one.jid, `${tag} meanwhile`);
    relay.mend();
}

for (const name of Object.keys(START)) {
    const test = name === 'Prosody' ? check : checkDoab;
    let place;

    test(`${name} starts, and one logs in who stays`, async () => {
        place = await start(name);
    });

    for (const [client, login] of Object.entries(CLIENTS)) {
        let one;
        let jid;

        test(`${name}: ${client} logs in and talks`, async () => {
            jid = `alice@${place.domain}/phone`;
            one = await login(place.url, jid, USERS.alice, box);
            assert.equal(one.jid, jid);
            await talk(one, place.bob, client);
        });

        test(`${name}: ${client} resumes what was cut off`, async () => {
            const { server, bob } = place;
            const before = server.resumptions();
            await breakOff(one, place, client);
            await hears(one, `${client} meanwhile`);
            await bob.hear(`${client} lost on the way`);
            await until('it to know', () => one.resumed === 1);
            assert.equal(server.resumptions(), before + 1);
            await talk(one, bob, `${client} again`);
            assert.equal(times(one.bodies, `${client} meanwhile`), 1);
            assert.deepEqual(bob.heard(`${client} lost`), [
                `${client} lost on the way`,
            ]);
        });

        test(`${name}: ${client} closes, and nothing of it stays`, async () => {
            const { server } = place;
            const [waits, ends] = [server.waits(), server.ends(jid)];
            await one.close();
            await until('its end', () => server.ends(jid) > ends);
            assert.equal(server.waits(), waits);
        });
    }

    test(`${name}: the one who stayed leaves`, () => place.bob.close());
}

/* All but nbxmpp, which forgets its stream as soon as it is told that it ends,
 * as doab tells everyone. */
const PATIENT = Object.keys(CLIENTS).filter((name) => name !== 'nbxmpp');

/* The partner must stay, and so is with another doab. */
checkDoab('streams outlive a restart of doab', async () => {
    const { prosody, ws } = await startPair(box, {}, { name: 'second' });
    const bob = new StropheClient(ws);
    await bob.login('bob@localhost/b', USERS.bob);
    await bob.present();
    const [port] = await freePorts(1);
    const again = async () =>
        startDoab(
            box,
            {
                listen: { [`127.0.0.1:${port}`]: {} },
                domain: routes(prosody.port),
            },
            'doab-again.conf',
        );
    const doab = await again();
    const all = [];
    for (const [i, name] of PATIENT.entries()) {
        const url = endpoints(doab.urls[0]).ws;
        const jid = `alice@localhost/${i}`;
        const one = await CLIENTS[name](url, jid, USERS.alice, box);
        await talk(one, bob, `${name} before the restart`);
        all.push(one);
    }
    assert.equal(await doab.child.stop(), 0);
    assert.equal(prosody.waits(), all.length);
    for (const one of all) bob.say(one.jid, `meanwhile ${one.jid}`);
    await again();
    for (const one of all) {
        const body = `meanwhile ${one.jid}`;
        await hears(one, body);
        await until('it to know', () => one.resumed === 1);
        await talk(one, bob, `${one.jid} after the restart`);
        assert.equal(times(one.bodies, body), 1);
        await one.close();
    }
    assert.equal(prosody.resumptions(), all.length);
    await bob.close();
});

teardown(() => {
    for (const relay of relays) relay.stop();
});
