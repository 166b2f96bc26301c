/*
 * One HTTP request on a connection that may die at any moment.
 */

import net from 'node:net';
import tls from 'node:tls';
import { count } from './history.mjs';

const CUT = 'during the request'; /* or before its first byte */
const STALL = 'stalled in the request'; /* repeated while that one is open */
export const SENT = 'after the request'; /* or with the answer on its way */
const DEAF = 'answer never read';
const ANSWER = 'before the answer is read';
const TRUNCATED = 'during the answer'; /* a part of it is read */
const AFTER = 'after the answer';
const HALF = 'half-close'; /* FIN behind the request, the answer is read */
export const FATES = [CUT, STALL, SENT, DEAF, ANSWER, TRUNCATED, AFTER, HALF];

const ANSWER_MS = 12000; /* wait is far less; a busy machine is no fault */
const HALF_MS = 300;
const LINGER_MS = 1500;
const PART_BYTES = 60; /* read of an answer that is truncated */

/* In one piece, in three, or with another request behind it. */
const MANNERS = ['whole', 'whole', 'drip', 'pipelined'];
const BEHIND = 'OPTIONS /http-bind HTTP/1.1\r\nHost: localhost\r\n\r\n';

/* A session that was never there, of any worker: it is looked for there once
 * all before it is answered, and doab answers that soon. */
function stranger(chance, workers) {
    const worker = chance.below(workers).toString(32);
    return post(
        "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'" +
            ` sid='d-${worker}a${'a2'.repeat(13)}'/>`,
    );
}

class Connection {
    /* onPart: it reads only the first bytes, and calls that then. */
    constructor({ port, isTls }, onPart) {
        const buffer = Buffer.alloc(PART_BYTES);
        const onread = onPart && { buffer, callback: () => onPart() ?? false };
        this.raw = net.connect({ port, host: '127.0.0.1', onread });
        this.raw.on('error', () => {});
        this.stream = isTls
            ? tls.connect({ socket: this.raw, rejectUnauthorized: false })
            : this.raw;
        this.stream.on('error', () => {});
    }

    kill(how) {
        this.raw[how]();
        this.stream.destroy();
    }

    release() {
        this.stream.removeAllListeners('data').removeAllListeners('close');
    }
}

/* One that was used before, unless doab has closed it meanwhile. */
function take(session) {
    const { idle } = session;
    /* In common, that which was used by others since. */
    const connection = session.setup.isShared ? idle.shift() : idle.pop();
    return connection === undefined || connection.stream.destroyed
        ? new Connection(session.setup)
        : connection;
}

/* The answer at the front of the bytes, or null while it is not whole. */
function parse(bytes) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const head = bytes.subarray(0, end).toString();
    const size = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    if (bytes.length < end + 4 + size) return null;
    return {
        head,
        body: bytes.subarray(end + 4, end + 4 + size).toString(),
        rest: bytes.subarray(end + 4 + size),
    };
}

/* All the answers, or null while some are missing. */
function parseAll(bytes, wanted) {
    const answers = [];
    for (let rest = bytes; answers.length < wanted; ) {
        const answer = parse(rest);
        if (answer === null) return null;
        answers.push(answer);
        rest = answer.rest;
    }
    return answers;
}

/* cut: how much of the request is written, or undefined. */
async function write(connection, request, { manner, behind, chance, cut }) {
    const { stream } = connection;
    if (cut !== undefined) {
        stream.write(request.subarray(0, cut));
    } else if (manner === 'drip') {
        const first = chance.below(request.length);
        const second = first + chance.below(request.length - first);
        stream.write(request.subarray(0, first));
        await chance.pause(10);
        stream.write(request.subarray(first, second));
        await chance.pause(10);
        stream.write(request.subarray(second));
    } else {
        stream.write(request);
        if (manner === 'pipelined') stream.write(behind);
    }
}

function post(body) {
    return Buffer.from(
        'POST /http-bind HTTP/1.1\r\nHost: localhost\r\n' +
            'Content-Type: text/xml; charset=utf-8\r\n' +
            `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
}

/*
 * Posts a body for a session.  fate: what happens to the connection, or null;
 * delay_ms: when, where that is a matter of time.  Resolves to the body of the
 * answer, or null when it was lost.
 */
export function exchange(session, chance, label, body, fate, delay_ms) {
    const how = chance.of(50) ? 'resetAndDestroy' : 'destroy';
    const kind = `${fate} ${how === 'destroy' ? 'FIN' : 'RST'}`;
    /* Whole: bytes that came after its repeat was answered, and others after
     * that, would be from outside the window. */
    const manner =
        fate === HALF || fate === DEAF ? 'whole' : chance.one(MANNERS);
    const behind =
        session.setup.isShared && !session.isQuiet && chance.of(50)
            ? stranger(chance, session.setup.workers)
            : BEHIND;
    if (behind !== BEHIND && manner === 'pipelined')
        count('strangers behind a request');
    const wanted = manner === 'pipelined' ? 2 : 1;
    const delay = delay_ms ?? 5 + chance.below(30);
    const lingers = fate === STALL || fate === DEAF;
    const request = post(body);
    const cut =
        fate === CUT || fate === STALL
            ? chance.below(request.length)
            : undefined;
    let got = Buffer.alloc(0);

    count('requests');
    count(`requests ${manner}`);
    if (fate !== null) count(`kill: ${kind}`);
    session.event(`${label} > ${manner} ${fate === null ? '' : kind}`);
    return new Promise((done) => {
        let timer;
        let connection;
        const settle = (answer) => {
            clearTimeout(timer);
            connection.release();
            session.event(`${label} < ${answer?.slice(44, 140) ?? 'lost'}`);
            done(answer);
        };
        const lose = () => {
            if (lingers)
                setTimeout(() => connection.kill(how), chance.below(LINGER_MS));
            else connection.kill(how);
            settle(null);
        };
        const finish = (answers) => {
            const [{ head, body: answer }] = answers;
            if (!/^HTTP\/1.1 200 /.test(head) || answer === '')
                session.blame(`${label} was answered ${head}`);
            if (answers.at(-1).rest.length > 0)
                session.blame(`${label} was answered twice`);
            if (fate !== null) connection.kill(how);
            else session.idle.push(connection);
            settle(answer);
        };
        const isPartial = fate === TRUNCATED && !session.setup.isTls;
        connection = isPartial
            ? new Connection(session.setup, lose)
            : take(session);
        const timed = fate === SENT || fate === CUT || lingers;
        const limit = fate === HALF ? HALF_MS : ANSWER_MS;
        timer = setTimeout(
            () => {
                if (fate === null) session.blame(`${label} was not answered`);
                lose();
            },
            timed ? delay : limit,
        );
        if (!isPartial && fate !== DEAF)
            connection.stream.on('data', (chunk) => {
                if (fate === ANSWER || fate === TRUNCATED) return lose();
                got = Buffer.concat([got, chunk]);
                const answers = parseAll(got, wanted);
                return answers === null ? undefined : finish(answers);
            });
        else if (fate === DEAF) connection.stream.pause();
        connection.stream.on('close', () => {
            if (fate === null && got.length > 0)
                session.blame(`${label}: half an answer`);
            settle(null);
        });
        if (fate === HALF) connection.stream.end(request);
        else write(connection, request, { manner, behind, chance, cut });
    });
}
