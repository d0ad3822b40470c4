/**
 * Law: random loss of segments. Of recordings of peers that are not ours, segments are left out by chance. Every stream of which a
 * frame of head or body survives is reported once; what a record says is so, and what is not known is said to be unknown.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, Segments } from '../support/http2-judge.ts';
import { loseSegments } from '../support/http2-loss.ts';
import { groups } from '../support/http2-recordings.ts';
import { truthOf } from '../support/http2-truth.ts';
import { Random } from '../support/random.ts';
import { lawSeed, runPipeline } from '../support/run-pipeline.ts';

const SEGMENT_BYTES = 1400;

interface Loss {
  readonly rate: number;
  readonly runs: number;
  /** Of the streams of which a frame survives. */
  readonly reportedMin: number;
}

/** With more loss, holes are so close, and beginnings of both sides lost so often, that where frames begin cannot always be told. */
const losses: readonly Loss[] = [
  { rate: 0.01, runs: 15, reportedMin: 1 },
  { rate: 0.08, runs: 5, reportedMin: 0.95 },
];

for (const { name: group, skip, record } of groups) {
  test(`${group}: random segments are lost`, { skip }, async (t) => {
    const recordings = await record(lawSeed());
    for (const { rate, runs, reportedMin } of losses) {
      let [lost, streams, reported, whole, fields, known] = [0, 0, 0, 0, 0, 0];
      const missed: string[] = [];
      for (const { name, connections } of recordings) {
        for (const turns of connections) {
          const truth = truthOf(turns);
          const segments = new Segments(turns, SEGMENT_BYTES, 'client-fin');
          for (let run = 0; run < runs; run++) {
            const seed = lawSeed() + run * 7919;
            const left = loseSegments(truth, segments, rate, new Random(seed));
            const { records } = runPipeline(segments.packets.filter((_, i) => left.keep[i]));
            const verdict = judge(records, { ...truth, streams: left.streams }, segments, { isDelayed: true, first: left.framed });
            const where = `${name}, seed ${seed}, without packets ${left.keep.flatMap((kept, i) => (kept ? [] : [i])).join(' ')}`;
            assert.deepEqual(verdict.faults, [], where);
            const survivors = [...left.framed];
            const found = survivors.filter((s) => verdict.reported.has(s));
            if (found.length < survivors.length) {
              const numbers = survivors.filter((s) => !verdict.reported.has(s)).map(({ stream }) => stream);
              missed.push(`${where}: streams ${numbers.join(' ')}`);
            }
            lost += left.keep.filter((kept) => !kept).length;
            streams += survivors.length;
            reported += found.length;
            whole += found.filter((s) => verdict.isWhole(s)).length;
            const part = verdict.fieldsKnownOf(survivors);
            fields += part.fields;
            known += part.known;
          }
        }
      }
      const share = (part: number, all: number): string => `${((100 * part) / all).toFixed(2)} %`;
      t.diagnostic(
        `${rate * 100} % loss, ${lost} segments: of ${streams} streams ${share(reported, streams)} reported, ${share(whole, streams)} fully known; ${share(known, fields)} of their fields`,
      );
      if (reportedMin === 1) assert.deepEqual(missed, []);
      assert.ok(reported >= reportedMin * streams, missed.join('\n'));
    }
  });
}
