/*
 * Answers in a content coding: to whom, of what, and what a repeat gets.
 * Conformance I33-I35, L60, L61, B12, T21; decision 10.
 */

import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { routes, startDoab } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import {
    ask,
    attributes,
    bodyOf,
    BoshSession,
    post,
    request,
} from './lib/raw.js';
import { BIND, HEADER, MECHANISMS, Scripted } from './lib/scripted.js';

const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
const SASL2 = 'urn:xmpp:sasl:2';
const AUTH = `<auth xmlns="${SASL}" mechanism="ANONYMOUS"/>`;
const GZIP = { 'Accept-Encoding': 'deflate, GZIP;q=0.8, br' };
const ORIGIN = 'http://good.example';
const LONG = 'again '.repeat(700);

let server;
let off;
let on;
let listed;

/* `listed` is on for the smallest answers, and for the pages of one site. */
setup('raw-gzip', async (box) => {
    server = await Scripted.start();
    if (!isDoab) return;
    const start = async (name, config) =>
        (
            await startDoab(
                box,
                {
                    listen: { '127.0.0.1:0': {} },
                    domain: routes(server.port),
                    log: { level: 'debug' },
                    ...config,
                },
                `${name}.conf`,
            )
        ).port;
    off = await start('off', {});
    on = await start('on', { bosh: { gzip: 'yes' } });
    listed = await start('listed', {
        bosh: { gzip: 'yes', gzip_min: '64' },
        http: { origins: [ORIGIN] },
    });
});

const message = (id, text) =>
    `<message xmlns='jabber:client' id='${id}'><body>${text}</body></message>`;

/* The answer to the session's next request, or to one with `rid` again. */
function send(session, { headers = GZIP, payload = '', rid, ...attrs } = {}) {
    if (rid === undefined) {
        session.rid += 1;
        rid = session.rid;
    }
    const body = bodyOf({ rid, sid: session.sid, ...attrs }, payload);
    return ask(session.port, post(body, headers));
}

function assertPlain(answer) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-encoding'], undefined, answer.body);
    assert.match(answer.body, /^<body /);
    return answer.body;
}

function assertCoded(answer) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-encoding'], 'gzip', answer.body);
    assert.equal(answer.headers['content-type'], 'text/xml; charset=utf-8');
    assert.match(answer.headers.vary, /Accept-Encoding$/);
    return zlib.gunzipSync(answer.bytes).toString();
}

async function create(port) {
    const session = new BoshSession(port);
    const [stream, created] = await server.next(() =>
        ask(
            port,
            post(
                bodyOf({
                    'rid': session.rid,
                    'to': 'localhost',
                    'wait': 5,
                    'hold': 1,
                    'ver': '1.6',
                    'xmpp:version': '1.0',
                    'xmlns:xmpp': 'urn:xmpp:xbosh',
                }),
                GZIP,
            ),
        ),
    );
    return { session, stream, created };
}

/* A session that is logged in; what it was told meanwhile was never coded. */
async function login(port) {
    const { session, stream, created } = await create(port);
    await stream.greet(HEADER, MECHANISMS);
    session.created = await created;
    session.sid = attributes(assertPlain(session.created)).sid;
    const done = stream.authenticate();
    assert.match(assertPlain(await send(session, { payload: AUTH })), /success/);
    const features = send(session, {
        'to': 'localhost',
        'xmlns:xmpp': 'urn:xmpp:xbosh',
        'xmpp:restart': 'true',
    });
    assert.match(assertPlain(await features), /<stream:features/);
    await done;
    return { session, stream };
}

/* What is answered when the server says something while the request waits. */
async function told(session, stream, text, options) {
    const answer = send(session, {
        payload: '<iq xmlns="jabber:client" type="get" id="now"/>',
        ...options,
    });
    await stream.expect('id=');
    stream.say(text);
    return answer;
}

/* --- Who gets what --- */

/* I33, L60 */
checkDoab('by default nothing is compressed', async () => {
    const { session, stream } = await login(off);
    const answer = await told(session, stream, message('m1', LONG));
    assert.ok(assertPlain(answer).includes(LONG));
    assert.equal(answer.headers.vary, undefined);
});

/* I33 */
checkDoab('where it is configured, who accepts it gets gzip', async () => {
    const { session, stream } = await login(on);
    const answer = await told(session, stream, message('m1', LONG));
    const body = assertCoded(answer);
    assert.match(body, /^<body xmlns=.*<message [^]*<\/message><\/body>$/);
    assert.ok(body.includes(LONG));
    assert.ok(answer.bytes.length < body.length / 10);
    assert.equal(answer.headers.vary, 'Accept-Encoding');
    assert.match(answer.headers['cache-control'], /no-store/);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
});

/* I33 */
checkDoab('who does not accept it gets the text, and Vary', async () => {
    const { session, stream } = await login(on);
    for (const headers of [
        {},
        { 'Accept-Encoding': '' },
        { 'Accept-Encoding': 'deflate, br' },
        { 'Accept-Encoding': 'gzip;q=0, *' },
        { 'Accept-Encoding': 'gzip;q=0.1, identity' },
    ]) {
        const answer = await told(session, stream, message('m1', LONG), {
            headers,
        });
        assert.ok(assertPlain(answer).includes(LONG));
        assert.equal(answer.headers.vary, 'Accept-Encoding');
    }
    for (const headers of [
        { 'Accept-Encoding': '*' },
        { 'Accept-Encoding': 'x-gzip' },
        { 'Accept-Encoding': 'identity;q=0, gzip' },
    ])
        assertCoded(
            await told(session, stream, message('m1', LONG), { headers }),
        );
});

