import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { settingsWith } from '../../test/support/run-pipeline.ts';
import { parseEndpoint } from '../capture/tunnel-endpoint.ts';
import { OTHERWISE } from '../policy/filter/filters.ts';
import { CallsOutput } from './calls-output.ts';
import { type Heard, Listening } from './listening.ts';
import { RULES_SHOWN_MAX, type SensorReport } from './report.ts';
import { makeReport, type ReportParts, type ShippingParts } from './report-maker.ts';
import { sampleReport } from './report-testing.ts';
import type { ShipReport } from './ship-link.ts';
import type { Pulse } from './worker-link.ts';
import { WorkerLife } from './workers.ts';

/** A pulse whose own books balance: 100 packets read, 60 of them decoded, 3 calls. */
function pulse(changes: Partial<Pulse> & { readonly of?: Readonly<Record<string, number>> } = {}): Pulse {
  const { of = {}, ...rest } = changes;
  const counters = {
    'packets.received': 100,
    'packets.bytes': 9_000,
    'packets.decoded': 60,
    'packets.dropped{udp}': 20,
    'packets.dropped{malformed}': 8,
    'packets.dropped{own}': 5,
    'packets.dropped{shed}': 7,
    'payload.seen': 5_000,
    'payload.http': 4_600,
    'payload.discarded{closed}': 100,
    'calls.seen': 3,
    'calls.complete': 2,
    'calls.incomplete{no-response}': 1,
    'calls.written': 2,
    'gaps.count': 1,
    ...of,
  };
  return {
    atMs: Date.now(),
    counters: Object.entries(counters),
    weirds: [['decode.ipv4.truncated', 8]],
    interfaces: [
      { index: 2, packets: 70, bytes: 6_300 },
      { index: 5, packets: 30, bytes: 2_700 },
    ],
    endpoints: [],
    waitingPackets: 0,
    heldBytes: 300,
    waitingCalls: 1,
    flows: 4,
    callsInFlight: 2,
    ringFill: 0.25,
    shedding: 0.5,
    cpuMs: 10,
    lagMs: 3,
    bug: '',
    ...rest,
  };
}

const heard = (name: string, ...indexes: number[]): Heard => ({ name, pattern: name, state: 'up', mtu: 1500, indexes, losses: 0 });

function life(worker: number, now: Pulse | null): WorkerLife {
  const one = new WorkerLife(worker);
  one.state = now === null ? 'dead' : 'running';
  one.pulse = now;
  return one;
}

/** Listens on two interfaces, as far as the report can tell. */
function listening(workers: number, packets: number, dropped = 0): Listening {
  const one = new Listening(settingsWith({ capture: { interfaces: ['eth0', 'eni*'] } }), workers);
  one.packetSockets = Array.from({ length: workers }, () => ({ fd: -1, ringBytes: 1 << 20 }));
  one.heard = [heard('eth0', 2), heard('eni1', 5)];
  one.kernel = Array.from({ length: workers }, () => ({ packets, dropped }));
  return one;
}

function report(parts: Partial<ReportParts> & Pick<ReportParts, 'lives'>): SensorReport {
  return makeReport({
    sensor: sampleReport().sensor,
    listening: listening(parts.lives.length, 100),
    output: null,
    shipping: null,
    pipelines: [],
    faults: [],
    ready: true,
    ended: false,
    ...parts,
  });
}

const balanceOf = ({ ledger }: SensorReport, name: string): SensorReport['ledger'][number] => {
  const found = ledger.find((one) => one.name === name);
  assert.ok(found !== undefined, name);
  return found;
};
const KERNEL = 'packets of the kernel';
const OUTPUT = 'records handed to the output';

function assertBalances(one: SensorReport): void {
  for (const { name, balances, total, parts } of one.ledger) assert.ok(balances, `${name}: ${total} is not ${JSON.stringify(parts)}`);
}

