/*
 * The figures: of which subject, with which load.  The generator's options
 * are those of doab-bench(1).  What they must be stands in targets.mjs.
 */

const ONE = { sessions: 1000, active: 64 };
const HELD = { sessions: 6000, active: 64 };
const OPEN = { sessions: 9000, active: 64 };
const SLOW = { ...HELD, rate: 200, seconds: 5 };
const IDLE = { active: 1, seconds: 0 };
const ONCE = { once: true };
const HALF_BOSH = { halfOf: 'bosh doab' };
const HALF_WEBSOCKET = { halfOf: 'websocket doab' };
const ANSWERED = { wait: 2, answers: 3 };
/* A ticket is good for one handshake and comes with the one before: so few are
 * made at once. */
const TLS = { ...IDLE, sessions: 3000, 'at-once': 2 };

/* Stanzas that keep doab busier than the generator: as large as a roster with
 * some sixty contacts. */
const LARGE = { ...ONE, size: 4000, items: 60 };

/* `more`: options; halfOf: a rate of half of what that figure has reached in
 * this round; spread: the generator shares the cores of the subject; once: in
 * the first round only, since it takes long or is there for scale, and is the
 * same each time within a few parts in a hundred. */
function figure(id, subject, kind, options, more = {}) {
    return { id, subject, kind, options, ...more };
}

/* Neighbours that say little when they are measured once: the machine has
 * more part in them than what is measured. */
function thrice(...pair) {
    return [...pair, ...pair, ...pair];
}

export const figures = [
    /* CPU a message, closed loop. */
    figure('bosh doab', 'doab', 'bosh', ONE),
    figure('bosh floor', 'relay http', 'bare-http', ONE),
    figure('bosh nginx kept', 'nginx kept', 'bare-http', ONE),
    figure('bosh nginx', 'nginx as it comes', 'bare-http', ONE),
    figure('bosh haproxy', 'haproxy', 'bare-http', ONE),
    figure('bosh ejabberd', 'ejabberd', 'bosh', ONE),
    figure('bosh prosody', 'prosody', 'bosh', ONE, ONCE),
    figure('bosh node-xmpp-bosh', 'node-xmpp-bosh', 'bosh', ONE),
    figure('browser doab', 'doab', 'browser', ONE),
    /* When a stanza overtakes the poll that was sent just before it, ejabberd
     * answers neither of the two; in a closed loop all sessions soon hang.  A
     * slow fixed rate leaves time between the two. */
    figure(
        'browser ejabberd',
        'ejabberd',
        'browser',
        { ...ONE, rate: 1000 },
        ONCE,
    ),
    figure('browser prosody', 'prosody', 'browser', ONE, ONCE),
    figure('browser node-xmpp-bosh', 'node-xmpp-bosh', 'browser', ONE, ONCE),
    figure('websocket doab', 'doab', 'websocket', ONE),
    figure('websocket floor', 'relay websocket', 'bare-websocket', ONE),
    figure('websocket haproxy', 'haproxy', 'tcp', ONE),
    figure('websocket ejabberd', 'ejabberd', 'websocket', ONE),
    figure('websocket prosody', 'prosody', 'websocket', ONE, ONCE),

    /* The same beside many that are idle. */
    figure('bosh held', 'doab', 'bosh', HELD),
    figure('browser held', 'doab', 'browser', HELD),
    figure('websocket open', 'doab', 'websocket', OPEN),
    ...thrice(
        figure('bosh 200/s', 'doab', 'bosh', SLOW),
        figure('bosh 200/s floor', 'relay http', 'bare-http', SLOW),
    ),

    /* Latency at half of the peak. */
    ...thrice(
        figure('bosh half', 'doab', 'bosh', ONE, HALF_BOSH),
        figure('bosh half floor', 'relay http', 'bare-http', ONE, HALF_BOSH),
    ),
    ...thrice(
        figure('websocket half', 'doab', 'websocket', ONE, HALF_WEBSOCKET),
        figure(
            'websocket half floor',
            'relay websocket',
            'bare-websocket',
            ONE,
            HALF_WEBSOCKET,
        ),
    ),

    /* Memory of those who do nothing, after three empty answers. */
    figure('memory bosh', 'doab', 'bosh', {
        ...IDLE,
        sessions: 6000,
        ...ANSWERED,
    }),
    figure('memory websocket', 'doab', 'websocket', {
        ...IDLE,
        sessions: 9000,
        idle: 3,
    }),
    ...['resumed', 'full'].flatMap((how) =>
        [
            ['bosh', ANSWERED],
            ['websocket', { idle: 3 }],
        ].map(([kind, options]) =>
            figure(
                `memory ${kind} tls ${how}`,
                `doab tls ${how}`,
                kind,
                { ...TLS, ...options },
                ONCE,
            ),
        ),
    ),
    ...['ejabberd', 'prosody'].flatMap((peer) =>
        ['bosh', 'websocket'].map((kind) =>
            figure(
                `memory ${kind} ${peer}`,
                peer,
                kind,
                { ...IDLE, sessions: 1000, idle: 3 },
                ONCE,
            ),
        ),
    ),

    /* What waiting costs; at wait 60 each has its empty answer once. */
    figure(
        'idle bosh',
        'doab',
        'bosh',
        { ...IDLE, sessions: 6000, wait: 60, idle: 60 },
        ONCE,
    ),
    figure(
        'idle websocket',
        'doab',
        'websocket',
        { ...IDLE, sessions: 9000, idle: 30 },
        ONCE,
    ),

    /* Two cores, which the generator shares at a lower priority. */
    ...['bosh', 'websocket'].flatMap((kind) =>
        [
            ['', LARGE],
            [' small', ONE],
        ].flatMap(([size, options]) =>
            [1, 2].map((n) =>
                figure(
                    `${kind} ${n} worker${n > 1 ? 's' : ''}${size}`,
                    `doab ${n} worker${n > 1 ? 's' : ''}`,
                    kind,
                    options,
                    { spread: true },
                ),
            ),
        ),
    ),
];
