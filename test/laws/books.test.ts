/**
 * Law 8: the books balance, after every single packet, of any traffic.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { captured } from '../support/captured.ts';
import { ethernet, ipv4, tcp } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { lawSeed, runPipeline, START_US, settingsWith, type Wire } from '../support/run-pipeline.ts';
import { trafficKinds } from '../support/traffic-options.ts';

for (const kind of trafficKinds) {
  test(`the books balance after every packet of ${kind} traffic`, () => {
    const { packets } = captured({ kind, megabytes: 0.25, seed: lawSeed() & 0xffff, pipelineShare: 0.1, mirroredTwice: kind === 'lossy' });
    const { records, balances } = runPipeline(packets, { everyPacket: true });
    assert.ok(records.length > 0);
    assert.equal(balances[0].total, packets.length);
  });
}

const words = [
  'GET / HTTP/1.1\r\n',
  'Host: a\r\n\r\n',
  'HTTP/1.1 200 OK\r\n',
  'Content-Length: 9\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n',
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  '\x16\x03\x01\x00\x05\x01',
  '\x05\x01\x00',
  'x'.repeat(200),
];

/** Segments with any flags and numbers that lie near each other, on a few connections. */
function wildSegments(seed: number, count: number): Wire[] {
  const random = new Random(seed);
  const packets: Wire[] = [];
  let timeUs = START_US;
  for (let i = 0; i < count; i++) {
    const fromServer = random.chance(0.5);
    const client = { source: '10.0.0.1', destination: '10.0.0.2' };
    const server = { source: '10.0.0.2', destination: '10.0.0.1' };
    const port = 40000 + random.integer(0, 2);
    const common = random.chance(0.7);
    const payload = Buffer.from(
      random.chance(0.3) ? '' : Array.from({ length: random.integer(1, 3) }, () => random.pick(words)).join(''),
      'latin1',
    );
    const segment = tcp(payload, {
      sourcePort: fromServer ? 80 : port,
      destinationPort: fromServer ? port : 80,
      sequence: (0xffffff00 + random.integer(0, 600) + (random.chance(0.02) ? 0x7ffffff0 : 0)) >>> 0,
      acknowledgement: (0xffffff00 + random.integer(0, 600) + (random.chance(0.02) ? 0x7ffffff0 : 0)) >>> 0,
      flags: common ? 16 : random.integer(0, 63),
      urgentPointer: random.integer(0, 40),
      checksum: 0,
    });
    const data = ethernet(ipv4(segment, fromServer ? server : client));
    const cut = random.chance(0.05) ? random.integer(54, data.length) : data.length;
    timeUs += random.chance(0.02) ? random.integer(0, 400_000_000) : random.integer(0, 20_000);
    if (random.chance(0.005)) timeUs -= 30_000_000;
    packets.push({ data: data.subarray(0, Math.max(54, cut)), wireBytes: data.length, timeUs });
  }
  return packets;
}

test('the books balance after every packet of segments with any flags and numbers', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 80 }), (seed, count) => {
      runPipeline(wildSegments(seed, count), { everyPacket: true });
    }),
    { seed: lawSeed(), numRuns: 500 },
  );
});

test('the books balance when calls are reported before they are over', () => {
  let closings = 0;
  const settings = settingsWith({ http: { stillOpenMs: 1000 } });
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 80 }), (seed, count) => {
      closings += runPipeline(wildSegments(seed, count), { everyPacket: true, settings, longCalls: true }).closings.length;
    }),
    { seed: lawSeed(), numRuns: 500 },
  );
  assert.ok(closings > 20, `${closings} were reported so`);
});

test('the books balance with hardly any memory', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 80 }), fc.integer({ min: 0, max: 12 }), (seed, count, blocks) => {
      const settings = settingsWith({
        memory: { blockBytesMax: blocks * 256 },
        flow: { flowsMax: 2 },
        http: { callsInFlightMax: 3, pipelineMax: 1, stillOpenMs: 1000 },
      });
      runPipeline(wildSegments(seed, count), { everyPacket: true, settings, longCalls: blocks % 2 === 0 });
    }),
    { seed: lawSeed(), numRuns: 400 },
  );
});
