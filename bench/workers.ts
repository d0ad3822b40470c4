/**
 * The workers bench: two worker threads, each with a capture of its own, against the same two captures read one after
 * the other. Wall-clock time, so it needs two processors that nobody else uses: where others took more than a few
 * per cent of the machine, it is measured and not judged.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { trafficCapture } from './captures.ts';
import { median } from './measure.ts';
import { watchOthers } from './other-load.ts';

const GAIN_MIN = 1.6;
const OTHERS_MAX = 0.05;
const MEGABYTES = 600;

export interface WorkersResult {
  readonly togetherMs: number;
  readonly inTurnMs: number;
  /** How many times as fast two are. */
  readonly gain: number;
  /** Largest share of the machine that others took during a run. */
  readonly others: number;
  readonly judged: boolean;
  readonly calls: number;
}

/** A thread that has loaded everything and waits. */
async function start(capture: string, worker: number): Promise<{ read: () => Promise<number> }> {
  const thread = new Worker(new URL('./reading-worker.ts', import.meta.url), { workerData: { capture, worker } });
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
  await next();
  return {
    read: async () => {
      const answer = next();
      thread.postMessage('go');
      const { calls } = (await answer) as { calls: number };
      await thread.terminate();
      return calls;
    },
  };
}

interface Run {
  readonly ms: number;
  readonly calls: number;
  readonly others: number;
}

async function measureRun(captures: readonly string[], together: boolean): Promise<Run> {
  const threads = await Promise.all(captures.map(start));
  const others = watchOthers();
  const startedMs = performance.now();
  let calls = 0;
  if (together) for (const n of await Promise.all(threads.map(({ read }) => read()))) calls += n;
  else for (const { read } of threads) calls += await read();
  return { ms: performance.now() - startedMs, calls, others: others() };
}

/** Measures `runs` times, in turn, and prints. Throws when a call is missing. */
export async function runWorkers(divisor: number, runs: number): Promise<WorkersResult> {
  const captures = [1, 2].map((seed) => trafficCapture('small', MEGABYTES / divisor, seed).capture);
  const together: Run[] = [];
  const inTurn: Run[] = [];
  for (let run = 0; run < runs; run++) {
    together.push(await measureRun(captures, true));
    inTurn.push(await measureRun(captures, false));
  }
  const all = [...together, ...inTurn];
  const { calls } = all[0];
  if (all.some((run) => run.calls !== calls)) throw new Error(`the runs found ${all.map((run) => run.calls).join(', ')} calls`);
  const togetherMs = median(together.map(({ ms }) => ms));
  const inTurnMs = median(inTurn.map(({ ms }) => ms));
  const gain = inTurnMs / togetherMs;
  const others = Math.max(...all.map((run) => run.others));
  const reason = whyNotJudged(others, divisor);
  const text = reason === undefined ? (gain >= GAIN_MIN ? 'held' : 'MISSED') : `not judged, because ${reason}`;
  process.stdout.write(
    `\nworkers (two captures of ${MEGABYTES / divisor} MB, ${calls} calls)\n` +
      `  one after the other ${(inTurnMs / 1000).toFixed(2)} s, two threads ${(togetherMs / 1000).toFixed(2)} s, others took up to ${(others * 100).toFixed(0)} % of the machine\n` +
      `  times as fast: ${gain.toFixed(2)} of at least ${GAIN_MIN}: ${text}\n`,
  );
  return { togetherMs, inTurnMs, gain, others, judged: reason === undefined, calls };
}

function whyNotJudged(others: number, divisor: number): string | undefined {
  if (availableParallelism() < 2) return 'there is only one processor';
  if (divisor > 1) return 'the captures are too small';
  return others > OTHERS_MAX ? 'the machine is busy' : undefined;
}
