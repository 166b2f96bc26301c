/*
 * An XMPP server with a fault: it says its part of STARTTLS, or speaks TLS
 * from the first byte, resumes TLS sessions, and fails where it is told to.
 * For what no real server does on request.
 *
 *     const server = await Faulty.start({ certs, fault: 'injected' });
 *
 * `fault` may be changed at any time, and holds for the next connection:
 *
 *   none              all is well up to the features after TLS
 *   reset-accept      reset at once, before any byte
 *   reset-header      reset after its header (in TLS, when that is direct)
 *   reset-handshake   reset where TLS would begin
 *   black-hole        accepts and says nothing
 *   drip              one byte a second
 *   stripped          no <starttls/> in the features, and none is taken
 *   refused           <failure/> for <starttls/>
 *   injected          stanzas in the same segment, where TLS begins
 *   oversized         features without end
 *   malformed         features that are no XML
 *   alpn              chooses no protocol of ours
 *   truncated         ends without the end of TLS, once asked for SASL
 *
 * `cert` is the name of one of certs, which the next handshake shows.
 */

import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { MECHANISMS, Stream } from './scripted.js';
import { sleep } from './sandbox.js';

const STARTTLS =
    '<stream:features>' +
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>" +
    '</starttls></stream:features>';
const PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const FAILURE = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const INJECTED =
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" +
    '<mechanism>INJECTED</mechanism></mechanisms></stream:features>';

const header = (domain) =>
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client'" +
    " xmlns:stream='http://etherx.jabber.org/streams'" +
    ` id='faulty' from='${domain}' version='1.0'>`;

/* Bytes of a drip; who reads gives up long before. */
const DRIP_MAX = 20;

export class Faulty {
    static async start({ certs, cert = 'good', fault = 'none', direct = false }) {
        const faulty = new Faulty();
        Object.assign(faulty, { certs, cert, fault, direct });
        /* What was told before TLS and what inside; how often it resumed. */
        faulty.plain = '';
        faulty.streams = [];
        faulty.connections = 0;
        faulty.resumed = 0;
        faulty.sockets = new Set();
        faulty.contexts = new Map();
        faulty.server = net.createServer((socket) => faulty.#accept(socket));
        faulty.server.listen(0, '127.0.0.1');
        await once(faulty.server, 'listening');
        faulty.port = faulty.server.address().port;
        return faulty;
    }

    get secured() {
        return this.streams.length;
    }

    /* All that was told inside TLS. */
    get inside() {
        return this.streams.map((s) => s.all).join('');
    }

    stop() {
        for (const socket of this.sockets) socket.destroy();
        this.server.close();
    }

    #accept(socket) {
        this.connections++;
        this.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => this.sockets.delete(socket));
        if (this.fault === 'reset-accept') return socket.resetAndDestroy();
        if (this.fault === 'black-hole') return socket.resume();
        if (this.direct) return this.#secure(socket, this.fault);
        return this.#greet(socket, this.fault).catch(() => {});
    }

    /* Before STARTTLS. */
    async #greet(socket, fault) {
        const stream = new Stream(socket);
        socket.on('data', (text) => {
            this.plain += text;
        });
        const domain = await this.#header(stream);
        if (fault === 'reset-header') {
            stream.say(header(domain));
            await sleep(20);
            return socket.resetAndDestroy();
        }
        const features = {
            stripped: MECHANISMS,
            oversized: `<stream:features>${'<x/>'.repeat(20000)}`,
            malformed: '<stream:features><a></b></stream:features>',
        }[fault];
        if (fault === 'drip') return this.#drip(stream, header(domain));
        stream.say(header(domain) + (features ?? STARTTLS));
        await stream.expect('<starttls');
        if (fault === 'stripped' || fault === 'refused')
            return stream.say(`${FAILURE}</stream:stream>`);
        if (fault === 'injected') stream.say(PROCEED + INJECTED);
        else stream.say(PROCEED);
        socket.removeAllListeners('data');
        return this.#secure(socket, fault);
    }

    async #drip(stream, text) {
        for (const byte of text.slice(0, DRIP_MAX)) {
            if (stream.ended) return;
            stream.say(byte);
            await sleep(1000);
        }
    }

    async #header(stream) {
        const text =
            (await stream.expect('<stream:stream')) + (await stream.expect('>'));
        return / to=['"]([^'"]*)/.exec(text)?.[1] ?? '';
    }

    /* One context for each certificate, so that its tickets are good later. */
    #context(cert, fault) {
        const name = `${cert} ${fault === 'alpn'}`;
        if (!this.contexts.has(name)) {
            const server = tls.createServer({
                cert: fs.readFileSync(this.certs[cert].certificate),
                key: fs.readFileSync(this.certs[cert].key),
                ALPNProtocols: [fault === 'alpn' ? 'h2' : 'xmpp-client'],
            });
            server.on('tlsClientError', () => {});
            server.on('secureConnection', (socket) => this.#inside(socket));
            this.contexts.set(name, server);
        }
        return this.contexts.get(name);
    }

    async #secure(socket, fault) {
        if (fault === 'reset-handshake') {
            await once(socket, 'data');
            return socket.resetAndDestroy();
        }
        if (fault === 'injected' && this.direct) socket.write(INJECTED);
        this.#context(this.cert, fault).emit('connection', socket);
        return undefined;
    }

    /* The stream that begins after TLS. */
    async #inside(socket) {
        const stream = new Stream(socket);
        const { fault } = this;
        const raw = [...this.sockets].find(
            (s) => s.remotePort === socket.remotePort,
        );
        this.streams.push(stream);
        stream.resumed = socket.isSessionReused();
        stream.sni = socket.servername;
        stream.alpn = socket.alpnProtocol;
        if (stream.resumed) this.resumed++;
        stream.all = '';
        socket.on('data', (text) => {
            stream.all += text;
        });
        try {
            const domain = await this.#header(stream);
            stream.say(header(domain));
            if (this.direct && fault === 'drip')
                await this.#drip(stream, MECHANISMS);
            else if (this.direct && fault === 'reset-header')
                raw?.resetAndDestroy();
            else if (this.direct && fault === 'oversized')
                stream.say(`<stream:features>${'<x/>'.repeat(20000)}`);
            else if (this.direct && fault === 'malformed')
                stream.say('<stream:features><a></b></stream:features>');
            else stream.say(MECHANISMS);
            if (fault !== 'truncated') return;
            await stream.expect('<auth');
            socket.destroy();
        } catch {
            /* The other side has left. */
        }
    }
}