test('sums over workers: counters, weirds, interfaces, stages, ledger', () => {
  const one = report({ lives: [life(0, pulse()), life(1, pulse())] });
  assert.equal(one.counters['packets.received'], 200);
  assert.equal(one.weirds['decode.ipv4.truncated'], 16);
  assert.deepEqual(
    one.interfaces.map(({ name, packets, bytes }) => [name, packets, bytes]),
    [
      ['eth0', 140, 12_600],
      ['eni1', 60, 5_400],
    ],
  );
  const { read, bytes, own, shed, other, errors, kernelDropped } = one.stages.reader;
  assert.deepEqual([read, bytes, own, shed, other, errors, kernelDropped], [200, 18_000, 10, 14, 40, 16, 0]);
  const { received, valid, incomplete, gaps, flows, callsInFlight } = one.stages.pipeline;
  assert.deepEqual([received, valid, incomplete, gaps, flows, callsInFlight], [6, 4, 2, 2, 8, 4]);
  assert.deepEqual(
    one.workers.map(({ worker, packets, ringFill, shedding, lagMs }) => [worker, packets, ringFill, shedding, lagMs]),
    [
      [0, 100, 0.25, 0.5, 3],
      [1, 100, 0.25, 0.5, 3],
    ],
  );
  assertBalances(one);
  assert.deepEqual(
    one.ledger.map(({ name, total }) => [name, total]),
    [
      [KERNEL, 200],
      ['packets received', 200],
      ['payload bytes seen', 10_000],
      ['calls seen', 6],
      ['messages seen', 0],
      ['closings seen', 0],
    ],
  );
});

