import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteStream } from 'node:tty';
import { createColors } from 'picocolors';
import { deliveryBalance } from '../ship/delivery-state.ts';
import type { ReaderLedger } from '../ship/spool/state.ts';
import type { SensorReport } from './report.ts';
import { sampleReport } from './report-testing.ts';
import { statsBlock, statsLine } from './stats-block.ts';
import { coloursOf } from './terminal.ts';

const plain = coloursOf({} as WriteStream);
const block = (report: SensorReport, columns = 80): string => statsBlock(report, { columns, colours: plain });

test('the three stages side by side in 80 columns', () => {
  assert.equal(
    block(sampleReport()),
    `frankfurt/edge-7  2026-03-03 13:04:05 UTC  up 2 d 3 h
reader                     pipeline                   sink
read              1.00 G   received      60,000,000   received      56,499,990
rate            51,000/s   rate             3,050/s   written       56,499,000
bytes             700 GB   filtered out   1,500,000   rate             2,870/s
bit rate      286 Mbit/s   duplicate      2,000,000   bytes            63.3 GB
kernel drops      12,345   valid         59,880,000   errors                 2
shed              31,000   incomplete       120,000   lost                 500
errors               111   gaps               5,120   queue             549 kB
not TCP       89,964,679   gap bytes        7.48 MB   lag              35.0 ms
own                4,210   connections       24,300
ring                97 %   in flight            204
lag               812 ms   workers                2
overload: up to 25 % of a worker's connections left out
pipeline        passed  filtered out  sampled out  -> sinks
everything  56,499,990     1,480,000       20,000  lake
platform    20,000,000    37,999,990            0  edge, lake
rule           pipeline    does          calls
otherwise      everything  include  56,519,990
otherwise      platform    exclude  37,999,990
api            platform    include  19,400,000
static-assets  everything  exclude   1,200,000
health-checks  everything  exclude     280,000
masked   31,400,000 values   in 9,800,000 calls   250 only reported
sink lake (kafka)   valid: true
  received 56,498,400   written 56,498,000   rate 2,870/s   bytes 63.3 GB
  errors 2   retries 2   dead letters 0   expired 0   corrupt 0   in flight 400
  queued 1,000   bytes queued 1.57 MB   oldest waiting 480 ms
  last problem 2 h 1 min ago: Nobody listens at broker-2.example:9092: the
  connection is refused.
sink edge (uap-edge)   valid: false   blocked for 3 min 10 s
  received 19,800,503   written 19,800,000   rate 0/s   bytes 22.2 GB
  errors 12   retries 11   dead letters 3   expired 20   corrupt 7
  in flight 500   queued 200,570   bytes queued 241 MB   oldest waiting 3.42 min
  auth.example:443 refuses the client (401, invalid_client).
    Correct auth.clientId and auth.clientSecret of the sink, and earshot reload.
spool   level memory, wanted disk   1.48 GB of 8.59 GB   free 512 MB
  accepted 56,499,400   durable up to 56,501,320   lost 100   expired 20
  corrupt 11 in 2 frames
  No space is left on the disk.
dead letters   kept 12   15.9 kB of 268 MB   expired 2
delivery   running   restarts 1   lost before the spool 500
grpc
  calls    OK (0) 40,000, NOT_FOUND (5) 300, not seen 2
http/2
  frames   data 120,000, headers 81,000, window-update 9,000
  streams  reset 25, pushed 3
  unused   40 frames of streams that were over, 12.0 kB in search of a frame
websocket
           5,000 connections, 30.0 kB not read
  clients  text 700,000 (84.0 MB), compressed 650,000
  servers  incomplete 12, ping 40,000
  closes   1000 4,000, 1006 900
  records  written 690,000, filtered (call) 9,000, lost (rate) 1,000
encrypted, cannot be read
  TLS  12,000 hellos, login.example.com 9,000, (none) 2,000, others 1,000
  JA4  t13d1516h2_8daaf6152771_e5627efa2ab1 11,990
  QUIC 10,000 packets, 100 connections, HTTP/3 90
ledger
  balances: packets received 1,000,000,000 = decoded 910,000,000
            + dropped 90,000,000
  balances: payload bytes seen 610,000,000,000 = http 540,000,000,000
            + tls 60,000,000,000 + other 9,000,000,000
            + retransmitted 999,000,000 + discarded 900,000 + held 100,000
  balances: calls seen 60,000,000 = written 56,499,990 + duplicate 2,000,000
            + filtered 1,500,000 + waiting 10
`,
  );
});

/** The report with every amount multiplied. */
function scaled(report: SensorReport, factor: number): SensorReport {
  return JSON.parse(JSON.stringify(report), (name, value: unknown) =>
    typeof value === 'number' && !/AtMs$|ringFill|shedding|cpu$/.test(name) ? value * factor : value,
  ) as SensorReport;
}

