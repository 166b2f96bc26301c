/*
 * Where the log goes: files, pipes, sockets, a full disk, and readers that
 * stop, read slowly or go away.  Clients are served in each case, and SIGTERM
 * ends doab.
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
import { startDoab } from './lib/doab.js';
import { checkDoab, setup, teardown } from './lib/harness.js';
import { ask, attributes, bodyOf, OPEN, post, RawWebSocket } from './lib/raw.js';
import { until } from './lib/sandbox.js';

const SESSIONS = 3500;
const AT_ONCE = 20;
/* What may wait in memory, in both halves (base/log_writer.h), and what a pipe
 * holds besides. */
const WAITING_MAX = 2 * 512 * 1024 + 65536;

const box = setup('log', async () => {});

function start(name, stderr, workers = 3) {
    return startDoab(
        box,
        {
            listen: { '127.0.0.1:0': {} },
            /* Nobody listens there: a session has a short life. */
            domain: {
                localhost: { route: '127.0.0.1:1', mode: 'plain' },
            },
            websocket: { close_timeout: '1s' },
            limits: { workers, drain_timeout: '1s' },
            log: { level: 'trace' },
        },
        `${name}.conf`,
        { stdio: ['ignore', 'pipe', stderr] },
    );
}

/* A named pipe that both ends are open of, so that no end of it is missed. */
function makePipe(name) {
    const file = box.path(name);
    execFileSync('mkfifo', [file]);
    const keep = fs.openSync(file, fs.constants.O_RDWR);
    const reader = fs.openSync(
        file,
        fs.constants.O_RDONLY | fs.constants.O_NONBLOCK,
    );
    return { keep, reader };
}

function closePipe({ keep, reader }) {
    fs.closeSync(keep);
    fs.closeSync(reader);
}

const block = Buffer.alloc(65536);

/* What can be read now, `max` bytes at most. */
function readSome({ reader }, max = Infinity) {
    const parts = [];
    let left = max;
    while (left > 0) {
        let n;
        try {
            n = fs.readSync(reader, block, 0, Math.min(left, block.length));
        } catch (error) {
            if (error.code === 'EAGAIN') break;
            throw error;
        }
        if (n === 0) break;
        parts.push(Buffer.from(block.subarray(0, n)));
        left -= n;
    }
    return Buffer.concat(parts).toString();
}

async function oneSession(port, i) {
    const { status, body } = await ask(
        port,
        post(
            bodyOf({
                rid: 1000 + i,
                to: 'localhost',
                wait: 5,
                hold: 1,
                ver: '1.6',
            }),
        ),
    );
    assert.equal(status, 200);
    assert.equal(attributes(body).type, 'terminate');
}

/* Sessions that open and end, each with some lines of log. */
async function chatter(port, count = SESSIONS) {
    let next = 0;
    const walk = async () => {
        while (next < count) await oneSession(port, next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, walk));
}

/* Both transports still answer. */
async function assertServes(port) {
    await oneSession(port, 0);
    const ws = await RawWebSocket.open(port);
    ws.text(OPEN('localhost'));
    const { messages } = await ws.rest();
    assert.match(messages.join(''), /remote-connection-failed/);
    ws.close();
}

async function assertEnds(child) {
    child.signal('SIGTERM');
    assert.equal(await child.exited, 0);
}

const droppedIn = (text) =>
    [...text.matchAll(/ warn log\.lost dropped=(\d+)$/gm)].reduce(
        (sum, [, n]) => sum + Number(n),
        0,
    );

/* Each line is whole: time, level, event. */
function assertLines(text) {
    for (const line of text.split('\n').slice(1, -1))
        assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z [a-z]+ [a-z]/, line);
}

for (const workers of [1, 3])
    checkDoab(
        `a pipe that is not read stops no client of ${workers} workers, ` +
            'and what is missing is told later',
        async () => {
            const pipe = makePipe(`stopped-${workers}`);
            const doab = await start(`stopped-${workers}`, pipe.keep, workers);
            await chatter(doab.port);
            await assertServes(doab.port);

            let text = '';
            await until('the count of what was dropped', () => {
                text += readSome(pipe);
                return droppedIn(text) > 0;
            });
            assert.ok(text.length <= WAITING_MAX + 65536, `${text.length}`);
            assertLines(text);

            /* From here on it is complete. */
            doab.child.signal('SIGUSR1');
            await until('the counters', () => {
                text += readSome(pipe);
                return /info counters .*\n/.test(text);
            });
            const [, counted] = /info counters .*log_dropped=(\d+)/.exec(text);
            assert.equal(droppedIn(text), Number(counted));
            await assertEnds(doab.child);
            text += readSome(pipe);
            assert.match(text, / info exit\n$/);
            closePipe(pipe);
        },
    );

