/** Runs one target over seeds until it is told to stop; what it is at stands in shared memory, so that a hang shows. */
import { parentPort, workerData } from 'node:worker_threads';
import { canaries, targets } from './targets.ts';

export interface Task {
  readonly target: string;
  readonly seed: number;
  /** Inputs to run at most. */
  readonly inputs: number;
  readonly milliseconds: number;
  /** Int32: inputs begun, seed of the last one. */
  readonly shared: SharedArrayBuffer;
}

export interface Found {
  readonly seed: number;
  readonly text: string;
}

export const BEGUN = 0;
export const SEED = 1;

if (parentPort !== null) {
  const task = workerData as Task;
  const { make, run } = { ...targets, ...canaries }[task.target];
  const state = new Int32Array(task.shared);
  const end = performance.now() + task.milliseconds;
  let found: Found | undefined;
  for (let i = 0; i < task.inputs && found === undefined && performance.now() < end; i++) {
    const seed = (task.seed + i) | 0;
    Atomics.store(state, SEED, seed);
    Atomics.add(state, BEGUN, 1);
    try {
      run(make(seed));
    } catch (error) {
      found = { seed, text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }
  parentPort.postMessage(found);
}
