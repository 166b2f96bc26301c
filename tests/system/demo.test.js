/*
 * contrib/demo as a new user meets it: it prints addresses, they work, and
 * it leaves nothing behind.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { top } from './lib/doab.js';
import { checkDoab, setup, teardown } from './lib/harness.js';
import { freePorts, until } from './lib/sandbox.js';
import { StropheClient } from './lib/strophe.js';

let demo;
let base;
let output = '';
let exited;

setup('demo', () => {});

const left = () =>
    fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('doab-demo-'));
const before = left();

checkDoab('it prints the addresses', async () => {
    const [port] = await freePorts(1);
    demo = spawn(path.join(top, 'contrib/demo'), ['--port', String(port)], {
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    const note = (d) => {
        output += d;
    };
    demo.stdout.on('data', note);
    demo.stderr.on('data', note);
    exited = new Promise((done) => demo.once('close', done));
    process.once('exit', () => demo.kill('SIGTERM'));
    await until(
        'the addresses',
        () => {
            assert.equal(demo.exitCode, null, output);
            return /transport=websocket/.test(output);
        },
        60000,
    );
    [base] = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
    assert.match(output, /chat\.html\?transport=bosh/);
});

checkDoab('the pages and Converse.js are there', async () => {
    for (const [name, type] of [
        ['', 'text/html'],
        ['index.html', 'text/html'],
        ['chat.html?transport=bosh', 'text/html'],
        ['style.css', 'text/css'],
        ['chat.js', '(text|application)/javascript'],
        ['dist/converse.min.js', '(text|application)/javascript'],
        ['dist/converse.min.css', 'text/css'],
    ]) {
        const answer = await fetch(`${base}/${name}`);
        assert.equal(answer.status, 200, name);
        assert.match(
            answer.headers.get('content-type'),
            new RegExp(`^${type}`),
        );
        assert.ok((await answer.text()).length > 100);
    }
});

checkDoab('a guest can log in over both transports', async () => {
    for (const url of [
        `${base}/http-bind`,
        `${base.replace('http', 'ws')}/xmpp-websocket`,
    ]) {
        const guest = await new StropheClient(url).login('anon.localhost', '');
        assert.match(guest.jid, /@anon\.localhost\//);
        await guest.close();
    }
});

checkDoab('SIGTERM stops it all and leaves nothing behind', async () => {
    demo.kill('SIGTERM');
    assert.equal(await exited, 0, output);
    assert.match(output, /stopped/);
    await assert.rejects(fetch(base));
    assert.deepEqual(left(), before);
});

teardown();
