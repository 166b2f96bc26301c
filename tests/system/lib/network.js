/*
 * A network of the test's own, in which loopback has addresses that are public
 * elsewhere: nothing that goes there leaves the machine.
 *
 *     const skip = ownNetwork(['9.9.9.9/32', '2620:fe::9/128']);
 *     check('a sentence', async () => { ... }, { skip });
 *
 * Before anything else in the file: the program runs again in a new network
 * namespace, and what that says and how it ends is what this one does.
 */

import { spawnSync } from 'node:child_process';

const INSIDE = 'DOAB_TEST_NETWORK';
const DIRS = '/usr/local/sbin:/usr/sbin:/sbin';

/* Root needs no more; others may have a namespace if they are root in it as
 * far as its network goes. */
const UNSHARE =
    process.getuid() === 0
        ? ['unshare', '--net']
        : ['unshare', '--map-current-user', '--keep-caps', '--net'];

const SCRIPT = `
set -e
ip link set lo up
for address in $ADDRESSES; do ip address add "$address" dev lo; done
exec "$@"`;

function inside(addresses, argv, stdio) {
    const [command, ...args] = [...UNSHARE, 'sh', '-c', SCRIPT, 'sh', ...argv];
    return spawnSync(command, args, {
        stdio,
        env: {
            ...process.env,
            PATH: `${process.env.PATH}:${DIRS}`,
            ADDRESSES: addresses.join(' '),
            [INSIDE]: 'own',
        },
    });
}

/* Inside: false.  Where no such network is to be had: why. */
export function ownNetwork(addresses) {
    if (process.env[INSIDE]) return false;
    if (inside(addresses, ['true'], 'ignore').status !== 0)
        return 'this machine lets nobody have a network namespace';
    const [script, ...args] = process.argv.slice(1);
    const { status } = inside(
        addresses,
        [process.execPath, script, ...args],
        'inherit',
    );
    return process.exit(status ?? 1);
}
