/**
 * What comes in tunnels, four workers at work: both directions of every inner connection must meet on one of them, or
 * its calls would lack a side. The kernel's own vxlan device where there is one, the project's own sender for the rest.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LiveSensor } from '../support/live-sensor.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';
import * as p from '../support/packets.ts';
import { send } from '../support/sender.ts';
import { assertCalls, inVxlan, makeCalls, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound, busyWorkers } from './checks.ts';
import { curl, startWeb } from './web.ts';

const skip = cannotUseNamespaces('nginx', 'curl', 'ss');
const PATHS = ['/files/1k.json', '/nothing/here', '/files/20k.json', '/zipped/20k.json', '/orders'];

function newNetwork(t: TestContext): Network {
  const network = new Network();
  t.after(() => network.remove());
  return network;
}

const fourWorkers = { capture: { interfaces: ['eni0'], ringBytes: 32 << 20 }, run: { workers: 4 } };

for (const ipv6 of [false, true]) {
  test(`every tunnel, IPv${ipv6 ? 6 : 4} inside: all calls whole, spread over workers`, { skip }, async (t) => {
    const network = newNetwork(t);
    const { sensor, wire } = network.listener();
    const live = await LiveSensor.start(sensor, network.folder, { settings: fourWorkers });
    let written = 0;
    let net = 0;
    for (const [name, { wrap, tunnel }] of Object.entries(wraps)) {
      await t.test(name, async () => {
        const made = makeCalls({ connections: 48, callsEach: 3, net: ++net, ipv6 });
        const before = await live.report();
        const frames = wrapAll(made, wrap);
        await send(wire, network.folder, frames, { device: 'wire' });
        await live.untilWritten(written + made.calls.length);
        const packetsOf = (report: typeof before, i: number): number => report.workers[i].packets - before.workers[i].packets;
        const after = await live.until(
          'through with all packets',
          (report) => report.stages.reader.read - before.stages.reader.read >= frames.length,
        );
        const found = live.calls().slice(written);
        written += found.length;
        assertCalls(found, made.calls, name);
        for (const call of found) assert.match(call.tunnel ?? 'none', tunnel);
        assertSound(after);
        const shares = after.workers.map((_, i) => packetsOf(after, i));
        assert.equal(
          shares.reduce((a, b) => a + b, 0),
          frames.length,
        );
        assert.ok(shares.filter((n) => n > 0).length >= 3, `packets of each worker: ${shares}`);
      });
    }
    assertClean(await live.stop());
  });
}

for (const workers of [1, 4]) {
  test(`tunnel packets in fragments, ${workers === 1 ? 'one worker' : 'four workers'}: all calls whole`, { skip }, async (t) => {
    const network = newNetwork(t);
    const { sensor, wire } = network.listener();
    const live = await LiveSensor.start(sensor, network.folder, { settings: { ...fourWorkers, run: { workers } } });
    const made = makeCalls({ connections: 60, callsEach: 5 });
    const cut = 256;
    const frames = made.packets.flatMap(({ ip }, i) => {
      const whole = p.udp(p.vxlan(p.ethernet(ip), { vni: 77 }), { sourcePort: 50_000, checksum: 0 });
      const outer = { source: '192.0.2.1', destination: '192.0.2.2', protocol: 17, id: i & 0xffff };
      if (whole.length <= cut) return [p.ethernet(p.ipv4(whole, outer))];
      const first = p.ipv4(whole.subarray(0, cut), { ...outer, moreFragments: true });
      const second = p.ipv4(whole.subarray(cut), { ...outer, fragmentOffset: cut });
      // Every other pair in the wrong order.
      return (i & 1 ? [first, second] : [second, first]).map((piece) => p.ethernet(piece));
    });
    await send(wire, network.folder, frames, { device: 'wire' });
    await live.untilWritten(made.calls.length);
    const report = await live.untilQuiet();
    assertSound(report);
    const ended = await live.stop();
    assertClean(ended);
    assertCalls(ended.calls, made.calls);
    assert.equal(busyWorkers(report), workers);
  });
}

/** Two hosts with a cable between them; each end in two name spaces may have a vxlan device over it. */
function underlay(network: Network): { readonly hostA: Namespace; readonly hostB: Namespace; readonly sensor: Namespace } {
  const hostA = network.namespace('host-a');
  const hostB = network.namespace('host-b');
  const sensor = network.namespace('sensor');
  network.veth({ in: hostA, name: 'eth0', address: '172.16.0.1/24' }, { in: hostB, name: 'eth0', address: '172.16.0.2/24' });
  network.veth({ in: hostB, name: 'mir0' }, { in: sensor, name: 'eni0' });
  hostB.mirror('eth0', 'mir0');
  return { hostA, hostB, sensor };
}

