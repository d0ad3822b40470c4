import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EncodedBatch } from '../encode-batch.ts';
import type { FormatName } from '../formats/encoder.ts';
import { encoderOf, frameOf, framingOf, lineOf, numberOf } from '../ship-testing.ts';
import type { Outcome } from '../sink.ts';
import { FileSink } from './file.ts';

const never = new AbortController().signal;
const HOUR_MS = 3_600_000;
const skipDisk = canMount() ? false : 'a disk that is full is a tmpfs, which only root may mount';

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), 'earshot-file-try-'));
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4096', 'earshot-try', folder]).status === 0;
  if (made) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return made;
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-file-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function smallDisk(t: TestContext, bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-file-disk-'));
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, `earshot-${process.pid}`, folder]).status, 0);
  t.after(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A batch of calls with these numbers. */
function batchOf(format: FormatName, numbers: readonly number[], bodyBytes = 10): EncodedBatch {
  const encoder = encoderOf(format);
  const frame = frameOf(
    numbers[0] + 1,
    numbers.map((n) => lineOf(n, bodyBytes)),
    numbers.map(() => 1),
  );
  const cursor = encoder.open(frame, 0);
  return encoder.batch(numbers.map(() => cursor.next() ?? assert.fail('too few records')));
}

interface Options {
  rotateBytes?: number;
  rotateHours?: number;
  filesMax?: number;
}

function sinkOf(
  path: string,
  format: FormatName,
  { rotateBytes = 0, rotateHours = 0, filesMax = 10 }: Options = {},
  now?: () => number,
): FileSink {
  return new FileSink({ path, rotateBytes, rotateHours, filesMax }, framingOf(format), now);
}

function codeOf(outcome: Outcome): string {
  return outcome.type === 'delivered' || outcome.type === 'in-part' ? outcome.type : `${outcome.type} ${outcome.problem.code}`;
}

/** Numbers of the calls in a file that is whole in its format. */
function read(path: string, format: FormatName): number[] {
  const text = readFileSync(path, 'utf8');
  if (format === 'har') return JSON.parse(text).log.entries.map((entry: { _id: string }) => numberOf(entry._id));
  assert.ok(text.endsWith('\n'), 'it ends with a whole line');
  const lines = text.trimEnd().split('\n');
  if (format !== 'zeek-http') return lines.map((line) => numberOf(JSON.stringify(JSON.parse(line))));
  assert.ok(lines[0].startsWith('#separator') && lines.at(-1)?.startsWith('#close'), 'header and footer');
  const columns =
    lines
      .find((line) => line.startsWith('#fields'))
      ?.split('\t')
      .slice(1) ?? [];
  assert.equal(lines.filter((line) => line.startsWith('#fields')).length, 1);
  return lines
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const values = line.split('\t');
      assert.equal(values.length, columns.length);
      return Number(values[columns.indexOf('uri')].match(/\d+/)?.[0]);
    });
}

const allFormats: readonly FormatName[] = ['jsonl', 'zeek-http', 'har'];

