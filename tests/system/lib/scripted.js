/*
 * A server that says just what a test tells it to, over plain TCP, and keeps
 * what it is told: for what no real server does on request.
 */

import { once } from 'node:events';
import net from 'node:net';
import { until } from './sandbox.js';

export const HEADER =
    "<?xml version='1.0'?><stream:stream" +
    " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'" +
    " id='scripted-1' from='localhost' version='1.0' xml:lang='en'>";

export const MECHANISMS =
    '<stream:features>' +
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" +
    '<mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>';

export const BIND =
    '<stream:features>' +
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";

/* One connection: `got` is all it was told, `ended` how it was left: false,
 * 'fin' or 'reset'. */
export class Stream {
    constructor(socket) {
        this.socket = socket;
        this.got = '';
        this.ended = false;
        socket.setEncoding('utf8');
        socket.on('data', (text) => {
            this.got += text;
        });
        socket.on('end', () => {
            this.ended ||= 'fin';
        });
        socket.on('error', () => {
            this.ended = 'reset';
        });
    }

    say(text) {
        this.socket.write(text);
        return this;
    }

    /* Waits for a text and forgets all up to its end. */
    async expect(text) {
        await until(`the server to be told ${text}`, () =>
            this.got.includes(text),
        );
        const at = this.got.indexOf(text) + text.length;
        const before = this.got.slice(0, at);
        this.got = this.got.slice(at);
        return before;
    }

    async over() {
        await until('the end of the connection', () => this.ended);
        return this.ended;
    }

    /* The end of the stream in either way; a polite one is answered. */
    async left() {
        const end = '</stream:stream>';
        await until(
            'the end of the stream',
            () => this.ended || this.got.includes(end),
        );
        if (!this.ended) this.say(end);
        return this.over();
    }

    /* From a fresh connection to features. */
    async greet(header = HEADER, features = MECHANISMS) {
        await this.expect('<stream:stream');
        await this.expect('>');
        return this.say(header).say(features);
    }

    /* Agrees to everything up to binding. */
    async authenticate() {
        await this.expect('<auth ');
        this.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        await this.greet(HEADER.replace('scripted-1', 'scripted-2'), BIND);
    }
}

export class Scripted {
    static async start(host = '127.0.0.1', port = 0) {
        const scripted = new Scripted();
        scripted.streams = [];
        scripted.server = net.createServer(
            { allowHalfOpen: true },
            (socket) => {
                scripted.streams.push(new Stream(socket));
            },
        );
        scripted.server.listen(port, host);
        await once(scripted.server, 'listening');
        scripted.port = scripted.server.address().port;
        return scripted;
    }

    /* The connection that comes next, beyond those there were before. */
    async next(act) {
        const count = this.streams.length;
        const done = act();
        await until(
            'a connection to the server',
            () => this.streams.length > count,
        );
        return [this.streams[count], done];
    }

    stop() {
        for (const { socket } of this.streams) socket.destroy();
        this.server.close();
    }
}
