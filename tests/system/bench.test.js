/*
 * The load tool: what it counts is what happened, whatever the server does,
 * and it says what stopped it.  doab-bench(1).
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { startDoab, top } from './lib/doab.js';
import { check, checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { freePorts, isRoot, sleep } from './lib/sandbox.js';
import { listening, serverFrame, tcpServer, wsServer } from './lib/strange.js';

const tools = path.join(top, 'build', process.env.FLAVOUR || 'plain', 'bench');
const run = promisify(execFile);

let server;
let doab;

function copyTool(name) {
    return box.copy(path.join(tools, name), name, 0o755);
}

/* One of our little servers; resolves to its port. */
async function startTool(name, ...args) {
    const child = box.start(name, [box.path(name), ...args]);
    return (await child.waitFor(/^ready (\d+)$/m))[1];
}

const box = setup('bench', async () => {
    copyTool('doab-bench');
    copyTool('doab-bench-server');
    copyTool('doab-bench-relay');
    server = await startTool('doab-bench-server', '127.0.0.1:0');
    if (!isDoab) return;
    doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: { localhost: { route: `127.0.0.1:${server}`, mode: 'plain' } },
    });
});

/* { status, out, err } of a run to its end, as the user that daemons are. */
async function bench(args, { wrap = [] } = {}) {
    const child = box.start('doab-bench', [
        ...wrap,
        box.path('doab-bench'),
        '--quiet',
        ...args.map(String),
    ]);
    const status = await child.exited;
    return { status, out: child.out, err: child.err };
}

async function measure(args, status = 0) {
    const ran = await bench(args);
    assert.equal(ran.status, status, ran.out + ran.err);
    assert.equal(ran.out.split('\n').length, 2, 'one line');
    return JSON.parse(ran.out);
}

/* So many messages of three of five sessions, and each is counted once. */
async function exactly(kind, port, more = []) {
    const count = 200;
    const result = await measure([
        ...['--kind', kind, '--to', `127.0.0.1:${port}`, '--sessions', 5],
        ...['--active', 3, '--messages', count],
        ...more,
    ]);
    assert.equal(result.ok, true, result.why);
    assert.equal(result.kind, kind);
    assert.equal(result.sessions, 5);
    assert.equal(result.active, 3);
    assert.equal(result.messages, count);
    assert.equal(result.failed + result.lost + result.unanswered, 0);
    assert.ok(result.setups_per_s > 0 && result.messages_per_s > 0);
    assert.ok(0 < result.p50_ms && result.p50_ms <= result.p95_ms);
    assert.ok(result.p95_ms <= result.p99_ms);
    assert.ok(result.p99_ms <= result.p999_ms);
    return result;
}

for (const kind of ['bosh', 'browser', 'websocket'])
    checkDoab(`${kind} through doab, and what it costs doab`, async () => {
        const result = await exactly(kind, doab.port, [
            '--pid',
            doab.child.pid,
        ]);
        assert.ok(result.cpu_us > 0 && result.own_cpu_us > 0);
        assert.ok(result.setup_cpu_us > 0);
    });

checkDoab('with --serve the server is in the generator itself', async () => {
    const [port] = await freePorts(1);
    const route = `127.0.0.1:${port}`;
    const inside = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain: { localhost: { route, mode: 'plain' } },
    });
    for (const kind of ['bosh', 'browser', 'websocket']) {
        const more = ['--serve', route, '--size', 30000];
        const result = await exactly(kind, inside.port, more);
        assert.equal(result.serves, true);
    }
    /* And gone with it. */
    const alone = await measure(['--to', route, '--kind', 'tcp'], 1);
    assert.equal(alone.serves, false);
    assert.match(alone.why, /Connection refused/);
});

check('a generator may be its own server; its port must be free', async () => {
    const [port] = await freePorts(1);
    const itself = `127.0.0.1:${port}`;
    await exactly('tcp', port, ['--serve', itself]);
    await exactly('bare-http', port, ['--serve', itself]);
    const taken = `127.0.0.1:${server}`;
    const ran = await bench(['--to', taken, '--serve', taken]);
    assert.equal(ran.status, 1);
    assert.match(ran.err, /--serve: Address already in use/);
});

