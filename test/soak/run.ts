/**
 * `npm run soak`: what is too long for the gate. The fuzzers for an hour, and the laws under many seeds; or the live
 * sensor under load for half an hour (test/soak/live.ts).
 *
 *   npm run soak -- --minutes 60 --seeds 20
 *   npm run soak -- live --minutes 30 [--mbps N]      a third of what the sender can when no rate is said
 *
 * Prints a line for each part; exit code 1 when any of them failed. Figures worth keeping go into docs/performance.md.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string' }, seeds: { type: 'string', default: '20' }, mbps: { type: 'string' } },
});
const live = positionals.length === 1 && positionals[0] === 'live';
if (positionals.length > 0 && !live) throw new Error(`the only part that can be named is live, not ${positionals.join(' ')}`);
const minutes = Number(values.minutes ?? (live ? 30 : 60));
const seeds = Number(values.seeds);
if (!(minutes > 0 && seeds >= 0)) throw new Error('--minutes wants a number above 0, --seeds one from 0');

if (live) {
  const { soakLive } = await import('./live.ts');
  const passed = await soakLive(minutes, values.mbps === undefined ? undefined : Number(values.mbps));
  process.exit(passed ? 0 : 1);
}

let failures = 0;

/** Runs Node with these arguments; its output is shown when it fails. */
function part(name: string, args: readonly string[], seed: number): void {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    env: { ...process.env, EARSHOT_SEED: String(seed) },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  console.log(
    `${name.padEnd(24)} ${status === 0 ? 'passed' : 'FAILED'} ${((performance.now() - started) / 1000).toFixed(0).padStart(6)} s`,
  );
  if (status === 0) return;
  failures++;
  console.log(stdout.slice(-8000), stderr.slice(-2000));
}

const laws = globSync('test/laws/*.test.ts').sort();
const first = Date.now() % 1_000_000;
for (let i = 0; i < seeds; i++) part(`laws, seed ${first + i}`, ['--test', ...laws], first + i);
part(`fuzzers, ${minutes} min`, ['test/fuzz/run.ts', '--seconds', String(minutes * 60)], first);
console.log(`${seeds + 1 - failures} passed, ${failures} failed, 0 skipped`);
process.exitCode = failures > 0 ? 1 : 0;