test('rates are those between the last two pulses; none of a worker that is silent', () => {
  const nowMs = Date.now();
  const busy = life(0, pulse({ atMs: nowMs, cpuMs: 510 }));
  busy.before = pulse({
    atMs: nowMs - 500,
    cpuMs: 10,
    of: { 'packets.received': 40 },
    interfaces: [{ index: 2, packets: 20, bytes: 300 }],
  });
  const silent = life(1, pulse({ atMs: nowMs - 10_000 }));
  silent.before = pulse({ atMs: nowMs - 11_000, of: { 'packets.received': 0 } });
  const fresh = life(2, pulse());
  const back = life(3, pulse({ atMs: nowMs - 1000 }));
  back.before = pulse({ atMs: nowMs, of: { 'packets.received': 0 } });
  const one = report({ lives: [busy, silent, fresh, back] });
  assert.deepEqual(
    one.workers.map(({ packetsPerS, cpu }) => [packetsPerS, cpu]),
    [
      [120, 1],
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  );
  assert.equal(one.stages.reader.readPerS, 120);
  assert.deepEqual([one.interfaces[0].packetsPerS, one.interfaces[0].bytesPerS], [100, 12_000]);
});

test('an interface that was made anew is one interface', () => {
  const ears = listening(1, 100);
  ears.heard = [heard('eth0', 2, 5)];
  const [eth0] = report({ lives: [life(0, pulse())], listening: ears }).interfaces;
  assert.deepEqual([eth0.packets, eth0.bytes], [100, 9_000]);
});

test('a dead worker: what it counted stays, what it had in hand is with it, the books balance', () => {
  const dead = life(0, null);
  // As Workers keeps them: the counters of the last pulse, what waited then as lost.
  for (const [name, n] of pulse().counters) dead.pastCounters.set(name, n);
  dead.pastCounters.set('payload.discarded{worker-died}', 300);
  dead.pastCounters.set('calls.lost{worker-died}', 1);
  dead.pastWeirds.set('decode.ipv4.truncated', 8);
  for (const { index, packets, bytes } of pulse().interfaces) dead.pastInterfaces.set(index, { packets, bytes });
  const ears = listening(2, 100);
  ears.kernel[0].packets = 140;
  const during = report({ lives: [dead, life(1, pulse())], listening: ears });
  assertBalances(during);
  assert.deepEqual(balanceOf(during, KERNEL).parts, [
    ['read', 200],
    ['in the rings', 40],
  ]);
  assert.equal(during.workers[0].packets, 100);
  assert.equal(during.stages.reader.read, 200);
  assert.deepEqual([during.interfaces[0].packets, during.weirds['decode.ipv4.truncated']], [140, 16]);

  // It was started again: of the 40, it found 30 in the ring, and has read them.
  dead.packetsWithDead = 10;
  dead.pulse = pulse({
    of: {
      'packets.received': 30,
      'packets.decoded': 30,
      'packets.dropped{udp}': 0,
      'packets.dropped{malformed}': 0,
      'packets.dropped{own}': 0,
      'packets.dropped{shed}': 0,
    },
    interfaces: [{ index: 2, packets: 30, bytes: 1 }],
  });
  const after = report({ lives: [dead, life(1, pulse())], listening: ears, ended: true });
  assertBalances(after);
  assert.deepEqual(balanceOf(after, KERNEL).parts, [
    ['read', 230],
    ['with a dead worker', 10],
  ]);
  assert.equal(after.counters['packets.received'], 230);
});

test('packets in the rings: any number while it runs, exactly those that wait at the end', () => {
  const running = (kernel: number, ended: boolean, waitingPackets = 0): SensorReport['ledger'][number] =>
    balanceOf(report({ lives: [life(0, pulse({ waitingPackets }))], listening: listening(1, kernel, 10), ended }), KERNEL);
  assert.equal(running(110, false).balances, true);
  assert.equal(running(150, false).balances, true);
  assert.equal(running(109, false).balances, false, 'more was read than came');
  assert.equal(running(110, true).balances, true);
  assert.equal(running(150, true).balances, false, 'nobody knows where forty packets are');
  assert.equal(running(150, true, 40).balances, true, 'the time to stop was over');
  assert.deepEqual(running(150, true, 40).parts, [
    ['dropped by the kernel', 10],
    ['read', 100],
    ['in the rings', 40],
  ]);
});

test('the output: what it has, what it lost, what waits', async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-report-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const output = new CallsOutput(join(folder, 'calls'), 100);
  output.add(Buffer.alloc(60, 'x'), 2);
  output.add(Buffer.alloc(60, 'y'), 3);
  const during = report({ lives: [life(0, pulse())], output });
  assert.deepEqual(balanceOf(during, OUTPUT).parts, [
    ['lost', 3],
    ['queued', 2],
  ]);
  assert.deepEqual([during.stages.sink.received, during.stages.sink.lost, during.stages.sink.queueBytes], [5, 3, 60]);
  await output.close(Date.now() + 10_000);
  const after = report({ lives: [life(0, pulse())], output, ended: true });
  assert.deepEqual(balanceOf(after, OUTPUT).parts, [
    ['written', 2],
    ['lost', 3],
  ]);
  assert.equal(after.stages.sink.bytes, 60);
  assertBalances(after);
});

test('an end-point: packets of all workers and all lives, sockets of the kernel', (t: TestContext) => {
  const url = `udp://127.0.0.1:${20_000 + (process.pid % 10_000)}?encap=vxlan`;
  const ears = new Listening(settingsWith({ capture: { endpoints: [url], receiveBufferBytes: 1 << 20 } }), 2);
  ears.open();
  t.after(() => ears.close());
  assert.equal(parseEndpoint(url).encapsulation, 'vxlan');
  const first = life(0, pulse({ interfaces: [], endpoints: [{ packets: 60, bytes: 600 }] }));
  first.pastEndpoints[0] = { packets: 5, bytes: 50 };
  const one = report({ lives: [first, life(1, pulse({ interfaces: [], endpoints: [{ packets: 40, bytes: 400 }] }))], listening: ears });
  const [endpoint] = one.endpoints;
  assert.deepEqual([endpoint.url, endpoint.packets, endpoint.bytes, endpoint.kernelDropped], [url, 105, 1_050, 0]);
  assert.equal(endpoint.receiveBufferBytesWanted, 1 << 20);
  assert.ok(endpoint.receiveBufferBytes > 0);
  assert.deepEqual(one.interfaces, []);
  assert.ok(!one.ledger.some(({ name }) => name === KERNEL), 'the kernel counts no datagrams that it delivers');
  assertBalances(one);
});

