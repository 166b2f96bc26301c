/*
 * Converse.js in a page of Chromium, in a chat with one partner, driven as a
 * person would.
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { assemblePages, observe } from '../lib/browser.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const SLOW = { timeout: 30000 };
const FIELD = 'textarea.chat-textarea';

/* Puts the page into the directory of pages. */
export function conversePages(box) {
    for (const name of ['converse.html', 'converse-page.js'])
        box.copy(path.join(here, name), `pages/${name}`);
    return assemblePages(box);
}

/* How often a message stands in the page. */
function shown(text) {
    return [...document.querySelectorAll('.chat-msg')].filter((m) =>
        m.textContent.includes(text),
    ).length;
}

export class ConversePage {
    /* `pages` opens one: a browser, or a context of it. */
    static async open(pages, base, settings, partner) {
        const one = new ConversePage();
        one.page = await pages.newPage();
        one.seen = observe(one.page, base);
        one.partner = partner;
        const query = new URLSearchParams({
            settings: JSON.stringify(settings),
        });
        await one.page.goto(`${base}/converse.html?${query}`);
        await one.ready();
        return one;
    }

    /* Connected, present, and showing the chat with the partner. */
    async ready() {
        await this.page.waitForFunction(
            () => window.inside?.present,
            undefined,
            SLOW,
        );
        await this.page.evaluate(
            (partner) => window.inside.chats.open(partner, {}, true),
            this.partner,
        );
        await this.page.waitForSelector(FIELD, SLOW);
    }

    async reload() {
        await this.page.reload();
        await this.ready();
    }

    jid() {
        return this.page.evaluate(() => window.inside.connection.get().jid);
    }

    async say(text) {
        await this.page.fill(FIELD, text);
        await this.page.press(FIELD, 'Enter');
    }

    async hears(text) {
        await this.page.waitForFunction(shown, text, SLOW);
    }

    shown(text) {
        return this.page.evaluate(shown, text);
    }

    /* Messages both ways between the page and its partner, a StropheClient. */
    async talk(partner, jid, tag) {
        const odd = `<&> ü € 😀 ${tag}`;
        partner.say(jid, `from the desk ${odd}`);
        await this.hears(`from the desk ${odd}`);
        await this.say(`from the page ${odd}`);
        const message = await partner.hear(`from the page ${odd}`);
        assert.equal(message.getAttribute('from'), jid);
    }

    /* Nothing was missing, foreign or wrong, but for these addresses. */
    clean(allowed = []) {
        assert.deepEqual(this.seen.errors, []);
        assert.deepEqual(this.seen.missing, []);
        assert.deepEqual(
            this.seen.foreign.filter((url) => !allowed.includes(url)),
            [],
        );
    }
}