for (const format of allFormats) {
  test(`${format}: rotated by size, every file whole, the newest kept`, async (t) => {
    const folder = newFolder(t);
    const path = join(folder, 'calls');
    const rotateBytes = format === 'zeek-http' ? 2500 : 6000;
    const sink = sinkOf(path, format, { rotateBytes, filesMax: 4 });
    for (let i = 0; i < 30; i++) assert.equal(codeOf(await sink.send(batchOf(format, [3 * i, 3 * i + 1, 3 * i + 2]), never)), 'delivered');
    await sink.close();
    assert.deepEqual(readdirSync(folder).sort(), ['calls', 'calls.1', 'calls.2', 'calls.3']);
    const found = ['calls.3', 'calls.2', 'calls.1', 'calls'].flatMap((name) => {
      assert.ok(statSync(join(folder, name)).size < rotateBytes + 100);
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
      return read(join(folder, name), format);
    });
    assert.deepEqual(
      found,
      Array.from({ length: found.length }, (_, i) => 90 - found.length + i),
    );
    assert.ok(found.length > 10);
  });

  test(`${format}: another run goes on in the same file, whether the one before closed it or was killed`, async (t) => {
    const path = join(newFolder(t), 'calls');
    const first = sinkOf(path, format);
    await first.send(batchOf(format, [0, 1]), never);
    await first.close();
    assert.deepEqual(read(path, format), [0, 1]);
    const killed = sinkOf(path, format);
    await killed.send(batchOf(format, [2, 3]), never);
    const whole = readFileSync(path);
    await killed.close();
    const lastBytes = batchOf(format, [3]).bytes;
    for (let cut = whole.length; cut > whole.length - lastBytes; cut -= 7) {
      writeFileSync(path, whole.subarray(0, cut));
      const next = sinkOf(path, format);
      assert.equal(codeOf(await next.send(batchOf(format, [4]), never)), 'delivered');
      await next.close();
      assert.deepEqual(read(path, format), cut === whole.length ? [0, 1, 2, 3, 4] : [0, 1, 2, 4], `cut at ${cut}`);
    }
    // Killed while it wrote the beginning, or the end.
    writeFileSync(path, whole.subarray(0, 5));
    const anew = sinkOf(path, format);
    await anew.send(batchOf(format, [5]), never);
    await anew.close();
    assert.ok(read(path, format).includes(5));
    const closed = readFileSync(path);
    truncateSync(path, closed.length - 2);
    const again = sinkOf(path, format);
    await again.send(batchOf(format, [6]), never);
    await again.close();
    assert.equal(read(path, format).at(-1), 6);
  });

  test(`${format}: moved away or deleted by somebody else`, async (t) => {
    const folder = newFolder(t);
    const path = join(folder, 'calls');
    const sink = sinkOf(path, format);
    await sink.send(batchOf(format, [0]), never);
    renameSync(path, join(folder, 'moved'));
    await sink.send(batchOf(format, [1]), never);
    assert.deepEqual(read(join(folder, 'moved'), format), [0]);
    renameSync(path, join(folder, 'moved-again'));
    assert.equal(await sink.reload(), null);
    assert.deepEqual(read(join(folder, 'moved-again'), format), [1]);
    assert.ok(existsSync(path), 'there is a new one at once');
    rmSync(path);
    await sink.send(batchOf(format, [2]), never);
    truncateSync(path, 0);
    await sink.send(batchOf(format, [3]), never);
    await sink.close();
    assert.deepEqual(read(path, format), [3]);
  });
}

test('rotation deletes its own files only, whatever others are called', async (t) => {
  const folder = newFolder(t);
  const path = join(folder, 'calls.jsonl');
  const foreign = ['calls.jsonl.20250101', 'calls.jsonl.99', 'calls.jsonl.7', 'calls.jsonl.old', 'calls.jsonl.2.gz'];
  for (const name of foreign) writeFileSync(join(folder, name), 'mine');
  const sink = sinkOf(path, 'jsonl', { rotateBytes: 1, filesMax: 5 });
  for (let i = 0; i < 12; i++) assert.equal(codeOf(await sink.send(batchOf('jsonl', [i]), never)), 'delivered');
  await sink.close();
  for (const name of foreign) assert.equal(readFileSync(join(folder, name), 'utf8'), 'mine', name);
  const own = ['calls.jsonl', 'calls.jsonl.1', 'calls.jsonl.2', 'calls.jsonl.3', 'calls.jsonl.4'];
  assert.deepEqual(readdirSync(folder).sort(), [...own, ...foreign].sort());
  assert.deepEqual(
    own.map((name) => read(join(folder, name), 'jsonl')),
    [[11], [10], [9], [8], [7]],
  );
});

