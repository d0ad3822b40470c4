import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingKinds } from './doctor/findings.ts';
import { Faults } from './faults.ts';
import type { Fault, InterfaceReport, SensorReport, WorkerReport } from './report.ts';
import { sampleReport } from './report-testing.ts';

const SECOND_MS = 1000;
const START_MS = Date.UTC(2026, 2, 1);

interface Changes {
  readonly afterS?: number;
  readonly interfaces?: readonly Partial<InterfaceReport>[];
  readonly endpoints?: SensorReport['endpoints'];
  readonly workers?: readonly Partial<WorkerReport>[];
  readonly kernelDropped?: number;
  readonly lost?: number;
  readonly read?: number;
  readonly lagMs?: number;
  readonly bugs?: number;
  readonly balances?: boolean;
  readonly delivery?: SensorReport['delivery'];
  readonly ship?: SensorReport['ship'];
}

/** The report of a sensor that is well, but for the changes. */
function report({
  afterS = 0,
  interfaces = [{}],
  endpoints = [],
  workers = [{}],
  kernelDropped = 0,
  lost = 0,
  read = 1,
  lagMs = 0,
  bugs = 0,
  balances = true,
  delivery = null,
  ship = null,
}: Changes = {}): SensorReport {
  const sample = sampleReport();
  return {
    ...sample,
    sensor: { ...sample.sensor, startedAtMs: START_MS, nowAtMs: START_MS + afterS * SECOND_MS },
    interfaces: interfaces.map((one) => ({ ...sample.interfaces[0], ...one })),
    endpoints,
    workers: workers.map((one, worker) => ({ ...sample.workers[0], worker, ...one })),
    stages: { ...sample.stages, reader: { ...sample.stages.reader, read, kernelDropped }, sink: { ...sample.stages.sink, lost, lagMs } },
    weirds: bugs === 0 ? {} : { 'sensor.bug': bugs },
    delivery,
    ship,
    ledger: sample.ledger.map((one) => ({ ...one, balances })),
  };
}

interface Also {
  readonly own?: readonly Fault[];
  readonly outputFault?: string;
  readonly logErrors?: number;
}

class Judge {
  readonly faults = new Faults();

  look(changes: Changes = {}, { own = [], outputFault = '', logErrors = 0 }: Also = {}): { raised: string[]; ceased: string[] } {
    const { raised, ceased } = this.faults.judge(report(changes), own, outputFault, logErrors);
    return { raised: raised.map(({ what }) => what), ceased: ceased.map(({ what }) => what) };
  }

  get codes(): string[] {
    return this.faults.list.map(({ code }) => code);
  }
}

const NOTHING = { raised: [], ceased: [] };

test('a sensor that is well', () => {
  const judge = new Judge();
  assert.equal(judge.faults.ready, false, 'nobody has looked yet');
  assert.deepEqual(judge.look(), NOTHING);
  assert.deepEqual([judge.codes, judge.faults.ready], [[], true]);
});

test('each state of an interface has its finding', () => {
  const codesOf = (one: Partial<InterfaceReport>): string[] => {
    const judge = new Judge();
    judge.look({ interfaces: [one] });
    return judge.codes;
  };
  assert.deepEqual(codesOf({ state: 'down' }), ['interface-down']);
  assert.deepEqual(codesOf({ state: 'no-carrier' }), ['interface-no-carrier']);
  assert.deepEqual(codesOf({ state: 'missing', name: 'eth9', pattern: 'eth9' }), ['interface-missing']);
  assert.deepEqual(codesOf({ state: 'missing', name: 'eni7', pattern: 'eni*' }), [], 'one that came and went, as it may');
});

test('nothing heard for a minute', () => {
  const judge = new Judge();
  judge.look({ read: 0, afterS: 59 });
  assert.deepEqual(judge.codes, [], 'it may come yet');
  assert.deepEqual(judge.look({ read: 0, afterS: 60 }).raised, ['not one packet has arrived since the start 1 min ago']);
  assert.deepEqual(judge.look({ read: 0, afterS: 90 }), NOTHING);
  assert.deepEqual([judge.codes, judge.faults.ready], [['no-packets'], true]);
  judge.look({ read: 0, afterS: 91, interfaces: [{ state: 'down' }] });
  assert.deepEqual(judge.codes, ['interface-down'], 'the reason is enough');
  judge.look({ read: 1, afterS: 92 });
  assert.deepEqual(judge.codes, [], 'a quiet wire is no fault');
});

