/* Shows where clients connect, and whether both ways work from here. */

'use strict';

const CHECK_MS = 10000;

const bosh = new URL('http-bind', location.href).href;
const ws = new URL('xmpp-websocket', location.href).href.replace(/^http/, 'ws');

function report(id, good, text) {
    const state = document.getElementById(id);
    state.className = `state ${good ? 'good' : 'bad'}`;
    state.textContent = `${good ? '✓' : '✗'} ${text}`;
}

/* A session that cannot exist: a connection manager says so politely. */
async function checkBosh() {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), CHECK_MS);
    try {
        const answer = await fetch(bosh, {
            method: 'POST',
            signal: abort.signal,
            headers: { 'Content-Type': 'text/xml; charset=utf-8' },
            body:
                '<body xmlns="http://jabber.org/protocol/httpbind"' +
                ' rid="1" sid="landing-page-check"/>',
        });
        const xml = new DOMParser().parseFromString(
            await answer.text(),
            'text/xml',
        );
        const body = xml.documentElement;
        const good =
            answer.status === 200 &&
            body.localName === 'body' &&
            body.getAttribute('condition') === 'item-not-found';
        report(
            'bosh-state',
            good,
            good
                ? 'It works from this browser.'
                : `HTTP ${answer.status}, but no connection manager's answer.`,
        );
    } catch {
        report('bosh-state', false, 'There is no answer.');
    }
    clearTimeout(timer);
}

function checkWebSocket() {
    const socket = new WebSocket(ws, 'xmpp');
    const timer = setTimeout(() => socket.close(), CHECK_MS);
    let opened = false;
    socket.addEventListener('open', () => {
        opened = true;
        report(
            'ws-state',
            socket.protocol === 'xmpp',
            socket.protocol === 'xmpp'
                ? 'It works from this browser.'
                : 'It opens, but does not speak XMPP.',
        );
        socket.close();
    });
    socket.addEventListener('close', () => {
        clearTimeout(timer);
        if (!opened) report('ws-state', false, 'It does not open.');
    });
}

/* The chat page is there only where Converse.js was put beside it. */
async function offerChat() {
    const answer = await fetch('dist/converse.min.js', {
        method: 'HEAD',
    }).catch(() => ({ ok: false }));
    document.getElementById('chat').hidden = !answer.ok;
}

async function copy(button) {
    const input = document.getElementById(button.dataset.copy);
    input.select();
    try {
        await navigator.clipboard.writeText(input.value);
    } catch {
        document.execCommand('copy');
    }
    button.textContent = 'Copied';
    setTimeout(() => {
        button.textContent = 'Copy';
    }, 2000);
}

document.getElementById('bosh-url').value = bosh;
document.getElementById('ws-url').value = ws;
for (const button of document.querySelectorAll('[data-copy]'))
    button.addEventListener('click', () => copy(button));

checkBosh();
checkWebSocket();
offerChat();
