/*
 * A web server of a test: files of a directory, and answers that are made at
 * the time of asking.
 */

import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.json': 'application/json',
    '.wasm': 'application/wasm',
};

function file(directory, name, response) {
    const found = path.join(directory, path.normalize(`/${name}`));
    if (!fs.existsSync(found) || !fs.statSync(found).isFile()) {
        response.writeHead(404).end();
        return;
    }
    const type = TYPES[path.extname(found)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type });
    response.end(fs.readFileSync(found));
}

async function made(make, response) {
    try {
        const value = await make();
        response.writeHead(200, {
            'Content-Type': 'application/json',
            'Cache-Control': 'no-store',
        });
        response.end(JSON.stringify(value));
    } catch (error) {
        response.writeHead(502, { 'Content-Type': 'text/plain' });
        response.end(String(error));
    }
}

/* `answers` is { path: function that resolves to what is sent as JSON }. */
export async function startWeb(directory, answers) {
    const server = http.createServer((request, response) => {
        const { pathname } = new URL(request.url, 'http://127.0.0.1');
        if (answers[pathname]) made(answers[pathname], response);
        else file(directory, decodeURIComponent(pathname), response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        base: `http://127.0.0.1:${server.address().port}`,
        stop: () => {
            server.close();
            server.closeAllConnections?.();
        },
    };
}
