/*
 * HTTP by hand: paths, methods, framing, CORS, limits and timeouts.
 * Conformance I and F24; I10; decisions 9, 10.
 */

import assert from 'node:assert/strict';
import { routes, startDoab, startPair } from './lib/doab.js';
import { check, checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import {
    ask,
    attributes,
    bodyOf,
    BoshSession,
    post,
    Raw,
    request,
} from './lib/raw.js';
import { sleep } from './lib/sandbox.js';

let pair;
let port;
let strict;

/* The second one has an allow-list and limits that a test can reach. */
setup('raw-http', async (box) => {
    box.write('pages/index.html', '<!DOCTYPE html><title>landing</title>');
    box.write('pages/sub/app.js', 'export default 1;\n');
    box.write('outside.txt', 'not for you');
    pair = await startPair(box, { pages: { directory: box.path('pages') } });
    port = pair.port;
    if (!isDoab) return;
    strict = (
        await startDoab(
            box,
            {
                listen: { '127.0.0.1:0': {} },
                domain: routes(pair.prosody.port),
                http: {
                    origins: ['http://good.example'],
                    header_timeout: '1s',
                    body_timeout: '1s',
                    idle_timeout: '1s',
                    header_max: '4k',
                },
                limits: { body_max: '16k' },
                log: { level: 'debug' },
            },
            'strict.conf',
        )
    ).port;
});

const probe = bodyOf({ rid: 5, sid: 'nothing' });

function assertProbed(answer) {
    assert.equal(answer.status, 200);
    assert.equal(attributes(answer.body).condition, 'item-not-found');
}

const ORIGIN = { Origin: 'http://page.example' };

/* The stand-in names the origin instead. */
const withCors = ({ headers }) =>
    assert.equal(
        headers['access-control-allow-origin'],
        isDoab ? '*' : ORIGIN.Origin,
    );

/* --- Paths and methods --- */

/* I02 */
check('GET on the BOSH path shows a page', async () => {
    const answer = await ask(port, request('GET', '/http-bind'));
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/html/);
    assert.match(answer.body, /<html|<!DOCTYPE/i);
});

/* I02; R9110 9.3.2 */
checkDoab('HEAD has the headers of GET and no body', async () => {
    const raw = new Raw(port);
    raw.send(request('HEAD', '/') + request('GET', '/'));
    const head = await raw.response({ bodyless: true });
    const get = await raw.response();
    assert.equal(head.status, 200);
    assert.equal(head.headers['content-length'], get.headers['content-length']);
    raw.close();
});

/* Q17 */
checkDoab('both spellings of the BOSH path work, with any query', async () => {
    for (const path of ['/http-bind', '/http-bind/', '/http-bind?x=1'])
        assertProbed(await ask(port, request('POST', path, probe)));
});

checkDoab('pages are served by exact match only', async () => {
    const page = await ask(port, request('GET', '/'));
    assert.equal(page.status, 200);
    assert.match(page.body, /landing/);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    const script = await ask(port, request('GET', '/sub/app.js'));
    assert.match(
        script.headers['content-type'],
        /^(text|application)\/javascript/,
    );
    for (const path of [
        '/../outside.txt',
        '/%2e%2e/outside.txt',
        '/sub',
        '/sub/',
        '//sub/app.js',
        '/sub/../index.html',
        '/nothing',
    ])
        assert.equal((await ask(port, request('GET', path))).status, 404, path);
});

/* F24, I41 */
checkDoab('a wrong path is 404, with CORS', async () => {
    const answer = await ask(port, request('POST', '/wrong', probe, ORIGIN));
    assert.equal(answer.status, 404);
    withCors(answer);
});

/* I04, I41 */
checkDoab('a wrong method is 405 and says which are right', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
        const answer = await ask(
            port,
            request(method, '/http-bind', probe, ORIGIN),
        );
        assert.equal(answer.status, 405);
        assert.match(answer.headers.allow, /POST/);
        assert.match(answer.headers.allow, /OPTIONS/);
        withCors(answer);
    }
});

checkDoab('an unknown method is 405 or 501', async () => {
    const { status } = await ask(port, request('BREW', '/http-bind', ''));
    assert.ok([405, 501].includes(status), String(status));
});

/* --- CORS --- */

const PREFLIGHT = {
    ...ORIGIN,
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'content-type',
};

/* I40, Q16 */
check('a preflight allows the POST of a browser', async () => {
    const raw = new Raw(port);
    raw.send(request('OPTIONS', '/http-bind', '', PREFLIGHT));
    const answer = await raw.response();
    const { status, headers } = answer;
    raw.close();
    assert.ok([200, 204].includes(status));
    withCors(answer);
    assert.match(headers['access-control-allow-methods'], /POST/);
    assert.match(headers['access-control-allow-headers'], /content-type/i);
    assert.ok(Number(headers['access-control-max-age']) > 0);
});