/** A client and a server in a VXLAN between the two hosts. Always the same two addresses. */
function overlay(network: Network, { hostA, hostB }: ReturnType<typeof underlay>, vni: number): { client: Namespace; server: Namespace } {
  const client = network.namespace(`client-${vni}`);
  const server = network.namespace(`server-${vni}`);
  const shared = { name: `vx${vni}`, vni, mtu: 1450 };
  hostA.vxlan({ ...shared, local: '172.16.0.1', remote: '172.16.0.2', usedIn: client, address: '10.9.0.1/24' });
  hostB.vxlan({ ...shared, local: '172.16.0.2', remote: '172.16.0.1', usedIn: server, address: '10.9.0.2/24' });
  return { client, server };
}

test("VXLAN by the kernel's device: the sensor sees through", { skip }, async (t) => {
  const network = newNetwork(t);
  const hosts = underlay(network);
  const { client, server } = overlay(network, hosts, 5);
  const web = await startWeb(server, network.folder, '10.9.0.2');
  const live = await LiveSensor.start(hosts.sensor, network.folder, { settings: fourWorkers });
  for (let i = 0; i < 12; i++) await curl(client, 'http://10.9.0.2:8080', PATHS);
  await live.untilWritten(web.served().length);
  const report = await live.untilQuiet();
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, web.served());
  assert.deepEqual([...new Set(ended.calls.map(({ tunnel }) => tunnel))], ['vxlan 5']);
  assert.ok(busyWorkers(report) > 1, JSON.stringify(report.workers.map(({ packets }) => packets)));
});

test('equal addresses and ports under two VNIs: the calls of both', { skip }, async (t) => {
  const network = newNetwork(t);
  const hosts = underlay(network);
  const five = overlay(network, hosts, 5);
  const six = overlay(network, hosts, 6);
  const webs = [await startWeb(five.server, network.folder, '10.9.0.2'), await startWeb(six.server, network.folder, '10.9.0.2')];
  const live = await LiveSensor.start(hosts.sensor, network.folder, { settings: fourWorkers });
  for (let i = 0; i < 6; i++) {
    const port = ['--local-port', String(40_000 + i)];
    // One after the other: clients of one kernel that begin within the same 64 ns also begin with the same sequence number.
    for (const { client } of [five, six]) await curl(client, 'http://10.9.0.2:8080', PATHS, ...port);
  }
  const served = webs.flatMap((web) => web.served());
  await live.untilWritten(served.length);
  const report = await live.untilQuiet();
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, served);
  assert.equal(report.stages.pipeline.duplicate, 0);
  for (const [i, vni] of [5, 6].entries()) {
    assertCalls(
      ended.calls.filter(({ tunnel }) => tunnel === `vxlan ${vni}`),
      webs[i].served(),
      `VNI ${vni}`,
    );
  }
});

