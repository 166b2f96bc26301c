/*
 * Clients from before RFC 7395, which begin with <stream:stream>, against a
 * real server; and that they are let in by configuration only.
 * Conformance: J22, J23, J30, J40, J45.
 */

import assert from 'node:assert/strict';
import { CLIENT, END, OldClient, STREAMS } from './clients/old-websocket.js';
import { routes, startDoab, startPair } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { frame, OPCODE, RawWebSocket } from './lib/raw.js';
import { StropheClient } from './lib/strophe.js';

let pair;
let strict;

setup('websocket-legacy', async (box) => {
    if (!isDoab) return;
    pair = await startPair(box, { websocket: { legacy: 'yes' } });
    strict = await startDoab(
        box,
        {
            listen: { '127.0.0.1:0': {} },
            domain: routes(pair.prosody.port),
        },
        'strict.conf',
    );
});

const NORMAL = frame(OPCODE.close, Buffer.from([3, 232]));

checkDoab('it logs in and talks with a client of today', async () => {
    const old = await (await OldClient.connect(pair.port)).login();
    const young = await new StropheClient(pair.ws).login('anon.localhost', '');
    young.say(old.jid, 'to <the> old & back');
    assert.equal(await old.hear(), 'to <the> old & back');
    old.say(young.jid, 'to &lt;the&gt; young');
    await young.hear('to <the> young');
    for (let i = 0; i < 50; i++) old.say(old.jid, `number ${i}`);
    for (let i = 0; i < 50; i++) assert.equal(await old.hear(), `number ${i}`);
    await young.close();
    old.ws.close();
});

checkDoab('the end of the stream is a message, both ways', async () => {
    const old = await (await OldClient.connect(pair.port)).login();
    old.send(END);
    assert.equal(await old.ws.message(), END);
    assert.deepEqual(await old.ws.rest(), { messages: [], code: 1000 });
    old.ws.send(NORMAL);
    await old.ws.waitEnd();
});

/* Strophe closes the socket right behind it. */
checkDoab('what was said before a hasty end arrives', async () => {
    const other = await (await OldClient.connect(pair.port)).login();
    const old = await (await OldClient.connect(pair.port)).login();
    old.say(other.jid, 'last words');
    old.send(END);
    old.ws.send(NORMAL);
    old.ws.socket.end();
    assert.equal(await other.hear(), 'last words');
    other.ws.close();
});

checkDoab('errors come in a stream of its kind', async () => {
    const ws = await RawWebSocket.open(pair.port);
    ws.text(
        `<stream:stream to='nowhere.example' xmlns='${CLIENT}'` +
            ` xmlns:stream='${STREAMS}' version='1.0'>`,
    );
    assert.match(await ws.message(), /^<stream:stream .*[^/]>$/);
    assert.match(await ws.message(), /^<stream:error .*<host-unknown /);
    assert.equal(await ws.message(), END);
    ws.text(END);
    assert.deepEqual(await ws.rest(), { messages: [], code: 1000 });
    ws.close();
});

checkDoab('without the configuration it is an error', async () => {
    const ws = await RawWebSocket.open(strict.port);
    ws.text(
        `<stream:stream to='localhost' xmlns='${CLIENT}'` +
            ` xmlns:stream='${STREAMS}' version='1.0'>`,
    );
    assert.match(await ws.message(), /^<open /);
    assert.match(await ws.message(), /^<stream:error /);
    assert.match(await ws.message(), /^<close /);
    ws.close();
});

teardown();
