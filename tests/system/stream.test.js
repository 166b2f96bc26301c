/*
 * Servers that send their clients elsewhere, and servers from before XMPP 1.0,
 * over real connections on both transports.
 * Conformance: K40, K44, K46, K51, G42, L50.
 */

import assert from 'node:assert/strict';
import { startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, BoshSession, OPEN, RawWebSocket } from './lib/raw.js';
import { HEADER, MECHANISMS, Scripted } from './lib/scripted.js';

const OLD = HEADER.replace(" version='1.0' xml:lang", ' xml:lang');

let first;
let second;
let port;

function seeOther(host) {
    return (
        '<stream:error><see-other-host' +
        ` xmlns='urn:ietf:params:xml:ns:xmpp-streams'>${host}` +
        '</see-other-host></stream:error></stream:stream>'
    );
}

setup('stream', async (box) => {
    first = await Scripted.start();
    second = await Scripted.start();
    if (!isDoab) return;
    const route = `127.0.0.1:${first.port}`;
    port = (
        await startDoab(box, {
            listen: { '127.0.0.1:0': {} },
            domain: {
                localhost: { route, mode: 'plain', private: true },
                'closed.example': { route, mode: 'plain' },
            },
            upstream: { ports: [String(second.port)], keepalive: '1s' },
        })
    ).port;
});

checkDoab('BOSH: the client is where the server sent it', async () => {
    const session = new BoshSession(port);
    const [stream, opened] = await first.next(() => session.open());
    const [other] = await second.next(() =>
        stream.greet(HEADER, seeOther(`127.0.0.1:${second.port}`)),
    );
    assert.equal(await stream.left(), 'fin');
    await other.greet(HEADER.replace('scripted-1', 'elsewhere'));
    await opened;
    assert.equal(attributes(session.created.body).authid, 'elsewhere');
    await session.ask({ type: 'terminate' });
    await other.left();
});

checkDoab('WebSocket: the same, with one <open/>', async () => {
    const ws = await RawWebSocket.open(port);
    const [stream] = await first.next(() => ws.text(OPEN('localhost')));
    const [other] = await second.next(() =>
        stream.greet(HEADER, seeOther(`127.0.0.1:${second.port}`)),
    );
    await other.greet();
    assert.match(await ws.message(), /^<open /);
    assert.match(await ws.message(), /^<stream:features/);
    ws.close();
    await other.left();
});

checkDoab('a server cannot send us into our own network', async () => {
    const count = second.streams.length;
    const session = new BoshSession(port);
    const [stream, opened] = await first.next(() =>
        session.open({ to: 'closed.example' }),
    );
    await stream.greet(HEADER, seeOther(`127.0.0.1:${second.port}`));
    await opened;
    const { type, condition } = attributes(session.created.body);
    assert.equal(type, 'terminate');
    assert.equal(condition, 'remote-connection-failed');
    assert.equal(second.streams.length, count);
});

checkDoab('WebSocket: a server from before XMPP 1.0', async () => {
    const ws = await RawWebSocket.open(port);
    const [stream] = await first.next(() => ws.text(OPEN('localhost')));
    await stream.greet(OLD, '');
    assert.doesNotMatch(await ws.message(), / version=/);
    assert.match(await ws.message(), /<auth xmlns="http:.*iq-auth"/);
    ws.text(
        '<iq xmlns="jabber:client" type="set" id="a1">' +
            '<query xmlns="jabber:iq:auth"><username>x</username></query></iq>',
    );
    await stream.expect('</iq>');
    stream.say("<iq type='result' id='a1'/>");
    assert.match(await ws.message(), /^<iq .*id="a1"/);
    // Logged in: now and then a space keeps the connection alive.
    await stream.expect(' ');
    ws.close();
    await stream.left();
});

teardown(() => {
    first.stop();
    second.stop();
});
