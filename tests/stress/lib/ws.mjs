/*
 * A session over WebSocket, whose client has bad luck with its connections.
 * Four of ten acknowledge stanzas (XEP-0198), come back and resume; to the
 * others the first connection is all their life.
 */

import { sleep, until } from '../../system/lib/sandbox.js';
import { count, limit, message, streams } from './history.mjs';
import { SM } from './server.mjs';
import { BACKLOG_BYTES, CLOSE, Lost, WsClient } from './ws_client.mjs';

const BURST_MAX = 9000; /* stanzas: more than the kernel keeps */
const NAP_MS = 1000; /* less than a client may leave a ping unanswered */
const PING_MS = 12000; /* until doab knows who is silent */
const LIVES_MAX = 5;

/* How a client may lose its connection.  What still waits for its server then
 * is lost with it. */
const KILLS = [
    { how: 'fin' },
    { how: 'reset' },
    { how: 'truncate' } /* in a TLS record */,
    { how: 'fin', isHalf: true },
    { how: 'reset', isHalf: true },
    { how: 'silence' },
    { how: 'silence', isHalf: true },
    { how: 'Close' } /* polite to WebSocket, but not to XMPP */,
];
const QUICK_KILLS = KILLS.filter(({ how }) => how !== 'silence');
const nameOf = ({ how, isHalf }) => `${how}${isHalf ? ' in a message' : ''}`;

const ENDS = [
    'close',
    'close',
    'close and more',
    'close and fin',
    'close and reset',
    'server closes',
    'server closes',
    'server error',
    'server fin',
    'server reset',
    'kill',
    'kill',
    'kill',
    'kill',
];

export class WsSession extends WsClient {
    static tag = 'w';

    /* --- Life ------------------------------------------------------------- */

    async room() {
        const { stream } = this.wire;
        while (stream.writableLength > BACKLOG_BYTES && !this.isGone)
            await sleep(2);
    }

    /* The client stops reading; so must its server stop. */
    async nap() {
        const { stream } = this.wire;
        count('naps of clients');
        stream.pause();
        this.say(this.chance.below(BURST_MAX));
        await sleep(this.chance.below(NAP_MS));
        if (this.server.writableLength > 0) count('naps: the server waited');
        stream.resume();
    }

    async napOfServer() {
        const { server, wire } = this;
        count('naps of servers');
        server.pause();
        await this.burst(this.chance.below(BURST_MAX));
        await sleep(this.chance.below(NAP_MS));
        if (wire.stream.writableLength > 0) count('naps: the client waited');
        server.resume();
    }

    /* What is said last waits for somebody slow. */
    fallAsleep() {
        const { stream } = this.wire;
        const { server } = this;
        const isServer = this.chance.of(50);
        count('naps at the end');
        if (isServer) {
            server.pause();
            this.burst(this.chance.below(BURST_MAX));
        } else {
            stream.pause();
            this.say(this.chance.below(BURST_MAX));
        }
        setTimeout(() => {
            server.resume();
            stream.resume();
        }, this.chance.below(NAP_MS));
    }

    burst(howMany) {
        const all = [];
        for (let left = howMany; left > 0; left--) all.push(this.up.next());
        return this.wire.texts(all);
    }

    async step() {
        const dice = this.chance.below(200);
        await this.room();
        if (dice < 1) return this.nap();
        if (dice < 2) return this.napOfServer();
        if (dice < 10) return this.burst(this.chance.below(60));
        if (dice < 16 && this.isEnabled) return this.tell(SM.REQUEST);
        if (dice < 22 && this.isEnabled)
            return this.tell(SM.ack(this.down.got));
        return this.wire.text(this.up.next());
    }

    /* True while it goes on. */
    isAlive() {
        return !this.isBlamed && !this.setup.isDraining;
    }

    /* Until it is time to end, or something has happened that nobody did. */
    async live() {
        let left = 20 + this.chance.below(this.setup.steps);
        for (; left > 0 && !this.setup.isOver() && this.isAlive(); left--) {
            await this.step();
            await this.chance.pause(30);
            if ((this.isGone || this.hasClose) && this.isAlive())
                this.blame('ended without reason');
        }
    }

    async run() {
        if (this.chance.of(10)) return this.dieEarly();
        try {
            await this.runLife();
        } catch (error) {
            if (!(error instanceof Lost)) throw error;
            if (!this.setup.isDraining) this.blame(`lost ${error.message}`);
        }
        this.isEnding = true;
        this.wire.raw.destroy();
        streams.delete(this.name);
        if (this.setup.isDraining) this.checkDrained();
        if (this.returned.length > 0)
            this.blame(`s${this.returned[0]} was given back`);
        return undefined;
    }

    async runLife() {
        let lives = this.isManaged ? this.chance.below(LIVES_MAX) : 0;
        await this.login();
        const talking = this.talk();
        await this.live();
        for (; lives > 0 && this.isAlive() && !this.setup.isOver(); lives--) {
            await this.lose(this.chance.one([...this.kills(), null, null]));
            await this.comeBack();
            await this.live();
        }
        if (this.setup.isDraining) await this.beSentAway();
        else if (!this.isBlamed) await this.end(this.chance.one(ENDS));
        this.isEnding = true;
        await talking;
    }

    /* --- Deaths ----------------------------------------------------------- */

