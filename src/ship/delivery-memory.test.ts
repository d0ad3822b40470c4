/** What delivery keeps in memory while much more than that waits or passes: measured on the buffers of this process. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defaultSettings } from '../base/settings.ts';
import { INDEX_WORDS, maskedBatch } from '../policy/masked-call.ts';
import type { Batch } from './batch.ts';
import { Delivery } from './delivery.ts';
import { encoderOf, LetterBox, lineOf, numberOf, problem } from './ship-testing.ts';
import type { Outcome, Sink } from './sink.ts';
import { Spool } from './spool/spool.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const LIMIT_MS = 60_000;
const MIB = 1 << 20;
const CALLS = 12_800;
const CALLS_A_FRAME = 128;
/** Fewer than memory takes while the disk does not. */
const FRAMES_AT_ONCE = 16;
const BODY_BYTES = 8_000;
const BATCH_CALLS = 128;
const CONCURRENCY = 4;
/** Calls of which the receiver takes one of so many later. */
const PUT_OFF = 64;
/**
 * Frames that are kept for the readers, batches by bytes, and their bodies; each twice for what a collection leaves, and
 * far less than what passes: 100 MiB.
 */
const BYTES_MAX = 32 * MIB + 2 * (CONCURRENCY + 2) * 2 * MIB;

async function bytesKept(
  t: TestContext,
  answer: (numbers: readonly number[]) => Outcome,
  isDone: (delivery: Delivery) => boolean,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'earshot-memory-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const settings = { ...defaultSettings.spool, freeBytesMin: 0, compression: 'none', level: 'os' } as const;
  const spool = await Spool.open({ directory, settings, pipelines: ['all'], readers: [{ name: 'edge', pipelines: ['all'] }] });
  const sink: Sink = {
    concurrencyMax: CONCURRENCY,
    batchBytesMax: 2 * MIB,
    send: async (batch: Batch) => {
      await sleep(1);
      batch.body();
      return answer(batch.records.map(({ id }) => numberOf(id)));
    },
    probe: async () => [],
    reload: async () => null,
    close: async () => {},
  };
  const batch = { recordsMax: BATCH_CALLS, bytesMax: 2 * MIB, ageMsMax: 5 };
  const source = spool.reader('edge');
  const delivery = new Delivery({ name: 'edge', type: 'test', sink, source, encode: encoderOf(), batch, deadLetters: new LetterBox() });
  collect();
  const before = process.memoryUsage().arrayBuffers;
  delivery.start();
  for (let n = 0; n < CALLS; n += CALLS_A_FRAME) {
    const lines = Array.from({ length: CALLS_A_FRAME }, (_, i) => lineOf(n + i, BODY_BYTES));
    const index = new Int32Array(lines.length * INDEX_WORDS);
    for (const [i, line] of lines.entries()) index.set([line.length, 1], i * INDEX_WORDS);
    spool.append(maskedBatch(new Uint8Array(Buffer.concat(lines)), index));
    if ((n / CALLS_A_FRAME) % FRAMES_AT_ONCE === 0) await spool.durable(spool.state().lastSequence);
  }
  for (const endMs = Date.now() + LIMIT_MS; !isDone(delivery); await sleep(5))
    assert.ok(Date.now() < endMs, JSON.stringify(delivery.state()));
  // What was read for it is let go in its own time.
  let kept = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 10; i++) {
    collect();
    kept = Math.min(kept, process.memoryUsage().arrayBuffers - before);
    await sleep(10);
  }
  t.diagnostic(`${(kept / MIB).toFixed(1)} MiB kept of ${((CALLS * BODY_BYTES) / MIB).toFixed(0)} MiB; at most ${BYTES_MAX / MIB}`);
  await delivery.stop(Date.now(), false);
  await spool.close(Date.now() + LIMIT_MS);
  return kept;
}

test('a sink that is down: what waits lies on the disk', async (t) => {
  const down: Outcome = { type: 'retry', problem: problem('down'), afterMs: 0 };
  const kept = await bytesKept(
    t,
    () => down,
    (delivery) => delivery.state().errors > 0,
  );
  assert.ok(kept < BYTES_MAX, `${kept} bytes`);
});

test('single calls that are put off for long keep neither the calls behind them nor their frames in memory', async (t) => {
  const isPutOff = (n: number): boolean => n % PUT_OFF === 0;
  const kept = await bytesKept(
    t,
    (numbers) => ({
      type: 'in-part',
      afterMs: 0,
      failed: numbers.flatMap((n, index) => (isPutOff(n) ? [{ index, outcome: 'retry', problem: problem('later') }] : [])),
    }),
    (delivery) => delivery.state().written === CALLS - CALLS / PUT_OFF,
  );
  assert.ok(kept < BYTES_MAX, `${kept} bytes`);
});
