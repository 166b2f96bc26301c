/*
 * Two old ways to log in on a web server and let the page go on: what
 * xmpp-prebind-php does (Q27) and what Strophe's Django example
 * does (4.2).  Each resolves to what the page needs, { jid, sid, rid }, and
 * to the answers it got on the way.
 *
 * They look at answers just as their models do, by node names and positions,
 * since that is what a gateway has to satisfy.
 */

import { DOMParser } from '@xmldom/xmldom';
import { secret } from '../lib/harness.js';
import { Raw, request } from '../lib/raw.js';

const NS = {
    body: 'http://jabber.org/protocol/httpbind',
    xbosh: 'urn:xmpp:xbosh',
    sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
    bind: 'urn:ietf:params:xml:ns:xmpp-bind',
    session: 'urn:ietf:params:xml:ns:xmpp-session',
};

/* curl asks before it sends a larger body: 1 kB in old releases. */
const EXPECT_BYTES = 1024;

const random = (from, to) => from + Math.floor(Math.random() * (to - from));

function attributes(map) {
    return Object.entries(map)
        .map(([name, value]) => ` ${name}="${value}"`)
        .join('');
}

function parse(answer) {
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    const strict = (level, message) => {
        throw new Error(`${level}: ${message}`);
    };
    return new DOMParser({ onError: strict }).parseFromString(
        answer.body,
        'text/xml',
    ).documentElement;
}

const iq = (id, child) =>
    `<iq xmlns="jabber:client" type="set" id="${id}">${child}</iq>`;

const bindIq = (id, resource) =>
    iq(
        id,
        `<bind xmlns="${NS.bind}"><resource>${resource}</resource></bind>`,
    );

const sessionIq = (id) => iq(id, `<session xmlns="${NS.session}"/>`);

function plain(authzid, user, password) {
    const payload = Buffer.from(`${authzid}\0${user}\0${password}`).toString(
        'base64',
    );
    secret('SASL payload', payload);
    return payload;
}

const auth = (payload) =>
    `<auth xmlns="${NS.sasl}" mechanism="PLAIN">${payload}</auth>`;

/* What both have in common: a connection for each request, and no more than
 * one request at a time. */
class Client {
    constructor(url, jid, password) {
        this.url = new URL(url);
        this.jid = jid;
        [this.user, this.host, this.resource] = jid.split(/[@/]/);
        this.password = password;
        this.sid = '';
        this.answers = [];
        this.continued = 0;
    }

    /* One POST on a connection of its own. */
    async exchange(text, headers) {
        const all = {
            'Host': this.url.host,
            ...headers,
            'Content-Length': String(Buffer.byteLength(text)),
        };
        const raw = new Raw(Number(this.url.port));
        try {
            raw.send(request('POST', this.url.pathname, '', all));
            if (all.Expect) {
                const word = await raw.response();
                if (word.status !== 100) return word;
                this.continued += 1;
            }
            raw.send(text);
            const answer = await raw.response();
            this.answers.push(answer.body);
            return parse(answer);
        } finally {
            raw.close();
        }
    }

    get info() {
        return { jid: this.jid, sid: this.sid, rid: this.rid };
    }
}

/* --- xmpp-prebind-php --- */

const PHP_TYPE = 'text/xml charset=utf-8';

export class PhpPrebind extends Client {
    constructor(...args) {
        super(...args);
        this.rid = random(1e9, 1e10);
    }

    post(attrs, payload = '') {
        const all = attributes({
            'xmlns': NS.body,
            'content': PHP_TYPE,
            'rid': this.rid,
            'xml:lang': 'en',
            ...(this.sid && { sid: this.sid }),
            ...attrs,
        });
        this.rid += 1;
        const text =
            '<?xml version="1.0" encoding="UTF-8"?>\n' +
            (payload ? `<body${all}>${payload}</body>\n` : `<body${all}/>\n`);
        return this.exchange(text, {
            'Accept': '*/*',
            'Content-Type': PHP_TYPE,
            ...(text.length > EXPECT_BYTES && { Expect: '100-continue' }),
        });
    }

    async login() {
        const created = await this.post({
            'hold': 1,
            'to': this.host,
            'xmlns:xmpp': NS.xbosh,
            'xmpp:version': '1.0',
            'wait': 60,
        });
        this.sid = created.getAttribute('sid');
        /* It looks nowhere but in the first child of the first child. */
        const offered = [
            ...created.firstChild.firstChild.getElementsByTagName('mechanism'),
        ].map((m) => m.textContent);
        if (!offered.includes('PLAIN'))
            throw new Error(`no mechanism that it knows: ${offered}`);

        const answer = await this.post(
            {},
            auth(plain(this.jid, this.user, this.password)),
        );
        if (answer.firstChild?.nodeName !== 'success')
            throw new Error(`invalid login: ${answer.firstChild?.nodeName}`);

        const restarted = await this.post({
            'to': this.host,
            'xmlns:xmpp': NS.xbosh,
            'xmpp:restart': 'true',
        });
        const features = [...restarted.childNodes]
            .filter((e) => e.nodeName === 'stream:features')
            .flatMap((e) => [...e.childNodes].map((f) => f.nodeName));
        if (features.includes('bind'))
            await this.post(
                {},
                bindIq(`bind_${random(0, 1e9)}`, this.resource),
            );
        if (features.includes('session'))
            await this.post({}, sessionIq(`session_auth_${random(0, 1e9)}`));
        return this.info;
    }
}

/* --- Strophe's Django example --- */

export class DjangoAttach extends Client {
    constructor(...args) {
        super(...args);
        this.rid = random(0, 1e7);
    }

    /* Its XML library writes single quotes, and no declaration. */
    send(attrs, payload = '') {
        const all = attributes({
            'xmlns': NS.body,
            'content': 'text/xml; charset=utf-8',
            ...attrs,
            'xml:lang': 'en',
        }).replaceAll('"', "'");
        return this.exchange(
            payload ? `<body${all}>${payload}</body>` : `<body${all}/>`,
            {
                'Accept-Encoding': 'identity',
                'Content-type': 'text/xml',
                'Accept': 'text/xml',
            },
        );
    }

    post(payload) {
        this.rid += 1;
        return this.send({ rid: this.rid, sid: this.sid }, payload);
    }

    async login() {
        const created = await this.send({
            hold: 1,
            rid: this.rid,
            to: this.host,
            wait: 70,
            window: 5,
        });
        if (!created.hasAttribute('authid') || !created.hasAttribute('sid'))
            throw new Error('no authid or no sid');
        this.sid = created.getAttribute('sid');

        let answer = await this.post(
            auth(`${plain('', this.user, this.password)}\n`),
        );
        if (!answer.firstChild) answer = await this.post();
        if (answer.firstChild.nodeName !== 'success')
            throw new Error(`invalid login: ${answer.firstChild.nodeName}`);

        /* No restart: an empty request, and its answer must hold features. */
        const features = (await this.post()).firstChild;
        if (![...features.childNodes].some((f) => f.nodeName === 'bind'))
            throw new Error(`no bind in ${features.nodeName}`);
        await this.post(bindIq('H_0', this.resource));
        await this.post(sessionIq('H_1'));
        this.rid += 1;
        return this.info;
    }
}
