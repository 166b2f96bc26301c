/*
 * The server behind doab: logs everybody in, takes and counts, and keeps for
 * those who ask for it what they have not acknowledged (XEP-0198).
 */

import { count, message, STANZA, streams } from './history.mjs';

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

/* --- XEP-0198, as both sides write it ------------------------------------- */

const SM_NS = "xmlns='urn:xmpp:sm:3'";

export const SM = {
    ENABLE: `<enable ${SM_NS} resume='true'/>`,
    REQUEST: `<r ${SM_NS}/>`,
    CONFLICT:
        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'" +
        '/></stream:error></stream:stream>',
    ack: (h) => `<a ${SM_NS} h='${h}'/>`,
    resume: (h, id) => `<resume ${SM_NS} h='${h}' previd='${id}'/>`,
    test: (text) => /^<[a-z]+ xmlns="urn:xmpp:sm:3"/.test(text),
    number: (text, name) =>
        Number(new RegExp(` ${name}="(\\d+)"`).exec(text)?.[1] ?? NaN),
};

/* h counts what has come of one side. */
function checkAck(session, h) {
    if (!(h >= session.heard && h <= session.down.got))
        session.blame(`h=${h} after ${session.heard}, got ${session.down.got}`);
    session.heard = h;
}

/* The stream that is resumed has nothing more to say. */
function resume(session, socket, text) {
    const h = SM.number(text, 'h');
    const { got } = session.up;
    session.server.isAbandoned = true;
    session.server.destroy();
    session.server = socket;
    socket.isResumable = true;
    checkAck(session, h);
    count('stanzas said again by the server', session.down.sent - h);
    let all = `<resumed ${SM_NS} h='${got}' previd='${session.name}'/>`;
    for (let n = h + 1; n <= session.down.sent; n++) all += message('s', n);
    socket.write(all);
}

function manage(session, socket, what, text) {
    if (!socket.writable) return; /* it has said its last */
    if (what === 'r') socket.write(SM.ack(session.up.got));
    else if (what === 'a') checkAck(session, SM.number(text, 'h'));
    else if (what === 'resume') resume(session, socket, text);
    else {
        session.heard = 0;
        session.isKept = true;
        socket.isResumable = true;
        socket.write(
            `<enabled ${SM_NS} id='${session.name}' resume='true'/>`,
        );
    }
}

/* --- Streams -------------------------------------------------------------- */

const TOKEN = [
    '<stream:stream[^>]*>',
    '<auth[^>]*>([^<]*)</auth>',
    '</stream:stream>',
    STANZA.source,
    '<message[^>]* id="s(\\d+)" type="error">',
    '<(enable|resume|r|a) xmlns="urn:xmpp:sm:3"[^>]*/>',
].join('|');

/* What a session says to log in: its name instead of a trace. */
export const auth = (name) =>
    `<auth ${SASL} mechanism='ANONYMOUS'>${name}</auth>`;

/* Connections that doab has not ended. */
export const open = new Set();

/* One stream. */
export function serve(socket) {
    const token = new RegExp(TOKEN, 'g');
    let session = null;
    let isLoggedIn = false;
    let headers = 0;
    let kept = '';

    const belong = (name) => {
        if (session !== null || !streams.has(name)) return;
        session = streams.get(name);
        session.carried++;
        session.isServerClosed = false;
    };
    const begin = (header) => {
        belong(/ xml:lang="x-([^"]*)"/.exec(header)?.[1]);
        /* Another one only behind <success/>, and once. */
        if (++headers > (isLoggedIn ? 2 : 1))
            session?.blame(`header ${headers} of a stream`);
        socket.write(HEADER + (isLoggedIn ? BIND : MECHANISMS));
        /* A stream to be resumed stays the session's until then. */
        if (isLoggedIn && !session.isKept) session.server = socket;
    };
    const answer = ([all, name, side, digits, body, returned, managed]) => {
        if (managed !== undefined) {
            manage(session, socket, managed, all);
        } else if (returned !== undefined) {
            count('given back');
            session.returned.push(Number(returned));
        } else if (side !== undefined) {
            session.up.take(side, digits, body);
        } else if (name !== undefined) {
            belong(name);
            isLoggedIn = true;
            socket.write(`<success ${SASL}/>`);
        } else if (all.startsWith('<stream')) {
            begin(all);
        } else {
            session?.hearEnd(socket.isResumable);
            if (!socket.writable) return;
            socket.end(`${session?.lastWords() ?? ''}</stream:stream>`);
        }
    };
    open.add(socket);
    socket.setNoDelay(true).setEncoding('utf8');
    socket.on('data', (chunk) => {
        let at = 0;
        kept += chunk;
        token.lastIndex = 0;
        for (let hit = token.exec(kept); hit; hit = token.exec(kept)) {
            at = token.lastIndex;
            if (!socket.isAbandoned) answer(hit);
        }
        kept = kept.slice(at);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
        open.delete(socket);
        if (session !== null && --session.carried === 0)
            session.isServerClosed = true;
    });
}
