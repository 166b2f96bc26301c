/*
 * Clients in C and C++: built for one run from the sources beside this file,
 * with what pkg-config knows of their library.
 */

import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

const COMPILERS = {
    '.c': ['gcc', '-std=c11', '-D_GNU_SOURCE'],
    '.cpp': ['g++', '-std=c++17'],
};

/* Resolves to the path of the program. */
export async function build(box, source, module) {
    const { name, ext } = path.parse(source);
    let flags;
    try {
        flags = await box.tool(['pkg-config', '--cflags', '--libs', module]);
    } catch {
        throw new Error(`there is no ${module}; run contrib/install-deps`);
    }
    const program = box.path(name);
    await box.tool([
        ...COMPILERS[ext],
        '-Wall',
        '-Werror',
        '-o',
        program,
        path.join(here, source),
        ...flags.stdout.trim().split(/\s+/),
    ]);
    box.own(program);
    return program;
}

/*
 * What these programs and a partner have to do: the program greets the
 * partner, is answered, and is told "bye"; it then ends by itself.
 */
export async function chat(child, partner, name) {
    await child.waitFor(/^online$/m);
    const hello = await partner.hear(`hello from ${name}`);
    const from = hello.getAttribute('from');
    const odd = `there <&> ]]> '" ü € 😀 ${'long '.repeat(400)}${name}`;
    partner.say(from, odd);
    await child.waitFor(/^got .*$/m);
    for (let i = 0; i < 5; i++) partner.say(from, `${i} of five`);
    await child.waitFor(/^got 4 of five$/m);
    partner.say(from, 'bye');
    const code = await child.exited;
    return { from, odd, code, lines: child.out.trimEnd().split('\n') };
}

/* The lines that a program prints when all is well. */
export const expected = (odd) => [
    'online',
    `got ${odd}`,
    ...[0, 1, 2, 3, 4].map((i) => `got ${i} of five`),
    'got bye',
    'offline',
];
