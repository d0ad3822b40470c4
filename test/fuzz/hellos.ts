/** Hellos of TLS and QUIC, most of them damaged somewhere: in the message, in its records, in its packets. */
import assert from 'node:assert/strict';
import { tlsSeen, tlsSince } from '../../src/http/tls-facts.ts';
import * as h from '../support/hellos.ts';
import * as q from '../support/quic.ts';
import type { Random } from '../support/random.ts';
import { START_US, type Wire } from '../support/run-pipeline.ts';
import { connection, datagram, SERVER_HELLO } from '../support/tls-connections.ts';

const NAME_CHARACTERS_MAX = 255;

function damaged(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0 || random.chance(0.4)) return bytes;
  const copy = Buffer.from(bytes);
  for (let n = random.integer(1, 4); n > 0; n--)
    copy[random.integer(0, copy.length - 1)] = random.pick([0, 1, 2, 127, 255, random.bits() >>> 24]);
  return random.chance(0.2) ? copy.subarray(0, random.integer(0, copy.length)) : copy;
}

function someMessage(random: Random): Buffer {
  const list = (max: number): number[] => Array.from({ length: random.integer(0, max) }, () => random.integer(0, 0xffff));
  const extensions = [
    h.serverName(random.pick(['a.example', '', 'x'.repeat(300), 'b\n\xff'])),
    h.alpn(random.pick(['h2', 'h3', '', '\xff']), 'http/1.1'),
    h.versions(...list(5)),
    h.signatures(...list(20)),
    h.extension(0xfe0d, Buffer.alloc(random.integer(0, 300))),
    ...list(random.chance(0.05) ? 1000 : 12).map((type) => h.extension(type, Buffer.alloc(random.integer(0, 20)))),
  ].filter(() => random.chance(0.8));
  return damaged(
    random,
    h.message({
      session: random.integer(0, 32),
      suites: list(random.chance(0.05) ? 3000 : 40),
      extensions: random.chance(0.05) ? null : extensions,
    }),
  );
}

function someStream(random: Random): Buffer[] {
  const message = someMessage(random);
  const stream = damaged(random, h.records(message, random.chance(0.5) ? 16_384 : random.integer(1, 200)));
  const most = random.pick([7, 100, 1400]);
  const parts: Buffer[] = [];
  for (let at = 0; at < stream.length && parts.length < 400; at += parts[parts.length - 1].length) {
    parts.push(stream.subarray(at, at + random.integer(1, most)));
  }
  return parts;
}

/** A client's first packets, each with some of the frames. */
function someDatagrams(random: Random, clientPort: number): Buffer[] {
  const message = someMessage(random);
  const destinationId = Buffer.alloc(random.integer(0, 20), random.integer(0, 3));
  const most = random.pick([50, 500, 1100]);
  const datagrams: Buffer[] = [];
  for (let at = 0, number = 0; at < message.length && number < 20; number++) {
    const end = Math.min(message.length, at + random.integer(1, most));
    const frames = damaged(
      random,
      Buffer.concat([Buffer.alloc(random.integer(0, 3)), q.crypto(at, message.subarray(at, end)), Buffer.from([1])]),
    );
    at = end;
    const packet = q.initial(frames, {
      destinationId,
      number,
      numberBytes: random.integer(1, 4),
      version: random.pick([1, 2, 'draft-29']),
    });
    const ends = { clientPort, serverPort: random.chance(0.8) ? 443 : 8443, fromServer: random.chance(0.1), ipv6: random.chance(0.2) };
    datagrams.push(datagram(random.chance(0.8) ? packet : damaged(random, packet), ends));
  }
  return datagrams;
}

export function helloPackets(random: Random): Wire[] {
  const packets: Buffer[] = [];
  for (let n = random.integer(1, 6); n > 0; n--) {
    const clientPort = 40_000 + n;
    if (random.chance(0.4)) packets.push(...someDatagrams(random, clientPort));
    else {
      const parts = someStream(random);
      const shape = {
        clientPort,
        lost: random.chance(0.2) ? random.integer(0, 3) : -1,
        ipv6: random.chance(0.2),
        late: random.chance(0.2),
        reversed: random.chance(0.1),
        ...(random.chance(0.5) && { answer: damaged(random, SERVER_HELLO) }),
      };
      packets.push(...connection(parts, shape).map(({ data }) => data));
    }
  }
  return packets.map((data, i) => ({ data, timeUs: START_US + i * random.pick([10, 1000, 400_000]) }));
}

/** What was noted is as it is told to be. */
export function checkHellos(): void {
  const { connections, seen } = tlsSince(0);
  assert.equal(tlsSeen(1).names.total, seen);
  for (const { serverName, alpn, version, ja4 } of connections) {
    for (const text of [serverName, ...alpn]) assert.ok(text.length <= NAME_CHARACTERS_MAX && /^[!-~]*$/.test(text), text);
    assert.match(version, /^(1\.[0-3]|ssl3|0x[0-9a-f]{4})$/);
    assert.match(ja4, /^$|^[tq](1[0-3]|s[23]|00)[di]\d{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$/);
  }
}