/* I41, T52 */
check('the answer to a POST carries CORS', async () => {
    const answer = await ask(port, post(probe, ORIGIN));
    assertProbed(answer);
    withCors(answer);
});

/* I42, I43 */
checkDoab('with an allow-list, only a listed origin is let in', async () => {
    const good = await ask(
        strict,
        post(probe, { Origin: 'http://good.example' }),
    );
    assertProbed(good);
    assert.equal(
        good.headers['access-control-allow-origin'],
        'http://good.example',
    );
    assert.match(good.headers.vary, /origin/i);
    for (const Origin of [
        'http://evil.example',
        'http://good.example.evil.example',
        'http://evilgood.example',
        'https://good.example',
        'null',
    ]) {
        const bad = await ask(strict, post(probe, { Origin }));
        assert.equal(bad.status, 403, Origin);
        assert.equal(bad.headers['access-control-allow-origin'], undefined);
    }
    assertProbed(await ask(strict, post(probe)));
});

/* --- Framing --- */

const length = String(probe.length);
const chunked = { 'Content-Length': null, 'Transfer-Encoding': 'chunked' };

/* I10, I13, I14: each is refused and the connection is closed. */
const BROKEN = {
    'no Host': request('POST', '/http-bind', probe, { Host: null }),
    'two Hosts': request('POST', '/http-bind', probe, { host: 'other' }),
    'Content-Length and chunked': request('POST', '/http-bind', '0\r\n\r\n', {
        'Transfer-Encoding': 'chunked',
    }),
    'two lengths that differ': request('POST', '/http-bind', probe, {
        'content-length': String(probe.length + 1),
    }),
    'a signed length': request('POST', '/http-bind', probe, {
        'Content-Length': `+${length}`,
    }),
    'a list of lengths': request('POST', '/http-bind', probe, {
        'Content-Length': `${length}, 7`,
    }),
    'a coding after chunked': request('POST', '/http-bind', '0\r\n\r\n', {
        ...chunked,
        'Transfer-Encoding': 'chunked, gzip',
    }),
    'chunked in HTTP/1.0': request(
        'POST',
        '/http-bind',
        '0\r\n\r\n',
        chunked,
    ).replace('HTTP/1.1', 'HTTP/1.0'),
    'a space before the colon': request('POST', '/http-bind', probe, {
        'X-Name ': 'x',
    }),
    'a folded header': request('POST', '/http-bind', probe, {
        'X-Name': 'a\r\n b',
    }),
    'a bare CR in a header': request('POST', '/http-bind', probe, {
        'X-Name': 'a\rb',
    }),
    'a NUL in a header': request('POST', '/http-bind', probe, {
        'X-Name': 'a\0b',
    }),
    'a bad chunk size': request('POST', '/http-bind', 'zz\r\n', chunked),
    'no request': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
};

for (const [name, text] of Object.entries(BROKEN))
    checkDoab(`a request with ${name} is 400 and closes`, async () => {
        const raw = new Raw(port);
        raw.send(Buffer.from(text, 'latin1'));
        assert.equal((await raw.response()).status, 400);
        await raw.waitEnd();
        assert.equal(raw.bytes.length, 0);
    });

/* I18 */
checkDoab('an unknown HTTP version or none is 505 or 400', async () => {
    for (const version of [' HTTP/3.0', ' HTTP/1.2x', '']) {
        const text = post(probe).replace(' HTTP/1.1', version);
        const { status } = await ask(port, text);
        assert.ok([400, 505].includes(status), String(status));
    }
});

/* I11 */
check('a chunked body is accepted, in pieces', async () => {
    const raw = new Raw(port);
    raw.send(post('', chunked));
    for (let i = 0; i < probe.length; i += 20) {
        const piece = probe.slice(i, i + 20);
        raw.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
        await sleep(2);
    }
    raw.send('0\r\n\r\n');
    assertProbed(await raw.response());
    raw.close();
});

check('a request that arrives byte by byte is understood', async () => {
    const raw = new Raw(port);
    raw.socket.setNoDelay(true);
    for (const byte of post(probe)) {
        raw.send(byte);
        await sleep(0);
    }
    assertProbed(await raw.response());
    raw.close();
});

/* I17 */
check('HTTP/1.0 is answered, and the connection closed', async () => {
    const raw = new Raw(port);
    raw.send(post(probe).replace('HTTP/1.1', 'HTTP/1.0'));
    assertProbed(await raw.response());
    await raw.waitEnd();
});

