/** The launcher: finds the project through links, keeps arguments and folder, becomes Node, sets up when it must. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';

const root = join(import.meta.dirname, '..');
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'earshot launcher ')));
const project = join(folder, 'a project');
const setUps = join(project, 'set-ups');
after(() => rmSync(folder, { recursive: true, force: true }));

/** A project with the real launcher, a program that tells what it was given, and a set-up that only writes the marks. */
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(project, 'scripts'), { recursive: true });
  mkdirSync(join(project, 'src'));
  for (const file of ['earshot', 'scripts/ready.sh']) cpSync(join(root, file), join(project, file));
  writeFileSync(join(project, 'package-lock.json'), '{}');
  writeFileSync(
    join(project, 'src/main.ts'),
    'const told: unknown = { args: process.argv.slice(2), folder: process.cwd(), pid: process.pid };\nconsole.log(JSON.stringify(told));\n',
  );
  writeFileSync(
    join(project, 'scripts/setup.sh'),
    `cd "\${0%/*}/.." && mkdir -p .node node_modules && echo once >>set-ups && echo installing
     echo '${process.execPath}' >.node/host && touch -r '${process.execPath}' .node/host
     touch -r package-lock.json node_modules/.earshot-stamp\n`,
  );
});

interface Told {
  readonly args: readonly string[];
  readonly folder: string;
  readonly pid: number;
}

function launch(program: string, args: readonly string[], cwd: string): { told: Told; pid: number; stderr: string } {
  const { stdout, stderr, status, pid } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { told: JSON.parse(stdout) as Told, pid, stderr };
}

function timesSetUp(): number {
  return readFileSync(setUps, 'utf8').split('once').length - 1;
}

test('sets up once, with what that says on standard error', () => {
  const first = launch(join(project, 'earshot'), ['read'], folder);
  assert.match(first.stderr, /installing/);
  const second = launch(join(project, 'earshot'), ['read'], folder);
  assert.equal(second.stderr, '');
  assert.equal(timesSetUp(), 1);
});

test('keeps arguments, folder and process id', () => {
  const { told, pid } = launch(join(project, 'earshot'), ['read', 'a b', '', '*', '$HOME'], folder);
  assert.deepEqual(told.args, ['read', 'a b', '', '*', '$HOME']);
  assert.equal(told.folder, folder);
  assert.equal(told.pid, pid);
});

test('is found through links, relative and absolute, and by name in its own folder', () => {
  symlinkSync(join(project, 'earshot'), join(folder, 'absolute'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync('../absolute', join(folder, 'bin/relative'));
  assert.deepEqual(launch(join(folder, 'bin/relative'), ['x'], '/').told.args, ['x']);
  assert.deepEqual(launch('../bin/relative', ['x'], project).told.args, ['x']);
  assert.deepEqual(launch('sh', ['earshot', 'x'], project).told.args, ['x']);
});

test('sets up again when the lock file changed, to an older one too, and when its Node is gone', () => {
  launch(join(project, 'earshot'), [], folder);
  for (const time of [1_000_000_000, 2_000_000_000]) utimesSync(join(project, 'package-lock.json'), time, time);
  launch(join(project, 'earshot'), [], folder);
  assert.equal(timesSetUp(), 2);
  utimesSync(join(project, 'package-lock.json'), 1_000_000_000, 1_000_000_000);
  launch(join(project, 'earshot'), [], folder);
  assert.equal(timesSetUp(), 3);
  writeFileSync(join(project, '.node/host'), '/nowhere/node\n');
  launch(join(project, 'earshot'), [], folder);
  assert.equal(timesSetUp(), 4);
});

test('a set-up that fails ends the start with its exit code', () => {
  writeFileSync(join(project, 'scripts/setup.sh'), 'echo "Cannot set Earshot up: a reason." >&2; exit 69\n');
  const { status, stdout, stderr } = spawnSync(join(project, 'earshot'), [], { encoding: 'utf8' });
  assert.equal(status, 69);
  assert.equal(stdout, '');
  assert.match(stderr, /a reason/);
});
