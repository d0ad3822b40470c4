import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACK, ethernet, FIN, ipv4, PSH, SYN, tcp } from '../../test/support/packets.ts';
import { readPcap } from '../../test/support/read-pcap.ts';
import { essence, PipelineRun, START_US, settingsWith, type Wire } from '../../test/support/run-pipeline.ts';
import { makeTraffic } from '../../test/support/traffic.ts';
import { trafficOptions } from '../../test/support/traffic-options.ts';
import { parseAddress, parsedAddress } from '../base/cidr.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf } from '../base/counters.ts';
import { defaultSettings } from '../base/settings.ts';
import { weirdCount } from '../base/weird.ts';
import { flowsInUse } from '../flow/flow-table.ts';
import { payloadBytesHeld } from '../flow/reassemble.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { SHARES, setOwnSockets, setShedding } from './guard.ts';
import { lastBug, passTime, resetPipeline } from './pipeline.ts';

const { idleTimeoutMs, holeWaitMs, halfOpenTimeoutMs, closedLingerMs } = defaultSettings.flow;
/** Idle connections are looked for every few seconds. */
const SWEEP_MS = 10_000;

/** Segments of one connection; sequence numbers go on by themselves, and over what is left out. */
class Talk {
  readonly packets: Wire[] = [];
  readonly #next: [number, number] = [1000, 5000];

  put(side: 0 | 1, flags: number, payload = '', sent = true): this {
    const ports = [40_000, 8080];
    const addresses = ['10.0.0.1', '10.0.0.2'];
    const segment = tcp(Buffer.from(payload), {
      sourcePort: ports[side],
      destinationPort: ports[1 - side],
      sequence: this.#next[side],
      acknowledgement: this.#next[1 - side],
      flags,
    });
    const data = ethernet(ipv4(segment, { source: addresses[side], destination: addresses[1 - side] }));
    if (sent) this.packets.push({ data, timeUs: START_US + 1000 * this.packets.length });
    this.#next[side] += payload.length + (flags & (SYN | FIN) ? 1 : 0);
    return this;
  }

  begin(): this {
    return this.put(0, SYN)
      .put(1, SYN | ACK)
      .put(0, ACK);
  }

  run(): PipelineRun {
    const run = new PipelineRun({ everyPacket: true });
    for (const packet of this.packets) run.push(packet);
    return run;
  }
}

const REQUEST = 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n';
const after = (ms: number): number => packetTimeUs[0] + ms * 1000;

test('an idle connection ends when only time passes, and its call is told', () => {
  const run = new Talk()
    .begin()
    .put(0, ACK | PSH, REQUEST)
    .run();
  passTime(after(idleTimeoutMs - 1000));
  assert.deepEqual([flowsInUse(), run.records.length], [1, 0]);
  passTime(after(1000 + SWEEP_MS));
  assert.equal(flowsInUse(), 0);
  assert.deepEqual(
    run.records.map(({ request, causes }) => [request?.path, causes?.includes('no-response')]),
    [['/a', true]],
  );
  run.finish();
});

test('half open and closed connections have times of their own', () => {
  new Talk().put(0, SYN).run();
  passTime(after(halfOpenTimeoutMs + SWEEP_MS));
  assert.equal(flowsInUse(), 0);
  const closed = new Talk()
    .begin()
    .put(0, ACK | PSH, REQUEST)
    .put(1, ACK | PSH, 'HTTP/1.1 204 No Content\r\n\r\n')
    .put(0, FIN | ACK)
    .put(1, FIN | ACK)
    .put(0, ACK)
    .run();
  assert.equal(closed.records.length, 1);
  assert.equal(flowsInUse(), 1);
  passTime(after(closedLingerMs + SWEEP_MS));
  assert.equal(flowsInUse(), 0);
  closed.finish();
});

