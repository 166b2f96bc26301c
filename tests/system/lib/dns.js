/*
 * A DNS server over UDP that answers by a table and counts what it is asked.
 *
 * zone: {'a.test': {A: ['127.0.0.1'], SRV: [[priority, weight, port, name]],
 * CNAME: 'b.test'}}.  A name that is not there is NXDOMAIN, one whose value is
 * null is never answered.
 */

import { once } from 'node:events';
import dgram from 'node:dgram';

const TYPES = { 1: 'A', 5: 'CNAME', 28: 'AAAA', 33: 'SRV' };
const NUMBERS = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 };
const TTL_S = 60;

function wireName(name) {
    const labels = name.split('.').filter((label) => label !== '');
    return Buffer.concat([
        ...labels.map((l) => Buffer.from([l.length, ...Buffer.from(l)])),
        Buffer.from([0]),
    ]);
}

/* The first question: its name, type and where it ends. */
function readQuestion(query) {
    const labels = [];
    let at = 12;
    while (query[at] !== 0) {
        labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
        at += 1 + query[at];
    }
    return {
        name: labels.join('.'),
        type: TYPES[query.readUInt16BE(at + 1)],
        end: at + 5,
    };
}

/* "1::2" as sixteen bytes; an IPv4 address may stand at its end. */
function wireIp6(text) {
    const words = (part) =>
        part === ''
            ? []
            : part.split(':').flatMap((word) => {
                  if (!word.includes('.')) return [parseInt(word, 16)];
                  const [a, b, c, d] = word.split('.').map(Number);
                  return [a * 256 + b, c * 256 + d];
              });
    const [head, tail = ''] = text.split('::');
    const [front, back] = [words(head), words(tail)];
    const zeros = Array(8 - front.length - back.length).fill(0);
    const bytes = Buffer.alloc(16);
    [...front, ...zeros, ...back].forEach((word, i) => {
        bytes.writeUInt16BE(word, 2 * i);
    });
    return bytes;
}

function data(type, value) {
    if (type === 'AAAA') return wireIp6(value);
    if (type === 'A') return Buffer.from(value.split('.').map(Number));
    if (type === 'CNAME') return wireName(value);
    const [priority, weight, port, target] = value;
    const head = Buffer.alloc(6);
    head.writeUInt16BE(priority, 0);
    head.writeUInt16BE(weight, 2);
    head.writeUInt16BE(port, 4);
    return Buffer.concat([head, wireName(target)]);
}

function record(owner, type, value, ttl_s) {
    const bytes = data(type, value);
    const head = Buffer.alloc(10);
    head.writeUInt16BE(NUMBERS[type], 0);
    head.writeUInt16BE(1, 2);
    head.writeUInt32BE(ttl_s, 4);
    head.writeUInt16BE(bytes.length, 8);
    return Buffer.concat([wireName(owner), head, bytes]);
}

export class Dns {
    static async start(zone, ttl_s = TTL_S) {
        const dns = new Dns();
        dns.ttl_s = ttl_s;
        dns.zone = zone;
        dns.asked = [];
        dns.socket = dgram.createSocket('udp4');
        dns.socket.on('message', (query, from) => dns.answer(query, from));
        dns.socket.bind(0, '127.0.0.1');
        await once(dns.socket, 'listening');
        dns.address = `127.0.0.1:${dns.socket.address().port}`;
        return dns;
    }

    /* The records of a name, and where its CNAMEs lead: eight at most. */
    records(name, type) {
        const found = [];
        let owner = name;
        for (let i = 0; i < 8 && this.zone[owner]; i += 1) {
            const { CNAME, [type]: values = [] } = this.zone[owner];
            for (const value of values)
                found.push(record(owner, type, value, this.ttl_s));
            if (!CNAME) break;
            found.push(record(owner, 'CNAME', CNAME, this.ttl_s));
            owner = CNAME;
        }
        return found;
    }

    answer(query, from) {
        const { name, type, end } = readQuestion(query);
        this.asked.push(`${type} ${name}`);
        if (this.zone[name] === null) return;
        const found = this.records(name, type);
        const head = Buffer.from(query.subarray(0, 12));
        head.writeUInt16BE(this.zone[name] ? 0x8180 : 0x8183, 2);
        head.writeUInt16BE(1, 4);
        head.writeUInt16BE(found.length, 6);
        head.writeUInt32BE(0, 8);
        this.socket.send(
            Buffer.concat([head, query.subarray(12, end), ...found]),
            from.port,
            from.address,
        );
    }

    /* What was asked since the last call, in alphabetical order. */
    questions() {
        return this.asked.splice(0).sort();
    }

    stop() {
        this.socket.close();
    }
}
