/*
 * A network between a client and doab that a test can break: it passes TCP
 * on, until it is told to lose what the client sends, or to lose both.
 */

import { once } from 'node:events';
import net from 'node:net';
import { until } from './sandbox.js';

const TOLD_MAX = 1 << 16;

export class Relay {
    /* Listens on a port of loopback and passes on to `port`, where clients
     * then seem to come from an address of loopback. */
    static async start(port, localAddress = '127.0.0.1') {
        const relay = new Relay();
        relay.target = { port, host: '127.0.0.1', localAddress };
        relay.pairs = new Set();
        relay.waiting = [];
        relay.is_cut = false;
        relay.is_deaf = false;
        relay.lost = 0;
        /* Bytes that passed, from clients and to them, and what they were
         * told first: heads of HTTP, and more. */
        relay.up = 0;
        relay.down = 0;
        relay.told = '';
        relay.server = net.createServer((socket) => {
            socket.on('error', () => {});
            if (relay.is_cut) relay.waiting.push(socket);
            else relay.join(socket);
        });
        relay.server.listen(0, '127.0.0.1');
        await once(relay.server, 'listening');
        relay.port = relay.server.address().port;
        return relay;
    }

    join(near) {
        const far = net.connect(this.target);
        const pair = [near, far];
        this.pairs.add(pair);
        near.on('data', (bytes) => {
            if (this.is_deaf) {
                this.lost += bytes.length;
                return;
            }
            this.up += bytes.length;
            far.write(bytes);
        });
        far.on('data', (bytes) => {
            this.down += bytes.length;
            if (this.told.length < TOLD_MAX)
                this.told += bytes.toString('latin1');
            near.write(bytes);
        });
        for (const [one, other] of [pair, [far, near]]) {
            one.on('end', () => other.end());
            one.on('error', () => other.destroy());
            one.on('close', () => {
                other.destroy();
                this.pairs.delete(pair);
            });
        }
    }

    /* From now on nothing that a client sends arrives. */
    deafen() {
        this.is_deaf = true;
    }

    async swallowed() {
        await until('something to be lost', () => this.lost > 0);
    }

    /* Resets all connections; new ones get no further than to here. */
    cut() {
        this.is_cut = true;
        this.is_deaf = false;
        this.lost = 0;
        for (const pair of this.pairs)
            for (const socket of pair) socket.resetAndDestroy();
    }

    mend() {
        this.is_cut = false;
        for (const socket of this.waiting.splice(0))
            if (!socket.destroyed) this.join(socket);
    }

    stop() {
        this.server.close();
        for (const socket of [...this.pairs].flat().concat(this.waiting))
            socket.destroy();
    }
}
