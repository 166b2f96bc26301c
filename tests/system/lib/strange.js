/*
 * Servers that let anybody log in and then answer messages as a test likes,
 * frame by frame where there are frames.
 */

import net from 'node:net';
import { BIND, HEADER, MECHANISMS } from './scripted.js';

/* Answers to a client's stream over `say`, until messages come. */
function login(text, say) {
    if (/<auth /.test(text))
        say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    const id = /<iq [^>]*id='([^']*)'/.exec(text);
    if (id)
        say(
            `<iq type='result' id='${id[1]}'>` +
                "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" +
                '<jid>u@localhost/r</jid></bind></iq>',
        );
}

export async function listening(onSocket) {
    const sockets = new Set();
    const peer = net.createServer((socket) => {
        sockets.add(socket);
        socket.setNoDelay(true).on('error', () => {});
        onSocket(socket);
    });
    await new Promise((ok) => peer.listen(0, '127.0.0.1', ok));
    return {
        port: peer.address().port,
        stop: () => {
            for (const socket of sockets) socket.destroy();
            return new Promise((ok) => peer.close(ok));
        },
    };
}

/* A server over TCP; echo(message, number, socket) for each message. */
export function tcpServer(echo) {
    return listening((socket) => {
        let proved = false;
        let number = 0;
        let text = '';
        socket.setEncoding('utf8').on('data', (data) => {
            if (/<stream:stream/.test(data)) {
                socket.write(HEADER + (proved ? BIND : MECHANISMS));
                proved = true;
            }
            login(data, (answer) => socket.write(answer));
            text += data;
            for (let m; (m = /<message.*?<\/message>/s.exec(text)); ) {
                text = text.slice(m.index + m[0].length);
                echo(m[0], ++number, socket);
            }
        });
    });
}

function clientFrames(state) {
    const texts = [];
    for (;;) {
        const b = state.bytes;
        if (b.length < 6) return texts;
        const wide = (b[1] & 0x7f) === 126;
        const from = wide ? 8 : 6;
        const len = wide ? b.readUInt16BE(2) : b[1] & 0x7f;
        if (b.length < from + len) return texts;
        const data = Buffer.from(b.subarray(from, from + len));
        for (let i = 0; i < len; i++) data[i] ^= b[from - 4 + (i % 4)];
        if ((b[0] & 15) === 1) texts.push(data.toString());
        if ((b[0] & 15) === 10) state.pongs++;
        state.bytes = b.subarray(from + len);
    }
}

export function serverFrame(text, first = 0x81) {
    const data = Buffer.from(text);
    const head =
        data.length < 126
            ? Buffer.from([first, data.length])
            : Buffer.from([first, 126, data.length >> 8, data.length & 255]);
    return Buffer.concat([head, data]);
}

const features = (text) =>
    text.replace(
        '<stream:features>',
        "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>",
    );

/* A WebSocket server; echo(message) is the bytes that answer each message. */
export function wsServer(echo, counts = {}) {
    return listening((socket) => {
        const state = { bytes: Buffer.alloc(0), pongs: 0 };
        let proved = false;
        let open = false;
        const say = (text) => socket.write(serverFrame(text));
        socket.on('data', (data) => {
            state.bytes = Buffer.concat([state.bytes, data]);
            if (!open) {
                const end = state.bytes.indexOf('\r\n\r\n');
                if (end < 0) return;
                open = true;
                state.bytes = state.bytes.subarray(end + 4);
                socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
            }
            for (const text of clientFrames(state)) {
                if (/^<open/.test(text)) {
                    say("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
                    say(features(proved ? BIND : MECHANISMS));
                    proved = true;
                }
                login(text, say);
                if (/^<message/.test(text)) {
                    counts.messages = (counts.messages ?? 0) + 1;
                    echo(text, socket);
                }
            }
            counts.pongs = state.pongs;
        });
    });
}
