/** A real server and real clients, mirrored by the kernel: the sensor sees each call that the server's log has, once. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LiveSensor, type SomeSettings } from '../support/live-sensor.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';
import { send, writeFrames } from '../support/sender.ts';
import { assertCalls, makeCalls, textOf, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound, startWitness } from './checks.ts';
import { curl, startWeb, wrk } from './web.ts';

const skip = cannotUseNamespaces('nginx', 'curl', 'wrk', 'tcpdump', 'tcpreplay');
const listenTo = (...interfaces: string[]): SomeSettings => ({ capture: { interfaces }, run: { workers: 2 } });

interface Mirrored {
  readonly network: Network;
  readonly client: Namespace;
  readonly server: Namespace;
  readonly sensor: Namespace;
}

/**
 *   client eth0 ---- eth0 server mir0 ---- eni0 sensor
 *                      |  tc    ^
 *                      +--------+
 */
function mirrored(t: TestContext, { ipv6 = false } = {}): Mirrored {
  const network = new Network();
  t.after(() => network.remove());
  const client = network.namespace('client', { ipv6 });
  const server = network.namespace('server', { ipv6 });
  const sensor = network.namespace('sensor');
  const address = (n: number): string => (ipv6 ? `2001:db8:77::${n}/64` : `10.77.0.${n}/24`);
  network.veth({ in: client, name: 'eth0', address: address(1) }, { in: server, name: 'eth0', address: address(2) });
  network.veth({ in: server, name: 'mir0' }, { in: sensor, name: 'eni0' });
  server.mirror('eth0', 'mir0');
  return { network, client, server, sensor };
}

const PATHS = ['/files/1k.json', '/nothing/here', '/files/20k.json?page=2', '/zipped/20k.json', '/files/1k.json'];

test('curl and wrk: as many calls as the server has served, and tcpdump agrees', { skip }, async (t) => {
  const { network, client, server, sensor } = mirrored(t);
  const web = await startWeb(server, network.folder, '10.77.0.2');
  const witness = await startWitness(sensor, network.folder, 'eni0');
  const live = await LiveSensor.start(sensor, network.folder, { settings: listenTo('eni0') });
  const base = 'http://10.77.0.2:8080';
  await curl(client, base, PATHS, '--compressed');
  await curl(client, base, ['/orders'], '--json', '{"item":7}');
  await curl(client, base, ['/files/1k.json'], '--head');
  await curl(client, base, ['/files/1k.json'], '--http1.0');
  await wrk(client, network.folder, `${base}/files/1k.json`, { connections: 16, seconds: 2, pauseMs: 2 });
  const served = web.served();
  assert.ok(served.length > 1000, `${served.length} calls were served`);
  await live.untilWritten(served.length);
  assertSound(await live.report());
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, served);
  const { calls, dropped } = await witness.testify();
  // On a busy machine the witness itself may lose packets: then it can say nothing.
  if (dropped > 0) t.diagnostic(`tcpdump lost ${dropped} packets`);
  else assert.deepEqual(calls.sort(), ended.calls.map(textOf).sort());
});

test('IPv6', { skip }, async (t) => {
  const { network, client, server, sensor } = mirrored(t, { ipv6: true });
  const web = await startWeb(server, network.folder, '2001:db8:77::2');
  const live = await LiveSensor.start(sensor, network.folder, { settings: listenTo('eni0') });
  for (let i = 0; i < 5; i++) await curl(client, 'http://[2001:db8:77::2]:8080', PATHS);
  await live.untilWritten(web.served().length);
  const ended = await live.stop();
  assertCalls(ended.calls, web.served());
  assert.equal(ended.calls.length, 25);
  assertClean(ended);
});

test('downloads in packets that offload has made larger than the MTU', { skip }, async (t) => {
  const { network, client, server, sensor } = mirrored(t);
  const web = await startWeb(server, network.folder, '10.77.0.2');
  const witness = await startWitness(sensor, network.folder, 'eni0');
  const live = await LiveSensor.start(sensor, network.folder, { settings: listenTo('eni0') });
  for (let i = 0; i < 8; i++) await curl(client, 'http://10.77.0.2:8080', ['/files/900k.bin', '/files/20k.json']);
  await live.untilWritten(web.served().length);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, web.served());
  assert.deepEqual(
    [...new Set(ended.calls.filter(({ path }) => path === '/files/900k.bin').map(({ responseBytes }) => responseBytes))],
    [900_000],
  );
  const { longestBytes } = await witness.testify();
  assert.ok(longestBytes > 9014, `the longest packet had ${longestBytes} bytes: no offload here`);
});

test('lo: each call once, although the kernel shows every packet twice', { skip }, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  const host = network.namespace('host');
  const web = await startWeb(host, network.folder, '127.0.0.1');
  const live = await LiveSensor.start(host, network.folder, { settings: listenTo('lo') });
  for (let i = 0; i < 4; i++) await curl(host, 'http://127.0.0.1:8080', PATHS);
  await live.untilWritten(web.served().length);
  const report = await live.untilQuiet();
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, web.served());
  assert.equal(report.stages.pipeline.duplicate, 0);
  assert.equal(report.counters['payload.retransmitted'] ?? 0, 0);
});

test('a bridge: its ports belong to client and server, the sensor listens on it', { skip }, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  const host = network.namespace('host');
  const client = network.namespace('client');
  const server = network.namespace('server');
  network.veth({ in: client, name: 'eth0', address: '10.78.0.1/24' }, { in: host, name: 'port1' });
  network.veth({ in: server, name: 'eth0', address: '10.78.0.2/24' }, { in: host, name: 'port2' });
  host.bridge('br0', ['port1', 'port2']);
  const web = await startWeb(server, network.folder, '10.78.0.2');
  const live = await LiveSensor.start(host, network.folder, { settings: listenTo('br0') });
  for (let i = 0; i < 4; i++) await curl(client, 'http://10.78.0.2:8080', PATHS);
  await live.untilWritten(web.served().length);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, web.served());
});

test('tcpreplay and our own sender at once, on two interfaces', { skip }, async (t) => {
  const network = new Network();
  t.after(() => network.remove());
  const { sensor, wire } = network.listener('eni0');
  network.veth({ in: wire, name: 'wire1' }, { in: sensor, name: 'eni1' });
  const live = await LiveSensor.start(sensor, network.folder, { settings: listenTo('eni0', 'eni1') });
  const one = makeCalls({ connections: 200, callsEach: 10, net: 1 });
  const two = makeCalls({ connections: 40, callsEach: 4, net: 2 });
  const capture = writeFrames(network.folder, wrapAll(one, wraps.plain.wrap));
  await Promise.all([
    wire.start('tcpreplay', ['--quiet', '--pps', '20000', '--intf1', 'wire', capture]),
    send(wire, network.folder, wrapAll(two, wraps.plain.wrap), { device: 'wire1' }),
  ]);
  const wanted = [...one.calls, ...two.calls];
  await live.untilWritten(wanted.length);
  const report = await live.untilQuiet();
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, wanted);
  assert.deepEqual(
    report.interfaces.map(({ name, state, packets }) => ({ name, state, packets })),
    [
      { name: 'eni0', state: 'up', packets: one.packets.length },
      { name: 'eni1', state: 'up', packets: two.packets.length },
    ],
  );
});