checkDoab('a pipe that is never read again keeps no end', async () => {
    const pipe = makePipe('never');
    const doab = await start('never', pipe.keep);
    await chatter(doab.port, 1000);
    await assertServes(doab.port);
    await assertEnds(doab.child);
    closePipe(pipe);
});

checkDoab('a slow reader gets all lines, or how many are missing', async () => {
    const pipe = makePipe('slow');
    const doab = await start('slow', pipe.keep);
    let text = '';
    const timer = setInterval(() => {
        text += readSome(pipe, 4096);
    }, 5);
    await chatter(doab.port, 1500);
    await assertServes(doab.port);
    clearInterval(timer);
    await until('the last sessions', () => {
        text += readSome(pipe);
        return (
            droppedIn(text) > 0 ||
            text.match(/ info session\.start /g)?.length >= 1502
        );
    });
    assertLines(text);
    const ended = assertEnds(doab.child);
    const rest = setInterval(() => readSome(pipe), 5);
    await ended;
    clearInterval(rest);
    closePipe(pipe);
});

checkDoab('a reader that goes away is not missed', async () => {
    const pipe = makePipe('gone');
    const writer = fs.openSync(box.path('gone'), 'w');
    const doab = await start('gone', writer);
    closePipe(pipe);
    fs.closeSync(writer);
    await chatter(doab.port, 300);
    await assertServes(doab.port);
    await assertEnds(doab.child);
});

checkDoab('a file has every line, the last one included', async () => {
    const file = box.write('doab.log', '');
    const fd = fs.openSync(file, 'a');
    const doab = await start('file', fd);
    fs.closeSync(fd);
    await chatter(doab.port, 500);
    await assertEnds(doab.child);
    const text = fs.readFileSync(file, 'utf8');
    assertLines(text);
    assert.equal(text.match(/ info session\.start /g).length, 500);
    assert.equal(droppedIn(text), 0);
    assert.match(text, / info exit\n$/);
});

/* Standard error of a service is the journal's socket, and Node's pipes are
 * sockets as well. */
checkDoab('a socket that is not read stops nobody either', async () => {
    const doab = await start('socket', 'pipe');
    doab.child.proc.stderr.pause();
    await chatter(doab.port);
    await assertServes(doab.port);
    doab.child.proc.stderr.resume();
    await until(
        'the count of what was dropped',
        () => droppedIn(doab.child.err) > 0,
    );
    await assertEnds(doab.child);
    assert.match(doab.child.err, / info exit\n$/);
});

checkDoab('a full disk stops nobody', async () => {
    const full = fs.openSync('/dev/full', 'w');
    const doab = await start('full', full);
    fs.closeSync(full);
    await chatter(doab.port, 300);
    await assertServes(doab.port);
    await assertEnds(doab.child);
});

checkDoab('a pipe that stands full at the start is no reason to wait', async () => {
    const pipe = makePipe('early');
    const nonblocking = fs.openSync(
        box.path('early'),
        fs.constants.O_WRONLY | fs.constants.O_NONBLOCK,
    );
    try {
        for (;;) fs.writeSync(nonblocking, block);
    } catch (error) {
        assert.equal(error.code, 'EAGAIN');
    }
    const doab = await start('early', pipe.keep);
    await assertServes(doab.port);
    await assertEnds(doab.child);
    fs.closeSync(nonblocking);
    closePipe(pipe);
});

checkDoab('what prevents a start is said before it ends', async () => {
    const pipe = makePipe('fault');
    const first = await start('fault', pipe.keep);
    const text = `listen "127.0.0.1:${first.port}" { }\n`;
    const file = box.write('second.conf', text);
    const second = box.start('second', [box.path('doab'), '-c', file], {
        stdio: ['ignore', 'pipe', pipe.keep],
    });
    assert.equal(await second.exited, 69);
    assert.match(readSome(pipe), / error listen\.failed address=/);
    await assertEnds(first.child);
    closePipe(pipe);
});

teardown();
