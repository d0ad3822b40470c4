/**
 * Interfaces come and go under a running sensor: what was there before and after is seen, what happened is logged.
 * Bonds are untried: the kernels that these tests were written on have none.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { InterfaceReport, SensorReport } from '../../src/app/report.ts';
import { LiveSensor } from '../support/live-sensor.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';
import { send } from '../support/sender.ts';
import { assertCalls, type CallText, makeCalls, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound } from './checks.ts';

const skip = cannotUseNamespaces();

interface Stage {
  readonly network: Network;
  readonly sensor: Namespace;
  readonly wire: Namespace;
  readonly live: LiveSensor;
  /** Sends calls on the other end of the cable; they must all be written. */
  readonly hear: (device?: string) => Promise<void>;
  /** The calls sent so far. */
  readonly wanted: CallText[];
}

async function stage(t: TestContext, interfaces: string[], wait = true): Promise<Stage> {
  const network = new Network();
  t.after(() => network.remove());
  const { sensor, wire } = network.listener('eni0');
  if (!wait) sensor.ip('link del eni0');
  const live = await LiveSensor.start(sensor, network.folder, { settings: { capture: { interfaces }, run: { workers: 2 } }, wait });
  const wanted: CallText[] = [];
  let net = 0;
  const hear = async (device = 'wire'): Promise<void> => {
    const made = makeCalls({ connections: 12, callsEach: 4, net: ++net });
    wanted.push(...made.calls);
    await send(wire, network.folder, wrapAll(made, wraps.plain.wrap), { device });
    await live.untilWritten(wanted.length);
    assertCalls(live.calls(), wanted);
  };
  return { network, sensor, wire, live, hear, wanted };
}

const stateOf = (report: SensorReport, name: string): InterfaceReport['state'] | undefined =>
  report.interfaces.find((one) => one.name === name)?.state;

async function finish({ live, wanted }: Stage): Promise<void> {
  assertSound(await live.untilQuiet());
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, wanted);
}

test('switched off and on again', { skip }, async (t) => {
  const all = await stage(t, ['eni0']);
  const { sensor, live, hear } = all;
  await hear();
  sensor.ip('link set eni0 down');
  const off = await live.until('not ready', ({ health }) => !health.ready);
  assert.equal(stateOf(off, 'eni0'), 'down');
  assert.deepEqual(
    off.health.faults.map(({ code }) => code),
    ['interface-down'],
  );
  sensor.ip('link set eni0 up');
  const on = await live.until('ready again', ({ health }) => health.ready);
  assert.deepEqual(on.health.faults, []);
  assert.equal(on.interfaces[0].losses, 1);
  await live.untilLogged(/eni0 is switched off/);
  await hear();
  await finish(all);
});

test('without a link, and with one again', { skip }, async (t) => {
  const all = await stage(t, ['eni0']);
  const { wire, live, hear } = all;
  await hear();
  wire.ip('link set wire down');
  const off = await live.until('without a link', (report) => stateOf(report, 'eni0') === 'no-carrier');
  assert.equal(off.health.faults[0].code, 'interface-no-carrier');
  wire.ip('link set wire up');
  await live.until('with a link', (report) => stateOf(report, 'eni0') === 'up' && report.health.ready);
  await hear();
  await finish(all);
});

test('deleted, and made again under its name', { skip }, async (t) => {
  const all = await stage(t, ['eni0']);
  const { network, sensor, wire, live, hear } = all;
  await hear();
  for (let i = 0; i < 3; i++) {
    sensor.ip('link del eni0');
    const gone = await live.until('missing its interface', (report) => stateOf(report, 'eni0') === 'missing');
    assert.equal(gone.health.ready, false);
    network.veth({ in: wire, name: 'wire', mtu: 9001 }, { in: sensor, name: 'eni0', mtu: 9001 });
    await live.until('listening again', (report) => stateOf(report, 'eni0') === 'up' && report.health.ready);
    await hear();
  }
  const report = await live.report();
  assert.deepEqual(
    report.interfaces.map(({ name, losses }) => ({ name, losses })),
    [{ name: 'eni0', losses: 3 }],
  );
  await finish(all);
});

test('made again faster than anybody looks', { skip }, async (t) => {
  const all = await stage(t, ['eni0']);
  const { network, sensor, wire, live, hear } = all;
  await hear();
  sensor.ip('link del eni0');
  network.veth({ in: wire, name: 'wire', mtu: 9001 }, { in: sensor, name: 'eni0', mtu: 9001 });
  await live.untilLogged(/eni0 is a new interface of that name|eni0 is gone/);
  await live.until('ready', ({ health, interfaces }) => health.ready && interfaces[0].state === 'up');
  await hear();
  await finish(all);
});

test('a pattern: interfaces that fit come, are listened on, and go', { skip }, async (t) => {
  const all = await stage(t, ['eni*'], false);
  const { network, sensor, wire, live, hear } = all;
  const none = await live.until('up', ({ workers }) => workers.every(({ state }) => state === 'running'));
  assert.equal(none.health.ready, false);
  for (const n of [1, 2, 3]) network.veth({ in: wire, name: `wire${n}` }, { in: sensor, name: `eni${n}` });
  network.veth({ in: wire, name: 'other-wire' }, { in: sensor, name: 'other' });
  await live.until('listening on three', ({ interfaces }) => interfaces.filter(({ state }) => state === 'up').length === 3);
  for (const n of [1, 2, 3]) await hear(`wire${n}`);
  sensor.ip('link del eni2');
  const two = await live.until('listening on two', ({ interfaces }) => interfaces.filter(({ state }) => state === 'up').length === 2);
  assert.equal(two.health.ready, true);
  assert.deepEqual([...new Set(two.interfaces.map(({ pattern }) => pattern))], ['eni*']);
  await hear('wire3');
  // What does not fit is not listened on.
  const strange = makeCalls({ connections: 3, callsEach: 3, net: 99 });
  await send(wire, network.folder, wrapAll(strange, wraps.plain.wrap), { device: 'other-wire' });
  await finish(all);
});

test('one that does not exist: a warning, and the others are heard', { skip }, async (t) => {
  const all = await stage(t, ['nothere', 'eni0']);
  const { live, hear } = all;
  await hear();
  const report = await live.report();
  assert.equal(stateOf(report, 'nothere'), 'missing');
  assert.ok(report.health.faults.some(({ code, next }) => code === 'interface-missing' && next !== ''));
  await finish(all);
});
