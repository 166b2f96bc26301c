/*
 * Few file descriptors: doab says what it needs, and clients never take those
 * that sessions and the DNS need for their servers.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { configText, copyDoab, routes } from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, bodyOf, post, Raw } from './lib/raw.js';
import { sleep, until } from './lib/sandbox.js';
import { Scripted } from './lib/scripted.js';

const LIMIT = 120;

let server;

const box = setup('files', async () => {
    server = await Scripted.start();
    if (isDoab) copyDoab(box);
});

function config(name, limits = {}) {
    return box.write(
        name,
        configText({
            listen: { '127.0.0.1:0': {} },
            domain: routes(server.port),
            limits: { workers: 2, ...limits },
            log: { level: 'debug' },
        }),
    );
}

async function start(ulimit, file) {
    const child = box.start('doab', [
        'sh',
        '-c',
        `${ulimit}; exec ./doab -c ${file}`,
    ]);
    const [, port] = await child.waitFor(/^listening http \S+:(\d+)$/m);
    await child.waitFor(/^ready$/m);
    return { child, port: Number(port) };
}

const creation = (rid) =>
    post(bodyOf({ rid, to: 'localhost', wait: 5, hold: 1, ver: '1.6' }));

async function createOn(raw, rid) {
    const [stream, answered] = await server.next(() => {
        raw.send(creation(rid));
        return raw.response();
    });
    await stream.greet();
    return (await answered).body;
}

checkDoab('what is needed is said at the start and by -t', async () => {
    const file = config('warned.conf');
    const warning =
        /ulimit -n is 120, but connections_max = 50000 and sessions_max = 20000 need \d+: set LimitNOFILE=\d+/;
    const checked = spawnSync(
        'sh',
        ['-c', `ulimit -n ${LIMIT}; exec ./doab -t -c ${file}`],
        { cwd: box.dir, encoding: 'utf8' },
    );
    assert.equal(checked.status, 0);
    assert.match(checked.stderr, warning);
    const { child } = await start(`ulimit -n ${LIMIT}`, file);
    await child.waitFor(warning);
    await child.waitFor(/ start version=.* files=120 /);
    await child.stop();
});

checkDoab('nothing is said where they suffice', async () => {
    const file = config('enough.conf', {
        connections_max: 50,
        sessions_max: 20,
    });
    const checked = spawnSync(
        'sh',
        ['-c', `ulimit -n 1024; exec ./doab -t -c ${file}`],
        { cwd: box.dir, encoding: 'utf8' },
    );
    assert.doesNotMatch(checked.stderr, /ulimit/);
});

checkDoab('the soft limit is raised to the hard one', async () => {
    const { child } = await start(
        'ulimit -S -n 64; ulimit -H -n 1000',
        config('soft.conf'),
    );
    await child.waitFor(/ start version=.* files=1000 /);
    await child.stop();
});

checkDoab('with far too few it does not start', async () => {
    const { status, stderr } = spawnSync(
        'setpriv',
        [
            ...(process.getuid() === 0
                ? ['--reuid=65534', '--regid=65534', '--clear-groups']
                : []),
            'sh',
            '-c',
            `ulimit -n 24; exec ./doab -c ${config('none.conf')}`,
        ],
        { cwd: box.dir, encoding: 'utf8' },
    );
    assert.equal(status, 71, stderr);
    assert.match(stderr, /start\.failed what=files/);
});

checkDoab('clients leave enough for servers', async () => {
    const { child, port } = await start(
        `ulimit -n ${LIMIT}`,
        config('few.conf'),
    );
    /* As a reverse proxy: connections that are kept. */
    const kept = [];
    for (let i = 0; i < 4; i++) {
        const raw = new Raw(port);
        assert.match(await createOn(raw, 1000 * (i + 1)), /sid=/);
        kept.push(raw);
    }
    const idle = Array.from({ length: 2 * LIMIT }, () => new Raw(port));
    await child.waitFor(/listener\.refused why="file descriptors"/);
    await sleep(300);

    /* Those that are in still get sessions, each with a new stream. */
    for (let i = 0; i < kept.length; i++) {
        const body = await createOn(kept[i], 500000 + 1000 * i);
        assert.notEqual(attributes(body).type, 'terminate');
    }
    assert.doesNotMatch(child.err, /Too many open files/);

    /* When they go others come in. */
    for (const raw of idle) raw.close();
    await until('a newcomer to be served', async () => {
        const raw = new Raw(port);
        try {
            raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
            return (await raw.response({ ms: 1000 })).status === 200;
        } catch {
            return false;
        } finally {
            raw.close();
        }
    });
    for (const raw of kept) raw.close();
    await child.stop();
});

checkDoab('sessions that find none are told to come again', async () => {
    const { child, port } = await start(
        `ulimit -n ${LIMIT}`,
        config('sessions.conf'),
    );
    /* On one connection: sessions alone take what there is. */
    const raw = new Raw(port);
    let status = 200;
    let opened = 0;
    while (status === 200 && opened < LIMIT) {
        raw.send(creation(1000 * (opened + 1)));
        const streams = server.streams.length;
        let answer;
        const answered = raw.response().then((a) => {
            answer = a;
        });
        await until(
            'an answer or a stream',
            () => answer ?? server.streams.length > streams,
        );
        await server.streams[streams]?.greet();
        await answered;
        ({ status } = answer);
        opened += status === 200;
    }
    assert.equal(status, 503);
    assert.ok(opened > LIMIT / 3, `${opened} sessions`);
    assert.doesNotMatch(child.err, /Too many open files/);
    raw.close();
    await child.stop();
});

teardown(() => server.stop());