test('two interfaces whose names differ by a number are two faults', () => {
  const judge = new Judge();
  const eth = (n: number, state: InterfaceReport['state']): Partial<InterfaceReport> => ({ name: `eth${n}`, pattern: `eth${n}`, state });
  assert.deepEqual(judge.look({ interfaces: [eth(0, 'down'), eth(1, 'up')] }).raised, ['the interface eth0 is switched off']);
  assert.deepEqual(judge.look({ interfaces: [eth(0, 'down'), eth(1, 'down')] }), {
    raised: ['the interface eth1 is switched off'],
    ceased: [],
  });
  assert.deepEqual(judge.look({ interfaces: [eth(0, 'up'), eth(1, 'down')] }), {
    raised: [],
    ceased: ['the interface eth0 is switched off'],
  });
  assert.deepEqual(judge.look({ interfaces: [eth(0, 'up'), eth(1, 'up')] }).ceased, ['the interface eth1 is switched off']);
});

test('ready as long as a worker runs and packets can come', () => {
  const readyWith = (changes: Changes): boolean => {
    const judge = new Judge();
    judge.look(changes);
    return judge.faults.ready;
  };
  const endpoints = sampleReport().endpoints;
  assert.equal(readyWith({ interfaces: [{ state: 'down' }, { state: 'up' }] }), true);
  assert.equal(readyWith({ interfaces: [{ state: 'down' }, { state: 'missing' }] }), false);
  assert.equal(readyWith({ interfaces: [] }), false);
  assert.equal(readyWith({ interfaces: [], endpoints }), true);
  assert.equal(readyWith({ workers: [{ state: 'dead' }, { state: 'running' }] }), true);
  for (const state of ['starting', 'stuck', 'dead', 'stopped'] as const) assert.equal(readyWith({ workers: [{ state }] }), false, state);
});

test('workers that die or hang, each by its number', () => {
  const judge = new Judge();
  judge.look({ workers: [{ state: 'dead', restarts: 1 }, { state: 'stuck' }, {}] });
  assert.deepEqual(judge.codes.sort(), ['worker-dead', 'worker-stuck']);
  const { raised, ceased } = judge.look({ workers: [{ state: 'dead', restarts: 2 }, {}, { state: 'dead', restarts: 1 }] });
  assert.deepEqual([raised.length, ceased.length], [1, 1]);
  assert.match(raised[0], /^worker 2 died/);
  assert.match(ceased[0], /^worker 1 gives no sign/);
});

test('what the kernel dropped stays a fault for a minute, is told once, and counts one minute only', () => {
  const judge = new Judge();
  assert.deepEqual(judge.look({ afterS: 0 }), NOTHING);
  assert.match(judge.look({ afterS: 1, kernelDropped: 5 }).raised.join(), /dropped 5 packets within the last minute/);
  // On and on: a hundred each second, for three minutes.
  for (let s = 2; s <= 180; s++) assert.deepEqual(judge.look({ afterS: s, kernelDropped: 5 + 100 * (s - 1) }), NOTHING);
  const [fault] = judge.faults.list;
  const [, dropped] = /dropped ([\d,]+) packets/.exec(fault.what) ?? [];
  const n = Number(dropped.replaceAll(',', ''));
  assert.ok(n >= 5_900 && n <= 6_200, fault.what);
  for (let s = 181; s < 239; s++) assert.deepEqual(judge.look({ afterS: s, kernelDropped: 17_905 }), NOTHING);
  assert.deepEqual(judge.codes, ['kernel-drops']);
  assert.equal(judge.look({ afterS: 245, kernelDropped: 17_905 }).ceased.length, 1);
  assert.deepEqual(judge.codes, []);
});

test('what was dropped before the first look counts', () => {
  const judge = new Judge();
  assert.match(judge.look({ kernelDropped: 7 }).raised.join(), /dropped 7 packets/);
});

