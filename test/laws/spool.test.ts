/**
 * Law: the spool keeps its promise, whatever happens under it. Random histories (appends, acks, seeks, restarts, power cuts
 * and kills between any two steps, full disks, short writes, refused syncs, flipped bytes, removed files, quotas, clocks
 * that jump) run beside a naive model (test/support/spool-history.ts). After each restart
 *
 *   what was below the durable mark and is not acked comes back, in order, every byte the same, unless the spool has
 *   counted it as expired, or the history has damaged it and the spool has counted it as corrupt;
 *   nothing comes that was not appended, and no number is given to two records;
 *   the books of every reader balance, at every step.
 *
 * EARSHOT_SPOOL_HISTORIES sets how many, EARSHOT_SEED where they begin.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lawSeed } from '../support/run-pipeline.ts';
import { History, type HistorySums } from '../support/spool-history.ts';

const HISTORIES = Number(process.env.EARSHOT_SPOOL_HISTORIES ?? 10_000);

test(`${HISTORIES} random histories of a spool agree with the model`, async (context) => {
  const sums: HistorySums = { crashes: 0, records: 0, delivered: 0, expired: 0, corrupt: 0, lost: 0 };
  for (let i = 0; i < HISTORIES; i++) {
    const seed = (lawSeed() + i) | 0;
    try {
      await new History(seed, sums).run();
    } catch (error) {
      throw new Error(`EARSHOT_SEED=${seed} EARSHOT_SPOOL_HISTORIES=1 shows it again: ${String(error)}`, { cause: error });
    }
  }
  context.diagnostic(JSON.stringify(sums));
  // A law over histories in which nothing happens would say nothing.
  if (HISTORIES >= 1000) for (const [what, count] of Object.entries(sums)) assert.ok(count > HISTORIES / 10, `${what}: ${count}`);
});
