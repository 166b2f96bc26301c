/*
 * A user's client by hand, over TCP with TLS at the server itself, or over either
 * transport of doab: it logs in, and keeps what comes as trees, in order.
 */

import assert from 'node:assert/strict';
import tls from 'node:tls';
import {
    BoshSession,
    CLOSE,
    OPCODE,
    OPEN,
    Raw,
    RawWebSocket,
} from './raw.js';
import { until } from './sandbox.js';
import { parse, StanzaReader } from './stanza-reader.js';

const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
const SM = 'urn:xmpp:sm:3';
const COUNTED = new Set(['message', 'presence', 'iq']);
const WAIT_MS = 20000;

const BIND = (resource) =>
    '<iq xmlns="jabber:client" type="set" id="bind">' +
    '<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind">' +
    `<resource>${resource}</resource></bind></iq>`;

const auth = (user, password) =>
    `<auth xmlns="${SASL}" mechanism="PLAIN">` +
    Buffer.from(`\0${user}\0${password}`).toString('base64') +
    '</auth>';

class Entity {
    constructor(port) {
        this.port = port;
        this.got = [];
        this.at = 0;
        this.over = undefined;
    }

    take(element) {
        this.got.push(element);
    }

    end(why) {
        this.over ??= why;
    }

    #until(what, probe) {
        const look = () => {
            const found = probe();
            if (!found) assert.equal(this.over, undefined, `no ${what}`);
            return found;
        };
        return until(what, look, WAIT_MS);
    }

    /* The next element for which this is true; what was before it is passed
     * over by later calls. */
    async next(what, isIt) {
        const find = () =>
            this.got.findIndex((e, n) => n >= this.at && isIt(e));
        await this.#until(what, () => find() >= 0);
        this.at = find() + 1;
        return this.got[this.at - 1];
    }

    named(name) {
        return this.next(`<${name}/>`, (e) => e.name === name);
    }

    answer(id) {
        return this.next(id, (e) => e.name === 'iq' && e.attrs.id === id);
    }

    /* The first element of this id, however long it has been there. */
    async heard(id) {
        const isIt = (e) => e.attrs.id === id;
        await this.#until(id, () => this.got.some(isIt));
        return this.got.find(isIt);
    }

    /* What XEP-0198 counts, from a place in what came. */
    stanzas(from = 0) {
        return this.got.slice(from).filter((e) => COUNTED.has(e.name));
    }

    async authenticate({ user, domain, password }) {
        await this.open(domain);
        await this.named('features');
        this.send(auth(user, password));
        await this.named('success');
        await this.restart(domain);
        await this.named('features');
    }

    async login(account, resource = 'here') {
        await this.authenticate(account);
        this.send(BIND(resource));
        const answer = await this.answer('bind');
        assert.equal(answer.attrs.type, 'result');
        this.jid = `${account.user}@${account.domain}/${resource}`;
        return this;
    }

    /* XEP-0198: returns the id by which the stream is resumed. */
    async enable() {
        this.send(`<enable xmlns="${SM}" resume="true"/>`);
        const { attrs } = await this.named('enabled');
        this.counted = this.at;
        return attrs.id;
    }

    async resume(account, id, h) {
        await this.authenticate(account);
        this.send(`<resume xmlns="${SM}" previd="${id}" h="${h}"/>`);
        await this.named('resumed');
        this.counted = this.at;
        return this;
    }

    /* How many stanzas of ours the server has counted. */
    async asked() {
        this.send(`<r xmlns="${SM}"/>`);
        return Number((await this.named('a')).attrs.h);
    }

    acknowledge(h) {
        this.send(`<a xmlns="${SM}" h="${h}"/>`);
    }

    /* The server has done all that came before: it has answered this. */
    async settled(domain) {
        const id = `settled-${this.got.length}`;
        this.send(
            `<iq xmlns="jabber:client" type="get" id="${id}" to="${domain}">` +
                '<ping xmlns="urn:xmpp:ping"/></iq>',
        );
        await this.answer(id);
    }
}

/* At the server, by TLS from the first byte. */
export class TcpEntity extends Entity {
    async open(domain) {
        this.socket = tls.connect({
            host: '127.0.0.1',
            port: this.port,
            servername: domain,
            rejectUnauthorized: false,
        });
        this.socket.setEncoding('utf8');
        this.socket.on('data', (text) => this.reader.write(text));
        this.socket.on('error', (error) => this.end(error.message));
        this.socket.on('close', () => this.end('closed'));
        return this.restart(domain);
    }

    restart(domain) {
        this.reader = new StanzaReader(1, (e) => this.take(e));
        this.send(
            `<stream:stream to='${domain}' version='1.0' xmlns='jabber:client'` +
                " xmlns:stream='http://etherx.jabber.org/streams'>",
        );
    }

    send(text) {
        this.socket.write(text);
    }

    cut() {
        this.socket.destroy();
    }

    close() {
        this.socket.end('</stream:stream>');
    }
}

export class WsEntity extends Entity {
    async open(domain) {
        this.ws = await RawWebSocket.open(this.port);
        this.#read();
        return this.restart(domain);
    }

    async #read() {
        try {
            for (;;) {
                const { opcode, data } = await this.ws.frame(WAIT_MS);
                if (opcode === OPCODE.close) {
                    this.ws.close();
                    return this.end('closed');
                }
                for (const element of parse(data).elements) this.take(element);
            }
        } catch (error) {
            return this.end(error.message);
        }
    }

    restart(domain) {
        this.ws.text(OPEN(domain));
    }

    send(text) {
        this.ws.text(text);
    }

    cut() {
        this.ws.close();
    }

    close() {
        this.ws.text(CLOSE);
    }
}

/* It asks again as soon as no request of it waits. */
export class BoshEntity extends Entity {
    async open(domain) {
        this.domain = domain;
        this.waiting = [];
        this.said = [];
        this.done = Promise.resolve();
        this.session = await new BoshSession(this.port).open({ to: domain });
        this.#body(this.session.created.body);
        this.#flush();
    }

    #body(text) {
        const { root, elements } = parse(text, 1);
        for (const element of elements) this.take(element);
        if (root.attrs.type === 'terminate')
            this.end(root.attrs.condition ?? 'terminated');
    }

    /* Two may wait, since the second one releases the first (hold is 1). */
    #flush() {
        if (this.over !== undefined) return;
        while (this.said.length > 0 && this.waiting.length < 2)
            this.#ask(...this.said.shift());
        if (this.waiting.length === 0) this.#ask({}, '');
    }

    #ask(attrs, payload) {
        const raw = new Raw(this.port);
        raw.send(this.session.next(attrs, payload));
        this.waiting.push(raw);
        this.done = this.done.then(() => this.#answer(raw));
    }

    #say(attrs, payload) {
        this.said.push([attrs, payload]);
        this.#flush();
    }

    async #answer(raw) {
        try {
            this.#body((await raw.response({ ms: WAIT_MS })).body);
        } catch (error) {
            this.end(error.message);
        }
        raw.close();
        this.waiting = this.waiting.filter((other) => other !== raw);
        this.#flush();
    }

    restart(domain) {
        const xmpp = 'urn:xmpp:xbosh';
        this.#say(
            { 'to': domain, 'xmpp:restart': 'true', 'xmlns:xmpp': xmpp },
            '',
        );
    }

    send(text) {
        this.#say({}, text);
    }

    cut() {
        this.end('cut');
        for (const raw of this.waiting) raw.close();
    }

    close() {
        this.#say({ type: 'terminate' }, '');
    }
}

