/*
 * The usual pair with STARTTLS between the two: Prosody offers PLAIN, which
 * is all that the old clients know, only where it is encrypted.  (A Prosody
 * that stands in for doab takes its own HTTP for secure.)
 */

import { makeCerts } from '../lib/certs.js';
import { DOMAINS, routes, startPair } from '../lib/doab.js';
import { isDoab } from '../lib/harness.js';
import { freeProsodyPorts } from '../lib/prosody.js';

export async function startSecurePair(box, config = {}, prosody = {}) {
    if (!isDoab) return startPair(box, config, prosody);
    const certs = await makeCerts(box, DOMAINS);
    const ports = await freeProsodyPorts();
    return startPair(
        box,
        { domain: routes(ports[0], { ca_file: certs.caFile }), ...config },
        { tls: certs.good, ports, ...prosody },
    );
}
