/*
 * What the figures are held against: one row each, with a value that is
 * computed for each round from what was measured in that round, so that a
 * ratio is always one of neighbours.
 */

const KIB = 1024;
const NO_LOSS = 1.05; /* what two runs of the same thing differ by */

/* A value of a round; undefined where it was not measured or failed. */
const of = (field, id, scale = 1) => (round) => {
    const result = round[id];
    return result?.ok && result[field] !== undefined
        ? result[field] / scale
        : undefined;
};
const cpu = (id) => of('cpu_us', id);
const per = (a, b) => (round) => {
    const [x, y] = [a(round), b(round)];
    return y > 0 ? x / y : undefined;
};
const tail = (id) => per(of('p99_ms', id), of('p50_ms', id));
const memory = (id) => of('bytes_per_idle_session', id, KIB);

/* A limit is { most } or { least }; a row without one is stated beside. */
function row(what, unit, value, limit = {}) {
    return { what, unit, value, ...limit };
}

/* Two workers against one. */
function workers(name, kind, size, limits) {
    const two = `${kind} 2 workers${size}`;
    const one = `${kind} 1 worker${size}`;
    return [
        row(
            `${name}, CPU a message, 2 workers : 1 worker`,
            '×',
            per(cpu(two), cpu(one)),
            limits.cpu,
        ),
        row(
            `${name}, messages/s, 2 workers : 1 worker`,
            '×',
            per(of('messages_per_s', two), of('messages_per_s', one)),
            limits.rate,
        ),
    ];
}

export const rows = [
    row('BOSH, one POST, CPU a message', 'µs', cpu('bosh doab'), { most: 20 }),
    row(
        'the same : nginx proxying HTTP, as it comes',
        '×',
        per(cpu('bosh doab'), cpu('bosh nginx')),
        { most: 1 },
    ),
    row(
        'the same : nginx proxying HTTP, with kept connections',
        '×',
        per(cpu('bosh doab'), cpu('bosh nginx kept')),
        { most: 1 },
    ),
    row(
        'the same : node-xmpp-bosh',
        '×',
        per(cpu('bosh doab'), cpu('bosh node-xmpp-bosh')),
        { most: 1 / 4 },
    ),
    row(
        'the same : ejabberd',
        '×',
        per(cpu('bosh doab'), cpu('bosh ejabberd')),
    ),
    row('BOSH, held poll and send, CPU a message', 'µs', cpu('browser doab'), {
        most: 32,
    }),
    row('WebSocket, CPU a message', 'µs', cpu('websocket doab'), { most: 17 }),
    row(
        'the same : HAProxy in TCP mode',
        '×',
        per(cpu('websocket doab'), cpu('websocket haproxy')),
        { most: 1.5 },
    ),
    row(
        'the same : ejabberd',
        '×',
        per(cpu('websocket doab'), cpu('websocket ejabberd')),
        { most: 1 / 4 },
    ),
    row(
        'BOSH, one POST, beside 6,000 held : beside 1,000',
        '×',
        per(cpu('bosh held'), cpu('bosh doab')),
        { most: 1.25 },
    ),
    row(
        'BOSH, held poll and send, beside 6,000 held : beside 1,000',
        '×',
        per(cpu('browser held'), cpu('browser doab')),
        { most: 1.25 },
    ),
    row(
        'WebSocket, beside 9,000 open : beside 1,000',
        '×',
        per(cpu('websocket open'), cpu('websocket doab')),
        { most: 1.25 },
    ),
    row(
        'BOSH at 200 messages/s with 6,000 held : the bare relay',
        '×',
        per(cpu('bosh 200/s'), cpu('bosh 200/s floor')),
        { most: 1.4 },
    ),
    row('BOSH, closed loop, p99 : p50', '×', tail('bosh doab'), { most: 2 }),
    row('WebSocket, closed loop, p99 : p50', '×', tail('websocket doab'), {
        most: 2,
    }),
    ...[
        ['bosh', 'BOSH'],
        ['websocket', 'WebSocket'],
    ].flatMap(([kind, name]) => [
        row(
            `${name}, p99 at half of the peak rate`,
            'ms',
            of('p99_ms', `${kind} half`),
            { most: 1 },
        ),
        row(
            'the same, in the median tenth of a second',
            'ms',
            of('p99_tenths_ms', `${kind} half`),
        ),
        row(
            'the bare relay at that rate',
            'ms',
            of('p99_ms', `${kind} half floor`),
        ),
    ]),
    row('BOSH sessions opened', '1/s', of('setups_per_s', 'bosh held'), {
        least: 6000,
    }),
    row(
        'WebSocket sessions opened',
        '1/s',
        of('setups_per_s', 'websocket open'),
        { least: 6000 },
    ),
    row('Memory of an idle BOSH session', 'KiB', memory('memory bosh'), {
        most: 4,
    }),
    row(
        'Memory of an idle WebSocket session',
        'KiB',
        memory('memory websocket'),
        { most: 6 },
    ),
    ...[
        ['resumed', 'resumed TLS', 20],
        ['full', 'TLS after a full handshake', 30],
    ].flatMap(([how, words, most]) =>
        [
            ['bosh', 'BOSH'],
            ['websocket', 'WebSocket'],
        ].map(([kind, name]) =>
            row(
                `${name}, idle, with ${words} to the server`,
                'KiB',
                memory(`memory ${kind} tls ${how}`),
                { most },
            ),
        ),
    ),
    row(
        '6,000 held BOSH sessions at wait 60, of a core',
        '%',
        of('idle_cpu', 'idle bosh', 0.01),
        { most: 1 },
    ),
    row(
        '9,000 WebSockets with pings, of a core',
        '%',
        of('idle_cpu', 'idle websocket', 0.01),
    ),
    ...[
        ['bosh', 'BOSH'],
        ['websocket', 'WebSocket'],
    ].flatMap(([kind, name]) => [
        ...workers(`${name}, 60 elements`, kind, '', {
            cpu: { most: NO_LOSS },
            rate: { least: NO_LOSS },
        }),
        ...workers(`${name}, 200 bytes`, kind, ' small', {}),
    ]),
];

/* ---- of several rounds ---- */

export function median(values) {
    const v = [...values].sort((a, b) => a - b);
    if (v.length === 0) return undefined;
    const mid = v.length >> 1;
    return v.length % 2 ? v[mid] : (v[mid - 1] + v[mid]) / 2;
}

/* { id: [result of each round] } as [{ id: result }] */
export function roundsOf(results) {
    const n = Math.max(0, ...Object.values(results).map((r) => r.length));
    return Array.from({ length: n }, (_, i) =>
        Object.fromEntries(
            Object.entries(results).map(([id, list]) => [id, list[i]]),
        ),
    );
}

/* What became of a row: { median, min, max, n, verdict }. */
export function judge(row, rounds) {
    const values = rounds.map(row.value).filter((v) => Number.isFinite(v));
    const mid = median(values);
    const result = {
        median: mid,
        min: Math.min(...values),
        max: Math.max(...values),
        n: values.length,
        verdict: 'stated',
    };
    if (mid === undefined) result.verdict = 'not measured';
    else if (row.most !== undefined)
        result.verdict = mid <= row.most ? 'met' : 'missed';
    else if (row.least !== undefined)
        result.verdict = mid >= row.least ? 'met' : 'missed';
    return result;
}
