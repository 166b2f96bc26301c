/*
 * A place for one test file: a directory, the processes started in it, and
 * the promise that they all end with it.
 *
 * Daemons run as nobody when the tests run as root, since doab refuses to run
 * as root and the rest has no reason to.  That user may not be able to read
 * the checkout, so whatever a daemon needs is copied into the directory.
 */

import { spawn, execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const isRoot = process.getuid() === 0;
const NOBODY = 65534;
const STOP_MS = 15000;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* Ports that are free at the moment of asking.  They are below those that the
 * kernel gives to connections, and each process asks for others, so that they
 * are still free when their daemon takes them. */
const FIRST_PORT = 12000;
const PROCESSES = 1000;
const PORTS_EACH = 20;
let portsTried = 0;

function isFree(port) {
    const server = net.createServer();
    return new Promise((done) => {
        server.once('error', () => done(false));
        server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
}

export async function freePorts(count) {
    const first = FIRST_PORT + (process.pid % PROCESSES) * PORTS_EACH;
    const ports = [];
    while (ports.length < count) {
        const port = first + portsTried++;
        if (await isFree(port)) ports.push(port);
    }
    return ports;
}

/* Waits until something answers on a loopback port. */
export async function waitPort(port, child, ms = 20000) {
    const deadline = Date.now() + ms;
    for (;;) {
        const ok = await new Promise((done) => {
            const s = net.connect(port, '127.0.0.1');
            s.once('connect', () => {
                s.destroy();
                done(true);
            });
            s.once('error', () => done(false));
        });
        if (ok) return;
        if (child && child.code !== undefined)
            throw new Error(`${child.name} exited with ${child.code}`);
        if (Date.now() > deadline)
            throw new Error(`nothing listens on port ${port}`);
        await sleep(50);
    }
}

/* Waits until `probe` returns something true, and returns that. */
export async function until(what, probe, ms = 15000) {
    const deadline = Date.now() + ms;
    for (;;) {
        const value = await probe();
        if (value) return value;
        if (Date.now() > deadline)
            throw new Error(`waited in vain for ${what}`);
        await sleep(20);
    }
}

/* One daemon.  `out` and `err` hold all that it has printed so far. */
class Child {
    constructor(name, argv, options) {
        const full = isRoot
            ? [
                  'setpriv',
                  `--reuid=${NOBODY}`,
                  `--regid=${NOBODY}`,
                  '--clear-groups',
                  ...argv,
              ]
            : argv;
        this.name = name;
        this.out = '';
        this.err = '';
        this.code = undefined;
        this.proc = spawn(full[0], full.slice(1), {
            stdio: ['ignore', 'pipe', 'pipe'],
            ...options,
        });
        this.pid = this.proc.pid;
        /* Where a test gave a descriptor of its own there is none here. */
        this.proc.stdout?.setEncoding('utf8').on('data', (d) => {
            this.out += d;
        });
        this.proc.stderr?.setEncoding('utf8').on('data', (d) => {
            this.err += d;
        });
        this.exited = new Promise((done) => {
            this.proc.once('error', (e) => {
                this.err += `${e}\n`;
                this.code = 127;
                done(127);
            });
            this.proc.once('close', (code, signal) => {
                this.code = code ?? signal;
                done(this.code);
            });
        });
    }

    /* The match of `pattern` in what was printed, waiting for it if need be. */
    async waitFor(pattern, ms = 15000) {
        return until(
            `${pattern} from ${this.name}`,
            () => {
                const hit = pattern.exec(this.out) || pattern.exec(this.err);
                if (!hit && this.code !== undefined)
                    throw new Error(
                        `${this.name} exited with ${this.code}\n` +
                            this.out +
                            this.err,
                    );
                return hit;
            },
            ms,
        );
    }

    signal(name) {
        if (this.code === undefined) this.proc.kill(name);
    }

    /* SIGTERM, then SIGKILL; resolves to the exit status, or to the name of
     * the signal that ended it. */
    async stop() {
        this.signal('SIGTERM');
        const timer = setTimeout(() => this.signal('SIGKILL'), STOP_MS);
        const code = await this.exited;
        clearTimeout(timer);
        return code;
    }
}

export class Sandbox {
    constructor(name) {
        this.name = name;
        this.children = [];
        this.dir = fs.mkdtempSync(path.join(os.tmpdir(), `doab-${name}-`));
        fs.chmodSync(this.dir, 0o755);
        this.own(this.dir);
        this.lastResort = () => {
            for (const child of this.children) child.signal('SIGKILL');
        };
        process.once('exit', this.lastResort);
    }

    own(file) {
        if (isRoot) fs.chownSync(file, NOBODY, NOBODY);
    }

    path(...parts) {
        return path.join(this.dir, ...parts);
    }

    mkdir(name) {
        let at = this.dir;
        for (const part of name.split('/')) {
            at = path.join(at, part);
            if (!fs.existsSync(at)) {
                fs.mkdirSync(at);
                this.own(at);
            }
        }
        return at;
    }

    write(name, text, mode = 0o644) {
        if (path.dirname(name) !== '.') this.mkdir(path.dirname(name));
        const file = this.path(name);
        fs.writeFileSync(file, text);
        fs.chmodSync(file, mode);
        this.own(file);
        return file;
    }

    copy(from, name, mode = 0o644) {
        return this.write(name, fs.readFileSync(from), mode);
    }

    copyTree(from, name) {
        this.mkdir(name);
        for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
            const source = path.join(from, entry.name);
            if (entry.isDirectory())
                this.copyTree(source, `${name}/${entry.name}`);
            else if (entry.isFile()) this.copy(source, `${name}/${entry.name}`);
        }
        return this.path(name);
    }

    start(name, argv, options = {}) {
        const child = new Child(name, argv, {
            cwd: this.dir,
            env: { ...process.env, HOME: this.dir },
            ...options,
        });
        this.children.push(child);
        return child;
    }

    async tool(argv, options = {}) {
        return run(argv[0], argv.slice(1), { cwd: this.dir, ...options });
    }

    /* Stops everything, newest first, and removes the directory.  Returns
     * what ended badly, as sentences. */
    async close() {
        const faults = [];
        for (const child of [...this.children].reverse()) {
            const earlier = child.code;
            const code = await child.stop();
            if (child.name !== 'doab') continue;
            if (code !== 0)
                faults.push(
                    `doab ended with ${code}` +
                        (earlier !== undefined ? ' before it was told to' : ''),
                );
            if (/runtime error:|(ERROR|WARNING): \w+Sanitizer/.test(child.err))
                faults.push('a sanitizer complained');
        }
        process.removeListener('exit', this.lastResort);
        fs.rmSync(this.dir, { recursive: true, force: true });
        return faults;
    }

    dump() {
        for (const child of this.children) {
            const text = (child.out + child.err).split('\n').slice(-150);
            console.error(`--- output of ${child.name} (${child.code})`);
            console.error(text.join('\n'));
        }
    }
}