test('looks that are far apart, and a clock that is set back', () => {
  const judge = new Judge();
  judge.look({ afterS: 0 });
  assert.match(judge.look({ afterS: 3_600, kernelDropped: 3 }).raised.join(), /dropped 3/);
  assert.deepEqual(judge.look({ afterS: 0, kernelDropped: 3 }), NOTHING);
  for (let s = 1; s < 59; s++) judge.look({ afterS: s, kernelDropped: 3 });
  assert.deepEqual(judge.codes, ['kernel-drops']);
  judge.look({ afterS: 62, kernelDropped: 3 });
  assert.deepEqual(judge.codes, [], 'not for an hour');
});

test('shedding is told once, whatever its share', () => {
  const judge = new Judge();
  assert.match(judge.look({ workers: [{ shedding: 0.1 }, { shedding: 0.25 }] }).raised.join(), /up to 25 % of the flows/);
  assert.deepEqual(judge.look({ workers: [{ shedding: 0.9 }, { shedding: 0.25 }] }), NOTHING);
  assert.match(judge.faults.list[0].what, /90 %/);
  assert.equal(judge.look({}).ceased.length, 1);
});

test('an output that fails, and one that is too slow', () => {
  const judge = new Judge();
  assert.deepEqual(judge.look({}, { outputFault: 'no space is left on the device' }).raised, [
    'calls cannot be written: no space is left on the device',
  ]);
  assert.deepEqual(judge.look({ afterS: 1, lost: 10 }, { outputFault: 'no space is left on the device' }), NOTHING);
  assert.match(judge.look({ afterS: 2, lost: 10 }).raised.join(), /^10 calls were lost within the last minute/);
  assert.deepEqual(judge.codes, ['output-failing']);
  judge.look({ afterS: 70, lost: 10 });
  assert.deepEqual(judge.codes, []);
  assert.deepEqual(judge.look({ afterS: 71, lost: 10, lagMs: 12_000 }).raised, ['calls wait 12.0 s for the output']);
  assert.deepEqual(judge.look({ afterS: 72, lost: 10, lagMs: 13_000 }), NOTHING);
  assert.deepEqual(judge.codes, ['output-behind']);
});

test('log lines that are lost, faults of our own, a clock that is behind', () => {
  const judge = new Judge();
  judge.look({ bugs: 2, workers: [{ lagMs: 25_000 }] }, { logErrors: 1 });
  assert.deepEqual(judge.codes.sort(), ['clock-skew', 'log-failing', 'sensor-bug']);
  const idle = new Judge();
  idle.look({ workers: [{ lagMs: 25_000, packetsPerS: 0 }] });
  assert.deepEqual(idle.codes, [], 'the last packet of a quiet wire is old');
});

test('books that do not balance at one look may have been caught in the middle', () => {
  const judge = new Judge();
  assert.deepEqual(judge.look({ balances: false }), NOTHING);
  assert.deepEqual(judge.look({ afterS: 1 }), NOTHING);
  assert.deepEqual(judge.look({ afterS: 2, balances: false }), NOTHING);
  assert.equal(judge.look({ afterS: 3, balances: false }).raised.length, 1);
  assert.deepEqual(judge.codes, ['books-unbalanced']);
  assert.equal(judge.look({ afterS: 4 }).ceased.length, 1);
});

test('the worst first; every fault says what to do, those of others too', () => {
  const judge = new Judge();
  const own: Fault = { code: 'ring-reduced', what: 'a packet ring has 8 MiB instead of 64', next: 'Choose a smaller one.' };
  judge.look({ interfaces: [{ state: 'down' }], kernelDropped: 1, workers: [{ shedding: 0.5 }] }, { own: [own] });
  const rank = { broken: 0, warning: 1, note: 2 };
  const ranks = judge.faults.list.map(({ code }) => rank[findingKinds[code as keyof typeof findingKinds].severity]);
  assert.deepEqual(ranks, ranks.toSorted());
  assert.equal(ranks.length, 4);
  for (const { what, next } of judge.faults.list) assert.ok(what !== '' && next.endsWith('.'), `${what}: ${next}`);
  assert.ok(judge.faults.list.includes(own));
  assert.deepEqual(
    judge.look({ interfaces: [{ state: 'down' }], kernelDropped: 1, workers: [{ shedding: 0.5 }] }, { own: [{ ...own }] }),
    NOTHING,
  );
  assert.deepEqual(judge.look({ interfaces: [{ state: 'down' }], kernelDropped: 1, workers: [{ shedding: 0.5 }] }).ceased, [own.what]);
});
