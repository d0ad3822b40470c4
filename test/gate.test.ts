/** The gate itself: what fails is counted as failed, nothing is counted twice, and what runs no test is no success. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'earshot-gate-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The environment of a fresh shell: node:test refuses to run inside node:test otherwise. */
const { NODE_TEST_CONTEXT: _, EARSHOT_TEST_REQUIRE: __, ...environment } = process.env;

interface Counted {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
  readonly skips: readonly string[];
}

/** What the gate counts in a test file with that text. */
function count(text: string): Counted {
  const file = join(folder, 'some.test.ts');
  writeFileSync(file, `import { describe, test } from 'node:test';\nvoid describe, test;\n${text}`);
  const runner = join(folder, 'runner.ts');
  writeFileSync(
    runner,
    `import { runNodeTests } from ${JSON.stringify(join(root, 'scripts/node-tests.ts'))};\n` +
      `console.log(JSON.stringify(await runNodeTests([${JSON.stringify(file)}], 60_000)));\n`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, [runner], { encoding: 'utf8', env: environment });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as Counted;
}

function numbers({ passed, failed, skipped }: Counted): number[] {
  return [passed, failed, skipped];
}

test('single tests are counted, not what holds them', () => {
  const counted = count(`
    test('a', () => {});
    describe('b', () => { test('c', () => {}); test('d', () => {}); });
    test('e', async (t) => { await t.test('f', () => {}); await t.test('g', async (u) => { await u.test('h', () => {}); }); });
  `);
  assert.deepEqual(numbers(counted), [5, 0, 0]);
  assert.equal(counted.output, '');
});

test('a failure is one failure, with its message and what its file printed', () => {
  const counted = count(`
    test('outer', async (t) => { await t.test('inner', () => { console.log('a clue'); throw new Error('the reason'); }); });
    test('fine', () => {});
  `);
  assert.deepEqual(numbers(counted), [1, 1, 0]);
  assert.match(counted.output, /inner\s+the reason/);
  assert.match(counted.output, /a clue/);
});

test('a test that fails after its subtests passed is a failure', () => {
  assert.deepEqual(numbers(count(`test('outer', async (t) => { await t.test('inner', () => {}); throw new Error('late'); });`)), [1, 1, 0]);
});

test('skipped and open tests are skipped, with the reason, whole groups too', () => {
  const counted = count(`
    test('a', { skip: 'no such tool' }, () => {});
    test('b', { todo: true }, () => {});
    describe('c', { skip: 'not here' }, () => { test('d', () => {}); });
  `);
  assert.deepEqual(numbers(counted), [0, 0, 3]);
  assert.match(counted.skips.join('\n'), /no such tool/);
  assert.match(counted.skips.join('\n'), /not here/);
});

test('a file that runs no test, does not load, or ends early is a failure', () => {
  assert.deepEqual(numbers(count('')), [0, 1, 0]);
  assert.deepEqual(numbers(count(`throw new Error('broken');`)), [0, 1, 0]);
  assert.equal(count(`test('a', () => {}); setTimeout(() => process.exit(3), 20);`).failed, 1);
});

test('an unknown suite is refused, and the suites are named', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/test.ts', 'no-such-suite'], {
    cwd: root,
    encoding: 'utf8',
    env: environment,
  });
  assert.equal(status, 2);
  assert.match(stderr, /no-such-suite/);
  assert.match(stderr, /conformance/);
});

test('the closing line stands alone and the exit code follows it', () => {
  const programs = join(folder, 'bin');
  // A formatter that finds fault, and a checker that is content.
  for (const [name, code] of [
    ['biome', 1],
    ['tsc', 0],
  ] as const) {
    mkdirSync(programs, { recursive: true });
    writeFileSync(join(programs, name), `#!/bin/sh\necho said by ${name}\nexit ${code}\n`, { mode: 0o755 });
  }
  const run = (...suites: string[]): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, ['scripts/test.ts', ...suites], {
      cwd: root,
      encoding: 'utf8',
      env: { ...environment, PATH: `${programs}:${process.env.PATH}` },
    });
  const bad = run('format', 'types');
  assert.equal(bad.status, 1);
  assert.match(bad.stdout, /said by biome/);
  assert.doesNotMatch(bad.stdout, /said by tsc/);
  assert.equal(bad.stdout.trimEnd().split('\n').at(-1), '1 passed, 1 failed, 0 skipped');
  const good = run('types');
  assert.equal(good.status, 0);
  assert.equal(good.stdout.trimEnd().split('\n').at(-1), '1 passed, 0 failed, 0 skipped');
});
