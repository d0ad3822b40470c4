import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryState } from '../ship/delivery-state.ts';
import { findingKinds } from './doctor/findings.ts';
import { Faults } from './faults.ts';
import type { DeliveryReport, SensorReport } from './report.ts';
import { sampleReport } from './report-testing.ts';
import type { ShipReport } from './ship-link.ts';

const START_MS = Date.UTC(2026, 2, 1);

interface Changes {
  readonly afterS?: number;
  readonly sink?: Partial<DeliveryState>;
  readonly spool?: Partial<ShipReport['spool']>;
  readonly deadLetters?: Partial<ShipReport['deadLetters']>;
  readonly delivery?: Partial<DeliveryReport>;
  readonly isAway?: boolean;
}

const sample = sampleReport();
const { spool: spoolSample, deadLetters: lettersSample, sinks } = sample.ship as ShipReport;
const quiet = { level: 'disk', wantedLevel: 'disk', fault: '', lost: 0, corruptFrames: 0, corruptRecords: 0, readers: [] } as const;

/** A sensor with one sink, all well but for the changes. */
function report({ afterS = 0, sink = {}, spool = {}, deadLetters = {}, delivery = {}, isAway = false }: Changes): SensorReport {
  const nowAtMs = START_MS + 1000 * afterS;
  const well = { ...sinks[0], name: 'edge', errors: 0, lastProblem: null, oldestWaitingAtMs: nowAtMs - 100 };
  return {
    ...sample,
    sensor: { ...sample.sensor, startedAtMs: START_MS, nowAtMs },
    interfaces: [sample.interfaces[0]],
    endpoints: [],
    workers: [sample.workers[0]],
    stages: {
      ...sample.stages,
      reader: { ...sample.stages.reader, kernelDropped: 0 },
      sink: { ...sample.stages.sink, to: 'sinks', lost: 0, lagMs: 0 },
    },
    weirds: {},
    delivery: { isRunning: true, restarts: 0, received: 100, lost: 0, ...delivery },
    ship: isAway
      ? null
      : {
          atMs: nowAtMs,
          putBack: 0,
          cpuMs: 1,
          spool: { ...spoolSample, ...quiet, ...spool },
          deadLetters: { ...lettersSample, ...quiet, ...deadLetters },
          sinks: [{ ...well, ...sink }],
        },
  };
}

class Judge {
  readonly faults = new Faults();

  look(changes: Changes): { raised: string[]; ceased: string[] } {
    const { raised, ceased } = this.faults.judge(report(changes), [], '', 0);
    return { raised: raised.map(({ what }) => what), ceased: ceased.map(({ what }) => what) };
  }

  get codes(): string[] {
    return this.faults.list.map(({ code }) => code);
  }
}

const NOTHING = { raised: [], ceased: [] };
const problem = {
  code: 'certificate-expired',
  what: 'The certificate of edge.example:443 has expired.',
  next: 'Renew it.',
  atMs: START_MS,
};

test('delivery that is well has no fault, and without sinks there is none to find', () => {
  const judge = new Judge();
  assert.deepEqual(judge.look({}), NOTHING);
  assert.deepEqual([judge.codes, judge.faults.ready], [[], true]);
});

test('a blocked sink: the words of its problem, what to do about that, told once', () => {
  const judge = new Judge();
  const sink = { valid: false, blocked: problem, oldestWaitingAtMs: START_MS - 3_600_000 };
  assert.deepEqual(judge.look({ sink }).raised, ['sink edge is blocked: The certificate of edge.example:443 has expired']);
  assert.deepEqual([judge.codes, judge.faults.list[0].next], [['sink-blocked'], 'Renew it.']);
  assert.equal(judge.faults.ready, true, 'packets are taken all the same');
  assert.deepEqual(judge.look({ afterS: 200, sink }), NOTHING, 'that it is behind follows from it');
  const refused = { ...problem, code: 'token-refused', what: 'The token is refused' };
  const { raised, ceased } = judge.look({ afterS: 201, sink: { ...sink, blocked: refused } });
  assert.deepEqual([raised, ceased.length], [['sink edge is blocked: The token is refused'], 1]);
  assert.deepEqual(judge.look({ afterS: 202 }).ceased, ['sink edge is blocked: The token is refused']);
});

test('a sink that fails is a fault after a minute, not for a moment', () => {
  const judge = new Judge();
  const sink = { valid: false, lastProblem: { ...problem, code: 'connection-refused', what: 'Nobody listens at edge.example:443' } };
  assert.deepEqual(judge.look({ sink }), NOTHING);
  assert.deepEqual(judge.look({ afterS: 59, sink }), NOTHING);
  assert.deepEqual(judge.look({ afterS: 61, sink }).raised, ['nothing gets through to sink edge: Nobody listens at edge.example:443']);
  assert.deepEqual([judge.codes, judge.faults.list[0].next], [['sink-failing'], 'Renew it.']);
  assert.equal(judge.look({ afterS: 62 }).ceased.length, 1);
  assert.deepEqual(judge.look({ afterS: 63, sink }), NOTHING, 'the minute begins anew');
});

