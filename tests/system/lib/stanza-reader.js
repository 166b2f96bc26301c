/*
 * XML as a tree, by a strict parser that knows namespaces: what is not
 * well-formed is an error.
 */

import { SaxesParser } from 'saxes';

const DECLARATIONS = 'http://www.w3.org/2000/xmlns/';

/* An element: { name, ns, attrs, children }; names of attributes in a namespace
 * are {ns}name, and children are elements and strings. */
function elementOf({ local, uri, attributes }) {
    const attrs = {};
    for (const { local: name, uri: ns, value } of Object.values(attributes))
        if (ns !== DECLARATIONS)
            attrs[ns === '' ? name : `{${ns}}${name}`] = value;
    return { name: local, ns: uri, attrs, children: [] };
}

/*
 * Reads text in pieces, and says { element, depth } of each element that is
 * complete, down to `depth`: 0 is the root.  `root` is the root as soon as its
 * start tag was read.
 */
export class StanzaReader {
    constructor(depth, told) {
        const path = [];
        this.parser = new SaxesParser({ xmlns: true });
        this.parser.on('error', (error) => {
            throw error;
        });
        this.parser.on('opentag', (tag) => {
            const element = elementOf(tag);
            this.root ??= element;
            if (path.length > depth) path.at(-1).children.push(element);
            path.push(element);
        });
        this.parser.on('text', (text) => {
            if (path.length > depth) path.at(-1).children.push(text);
        });
        this.parser.on('cdata', (text) => path.at(-1).children.push(text));
        this.parser.on('closetag', () => {
            const element = path.pop();
            if (path.length === depth) told(element);
        });
    }

    write(text) {
        this.parser.write(text);
        return this;
    }
}

/* The elements at this depth of a whole document. */
export function parse(text, depth = 0) {
    const elements = [];
    const reader = new StanzaReader(depth, (e) => elements.push(e));
    reader.write(text).parser.close();
    return { root: reader.root, elements };
}

/* One spelling for what means the same. */
export function canonical({ name, ns, attrs, children }) {
    const joined = [];
    for (const child of children) {
        if (typeof child !== 'string') joined.push(canonical(child));
        else if (typeof joined.at(-1) === 'string')
            joined.push(joined.pop() + child);
        else joined.push(child);
    }
    return [ns, name, Object.entries(attrs).sort(), joined];
}

export const childOf = ({ children }, name) =>
    children.find((child) => child.name === name);

export const textOf = ({ children }) => children.join('');