checkDoab('idle sessions get their empty answers and are weighed', async () => {
    const result = await measure([
        ...['--to', `127.0.0.1:${doab.port}`, '--sessions', 300, '--wait', 1],
        ...['--answers', 1, '--seconds', 0, '--pid', doab.child.pid],
    ]);
    assert.equal(result.messages, 0);
    assert.ok(result.bytes_per_idle_session > 0);
    assert.ok(result.idle_cpu > 0 && result.idle_cpu < 1);
});

check('TCP to the server itself, also by SASL PLAIN', async () => {
    await exactly('tcp', server);
    await exactly('tcp', server, ['--user', 'u', '--password', 'p w"\\']);
});

check('the relays carry each their kind, large messages too', async () => {
    for (const [mode, kind] of [
        ['tcp', 'tcp'],
        ['http', 'bare-http'],
        ['websocket', 'bare-websocket'],
    ]) {
        const port = await startTool(
            'doab-bench-relay',
            mode,
            '127.0.0.1:0',
            `127.0.0.1:${server}`,
        );
        await exactly(kind, port);
        await exactly(kind, port, ['--size', 60000]);
        await exactly(kind, port, ['--size', 4000, '--items', 60]);
    }
    await exactly('bare-http', server);
});

/* What the null server answers to raw bytes, until it closes or is still. */
function ask(port, request) {
    return new Promise((done) => {
        let text = '';
        const socket = net.connect(port, '127.0.0.1', () =>
            socket.write(request),
        );
        const end = (closed) => {
            socket.destroy();
            done({ text, closed });
        };
        socket.setTimeout(300, () => end(false));
        socket.on('data', (data) => (text += data));
        socket.on('end', () => end(true)).on('error', () => end(true));
    });
}

check('the null server keeps connections of HTTP/1.1, not of 1.0', async () => {
    const rest = '\r\ncontent-length: 3\r\n\r\nabc';
    const kept = await ask(server, `POST / HTTP/1.1${rest}`.repeat(2));
    assert.equal(kept.closed, false);
    assert.equal(kept.text.match(/ 200 OK\r\n.*?\r\n\r\nabc/gs).length, 2);
    const old = await ask(server, `POST / HTTP/1.0${rest}`);
    assert.equal(old.closed, true);
    assert.match(old.text, /\r\n\r\nabc$/);
});

check('a fixed rate is kept, and a name may hold anything', async () => {
    const name = 'a "name" \\ \t';
    const result = await measure([
        ...['--kind', 'tcp', '--to', `127.0.0.1:${server}`, '--rate', 400],
        ...['--seconds', 0.5, '--warm-up', 0.1, '--name', name],
    ]);
    assert.equal(result.name, name);
    assert.equal(result.rate, 400);
    /* Not above the rate; below it where the machine is busy. */
    assert.ok(result.messages > 20 && result.messages <= 201);
});

/* ---- servers that make counting hard ---- */

check('a stanza has the elements and the size that were asked for', async () => {
    for (const [items, found] of [
        [0, 0],
        [7, 7],
        [1000, 32], /* and no room for another */
    ]) {
        const seen = [];
        const echoing = await tcpServer((message, number, socket) => {
            seen.push(message);
            socket.write(message);
        });
        await measure([
            ...['--kind', 'tcp', '--to', `127.0.0.1:${echoing.port}`],
            ...['--sessions', 1, '--messages', 3],
            ...['--size', 2000, '--items', items],
        ]);
        await echoing.stop();
        assert.equal(seen.length, 3);
        for (const message of seen) {
            assert.equal(message.length, 2000);
            assert.equal(message.split('<item ').length - 1, found);
            const [item = ''] = /<item .*?>/.exec(message) ?? [];
            const [text] = /x*(?=<.body>)/.exec(message);
            assert.equal(text.length < item.length, items > found);
        }
    }
});

check('frames that share a segment, or are cut, count once', async () => {
    const counts = {};
    let before = Promise.resolve();
    const strange = await wsServer((message, socket) => {
        const all = Buffer.concat([
            serverFrame("<presence xmlns='jabber:client'/>"),
            serverFrame('are you there', 0x89),
            serverFrame(message.replace(/\[\d+\]/, '[none of yours]')),
            serverFrame(message),
            serverFrame(message),
        ]);
        const cut = 1 + ((counts.messages * 37) % (all.length - 1));
        before = before.then(async () => {
            socket.write(all.subarray(0, cut));
            await sleep(1);
            socket.write(all.subarray(cut));
        });
    }, counts);
    try {
        const result = await measure([
            ...['--kind', 'websocket', '--to', `127.0.0.1:${strange.port}`],
            ...['--sessions', 1, '--messages', 120],
        ]);
        assert.equal(result.messages, 120);
        assert.equal(counts.messages, 120);
        assert.ok(counts.pongs >= 119);
    } finally {
        await strange.stop();
    }
});

