/** A thread that runs histories of a spool (spool-history.ts), and says how they went. */
import { parentPort, workerData } from 'node:worker_threads';
import { History, type HistorySums } from './spool-history.ts';

export interface HistoriesAsked {
  readonly fromSeed: number;
  readonly count: number;
}

export interface HistoriesDone {
  readonly sums: HistorySums;
  /** The first that failed. */
  readonly failed: { readonly seed: number; readonly error: string; readonly events: readonly string[] } | null;
}

async function run({ fromSeed, count }: HistoriesAsked): Promise<HistoriesDone> {
  const sums: HistorySums = { crashes: 0, records: 0, delivered: 0, expired: 0, corrupt: 0, lost: 0, readsRefused: 0 };
  for (let i = 0; i < count; i++) {
    const seed = (fromSeed + i) | 0;
    const history = new History(seed, sums);
    try {
      await history.run();
    } catch (error) {
      return { sums, failed: { seed, error: String(error instanceof Error ? error.stack : error), events: history.events } };
    }
  }
  return { sums, failed: null };
}

parentPort?.postMessage(await run(workerData as HistoriesAsked));
