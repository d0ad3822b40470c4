/** Floods: what fills tables is bounded and counted, the service stays, and calls after the flood are seen whole. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SensorReport } from '../../src/app/report.ts';
import { LiveSensor, type SomeSettings } from '../support/live-sensor.ts';
import { cannotUseNamespaces, Network } from '../support/netns.ts';
import * as p from '../support/packets.ts';
import { send } from '../support/sender.ts';
import { assertCalls, makeCalls, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound } from './checks.ts';

const skip = cannotUseNamespaces();
const FLOOD = 60_000;

/** Sends the flood, which must be counted, then calls, all of which must be seen. Gives the report after the flood. */
async function flood(
  t: TestContext,
  frames: readonly Buffer[],
  settings: SomeSettings,
  weird: string,
  timesMin = 1,
): Promise<SensorReport> {
  const network = new Network();
  t.after(() => network.remove());
  const { sensor, wire } = network.listener();
  const live = await LiveSensor.start(sensor, network.folder, {
    settings: { capture: { interfaces: ['eni0'] }, run: { workers: 1 }, ...settings },
  });
  const { packets } = await send(wire, network.folder, frames, { device: 'wire', rate: 100_000 });
  const after = await live.until(
    `through, with ${weird} counted`,
    ({ stages, weirds }) => stages.reader.read >= packets && (weirds[weird] ?? 0) >= timesMin,
    30_000,
  );
  assertSound(after);
  assert.equal(after.health.ready, true);
  const made = makeCalls({ connections: 20, callsEach: 5, net: 90, label: 'after-the-flood' });
  const seen = live.calls().length;
  await send(wire, network.folder, wrapAll(made, wraps.plain.wrap), { device: 'wire' });
  await live.untilWritten(seen + made.calls.length);
  const ended = await live.stop();
  assertCalls(
    ended.calls.filter(({ path }) => path?.startsWith('/after-the-flood')),
    made.calls,
  );
  assertClean(ended);
  return after;
}

const address = (i: number): string => `172.${16 + ((i >> 16) & 15)}.${(i >> 8) & 255}.${i & 255}`;

test('SYNs from everywhere: the table has its limit, and says so', { skip }, async (t) => {
  const frames = Array.from({ length: FLOOD }, (_, i) =>
    p.ethernet(
      p.ipv4(p.tcp(Buffer.alloc(0), { sourcePort: 1024 + (i % 60_000), sequence: i, flags: p.SYN }), {
        source: address(i),
        destination: '10.5.0.1',
      }),
    ),
  );
  const report = await flood(t, frames, { flow: { flowsMax: 20_000 } }, 'limit.flow.flows');
  assert.ok(report.stages.pipeline.flows <= 20_000);
});

test('fragments of packets that are never whole: the oldest go, and are counted', { skip }, async (t) => {
  const piece = Buffer.alloc(1000, 0x41);
  const frames = Array.from({ length: FLOOD / 2 }, (_, i) =>
    p.ethernet(
      p.ipv4(piece, { source: address(i), destination: '10.5.0.1', protocol: 6, id: i & 0xffff, moreFragments: true, fragmentOffset: 0 }),
    ),
  );
  await flood(t, frames, {}, 'limit.flow.fragments');
});

test('fragments inside a tunnel, two workers', { skip }, async (t) => {
  const piece = Buffer.alloc(1000, 0x41);
  const frames = Array.from({ length: FLOOD / 2 }, (_, i) =>
    wraps.VXLAN.wrap(
      p.ipv4(piece, { source: address(i), destination: '10.5.0.1', protocol: 6, id: i & 0xffff, moreFragments: true, fragmentOffset: 0 }),
      i,
    ),
  );
  await flood(t, frames, { run: { workers: 2 } }, 'limit.flow.fragments');
});

test('heads that never end: each is given up at its limit', { skip }, async (t) => {
  const frames: Buffer[] = [];
  const connections = 200;
  const line = Buffer.from(`X-More: ${'y'.repeat(1300)}\r\n`);
  const first = Buffer.from('GET /endless HTTP/1.1\r\nHost: shop.example\r\n');
  const sequences = new Array<number>(connections).fill(1);
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < connections; i++) {
      const payload = round === 0 ? first : line;
      const segment = p.tcp(payload, { sourcePort: 20_000 + i, destinationPort: 8080, sequence: sequences[i], flags: p.ACK | p.PSH });
      frames.push(p.ethernet(p.ipv4(segment, { source: address(i), destination: '10.5.0.1' })));
      sequences[i] += payload.length;
    }
  }
  // The requests are counted with what they are when they are given up: their connections fall idle.
  await flood(t, frames, { flow: { idleTimeoutMs: 2_000 } }, 'limit.http.head_bytes', connections);
});
