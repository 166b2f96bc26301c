/*
 * Clients that know XEP-0198, each behind the same few words:
 *
 *     login(url, jid, password, box) -> { jid, bodies, resumed, say, close }
 *
 * `bodies` are those heard so far, `resumed` how often a stream was resumed.
 * Whoever is cut off comes back by itself.
 */

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { client, xml } from '@xmpp/client';
import stanza from 'stanza';
import ws from 'ws';
import { until } from '../lib/sandbox.js';
import { StropheClient } from '../lib/strophe.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const AGAIN_MS = 200;

/* Node 20 has no WebSocket of its own. */
globalThis.WebSocket ??= ws;

const split = (jid) => /^([^@]+)@([^/]+)\/(.+)$/.exec(jid).slice(1);

async function xmppjs(service, jid, password) {
    const [username, domain, resource] = split(jid);
    const xmpp = client({ service, domain, resource, username, password });
    const me = { bodies: [], resumed: 0 };
    xmpp.on('error', (e) => (me.fault = e));
    xmpp.on('stanza', (s) => {
        if (s.is('message')) me.bodies.push(s.getChildText('body'));
    });
    xmpp.streamManagement.on('resumed', () => me.resumed++);
    xmpp.reconnect.delay = AGAIN_MS;
    me.jid = (await xmpp.start()).toString();
    /* Only then does it count right (README). */
    await until('XEP-0198', () => xmpp.streamManagement.enabled);
    await xmpp.send(xml('presence'));
    me.say = (to, body) =>
        xmpp.send(xml('message', { type: 'chat', to }, xml('body', {}, body)));
    me.close = async () => {
        xmpp.reconnect.stop();
        await xmpp.stop();
    };
    return me;
}

async function stanzaio(websocket, jid, password) {
    const [user, domain, resource] = split(jid);
    const me = { bodies: [], resumed: 0 };
    const xmpp = stanza.createClient({
        jid: `${user}@${domain}`,
        resource,
        password,
        autoReconnect: true,
        maxReconnectBackoff: AGAIN_MS / 1000,
        transports: { websocket, bosh: false },
    });
    /* stanza takes what the server prefers, though it has no channel to bind
     * to; so it must be told. */
    for (const hash of ['1', '256'])
        xmpp.sasl.disable(`SCRAM-SHA-${hash}-PLUS`);
    xmpp.on('message', (m) => me.bodies.push(m.body));
    xmpp.on('stream:management:resumed', () => me.resumed++);
    xmpp.connect();
    await new Promise((ok, fail) => {
        xmpp.once('session:started', ok);
        xmpp.once('auth:failed', () => fail(new Error('auth:failed')));
    });
    me.jid = xmpp.jid;
    xmpp.sendPresence();
    me.say = (to, body) => xmpp.sendMessage({ to, type: 'chat', body });
    me.close = async () => {
        let ended = false;
        xmpp.on('stream:end', () => (ended = true));
        xmpp.disconnect();
        await until('the end of the stream', () => ended);
    };
    return me;
}

async function strophe(url, jid, password) {
    const one = new StropheClient(url, { enableStreamManagement: true });
    await one.login(jid, password);
    await one.present();
    const me = { jid: one.jid, resumed: 0, closing: false };
    Object.defineProperty(me, 'bodies', { get: () => one.heard('') });
    one.onLost = () => {
        if (me.closing) return;
        setTimeout(async () => {
            await one.login(jid, password);
            if (one.conn.hasResumed()) me.resumed++;
        }, AGAIN_MS);
    };
    me.say = (to, body) => one.say(to, body);
    me.close = () => {
        me.closing = true;
        return one.close();
    };
    return me;
}

async function nbxmpp(url, jid, password, box) {
    const child = box.start(
        'nbxmpp',
        [
            '/usr/bin/python3',
            box.copy(path.join(here, 'nbxmpp_ws.py'), 'nbxmpp_ws.py'),
            url,
            jid,
            password,
        ],
        { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    const [, bound] = await child.waitFor(/^online (.*)$/m);
    const me = { jid: bound };
    const all = (pattern) => [...child.out.matchAll(pattern)];
    Object.defineProperty(me, 'bodies', {
        get: () => all(/^got (.*)$/gm).map(([, body]) => body),
    });
    Object.defineProperty(me, 'resumed', {
        get: () => all(/^resumed /gm).length,
    });
    me.say = (to, body) => child.proc.stdin.write(`say ${to} ${body}\n`);
    me.close = async () => {
        child.proc.stdin.write('close\n');
        const code = await child.exited;
        if (code !== 0) throw new Error(`nbxmpp ended with ${code}`);
    };
    return me;
}

export const CLIENTS = {
    '@xmpp/client': xmppjs,
    'stanza': stanzaio,
    'Strophe': strophe,
    'nbxmpp': nbxmpp,
};
