/**
 * Overload: a worker that cannot keep up leaves out whole connections, and recovers. On a machine that is slow to send the
 * ring may run over all the same; that is counted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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

test('held up until its ring is more than half full: whole connections are left out, none is torn; then all is seen again', {
  skip,
}, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  const { sensor, wire } = network.listener();
  const live = await LiveSensor.start(sensor, network.folder, {
    settings: { capture: { interfaces: ['eni0'], ringBytes: RING_BYTES }, run: { workers: 1 } },
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
  const after = makeCalls({ connections: 50, callsEach: 4, net: 9, label: 'afterwards' });
  await send(wire, network.folder, wrapAll(after, wraps.plain.wrap), { device: 'wire', rate: 20_000 });
  await sleep(500);
  const ended = await live.stop();
  assertClean(ended, { drops: true });
  assertCalls(
    ended.calls.filter(({ path }) => path?.startsWith('/afterwards')),
    after.calls,
  );
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
