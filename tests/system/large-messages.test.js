/*
 * What Prosody and ejabberd take from one client and deliver to another, of
 * whatever shape, never ends the session of its recipient: live, from the store
 * for those who were away, again by XEP-0198, and in a room, as it is said and
 * from its history, over both transports.  What is above doab's own limits comes
 * as a stub; what is above those of the server, the server refuses to the sender.
 * Conformance: L21, L22; decision 23.
 */

import assert from 'node:assert/strict';
import { makeAccount } from './clients/register.js';
import { makeCerts } from './lib/certs.js';
import { endpoints, startDoab } from './lib/doab.js';
import { startEjabberd } from './lib/ejabberd.js';
import { BoshEntity, TcpEntity, WsEntity } from './lib/entity.js';
import { check, isDoab, setup, teardown } from './lib/harness.js';
import { startProsody } from './lib/prosody.js';
import { sleep, until } from './lib/sandbox.js';
import { canonical, childOf, parse, textOf } from './lib/stanza-reader.js';

const PASSWORD = 'a secret';
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const CONTACTS = 3000;

const SERVERS = {
    prosody: { domain: 'prosody.example', rooms: 'rooms.prosody.example' },
    ejabberd: { domain: 'ejabberd.example', rooms: 'rooms.ejabberd.example' },
};
const TRANSPORTS = { bosh: BoshEntity, ws: WsEntity };

const many = (count, one) => Array.from({ length: count }, one).join('');
const attrs = (count) => many(count, (_, n) => ` a${n}='1'`);
const nested = (depth) => '<d>'.repeat(depth) + '</d>'.repeat(depth);
const filled = (bytes) =>
    `<x xmlns='urn:x'>${'0123456789abcdef'.repeat(bytes / 16)}</x>`;

/*
 * What a message holds besides its body.  `stub`: the limit of doab that it is
 * above.  `refused`: who does not take it, and how it says so.  `unstored`: who
 * stores it but cannot read it again (Lua reads tables of some 200 levels).
 */
