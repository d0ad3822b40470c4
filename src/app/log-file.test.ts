import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { LogFile, type LogFileOptions } from './log-file.ts';

interface Opened {
  readonly path: string;
  readonly file: LogFile;
  /** Lines that came to standard error in place of the file. */
  readonly instead: string[];
  readonly complaints: string[];
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function open(folder: string, options: Partial<LogFileOptions> = {}): Opened {
  const path = join(folder, 'connector.log');
  const instead: string[] = [];
  const complaints: string[] = [];
  const file = new LogFile({
    path,
    rotateBytes: 0,
    rotateMs: 0,
    filesMax: 100,
    retryMs: 20,
    instead: (line) => instead.push(line),
    complain: (message, fields) => complaints.push(`${message}: ${Object.values(fields).join(' ')}`),
    resumed: (n) => `resumed ${n}\n`,
    ...options,
  });
  return { path, file, instead, complaints };
}

/** Waits, in steps that let the file work, until it is so. */
async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.fail(`never: ${what}`);
}

function archivesOf(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => /^connector[.]log[.](\d+)[.]gz$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
}

/** All lines in the files of the folder, oldest first. */
function linesOf(folder: string): string[] {
  const path = join(folder, 'connector.log');
  let text = '';
  for (const n of archivesOf(folder).reverse()) text += gunzipSync(readFileSync(`${path}.${n}.gz`)).toString();
  if (existsSync(`${path}.rotating`)) text += readFileSync(`${path}.rotating`, 'utf8');
  if (existsSync(path)) text += readFileSync(path, 'utf8');
  const lines = text.split('\n');
  assert.equal(lines.pop(), '', 'the last line is whole');
  return lines;
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
}

test('rotation by size: .1.gz is the newest, no file is larger, no line is lost', async (t) => {
  const folder = folderOf(t);
  const { path, file, instead } = open(folder, { rotateBytes: 4096 });
  for (let i = 0; i < 3000; i++) {
    file.write(`line ${i}\n`);
    if (i % 100 !== 99) continue;
    await new Promise((done) => setTimeout(done, 5));
    await until('rotated', () => !existsSync(`${path}.rotating`));
  }
  await file.close();
  assert.deepEqual(linesOf(folder), numbered(0, 3000));
  const archives = archivesOf(folder);
  assert.ok(archives.length >= 4, `${archives.length} archives`);
  assert.deepEqual(
    archives,
    [...archives.keys()].map((i) => i + 1),
  );
  assert.ok(statSync(path).size <= 4096);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('rotating')),
    [],
  );
  assert.deepEqual(instead, []);
  assert.equal(statSync(path).mode & 0o777, 0o640);
});

test('at most filesMax archives are kept, also of a time when it was more', async (t) => {
  const folder = folderOf(t);
  for (let n = 1; n <= 6; n++) writeFileSync(join(folder, `connector.log.${n}.gz`), gzipSync(`old ${n}\n`));
  for (let i = 0; i < 10; i++) {
    const { file } = open(folder, { rotateBytes: 1000, filesMax: 2 });
    file.write(`${String(i).repeat(600)}\n`);
    await file.close();
  }
  assert.deepEqual(archivesOf(folder), [1, 2]);
  assert.deepEqual(
    linesOf(folder).map((line) => line[0]),
    ['7', '8', '9'],
  );
});

test('rotation by age: a file of an earlier period is closed', async (t) => {
  const folder = folderOf(t);
  const { file } = open(folder, { rotateMs: 40 });
  for (let i = 0; i < 4; i++) {
    file.write(`line ${i}\n`);
    await new Promise((done) => setTimeout(done, 100));
  }
  await file.close();
  assert.deepEqual(linesOf(folder), numbered(0, 4));
  assert.equal(archivesOf(folder).length, 3);
});

test('a log that goes on where an earlier run stopped', async (t) => {
  const folder = folderOf(t);
  const first = open(folder);
  first.file.write('line 0\n');
  await first.file.close();
  const second = open(folder, { rotateBytes: 10 });
  second.file.write('line 1\n');
  await second.file.close();
  assert.deepEqual(linesOf(folder), numbered(0, 2));
  assert.deepEqual(archivesOf(folder), [1]);
});

test('a rotation that a crash cut short is finished at the next start', async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'connector.log.1.gz'), gzipSync('line 0\n'));
  writeFileSync(join(folder, 'connector.log.rotating'), 'line 1\nline 2\n');
  writeFileSync(join(folder, 'connector.log.rotating.gz'), gzipSync('line 1\nli').subarray(0, 12));
  const { file } = open(folder);
  file.write('line 3\n');
  await file.close();
  assert.deepEqual(linesOf(folder), numbered(0, 4));
  assert.deepEqual(archivesOf(folder), [1, 2]);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('rotating')),
    [],
  );
});

