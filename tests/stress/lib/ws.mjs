/*
 * A session over WebSocket.  Its connection is its life.
 */

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { until } from '../../system/lib/sandbox.js';
import { count, Session, STANZA } from './history.mjs';
import { auth } from './server.mjs';

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'";
const OPEN = `<open ${FRAMING} to='localhost' version='1.0'/>`;
const CLOSE = `<close ${FRAMING}/>`;

export class WsSession extends Session {
    /* Says one thing and waits for what it brings about. */
    async ask(message, wanted) {
        this.ws.send(message);
        await until(wanted, () => this.seen.includes(wanted));
        this.seen = '';
    }

    take(message) {
        const stanzas = [...message.matchAll(STANZA)];
        if (stanzas.length === 0) this.seen += message;
        for (const [, ...stanza] of stanzas) this.down.take(...stanza);
    }

    async login() {
        const WebSocket = createRequire(
            new URL('../../system/', import.meta.url),
        )('ws');
        const { port, isTls } = this.setup;
        this.seen = '';
        this.isClosed = false;
        this.ws = new WebSocket(
            `${isTls ? 'wss' : 'ws'}://127.0.0.1:${port}/xmpp-websocket`,
            'xmpp',
            { rejectUnauthorized: false },
        );
        this.ws.on('error', () => {});
        this.ws.on('message', (data) => this.take(data.toString()));
        this.ws.on('close', () => {
            this.isClosed = true;
        });
        await once(this.ws, 'open');
        await this.ask(OPEN, '<mechanisms');
        await this.ask(auth(this.name), '<success');
        await this.ask(OPEN, '<bind');
    }

    async run() {
        await this.login();
        const talking = this.talk();
        let left = this.chance.below(200);
        for (; left > 0 && !this.setup.isOver() && !this.isBlamed; left--) {
            this.ws.send(this.up.next());
            await this.chance.pause(40);
            if (this.isClosed) this.blame('ended without reason');
        }
        this.isEnding = true;
        await talking;
        await this.leave(this.chance.one(['close', 'fin', 'terminate']));
    }

    async leave(how) {
        count(`end: websocket ${how}`);
        if (how === 'terminate') this.ws.terminate();
        if (how === 'fin') this.ws._socket.end();
        if (how === 'close') {
            this.ws.send(CLOSE);
            await until('the end', () => this.isClosed);
            this.up.close();
            this.down.close();
        }
        await this.serverIsLeft();
    }
}