test('it fits the columns that there are, whatever the numbers', () => {
  for (const factor of [0, 1, 1e6]) {
    for (let columns = 60; columns <= 140; columns++) {
      for (const line of block(scaled(sampleReport(), factor), columns).split('\n')) {
        assert.ok(line.length <= columns, `${columns} columns, times ${factor}: ${line}`);
      }
    }
  }
  assert.match(block(sampleReport(), 140), /^read +1,000,000,000 /m);
});

test('rules: those that decided most calls, or all of them', () => {
  const report = sampleReport();
  const all = statsBlock(report, { columns: 110, colours: plain, rules: true });
  assert.match(all, /^websocket +everything +exclude +0$/m);
  assert.match(all, /^600,000 calls were decided by rules that are not listed$/m);
  const [everything] = report.pipelines;
  const rules = Array.from({ length: 20 }, (_, i) => ({ name: `r${i}`, action: 'exclude' as const, calls: i }));
  const many = block({ ...report, pipelines: [{ ...everything, rules }] });
  assert.deepEqual(
    [...many.matchAll(/^(r\d+) +everything/gm)].map(([, name]) => name),
    ['r19', 'r18', 'r17', 'r16', 'r15'],
  );
  assert.match(many, /^14 more rules have decided calls: earshot stats --rules$/m);
});

