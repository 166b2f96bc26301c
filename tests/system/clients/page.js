/*
 * Strophe.js in a page of Chromium, driven from the test: Debian's old one or
 * the present one.
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { observe } from '../lib/browser.js';
import { until } from '../lib/sandbox.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, '../node_modules/strophe.js/dist');

/* Beside the page, for what has a worker. */
export const WORKER = 'shared-connection-worker.js';

/* With the beginning of what each says it is: 5.0.0 still says 4.0.0. */
export const STROPHES = {
    '1.2': {
        script: '/usr/share/javascript/strophe/strophe.js',
        says: /^1\.2\./,
    },
    '5.x': {
        script: path.join(dist, 'strophe.umd.cjs'),
        worker: path.join(dist, WORKER),
        says: /^[45]\./,
    },
};

/* Puts a page for each version into the directory of pages. */
export function strophePages(box) {
    for (const [version, { script, worker }] of Object.entries(STROPHES)) {
        if (!fs.existsSync(script))
            throw new Error(`there is no ${script}; run contrib/install-deps`);
        const into = `pages/strophe-${version}`;
        box.copy(script, `${into}/strophe.js`);
        if (worker) box.copy(worker, `${into}/${WORKER}`);
        for (const name of ['strophe.html', 'strophe-page.js'])
            box.copy(path.join(here, name), `${into}/${name}`);
    }
    return box.path('pages');
}

export class StrophePage {
    /* `pages` opens one: a browser, or a context of it.  Without a service
     * it is BOSH. */
    static async open(pages, base, version, service = '', options = {}) {
        const client = new StrophePage();
        client.page = await pages.newPage();
        client.seen = observe(client.page, base);
        const query = new URLSearchParams({
            service,
            options: JSON.stringify(options),
        });
        await client.page.goto(
            `${base}/strophe-${version}/strophe.html?${query}`,
        );
        const says = await client.page.evaluate(() => Strophe.VERSION);
        assert.match(says, STROPHES[version].says);
        return client;
    }

    call(name, ...args) {
        return this.page.evaluate(
            ([name, args]) => window.client[name](...args),
            [name, args],
        );
    }

    get(name) {
        return this.page.evaluate((name) => window.client[name], name);
    }

    /* The states up to one of them, or up to one that allows no other. */
    async reach(state) {
        const final = /^(CONNFAIL|AUTHFAIL|DISCONNECTED)/;
        await until(`the state ${state}`, async () => {
            const states = await this.get('states');
            if (states.includes(state)) return true;
            const end = states.find((s) => final.test(s));
            if (end && state !== 'DISCONNECTED') throw new Error(end);
            return false;
        });
        return this;
    }

    /* What is reached is ATTACHED where another tab has logged in. */
    async login(jid, password, state = 'CONNECTED') {
        await this.page.evaluate(() => (window.client.states = []));
        await this.call('login', jid, password);
        await this.reach(state);
        await this.call('present');
    }

    async attach({ jid, sid, rid }) {
        await this.call('attach', jid, sid, rid);
        await this.reach('ATTACHED');
        await this.call('present');
    }

    say(to, ...bodies) {
        return this.call('say', to, bodies);
    }

    /* The message with this body, once it is there. */
    async hear(body) {
        return until(`"${body}" in the page`, async () =>
            (await this.get('messages')).find((m) => m.body === body),
        );
    }

    /* The bodies heard so far that begin with `prefix`. */
    async heard(prefix) {
        return (await this.get('messages'))
            .map((m) => m.body)
            .filter((body) => body?.startsWith(prefix));
    }

    async close() {
        await this.call('close');
        await this.reach('DISCONNECTED');
    }
}