const HANDED = 'records handed to delivery';

/** As Shipping says it, with a thread that runs unless its report is null. */
function shipping(changes: Partial<ShippingParts> & { readonly received: number }): ShippingParts {
  const report = changes.report === undefined ? ship() : changes.report;
  const { lost = 0, withDead = 0, offered = report?.spool.offered ?? 0 } = changes;
  const underWay = changes.received - lost - withDead - offered;
  return {
    lost,
    withDead,
    lostInSpool: report?.spool.lost ?? 0,
    offered,
    underWay,
    restarts: 0,
    isRunning: report !== null,
    ...changes,
    report,
  };
}

/** A spool that was offered 90, took 80 and had no room for 4; two sinks, of which one gets half of it. */
function ship(changes: Partial<ShipReport['spool']> = {}): ShipReport {
  const sample = sampleReport().ship as ShipReport;
  const [lake, edge] = sample.spool.readers;
  const readers = [
    { ...lake, queuedAtStart: 5, accepted: 80 },
    { ...edge, queuedAtStart: 0, accepted: 40 },
  ];
  const none = {
    received: 0,
    written: 0,
    deadLettered: 0,
    expired: 0,
    corrupt: 0,
    inFlight: 0,
    queued: 0,
    queuedBytes: 0,
    bytes: 0,
    errors: 0,
  };
  return {
    ...sample,
    spool: { ...sample.spool, offered: 90, accepted: 80, lost: 4, readers, ...changes },
    sinks: [
      { ...sample.sinks[0], ...none, received: 70, written: 60, bytes: 6_000, inFlight: 10, queued: 15, queuedBytes: 2_500, ratePerS: 12 },
      {
        ...sample.sinks[1],
        ...none,
        ...{ received: 30, written: 20, bytes: 2_000, deadLettered: 3, expired: 2, corrupt: 1, queued: 14, queuedBytes: 1_400, errors: 4 },
      },
    ],
  };
}

test('delivery: every call that was handed to it is somewhere, and every record of each sink', () => {
  const one = report({ lives: [life(0, pulse())], shipping: shipping({ received: 100, lost: 3 }) });
  assert.deepEqual(balanceOf(one, HANDED).parts, [
    ['accepted', 80],
    ['lost', 7],
    ['waiting to be accepted', 6],
    ['on the way', 7],
  ]);
  assert.deepEqual(balanceOf(one, 'records of sink lake').parts, [
    ['acked', 60],
    ['in flight', 10],
    ['queued', 15],
  ]);
  assert.deepEqual([balanceOf(one, 'records of sink lake').total, balanceOf(one, 'records of sink edge').total], [85, 40]);
  assertBalances(one);
  assert.deepEqual(one.delivery, { isRunning: true, restarts: 0, received: 100, lost: 7 });

  const lateSink = ship();
  const [lake, edge] = lateSink.sinks;
  const off = report({
    lives: [life(0, pulse())],
    shipping: shipping({ received: 100, report: { ...lateSink, sinks: [{ ...lake, written: 59 }, edge] } }),
  });
  assert.equal(balanceOf(off, 'records of sink lake').balances, false, 'a record is nowhere');
  const atEnd = report({ lives: [life(0, pulse())], shipping: shipping({ received: 100 }), ended: true });
  assert.equal(balanceOf(atEnd, HANDED).balances, false, 'nothing may be on the way at the end');
  const done = shipping({ received: 84, report: ship({ offered: 84 }) });
  assertBalances(report({ lives: [life(0, pulse())], shipping: done, ended: true }));
});