test('a lower filesMax takes effect with the next rotation, up to the first number that is free', async (t) => {
  const folder = newFolder(t);
  const path = join(folder, 'calls');
  const many = sinkOf(path, 'jsonl', { rotateBytes: 1, filesMax: 8 });
  for (let i = 0; i < 10; i++) await many.send(batchOf('jsonl', [i]), never);
  await many.close();
  writeFileSync(`${path}.9`, 'mine');
  const few = sinkOf(path, 'jsonl', { rotateBytes: 1, filesMax: 3 });
  await few.send(batchOf('jsonl', [10]), never);
  assert.deepEqual(readdirSync(folder).sort(), ['calls', 'calls.1', 'calls.2', 'calls.9']);
  await few.close();
  const one = sinkOf(path, 'jsonl', { rotateBytes: 1, filesMax: 1 });
  await one.send(batchOf('jsonl', [11]), never);
  await one.close();
  assert.deepEqual(readdirSync(folder).sort(), ['calls', 'calls.9']);
  assert.deepEqual(read(path, 'jsonl'), [11]);
});

test('rotated by the clock, in whole hours', async (t) => {
  const folder = newFolder(t);
  const path = join(folder, 'calls');
  let nowMs = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS + 10;
  const sink = sinkOf(path, 'jsonl', { rotateHours: 1 }, () => nowMs);
  await sink.send(batchOf('jsonl', [0]), never);
  nowMs += HOUR_MS - 20;
  await sink.send(batchOf('jsonl', [1]), never);
  nowMs += 20;
  await sink.send(batchOf('jsonl', [2]), never);
  await sink.close();
  assert.deepEqual([read(`${path}.1`, 'jsonl'), read(path, 'jsonl')], [[0, 1], [2]]);
});

test('and at the end of the hours, also when nothing comes', async (t) => {
  const path = join(newFolder(t), 'calls.har');
  const startMs = Date.now();
  // The period ends in a moment.
  const now = (): number => 1000 * HOUR_MS - 50 + (Date.now() - startMs);
  const sink = new FileSink({ path, rotateBytes: 0, rotateHours: 1, filesMax: 5 }, framingOf('har'), now);
  assert.equal((await sink.send(batchOf('har', [1]), never)).type, 'delivered');
  while (existsSync(path)) await sleep(5);
  const numbers = (file: string): number => JSON.parse(readFileSync(file, 'utf8')).log.entries.length;
  assert.equal(numbers(`${path}.1`), 1, 'it is whole in its format');
  assert.equal((await sink.send(batchOf('har', [2, 3]), never)).type, 'delivered');
  await sink.close();
  assert.deepEqual([numbers(path), numbers(`${path}.1`)], [2, 1]);
});

test('a file in another format is left alone, and rotated away', async (t) => {
  const path = join(newFolder(t), 'calls');
  writeFileSync(path, 'something that somebody needs');
  const sink = sinkOf(path, 'zeek-http');
  await sink.send(batchOf('zeek-http', [0]), never);
  await sink.close();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'something that somebody needs');
  assert.deepEqual(read(path, 'zeek-http'), [0]);
});

test('a whole last record without a line feed stays, at the start and while it runs', async (t) => {
  const path = join(newFolder(t), 'calls');
  writeFileSync(path, `${lineOf(5)}${lineOf(6).toString().trimEnd()}`);
  const sink = sinkOf(path, 'jsonl');
  await sink.send(batchOf('jsonl', [0]), never);
  appendFileSync(path, lineOf(7).toString().trimEnd());
  await sink.send(batchOf('jsonl', [1]), never);
  await sink.send(batchOf('jsonl', [2]), never);
  await sink.close();
  assert.deepEqual(read(path, 'jsonl'), [5, 6, 0, 7, 1, 2]);
});

