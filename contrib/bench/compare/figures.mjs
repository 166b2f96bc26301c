/*
 * The figures: of which subject, with which load.  The generator's options
 * are those of doab-bench(1).
 */

const ONE = { sessions: 1000, active: 64 };
const HELD = { sessions: 6000, active: 64, 'at-once': 64 };
const OPEN = { sessions: 9000, active: 64, 'at-once': 64 };
const IDLE = { active: 1, 'at-once': 64 };

export const figures = [
    /* CPU a message, closed loop. */
    { id: 'bosh doab', subject: 'doab', kind: 'bosh', options: ONE },
    { id: 'bosh floor', subject: 'relay http', kind: 'bare-http', options: ONE },
    { id: 'bosh nginx', subject: 'nginx', kind: 'bare-http', options: ONE },
    { id: 'bosh haproxy', subject: 'haproxy', kind: 'bare-http', options: ONE },
    { id: 'bosh ejabberd', subject: 'ejabberd', kind: 'bosh', options: ONE },
    { id: 'bosh prosody', subject: 'prosody', kind: 'bosh', options: ONE },
    { id: 'browser doab', subject: 'doab', kind: 'browser', options: ONE },
    {
        id: 'browser ejabberd',
        subject: 'ejabberd',
        kind: 'browser',
        options: ONE,
    },
    {
        id: 'browser prosody',
        subject: 'prosody',
        kind: 'browser',
        options: ONE,
    },
    { id: 'websocket doab', subject: 'doab', kind: 'websocket', options: ONE },
    {
        id: 'websocket floor',
        subject: 'relay websocket',
        kind: 'bare-websocket',
        options: ONE,
    },
    { id: 'websocket haproxy', subject: 'haproxy', kind: 'tcp', options: ONE },
    {
        id: 'websocket ejabberd',
        subject: 'ejabberd',
        kind: 'websocket',
        options: ONE,
    },
    {
        id: 'websocket prosody',
        subject: 'prosody',
        kind: 'websocket',
        options: ONE,
    },

    /* The same beside many that are idle. */
    { id: 'bosh held', subject: 'doab', kind: 'bosh', options: HELD },
    { id: 'browser held', subject: 'doab', kind: 'browser', options: HELD },
    { id: 'websocket open', subject: 'doab', kind: 'websocket', options: OPEN },
    {
        id: 'bosh 200/s',
        subject: 'doab',
        kind: 'bosh',
        options: { ...HELD, rate: 200 },
    },
    {
        id: 'bosh 200/s floor',
        subject: 'relay http',
        kind: 'bare-http',
        options: { ...HELD, rate: 200 },
    },

    /* Latency at half of the peak. */
    {
        id: 'bosh half',
        subject: 'doab',
        kind: 'bosh',
        options: ONE,
        halfOf: 'bosh doab',
    },
    {
        id: 'websocket half',
        subject: 'doab',
        kind: 'websocket',
        options: ONE,
        halfOf: 'websocket doab',
    },

    /* Memory of those who do nothing, after three empty answers. */
    {
        id: 'memory bosh',
        subject: 'doab',
        kind: 'bosh',
        seconds: 0,
        options: { ...IDLE, sessions: 6000, wait: 5, answers: 3 },
    },
    {
        id: 'memory websocket',
        subject: 'doab',
        kind: 'websocket',
        seconds: 0,
        options: { ...IDLE, sessions: 9000, idle: 3 },
    },

    /* What waiting costs. */
    {
        id: 'idle bosh',
        subject: 'doab',
        kind: 'bosh',
        seconds: 0,
        options: { ...IDLE, sessions: 6000, wait: 60, idle: 30 },
    },
    {
        id: 'idle websocket',
        subject: 'doab',
        kind: 'websocket',
        seconds: 0,
        options: { ...IDLE, sessions: 9000, idle: 30 },
    },
];
