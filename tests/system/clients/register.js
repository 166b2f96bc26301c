/*
 * An account made before login (XEP-0077), by hand, over either transport.
 */

import assert from 'node:assert/strict';
import { BoshSession, OPEN, RawWebSocket } from '../lib/raw.js';

/* Both ways to ask something before login, as a function of a stanza. */
const ASK = {
    async bosh(port, domain) {
        const session = await new BoshSession(port).open({ to: domain });
        const ask = async (stanza) => (await session.ask({}, stanza)).body;
        const close = () => session.ask({ type: 'terminate' });
        return { features: session.created.body, ask, close };
    },
    async ws(port, domain) {
        const ws = await RawWebSocket.open(port);
        ws.text(OPEN(domain));
        await ws.message();
        const ask = (stanza) => ws.text(stanza).message();
        return { features: await ws.message(), ask, close: () => ws.close() };
    },
};

const register = (type, content) =>
    `<iq xmlns="jabber:client" type="${type}" id="${type}-1">` +
    `<query xmlns="jabber:iq:register">${content}</query></iq>`;

export async function makeAccount(port, transport, jid, password) {
    const [user, domain] = jid.split('@');
    const { features, ask, close } = await ASK[transport](port, domain);
    assert.match(features, /<register [^>]*features\/iq-register/);
    const fields = await ask(register('get', ''));
    assert.match(fields, /<username/);
    assert.match(fields, /<password/);
    const answer = await ask(
        register(
            'set',
            `<username>${user}</username><password>${password}</password>`,
        ),
    );
    assert.match(answer, /<iq [^>]*type=['"]result['"]/);
    await close();
}
