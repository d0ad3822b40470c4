/**
 * Overload: a worker that cannot keep up leaves out bodies, then headers, then whole connections, says so in its records, and
 * recovers. On a machine that is slow to send the ring may run over all the same; that is counted.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SensorReport } from '../../src/app/report.ts';
import type { FileSinkSettings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { gapRecordSchema } from '../../src/normalise/gap-record.ts';
import { LiveSensor } from '../support/live-sensor.ts';
import { cannotUseNamespaces, Network } from '../support/netns.ts';
import { send } from '../support/sender.ts';
import { assertCalls, makeCalls, textOf, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound } from './checks.ts';

const skip = cannotUseNamespaces();
const CONNECTIONS = 400;
const CALLS_EACH = 4;
const RING_BYTES = 6 << 20;
const RECOVERY_MS = 30_000;
const PROBES_MAX = 30;

/** Calls of which something was left out, and packets. */
interface Shed {
  readonly bodies: number;
  readonly headers: number;
  readonly packets: number;
}

function shedIn({ counters }: SensorReport): Shed {
  return {
    bodies: counters['calls.shed{bodies}'] ?? 0,
    headers: counters['calls.shed{headers}'] ?? 0,
    packets: counters['packets.dropped{shed}'] ?? 0,
  };
}

/** A sink that writes a file. */
function fileSink(path: string, format: string): FileSinkSettings {
  const batch = { recordsMax: 100, bytesMax: 1 << 20, ageMsMax: 50 };
  return { type: 'file', path, format, rotateBytes: 1 << 30, rotateHours: 24, filesMax: 5, batch };
}

function sidesOf({ request, response }: ApiCall): NonNullable<ApiCall['request'] | ApiCall['response']>[] {
  return [request, response].filter((side) => side !== null);
}