    /* Before there is a session. */
    async dieEarly() {
        const last = this.chance.below(4) - 1;
        const how = this.chance.one(['fin', 'reset', 'truncate']);
        count(`kill: ${how} before step ${last + 1} of the login`);
        try {
            if (last >= 0) await this.login(last);
            else this.connect();
            if (last < 0) await this.wire.shake(undefined, true);
        } catch (error) {
            if (!this.setup.isDraining) this.blame(String(error));
        }
        if (this.chance.of(50)) await this.chance.pause(20);
        await this.kill(how);
        /* The server may not have heard of it; serve() counts who stays. */
        await sleep(50);
        if (this.carried > 0) await this.serverIsLeft();
        this.wire.raw.destroy();
    }

    /* Towards the end of all nobody begins what takes long. */
    kills() {
        return this.setup.isLate() ? QUICK_KILLS : KILLS;
    }

    async kill(how) {
        const { wire } = this;
        this.event(`kill: ${how}`);
        this.isKilled = true;
        wire.leave();
        if (how === 'silence') wire.stream.pause();
        else if (how === 'Close') await wire.close(1001);
        else await wire.kill(how);
    }

    /* A client dies, or (null) its server. */
    async lose(death) {
        count(`kill: ${death === null ? 'server' : nameOf(death)}`);
        if (death === null) {
            if (this.chance.of(50)) this.server.resetAndDestroy();
            else this.server.end();
            this.mayEnd = true; /* only of this stream: see comeBack */
            await this.beLeft('<internal-server-error');
        } else {
            if (death.isHalf) this.wire.half(message('c', 0));
            await this.kill(death.how);
        }
    }

    /* Now and then it is lost again on its way. */
    async comeBack() {
        await this.chance.pause(100);
        for (let tries = 0; tries < 3 && this.chance.of(25); tries++) {
            if (await this.login(this.chance.below(5))) break;
            count('kill: reset on the way back');
            await this.chance.pause(20);
            await this.kill('reset');
        }
        if (this.setup.isDraining) throw new Lost('on its way back');
        this.mayEnd = false;
        await this.login();
    }

    /* --- Ends ------------------------------------------------------------- */

    /* doab ends it: <close/>, ours, Close. */
    async beLeft(condition) {
        await until(
            'the end',
            () => this.isGone || this.isBlamed,
            limit.end_ms,
        );
        if (!this.hasClose) this.blame('no <close/>');
        /* It may be sent away in the middle of another end. */
        if (this.seen.includes('<system-shutdown')) throw new Lost('drained');
        if (condition !== undefined && !this.seen.includes(condition))
            this.blame(`no ${condition}: ${this.seen.slice(0, 300)}`);
    }

    async end(how) {
        count(`end: websocket ${how}`);
        this.event(`the end: ${how}`);
        if (this.chance.of(30)) this.fallAsleep();
        if (how === 'kill') return this.endKilled();
        if (how.startsWith('close')) await this.endClosed(how);
        else await this.endServer(how);
        if (!this.isServerClosed) await this.serverIsLeft();
        return undefined;
    }

    async endKilled() {
        const death = this.chance.one(this.kills());
        await this.lose(death);
        await this.serverIsLeft(PING_MS + limit.end_ms);
    }

    async endClosed(how) {
        this.mayEnd = true;
        this.saidClose = true;
        const told = this.tell(CLOSE);
        if (how === 'close and more') this.wire.text(message('c', 0));
        if (how === 'close and reset') {
            if (this.chance.of(50)) await told;
            return this.kill('reset');
        }
        if (how === 'close and fin') {
            await told;
            await this.kill('fin');
        } else await this.beLeft();
        await this.serverIsLeft();
        if (!this.isPolite) this.blame('no </stream:stream>');
        this.up.close();
        if (how === 'close and fin') return undefined;
        if (this.code !== 1000) this.blame(`Close ${this.code}`);
        return this.down.close();
    }

    /* The server leaves while its client talks. */
    async endServer(how) {
        const { server } = this;
        this.mayEnd = true;
        this.isEnding = true;
        this.burst(this.chance.below(50));
        if (how === 'server closes') server.end('</stream:stream>');
        if (how === 'server error') server.end(SM.CONFLICT);
        if (how === 'server fin') server.end();
        if (how === 'server reset') server.resetAndDestroy();
        await this.beLeft(
            {
                'server error': '<conflict',
                'server fin': '<internal-server-error',
                'server reset': '<internal-server-error',
            }[how],
        );
        if (how !== 'server reset') this.down.close();
        if (this.code !== 1000) this.blame(`Close ${this.code}`);
    }

    /* SIGTERM: doab ends every stream, and says so. */
    async beSentAway() {
        count('sent away');
        await until(
            'the goodbye',
            () => this.isGone || this.isBlamed,
            limit.end_ms,
        );
        if (!this.seen.includes('<system-shutdown'))
            this.blame(`no system-shutdown: ${this.seen.slice(0, 300)}`);
        if (this.code !== 1001) this.blame(`Close ${this.code}`);
    }

    /* Who had its upgrade was told, whatever it was about to do: before
     * <open/> by Close alone. */
    checkDrained() {
        const isTold = this.hasClose || this.code === 1001;
        if (this.wire.isUpgraded && !this.isKilled && !isTold)
            this.blame('no goodbye');
    }
}
