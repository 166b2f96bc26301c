/*
 * The program from outside: flags, the check of a configuration, exit codes,
 * and the end by a signal.
 * Decisions 12-14, 22; sysexits: 64 usage, 77 permission, 78 configuration.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import {
    configText,
    copyDoab,
    routes,
    startDoab,
    startPair,
    top,
} from './lib/doab.js';
import { checkDoab, isDoab, setup, teardown } from './lib/harness.js';
import { attributes, BoshSession, Raw, RawWebSocket, OPEN } from './lib/raw.js';
import { freePorts, isRoot, waitPort } from './lib/sandbox.js';

let pair;
let doab;

const box = setup('cli', async () => {
    if (!isDoab) return;
    doab = copyDoab(box);
    pair = await startPair(box);
});

/* Runs doab to its end, as nobody when the tests run as root. */
async function run(args, { asRoot = false, env = {} } = {}) {
    const argv =
        isRoot && !asRoot
            ? [
                  'setpriv',
                  '--reuid=65534',
                  '--regid=65534',
                  '--clear-groups',
                  doab,
              ]
            : [doab];
    const child = spawn(argv[0], [...argv.slice(1), ...args], {
        cwd: box.dir,
        env: { ...process.env, ...env },
    });
    const result = { out: '', err: '' };
    child.stdout.on('data', (d) => {
        result.out += d;
    });
    child.stderr.on('data', (d) => {
        result.err += d;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
    [result.code] = await once(child, 'close');
    clearTimeout(timer);
    return result;
}

const GOOD = configText({
    listen: { '127.0.0.1:0': {} },
    domain: { 'example.org': { route: '127.0.0.1:5222', mode: 'starttls' } },
});

/* --- Flags --- */

checkDoab(
    '-V names the version, --help the flags, both on stdout',
    async () => {
        const version = await run(['-V']);
        assert.equal(version.code, 0);
        assert.match(version.out, /^doab \d+\.\d+/);
        const help = await run(['--help']);
        assert.equal(help.code, 0);
        for (const flag of ['-c', '-t', '-q', '--dump-config', '-V', '--help'])
            assert.ok(help.out.includes(flag), flag);
        assert.equal(help.err, '');
    },
);

/* The lines of -V that say what libexpat lacks. */
async function lackOfExpat(env = {}) {
    const { code, out } = await run(['-V'], { env });
    assert.equal(code, 0);
    return out.split('\n').filter((l) => l.startsWith('warning: libexpat '));
}

const FIXES = {
    'CVE-2023-52425': 'XML_SetReparseDeferralEnabled',
    'CVE-2025-59375': 'XML_SetAllocTrackerActivationThreshold',
};

checkDoab('-V says which security fixes the libraries lack', async () => {
    const linked = execFileSync('ldd', [doab], { encoding: 'utf8' });
    const library = fs.readFileSync(linked.match(/libexpat\S* => (\S+)/)[1]);
    const expected = Object.keys(FIXES).filter(
        (cve) => !library.includes(`${FIXES[cve]}\0`),
    );
    const lines = await lackOfExpat();
    assert.equal(lines.length, expected.length, lines.join('\n'));
    for (const [i, cve] of expected.entries()) {
        assert.match(lines[i], /^warning: libexpat \d+\.\d+\.\d+ lacks /);
        assert.ok(lines[i].includes(`the fix of ${cve} `), lines[i]);
        assert.ok(lines[i].endsWith('; upgrade libexpat1'), lines[i]);
    }
});

checkDoab('-V looks at the library that is loaded', async () => {
    const source = box.write(
        'fixed.c',
        Object.values(FIXES)
            .map((name) => `void ${name}(void) {}\n`)
            .join(''),
    );
    const library = box.path('fixed.so');
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, source]);
    fs.chmodSync(library, 0o755);
    assert.deepEqual(await lackOfExpat({ LD_PRELOAD: library }), []);
});

checkDoab('an unknown option is 64 and says so on stderr', async () => {
    for (const args of [['--nonsense'], ['-z'], ['-c'], ['-t', 'extra']]) {
        const { code, out, err } = await run(args);
        assert.equal(code, 64, args.join(' '));
        assert.equal(out, '');
        assert.ok(err.length > 0);
    }
});

