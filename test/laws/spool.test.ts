/**
 * Law: the spool keeps its promise, whatever happens under it. Random histories (appends, acks, seeks, restarts, power cuts
 * and kills between any two steps, full disks, short writes, refused syncs, files that cannot be read for a while, flipped
 * bytes, removed files, quotas, clocks that jump) run beside a naive model (test/support/spool-history.ts). After each restart
 *
 *   what was below the durable mark and is not acked comes back, in order, every byte the same, unless the spool has
 *   counted it as expired, or the history has damaged it and the spool has counted it as corrupt;
 *   nothing comes that was not appended, and no number is given to two records;
 *   the books of every reader balance, at every step.
 *
 * EARSHOT_SPOOL_HISTORIES sets how many, EARSHOT_SEED where they begin. They run in threads of their own: the runner of
 * tests follows every promise, which costs more than the histories do.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { lawSeed } from '../support/run-pipeline.ts';
import type { HistoriesAsked, HistoriesDone } from '../support/spool-histories.ts';

const HISTORIES = Number(process.env.EARSHOT_SPOOL_HISTORIES ?? 10_000);
const THREADS = 2;

async function run(asked: HistoriesAsked): Promise<HistoriesDone> {
  const worker = new Worker(new URL('../support/spool-histories.ts', import.meta.url), { workerData: asked });
  const [done] = (await once(worker, 'message')) as [HistoriesDone];
  return done;
}

test(`${HISTORIES} random histories of a spool agree with the model`, async (context) => {
  const each = Math.ceil(HISTORIES / THREADS);
  const parts = Array.from({ length: HISTORIES > 1 ? THREADS : 1 }, (_, i) => ({ fromSeed: lawSeed() + i * each, count: each }));
  const done = await Promise.all(parts.map(run));
  const sums: Record<string, number> = {};
  for (const part of done) for (const [what, count] of Object.entries(part.sums)) sums[what] = (sums[what] ?? 0) + count;
  context.diagnostic(JSON.stringify(sums));
  for (const { failed } of done) {
    if (failed === null) continue;
    const { seed, error, events } = failed;
    assert.fail(`EARSHOT_SEED=${seed} EARSHOT_SPOOL_HISTORIES=1 shows it again:\n${events.join('\n')}\n${error}`);
  }
  // A law over histories in which nothing happens would say nothing.
  if (HISTORIES >= 1000) for (const [what, count] of Object.entries(sums)) assert.ok(count > HISTORIES / 10, `${what}: ${count}`);
});