/* I17 */
checkDoab('HTTP/1.0 with keep-alive is kept open', async () => {
    const raw = new Raw(port);
    const text = post(probe, { Connection: 'keep-alive' }).replace(
        'HTTP/1.1',
        'HTTP/1.0',
    );
    for (let i = 0; i < 2; i++) {
        raw.send(text);
        const answer = await raw.response();
        assertProbed(answer);
        assert.match(answer.headers.connection, /keep-alive/i);
    }
    raw.close();
});

/* I19 */
check('Connection: close is obeyed', async () => {
    const raw = new Raw(port);
    raw.send(post(probe, { Connection: 'close' }));
    assertProbed(await raw.response());
    await raw.waitEnd();
});

/* I16 */
checkDoab('Expect: 100-continue is answered before the body', async () => {
    const raw = new Raw(port);
    raw.send(post('', { 'Content-Length': length, 'Expect': '100-continue' }));
    assert.equal((await raw.response()).status, 100);
    raw.send(probe);
    assertProbed(await raw.response());
    raw.close();
});

/* I16 */
checkDoab('another expectation is 417', async () => {
    const answer = await ask(port, post(probe, { Expect: 'miracles' }));
    assert.equal(answer.status, 417);
});

/* I20, I21, B82, T12 */
check('requests are answered in the order of the connection', async () => {
    const raw = new Raw(port);
    raw.send(post(probe) + request('GET', '/http-bind') + post(probe));
    assertProbed(await raw.response());
    assert.match((await raw.response()).headers['content-type'], /html/);
    assertProbed(await raw.response());
    raw.close();
});

/* I21, B20, T12; Q15 */
checkDoab('a request pipelined behind a held one releases it', async () => {
    const session = await new BoshSession(port).open({ wait: 30 });
    const raw = new Raw(port);
    raw.send(session.next());
    await sleep(200);
    assert.equal(raw.bytes.length, 0, 'the first one is held');
    raw.send(session.next());
    const first = await raw.response();
    assert.equal(attributes(first.body).type, undefined);
    await sleep(200);
    assert.equal(raw.bytes.length, 0, 'the second one is held now');
    await session.ask({ type: 'terminate' });
    assert.equal((await raw.response()).status, 200);
    raw.close();
});

/* decision 10; Q09 */
checkDoab(
    'Content-Encoding refuses a coding, not the nonsense of libpurple',
    async () => {
        assertProbed(
            await ask(
                port,
                post(probe, {
                    'Content-Type': null,
                    'Content-Encoding': 'text/xml; charset=utf-8',
                }),
            ),
        );
        assert.equal(
            (await ask(port, post(probe, { 'Content-Encoding': 'gzip' })))
                .status,
            415,
        );
    },
);

/* I12, I30-I32; I01 */
checkDoab('an answer has the headers it should have', async () => {
    const { headers } = await ask(port, post(probe, { 'Content-Type': 'x/y' }));
    assert.ok(Date.parse(headers.date) > 0);
    assert.match(headers['cache-control'], /no-store/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['transfer-encoding'], undefined);
    assert.equal(headers['set-cookie'], undefined);
});

/* --- Limits and timeouts --- */

/* I41, T52; decision 11 */
checkDoab(
    'an oversized body is 413, with CORS, before it is read',
    async () => {
        const raw = new Raw(port);
        raw.send(post('', { 'Content-Length': '1000000000', ...ORIGIN }));
        const answer = await raw.response();
        assert.equal(answer.status, 413);
        withCors(answer);
        await raw.waitEnd();
    },
);

checkDoab('a chunked body that grows too large is 413', async () => {
    const raw = new Raw(strict);
    raw.send(post('', chunked));
    const piece = `1000\r\n${'x'.repeat(4096)}\r\n`;
    for (let i = 0; i < 6 && !raw.ended; i++) raw.send(piece);
    assert.equal((await raw.response()).status, 413);
});

/* I36 */
checkDoab('a header that is too large is 431', async () => {
    const raw = new Raw(strict);
    raw.send(post(probe, { 'X-Large': 'x'.repeat(8000) }));
    assert.equal((await raw.response()).status, 431);
});

/* I22, L13 */
checkDoab('a head, a body and an idle connection have their time', async () => {
    const slow = [
        new Raw(strict).send('POST /http-bind HTTP/1.1\r\nHost: x\r\n'),
        new Raw(strict).send(post('', { 'Content-Length': '100' })),
        new Raw(strict),
    ];
    for (const raw of slow) await raw.waitEnd();
    for (const raw of slow.slice(0, 2))
        assert.match(raw.bytes.toString(), /^(HTTP\/1\.1 408 |$)/);
});

/* I22 */
checkDoab('the idle timeout does not end a held request', async () => {
    const session = await new BoshSession(strict).open({ wait: 3 });
    const answer = await session.ask();
    assert.equal(answer.status, 200);
    assert.equal(attributes(answer.body).type, undefined);
});

teardown();
