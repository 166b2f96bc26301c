/*
 * Prints figures that say how hard the code is to enter.
 *
 *   node contrib/code-figures.mjs [TREE] [--names]
 *
 * Files and functions by length, cyclomatic complexity, public functions that
 * their header's twin .c does not define, headers that one folder uses alone,
 * private headers, names that several functions share, citations without a
 * target, and the comments' share of the lines.  --names lists what is behind
 * the counts.  It reads src/ and include/ as .clang-format lays them out.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

const args = process.argv.slice(2);
const names = args.includes('--names');
const tree = args.find((arg) => !arg.startsWith('--')) ?? '.';

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? walk(join(folder, entry.name))
      : [join(folder, entry.name)],
  );
}

const read = (path) => readFileSync(path, 'utf8');
const code = [...walk(join(tree, 'src')), ...walk(join(tree, 'include'))]
  .filter((path) => /\.[ch]$/.test(path))
  .map((path) => ({ path: relative(tree, path), text: read(path) }));
const sources = code.filter((file) => file.path.endsWith('.c'));
const headers = code.filter((file) => file.path.endsWith('.h'));

const withoutComments = (text) =>
  text.replace(/"(?:\\.|[^"\\\n])*"|\/\*[^]*?\*\//g, (c) =>
    c[0] === '"' ? c : c.replace(/[^\n]/g, ' '),
  );

/* Where functions are defined: name, static or not, lines, branches. */
function functionsOf(file) {
  const found = [];
  const lines = withoutComments(file.text).split('\n');
  let head = '';
  let headAt = 0;
  let start = -1;

  lines.forEach((line, i) => {
    if (/^[A-Za-z_]/.test(line) && start < 0) {
      head = line;
      headAt = i;
    } else if (line.startsWith('{') && head.includes('(')) {
      start = i;
    } else if (line.startsWith('}') && start >= 0) {
      const body = lines.slice(start, i + 1).join('\n');
      const plain = body.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/g, '""');
      const branches = plain.match(/\b(if|for|while|case)\b|&&|\|\||\?/g) ?? [];

      found.push({
        file: file.path,
        name: /([A-Za-z_]\w*)\s*\(/.exec(head)?.[1] ?? '?',
        isStatic: /\bstatic\b/.test(lines.slice(headAt - 1, headAt + 1).join(' ')),
        lines: i - headAt + 1,
        cyclomatic: branches.length + 1,
      });
      start = -1;
      head = '';
    } else if (/^[}#]/.test(line) || /;\s*$/.test(line)) {
      if (start < 0) head = '';
    }
  });
  return found;
}