check('a fragmented message is not taken for a whole one', async () => {
    const strange = await wsServer((message, socket) =>
        socket.write(serverFrame(message, 0x01)),
    );
    const result = await measure(
        [
            ...['--kind', 'websocket', '--to', `127.0.0.1:${strange.port}`],
            ...['--sessions', 1, '--messages', 5],
        ],
        1,
    );
    await strange.stop();
    assert.match(result.why, /neither a whole text nor a ping/);
});

check('at a fixed rate a pause is felt by all that were due in it', async () => {
    const pausing = await tcpServer((message, number, socket) => {
        if (number !== 10) return socket.write(message);
        socket.pause();
        setTimeout(() => socket.resume().write(message), 400);
    });
    const load = ['--kind', 'tcp', '--to', `127.0.0.1:${pausing.port}`];
    const one = ['--sessions', 1, '--warm-up', 0];
    const timed = await measure([
        ...[...load, ...one, '--rate', 100, '--seconds', 0.6],
    ]);
    await pausing.stop();
    /* A third of them at least; a closed loop would have seen one. */
    assert.ok(timed.p50_ms > 20, `p50 ${timed.p50_ms}`);
    assert.ok(timed.p95_ms > 200, `p95 ${timed.p95_ms}`);
    assert.equal(timed.unanswered, 0);
});

check('one pause spoils p99, and not that of the median tenth', async () => {
    const pausing = await tcpServer((message, number, socket) => {
        if (number !== 50) return socket.write(message);
        socket.pause();
        setTimeout(() => socket.resume().write(message), 400);
    });
    const result = await measure([
        ...['--kind', 'tcp', '--to', `127.0.0.1:${pausing.port}`],
        ...['--sessions', 1, '--warm-up', 0, '--rate', 100, '--seconds', 2],
    ]);
    await pausing.stop();
    assert.ok(result.p99_ms > 200, `p99 ${result.p99_ms}`);
    assert.ok(result.p99_tenths_ms > 0);
    assert.ok(
        result.p99_tenths_ms < result.p99_ms / 2,
        `tenths ${result.p99_tenths_ms}`,
    );
});

check('what is never answered counts, too', async () => {
    const ending = await tcpServer((message, number, socket) => {
        if (number < 10) socket.write(message);
    });
    const result = await measure([
        ...['--kind', 'tcp', '--to', `127.0.0.1:${ending.port}`],
        ...['--sessions', 1, '--warm-up', 0, '--rate', 50, '--seconds', 0.4],
    ]);
    await ending.stop();
    assert.equal(result.messages, 9);
    assert.ok(result.unanswered >= 8, `unanswered ${result.unanswered}`);
    assert.ok(result.p95_ms > 1000, `p95 ${result.p95_ms}`);
});

/* ---- failures ---- */

check('what went wrong is told, and the status is 1', async () => {
    const refusing = await tcpServer(() => {});
    const hanging = await listening(() => {});
    const ending = await listening((socket) => socket.end());
    const [closed] = await freePorts(1);
    const at = (port) => ['--to', `127.0.0.1:${port}`, '--sessions', 3];
    for (const [args, why] of [
        [at(closed), /session 0: Connection refused/],
        [['--kind', 'tcp', ...at(ending.port)], /the peer closed/],
        [['--kind', 'bare-http', ...at(refusing.port)], /no message came back/],
        [['--kind', 'websocket', ...at(server)], /the upgrade is refused/],
        [['--kind', 'tcp', ...at(hanging.port)], /no session opens any more/],
        [['--kind', 'tcp', ...at(refusing.port)], /no message came back/],
        [[...at(server), '--pid', 999999999], /process of --pid is not there/],
    ]) {
        const result = await measure(
            [...args, '--patience', 0.2, '--seconds', 0.1, '--warm-up', 0],
            1,
        );
        assert.equal(result.ok, false);
        assert.match(result.why, why);
    }
    await refusing.stop();
    await hanging.stop();
    await ending.stop();
});