/* I33 */
checkDoab('what is small is not compressed', async () => {
    const { session, stream } = await login(on);
    const short = await told(session, stream, message('m1', 'short'));
    assert.match(assertPlain(short), /short/);
    assert.equal(short.headers.vary, 'Accept-Encoding');
    const below = await told(session, stream, message('m2', 'a'.repeat(850)));
    assert.ok(assertPlain(below).length < 1024);
    const above = await told(session, stream, message('m3', 'a'.repeat(1024)));
    assert.ok(assertCoded(above).length > 1024);
});

/* I33, I43 */
checkDoab('one Vary header names both where origins are listed', async () => {
    const { session, stream } = await login(listed);
    const answer = await told(session, stream, message('m1', LONG), {
        headers: { ...GZIP, Origin: ORIGIN },
    });
    assertCoded(answer);
    assert.equal(answer.headers.vary, 'Origin, Accept-Encoding');
    assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
});

/* --- Never a login --- */

/* L60; login() looks at the other answers */
checkDoab('nothing of a login is compressed, however long', async () => {
    const { session, stream, created } = await create(listed);
    const many = '<mechanism>X-AGAIN</mechanism>'.repeat(200);
    await stream.greet(
        HEADER,
        MECHANISMS.replace('<mechanism>', `${many}<mechanism>`),
    );
    session.sid = attributes(assertPlain(await created)).sid;

    const challenged = send(session, { payload: AUTH });
    await stream.expect('<auth ');
    stream.say(`<challenge xmlns='${SASL}'>${'QUFB'.repeat(500)}</challenge>`);
    assert.match(assertPlain(await challenged), /QUFBQUFB/);

    const proved = send(session, {
        payload: `<response xmlns="${SASL}">QUFB</response>`,
    });
    await stream.expect('<response ');
    stream.say(`<success xmlns='${SASL}'>${'QUFB'.repeat(500)}</success>`);
    assert.match(assertPlain(await proved), /<success [^]*QUFBQUFB/);

    const restarted = send(session, {
        'to': 'localhost',
        'xmlns:xmpp': 'urn:xmpp:xbosh',
        'xmpp:restart': 'true',
    });
    const again = "<c xmlns='urn:again'/>".repeat(200);
    await stream.greet(
        HEADER,
        BIND.replace('<bind', `${again}<bind`),
    );
    assert.match(assertPlain(await restarted), /urn:again/);

    /* A repeat is nothing else. */
    for (const rid of [session.rid - 1, session.rid])
        assertPlain(await send(session, { rid }));
    assertCoded(await told(session, stream, message('m1', LONG)));
});

/* L60; XEP-0388: the success may hold a token, and no restart follows */
checkDoab('nor what shares an answer with it', async () => {
    const { session, stream, created } = await create(listed);
    await stream.greet(HEADER, MECHANISMS);
    session.sid = attributes(assertPlain(await created)).sid;
    const proved = send(session, {
        payload: `<authenticate xmlns="${SASL2}" mechanism="ANONYMOUS"/>`,
    });
    await stream.expect('<authenticate ');
    stream.say(
        `<success xmlns='${SASL2}'><token xmlns='urn:xmpp:fast:0'` +
            ` token='${'secret'.repeat(50)}'/></success>` +
            message('m1', LONG),
    );
    const body = assertPlain(await proved);
    assert.match(body, /secretsecret/);
    assert.ok(body.includes(LONG));
    assertCoded(await told(session, stream, message('m2', LONG)));
});

/* --- Repeats --- */

/* B12, T21 */
checkDoab('a repeat is coded for the request that repeats', async () => {
    const { session, stream } = await login(on);
    const first = assertCoded(
        await told(session, stream, message('m1', LONG)),
    );
    const { rid } = session;
    assert.equal(assertPlain(await send(session, { rid, headers: {} })), first);
    assert.equal(assertCoded(await send(session, { rid })), first);
    const text = post(bodyOf({ rid, sid: session.sid }));
    const old = await ask(on, text.replace('HTTP/1.1', 'HTTP/1.0'));
    assert.equal(assertPlain(old), first);

    const second = assertPlain(
        await told(session, stream, message('m2', LONG), { headers: {} }),
    );
    assert.equal(
        assertCoded(await send(session, { rid: session.rid })),
        second,
    );
});

/* --- What has nothing to do with it --- */

/* I02 */
checkDoab('pages, errors and preflights are not compressed', async () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT']) {
        const answer = await ask(on, request(method, '/http-bind', '', GZIP), {
            bodyless: method === 'HEAD',
        });
        assert.equal(answer.headers['content-encoding'], undefined, method);
        assert.equal(answer.headers.vary, undefined, method);
    }
    const unknown = await ask(on, post(bodyOf({ rid: 5, sid: 'none' }), GZIP));
    assert.match(assertPlain(unknown), /item-not-found/);
});

/* A39, I34, L61; decision 10 */
checkDoab('requests in a coding are refused, and none is named', async () => {
    const { session, stream } = await login(on);
    assert.equal(attributes(session.created.body).accept, undefined);
    const bytes = zlib.gzipSync('<body/>').toString('latin1');
    for (const coding of ['gzip', 'x-gzip', 'deflate'])
        assert.equal(
            (await ask(on, post(bytes, { 'Content-Encoding': coding }))).status,
            415,
            coding,
        );
    assertCoded(await told(session, stream, message('m1', LONG)));
});

teardown(() => server.stop());
