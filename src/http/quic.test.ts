/** First packets of QUIC clients through the whole path. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as h from '../../test/support/hellos.ts';
import * as q from '../../test/support/quic.ts';
import { Random } from '../../test/support/random.ts';
import { type Run, runPipeline, START_US, type Wire } from '../../test/support/run-pipeline.ts';
import { datagram } from '../../test/support/tls-connections.ts';
import { QUIC_GATHERED_MAX, QUIC_READS_PER_SECOND_MAX } from './quic.ts';
import { type TlsConnection, tlsSince } from './tls-facts.ts';

const hello = h.message({ extensions: [h.serverName('video.example'), h.alpn('h3'), h.versions(0x0304), h.signatures(0x0403)] });
const SHORT = Buffer.concat([Buffer.from([0x45]), Buffer.alloc(60, 0xaa)]);

function read(frames: readonly Buffer[], stepUs = 1000): { run: Run; noted: TlsConnection[] } {
  const wires: Wire[] = frames.map((data, i) => ({ data, timeUs: START_US + i * stepUs }));
  const run = runPipeline(wires);
  assert.equal(run.counters['packets.decoded'], undefined);
  return { run, noted: tlsSince(0).connections };
}

function only(frames: readonly Buffer[]): TlsConnection {
  const { noted, run } = read(frames);
  assert.equal(noted.length, 1);
  assert.deepEqual(run.weirds, {});
  return noted[0];
}

test('the packet that RFC 9001 shows is made here byte by byte, and read', () => {
  const frames = Buffer.from(
    '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b65' +
      '78616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4' +
      '7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002' +
      '4001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff',
    'hex',
  );
  const packet = q.initial(frames, { number: 2 });
  assert.equal(packet.length, 1200);
  assert.equal(packet.subarray(0, 34).toString('hex'), 'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242');
  assert.equal(packet.subarray(-16).toString('hex'), 'e221af44860018ab0856972e194cd934');
  const { serverName, alpn, version, ja4 } = only([datagram(packet)]);
  assert.deepEqual([serverName, alpn, version], ['example.com', ['alpn'], '1.3']);
  assert.match(ja4, /^q13d0211an_62ed6f6ca7ad_/);
});

test('all facts of a hello in QUIC; HTTP/3 is counted by its ALPN', () => {
  for (const version of [1, 2, 'draft-29'] as const) {
    const { run, noted } = read([datagram(q.initial(q.crypto(0, hello), { version, numberBytes: 2 }))]);
    const [{ timeUs, ja4, ...facts }] = noted;
    assert.deepEqual(facts, {
      transport: 'quic',
      clientAddress: '10.0.0.1',
      clientPort: 50_000,
      serverAddress: '10.0.0.2',
      serverPort: 443,
      serverName: 'video.example',
      alpn: ['h3'],
      version: '1.3',
      hasEch: false,
    });
    assert.equal(timeUs, START_US);
    assert.match(ja4, /^q13d0204h3_/);
    assert.deepEqual(
      ['packets.dropped{quic}', 'quic.connections', 'quic.http3', 'tls.hellos{quic}', 'quic.unread'].map((name) => run.counters[name]),
      [1, 1, 1, 1, undefined],
    );
  }
  assert.equal(only([datagram(q.initial(q.crypto(0, hello)), { ipv6: true, serverPort: 8443 })]).serverAddress, '2001:db8::2');
});

test('a hello in several packets and frames, shuffled, doubled, one datagram or many: the same facts, once', () => {
  const long = h.message({ extensions: [h.serverName('video.example'), h.extension(51, Buffer.alloc(2500, 3)), h.alpn('h3')] });
  const { timeUs: _, ...whole } = only([
    datagram(q.initial(q.crypto(0, long.subarray(0, 1100)))),
    datagram(q.initial(q.crypto(1100, long.subarray(1100, 2200)), { number: 1 })),
    datagram(q.initial(q.crypto(2200, long.subarray(2200)), { number: 2 })),
  ]);
  assert.equal(whole.serverName, 'video.example');
  assert.ok(whole.ja4 !== '');
  const random = new Random(7);
  for (let round = 0; round < 20; round++) {
    const cuts = [0, ...Array.from({ length: 12 }, () => random.integer(1, long.length - 1)).sort((a, b) => a - b), long.length];
    const frames = cuts.slice(1).map((to, i) => q.crypto(cuts[i], long.subarray(cuts[i], to)));
    for (let i = frames.length - 1; i > 0; i--) {
      const j = random.integer(0, i);
      [frames[i], frames[j]] = [frames[j], frames[i]];
    }
    const ping = Buffer.from([1]);
    const ack = Buffer.from([2, 0, 0, 0, 0]);
    const padding = Buffer.alloc(3);
    const packets = frames.map((frame, i) =>
      q.initial(Buffer.concat([padding, ping, ack, frame]), { number: i, numberBytes: 1 + (i % 4) }),
    );
    const { timeUs: _t, ...facts } = only([...packets, ...packets].map((packet) => datagram(packet)));
    assert.deepEqual(facts, whole, `round ${round}`);
  }
  const small = [
    q.initial(q.crypto(0, hello.subarray(0, 50)), { bytes: 700 }),
    q.initial(q.crypto(50, hello.subarray(50)), { number: 1, bytes: 700 }),
  ];
  assert.equal(only([datagram(Buffer.concat(small))]).serverName, 'video.example');
});

test('packets without a long header are QUIC where one was seen before, and nowhere else', () => {
  const first = datagram(q.initial(q.crypto(0, hello)));
  const { run } = read([
    datagram(SHORT),
    first,
    datagram(SHORT),
    datagram(SHORT, { fromServer: true }),
    datagram(SHORT, { clientPort: 50_001 }),
  ]);
  assert.equal(run.counters['packets.dropped{quic}'], 3);
  assert.equal(run.counters['packets.dropped{udp}'], 2);
  assert.equal(run.counters['quic.connections'], 1);
});

test("a server's first packet is not taken for a client's", () => {
  const { run, noted } = read([datagram(q.initial(q.crypto(0, hello)), { fromServer: true })]);
  assert.deepEqual(noted, []);
  assert.equal(run.counters['quic.connections'], 1);
});

test('damaged at any byte, cut anywhere: counted, never read wrongly', () => {
  const packet = q.initial(q.crypto(0, hello));
  for (let at = 0; at < 60; at++) {
    const damaged = Buffer.from(packet);
    damaged[at] ^= 0x41;
    const { noted } = read([datagram(damaged)]);
    assert.deepEqual(noted, [], `byte ${at}`);
  }
  for (let n = 1; n < packet.length; n += 7) assert.deepEqual(read([datagram(packet.subarray(0, n))]).noted, []);
  const { run } = read([datagram(Buffer.concat([packet.subarray(0, -1), Buffer.from([1])]))]);
  assert.equal(run.counters['quic.unread'], 1);
});

test('frames that lie, hellos without end, and what is no hello', () => {
  const endless = Buffer.from(hello);
  endless.writeUIntBE(0xffffff, 1, 3);
  const bad = [
    q.crypto(0, endless),
    Buffer.from('06ffffffffffffffff', 'hex'),
    q.crypto(0, Buffer.from('0800000401020304', 'hex')),
    Buffer.from([0x1c, 0, 0, 0]),
    Buffer.from('02ffffffffffffffffff', 'hex'),
  ];
  for (const frames of bad) {
    const { run, noted } = read([datagram(q.initial(frames)), datagram(q.initial(q.crypto(16_000, Buffer.alloc(500)), { number: 1 }))]);
    assert.deepEqual(noted, []);
    assert.equal(run.counters['packets.dropped{quic}'], 2);
  }
});

test('more clients than are gathered, and than are read in a second', () => {
  const id = (i: number): Buffer => Buffer.from(i.toString(16).padStart(16, '0'), 'hex');
  const half = (i: number): Buffer =>
    datagram(q.initial(q.crypto(0, hello.subarray(0, 60)), { destinationId: id(i) }), { clientPort: 10_000 + i });
  const rest = (i: number): Buffer =>
    datagram(q.initial(q.crypto(60, hello.subarray(60)), { destinationId: id(i), number: 1 }), { clientPort: 10_000 + i });
  const clients = QUIC_GATHERED_MAX + 1;
  const pushed = read([...Array.from({ length: clients }, (_, i) => half(i)), rest(0), rest(clients - 1)], 5000);
  assert.deepEqual(
    pushed.noted.map(({ clientPort }) => clientPort),
    [10_000 + clients - 1],
  );
  const many = QUIC_READS_PER_SECOND_MAX + 20;
  const flood = Array.from({ length: many }, (_, i) =>
    datagram(q.initial(q.crypto(0, hello), { destinationId: id(i) }), { clientPort: 10_000 + i }),
  );
  const { run } = read(flood, 10);
  assert.equal(run.counters['tls.hellos{quic}'], QUIC_READS_PER_SECOND_MAX);
  assert.equal(run.weirds['limit.http.quic_reads'], 20);
  assert.equal(run.counters['quic.unread'], 20);
});
