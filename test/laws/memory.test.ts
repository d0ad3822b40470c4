/**
 * Law 9: memory stays within its budget whatever comes, is given back at the end, and no input costs time that grows
 * with its square. The times are far above what is needed, so that they fail only for another order of growth.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { captured } from '../support/captured.ts';
import { ACK, ethernet, ipv4, PSH, SYN, tcp, udp } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { lawSeed, PipelineRun, type Run, runPipeline, START_US, settingsWith, type Wire } from '../support/run-pipeline.ts';

const LIMIT_MS = 20_000;
const KIB = 1024;

/** Processor time of this thread: how long it takes by the clock is a matter of what else runs. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Runs packets that are made one by one, and fails when that takes absurdly long. */
function hostile(count: number, make: (i: number) => Wire, settings = settingsWith({})): Run {
  const run = new PipelineRun({ settings });
  const started = cpuMs();
  for (let i = 0; i < count; i++) {
    run.push(make(i));
    if ((i & 1023) === 0) assert.ok(cpuMs() - started < LIMIT_MS, `${i} of ${count} packets took ${LIMIT_MS} ms`);
  }
  const result = run.finish();
  assert.ok(cpuMs() - started < LIMIT_MS, `${count} packets took more than ${LIMIT_MS} ms`);
  return result;
}

const client = { source: '10.0.0.1', destination: '10.0.0.2' };
const server = { source: '10.0.0.2', destination: '10.0.0.1' };

interface Said {
  readonly fromServer?: boolean;
  readonly flags?: number;
  readonly at: number;
  readonly ack?: number;
  readonly text: string | Buffer;
  readonly port?: number;
}

function packet({ fromServer = false, flags = ACK | PSH, at, ack = 1, text, port = 40000 }: Said, timeUs: number): Wire {
  const ports = fromServer ? { sourcePort: 80, destinationPort: port } : { sourcePort: port, destinationPort: 80 };
  const segment = tcp(Buffer.from(text), { ...ports, sequence: at >>> 0, acknowledgement: ack >>> 0, flags, checksum: 0 });
  return { data: ethernet(ipv4(segment, fromServer ? server : client)), timeUs };
}

/** One direction of one connection, from its SYN on, a piece a packet. */
function stream(pieces: (i: number) => string, count: number, settings = settingsWith({}), fromServer = false): Run {
  let at = 1;
  return hostile(
    count + 1,
    (i) => {
      const text = i === 0 ? '' : pieces(i - 1);
      const said = { fromServer, flags: i === 0 ? SYN : ACK | PSH, at: i === 0 ? 0 : at, text };
      at += text.length;
      return packet(said, START_US + i * 100);
    },
    settings,
  );
}

test('any traffic stays within a tiny budget', () => {
  const captures = (['small', 'large', 'lossy', 'gzip'] as const).map(
    (kind) => captured({ kind, megabytes: 0.3, seed: lawSeed() & 0xff, pipelineShare: 0.2 }).packets,
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...captures),
      fc.record({ blockBytesMax: fc.integer({ min: 0, max: 64 * KIB }) }),
      fc.record({
        flowsMax: fc.integer({ min: 0, max: 4 }),
        heldBytesMax: fc.integer({ min: 0, max: 4000 }),
        heldBytesTotalMax: fc.integer({ min: 0, max: 8000 }),
      }),
      fc.record({
        callsInFlightMax: fc.integer({ min: 0, max: 6 }),
        pipelineMax: fc.integer({ min: 0, max: 3 }),
        bodyBytes: fc.integer({ min: 0, max: 5000 }),
      }),
      (packets, memory, flow, http) => {
        runPipeline(packets, { settings: settingsWith({ memory, flow, http }) });
      },
    ),
    { seed: lawSeed(), numRuns: 40 },
  );
});