test('held up until its ring is more than half full: bodies, headers and whole connections are left out, none is torn, and the records say so; then all is seen again', {
  skip,
}, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  const { sensor, wire } = network.listener();
  const [linesPath, zeekPath] = ['calls.jsonl', 'http.log'].map((name) => join(network.folder, name));
  const live = await LiveSensor.start(sensor, network.folder, {
    settings: {
      capture: { interfaces: ['eni0'], ringBytes: RING_BYTES },
      run: { workers: 1 },
      spool: { directory: join(network.folder, 'spool'), freeBytesMin: 0 },
      sinks: { lines: fileSink(linesPath, 'jsonl'), zeek: fileSink(zeekPath, 'zeek-json') },
    },
  });
  const flood = makeCalls({ connections: CONNECTIONS, callsEach: CALLS_EACH, label: 'flood' });
  const bytes = flood.packets.reduce((sum, { ip }) => sum + ip.length, 0);
  assert.ok(bytes > RING_BYTES / 2 && bytes < RING_BYTES * 0.7, `${bytes} bytes fit the ring, and fill more than half of it`);
  live.signal('SIGSTOP');
  await send(wire, network.folder, wrapAll(flood, wraps.plain.wrap), { device: 'wire' });
  live.signal('SIGCONT');
  const during = await live.until(
    'leaving out connections',
    ({ stages: { reader } }) => reader.read + reader.kernelDropped >= flood.packets.length,
  );
  assertSound(during);
  assert.ok(during.stages.reader.shed > 0, 'packets were left out');
  await live.until('recovered', ({ workers }) => workers[0].shedding === 0, RECOVERY_MS);
  // Headers and bodies come back after the connections: calls are sent one by one until nothing of one is left out.
  const withHeads = (one: SensorReport): number => shedIn(one).bodies + shedIn(one).headers;
  for (let i = 0, isWhole = false; !isWhole; i++) {
    assert.ok(i < PROBES_MAX, 'headers and bodies come back');
    const before = await live.report();
    const probe = makeCalls({ connections: 1, callsEach: 1, net: 20 + i, label: 'probe' });
    await send(wire, network.folder, wrapAll(probe, wraps.plain.wrap), { device: 'wire' });
    const seen = await live.until('shown a call', ({ stages }) => stages.pipeline.received > before.stages.pipeline.received);
    isWhole = withHeads(seen) === withHeads(before);
  }
  const after = makeCalls({ connections: 50, callsEach: 4, net: 9, label: 'afterwards' });
  await send(wire, network.folder, wrapAll(after, wraps.plain.wrap), { device: 'wire', rate: 20_000 });
  await sleep(500);
  const shed = shedIn(await live.untilQuiet());
  const delivered = await live.until(
    'done with all',
    ({ ship, stages }) => stages.sink.queueBytes === 0 && (ship?.sinks.every(({ queued, inFlight }) => queued + inFlight === 0) ?? false),
  );
  assertSound(delivered);
  // Sinks of JSON lines get the gap records, for the others they are done with.
  const { records, gaps } = live.output();
  const idsIn = (path: string): string[] =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id);
  assert.deepEqual(idsIn(linesPath).sort(), [...records, ...gaps].map(({ id }) => id).sort());
  assert.equal(idsIn(zeekPath).length, records.length);
  assert.deepEqual(
    delivered.ship?.sinks.map(({ name, written, skipped }) => [name, written, skipped]),
    [
      ['lines', records.length + gaps.length, 0],
      ['zeek', records.length, gaps.length],
    ],
  );
  const ended = await live.stop();
  assertClean(ended, { drops: true });
  assertCalls(
    ended.calls.filter(({ path }) => path?.startsWith('/afterwards')),
    after.calls,
  );
  assert.ok(ended.records.filter(({ request }) => request?.path.startsWith('/afterwards')).every((record) => record.shed === undefined));
  // What was left out stands in the stream: as many as the counters say, in an order of their own.
  assert.ok(ended.gaps.length > 0, 'gap records were written');
  for (const gap of ended.gaps) gapRecordSchema.parse(gap);
  const sum = (what: keyof Shed): number => ended.gaps.reduce((n, gap) => n + gap.shed[what], 0);
  assert.deepEqual({ bodies: sum('bodies'), headers: sum('headers'), packets: sum('packets') }, shed);
  assert.deepEqual(
    ended.gaps.map(({ id }) => id.replace(/.*[.]/, '')),
    ended.gaps.map((_, i) => `g${i + 1}`),
  );
  for (const { fromUs, toUs } of ended.gaps) assert.ok(fromUs <= toUs, `${fromUs} ${toUs}`);
  for (const [i, { fromUs }] of ended.gaps.slice(1).entries()) assert.ok(fromUs >= ended.gaps[i].toUs, 'they do not overlap');
  // And a record says itself what it lacks.
  const withoutHeaders = ended.records.filter((record) => record.shed?.includes('headers'));
  const withoutBodies = ended.records.filter((record) => record.shed?.includes('bodies') && !record.shed.includes('headers'));
  assert.deepEqual([withoutBodies.length, withoutHeaders.length], [shed.bodies, shed.headers]);
  assert.ok(withoutBodies.length + withoutHeaders.length > 0, 'bodies were left out before connections');
  for (const side of [...withoutBodies, ...withoutHeaders].flatMap(sidesOf))
    assert.deepEqual([side.body.kept, side.body.text, side.body.base64], [0, undefined, undefined]);
  for (const side of withoutHeaders.flatMap(sidesOf)) assert.deepEqual(side.headers, []);
  // Of the flood: what is there is right, and a connection is there whole or, from some moment on, not at all.
  const wanted = new Set(flood.calls);
  const found = ended.calls.filter(({ path, complete }) => complete && path?.startsWith('/flood')).map(textOf);
  for (const call of found) assert.ok(wanted.has(call), call);
  const ofConnection = new Map<string, number>();
  for (const call of found) {
    const connection = call.split('/')[2];
    ofConnection.set(connection, (ofConnection.get(connection) ?? 0) + 1);
  }
  const whole = [...ofConnection.values()].filter((n) => n === CALLS_EACH).length;
  assert.ok(whole < CONNECTIONS, 'some were left out');
  assert.ok(whole > CONNECTIONS / 4, `most were not: ${whole} of ${CONNECTIONS}`);
  assert.ok(
    ended.log.some(({ code }) => code === 'shedding'),
    'the log says so',
  );
});