test('a delivery thread that died: the books hold while it is away and after it is back', () => {
  const sumOf = (one: SensorReport): number => balanceOf(one, HANDED).parts.reduce((sum, [, n]) => sum + n, 0);
  // It had taken over 90 of 100, and had no room for 4; what came since is lost.
  const away = shipping({ received: 130, lost: 30, withDead: 10, offered: 90, lostInSpool: 4, restarts: 1, report: null });
  const during = report({ lives: [life(0, pulse())], shipping: away });
  assertBalances(during);
  assert.equal(sumOf(during), 130);
  assert.deepEqual([during.delivery, during.ship], [{ isRunning: false, restarts: 1, received: 130, lost: 44 }, null]);
  assert.ok(!during.ledger.some(({ name }) => name.startsWith('records of sink')));
  const back = { ...away, received: 220, offered: 180, underWay: 0, lostInSpool: 8, report: ship(), isRunning: true };
  const after = report({ lives: [life(0, pulse())], shipping: back });
  assertBalances(after);
  assert.equal(sumOf(after), 220);
  assert.deepEqual(balanceOf(after, HANDED).parts.at(-1), ['taken over before it died', 90]);
});

test('the third stage: the output where there is one, else the sum of the sinks', async (t: TestContext) => {
  const { nowAtMs } = sampleReport().sensor;
  const sinks = report({ lives: [life(0, pulse())], shipping: shipping({ received: 100, lost: 3 }) }).stages.sink;
  const oldestAtMs = Math.min(...ship().sinks.map(({ oldestWaitingAtMs }) => oldestWaitingAtMs));
  assert.deepEqual(sinks, {
    to: 'sinks',
    received: 100,
    written: 80,
    writtenPerS: 12,
    bytes: 8_000,
    errors: 4,
    lost: 3 + 4 + 2 + 1,
    queueBytes: 3_900,
    lagMs: nowAtMs - oldestAtMs,
  });
  assert.equal(report({ lives: [life(0, pulse())] }).stages.sink.to, 'nothing');
  const folder = mkdtempSync(join(tmpdir(), 'earshot-report-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const output = new CallsOutput(join(folder, 'calls'), 1_000);
  output.add(Buffer.alloc(60, 'x'), 2);
  const both = report({ lives: [life(0, pulse())], output, shipping: shipping({ received: 100 }) }).stages.sink;
  assert.deepEqual([both.to, both.received], ['output', 2]);
  await output.close(Date.now() + 10_000);
});

test('pipelines: what passed, was filtered and sampled out, and by which rules', () => {
  const of = {
    'calls.included{all/api}': 10,
    [`calls.included{all/${OTHERWISE}}`]: 5,
    'calls.excluded{all/static}': 7,
    'calls.excluded{all/gone}': 2,
    'calls.excluded{all-others/static}': 1_000,
    'calls.sampledOut{all}': 4,
  };
  const rules = [
    { name: 'static', action: 'exclude' as const },
    { name: 'api', action: 'include' as const },
    { name: 'static', action: 'exclude' as const },
  ];
  const [all] = report({ lives: [life(0, pulse({ of }))], pipelines: [{ name: 'all', sinks: ['edge'], rules }] }).pipelines;
  assert.deepEqual(all, {
    name: 'all',
    sinks: ['edge'],
    passed: 11,
    filteredOut: 9,
    sampledOut: 4,
    rules: [
      { name: 'static', action: 'exclude', calls: 7 },
      { name: 'api', action: 'include', calls: 10 },
      { name: OTHERWISE, action: 'include', calls: 5 },
    ],
    otherRulesCalls: 2,
  });
});

test('rules beyond those that a report lists are summed', () => {
  const names = Array.from({ length: RULES_SHOWN_MAX + 20 }, (_, i) => `r${i}`);
  const of = Object.fromEntries(names.map((name) => [`calls.excluded{all/${name}}`, 3]));
  const rules = names.map((name) => ({ name, action: 'exclude' as const }));
  const [all] = report({ lives: [life(0, pulse({ of }))], pipelines: [{ name: 'all', sinks: [], rules }] }).pipelines;
  assert.deepEqual([all.rules.length, all.otherRulesCalls, all.filteredOut], [RULES_SHOWN_MAX, 60, 3 * names.length]);
});
