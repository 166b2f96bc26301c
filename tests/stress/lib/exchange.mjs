/*
 * One HTTP request on a connection that may die at any moment.
 */

import net from 'node:net';
import tls from 'node:tls';
import { count } from './history.mjs';

const CUT = 'cut'; /* the request is not sent whole */
const SENT = 'sent'; /* killed soon after the request, or after the answer */
const ANSWER = 'answer'; /* killed when the answer begins to arrive */
const AFTER = 'after'; /* killed when it has arrived */
const HALF = 'half'; /* FIN behind the request, the answer is still read */
export const FATES = [CUT, SENT, ANSWER, AFTER, HALF];

const ANSWER_MS = 12000; /* wait is far less; a busy machine is no fault */
const HALF_MS = 300;

/* In one piece, in three, or with another request behind it. */
const MANNERS = ['whole', 'whole', 'drip', 'pipelined'];
const BEHIND = 'OPTIONS /http-bind HTTP/1.1\r\nHost: localhost\r\n\r\n';

class Connection {
    constructor({ port, isTls }) {
        this.raw = net.connect(port, '127.0.0.1');
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
    const connection = session.idle.pop();
    return connection === undefined || connection.stream.destroyed
        ? new Connection(session.target)
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
async function write(connection, request, manner, chance, cut) {
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
        if (manner === 'pipelined') stream.write(BEHIND);
    }
}

/*
 * Posts a body for a session.  fate: what happens to the connection, or null.
 * Resolves to the body of the answer, or null when it was lost.
 */
export function exchange(session, label, body, fate) {
    const { chance } = session;
    const how = chance.of(50) ? 'resetAndDestroy' : 'destroy';
    const manner = fate === HALF ? 'whole' : chance.one(MANNERS);
    const wanted = manner === 'pipelined' ? 2 : 1;
    const delay = chance.below(30);
    const connection = take(session);
    const request = Buffer.from(
        'POST /http-bind HTTP/1.1\r\nHost: localhost\r\n' +
            'Content-Type: text/xml; charset=utf-8\r\n' +
            `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    const cut = fate === CUT ? chance.below(request.length) : undefined;
    const limits = { [SENT]: delay, [CUT]: delay, [HALF]: HALF_MS };
    let got = Buffer.alloc(0);

    count('requests');
    count(`requests ${manner}`);
    if (fate !== null) count(`kills: ${fate}`);
    session.event(`${label} > ${manner} ${fate ?? ''} ${fate ? how : ''}`);
    return new Promise((done) => {
        let timer;
        const settle = (answer) => {
            clearTimeout(timer);
            connection.release();
            session.event(`${label} < ${answer?.slice(44, 140) ?? 'lost'}`);
            done(answer);
        };
        const lose = () => {
            connection.kill(how);
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
        timer = setTimeout(() => {
            if (fate === null) session.blame(`${label} was not answered`);
            lose();
        }, limits[fate] ?? ANSWER_MS);
        connection.stream.on('data', (chunk) => {
            if (fate === ANSWER) return lose();
            got = Buffer.concat([got, chunk]);
            const answers = parseAll(got, wanted);
            return answers === null ? undefined : finish(answers);
        });
        connection.stream.on('close', () => {
            if (fate === null && got.length > 0)
                session.blame(`${label}: half an answer`);
            settle(null);
        });
        if (fate === HALF) connection.stream.end(request);
        else write(connection, request, manner, chance, cut);
    });
}
