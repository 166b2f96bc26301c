/*
 * Certificates for the tests, made anew for each run by the openssl command:
 * a CA with a good, a misnamed and an expired certificate, a second CA that
 * nobody trusts, and of what a test asks for besides.
 */

import fs from 'node:fs';

const CONFIG = `
[ca]
default_ca = ca_default
[ca_default]
dir = .
database = ./index.txt
serial = ./serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[v3_ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[v3_leaf]
basicConstraints = CA:false
extendedKeyUsage = serverAuth
`;

const EC = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
];

async function makeCa(box, dir, name) {
    box.mkdir(dir);
    box.write(`${dir}/ca.cnf`, CONFIG);
    box.write(`${dir}/index.txt`, '');
    box.write(`${dir}/serial`, '1000\n');
    await box.tool(
        [
            'openssl',
            'req',
            '-x509',
            ...EC,
            '-config',
            'ca.cnf',
            '-extensions',
            'v3_ca',
            '-subj',
            `/CN=${name}`,
            '-days',
            '2',
            '-keyout',
            'ca.key',
            '-out',
            'ca.pem',
        ],
        { cwd: box.path(dir) },
    );
}

/* Names are DNS names, IP addresses, or openssl's KIND:VALUE; dates are openssl's YYYYMMDDHHMMSSZ. */
async function makeCert(box, dir, file, names, dates = []) {
    const cwd = box.path(dir);
    const san = names.map((n) => {
        if (n.includes(':')) return n;
        return (/^[0-9.]+$/.test(n) ? 'IP:' : 'DNS:') + n;
    });
    await box.tool(
        [
            'openssl',
            'req',
            '-new',
            ...EC,
            '-config',
            'ca.cnf',
            '-subj',
            `/CN=${file}`,
            '-addext',
            `subjectAltName=${san.join(',')}`,
            '-keyout',
            `${file}.key`,
            '-out',
            `${file}.csr`,
        ],
        { cwd },
    );
    await box.tool(
        [
            'openssl',
            'ca',
            '-batch',
            '-notext',
            '-config',
            'ca.cnf',
            '-extensions',
            'v3_leaf',
            '-keyfile',
            'ca.key',
            '-cert',
            'ca.pem',
            ...(dates.length
                ? ['-startdate', dates[0], '-enddate', dates[1]]
                : ['-days', '2']),
            '-in',
            `${file}.csr`,
            '-out',
            `${file}.pem`,
        ],
        { cwd },
    );
    const cert = {
        certificate: `${cwd}/${file}.pem`,
        key: `${cwd}/${file}.key`,
    };
    fs.chmodSync(cert.key, 0o600);
    box.own(cert.key);
    box.own(cert.certificate);
    return cert;
}

/* An SRV-ID and an XmppAddr, as names of a certificate. */
export const srvId = (domain) =>
    `otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-client.${domain}`;
export const xmppAddr = (domain) =>
    `otherName:1.3.6.1.5.5.7.8.5;UTF8:${domain}`;

/* more: { file: names } for further certificates of the trusted CA. */
export async function makeCerts(box, names, more = {}) {
    await makeCa(box, 'ca', 'doab test CA');
    await makeCa(box, 'strangers', 'another CA');
    const others = {};
    for (const [file, of] of Object.entries(more))
        others[file] = await makeCert(box, 'ca', file, of);
    return {
        ...others,
        caFile: box.path('ca/ca.pem'),
        ca: fs.readFileSync(box.path('ca/ca.pem')),
        good: await makeCert(box, 'ca', 'good', [...names, '127.0.0.1']),
        misnamed: await makeCert(box, 'ca', 'misnamed', ['other.example']),
        expired: await makeCert(box, 'ca', 'expired', names, [
            '20200101000000Z',
            '20200201000000Z',
        ]),
        unknown: await makeCert(box, 'strangers', 'unknown', names),
    };
}
