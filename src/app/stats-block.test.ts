import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteStream } from 'node:tty';
import { createColors } from 'picocolors';
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
  assert.equal(line.balancesOff, 0);
  assert.equal(statsLine({ ...sampleReport(), ledger: [{ name: 'x', total: 1, parts: [], balances: false }] }).balancesOff, 1);
});

test('the report for tests agrees with itself', () => {
  const { stages, workers, interfaces, endpoints, ledger, counters } = sampleReport();
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
});
