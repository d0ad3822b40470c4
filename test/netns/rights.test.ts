/**
 * Who may run it: root, an ordinary user with CAP_NET_RAW and nothing else, an ordinary user without anything at a UDP
 * end-point. And without rights: an error that says what to do. The sensor does not watch itself.
 */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { LiveSensor } from '../support/live-sensor.ts';
import { cannotUseNamespaces, Network } from '../support/netns.ts';
import * as p from '../support/packets.ts';
import { send } from '../support/sender.ts';
import { assertCalls, makeCalls, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound, busyWorkers } from './checks.ts';
import { curl, startWeb } from './web.ts';

const skip = cannotUseNamespaces('setpriv', 'nginx', 'curl', 'ss');
/** As an ordinary user: the number of nobody. */
const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
const powerless = [...nobody, '--inh-caps=-all', '--bounding-set=-all'];
const rawOnly = [...nobody, '--inh-caps=-all,+net_raw', '--ambient-caps=-all,+net_raw', '--bounding-set=-all,+net_raw'];

function newNetwork(t: TestContext): Network {
  const network = new Network();
  t.after(() => network.remove());
  // The ordinary user writes here too.
  chmodSync(network.folder, 0o777);
  return network;
}

for (const [who, as] of [
  ['root', []],
  ['an ordinary user with CAP_NET_RAW only', rawOnly],
] as const) {
  test(`${who} listens on an interface`, { skip }, async (t) => {
    const network = newNetwork(t);
    const { sensor, wire } = network.listener();
    const settings = { capture: { interfaces: ['eni0'] }, run: { workers: 2 } };
    const live = await LiveSensor.start(sensor, network.folder, { settings, as });
    const made = makeCalls({ connections: 30, callsEach: 5 });
    await send(wire, network.folder, wrapAll(made, wraps.VXLAN.wrap), { device: 'wire' });
    await live.untilWritten(made.calls.length);
    const report = await live.untilQuiet();
    assertSound(report);
    const ended = await live.stop();
    assertClean(ended);
    assertCalls(ended.calls, made.calls);
    assert.equal(busyWorkers(report), 2);
  });
}

test('an ordinary user without any right takes VXLAN at a UDP end-point', { skip }, async (t) => {
  const network = newNetwork(t);
  const host = network.namespace('host');
  const url = 'udp://127.0.0.1:4789?encap=vxlan';
  const settings = { capture: { endpoints: [url] }, run: { workers: 2 } };
  const live = await LiveSensor.start(host, network.folder, { settings, as: powerless });
  const made = makeCalls({ connections: 30, callsEach: 10 });
  const datagrams = made.packets.map(({ ip }) => p.vxlan(p.ethernet(ip), { vni: 77 }));
  await send(host, network.folder, datagrams, { datagramsTo: '127.0.0.1:4789', rate: 10_000 });
  await live.untilWritten(made.calls.length);
  const report = await live.untilQuiet();
  assertSound(report);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, made.calls);
  assert.equal(busyWorkers(report), 2);
  assert.deepEqual(
    report.endpoints.map((one) => ({ url: one.url, packets: one.packets, kernelDropped: one.kernelDropped })),
    [{ url, packets: datagrams.length, kernelDropped: 0 }],
  );
  assert.ok(ended.calls.every(({ tunnel }) => tunnel?.startsWith('vxlan 77')));
});

test('an end-point carries what its URL says, whatever ports the settings name for tunnels on interfaces', { skip }, async (t) => {
  const network = newNetwork(t);
  const host = network.namespace('host');
  const settings = {
    capture: { endpoints: ['udp://127.0.0.1:5555?encap=vxlan'] },
    decode: { vxlanPorts: [8472] },
    run: { workers: 1 },
  };
  const live = await LiveSensor.start(host, network.folder, { settings });
  const made = makeCalls({ connections: 10, callsEach: 5 });
  const datagrams = made.packets.map(({ ip }) => p.vxlan(p.ethernet(ip), { vni: 77 }));
  await send(host, network.folder, datagrams, { datagramsTo: '127.0.0.1:5555', rate: 10_000 });
  await live.untilWritten(made.calls.length);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, made.calls);
});

test('a worker whose processor it may not have is not bound, says so, and reads all the same', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  // No machine that this runs on has so many.
  const settings = { capture: { interfaces: ['eni0'] }, run: { workers: 2, affinity: [0, 1023] } };
  const live = await LiveSensor.start(sensor, network.folder, { settings });
  const made = makeCalls({ connections: 20, callsEach: 5 });
  await send(wire, network.folder, wrapAll(made, wraps.VXLAN.wrap), { device: 'wire' });
  await live.untilWritten(made.calls.length);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, made.calls);
  const warnings = ended.log.filter(({ message }) => /run\.affinity/.test(message));
  assert.deepEqual(
    warnings.map(({ level, worker, processor }) => [level, worker, processor]),
    [['warn', 1, 1023]],
  );
  assert.match(String(warnings[0].reason), /\w/);
});

test('without rights the error says what to do, and the exit code is 2', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor } = network.listener();
  const settings = { capture: { interfaces: ['eni0'] }, run: { workers: 1 } };
  const live = await LiveSensor.start(sensor, network.folder, { settings, as: powerless, wait: false });
  const ended = await live.ended();
  assert.equal(ended.code, 2, ended.stderr);
  assert.match(ended.stderr, /CAP_NET_RAW/);
  assert.match(ended.stderr, /AmbientCapabilities=CAP_NET_RAW/);
  assert.match(ended.stderr, /capture\.endpoints/);
  assert.doesNotMatch(ended.stderr, /fault of Earshot|\n\s+at /);
});

test('the sensor does not watch itself: polls of its health and metrics ports are left out and counted', { skip }, async (t) => {
  const network = newNetwork(t);
  const client = network.namespace('client');
  const host = network.namespace('host');
  network.veth({ in: client, name: 'eth0', address: '10.79.0.1/24' }, { in: host, name: 'eni0', address: '10.79.0.2/24' });
  const web = await startWeb(host, network.folder, '10.79.0.2');
  const live = await LiveSensor.start(host, network.folder, {
    settings: {
      capture: { interfaces: ['eni0'] },
      run: { workers: 2 },
      health: { listen: '0.0.0.0:8099' },
      metrics: { listen: '10.79.0.2:9099' },
    },
  });
  for (let i = 0; i < 5; i++) {
    await curl(client, 'http://10.79.0.2:8099', ['/', '/health'], '--fail-early');
    await curl(client, 'http://10.79.0.2:9099', ['/metrics']);
    await curl(client, 'http://10.79.0.2:8080', ['/files/1k.json', '/files/20k.json']);
  }
  await live.untilWritten(web.served().length);
  const report = await live.untilQuiet();
  assertSound(report);
  assert.ok(report.stages.reader.own >= 5 * 8, `${report.stages.reader.own} packets of its own`);
  assert.equal(report.counters['packets.dropped{own}'], report.stages.reader.own);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, web.served());
});