/* --- Configuration --- */

checkDoab('-t accepts a good file with 0', async () => {
    const { code } = await run(['-t', '-c', box.write('good.conf', GOOD)]);
    assert.equal(code, 0);
});

checkDoab('-t accepts the configuration that is shipped', async () => {
    const file = box.copy(path.join(top, 'conf/doab.conf'), 'shipped.conf');
    const { code, err } = await run(['-t', '-c', file]);
    assert.equal(code, 0, err);
});

/* Each: what is added to a good file as its last line, and what the message
 * must name besides the place: the value, and what would be accepted. */
const BAD = {
    'an unknown key': ['bosh { wiat = 60s }', /wiat/],
    'an unknown section': ['bsh { wait = 60s }', /bsh/],
    'a bad unit': ['bosh { wait = 60parsecs }', /60parsecs/],
    'a value out of range': ['bosh { wait = 99999999s }', /99999999/],
    'a number that is none': ['bosh { hold_max = many }', /many/],
    'an unknown mode': [
        'domain "x.example" { route = "127.0.0.1:1"  mode = maybe }',
        /maybe/,
    ],
    'a bad level': ['log { level = loud }', /loud.*(debug|info)/s],
    'a bad address': ['listen "127.0.0.1:notaport" { }', /notaport/],
    'a bad route': [
        'domain "y.example" { route = "127.0.0.1:99999" }',
        /99999/,
    ],
};

for (const [name, [line, pattern]] of Object.entries(BAD))
    checkDoab(`-t refuses ${name} with 78, naming file and line`, async () => {
        const file = box.write('bad.conf', `${GOOD}${line}\n`);
        const { code, err } = await run(['-t', '-c', file]);
        assert.equal(code, 78, err);
        const at = GOOD.split('\n').length;
        assert.ok(err.includes(`bad.conf:${at}`), err);
        assert.match(err, pattern);
    });

checkDoab('an error of range says what would be accepted', async () => {
    const file = box.write('bad.conf', `${GOOD}bosh { wait = 99999999s }\n`);
    const { err } = await run(['-t', '-c', file]);
    assert.match(err, /300/);
});

checkDoab(
    'a syntax error is 78 as well, and so is a missing file',
    async () => {
        const file = box.write('bad.conf', `${GOOD}bosh { wait = \n`);
        assert.equal((await run(['-t', '-c', file])).code, 78);
        const { code } = await run(['-t', '-c', box.path('none.conf')]);
        assert.ok([66, 78].includes(code), String(code));
    },
);

checkDoab('a certificate that is not there is found by -t', async () => {
    const file = box.write(
        'bad.conf',
        `${GOOD}listen "127.0.0.1:1" { certificate` +
            ` = "${box.path('no.pem')}"  key = "${box.path('no.key')}" }\n`,
    );
    const { code, err } = await run(['-t', '-c', file]);
    assert.equal(code, 78);
    assert.match(err, /no\.pem/);
});

