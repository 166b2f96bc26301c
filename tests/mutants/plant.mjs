/*
 * Plants faults into a tree.
 *
 *   plant.mjs check FAULT...       each one applies, exactly once
 *   plant.mjs files FAULT          the files that it changes
 *   plant.mjs plant TREE FAULT     changes them below TREE
 *
 * A fault is a rule, not a patch, so that it survives when code moves, is
 * formatted anew or gets other lines around it:
 *
 *   what: the window admits one request too many
 *   caught-by: unit/test_rid
 *
 *   in rid_admit
 *   -    if (rid - w->next >= w->requests)
 *   +    if (rid - w->next > w->requests)
 *
 * "in" names a function of C; `in FILE.c NAME` where several have the name;
 * `in FILE.c` for what is outside of functions, and for other languages.  The
 * lines `-` and ` ` must be found there once, token by token: white space and
 * comments do not count, and neither does how a string is cut into pieces.
 * The lines `+` and ` ` take their place.  A fault may have several "in".
 */
import { readFileSync, writeFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const TOP = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const PLACES = ['src', 'include', 'contrib/bench', 'tests/fakes'];

const TOKEN =
  /\/\*[^]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[A-Za-z_]\w*|\d[\w.]*|->|\+\+|--|<<=|>>=|<<|>>|&&|\|\||[-+*/%&|^!=<>]=|\S/g;

/* The tokens of a text, each with the place where it begins and ends. */
export function tokens(text) {
  const out = [];

  for (const match of text.matchAll(TOKEN)) {
    const word = match[0];
    const last = out[out.length - 1];
    const end = match.index + word.length;

    if (word.startsWith('/*')) continue;
    if (word[0] === '"' && last !== undefined && last.word[0] === '"') {
      last.word = last.word.slice(0, -1) + word.slice(1);
      last.end = end;
    } else {
      out.push({ word, begin: match.index, end });
    }
  }
  return out;
}

/* [first, behind the last] of each place where `wanted` is in `all`. */
function occurrences(all, wanted) {
  const found = [];

  for (let i = 0; i + wanted.length <= all.length; i++) {
    if (wanted.every((word, k) => all[i + k].word === word))
      found.push([i, i + wanted.length]);
  }
  return found;
}

/* The functions of a file of C, as .clang-format lays them out: a name in a
 * first column's declaration, a brace in the first column, another at the end. */
export function functionsOf(text) {
  const found = [];
  let head = '';
  let headAt = 0;
  let name = null;
  let begin = 0;
  let at = 0;

  for (const line of text.split('\n')) {
    if (/^[A-Za-z_].*[^;]$/.test(line) && name === null) {
      head = line;
      headAt = at;
    } else if (line.startsWith('{') && head !== '') {
      name = /([A-Za-z_]\w*)\s*\(/.exec(head)?.[1] ?? null;
      begin = headAt;
    } else if (line.startsWith('}')) {
      if (name !== null)
        found.push({ name, begin, end: at + line.length });
      name = null;
      head = '';
    }
    at += line.length + 1;
  }
  return found;
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);

    if (entry.isDirectory()) return walk(path);
    return entry.isFile() ? [path] : [];
  });
}

/* All sources below a tree: path -> text, read once. */
export function readTree(tree) {
  const files = new Map();

  for (const place of PLACES) {
    const folder = join(tree, place);

    if (statSync(folder, { throwIfNoEntry: false }) === undefined) continue;
    for (const path of walk(folder)) {
      if (/\.(c|h|mjs)$/.test(path))
        files.set(relative(tree, path), readFileSync(path, 'utf8'));
    }
  }
  return files;
}

function fail(text) {
  throw new Error(text);
}

/* {what, caughtBy, rules: [{where, before, after}]} */
export function parseFault(text) {
  const fault = { what: '', caughtBy: '', rules: [] };
  let rule = null;

  for (const line of text.split('\n')) {
    const word = line.split(':')[0];

    if (rule === null && (word === 'what' || word === 'caught-by')) {
      fault[word === 'what' ? 'what' : 'caughtBy'] = line
        .slice(word.length + 1)
        .trim();
    } else if (line.startsWith('in ')) {
      rule = { where: line.slice(3).trim().split(/\s+/), before: '', after: '' };
      fault.rules.push(rule);
    } else if (rule !== null && /^[-+ ]/.test(line)) {
      if (line[0] !== '+') rule.before += `${line.slice(1)}\n`;
      if (line[0] !== '-') rule.after += `${line.slice(1)}\n`;
    } else if (line.trim() !== '') {
      fail(`cannot read the line: ${line}`);
    }
  }
  if (fault.what === '' || fault.caughtBy === '')
    fail('it has no "what:" or no "caught-by:"');
  if (fault.rules.length === 0) fail('it changes nothing');
  return fault;
}

/* Where a rule looks: {path, begin, end}. */
function scopeOf(files, where) {
  const file = where.find((word) => /\.(c|h|mjs)$/.test(word));
  const name = where.find((word) => word !== file);
  const paths = [...files.keys()].filter(
    (path) => file === undefined || path === file || basename(path) === file,
  );
  const scopes = [];

  if (name === undefined) {
    for (const path of paths)
      scopes.push({ path, begin: 0, end: files.get(path).length });
  } else {
    for (const path of paths.filter((one) => /\.[ch]$/.test(one))) {
      for (const f of functionsOf(files.get(path)))
        if (f.name === name) scopes.push({ path, begin: f.begin, end: f.end });
    }
  }
  if (scopes.length !== 1)
    fail(`"in ${where.join(' ')}" is ${scopes.length} places, not one`);
  return scopes[0];
}

/* Changes `files`; answers the paths that it changed. */
export function plant(files, fault) {
  const changed = new Set();

  for (const rule of fault.rules) {
    const scope = scopeOf(files, rule.where);
    const text = files.get(scope.path);
    const all = tokens(text.slice(scope.begin, scope.end));
    const wanted = tokens(rule.before).map((token) => token.word);
    const found = wanted.length > 0 ? occurrences(all, wanted) : [];

    if (wanted.length === 0) fail('a rule says only what is new');
    if (found.length !== 1)
      fail(`in ${rule.where.join(' ')}: found ${found.length} times, not once`);
    const [[first, behind]] = found;

    files.set(
      scope.path,
      text.slice(0, scope.begin + all[first].begin) +
        rule.after.trim() +
        text.slice(scope.begin + all[behind - 1].end),
    );
    changed.add(scope.path);
  }
  return [...changed];
}

function check(names) {
  let bad = 0;
  const files = readTree(TOP);

  for (const name of names) {
    try {
      plant(new Map(files), parseFault(readFileSync(name, 'utf8')));
    } catch (error) {
      console.log(`${name}:1: ${error.message}`);
      bad++;
    }
  }
  return bad > 0 ? 1 : 0;
}

function main([verb, ...rest]) {
  if (verb === 'check') return check(rest);
  const tree = verb === 'plant' ? rest.shift() : TOP;
  const files = readTree(tree);

  try {
    for (const path of plant(files, parseFault(readFileSync(rest[0], 'utf8')))) {
      if (verb === 'plant') writeFileSync(join(tree, path), files.get(path));
      else console.log(path);
    }
  } catch (error) {
    console.log(`${rest[0]}: ${error.message}`);
    return 1;
  }
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