test('without sinks no line about them; a delivery thread that died is named', () => {
  const report = sampleReport();
  assert.doesNotMatch(block({ ...report, delivery: null, ship: null }), /^(sink \w+ [(]|spool|dead letters|delivery)/m);
  const away = block({ ...report, delivery: { isRunning: false, restarts: 1, received: 5, lost: 2 }, ship: null });
  assert.match(away, /^delivery {3}dead, being started again {3}restarts 1 {3}lost before the spool 2$/m);
});

test('a sink that fails says what it met last and what to do; one that is well only when', () => {
  const report = sampleReport();
  const { ship } = report;
  assert.ok(ship !== null);
  const [lake] = ship.sinks;
  const of = (sink: Partial<typeof lake>): string => block({ ...report, ship: { ...ship, sinks: [{ ...lake, ...sink }] } }, 110);
  assert.match(
    of({ valid: false }),
    /^sink lake .* valid: false\n(?:.*\n)+ {2}last problem .*\n {4}Check address and port[.] It is tried/m,
  );
  assert.doesNotMatch(of({}), /Check address/);
  assert.doesNotMatch(of({ lastProblem: null }), /last problem/);
  assert.match(of({ oldestWaitingAtMs: 0 }), /oldest waiting -$/m);
  assert.match(of({ written: 0, errors: 0, deadLettered: 0 }), /^sink lake [(]kafka[)] {3}valid: - [(]not tried yet[)]$/m);
  assert.match(of({ written: 0, errors: 1, deadLettered: 0, valid: false }), /^sink lake .* valid: false$/m);
});

test('what receivers and files say cannot steer the terminal, and is cut', () => {
  const report = sampleReport();
  const { ship } = report;
  assert.ok(ship !== null);
  const hostile = `\x1b[2J\x9b31m\r\u202e\n${'x'.repeat(5_000)}`;
  const problem = { code: hostile, what: hostile, next: hostile, atMs: 1 };
  const text = block({
    ...report,
    pipelines: [{ ...report.pipelines[0], name: hostile, sinks: [hostile], rules: [{ name: hostile, action: 'include', calls: 1 }] }],
    ship: {
      ...ship,
      spool: { ...ship.spool, fault: hostile },
      sinks: [{ ...ship.sinks[1], name: hostile, type: hostile, blocked: problem, lastProblem: problem }],
    },
  });
  assert.doesNotMatch(text, /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
});

test('colours change no column', () => {
  const coloured = statsBlock(sampleReport(), { columns: 80, colours: createColors(true) });
  const ESC = String.fromCharCode(27);
  assert.notEqual(coloured, block(sampleReport()));
  assert.equal(coloured.replaceAll(new RegExp(`${ESC}\\[\\d+m`, 'g'), '').replaceAll(/ +$/gm, ''), block(sampleReport()));
});

test('a balance that does not hold is named with by how much', () => {
  const report = sampleReport();
  const off = (total: number): string =>
    block({ ...report, ledger: [{ name: 'calls seen', total, parts: [['written', 7]], balances: false }] });
  assert.match(off(10), /^ {2}3 TOO FEW: calls seen 10 = written 7$/m);
  assert.match(off(2_000), /^ {2}1,993 TOO FEW: calls seen 2,000 = written 7$/m);
  assert.match(off(5), /^ {2}2 TOO MANY: calls seen 5 = written 7$/m);
  const empty = block({ ...report, ledger: [{ name: 'calls seen', total: 0, parts: [], balances: true }] });
  assert.match(empty, /^ {2}balances: calls seen 0 = 0$/m);
});

test('a sensor without workers, and one that lacks some', () => {
  const report = sampleReport();
  assert.match(block({ ...report, workers: [] }), /^lag +0 us +workers +0$/m);
  assert.doesNotMatch(block({ ...report, workers: [] }), /overload/);
  const dead = report.workers.map((worker) => ({ ...worker, state: 'dead' as const }));
  assert.match(block({ ...report, workers: [report.workers[0], ...dead] }), /workers +1 of 3$/m);
});

test('the line has the same names at all times, and only numbers', () => {
  const line = statsLine(sampleReport());
  assert.deepEqual(Object.keys(statsLine({ ...sampleReport(), workers: [], ledger: [] })), Object.keys(line));
  for (const [name, value] of Object.entries(line)) {
    assert.match(name, /^[a-z]+([A-Z][A-Za-z]*)*$/);
    assert.ok(Number.isFinite(value), name);
  }
  assert.equal(line.packetsRead, 1_000_000_000);
  assert.equal(line.lagMsMax, 812);
  assert.equal(line.workerRestarts, 1);
  assert.equal(line.faults, 2);
  assert.deepEqual([line.callsPassed, line.callsSampledOut, line.valuesMasked], [76_499_990, 20_000, 31_400_000]);
  assert.deepEqual([line.sinks, line.sinksValid, line.sinksBlocked, line.deliveryWritten], [2, 1, 1, 76_298_000]);
  assert.deepEqual([line.deliveryLost, line.deadLetters, line.deliveryExpired, line.oldestWaitingMs], [500, 3, 20, 205_000]);
  assert.equal(line.spoolDurableSequence, 56_501_320);
  assert.deepEqual(Object.keys(statsLine({ ...sampleReport(), delivery: null, ship: null, pipelines: [] })), Object.keys(line));
  assert.equal(line.balancesOff, 0);
  assert.equal(statsLine({ ...sampleReport(), ledger: [{ name: 'x', total: 1, parts: [], balances: false }] }).balancesOff, 1);
});

test('the report for tests agrees with itself', () => {
  const { stages, workers, interfaces, endpoints, ledger, counters, pipelines, delivery, ship } = sampleReport();
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
  const { reader, pipeline, sink } = stages;
  const places = [...interfaces, ...endpoints];
  for (const name of ['packets', 'packetsPerS'] as const) {
    const total = name === 'packets' ? reader.read : reader.readPerS;
    assert.equal(sum(places.map((place) => place[name])), total);
    assert.equal(sum(workers.map((worker) => worker[name])), total);
  }
  assert.equal(sum(places.map(({ bytes }) => bytes)), reader.bytes);
  assert.equal(sum(places.map(({ bytesPerS }) => bytesPerS)), reader.bytesPerS);
  assert.equal(sum(workers.map(({ kernelDropped }) => kernelDropped)), reader.kernelDropped);
  assert.equal(sum(workers.map(({ callsPerS }) => callsPerS)), pipeline.receivedPerS);
  assert.equal(sum(workers.map(({ flows }) => flows)), pipeline.flows);
  assert.equal(sum(workers.map(({ callsInFlight }) => callsInFlight)), pipeline.callsInFlight);
  assert.equal(reader.read, counters['packets.decoded'] + reader.other + reader.errors + reader.own + reader.shed);
  assert.equal(pipeline.received, pipeline.valid + pipeline.incomplete);
  for (const { name, total, parts, balances } of ledger) assert.equal(balances, sum(parts.map(([, n]) => n)) === total, name);
  const parts = Object.fromEntries(ledger[2].parts);
  assert.deepEqual([parts.written, parts.duplicate, parts.filtered], [sink.received, pipeline.duplicate, pipeline.filteredOut]);
  assert.ok(sink.written + sink.lost <= sink.received);
  for (const { name, passed, filteredOut, sampledOut, rules, otherRulesCalls } of pipelines) {
    const decided = sum(rules.map(({ calls }) => calls)) + otherRulesCalls;
    assert.equal(passed + filteredOut + sampledOut, decided, name);
    const counted = Object.entries(counters).filter(
      ([key]) => key.startsWith(`calls.included{${name}/`) || key.startsWith(`calls.excluded{${name}/`),
    );
    assert.equal(sum(counted.map(([, n]) => n)), decided, name);
  }
  assert.ok(ship !== null && delivery !== null);
  for (const state of ship.sinks) {
    const reader: ReaderLedger | undefined = ship.spool.readers.find(({ name }) => name === state.name);
    assert.ok(reader !== undefined && deliveryBalance(reader.queuedAtStart, reader.accepted, state).balances, state.name);
    assert.equal(state.inFlight + state.queued, reader.queued, state.name);
  }
  assert.ok(ship.spool.offered <= delivery.received && ship.spool.lost <= delivery.lost);
});

test('calls that were reported open, and how many of them have ended, where there are any', () => {
  const report = sampleReport();
  assert.doesNotMatch(block(report), /still open|closings /);
  const counters = { ...report.counters, 'calls.incomplete{still-open}': 17, 'closings.seen': 5 };
  assert.match(block({ ...report, counters }), /still open +17\b/);
  assert.match(block({ ...report, counters }), /closings +5\b/);
});
