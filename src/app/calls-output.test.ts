import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SensorError } from '../base/errors.ts';
import { CallsOutput } from './calls-output.ts';

const MIB = 1 << 20;
const LIMIT_MS = 20_000;
const skipDisk = canMount() ? false : 'a disk that is full is a tmpfs, which only root may mount';

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), 'earshot-output-try-'));
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4096', 'earshot-try', folder]).status === 0;
  if (made) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return made;
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-output-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder on a disk of its own of that size. */
function smallDisk(t: TestContext, bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-output-disk-'));
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, `earshot-${process.pid}`, folder]).status, 0);
  t.after(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

function newFifo(t: TestContext): string {
  const path = join(newFolder(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  return path;
}

/** Opens the reading end; takes nothing until `read` is called. */
function openReader(path: string): { read: () => string; close: () => void } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(MIB);
  return {
    read: () => {
      try {
        return buffer.toString('latin1', 0, readSync(fd, buffer));
      } catch {
        return '';
      }
    },
    close: () => closeSync(fd),
  };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endMs = Date.now() + LIMIT_MS; !isSo(); await sleep(5)) assert.ok(Date.now() < endMs, `not yet ${what}`);
}

/** A batch of two lines that say which they are, about that long. */
function batch(i: number, bytes = 20): Buffer {
  return Buffer.from(`${i}a\n${i}b${'.'.repeat(bytes)}\n`);
}

/** The numbers of the batches in a text that consists of whole batches. */
function batchesIn(text: string): number[] {
  const found = [...text.matchAll(/(\d+)a\n(\d+)b\.+\n/g)];
  assert.equal(found.map(([whole]) => whole).join(''), text, 'whole batches and nothing else');
  for (const [, first, second] of found) assert.equal(first, second);
  return found.map(([, i]) => Number(i));
}

const upTo = (n: number, from = 0): number[] => Array.from({ length: n - from }, (_, i) => from + i);

function assertBalanced(output: CallsOutput): void {
  assert.equal(output.received, output.written + output.lost);
  assert.equal(output.queueBytes, 0);
}

test('a file: batches in order behind what was there, counted when they are written', async (t) => {
  const path = join(newFolder(t), 'calls');
  const output = new CallsOutput(path, MIB);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (let i = 0; i < 500; i++) output.add(batch(i), 2);
  assert.equal(output.received, 1000);
  assert.ok(output.queueBytes > 0);
  await output.close(Date.now() + LIMIT_MS);
  assert.deepEqual([output.written, output.lost, output.errors, output.fault, output.lagMs], [1000, 0, 0, '', 0]);
  assertBalanced(output);
  assert.deepEqual(batchesIn(readFileSync(path, 'latin1')), upTo(500));
  assert.equal(output.bytes, statSync(path).size);
  const second = new CallsOutput(path, MIB);
  second.add(batch(500), 2);
  await second.close(Date.now() + LIMIT_MS);
  assert.deepEqual(batchesIn(readFileSync(path, 'latin1')), upTo(501));
});

test('what cannot be opened is said at once', async (t) => {
  const folder = newFolder(t);
  const failed = (path: string): SensorError => {
    try {
      new CallsOutput(path, MIB);
    } catch (error) {
      assert.ok(error instanceof SensorError);
      return error;
    }
    assert.fail(`${path} was opened`);
  };
  assert.match(failed(folder).message, /it is a directory/);
  assert.match(failed(join(folder, 'none', 'calls')).message, /its folder does not exist/);
  const pipe = failed(newFifo(t));
  assert.deepEqual([pipe.code, pipe.why], ['output-failed', 'it is a pipe that nobody reads, or a socket']);
});

test('a reader that takes nothing: batches wait up to the limit, later ones are lost, and all is in order when it reads again', async (t) => {
  const path = newFifo(t);
  const reader = openReader(path);
  t.after(() => reader.close());
  const output = new CallsOutput(path, 300_000);
  for (let i = 0; i < 60; i++) output.add(batch(i, 10_000), 2);
  await until('blocked', () => output.bytes >= 40_000);
  assert.equal(output.received, 120);
  assert.equal(output.lost, 2 * (60 - Math.floor(300_000 / batch(10, 10_000).length)));
  assert.ok(output.queueBytes <= 300_000);
  assert.equal(output.fault, '', 'a slow reader is no fault');
  await until('late', () => output.lagMs > 0);
  let text = '';
  await until('written', () => {
    text += reader.read();
    return output.queueBytes === 0;
  });
  output.add(batch(99), 2);
  await until('at the end', () => {
    text += reader.read();
    return output.written + output.lost === 122;
  });
  text += reader.read();
  assert.deepEqual(batchesIn(text), [...upTo((120 - output.lost) / 2), 99]);
  await output.close(0);
  assertBalanced(output);
});

test('a reader that goes away is a fault until another one comes', async (t) => {
  const path = newFifo(t);
  const first = openReader(path);
  const output = new CallsOutput(path, MIB);
  output.add(batch(0), 2);
  await until('written', () => output.written === 2);
  assert.deepEqual(batchesIn(first.read()), [0]);
  first.close();
  output.add(batch(1), 2);
  output.add(batch(2), 2);
  await until('failed', () => output.errors > 0);
  assert.equal(output.fault, 'its reader has gone away');
  assert.equal(output.written, 2);
  const second = openReader(path);
  t.after(() => second.close());
  await until('written', () => output.written === 6);
  assert.equal(output.fault, '');
  assert.deepEqual(batchesIn(second.read()), [1, 2]);
  await output.close(0);
  assertBalanced(output);
});

test('a full disk: nothing is lost or written twice, and it goes on by itself', { skip: skipDisk }, async (t) => {
  const folder = smallDisk(t, 64 << 10);
  const path = join(folder, 'calls');
  const output = new CallsOutput(path, MIB);
  for (let i = 0; i < 30; i++) output.add(batch(i, 5_000), 2);
  await until('full', () => output.fault !== '');
  assert.equal(output.fault, 'no space is left on the device');
  assert.ok(output.written > 0 && output.written < 60);
  assert.equal(output.lost, 0);
  assert.equal(spawnSync('mount', ['-o', `remount,size=${MIB}`, folder]).status, 0);
  await until('written', () => output.written === 60);
  assert.equal(output.fault, '');
  await output.close(0);
  assertBalanced(output);
  assert.deepEqual(batchesIn(readFileSync(path, 'latin1')), upTo(30));
  assert.equal(output.bytes, statSync(path).size);
});

test('reopened after a full disk: the batch that was cut is whole in the new file', { skip: skipDisk }, async (t) => {
  const folder = smallDisk(t, 64 << 10);
  const path = join(folder, 'calls');
  const output = new CallsOutput(path, MIB);
  for (let i = 0; i < 30; i++) output.add(batch(i, 5_000), 2);
  await until('full', () => output.fault !== '');
  renameSync(path, `${path}.1`);
  output.reopen();
  assert.equal(spawnSync('mount', ['-o', `remount,size=${MIB}`, folder]).status, 0);
  await until('written', () => output.written === 60);
  await output.close(0);
  assertBalanced(output);
  const files = [`${path}.1`, path].map((file) => batchesIn(readFileSync(file, 'latin1')));
  assert.deepEqual(files.flat(), upTo(30));
  assert.ok(files[0].length > 0 && files[1].length > 0);
  assert.equal(output.bytes, statSync(`${path}.1`).size + statSync(path).size);
});

test('closed while the disk is full: the file ends with a whole line', { skip: skipDisk }, async (t) => {
  const folder = smallDisk(t, 64 << 10);
  const path = join(folder, 'calls');
  const output = new CallsOutput(path, MIB);
  for (let i = 0; i < 30; i++) output.add(batch(i, 5_000), 2);
  await until('full', () => output.fault !== '');
  await output.close(Date.now() + 50);
  assertBalanced(output);
  assert.ok(output.lost > 0);
  assert.deepEqual(batchesIn(readFileSync(path, 'latin1')), upTo(output.written / 2));
  assert.equal(output.bytes, statSync(path).size);
});

test('reopened while it writes: each batch is whole, in one of the two files', async (t) => {
  const path = join(newFolder(t), 'calls');
  const output = new CallsOutput(path, 64 * MIB);
  for (let i = 0; i < 200; i++) output.add(batch(i, 50_000), 2);
  renameSync(path, `${path}.1`);
  // A write is under way: `add` began it.
  output.reopen();
  await until('in the new file', () => statSync(path).size > 0);
  renameSync(path, `${path}.2`);
  output.reopen();
  output.reopen();
  for (let i = 200; i < 300; i++) output.add(batch(i), 2);
  await output.close(Date.now() + LIMIT_MS);
  assert.equal(output.written, 600);
  assertBalanced(output);
  const files = [`${path}.1`, `${path}.2`, path].map((file) => batchesIn(readFileSync(file, 'latin1')));
  assert.deepEqual(files.flat(), upTo(300));
  for (const file of files) assert.ok(file.length > 0);
});

test('reopening that fails leaves the old file in use', async (t) => {
  const folder = join(newFolder(t), 'there');
  mkdirSync(folder);
  const path = join(folder, 'calls');
  const output = new CallsOutput(path, MIB);
  output.add(batch(0), 2);
  await until('written', () => output.written === 2);
  renameSync(folder, `${folder}-moved`);
  assert.throws(() => output.reopen(), SensorError);
  output.add(batch(1), 2);
  await output.close(Date.now() + LIMIT_MS);
  assert.deepEqual(batchesIn(readFileSync(join(`${folder}-moved`, 'calls'), 'latin1')), [0, 1]);
});

test('a pipe is not reopened: there is nothing that could have been moved away', async (t) => {
  const path = newFifo(t);
  const reader = openReader(path);
  t.after(() => reader.close());
  const output = new CallsOutput(path, MIB);
  rmSync(path);
  output.reopen();
  output.add(batch(0), 2);
  await until('written', () => output.written === 2);
  await output.close(0);
  assert.deepEqual(batchesIn(reader.read()), [0]);
});

test('closed before all is written: what waits is lost, once, also when the last write comes to its end after that', async (t) => {
  const path = newFifo(t);
  const reader = openReader(path);
  t.after(() => reader.close());
  const output = new CallsOutput(path, MIB);
  for (let i = 0; i < 20; i++) output.add(batch(i, 10_000), 2);
  await until('blocked', () => output.bytes >= 40_000);
  await output.close(Date.now() + 50);
  assert.ok(output.lost > 0);
  assertBalanced(output);
  output.add(batch(20), 2);
  assert.equal(output.received, 42);
  assertBalanced(output);

  const file = join(newFolder(t), 'calls');
  const second = new CallsOutput(file, 64 * MIB);
  second.add(batch(0, 20 * MIB), 2);
  // Its only write is under way.
  await second.close(0);
  await sleep(200);
  assert.deepEqual([second.received, second.written, second.lost], [2, 0, 2]);
});

/** Writes a megabyte to standard output, closes after a while, and says what became of it on standard error. */
const WRITER = `
import { CallsOutput } from '${join(import.meta.dirname, 'calls-output.ts')}';
const output = new CallsOutput('-', 8 << 20);
for (let i = 0; i < 100; i++) output.add(Buffer.alloc(10_000, 'x'), 1);
await output.close(Date.now() + Number(process.argv[1]));
const { received, written, lost, bytes, fault } = output;
process.stderr.write(JSON.stringify({ received, written, lost, bytes, fault }));
`;

async function write(
  stdout: number,
  waitMs: number,
): Promise<{ received: number; written: number; lost: number; bytes: number; fault: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITER, String(waitMs)], { stdio: ['ignore', stdout, 'pipe'] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  assert.deepEqual([code, signal], [0, null], `the process came to its end: ${said}`);
  return JSON.parse(said);
}

test('standard output: a file, and a pipe whose reader takes nothing, which does not keep the process', async (t) => {
  const folder = newFolder(t);
  const path = join(folder, 'out');
  writeFileSync(path, 'before\n');
  const file = openSync(path, 'a');
  assert.deepEqual(await write(file, LIMIT_MS), { received: 100, written: 100, lost: 0, bytes: 1_000_000, fault: '' });
  closeSync(file);
  assert.equal(statSync(path).size, 1_000_007);

  const pipe = openSync(newFifo(t), constants.O_RDWR);
  const { received, written, lost } = await write(pipe, 100);
  assert.equal(received, written + lost);
  assert.ok(lost > 0 && written > 0);
  closeSync(pipe);
});

test('standard output whose reader has gone away', async (t) => {
  const path = newFifo(t);
  const reader = openReader(path);
  const pipe = openSync(path, constants.O_WRONLY);
  reader.close();
  // Nobody waits for it: the process would be killed first.
  const { written, lost, fault } = await write(pipe, 10 * LIMIT_MS);
  assert.deepEqual([written, lost, fault], [0, 100, 'its reader has gone away']);
  closeSync(pipe);
});