test('a sink that is down is not called slow', () => {
  const judge = new Judge();
  const sink = { valid: false, lastProblem: problem, oldestWaitingAtMs: START_MS - 10_000 };
  for (const afterS of [0, 30, 55, 60]) assert.deepEqual(judge.look({ afterS, sink }), NOTHING, String(afterS));
  judge.look({ afterS: 61, sink });
  assert.deepEqual(judge.codes, ['sink-failing']);
  judge.look({ afterS: 62, sink: { ...sink, valid: true } });
  assert.deepEqual(judge.codes, ['sink-behind'], 'it works off what has waited');
});

test('a sink that takes less than comes is behind', () => {
  const judge = new Judge();
  const waiting = (s: number): Partial<DeliveryState> => ({ oldestWaitingAtMs: START_MS - 1000 * s, queued: 5_000, inFlight: 40 });
  assert.deepEqual(judge.look({ sink: waiting(60) }), NOTHING);
  assert.deepEqual(judge.look({ sink: waiting(125) }).raised, ['sink edge is 2 min 5 s behind: 5,040 calls wait for it']);
  assert.deepEqual(judge.look({ sink: waiting(190) }), NOTHING);
  assert.deepEqual(judge.codes, ['sink-behind']);
  assert.equal(judge.look({ sink: { oldestWaitingAtMs: 0 } }).ceased.length, 1);
});

test('a spool below its level says why', () => {
  const judge = new Judge();
  const spool = { level: 'memory', fault: 'No space is left on the disk.' } as const;
  assert.deepEqual(judge.look({ spool }).raised, ['the spool keeps level memory where disk is wanted: No space is left on the disk']);
  assert.deepEqual(judge.look({ spool: { ...spool, fault: 'The disk is slow.' } }), NOTHING, 'the same fault in other words');
  assert.deepEqual(judge.codes, ['spool-degraded']);
  assert.deepEqual(judge.look({ spool: { level: 'memory', wantedLevel: 'memory' } }).raised, [], 'as it is wanted');
  assert.deepEqual(judge.look({ deadLetters: spool }).raised.length, 1);
});

test('what was lost, what expired, what is damaged, and dead letters stay for a minute', () => {
  const reader = { ...lettersSample.readers[0], expiredByQuota: 4, expiredByAge: 0 };
  const cases: [Changes, string, RegExp][] = [
    [{ delivery: { lost: 12 } }, 'spool-lost', /^12 calls were lost within the last minute before the spool/],
    [{ sink: { expired: 7 } }, 'spool-expired', /^7 calls for sink edge went unsent/],
    [{ deadLetters: { readers: [reader] } }, 'spool-expired', /^4 dead letters went within the last minute/],
    [{ spool: { corruptFrames: 2 } }, 'spool-corrupt', /^2 frames of the spool were found damaged/],
    [{ sink: { deadLettered: 3 } }, 'dead-letters', /^3 calls that sink edge refuses were put aside/],
  ];
  for (const [changes, code, words] of cases) {
    const judge = new Judge();
    assert.deepEqual(judge.look({}), NOTHING);
    const { raised } = judge.look({ afterS: 1, ...changes });
    assert.equal(raised.length, 1, code);
    assert.match(raised[0], words);
    for (let s = 2; s < 60; s++) assert.deepEqual(judge.look({ afterS: s, ...changes }), NOTHING, code);
    assert.deepEqual(judge.codes, [code]);
    assert.equal(judge.faults.list[0].next, findingKinds[code as keyof typeof findingKinds].next);
    for (let s = 60; s < 65; s++) judge.look({ afterS: s, ...changes });
    assert.deepEqual(judge.codes, [], `${code} does not stay for ever`);
  }
});

test('a delivery thread that died', () => {
  const judge = new Judge();
  assert.deepEqual(judge.look({ delivery: { isRunning: false, restarts: 1 }, isAway: true }).raised, [
    'the delivery thread died (1 times so far) and is about to be started again',
  ]);
  assert.deepEqual(judge.codes, ['delivery-dead']);
  assert.deepEqual(judge.look({ delivery: { isRunning: false, restarts: 4 }, isAway: true }), NOTHING);
  assert.equal(judge.look({ delivery: { restarts: 5 } }).ceased.length, 1);
});

test('two sinks with the same trouble are two faults', () => {
  const faults = new Faults();
  const one = report({ sink: { valid: false, blocked: problem } });
  const ship = one.ship as ShipReport;
  const { raised } = faults.judge({ ...one, ship: { ...ship, sinks: [...ship.sinks, { ...ship.sinks[0], name: 'lake' }] } }, [], '', 0);
  assert.deepEqual(
    raised.map(({ what }) => /^sink (\w+) /.exec(what)?.[1]),
    ['edge', 'lake'],
  );
});
