/*
 * A client from before RFC 7395, as Strophe.js 1.1 and stanza.io were: it
 * keeps the header that it gets, without closing it, and parses each message
 * that follows inside of it.
 */

import assert from 'node:assert/strict';
import { DOMParser } from '@xmldom/xmldom';
import { secret } from '../lib/harness.js';
import { RawWebSocket } from '../lib/raw.js';

export const CLIENT = 'jabber:client';
export const STREAMS = 'http://etherx.jabber.org/streams';
export const END = '</stream:stream>';

function strict(level, text) {
    throw new Error(`${level}: ${text}`);
}

function parse(text) {
    return new DOMParser({ onError: strict }).parseFromString(text, 'text/xml')
        .documentElement;
}

export class OldClient {
    static async connect(port, to = 'anon.localhost') {
        const client = new OldClient();
        client.to = to;
        client.ws = await RawWebSocket.open(port);
        await client.begin();
        return client;
    }

    /* The header, and again after login. */
    async begin() {
        this.send(
            `<stream:stream to='${this.to}' xmlns='${CLIENT}'` +
                ` xmlns:stream='${STREAMS}' version='1.0'>`,
        );
        this.header = await this.ws.message();
        assert.ok(this.header.startsWith('<stream:stream '), this.header);
        const closed = this.header.replace(
            /<stream:stream (.*[^/])>/,
            '<stream:stream $1/>',
        );
        const root = parse(closed);
        assert.equal(root.namespaceURI, STREAMS);
        assert.equal(root.getAttribute('xmlns'), CLIENT);
        assert.equal(root.getAttribute('version'), '1.0');
        assert.equal(root.getAttribute('from'), this.to);
        this.id = root.getAttribute('id');
        this.features = await this.next();
        assert.equal(this.features.nodeName, 'stream:features');
    }

    send(text) {
        this.ws.text(text);
        return this;
    }

    /* The next element. */
    async next() {
        const text = await this.ws.message();
        const stream = parse(this.header + text + END);
        assert.equal(stream.childNodes.length, 1, text);
        return stream.firstChild;
    }

    async login() {
        this.send(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'" +
                " mechanism='ANONYMOUS'/>",
        );
        const success = await this.next();
        assert.equal(success.nodeName, 'success');
        secret('SASL payload', success.textContent);
        const before = this.id;
        await this.begin();
        assert.notEqual(this.id, before);
        /* It inherits jabber:client. */
        this.send(
            "<iq type='set' id='b'>" +
                "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        );
        const bound = await this.next();
        assert.equal(bound.namespaceURI, CLIENT);
        this.jid = bound.getElementsByTagName('jid')[0].textContent;
        return this;
    }

    say(to, text) {
        this.send(
            `<message to='${to}' type='chat'><body>${text}</body></message>`,
        );
    }

    /* The body of the message that comes next; presence is skipped. */
    async hear() {
        for (;;) {
            const stanza = await this.next();
            if (stanza.nodeName === 'message')
                return stanza.getElementsByTagName('body')[0].textContent;
        }
    }
}
