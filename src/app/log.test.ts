import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { createColors } from 'picocolors';
import { readable } from './log.ts';

const module = JSON.stringify(new URL('./log.ts', import.meta.url).href);
const settings = { level: 'info', file: '', rotateBytes: 1 << 20, rotateHours: 24, filesMax: 3 };

/** A process of its own, because the log writes to descriptor 2. `code` may use `log`. */
function script(code: string, given: object = {}): string[] {
  const text = `const { openLog } = await import(${module}); const log = openLog(${JSON.stringify({ ...settings, ...given })}); ${code}`;
  return ['--input-type=module', '-e', text];
}

function linesOf(code: string, given: object = {}): Record<string, unknown>[] {
  const { stderr, status } = spawnSync(process.execPath, script(code, given), { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stderr
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a line is one object of JSON: time, level, component, fields, message', () => {
  const [first, second, ...rest] = linesOf(`
    log.debug('not this');
    log.info('started', { workers: 3, interfaces: ['eth0'] });
    log.child('worker').warn('slow', { lagMs: 12 });
    await log.close();`);
  assert.match(String(first.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...first, time: '' }, { level: 'info', time: '', workers: 3, interfaces: ['eth0'], message: 'started' });
  assert.deepEqual({ ...second, time: '' }, { level: 'warn', time: '', component: 'worker', lagMs: 12, message: 'slow' });
  assert.deepEqual(rest, []);
});

test('the level changes at run time, for children that were made before too', () => {
  const lines = linesOf(`
    const child = log.child('a');
    if (child !== log.child('a')) throw new Error('a second child');
    log.debug('1'); child.debug('2');
    child.setLevel('debug');
    log.debug('3'); child.debug('4'); log.child('b').debug('5');
    log.setLevel('error');
    log.warn('6'); child.warn('7'); child.error('8');
    if (child.level !== 'error') throw new Error(child.level);`);
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['3', '4', '5', '8'],
  );
});

test('values from the wire neither break a line nor steer a terminal', () => {
  const nasty = 'a"b\\c\r\nd\u0000\u001b[2J\u007f\u009b31m\u2028\u2029\u202e\ufeff\ud800 é茶😀';
  const code = `const nasty = ${JSON.stringify(nasty)}; log.info(nasty, { host: nasty, [nasty]: 1, deep: { list: [nasty] } });`;
  const { stderr } = spawnSync(process.execPath, script(code), { encoding: 'utf8' });
  assert.match(stderr, /^[^\p{C}\p{Zl}\p{Zp}]*\n$/u);
  const line = JSON.parse(stderr) as Record<string, unknown>;
  assert.equal(line.message, nasty);
  assert.equal(line.host, nasty);
  assert.equal(line[nasty], 1);
  assert.deepEqual(line.deep, { list: [nasty] });
});

test('an error is told in words; a field cannot take the place of one of the line', () => {
  const [line] = linesOf(`
    const failed = Object.assign(new Error('EACCES: no'), { code: 'EACCES' });
    log.error('x', { failed, bug: new TypeError('oops'), level: 5, message: 'm', time: 0, component: 'c' });`);
  assert.equal(line.failed, 'EACCES: no');
  assert.match(String(line.bug), /^TypeError: oops\n {4}at /);
  assert.deepEqual([line.level, line.level_, line.message, line.message_, line.time_, line.component_], ['error', 5, 'x', 'm', 0, 'c']);
});

test('for a person: time, level, component, message, fields, all on one line', () => {
  const line = JSON.stringify({
    level: 'warn',
    time: '2026-03-01T10:00:00.007Z',
    component: 'push',
    message: 'a\nb',
    n: 3,
    url: 'x y',
    s: 'ok',
    l: [1],
  });
  const clock = new Date('2026-03-01T10:00:00.007Z').toTimeString().slice(0, 8);
  assert.equal(readable(line, createColors(false)), `${clock}.007 WARN  push: a\\nb n=3 url="x y" s=ok l=[1]\n`);
  const nasty = readable(JSON.stringify({ level: 'info', time: 0, message: '\x1b[2J\x9b', 'k\x07': 'v\u202e\r' }), createColors(false));
  assert.match(nasty, /^[^\p{C}\p{Zl}\p{Zp}]*\n$/u);
  assert.match(nasty, /\\u001b\[2J\\u009b k\\u0007="v\\u202e\\r"/);
});

test('on a terminal the lines are for a person', {
  skip: spawnSync('script', ['--version']).status === 0 ? false : 'the program script is missing',
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const command = [process.execPath, ...script("log.child('a').info('hello', { n: 1 });")]
    .map((part) => `'${part.replaceAll("'", "'\\''")}'`)
    .join(' ');
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  assert.match(stdout, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}a: hello n=1\r?\n$/);
});

test('a reader of standard error that stands still holds nobody up', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pipe');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  const code = `
    for (let i = 0; i < 20_000; i++) log.info('x'.repeat(100), { i });
    await log.close();
    process.stdout.write(String(log.lost));`;
  // A pipe that blocks, as a shell makes it, and that nobody reads before the process has ended.
  const child = spawn(process.execPath, script(code), { stdio: ['ignore', 'pipe', writer] });
  closeSync(writer);
  let lost = '';
  for await (const part of (child.stdout as Readable).setEncoding('utf8')) lost += part;
  const text = Buffer.alloc(1 << 20);
  const length = readSync(reader, text);
  closeSync(reader);
  const lines = text.toString('utf8', 0, length).split('\n');
  // The last line may be cut: it counts as lost.
  const whole = lines.slice(0, -1);
  for (const line of whole) JSON.parse(line);
  assert.ok(whole.length > 0);
  assert.equal(whole.length + Number(lost), 20_000);
});

test('standard error that is closed, or a pipe that nobody reads any more, ends nothing', () => {
  const code = "for (let i = 0; i < 100; i++) log.info('x'); await log.close(); process.stdout.write('lost ' + log.lost);";
  const command = [process.execPath, ...script(code)].map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(' ');
  const run = spawnSync('bash', ['-c', `${command} 2> >(exec true); sleep 0.2; echo " status $?"`], { encoding: 'utf8' });
  assert.match(run.stdout, /^lost \d+ status 0/);
});

test('with a file: lines that were logged right before process.exit are there', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'connector.log');
  const code = "for (let i = 0; i < 5000; i++) log.info('line', { i }); process.exit(0);";
  assert.deepEqual(linesOf(code, { file }), []);
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.equal(lines.pop(), '');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { i: number }).i).toSorted((a, b) => a - b),
    Array.from({ length: 5000 }, (_, i) => i),
  );
});

test('a file that cannot be opened at the start is an error that says what to do', async () => {
  const { openLog } = await import('./log.ts');
  assert.throws(
    () => openLog({ ...settings, level: 'info', file: '/nonexistent-folder/x.log' }),
    (error: Error & { code: string }) => error.code === 'log-failed' && /does not exist.*Name a file with log.file/.test(error.message),
  );
});