/* What a header declares, without bodies: names of functions. */
function declaredIn(file) {
  const text = withoutComments(file.text).replace(/^#.*(\\\n.*)*$/gm, '');
  const found = new Set();
  let depth = 0;
  let statement = '';

  for (const c of text) {
    if (c === '{') depth++;
    else if (c === '}') {
      depth--;
      if (depth === 0 && /\)\s*$/.test(statement)) statement = '';
    } else if (depth === 0) {
      statement += c;
      if (c === ';') {
        const name = /([a-z_]\w*)\s*\([^]*\)[^()]*;$/.exec(
          statement.replace(/__attribute__\s*\(\(.*?\)\)/g, ''),
        );
        const first = /(\b[a-z_]\w*)\s*\(/.exec(statement.trim());

        if (name && first && !/\btypedef\b|\bstatic\b|\(\*/.test(statement))
          found.add(first[1]);
        statement = '';
      }
    }
  }
  return [...found];
}

const quantile = (sorted, q) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const ascending = (numbers) => [...numbers].sort((a, b) => a - b);
const percent = (n, of) => `${n} of ${of} (${((100 * n) / of).toFixed(1)} %)`;

function say(what, value, list = []) {
  console.log(`${what.padEnd(52)} ${value}`);
  if (names) for (const item of list) console.log(`    ${item}`);
}

const functions = sources.flatMap(functionsOf);
const lengths = ascending(functions.map((f) => f.lines));
const complexity = ascending(functions.map((f) => f.cyclomatic));
const fileLines = ascending(sources.map((f) => f.text.split('\n').length - 1));
const all = code.reduce((sum, f) => sum + f.text.split('\n').length - 1, 0);

say('.c files, .h files, lines', `${sources.length}, ${headers.length}, ${all}`);
say('lines of a .c file: median, p90, max',
  [0.5, 0.9, 1].map((q) => quantile(fileLines, q)).join(', '));
say('functions: number; lines median, p90, max',
  `${functions.length}; ${[0.5, 0.9, 1].map((q) => quantile(lengths, q)).join(', ')}`);
const long = functions.filter((f) => f.lines > 60);
say('functions over 60 lines', long.length, long.map((f) => `${f.file} ${f.name}`));
say('cyclomatic complexity: p99, max',
  `${quantile(complexity, 0.99)}, ${quantile(complexity, 1)}`);

/* Public: declared by a header of include/. */
const definedIn = new Map();
for (const f of functions.filter((one) => !one.isStatic))
  definedIn.set(f.name, f.file);
const declared = headers
  .filter((h) => h.path.startsWith('include/'))
  .flatMap((h) => declaredIn(h).map((name) => ({ header: h.path, name })))
  .filter((d) => definedIn.has(d.name));
const apart = declared.filter((d) => {
  const twin = d.header.replace(/^include/, 'src').replace(/\.h$/, '.c');

  return definedIn.get(d.name) !== twin;
});
say('public functions that the twin .c does not define',
  percent(apart.length, declared.length),
  apart.map((d) => `${d.header} ${d.name}: ${definedIn.get(d.name)}`));

/* Who includes a header of include/, besides its own folder? */
const own = headers.filter((h) => {
  if (!h.path.startsWith('include/')) return false;
  const name = h.path.slice('include/'.length);
  const folder = dirname(name);

  return !code.some(
    (f) =>
      dirname(f.path).split('/').pop() !== folder &&
      f.text.includes(`#include "${name}"`),
  );
});
say('headers of include/ that one folder uses alone',
  percent(own.length, headers.filter((h) => h.path.startsWith('include/')).length),
  own.map((h) => h.path));
const inside = headers.filter((h) => h.path.startsWith('src/'));
const twinless = inside.filter(
  (h) => !existsSync(join(tree, h.path.replace(/\.h$/, '.c'))),
);
say('headers beside sources; of these without a twin .c',
  `${inside.length}; ${twinless.length}`, twinless.map((h) => h.path));

const byName = new Map();
for (const f of functions)
  byName.set(f.name, [...(byName.get(f.name) ?? []), f.file]);
const shared = functions.filter((f) => byName.get(f.name).length > 1);
say('functions that share their name with another',
  percent(shared.length, functions.length),
  [...byName].filter(([, files]) => files.length > 1)
    .sort((a, b) => b[1].length - a[1].length)
    .map(([name, files]) => `${name} x${files.length}: ${files.map((f) => basename(f)).join(' ')}`));

/* Codes of requirements, and documents, that nothing here has. */
const pages = ['docs/conformance.md', 'docs/decisions.md']
  .map((page) => join(tree, page))
  .filter(existsSync)
  .map(read)
  .join('\n');
const known = new Set();
for (const match of pages.matchAll(/^(?:\| *|- \*\*)([A-Z]\d{1,3})\b/gm))
  known.add(match[1]);
for (const match of pages.matchAll(/^(\d+)\. \*/gm))
  known.add(`decision ${match[1]}`);
const lost = [];
const testFiles = walk(join(tree, 'tests'))
  .filter((p) => /\.(c|h|scn)$/.test(p) && !p.includes('node_modules'))
  .map((path) => ({ path: relative(tree, path), text: read(path) }));
for (const file of [...code, ...testFiles]) {
  const comments = file.path.endsWith('.scn')
    ? file.text.match(/^#.*$/gm) ?? []
    : file.text.match(/\/\*[^]*?\*\//g) ?? [];
  for (const comment of comments) {
    for (const c of comment.match(/\b[A-LQT]\d{1,2}\b(?!\.)/g) ?? [])
      if (!known.has(c)) lost.push(`${file.path}: ${c}`);
    for (const c of comment.match(/\b(security|clients|design|decisions|operators|operability|peers)\.md\b/g) ?? [])
      if (!existsSync(join(tree, 'docs', c))) lost.push(`${file.path}: ${c}`);
    for (const c of comment.match(/\bdecisions? \d+/g) ?? [])
      if (!known.has(c.replace('decisions', 'decision'))) lost.push(`${file.path}: ${c}`);
  }
}
say('citations without a target', lost.length, lost);

const comment = (files) => {
  let lines = 0;
  let commented = 0;
  for (const f of files) {
    const before = f.text.split('\n');
    const after = withoutComments(f.text).split('\n');

    before.forEach((line, i) => {
      if (line.trim() === '') return;
      lines++;
      if (after[i].trim() === '') commented++;
    });
  }
  return `${((100 * commented) / lines).toFixed(1)} %`;
};
say("comments' share of lines in .c, in .h", `${comment(sources)}, ${comment(headers)}`);