const INPUTS = {
    'attributes': { payload: `<x xmlns='urn:x'${attrs(64)}/>` },
    'more attributes': {
        payload: `<x xmlns='urn:x'${attrs(1100)}/>`,
        stub: 'attributes',
    },
    'name': { payload: `<${'n'.repeat(1100)} xmlns='urn:x'/>` },
    'longer name': {
        payload: `<${'n'.repeat(8200)} xmlns='urn:x'/>`,
        stub: 'name',
    },
    'attribute': { payload: `<x xmlns='urn:x' ${'a'.repeat(1100)}='1'/>` },
    'namespace': { payload: `<x xmlns='urn:${'x'.repeat(1100)}'/>` },
    'longer namespace': {
        payload: `<x xmlns='urn:${'x'.repeat(8200)}'/>`,
        stub: 'name',
    },
    'tag': { payload: `<x xmlns='urn:x' a='${'a'.repeat(66000)}'/>` },
    'longer tag': {
        payload: `<x xmlns='urn:x' a='${'a'.repeat(132000)}'/>`,
        stub: 'tag',
    },
    'children': { payload: `<x xmlns='urn:x'>${'<a/>'.repeat(25100)}</x>` },
    'text': { payload: `<x xmlns='urn:x'>${`'`.repeat(44000)}</x>` },
    'more text': { payload: `<x xmlns='urn:x'>${`"`.repeat(250000)}</x>` },
    'depth': { payload: `<x xmlns='urn:x'>${nested(90)}</x>` },
    'more depth': {
        payload: `<x xmlns='urn:x'>${nested(600)}</x>`,
        stub: 'depth',
        unstored: ['prosody'],
    },
    'size': { payload: filled(261000) },
    'more size': {
        payload: filled(2.1e6),
        stub: 'size',
        refused: { prosody: 'policy-violation' },
    },
};
for (const input of Object.values(INPUTS))
    input.whole = spelled(parse(input.payload).elements[0]);

function spelled(element) {
    return JSON.stringify(canonical(element));
}

const taken = (server) =>
    Object.entries(INPUTS).filter(([, { refused }]) => !refused?.[server]);

/* Each server: { domain, rooms, port, waits }. */
const places = {};
let port;

/* A roster that is there before its owner first logs in. */
function writeRoster(box, domain) {
    const items = many(
        CONTACTS,
        (_, n) =>
            `["contact-${n}@elsewhere.example"] = { name = "${contact(n)}",` +
            ' subscription = "none", groups = { ["Many"] = true } };\n',
    );
    const host = domain.replaceAll('.', '%2e');
    box.write(
        `prosody/data/${host}/roster/roster.dat`,
        `return {\n${items}[false] = { version = 1 } };\n`,
    );
}

function contact(n) {
    return `Contact ${n}, one of the very many people of a large house`;
}

async function start(box) {
    const domains = Object.values(SERVERS).map(({ domain }) => domain);
    const certs = await makeCerts(box, domains);
    const options = ({ domain, rooms }) => ({
        tls: certs.good,
        hosts: [domain],
        rooms: [rooms],
    });
    writeRoster(box, SERVERS.prosody.domain);
    const [prosody, ejabberd] = await Promise.all([
        startProsody(box, options(SERVERS.prosody)),
        startEjabberd(box, options(SERVERS.ejabberd)),
    ]);
    const ports = {
        prosody: { tls: prosody.tlsPort, starttls: prosody.port },
        ejabberd: ejabberd.ports,
    };
    const domain = {};
    for (const [name, daemon] of Object.entries({ prosody, ejabberd })) {
        places[name] = { ...SERVERS[name], name, ports: ports[name] };
        places[name].waits = daemon.waits;
        domain[SERVERS[name].domain] = {
            route: `127.0.0.1:${ports[name].starttls}`,
            ca_file: certs.caFile,
        };
    }
    const doab = await startDoab(box, {
        listen: { '127.0.0.1:0': {} },
        domain,
    });
    ({ port } = endpoints(doab.urls[0]));
}

let begin;
const started = new Promise((resolve) => (begin = resolve));

setup('large-messages', (box) => {
    if (!isDoab) return undefined;
    const starting = start(box);
    begin(starting);
    return starting;
});

const account = ({ domain }, user) => ({ user, domain, password: PASSWORD });

/* Somebody at the server itself. */
const there = (place, user = 'ann') =>
    new TcpEntity(place.ports.tls).login(account(place, user), 'there');

/*
 * expat, by which servers read, looks at a long tag again only when much has
 * come behind it; so something comes.
 */
const padded = (text) => text + ' '.repeat(text.length);

function message(to, id, type, payload = '') {
    return (
        `<message xmlns='jabber:client' to='${to}' id='${id}' type='${type}'>` +
        `<body>${id}</body>${payload}</message>`
    );
}

/* All that the server takes, each with a short message behind it. */
function sayAll({ name }, from, to, tag) {
    for (const [what, { payload }] of taken(name)) {
        from.send(padded(message(to, `${tag}: ${what}`, 'chat', payload)));
        from.send(message(to, `${tag}: behind ${what}`, 'chat'));
    }
    from.send(message(to, `${tag}: the last`, 'chat'));
}

const idsOfAll = ({ name }, tag) => [
    ...taken(name).flatMap(([what, { unstored }]) => [
        ...(tag === 'stored' && unstored?.includes(name)
            ? []
            : [`${tag}: ${what}`]),
        `${tag}: behind ${what}`,
    ]),
    `${tag}: the last`,
];

const messages = (stanzas) => stanzas.filter((e) => e.name === 'message');
const idsOf = (stanzas) => stanzas.map(({ attrs: { id } }) => id);

function assertStub({ children }, limit) {
    const [condition, text] = children;
    assert.deepEqual(
        children.map(({ name, ns }) => [name, ns]),
        [
            ['policy-violation', STANZA_ERRORS],
            ['text', STANZA_ERRORS],
        ],
    );
    assert.deepEqual(condition.children, []);
    assert.match(textOf(text), new RegExp(`above the limit of ${limit}\\b`));
}

/* Each input came as it was sent, or as a stub where it is above a limit. */
function assertShapes(stanzas) {
    for (const stanza of messages(stanzas)) {
        const { whole, stub } = INPUTS[stanza.attrs.id.split(': ')[1]] ?? {};
        if (whole === undefined) continue;
        if (stub !== undefined) assertStub(stanza, stub);
        else
            assert.ok(
                stanza.children.some((child) => spelled(child) === whole),
                stanza.attrs.id,
            );
    }
}

/* They came in order, and nothing between them.  `more`: what follows. */
async function assertAll(place, one, tag, ...more) {
    const wanted = [...idsOfAll(place, tag), ...more];
    await one.heard(wanted.at(-1));
    const got = messages(one.stanzas(one.counted));
    assert.deepEqual(idsOf(got), wanted);
    assertShapes(got);
}

/* Logs in with XEP-0198: `id` resumes the stream, of which it `had` so many
 * stanzas before. */
async function present(place, Entity, name) {
    const one = await new Entity(port).login(account(place, name));
    one.id = await one.enable();
    one.had = 0;
    one.send('<presence xmlns="jabber:client"/>');
    await one.named('presence');
    return one;
}

const counted = (one) => one.stanzas(one.counted).length;

/* The server agrees on the counts of both directions: it would end the stream
 * of one who has had more than it sent. */
async function assertCounts(one, domain, sent) {
    assert.equal(await one.asked(), sent);
    one.acknowledge(one.had + counted(one));
    await one.settled(domain);
}

/* A lost WebSocket ends its stream, and the server waits.  A BOSH client that is
 * gone has time to come back; the server ends that stream for the new one. */
async function cut(place, one) {
    const waits = place.waits();
    one.cut();
    if (one instanceof WsEntity)
        await until('the server to wait', () => place.waits() > waits);
}

/* A stream that goes on where `one` has had so many stanzas. */
async function resumed(place, Entity, name, one) {
    const again = new Entity(port);
    await again.resume(account(place, name), one.id, one.had);
    return Object.assign(again, { id: one.id, had: one.had, jid: one.jid });
}

async function resumeAll(place, Entity, name, one) {
    const ann = await there(place);
    one.had = counted(one);
    one.acknowledge(one.had);
    sayAll(place, ann, one.jid, 'not acknowledged');
    await one.heard('not acknowledged: the last');
    await cut(place, one);
    ann.send(message(one.jid, 'meanwhile', 'chat'));
    await ann.settled(place.domain);
    const two = await resumed(place, Entity, name, one);
    await assertAll(place, two, 'not acknowledged', 'meanwhile');
    two.had += counted(two);
    await cut(place, two);
    ann.send(message(one.jid, 'at last', 'chat'));
    const three = await resumed(place, Entity, name, two);
    await three.heard('at last');
    assert.deepEqual(idsOf(three.stanzas(three.counted)), ['at last']);
    await assertCounts(three, place.domain, 2);
    for (const entity of [three, ann]) entity.close();
}

/* Sent to somebody who is away. */
async function storeAll(place, Entity, name) {
    const ann = await there(place);
    sayAll(place, ann, `${name}@${place.domain}`, 'stored');
    await ann.settled(place.domain);
    ann.close();
    const one = await present(place, Entity, name);
    await assertAll(place, one, 'stored');
    for (const stanza of messages(one.stanzas(one.counted)))
        if (INPUTS[stanza.attrs.id.split(': ')[1]]?.stub === undefined)
            assert.ok(childOf(stanza, 'delay'), stanza.attrs.id);
    await assertCounts(one, place.domain, 1);
    one.close();
}

const MUC = '<x xmlns="http://jabber.org/protocol/muc"/>';

function enter(one, room, nick) {
    one.send(
        `<presence xmlns='jabber:client' to='${room}/${nick}'>` +
            `${MUC}</presence>`,
    );
    return one.next(
        `the presence of ${nick}`,
        ({ name, attrs: { from } }) =>
            name === 'presence' && from === `${room}/${nick}`,
    );
}

/* One room for both transports: an occupant hears each, and who comes later has
 * each of the history. */
async function fillRoom(place) {
    const room = `room@${place.rooms}`;
    const inputs = taken(place.name);
    const wanted = [...inputs.map(([what]) => what), 'the last'].map(
        (what) => `room: ${what}`,
    );
    const enterAll = (prefix) =>
        Promise.all(
            Object.entries(TRANSPORTS).map(async ([name, Entity]) => {
                const one = await present(place, Entity, prefix + name);
                await enter(one, room, prefix + name);
                return one;
            }),
        );
    const assertRoom = async (one) => {
        await one.heard('room: the last');
        const got = messages(one.stanzas(one.counted)).filter(
            ({ attrs: { id } }) => id?.startsWith('room: '),
        );
        assert.deepEqual(idsOf(got), wanted);
        assertShapes(got);
        await assertCounts(one, place.domain, 2);
        one.close();
    };
    const ann = await there(place);
    await enter(ann, room, 'ann');
    const occupants = await enterAll('');
    for (const [what, { payload }] of inputs)
        ann.send(padded(message(room, `room: ${what}`, 'groupchat', payload)));
    ann.send(message(room, 'room: the last', 'groupchat'));
    await Promise.all(occupants.map(assertRoom));
    await Promise.all((await enterAll('later-')).map(assertRoom));
    ann.close();
}

const LARGE = `<x xmlns='urn:x'${attrs(1100)}/>`;

/* The stub of an answer is an error, and that of a question has no payload. */
async function askAll(place, Entity, name) {
    const ann = await there(place);
    const one = await present(place, Entity, name);
    one.send(
        `<iq xmlns='jabber:client' type='get' id='q1' to='${ann.jid}'>` +
            '<x xmlns="urn:x"/></iq>',
    );
    await ann.heard('q1');
    const say = (stanza, head) =>
        ann.send(
            padded(`<${stanza} to='${one.jid}' ${head}>${LARGE}</${stanza}>`),
        );
    say('iq', "type='result' id='q1'");
    say('iq', "type='set' id='q2'");
    say('presence', "id='p1'");
    ann.send(message(one.jid, 'behind', 'chat'));
    await one.heard('behind');
    const got = Object.fromEntries(
        one.stanzas(one.counted).map((e) => [e.attrs.id, e]),
    );
    assert.equal(got.q1.attrs.type, 'error');
    assertStub(childOf(got.q1, 'error'), 'attributes');
    assert.equal(got.q2.attrs.type, 'set');
    assert.deepEqual(got.q2.children, []);
    assertStub(got.p1, 'attributes');
    await assertCounts(one, place.domain, 2);
    for (const entity of [one, ann]) entity.close();
}

/* Prosody has it in its files; ejabberd is told. */
async function fillRoster(place) {
    const one = await there(place, 'roster');
    if (place.name === 'ejabberd')
        for (let n = 0; n < CONTACTS; n++)
            one.send(
                `<iq xmlns='jabber:client' type='set' id='set-${n}'>` +
                    "<query xmlns='jabber:iq:roster'>" +
                    `<item name='${contact(n)}'` +
                    ` jid='contact-${n}@elsewhere.example'>` +
                    '<group>Many</group></item></query></iq>',
            );
    await one.settled(place.domain);
    one.close();
}

async function askRoster(place, Entity) {
    const one = await present(place, Entity, 'roster');
    one.send(
        '<iq xmlns="jabber:client" type="get" id="all">' +
            '<query xmlns="jabber:iq:roster"/></iq>',
    );
    const { attrs, children } = await one.answer('all');
    assert.equal(attrs.type, 'result');
    assert.deepEqual(
        children[0].children.map((item) => item.attrs.name).sort(),
        Array.from({ length: CONTACTS }, (_, n) => contact(n)).sort(),
    );
    await assertCounts(one, place.domain, 2);
    one.close();
}

/* Of what is refused; no more is sent then, so that the error is not lost. */
const PIECE = 65536;
const isRefused = ({ got }) => got.some(({ name }) => name === 'error');

async function refuse(place, what, condition) {
    const one = await present(place, WsEntity, 'ws');
    const ann = await there(place);
    const text = message(one.jid, what, 'chat', INPUTS[what].payload);
    for (let at = 0; at < text.length && !isRefused(ann); at += PIECE) {
        ann.send(text.slice(at, at + PIECE));
        await sleep(10);
    }
    const error = await ann.named('error');
    assert.ok(childOf(error, condition));
    ann.close();
    const bea = await there(place);
    bea.send(message(one.jid, 'behind', 'chat'));
    await one.heard('behind');
    assert.deepEqual(idsOf(messages(one.got)), ['behind']);
    await assertCounts(one, place.domain, 1);
    for (const entity of [one, bea]) entity.close();
}

/* Each server is busy with tests of its own, beside the other one. */
const queues = {};

function checkAt(server, name, body) {
    if (!isDoab) return;
    const result = (queues[server] ?? started).then(() => body(places[server]));
    queues[server] = result.catch(() => {});
    check(name, () => result);
}

async function makeAccounts(place) {
    const names = Object.keys(TRANSPORTS);
    const users = ['', 'away-', 'later-'].flatMap((prefix) =>
        names.map((name) => prefix + name),
    );
    for (const user of ['ann', 'roster', ...users])
        await makeAccount(port, 'ws', `${user}@${place.domain}`, PASSWORD);
    await fillRoster(place);
}

for (const server of Object.keys(SERVERS)) {
    checkAt(server, `${server}: those who talk have accounts`, makeAccounts);

    for (const [what, { refused }] of Object.entries(INPUTS))
        if (refused?.[server] !== undefined)
            checkAt(server, `${server} itself refuses ${what}`, (place) =>
                refuse(place, what, refused[server]),
            );

    checkAt(server, `${server}: every shape arrives in a room`, fillRoom);

    for (const [name, Entity] of Object.entries(TRANSPORTS)) {
        const way = `${server}, ${name}`;
        let one;

        checkAt(server, `${way}: every shape arrives`, async (place) => {
            one = await present(place, Entity, name);
            const ann = await there(place);
            sayAll(place, ann, one.jid, 'live');
            await assertAll(place, one, 'live');
            await assertCounts(one, place.domain, 1);
            ann.close();
        });

        checkAt(
            server,
            `${way}: every shape arrives again by XEP-0198`,
            (place) => resumeAll(place, Entity, name, one),
        );

        checkAt(server, `${way}: every shape arrives from the store`, (place) =>
            storeAll(place, Entity, `away-${name}`),
        );

        checkAt(server, `${way}: stubs answer and ask`, (place) =>
            askAll(place, Entity, name),
        );

        checkAt(server, `${way}: ${CONTACTS} contacts arrive`, (place) =>
            askRoster(place, Entity),
        );
    }
}

teardown();