check('the limit of descriptors is named before anything starts', async () => {
    for (const [more, need] of [
        [[], 232],
        [['--serve', '127.0.0.1:1'], 332],
    ]) {
        const ran = await bench(
            ['--to', `127.0.0.1:${server}`, '--sessions', 100, ...more],
            { wrap: ['prlimit', '--nofile=64:64'] },
        );
        assert.equal(ran.status, 1);
        assert.equal(ran.out, '');
        assert.match(ran.err, new RegExp(`need ${need} file .* limit is 64 `));
    }
});

/* In a network of its own, where there are few; not every machine allows an
 * ordinary user such a one. */
const portsTest = async () => {
    const script = `
ip link set lo up
echo "40000 40007" >/proc/sys/net/ipv4/ip_local_port_range
"$1" 127.0.0.1:0 >out &
server=$!
while ! grep -q ready out; do sleep 0.02; done
read -r word port <out
"$2" --quiet --kind tcp --to 127.0.0.1:$port --sessions 30 --patience 1
status=$?
kill $server
exit $status`;
    const argv = ['unshare', '-n', 'sh', '-c', script, 'sh'];
    argv.push(box.path('doab-bench-server'), box.path('doab-bench'));
    const ran = await run(argv[0], argv.slice(1), { cwd: box.dir }).catch(
        (e) => e,
    );
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(JSON.parse(ran.stdout).why, /no more local ports/);
};
check('the limit of local ports is named', portsTest, { skip: !isRoot });

check('wrong options are refused with what would be right', async () => {
    const to = ['--to', '127.0.0.1:1'];
    for (const [args, why] of [
        [[], /--to is missing/],
        [['--to', '192.0.2.1:80'], /say --yes-remote/],
        [['--to', '[2001:db8::1]:80'], /say --yes-remote/],
        [['--to', 'localhost:80'], /not an address and a port/],
        [['--to', '127.0.0.1:0'], /not an address and a port/],
        [[...to, '--serve', '192.0.2.1:80', '--yes-remote'], /never elsewhere/],
        [[...to, '--serve', '127.0.0.1:0'], /not an address and a port/],
        [[...to, '--sessions', '100001'], /whole number from 1 to 100000/],
        [[...to, '--sessions', '1.5'], /whole number/],
        [[...to, '--sessions', '0'], /whole number/],
        [[...to, '--seconds', '3601'], /number from 0 to 3600/],
        [[...to, '--seconds', 'nan'], /number from 0 to 3600/],
        [[...to, '--idle', '1h'], /number from 0 to 3600/],
        [[...to, '--size', '65000'], /from 1 to 63488/],
        [[...to, '--kind', 'smtp'], /not one of the kinds/],
        [[...to, '--domain', "a'b"], /without spaces, quotes/],
        [[...to, '--domain', 'a'.repeat(254)], /not 1 to 253 characters/],
        [[...to, '--pid', '1,x'], /process ids/],
        [[...to, '--user', 'u'], /--password go together/],
        [[...to, '--kind', 'tcp', '--answers', '1'], /bosh and browser/],
        [[...to, '--messages', '5', '--warm-up', '1'], /without --warm-up/],
        [[...to, 'more'], /not an option/],
        [[...to, '--nonsense'], /nonsense/],
    ]) {
        const ran = await bench(args);
        assert.equal(ran.status, 64, `${args}: ${ran.out}${ran.err}`);
        assert.equal(ran.out, '');
        assert.match(ran.err, why);
    }
});

check('--help is no failure; the little servers stay on loopback', async () => {
    for (const name of ['doab-bench', 'doab-bench-server', 'doab-bench-relay']) {
        const { stdout } = await run(box.path(name), ['--help']);
        assert.match(stdout, new RegExp(`^usage: ${name} `));
    }
    for (const [name, ...args] of [
        ['doab-bench-server', '0.0.0.0:0'],
        ['doab-bench-server', '127.0.0.1:70000'],
        ['doab-bench-server', '[::]:0'],
        ['doab-bench-server', '--nonsense'],
        ['doab-bench-relay', 'udp', '127.0.0.1:0', '127.0.0.1:1'],
        ['doab-bench-relay', 'tcp', '127.0.0.1:0', '127.0.0.1:x'],
    ]) {
        const ran = await run(box.path(name), args).catch((e) => e);
        assert.equal(ran.code, 64, `${name} ${args}`);
    }
});

teardown();