test('equal addresses and ports under two VNIs at the same time, on several workers: the calls of both', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const live = await LiveSensor.start(sensor, network.folder, { settings: fourWorkers });
  const one = makeCalls({ connections: 60, callsEach: 6, label: 'five', seed: 5 });
  const two = makeCalls({ connections: 60, callsEach: 6, label: 'six', seed: 6 });
  const frames: Buffer[] = [];
  for (let i = 0; i < Math.max(one.packets.length, two.packets.length); i++) {
    if (i < one.packets.length) frames.push(inVxlan(5)(one.packets[i].ip, one.packets[i].connection));
    if (i < two.packets.length) frames.push(inVxlan(6)(two.packets[i].ip, two.packets[i].connection));
  }
  await send(wire, network.folder, frames, { device: 'wire' });
  const wanted = [...one.calls, ...two.calls];
  await live.untilWritten(wanted.length);
  const report = await live.untilQuiet();
  const ended = await live.stop();
  assert.equal(assertClean(ended).callsDuplicate, 0);
  assertCalls(ended.calls, wanted);
  for (const { path, tunnel } of ended.calls) assert.equal(tunnel, path?.startsWith('/five/') ? 'vxlan 5' : 'vxlan 6');
  assert.ok(busyWorkers(report) >= 3);
});

/**
 * As cloud mirrors do it: the network card of each end sends a copy in a VXLAN of its own to the sensor.
 *
 *   client eth0 ---- eth0 server        both: tc mirror -> vxlan device -> eth1 ---- bridge ---- eni0 sensor
 */
test('both ends mirrored under two VNIs by the kernel: each call once', { skip }, async (t) => {
  const network = newNetwork(t);
  const client = network.namespace('client');
  const server = network.namespace('server');
  const fabric = network.namespace('fabric');
  const sensor = network.namespace('sensor');
  network.veth({ in: client, name: 'eth0', address: '10.77.0.1/24' }, { in: server, name: 'eth0', address: '10.77.0.2/24' });
  network.veth({ in: client, name: 'eth1', address: '172.16.0.1/24', mtu: 9001 }, { in: fabric, name: 'port1', mtu: 9001 });
  network.veth({ in: server, name: 'eth1', address: '172.16.0.2/24', mtu: 9001 }, { in: fabric, name: 'port2', mtu: 9001 });
  network.veth({ in: sensor, name: 'eni0', address: '172.16.0.9/24', mtu: 9001 }, { in: fabric, name: 'port3', mtu: 9001 });
  fabric.bridge('br0', ['port1', 'port2', 'port3']);
  client.vxlan({ name: 'session1', vni: 11, local: '172.16.0.1', remote: '172.16.0.9', mtu: 1500 });
  server.vxlan({ name: 'session2', vni: 22, local: '172.16.0.2', remote: '172.16.0.9', mtu: 1500 });
  client.mirror('eth0', 'session1');
  server.mirror('eth0', 'session2');
  const web = await startWeb(server, network.folder, '10.77.0.2');
  const live = await LiveSensor.start(sensor, network.folder, { settings: fourWorkers });
  for (let i = 0; i < 8; i++) await curl(client, 'http://10.77.0.2:8080', PATHS);
  const served = web.served();
  const report = await live.until('done with both copies', ({ stages }) => stages.pipeline.received >= 2 * served.length);
  assertSound(report);
  const ended = await live.stop();
  assertCalls(ended.calls, served);
  assert.equal(assertClean(ended).callsDuplicate, served.length);
});

test('both ends mirrored under two VNIs, many connections: each call once, on several workers', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const live = await LiveSensor.start(sensor, network.folder, { settings: fourWorkers });
  const made = makeCalls({ connections: 100, callsEach: 8 });
  const one = inVxlan(11, { source: '192.0.2.11', destination: '192.0.2.99' });
  const two = inVxlan(22, { source: '192.0.2.22', destination: '192.0.2.99' });
  const frames = made.packets.flatMap(({ ip, connection }) => [one(ip, connection), two(ip, connection)]);
  await send(wire, network.folder, frames, { device: 'wire' });
  const report = await live.until('done with both copies', ({ stages }) => stages.pipeline.received >= 2 * made.calls.length);
  const ended = await live.stop();
  assertCalls(ended.calls, made.calls);
  assert.equal(assertClean(ended).callsDuplicate, made.calls.length);
  assert.ok(busyWorkers(report) >= 3);
});
