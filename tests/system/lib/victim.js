/*
 * Somebody whom nobody must reach: takes connections at an address, counts them
 * in `accepted`, and ends them.
 */

import { once } from 'node:events';
import net from 'node:net';

export async function startVictim(address, port) {
    const victim = net.createServer((socket) => {
        victim.accepted += 1;
        socket.destroy();
    });
    victim.accepted = 0;
    victim.listen(port, address);
    await once(victim, 'listening');
    return victim;
}
