/** What networks do to packets: they come late, twice, cut, or not at all. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LiveSensor } from '../support/live-sensor.ts';
import { cannotUseNamespaces, Network } from '../support/netns.ts';
import * as p from '../support/packets.ts';
import { send } from '../support/sender.ts';
import { assertCalls, inVxlan, makeCalls, textOf, wrapAll, wraps } from './calls.ts';
import { assertClean, assertSound } from './checks.ts';
import { startWeb, wrk } from './web.ts';

const skip = cannotUseNamespaces('nginx', 'wrk', 'ss');
const twoWorkers = { capture: { interfaces: ['eni0'] }, run: { workers: 2 } };
/** Of the calls whose packets lose one in a hundred; a call here is two to four packets with data. */
const FOUND_OF_LOSSY = 0.9;

function newNetwork(t: TestContext): Network {
  const network = new Network();
  t.after(() => network.remove());
  return network;
}

for (const [name, { wrap }] of Object.entries({ plain: wraps.plain, VXLAN: wraps.VXLAN })) {
  test(`packets late and twice, ${name}: all calls, whole`, { skip }, async (t) => {
    const network = newNetwork(t);
    const { sensor, wire } = network.listener();
    const live = await LiveSensor.start(sensor, network.folder, { settings: twoWorkers });
    const made = makeCalls({ connections: 20, callsEach: 40, bodyBytes: [20, 9000] });
    const sent = await send(wire, network.folder, wrapAll(made, wrap), { device: 'wire', late: 0.05, lateBy: 80, twice: 0.05 });
    assert.ok(sent.packets > made.packets.length);
    await live.untilWritten(made.calls.length);
    assertSound(await live.untilQuiet());
    const ended = await live.stop();
    assertCalls(ended.calls, made.calls);
    assert.equal(assertClean(ended).gaps, 0);
  });
}

/**
 *   client eth0 ---- eth0 server mir0 ---- in  lossy  out ---- eni0 sensor
 */
test('one packet in a hundred lost on the mirror leg: nearly all calls, none of them wrong, gaps counted', { skip }, async (t) => {
  const network = newNetwork(t);
  const client = network.namespace('client');
  const server = network.namespace('server');
  const lossy = network.namespace('lossy');
  const sensor = network.namespace('sensor');
  network.veth({ in: client, name: 'eth0', address: '10.77.0.1/24' }, { in: server, name: 'eth0', address: '10.77.0.2/24' });
  network.veth({ in: server, name: 'mir0' }, { in: lossy, name: 'in' });
  network.veth({ in: lossy, name: 'out' }, { in: sensor, name: 'eni0' });
  lossy.bridge('br0', ['in', 'out']);
  lossy.lose('in', 10);
  server.mirror('eth0', 'mir0');
  const web = await startWeb(server, network.folder, '10.77.0.2');
  const live = await LiveSensor.start(sensor, network.folder, { settings: twoWorkers });
  await wrk(client, network.folder, 'http://10.77.0.2:8080/files/20k.json', { connections: 16, seconds: 2, pauseMs: 4 });
  const served = web.served();
  assertSound(await live.untilQuiet());
  const ended = await live.stop();
  const stopped = assertClean(ended);
  const lost = lossy.lost();
  assert.ok(lost > 20, `${lost} packets were lost of ${served.length} calls`);
  assert.ok(Number(stopped.gaps) > 0 && Number(stopped.gapBytes) > 0, JSON.stringify(stopped));
  const left = new Map<string, number>();
  for (const text of served) left.set(text, (left.get(text) ?? 0) + 1);
  const whole = ended.calls.filter(({ method, status }) => method !== null && status !== null).map(textOf);
  const wrong = whole.filter((text) => {
    const n = left.get(text) ?? 0;
    left.set(text, n - 1);
    return n === 0;
  });
  assert.deepEqual(wrong.slice(0, 5), []);
  assert.ok(
    whole.length >= FOUND_OF_LOSSY * served.length,
    `${whole.length} of ${served.length} calls were found; ${lost} packets were lost`,
  );
  assert.ok(ended.calls.length <= 2 * served.length);
});

test('packets cut at the size of the mirror: heads are read, holes have their size', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const live = await LiveSensor.start(sensor, network.folder, { settings: twoWorkers });
  const made = makeCalls({ connections: 20, callsEach: 10, bodyBytes: [1200, 3000] });
  const wrap = inVxlan(77);
  const cutBytes = 500;
  // What a mirror session with a packet length does: the frame inside ends early, the headers around it are right.
  const frames = made.packets.map(({ ip, connection }) => {
    if (ip.length <= cutBytes) return wrap(ip, connection);
    const inner = p.ethernet(ip).subarray(0, cutBytes);
    return p.ethernet(p.ipv4(p.udp(p.vxlan(inner, { vni: 77 }), { checksum: 0 }), { source: '192.0.2.1', destination: '192.0.2.2' }));
  });
  await send(wire, network.folder, frames, { device: 'wire' });
  await live.untilWritten(made.calls.length);
  assertSound(await live.untilQuiet());
  const ended = await live.stop();
  const stopped = assertClean(ended);
  assert.deepEqual(ended.calls.map(textOf).sort(), [...made.calls].sort());
  assert.ok(ended.calls.every(({ complete }) => !complete));
  assert.ok(ended.calls.every(({ responseBytes }) => responseBytes !== null && responseBytes >= 1200));
  assert.ok(Number(stopped.gaps) > 0 && Number(stopped.gapBytes) > 0);
});

test('jumbo packets inside a tunnel that fits them: whole', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const live = await LiveSensor.start(sensor, network.folder, { settings: twoWorkers });
  const made = makeCalls({ connections: 10, callsEach: 10, bodyBytes: [20_000, 40_000], segmentBytes: 8_900 });
  await send(wire, network.folder, wrapAll(made, wraps.VXLAN.wrap), { device: 'wire' });
  await live.untilWritten(made.calls.length);
  const ended = await live.stop();
  assertClean(ended);
  assertCalls(ended.calls, made.calls);
});