checkDoab('--dump-config shows what is set and what is default', async () => {
    const file = box.write('good.conf', `${GOOD}bosh { wait = 33s }\n`);
    const { code, out, err } = await run(['--dump-config', '-c', file]);
    assert.equal(code, 0, err);
    assert.match(out, /wait\s*=\s*"?33s/);
    assert.match(out, /inactivity\s*=\s*"?90s/);
    assert.match(out, /example\.org/);
});

/* --- Running --- */

if (isRoot)
    checkDoab('root is refused with 77', async () => {
        const { code, err } = await run(['-c', box.write('good.conf', GOOD)], {
            asRoot: true,
        });
        assert.equal(code, 77);
        assert.match(err, /root/);
    });

checkDoab('an address in use is an error that names it', async () => {
    const file = box.write(
        'taken.conf',
        configText({
            listen: { [`127.0.0.1:${pair.port}`]: {} },
        }),
    );
    const { code, err } = await run(['-c', file]);
    assert.ok(code > 0, String(code));
    assert.ok(err.includes(`127.0.0.1:${pair.port}`), err);
});

checkDoab('a unix socket and IPv6 can be listened on', async () => {
    const [port] = await freePorts(1);
    const socket = box.path('doab.sock');
    const one = await startDoab(
        box,
        {
            listen: {
                '127.0.0.1:0': {},
                [`[::1]:${port}`]: {},
                [`unix:${socket}`]: {},
            },
        },
        'many.conf',
    );
    assert.equal(one.urls.length >= 2, true, one.child.out);
    assert.ok(fs.statSync(socket).isSocket());
    await one.child.stop();
    assert.ok(!fs.existsSync(socket), 'the socket is removed at the end');
});

for (const signal of ['SIGTERM', 'SIGINT'])
    checkDoab(
        `${signal} ends sessions with system-shutdown and exits 0`,
        async () => {
            const one = await startDoab(
                box,
                {
                    listen: { '127.0.0.1:0': {} },
                    domain: routes(pair.prosody.port),
                    websocket: { close_timeout: '1s' },
                    limits: { drain_timeout: '60s' },
                },
                'ending.conf',
            );
            const session = await new BoshSession(one.port).open({ wait: 30 });
            const poll = await session.held();
            const ws = await RawWebSocket.open(one.port);
            ws.text(OPEN('localhost'));
            await ws.message();
            await ws.message();
            const begun = Date.now();
            one.child.signal(signal);
            const { body } = await poll.response();
            assert.equal(attributes(body).type, 'terminate');
            assert.equal(attributes(body).condition, 'system-shutdown');
            const { messages, code } = await ws.rest();
            assert.match(messages.at(-1), /^<close /);
            assert.equal(code, 1001);
            ws.close();
            poll.close();
            assert.equal(await one.child.exited, 0);
            assert.ok(Date.now() - begun < 30000, 'the drain is brief');
        },
    );

checkDoab(
    'the journal format has its priorities and no time of its own',
    async () => {
        const one = await startDoab(
            box,
            {
                listen: { '127.0.0.1:0': {} },
                domain: routes(pair.prosody.port),
                log: { level: 'info', format: 'journald' },
            },
            'journal.conf',
        );
        const session = await new BoshSession(one.port).open();
        await session.ask({ type: 'terminate' });
        await one.child.stop();
        const lines = one.child.err.trim().split('\n');
        assert.ok(lines.length >= 2);
        for (const line of lines) assert.match(line, /^<[0-7]>\D/);
    },
);

// Conformance L71.
checkDoab('no core file and nobody else reads the memory', async () => {
    const one = await startDoab(
        box,
        {
            listen: { '127.0.0.1:0': {} },
            domain: routes(pair.prosody.port),
        },
        'core.conf',
    );
    const proc = `/proc/${one.child.pid}`;
    const limits = fs.readFileSync(`${proc}/limits`, 'utf8');
    assert.match(limits, /^Max core file size +0 +0 /m);
    // The files of a process that may not be dumped are root's.
    assert.equal(fs.statSync(`${proc}/environ`).uid, 0);
    await one.child.stop();
});

/* Whatever opens next would get the number otherwise, and log lines with it. */
for (let missing = 1; missing < 8; missing++) {
    const closed = [0, 1, 2].filter((fd) => missing & (1 << fd));
    checkDoab(`started without ${closed.join(', ')} it serves`, async () => {
        const [port] = await freePorts(1);
        const file = box.write(
            'closed.conf',
            `listen "127.0.0.1:${port}" { }\n${
                /* Lines for a descriptor 2 that is something else. */
                'log { level = debug }'
            }\n`,
        );
        const redirections = closed.map((fd) => `${fd}>&-`).join(' ');
        const child = box.start('doab', [
            'sh',
            '-c',
            `exec ./doab -c ${file} ${redirections}`,
        ]);
        await waitPort(port, child);
        if (isRoot)
            for (const fd of closed)
                assert.equal(
                    fs.readlinkSync(`/proc/${child.pid}/fd/${fd}`),
                    '/dev/null',
                );
        const raw = new Raw(port);
        raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        assert.equal((await raw.response()).status, 200);
        raw.close();
        child.signal('SIGTERM');
        assert.equal(await child.exited, 0);
    });
}

teardown();