test('a hole is given up when only time passes: what waited behind it goes on', () => {
  const run = new Talk()
    .begin()
    .put(0, ACK | PSH, REQUEST)
    .put(1, ACK | PSH, 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nabcd')
    .put(1, ACK | PSH, 'efgh', false)
    .put(1, ACK | PSH, 'ijkl')
    .run();
  passTime(after(holeWaitMs / 2));
  run.check();
  assert.deepEqual([payloadBytesHeld(), run.records.length], [4, 0]);
  passTime(after(holeWaitMs / 2 + 1000));
  run.check();
  assert.deepEqual([payloadBytesHeld(), run.records.length], [0, 1]);
  assert.deepEqual(run.records[0].response?.body, { bytes: 12, kept: 4, text: 'abcd', cut: true, gapBytes: 4 });
  assert.deepEqual(run.records[0].causes, ['gap']);
  assert.equal(flowsInUse(), 1, 'the connection lives on');
  run.finish();
});

test('time never goes back, and standing still does nothing', () => {
  const run = new Talk()
    .begin()
    .put(0, ACK | PSH, REQUEST)
    .run();
  const nowUs = packetTimeUs[0];
  for (const timeUs of [nowUs, nowUs - 1, nowUs - 3600e6, 0, -1]) {
    passTime(timeUs);
    assert.equal(packetTimeUs[0], nowUs);
  }
  assert.equal(flowsInUse(), 1);
  run.finish();
});

test('many small steps are as one large one; packets that come afterwards find a new connection', () => {
  const outcomes = [1, 7, 5000].map((steps) => {
    const talk = new Talk().begin().put(0, ACK | PSH, REQUEST);
    const run = talk.run();
    const from = packetTimeUs[0];
    const ms = idleTimeoutMs + SWEEP_MS;
    for (let i = 1; i <= steps; i++) passTime(from + (i / steps) * ms * 1000);
    assert.equal(flowsInUse(), 0, `${steps} steps`);
    const late = talk.put(1, ACK | PSH, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n').packets.at(-1);
    assert.ok(late !== undefined);
    run.push({ ...late, timeUs: after(1) });
    return run.finish().records.map(({ causes, response }) => [causes, response?.status]);
  });
  assert.deepEqual(outcomes[1], outcomes[0]);
  assert.deepEqual(outcomes[2], outcomes[0]);
  assert.equal(outcomes[0].length, 2);
});

test('packets older than the time that has passed are taken, and time follows them', () => {
  const { packets } = new Talk()
    .begin()
    .put(0, ACK | PSH, REQUEST)
    .put(1, ACK | PSH, 'HTTP/1.1 204 No Content\r\n\r\n');
  const run = new PipelineRun({ everyPacket: true });
  for (const packet of packets) {
    passTime(packet.timeUs + 40_000);
    run.push(packet);
    assert.equal(packetTimeUs[0], packet.timeUs);
  }
  assert.deepEqual(
    run.finish().records.map(({ complete }) => complete),
    [true],
  );
});

test('a fault in what takes the calls does not come out of it', () => {
  const { packets } = new Talk().begin().put(0, ACK | PSH, REQUEST);
  const run = new PipelineRun();
  for (const packet of packets) run.push(packet);
  resetPipeline(defaultSettings, () => {
    throw new Error('on purpose');
  });
  for (const packet of packets) run.push(packet);
  passTime(after(idleTimeoutMs + SWEEP_MS));
  assert.equal(weirdCount('sensor.bug'), 1);
  assert.match(String(lastBug), /on purpose/);
  resetPipeline(defaultSettings, () => {});
});

// ---------------------------------------------------------------- guard

const { pcap } = makeTraffic(trafficOptions({ kind: 'reordered', megabytes: 0.6, seed: 11, connections: 30, ipv6Share: 0.3 }));
const traffic: Wire[] = readPcap(pcap).map((packet, i) => ({ ...packet, timeUs: START_US + 50 * i }));

const connectionOf = ({ client, server }: ApiCall): string => `${client.address} ${client.port} ${server.address} ${server.port}`;

function byConnection(records: readonly ApiCall[]): Map<string, unknown[]> {
  const all = new Map<string, unknown[]>();
  for (const record of records) all.set(connectionOf(record), [...(all.get(connectionOf(record)) ?? []), essence(record)]);
  return all;
}

function runTraffic(prepare: () => void, during: (i: number) => void = () => {}): ReturnType<PipelineRun['finish']> {
  const run = new PipelineRun({ everyPacket: true, settings: settingsWith({}) });
  prepare();
  traffic.forEach((packet, i) => {
    during(i);
    run.push(packet);
  });
  return run.finish();
}

const undisturbed = byConnection(runTraffic(() => {}).records);

test('shedding: whole flows are dropped, the others are as they were, and the books balance', () => {
  const shed = runTraffic(() => setShedding(SHARES / 2));
  const left = byConnection(shed.records);
  assert.ok(left.size > 3 && left.size < undisturbed.size - 3, `${left.size} of ${undisturbed.size} connections`);
  for (const [connection, calls] of left) assert.deepEqual(calls, undisturbed.get(connection), connection);
  const dropped = shed.counters['packets.dropped{shed}'];
  assert.ok(dropped > 0);
  assert.equal(shed.counters['packets.received'], traffic.length);
  assert.equal(shed.counters['packets.decoded'] + dropped, traffic.length);
});

test('shedding that comes and goes: the books balance after every packet', () => {
  const shed = runTraffic(
    () => {},
    (i) => {
      if (i % 100 === 0) setShedding((i * 7) % SHARES);
    },
  );
  assert.ok(shed.counters['packets.dropped{shed}'] > 0 && shed.records.length > 0);
});

test("the sensor's own connections are left out, whole, and counted apart from those that are shed", () => {
  const [own] = [...undisturbed.keys()].map((key) => key.split(' ')).filter(([, , server]) => !server.includes(':'));
  const [, , server, port] = own;
  assert.ok(parseAddress(server));
  const address: [number, number, number, number] = [parsedAddress[3], 0, 0, 0];
  const mine = (connection: string): boolean => connection.endsWith(` ${server} ${port}`);
  const alone = runTraffic(() => setOwnSockets([{ address, port: Number(port) }]));
  const left = byConnection(alone.records);
  assert.deepEqual([...left.keys()].sort(), [...undisturbed.keys()].filter((connection) => !mine(connection)).sort());
  for (const [connection, calls] of left) assert.deepEqual(calls, undisturbed.get(connection), connection);
  const ownPackets = alone.counters['packets.dropped{own}'];
  assert.ok(ownPackets > 0);

  const withBoth = runTraffic(() => {
    setOwnSockets([{ address, port: Number(port) }]);
    setShedding(SHARES / 2);
  });
  assert.equal(withBoth.counters['packets.dropped{own}'], ownPackets);
  assert.ok(withBoth.counters['packets.dropped{shed}'] > 0);
  assert.equal(countOf('packets.received'), traffic.length);
});

test('a reset takes the guard away', () => {
  setShedding(SHARES);
  assert.deepEqual(byConnection(runTraffic(() => {}).records), undisturbed);
});
