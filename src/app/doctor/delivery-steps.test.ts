/** The steps behind the calls, judged from evidence alone: what a probe found, what the spool's files say, what the sensor says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryState } from '../../ship/delivery-state.ts';
import { failed, passed } from '../../ship/probe.ts';
import type { ProbeStep, Problem } from '../../ship/sink.ts';
import type { SensorReport } from '../report.ts';
import { sampleReport } from '../report-testing.ts';
import type { ShipReport } from '../ship-link.ts';
import { evidence } from './doctor-testing.ts';
import type { DeliveryEvidence, DiskEvidence, SpoolEvidence } from './evidence.ts';
import { type Diagnosis, diagnose } from './steps.ts';

const NOW_MS = 1_750_000_000_000;
const GIB = 2 ** 30;
const way: readonly ProbeStep[] = [passed('name', 'edge.example is 192.0.2.1'), passed('tcp', '192.0.2.1:443')];

const disk: DiskEvidence = {
  directory: '/var/lib/earshot/spool',
  looked: '/var/lib/earshot/spool',
  unwritable: '',
  freeBytes: 20 * GIB,
  freeBytesMin: GIB,
  freeFiles: 100_000,
};

const spool: SpoolEvidence = {
  directory: disk.directory,
  level: 'disk',
  refused: null,
  usedBy: -1,
  records: 0,
  bytes: 0,
  bytesMax: 8 * GIB,
  problems: [],
  quarantinedFiles: 0,
  missingKeys: [],
  waiting: [],
  atMs: NOW_MS,
};

interface Changes {
  readonly disk?: Partial<DiskEvidence>;
  readonly spool?: Partial<SpoolEvidence>;
  readonly steps?: readonly ProbeStep[];
  readonly unencrypted?: readonly string[];
  readonly sensor?: SensorReport;
}

function told(changes: Changes = {}): Diagnosis {
  const delivery: DeliveryEvidence = {
    disk: { ...disk, ...changes.disk },
    spool: { ...spool, ...changes.spool },
    sinks: [{ name: 'edge', unencrypted: changes.unencrypted ?? [], refused: null, steps: changes.steps ?? way }],
  };
  return diagnose(evidence(null, { delivery, sensor: changes.sensor ?? null }));
}

const codesOf = ({ findings }: Diagnosis): string[] => findings.map(({ code, severity }) => `${severity} ${code}`);

function problem(code: string): Problem {
  return { code, what: `edge.example:443 says ${code}`, next: 'Mend it.' };
}

/** A sensor that is well but for what is changed of its only sink, or of its spool. */
function sensorWith(sink: Partial<DeliveryState>, changes: Partial<ShipReport['spool']> = {}): SensorReport {
  const report = sampleReport();
  assert.ok(report.ship !== null);
  const well = { name: 'edge', valid: true, blocked: null, lastProblem: null, oldestWaitingAtMs: 0 };
  const ship: ShipReport = {
    ...report.ship,
    spool: { ...report.ship.spool, level: 'disk', wantedLevel: 'disk', fault: '', readers: [], ...changes },
    sinks: [{ ...report.ship.sinks[0], ...well, ...sink }],
  };
  return { ...report, health: { ...report.health, faults: [] }, interfaces: [], endpoints: [], workers: [], ship };
}

test('without a sink the steps are skipped', () => {
  const { steps, ok } = diagnose(evidence(null));
  const skipped = steps.filter(({ evidence: why }) => why === 'no sink is configured');
  assert.deepEqual(
    skipped.map(({ step }) => step),
    ['disk', 'spool', 'sinks'],
  );
  assert.ok(ok);
});

test('all is well: a line for each part of the way, in its order and before the sensor', () => {
  const diagnosis = told();
  assert.deepEqual(diagnosis.findings, []);
  assert.deepEqual(
    diagnosis.steps.slice(-5).map(({ step }) => step),
    ['disk', 'spool', 'edge: name', 'edge: TCP', 'sensor'],
  );
});

test('disk: full, no inodes, not to be written', () => {
  assert.deepEqual(codesOf(told({ disk: { freeBytes: GIB - 1 } })), ['broken disk-full']);
  assert.deepEqual(codesOf(told({ disk: { freeBytes: GIB } })), []);
  assert.match(told({ disk: { freeFiles: 3 } }).first?.what ?? '', /inodes/);
  assert.deepEqual(codesOf(told({ disk: { freeFiles: null, freeBytes: null } })), []);
  assert.deepEqual(codesOf(told({ disk: { unwritable: 'permission denied' } })), ['broken spool-unwritable']);
});

test('a disk with too little room: the row of the spool says the level that follows from it', () => {
  const row = (changes: Changes): string => told(changes).steps.find(({ step }) => step === 'spool')?.evidence ?? '';
  assert.match(row({ disk: { freeBytes: GIB - 1 } }), /^level memory where disk is wanted, /);
  assert.match(row({ disk: { freeBytes: GIB } }), /^level disk, /);
  assert.match(row({ disk: { freeBytes: GIB - 1 }, spool: { level: 'memory' } }), /^level memory/);
});

test('spool: whose lock it is', () => {
  const sensor = sensorWith({});
  assert.deepEqual(codesOf(told({ spool: { usedBy: sensor.sensor.pid }, sensor })), []);
  const other = told({ spool: { usedBy: 77 }, sensor });
  assert.deepEqual(codesOf(other), ['broken spool-locked']);
  assert.match(
    `${other.first?.what} ${other.first?.evidence}`,
    new RegExp(`Process 77 uses.*running sensor is process ${sensor.sensor.pid}`),
  );
});

