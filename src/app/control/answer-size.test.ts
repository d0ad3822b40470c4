import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PIPELINES_MAX } from '../../base/settings.ts';
import { DeadLetters, LETTERS_SHOWN_MAX } from '../../ship/dead-letters.ts';
import { lineOf, MemorySpool } from '../../ship/ship-testing.ts';
import { RULES_SHOWN_MAX, type SensorReport } from '../report.ts';
import { sampleReport } from '../report-testing.ts';
import type { ShipReport } from '../ship-link.ts';
import { ask } from './client.ts';
import { TestSensor } from './control-testing.ts';
import { ANSWER_BYTES_MAX } from './protocol.ts';
import { startControl } from './server.ts';

const INTERFACES = 1_000;
const WORKERS = 64;
const SINKS = 500;
const COUNTERS = 4_096;
const TEXT_CHARACTERS = 1_000;

const name = (what: string, i: number): string => `${what}${i}-`.padEnd(64, 'x');
const many = <T>(n: number, of: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => of(i));

/** As large as protocol.ts says that a report can be: every name as long as it may be, every sink blocked. */
function largest(): SensorReport {
  const sample = sampleReport();
  const ship = sample.ship as ShipReport;
  const text = 'ü'.repeat(TEXT_CHARACTERS);
  const problem = { code: name('code', 0), what: text, next: text, atMs: sample.sensor.nowAtMs };
  const n = Number.MAX_SAFE_INTEGER;
  return {
    ...sample,
    health: { ready: true, faults: many(SINKS, () => ({ code: 'sink-blocked', what: text, next: text })) },
    interfaces: many(INTERFACES, (i) => ({ ...sample.interfaces[0], name: name('e', i), packets: n, bytes: n })),
    workers: many(WORKERS, () => sample.workers[0]),
    pipelines: many(PIPELINES_MAX, (p) => ({
      ...sample.pipelines[0],
      name: name('p', p),
      sinks: many(32, (i) => name('s', i)),
      rules: many(RULES_SHOWN_MAX + 2, (i) => ({ name: name('r', i), action: 'exclude' as const, calls: n })),
    })),
    ship: {
      ...ship,
      spool: { ...ship.spool, readers: many(SINKS, (i) => ({ ...ship.spool.readers[1], name: name('s', i) })) },
      sinks: many(SINKS, (i) => ({ ...ship.sinks[1], name: name('s', i), blocked: problem, lastProblem: problem })),
    },
    counters: Object.fromEntries(many(COUNTERS, (i) => [`calls.excluded{${name('p', 0)}/${name('r', i)}}`, n])),
    ledger: many(SINKS, (i) => ({ ...sample.ledger[0], name: `records of sink ${name('s', i)}` })),
  };
}

test('the largest report is an answer that a client takes, with room to spare', async (t) => {
  const report = largest();
  const bytes = Buffer.byteLength(JSON.stringify({ report }));
  t.diagnostic(`${bytes} of ${ANSWER_BYTES_MAX} bytes`);
  assert.ok(bytes < ANSWER_BYTES_MAX / 2, `${bytes} bytes`);
  const folder = mkdtempSync(join(tmpdir(), 'earshot-answer-'));
  const sensor = new TestSensor();
  sensor.current = report;
  const server = await startControl(join(folder, 'a.sock'), sensor);
  t.after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  assert.deepEqual((await ask(join(folder, 'a.sock'), { command: 'report' })).report, report);
});

test('so is the longest list of dead letters, with whatever receivers say', async (t) => {
  const spool = new MemorySpool();
  const letters = new DeadLetters(spool, spool, new MemorySpool());
  // What takes most room in JSON.
  const text = '\u0001'.repeat(10_000);
  const problem = { code: name('code', 0), what: text, next: text };
  for (let n = 0; n <= LETTERS_SHOWN_MAX; n += 500) {
    await letters.add(
      many(500, (i) => ({ sink: name('s', 0), atMs: Date.now(), problem, sequence: Number.MAX_SAFE_INTEGER, line: lineOf(n + i) })),
    );
  }
  const list = await letters.list({}, LETTERS_SHOWN_MAX);
  assert.equal(list.length, LETTERS_SHOWN_MAX);
  const bytes = Buffer.byteLength(`${JSON.stringify({ deadLetters: list })}\n`);
  t.diagnostic(`${bytes} of ${ANSWER_BYTES_MAX} bytes`);
  assert.ok(bytes <= ANSWER_BYTES_MAX, `${bytes} bytes`);
});
