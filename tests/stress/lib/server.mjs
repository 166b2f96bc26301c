/*
 * The server behind doab: logs everybody in, takes and counts.
 */

import { count, STANZA, streams } from './history.mjs';

const HEADER =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client'" +
    " xmlns:stream='http://etherx.jabber.org/streams'" +
    " version='1.0' from='localhost' id='history'>";
const features = (what) => `<stream:features>${what}</stream:features>`;

const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const MECHANISMS = features(
    `<mechanisms ${SASL}><mechanism>ANONYMOUS</mechanism></mechanisms>`,
);
const BIND = features("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");

const TOKEN = [
    '<stream:stream[^>]*>',
    '<auth[^>]*>([^<]*)</auth>',
    '</stream:stream>',
    STANZA.source,
    '<message[^>]* id="s(\\d+)" type="error">',
].join('|');

/* What a session says to log in: its name instead of a trace. */
export const auth = (name) =>
    `<auth ${SASL} mechanism='ANONYMOUS'>${name}</auth>`;

/* One stream. */
export function serve(socket) {
    const token = new RegExp(TOKEN, 'g');
    let session = null;
    let kept = '';

    const answer = ([all, name, side, digits, body, returned]) => {
        if (returned !== undefined) {
            count('given back');
            session.returned.push(Number(returned));
        } else if (side !== undefined) {
            session.up.take(side, digits, body);
        } else if (name !== undefined) {
            session = streams.get(name);
            socket.write(`<success ${SASL}/>`);
        } else if (all.startsWith('<stream')) {
            socket.write(HEADER + (session === null ? MECHANISMS : BIND));
            if (session !== null) session.server = socket;
        } else {
            socket.end('</stream:stream>');
        }
    };
    socket.setNoDelay(true).setEncoding('utf8');
    socket.on('data', (chunk) => {
        let at = 0;
        kept += chunk;
        token.lastIndex = 0;
        for (let hit = token.exec(kept); hit; hit = token.exec(kept)) {
            at = token.lastIndex;
            answer(hit);
        }
        kept = kept.slice(at);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
        if (session !== null) session.isServerClosed = true;
    });
}
