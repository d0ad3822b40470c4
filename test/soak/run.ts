/**
 * `npm run soak`: what is too long for the gate. The laws under many seeds, the delivering sensor killed 200 times
 * (test/chaos/crash.test.ts), and the fuzzers for an hour; or the live sensor under load for half an hour
 * (test/soak/live.ts).
 *
 *   npm run soak -- --minutes 60 --seeds 20 --kills 200
 *   npm run soak -- live --minutes 30 [--mbps N]      a third of what the sender can when no rate is said
 *
 * Prints a line for each part; exit code 1 when any of them failed. Figures worth keeping go into docs/performance.md.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    seeds: { type: 'string', default: '20' },
    kills: { type: 'string', default: '200' },
    mbps: { type: 'string' },
  },
});
const live = positionals.length === 1 && positionals[0] === 'live';
if (positionals.length > 0 && !live) throw new Error(`the only part that can be named is live, not ${positionals.join(' ')}`);
const minutes = Number(values.minutes ?? (live ? 30 : 60));
const seeds = Number(values.seeds);
const kills = Number(values.kills);
if (!(minutes > 0 && seeds >= 0 && kills >= 0)) throw new Error('--minutes wants a number above 0, --seeds and --kills one from 0');

if (live) {
  const { soakLive } = await import('./live.ts');
  const passed = await soakLive(minutes, values.mbps === undefined ? undefined : Number(values.mbps));
  process.exit(passed ? 0 : 1);
}

const passed = { yes: 0, no: 0 };

/** Runs Node with these arguments; its output is shown when it fails, of it what fits `figures` always. */
function part(name: string, args: readonly string[], environment: Readonly<Record<string, number>>, figures?: RegExp): void {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    env: { ...process.env, ...Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)])) },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  console.log(
    `${name.padEnd(24)} ${status === 0 ? 'passed' : 'FAILED'} ${((performance.now() - started) / 1000).toFixed(0).padStart(6)} s`,
  );
  const said = figures === undefined ? null : figures.exec(stdout);
  if (said !== null) console.log(`  ${said[0]}`);
  passed[status === 0 ? 'yes' : 'no']++;
  if (status !== 0) console.log(stdout.slice(-8000), stderr.slice(-2000));
}

const laws = globSync('test/laws/*.test.ts').sort();
const first = Date.now() % 1_000_000;
for (let i = 0; i < seeds; i++) part(`laws, seed ${first + i}`, ['--test', ...laws], { EARSHOT_SEED: first + i });
if (kills > 0) part(`${kills} kills`, ['--test', 'test/chaos/crash.test.ts'], { EARSHOT_KILLS: kills }, /\d+ kills, .*/);
part(`fuzzers, ${minutes} min`, ['test/fuzz/run.ts', '--seconds', String(minutes * 60)], { EARSHOT_SEED: first });
console.log(`${passed.yes} passed, ${passed.no} failed, 0 skipped`);
process.exitCode = passed.no > 0 ? 1 : 0;