test('spool: backlog and its age are shown, expired data is spoken of', () => {
  const waiting = [{ name: 'edge', queued: 1200, oldestAtMs: NOW_MS - 7_200_000 }];
  const { steps } = told({ spool: { records: 1200, waiting } });
  assert.match(steps.find(({ step }) => step === 'spool')?.evidence ?? '', /1,200 wait for edge, the oldest for 2 h/);
  const [reader] = sampleReport().ship?.spool.readers ?? [];
  const expired = told({ sensor: sensorWith({}, { readers: [{ ...reader, expiredByQuota: 9, expiredByAge: 1 }] }) });
  assert.deepEqual(codesOf(expired), ['warning spool-expired']);
  assert.match(expired.first?.what ?? '', /10 calls went unsent/);
});

test('spool: a level below the wanted one is said once, with its reason on the disk', () => {
  const sensor = sensorWith({}, { level: 'memory', wantedLevel: 'disk', fault: 'no space is left' });
  assert.deepEqual(codesOf(told({ sensor })), ['warning spool-degraded']);
  assert.deepEqual(codesOf(told({ sensor, disk: { freeBytes: 0 } })), ['broken disk-full']);
});

test('each kind of cause has a code of its own', () => {
  for (const [name, code, finding] of [
    ['name', 'name-server-silent', 'sink-name-unknown'],
    ['tcp', 'no-route', 'sink-unreachable'],
    ['proxy', 'connection-refused', 'sink-proxy'],
    ['tls', 'certificate-revoked', 'sink-certificate'],
    ['tls', 'tls-version', 'sink-tls'],
    ['token', 'certificate-untrusted', 'sink-token'],
    ['token', 'clock-skewed', 'clock-skew'],
    ['delivery', 'client-certificate-refused', 'sink-client-certificate'],
    ['delivery', 'broken-off', 'sink-unreachable'],
    ['delivery', 'too-many-requests', 'sink-unavailable'],
    ['topic', 'topic-acl-missing', 'sink-acl'],
    ['leaders', 'advertised-unreachable', 'sink-unreachable'],
  ] as const) {
    assert.deepEqual(codesOf(told({ steps: [...way, failed(name, problem(code))] })), [`broken ${finding}`], `${name} ${code}`);
  }
});

test('what is not well at a step that works is a warning', () => {
  const diagnosis = told({ steps: [...way, passed('tls', 'TLSv1.3', problem('certificate-expires-soon'))] });
  assert.deepEqual(codesOf(diagnosis), ['warning sink-certificate-ends']);
  assert.ok(diagnosis.ok);
});

test('the running sensor and the probe agree: it is said once', () => {
  const blocked = { ...problem('forbidden'), atMs: NOW_MS };
  const sensor = sensorWith({ blocked, valid: false, lastProblem: blocked });
  const fault = { code: 'sink-blocked', what: 'sink edge is blocked: it says forbidden', next: 'Mend it.' };
  const both = told({
    sensor: { ...sensor, health: { ...sensor.health, faults: [fault] } },
    steps: [...way, failed('delivery', problem('forbidden'))],
  });
  assert.deepEqual(codesOf(both), ['broken sink-forbidden']);
  assert.match(both.first?.evidence ?? '', /says the running sensor too/);
});

test('the running sensor is blocked, and the probe got through', () => {
  const sensor = sensorWith({ blocked: { ...problem('forbidden'), atMs: NOW_MS }, valid: false });
  const diagnosis = told({ sensor });
  assert.deepEqual(codesOf(diagnosis), ['warning sink-blocked']);
  assert.match(diagnosis.first?.next ?? '', /earshot reload/);
});

test('a sink that is far behind', () => {
  const { nowAtMs } = sampleReport().sensor;
  assert.deepEqual(codesOf(told({ sensor: sensorWith({ oldestWaitingAtMs: nowAtMs - 600_000 }) })), ['warning sink-behind']);
});

test('credentials that go unencrypted are a warning, before the steps of the sink', () => {
  const diagnosis = told({ unencrypted: ['sinks.edge: credentials and calls go unencrypted to edge.example:80'] });
  assert.deepEqual(codesOf(diagnosis), ['warning sink-unencrypted']);
  assert.match(diagnosis.first?.what ?? '', /unencrypted to edge\.example:80\.$/);
  assert.deepEqual(
    diagnosis.steps.slice(-4).map(({ step }) => step),
    ['edge: encryption', 'edge: name', 'edge: TCP', 'sensor'],
  );
});

test('a probe tries nothing again, and says so of nothing; a sensor that met the same does', () => {
  const again = { ...problem('connection-refused'), next: 'Check address and port. It is tried again by itself.' };
  assert.equal(told({ steps: [failed('tcp', again)] }).first?.next, 'Check address and port.');
  const sensor = sensorWith({ valid: false, lastProblem: { ...again, atMs: NOW_MS } });
  assert.equal(told({ sensor, steps: [failed('tcp', again)] }).first?.next, again.next);
  const alone = { ...again, next: 'It is tried again by itself.' };
  assert.match(told({ steps: [failed('tcp', alone)] }).first?.next ?? '', /^Check address and port, whether the service/);
});