test('a file that somebody moves, deletes or empties is opened anew', async (t) => {
  const folder = folderOf(t);
  const { path, file, instead } = open(folder);
  const write = async (line: string): Promise<void> => {
    file.write(`${line}\n`);
    await until(line, () => existsSync(path) && readFileSync(path, 'utf8').endsWith(`${line}\n`));
  };
  await write('before');
  renameSync(path, `${path}.moved`);
  await write('after the move');
  unlinkSync(path);
  await write('after the deletion');
  writeFileSync(path, '');
  await write('after the emptying');
  await file.close();
  assert.equal(readFileSync(path, 'utf8'), 'after the emptying\n');
  assert.equal(readFileSync(`${path}.moved`, 'utf8'), 'before\n');
  assert.deepEqual(instead, []);
});

test('a folder that vanishes: lines go to standard error, one complaint, and back by itself', async (t) => {
  const folder = join(folderOf(t), 'logs');
  mkdirSync(folder);
  const { path, file, instead, complaints } = open(folder);
  file.write('line 0\n');
  await until('written', () => statSync(path).size > 0);
  rmSync(folder, { recursive: true });
  for (let i = 1; i < 5; i++) {
    file.write(`line ${i}\n`);
    await new Promise((done) => setTimeout(done, 30));
  }
  assert.deepEqual(instead, ['line 1\n', 'line 2\n', 'line 3\n', 'line 4\n']);
  assert.equal(file.errors, 4);
  assert.equal(complaints.length, 1);
  assert.match(complaints[0], /connector[.]log cannot be written: its lines go to standard error until it can: its folder does not exist/);
  mkdirSync(folder);
  await until('resumed', () => existsSync(path) && statSync(path).size > 0);
  // The line can be seen a moment before the file takes others.
  await until('line 5', () => {
    file.write('line 5\n');
    return readFileSync(path, 'utf8').includes('line 5\n');
  });
  await file.close();
  assert.match(readFileSync(path, 'utf8'), /^resumed 4\nline 5\n/);
});

test('after close, lines go to standard error', async (t) => {
  const { file, instead } = open(folderOf(t));
  await file.close();
  file.write('late\n');
  assert.deepEqual(instead, ['late\n']);
});

test('what is no file that can be written is refused at the start', (t) => {
  const folder = folderOf(t);
  const fails = (path: string, why: RegExp): void => {
    assert.throws(
      () => open(folder, { path }),
      (error: Error & { code: string }) => error.code === 'log-failed' && why.test(error.message),
      path,
    );
  };
  fails(folder, /it is no regular file/);
  fails(join(folder, 'missing', 'x.log'), /its folder does not exist/);
  assert.equal(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0);
  fails(join(folder, 'pipe'), /it is no regular file/);
});

/** A small file system of its own, so that its fullness is nobody else's. */
function tmpfs(t: TestContext): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-full-'));
  if (process.getuid?.() !== 0 || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'earshot-test', folder]).status !== 0) {
    rmSync(folder, { recursive: true });
    return null;
  }
  t.after(() => {
    spawnSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

test('a full disk: no line is lost or torn, no archive is harmed, and the log goes on by itself', async (t) => {
  const folder = tmpfs(t);
  if (folder === null) {
    assert.notEqual(process.env.EARSHOT_TEST_REQUIRE, 'all', 'needs root and mount');
    t.skip('needs root, to mount a small file system');
    return;
  }
  const { path, file, instead, complaints } = open(folder, { rotateBytes: 12_000 });
  const lines: string[] = [];
  // Lines that do not become smaller: the disk fills up, while writing or while compressing.
  for (let i = 0; i < 120; i++) {
    const line = `${i} ${randomBytes(450).toString('base64')}`;
    lines.push(line);
    file.write(`${line}\n`);
    await new Promise((done) => setTimeout(done, 2));
  }
  await until('full', () => file.errors > 0);
  await file.close();
  const elsewhere = instead.map((line) => line.slice(0, -1));
  const kept = linesOf(folder).filter((line) => !line.startsWith('resumed'));
  assert.deepEqual([...kept, ...elsewhere].toSorted(), lines.toSorted());
  assert.equal(file.errors, elsewhere.length);
  assert.match(complaints.join('\n'), /no space is left on the device Free some space/);
  assert.ok(archivesOf(folder).length > 0);

  // Room again.
  const again = open(folder, { rotateBytes: 12_000 });
  again.file.write('still full?\n'.repeat(6000));
  await until('full again', () => again.file.errors > 0);
  for (const n of archivesOf(folder)) unlinkSync(`${path}.${n}.gz`);
  await until('resumed', () => {
    again.file.write('back\n');
    return readFileSync(path, 'utf8').includes('back\n');
  });
  await again.file.close();
  assert.match(linesOf(folder).join('\n'), /resumed \d+\nback/);
});