test('a file that does not begin with a record is none of ours, and nothing is cut off it', async (t) => {
  const record = lineOf(0).toString();
  const foreign = [
    'user=somebody',
    'a note\nand a second line without an end',
    '{"a":\n  1\n}',
    '{"a": 1, "b',
    '[1, 2]\n',
    `x\n${record}`,
    '\n',
  ];
  for (const text of foreign) {
    const path = join(newFolder(t), 'calls');
    writeFileSync(path, text);
    const sink = sinkOf(path, 'jsonl', { filesMax: 1 });
    await sink.send(batchOf('jsonl', [0]), never);
    await sink.close();
    assert.equal(readFileSync(`${path}.1`, 'utf8'), text);
    assert.deepEqual(read(path, 'jsonl'), [0]);
  }
  const own = [record.slice(0, 1), record.slice(0, 12), record.slice(0, 300), `${record}${record.slice(0, 50)}`];
  for (const text of own) {
    const path = join(newFolder(t), 'calls');
    writeFileSync(path, text);
    const sink = sinkOf(path, 'jsonl');
    await sink.send(batchOf('jsonl', [1]), never);
    await sink.close();
    assert.equal(existsSync(`${path}.1`), false, text);
    assert.deepEqual(read(path, 'jsonl').at(-1), 1);
  }
});

test('what somebody else appended stays, and no record is mixed up with it', async (t) => {
  const path = join(newFolder(t), 'calls');
  const sink = sinkOf(path, 'jsonl');
  await sink.send(batchOf('jsonl', [0]), never);
  appendFileSync(path, lineOf(7));
  await sink.send(batchOf('jsonl', [1]), never);
  await sink.close();
  assert.deepEqual(read(path, 'jsonl'), [0, 7, 1]);
});

test('what cannot be written is said, and goes on when it is mended', async (t) => {
  const folder = newFolder(t);
  const path = join(folder, 'none', 'calls');
  const sink = sinkOf(path, 'jsonl');
  const missing = await sink.send(batchOf('jsonl', [0]), never);
  assert.equal(codeOf(missing), 'blocked folder-missing');
  assert.equal((await sink.reload())?.code, 'folder-missing');
  mkdirSync(join(folder, 'none'));
  assert.equal(codeOf(await sink.send(batchOf('jsonl', [0]), never)), 'delivered');
  await sink.close();
  assert.equal(codeOf(await sinkOf(folder, 'jsonl').send(batchOf('jsonl', [0]), never)), 'blocked not-a-file');
  assert.equal(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0);
  assert.equal(codeOf(await sinkOf(join(folder, 'pipe'), 'jsonl').send(batchOf('jsonl', [0]), never)), 'blocked not-a-file');
  assert.equal(codeOf(await sinkOf(path, 'jsonl').send(batchOf('jsonl', [1]), AbortSignal.abort())), 'retry aborted');
  assert.deepEqual(read(path, 'jsonl'), [0]);
});

for (const format of allFormats) {
  test(`${format}: a full disk keeps no half record, and no record is written twice`, { skip: skipDisk }, async (t) => {
    const folder = smallDisk(t, 64 << 10);
    const path = join(folder, 'calls');
    const sink = sinkOf(path, format, { rotateBytes: 40_000 });
    const bodyBytes = 2000;
    let delivered = 0;
    let outcome: Outcome = { type: 'delivered' };
    // zeek-http leaves bodies out: many more records.
    const perBatch = format === 'zeek-http' ? 40 : 3;
    const batches = Array.from({ length: 30 }, (_, i) =>
      batchOf(
        format,
        Array.from({ length: perBatch }, (_, k) => perBatch * i + k),
        bodyBytes,
      ),
    );
    while (delivered < 30) {
      outcome = await sink.send(batches[delivered], never);
      if (outcome.type !== 'delivered') break;
      delivered++;
    }
    assert.equal(codeOf(outcome), 'retry disk-full');
    for (let i = 0; i < 3; i++) assert.equal(codeOf(await sink.send(batches[delivered], never)), 'retry disk-full');
    assert.equal(spawnSync('mount', ['-o', `remount,size=${4 << 20}`, folder]).status, 0);
    for (let i = delivered; i < 30; i++) assert.equal(codeOf(await sink.send(batches[i], never)), 'delivered');
    await sink.close();
    const names = readdirSync(folder).sort().reverse();
    assert.ok(names.length > 1, 'it was rotated');
    const found = [...names.filter((name) => name !== 'calls'), 'calls'].flatMap((name) => read(join(folder, name), format));
    assert.deepEqual(
      found,
      Array.from({ length: 30 * perBatch }, (_, i) => i),
    );
  });
}
