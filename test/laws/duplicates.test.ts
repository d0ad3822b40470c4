/**
 * Copies: every packet is mirrored under two VNIs and some copies are lost. Each call comes once, as its more complete
 * copy; `calls.duplicate` counts the others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Verifier, verdictText } from '../../bench/verify.ts';
import { captured } from '../support/captured.ts';
import { lawSeed, runPipeline, settingsWith } from '../support/run-pipeline.ts';
import type { LostBytes } from '../support/truth.ts';

const settings = settingsWith({ http: { bodyBytes: 4096 } });
const isWhole = (l: LostBytes): boolean => l.requestHead + l.requestBody + l.responseHead + l.responseBody === 0;

for (const lossRate of [0, 0.01, 0.05]) {
  for (const offset of [1, 2]) {
    test(`both ends mirrored, ${lossRate * 100} % lost: seed + ${offset}`, () => {
      const seed = (lawSeed() & 0xffff) + offset;
      const { packets, calls, options } = captured({ kind: 'small', megabytes: 1.5, seed, mirroredTwice: true, lossRate });
      const { records, counters } = runPipeline(packets, { settings });
      const verifier = new Verifier(calls, options);
      for (const record of records) verifier.line(JSON.stringify(record));
      const verdict = verifier.result();
      const { wrong, invented, repeated, holesUnflagged } = verdict;
      assert.deepEqual(
        { wrong, invented, repeated, holesUnflagged },
        { wrong: 0, invented: 0, repeated: 0, holesUnflagged: 0 },
        verdictText(verdict),
      );
      assert.equal(counters['calls.duplicate'], counters['calls.seen'] - records.length);
      if (lossRate === 0) assert.equal(counters['calls.duplicate'], calls.length);
      const complete = new Set(records.filter((r) => r.complete && r.request !== null).map((r) => r.request?.target));
      const wholeSomewhere = calls.filter((c) => c.lost.length === 0 || c.lost.some(isWhole));
      const missed = wholeSomewhere.filter((c) => !complete.has(c.target));
      assert.ok(
        missed.length <= wholeSomewhere.length * Math.max(0.01, lossRate),
        `${missed.length} of ${wholeSomewhere.length} calls whole in one copy are not reported whole`,
      );
    });
  }
}

test('equal addresses under two VNIs are two connections', () => {
  const seed = lawSeed() & 0xffff;
  const { packets, calls, options } = captured({ kind: 'small', megabytes: 1, seed, overlappingAddresses: true });
  const verifier = new Verifier(calls, options);
  for (const record of runPipeline(packets, { settings }).records) verifier.line(JSON.stringify(record));
  const verdict = verifier.result();
  assert.ok(verdict.ok, verdictText(verdict));
});