test('a head without end', () => {
  const run = stream((i) => (i === 0 ? 'GET / HTTP/1.1\r\n' : `X-${i}: ${'v'.repeat(20)}\r\n`), 60_000);
  assert.ok(run.blockBytesPeak <= 512 * KIB, `${run.blockBytesPeak}`);
});

test('a request line without end, a byte a packet', () => {
  const run = stream((i) => (i === 0 ? 'GET /' : 'a'), 100_000);
  assert.ok(run.blockBytesPeak <= 512 * KIB, `${run.blockBytesPeak}`);
});

test('empty lines without end, a byte a packet', () => {
  stream(() => '\n', 100_000);
});

test('bytes that may always become something', () => {
  stream((i) => (i === 0 ? '\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff' : 'x'), 100_000);
});

test('a chunk size without end, and chunks without end', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  stream((i) => (i === 0 ? head : '0'), 60_000);
  stream((i) => (i === 0 ? head : '1;'), 60_000);
  const run = stream((i) => (i === 0 ? head : '1\r\nx\r\n'.repeat(200)), 6000);
  assert.equal(run.records[0].request?.body.bytes, 5999 * 200);
});

test('trailers without end', () => {
  stream((i) => (i === 0 ? 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n' : `T-${i}: v\r\n`), 60_000);
});

test('a folded header without end', () => {
  stream((i) => (i === 0 ? 'GET / HTTP/1.1\r\nA: b\r\n' : ' c\r\n'), 60_000);
});

test('requests without end and without an answer', () => {
  const run = stream(() => 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20), 5000);
  assert.equal(run.records.length, 100_000);
});

test('a hundred thousand tiny segments out of order', () => {
  const random = new Random(lawSeed());
  for (const settings of [settingsWith({}), settingsWith({ flow: { heldBytesMax: 64 * KIB } })]) {
    // Every second byte, from the front, from the back, anywhere: none of them joins another.
    for (const place of [
      (i: number): number => 2 * i,
      (i: number): number => 200_000 - 2 * i,
      (): number => 2 * random.integer(1, 100_000),
    ]) {
      const run = hostile(
        100_000,
        (i) => {
          if (i < 2) return packet({ fromServer: i === 1, flags: i === 0 ? SYN : SYN | ACK, at: 0, text: '' }, START_US);
          return packet({ at: 3 + place(i), text: 'x' }, START_US + i);
        },
        settings,
      );
      assert.ok(run.blockBytesPeak <= 2 * settings.flow.heldBytesMax + 64 * KIB, `${run.blockBytesPeak}`);
    }
  }
});

test('a flood of fragments that never make a packet', () => {
  const random = new Random(lawSeed());
  const piece = udp(Buffer.alloc(16), { checksum: 0 }).subarray(0, 8);
  const settings = settingsWith({ memory: { blockBytesMax: 4096 * KIB } });
  hostile(
    60_000,
    (i) => ({
      data: ethernet(
        ipv4(piece, { ...client, protocol: 17, id: i & 0xffff, fragmentOffset: 8 * random.integer(1, 8000), moreFragments: true }),
      ),
      timeUs: START_US + i,
    }),
    settings,
  );
  // Of one packet: every second piece, so that none joins another.
  hostile(
    40_000,
    (i) => ({
      data: ethernet(
        ipv4(piece, { ...client, protocol: 17, id: Math.floor(i / 4000), fragmentOffset: 16 * (i % 4000), moreFragments: true }),
      ),
      timeUs: START_US + i,
    }),
    settings,
  );
});

test('more connections than flow.flowsMax', () => {
  const settings = settingsWith({ flow: { flowsMax: 100 } });
  const run = hostile(
    50_000,
    (i) => packet({ at: 1, text: 'GET / HTTP/1.1\r\nHost: a\r\nX: ', port: 1024 + (i % 60_000) }, START_US + i),
    settings,
  );
  assert.ok(run.flowsPeak <= 101);
  assert.equal(run.counters['flows.seen'], 50_000);
});
