/**
 * The fuzzers: every target of targets.ts in turn, by seed, for a share of the time each.
 *
 *   node test/fuzz/run.ts [--seconds 60] [--seed N]      all targets, then the canaries, which must be found
 *   node test/fuzz/run.ts --target NAME --seed N         one input again
 *   node test/fuzz/run.ts --target NAME --seconds 60     one target only
 *   node test/fuzz/run.ts --canary                       the canaries alone: exit code 1, because they are found
 *
 * A target runs in a worker thread; an input that takes longer than its limit is a hang. What is found is saved under
 * .cache/fuzz/ as a capture, and the line to make it again is printed. Exit code 0: nothing found, and the canaries were.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { canaries, type Target, targets } from './targets.ts';
import { BEGUN, type Found, SEED, type Task } from './worker.ts';

const LOOK_MS = 50;
const CANARY_SECONDS_MAX = 20;
const cache = join(import.meta.dirname, '../../.cache/fuzz');

interface Result {
  readonly inputs: number;
  readonly seconds: number;
  readonly found: Found | undefined;
}

/** Runs a target until its time or its inputs are over, or it found something. */
async function fuzz(name: string, target: Target, seed: number, inputs: number, milliseconds: number): Promise<Result> {
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const task: Task = { target: name, seed, inputs, milliseconds, shared };
  const started = performance.now();
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: task,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  let begun = 0;
  let since = performance.now();
  let watch: NodeJS.Timeout | undefined;
  const found = await new Promise<Found | undefined>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', (error) =>
      resolve({ seed: Atomics.load(state, SEED), text: `the worker ended: ${error.stack ?? error.message}` }),
    );
    worker.once('exit', (code) => reject(new Error(`the worker of ${name} ended with ${code} and said nothing`)));
    watch = setInterval(() => {
      const now = Atomics.load(state, BEGUN);
      if (now !== begun) {
        begun = now;
        since = performance.now();
      } else if (begun > 0 && performance.now() - since > target.limitMs) {
        resolve({ seed: Atomics.load(state, SEED), text: `a hang: more than ${target.limitMs} ms` });
      }
    }, LOOK_MS);
  });
  clearInterval(watch);
  await worker.terminate();
  return { inputs: Atomics.load(state, BEGUN), seconds: (performance.now() - started) / 1000, found };
}

/** Saves the input that was found; returns its path. */
function save(name: string, target: Target, seed: number): string {
  const { packets, file } = target.make(seed);
  mkdirSync(cache, { recursive: true });
  const path = join(cache, `${name}-${seed}.pcap`);
  if (file !== undefined) {
    writeFileSync(path, file);
    return path;
  }
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(packets?.[0]?.linkType ?? 1, 20);
  const records = (packets ?? []).map(({ data, timeUs, wireBytes }) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(timeUs / 1e6), 0);
    record.writeUInt32LE(timeUs % 1e6, 4);
    record.writeUInt32LE(data.length, 8);
    record.writeUInt32LE((wireBytes ?? data.length) >>> 0, 12);
    return Buffer.concat([record, data]);
  });
  writeFileSync(path, Buffer.concat([header, ...records]));
  return path;
}

function report(name: string, target: Target, { inputs, seconds, found }: Result, wanted: boolean): void {
  const verdict = found === undefined ? 'nothing found' : wanted ? 'found, as it must be' : 'FOUND';
  console.log(`${name.padEnd(14)} ${String(inputs).padStart(8)} inputs ${seconds.toFixed(1).padStart(6)} s   ${target.what}: ${verdict}`);
  if (found === undefined || wanted) return;
  console.log(found.text);
  console.log(`saved: ${save(name, target, found.seed)}`);
  console.log(`again: node test/fuzz/run.ts --target ${name} --seed ${found.seed}`);
}

/** Runs the canaries; how many of them were found. */
async function runCanaries(seed: number, wanted: boolean): Promise<number> {
  let found = 0;
  for (const [name, target] of Object.entries(canaries)) {
    const result = await fuzz(name, target, seed, Number.POSITIVE_INFINITY, CANARY_SECONDS_MAX * 1000);
    report(name, target, result, wanted);
    if (result.found?.text.includes(target.says ?? '')) found++;
  }
  return found;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    target: { type: 'string' },
    canary: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? process.env.EARSHOT_SEED ?? Date.now() % 1_000_000_000) | 0;
if (!(seconds > 0)) throw new Error('--seconds wants a number');

if (values.canary) {
  process.exitCode = (await runCanaries(seed, false)) > 0 ? 1 : 0;
} else {
  const chosen = Object.entries(values.target === undefined ? targets : { ...targets, ...canaries }).filter(
    ([name]) => values.target === undefined || name === values.target,
  );
  if (chosen.length === 0) throw new Error(`no such target; there are ${Object.keys(targets).join(', ')}`);
  const once = values.target !== undefined && values.seconds === undefined;
  const started = performance.now();
  let failures = 0;
  if (values.target === undefined) {
    console.log(`seed ${seed}`);
    const found = await runCanaries(seed, true);
    if (found < Object.keys(canaries).length) {
      console.log('a canary was not found: the fuzzers do not find what they should');
      failures++;
    }
  }
  for (const [i, [name, target]] of chosen.entries()) {
    const left = seconds * 1000 - (performance.now() - started);
    const result = await fuzz(name, target, seed, once ? 1 : Number.POSITIVE_INFINITY, Math.max(1000, left / (chosen.length - i)));
    report(name, target, result, false);
    if (result.found !== undefined) failures++;
  }
  process.exitCode = failures > 0 ? 1 : 0;
}
