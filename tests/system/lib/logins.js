/*
 * A server over plain TCP that lets everybody in, by itself: headers, features,
 * any <auth/>, and the end of a stream are answered.  What comes after the login
 * is given to `told(text, socket)`.
 */

import { once } from 'node:events';
import net from 'node:net';
import { BIND, HEADER, MECHANISMS } from './scripted.js';

const END = '</stream:stream>';
const SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

class Login {
    constructor(socket, told) {
        Object.assign(this, { socket, told, got: '', isLoggedIn: false });
        socket.setEncoding('utf8').setNoDelay(true);
        socket.on('error', () => {});
        socket.on('data', (text) => {
            this.got += text;
            while (this.step());
        });
    }

    /* Takes what the text begins with; true: there may be more. */
    step() {
        const { socket, got } = this;
        const header = /^\s*(<\?xml[^>]*>)?\s*<stream:stream[^>]*>/.exec(got);
        if (header !== null) {
            this.got = got.slice(header[0].length);
            this.isOpen = true;
            socket.write(HEADER + (this.isLoggedIn ? BIND : MECHANISMS));
        } else if (got.startsWith('<auth ') && got.includes('>')) {
            const close = got.includes('</auth>') ? '</auth>' : '/>';
            this.got = got.slice(got.indexOf(close) + close.length);
            this.isLoggedIn = true;
            this.isOpen = false;
            socket.write(SUCCESS);
        } else if (got.includes(END)) {
            this.hear(got.slice(0, got.indexOf(END)));
            this.got = '';
            socket.end(END);
        } else if (this.isLoggedIn && this.isOpen && got !== '') {
            this.got = '';
            this.hear(got);
        } else {
            return false;
        }
        return this.got !== '';
    }

    hear(text) {
        if (this.told !== undefined && text !== '')
            this.told(text, this.socket);
    }
}

export async function startLogins(told) {
    const sockets = new Set();
    const server = net.createServer((socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        new Login(socket, told);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        route: `127.0.0.1:${server.address().port}`,
        stop() {
            for (const socket of sockets) socket.destroy();
            server.close();
        },
    };
}
