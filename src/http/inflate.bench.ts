/**
 * Inflate beside zlib.gunzipSync on JSON bodies of 1 to 16 KiB: microseconds a body and the ratio of ours to it, also
 * with the copies that a body in the arena needs. Best of a hundred short rounds each, so nearly free of the garbage
 * collector's pauses, which only the other side causes. Sixty-four different bodies take turns, so that neither side
 * profits from a branch predictor that knows the body.
 *
 *   node src/http/inflate.bench.ts
 */
import * as zlib from 'node:zlib';
import { blockRegion, bytes, outputRegion } from '../base/arena.ts';
import { GZIP, inflate } from './inflate.ts';

const BODIES = 64;
const TO = outputRegion.at;

let x = 1;
function next(n: number): number {
  x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return (x >>> 8) % n;
}

function body(length: number): Buffer {
  let text = '[';
  while (text.length < length) {
    text += JSON.stringify({
      orderId: next(1e7),
      customer: { name: `Customer ${next(5000)}`, email: `user${next(5000)}@example.com`, active: next(3) > 0 },
      items: Array.from({ length: next(4) }, () => ({ sku: next(2 ** 24).toString(36), quantity: next(9), price: next(99999) / 100 })),
      createdAt: new Date(1.7e12 + next(1e9)).toISOString(),
    });
  }
  return Buffer.from(text.slice(0, length));
}

/** Microseconds a call of each, best of the rounds; the runs of a round follow each other, so that noise meets all. */
function best(rounds: number, calls: number, runs: readonly ((i: number) => void)[]): number[] {
  const us = runs.map(() => Number.POSITIVE_INFINITY);
  for (let r = 0; r < rounds; r++) {
    for (const [k, run] of runs.entries()) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < calls; i++) run(i & (BODIES - 1));
      us[k] = Math.min(us[k], Number(process.hrtime.bigint() - start) / 1000 / calls);
    }
  }
  return us;
}

for (const length of [1024, 2048, 4096, 16384]) {
  const packed = Array.from({ length: BODIES }, () => zlib.gzipSync(body(length)));
  const at = new Int32Array(BODIES);
  const end = new Int32Array(BODIES);
  let top = blockRegion.at;
  for (let i = 0; i < BODIES; i++) {
    bytes.set(packed[i], top);
    at[i] = top;
    top += packed[i].length;
    end[i] = top;
  }
  const [ours, theirs, inArena] = best(100, Math.round((1 << 19) / length), [
    (i) => inflate(at[i], end[i], TO, TO + 65536, GZIP),
    (i) => zlib.gunzipSync(packed[i]),
    (i) => zlib.gunzipSync(bytes.subarray(at[i], end[i])).copy(bytes, TO),
  ]);
  const mean = Math.round((top - blockRegion.at) / BODIES);
  console.log(
    `${length} B (gzip ${mean} B)  inflate ${ours.toFixed(1)} us  gunzipSync ${theirs.toFixed(1)} us (${(ours / theirs).toFixed(2)})  ` +
      `the same from arena to arena ${inArena.toFixed(1)} us (${(ours / inArena).toFixed(2)})`,
  );
}
