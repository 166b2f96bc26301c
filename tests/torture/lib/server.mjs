/*
 * The XMPP servers behind doab, in this process: they log everybody in, echo
 * messages, and unless they are honest end streams in all ways, before and
 * after the login.
 */

import fs from 'node:fs';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { BIND, HEADER, MECHANISMS } from '../../system/lib/scripted.js';

const STARTTLS =
    '<stream:features>' +
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>" +
    '</starttls></stream:features>';
const PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const FAILURE =
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/>" +
    '</failure>';
const STREAM_ERROR =
    '<stream:error><system-shutdown' +
    " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
const END = '</stream:stream>';

const SILENCE_MS = 3000;

const TOKEN =
    /<stream:stream[^>]*>|<starttls[^>]*>|<auth[^>]*>|<\/stream:stream>|<iq[^>]* id="([^"]*)"[^>]*>|<message[^>]* id="m-(\d+)-(\d+)"[^>]*>/g;

const echo = (n, size) =>
    `<message id='e-${n}'><body>${'y'.repeat(size)}</body></message>`;

/* What a server may do instead of what it was asked. */
const MISCHIEF = {
    reset: (socket) => socket.raw.resetAndDestroy(),
    fin: (socket) => socket.end(),
    end: (socket) => socket.end(END),
    error: (socket) => socket.end(STREAM_ERROR + END),
    malformed: (socket) => socket.write('<a><b></a>'),
    unbound: (socket) => socket.write('<x:y/>'),
    flood: (socket) => {
        for (let i = 0; i < 60; i++) socket.write(echo('flood', 900));
    },
    large: (socket) => socket.write(echo('large', 150000)),
    wide: (socket) => {
        const attributes = Array.from({ length: 300 }, (_, i) => ` a${i}='${i}'`);
        socket.write(`<message><x xmlns='urn:x'${attributes.join('')}/></message>`);
    },
    deep: (socket) =>
        socket.write(
            `<message>${'<d xmlns="d">'.repeat(200)}${'</d>'.repeat(200)}</message>`,
        ),
    drip: async (socket) => {
        for (const byte of echo('drip', 5)) {
            if (!socket.writable) return;
            socket.write(byte);
            await new Promise((done) => setTimeout(done, 2));
        }
    },
    silence: (socket) => {
        socket.pause();
        setTimeout(() => socket.resume(), SILENCE_MS);
    },
};

export class Servers {
    /* chance: what they do when they are not honest. */
    static async start(certs, chance) {
        const servers = new Servers();
        servers.chance = chance;
        servers.isHonest = true;
        servers.sockets = new Set();
        servers.inside = tls.createServer(
            {
                cert: fs.readFileSync(certs.good.certificate),
                key: fs.readFileSync(certs.good.key),
                ALPNProtocols: ['xmpp-client'],
            },
            (socket) => {
                const raw = [...servers.sockets].find(
                    (s) => s.remotePort === socket.remotePort,
                );
                servers.#serve(socket, raw ?? socket, MECHANISMS);
            },
        );
        servers.inside.on('tlsClientError', (_error, socket) =>
            socket.destroy(),
        );
        servers.ports = {};
        for (const kind of ['plain', 'starttls', 'tls'])
            servers.ports[kind] = await servers.#listen(kind);
        return servers;
    }

    async #listen(kind) {
        const server = net.createServer((socket) => {
            this.sockets.add(socket);
            socket.setNoDelay(true);
            socket.on('error', () => {});
            socket.on('close', () => this.sockets.delete(socket));
            if (!this.isHonest && this.chance.of(3)) socket.resetAndDestroy();
            else if (kind === 'tls') this.#secure(socket);
            else
                this.#serve(
                    socket,
                    socket,
                    kind === 'plain' ? MECHANISMS : STARTTLS,
                );
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        (this.listening ??= []).push(server);
        return server.address().port;
    }

    #secure(socket) {
        socket.removeAllListeners('data');
        this.inside.emit('connection', socket);
    }

    #serve(socket, raw, features) {
        let kept = '';
        let isLoggedIn = false;
        socket.raw = raw;
        socket.setEncoding('utf8');
        socket.on('error', () => {});
        const mischief = (percent) => {
            if (this.isHonest || !this.chance.of(percent)) return false;
            MISCHIEF[this.chance.one(Object.keys(MISCHIEF))](socket);
            return true;
        };
        const answer = ([all, iq, n, size]) => {
            if (all.startsWith('<stream:stream')) {
                if (!mischief(3))
                    socket.write(HEADER + (isLoggedIn ? BIND : features));
            } else if (all.startsWith('<starttls')) {
                if (mischief(3)) return;
                socket.write(PROCEED);
                this.#secure(socket);
            } else if (all.startsWith('<auth')) {
                const fails = !this.isHonest && this.chance.of(5);
                isLoggedIn = !fails;
                if (!mischief(3)) socket.write(fails ? FAILURE : SUCCESS);
            } else if (all === END) {
                socket.end(END);
            } else if (iq !== undefined) {
                if (!mischief(3))
                    socket.write(`<iq type='result' id='${iq}'/>`);
            } else if (!mischief(12)) {
                socket.write(echo(n, Number(size)));
            }
        };
        socket.on('data', (text) => {
            let at = 0;
            kept += text;
            TOKEN.lastIndex = 0;
            for (let hit = TOKEN.exec(kept); hit; hit = TOKEN.exec(kept)) {
                at = TOKEN.lastIndex;
                if (socket.writable) answer(hit);
                TOKEN.lastIndex = at;
            }
            kept = kept.slice(at);
            if (kept.length > 4096) kept = kept.slice(-4096);
        });
    }

    stop() {
        for (const socket of this.sockets) socket.destroy();
        for (const server of this.listening) server.close();
    }
}
