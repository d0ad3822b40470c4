import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EncodedBatch } from '../encode-batch.ts';
import type { FormatName } from '../formats/encoder.ts';
import { encoderOf, frameOf, framingOf, lineOf, numberOf } from '../ship-testing.ts';
import { StdoutSink } from './stdout.ts';

const LIMIT_MS = 20_000;
const never = new AbortController().signal;

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

interface Pipe {
  readonly fd: number;
  readonly read: () => string;
  readonly closeReader: () => void;
  readonly openReader: () => void;
}

/** A pipe with a reader that takes nothing until it is told to. */
function newPipe(t: TestContext): Pipe {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-stdout-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'pipe');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  const openIt = (): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let reader = openIt();
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(1 << 20);
  t.after(() => closeSync(reader));
  return {
    fd,
    read: () => {
      try {
        return buffer.toString('utf8', 0, readSync(reader, buffer));
      } catch {
        return '';
      }
    },
    closeReader: () => closeSync(reader),
    openReader: () => {
      reader = openIt();
    },
  };
}

async function readUntil(pipe: Pipe, isDone: () => boolean): Promise<string> {
  let text = '';
  for (const endMs = Date.now() + LIMIT_MS; !isDone(); await sleep(2)) {
    assert.ok(Date.now() < endMs, 'it never ends');
    text += pipe.read();
  }
  return text + pipe.read();
}

test('a reader that is slow is waited for', async (t) => {
  const pipe = newPipe(t);
  const sink = new StdoutSink(framingOf('jsonl'), pipe.fd);
  let done = false;
  // More than a pipe holds.
  const sent = sink.send(batchOf('jsonl', [0, 1, 2, 3], 100_000), never).finally(() => {
    done = true;
  });
  await sleep(50);
  assert.equal(done, false);
  const text = await readUntil(pipe, () => done);
  assert.equal((await sent).type, 'delivered');
  assert.deepEqual(text.trimEnd().split('\n').map(numberOf), [0, 1, 2, 3]);
  await sink.close();
});

test('broken off and sent again: it goes on where it ended', async (t) => {
  const pipe = newPipe(t);
  const sink = new StdoutSink(framingOf('jsonl'), pipe.fd);
  const batch = batchOf('jsonl', [0, 1, 2, 3], 100_000);
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 50);
  assert.equal((await sink.send(batch, abort.signal)).type, 'retry');
  let done = false;
  const again = sink.send(batch, never).finally(() => {
    done = true;
  });
  const text = await readUntil(pipe, () => done);
  assert.equal((await again).type, 'delivered');
  assert.equal(text, Buffer.from(batch.body()).toString());
  await sink.close();
});

test('the reader goes away: said so, and the next reader gets all that the first one did not take', async (t) => {
  const pipe = newPipe(t);
  const sink = new StdoutSink(framingOf('jsonl'), pipe.fd);
  const batch = batchOf('jsonl', [0, 1, 2, 3], 30_000);
  const first = sink.send(batch, never);
  await sleep(50);
  pipe.closeReader();
  const outcome = await first;
  assert.ok(outcome.type === 'retry' && outcome.problem.code === 'reader-gone');
  pipe.openReader();
  let done = false;
  const again = sink.send(batch, never).finally(() => {
    done = true;
  });
  const text = await readUntil(pipe, () => done);
  assert.equal((await again).type, 'delivered');
  const numbers = text
    .trimEnd()
    .split('\n')
    .map((line) => numberOf(JSON.stringify(JSON.parse(line))));
  assert.deepEqual(numbers, [0, 1, 2, 3]);
  await sink.close();
});

test('one whole document in its format, over several batches', async (t) => {
  const pipe = newPipe(t);
  const sink = new StdoutSink(framingOf('har'), pipe.fd);
  await sink.send(batchOf('har', [0, 1]), never);
  await sink.send(batchOf('har', [2]), never);
  await sink.close();
  assert.equal(JSON.parse(pipe.read()).log.entries.length, 3);
});

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), 'earshot-stdout-try-'));
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4096', 'earshot-try', folder]).status === 0;
  if (made) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return made;
}

const skipDisk = canMount() ? false : 'a disk that is full is a tmpfs, which only root may mount';

test('standard output that is a file on a full disk: at the end the part of a record is cut off', { skip: skipDisk }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-stdout-disk-'));
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=65536', `earshot-${process.pid}`, folder]).status, 0);
  t.after(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  const path = join(folder, 'out');
  const sink = new StdoutSink(framingOf('jsonl'), openSync(path, 'a'));
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  const outcome = await sink.send(batchOf('jsonl', numbers, 5000), never);
  assert.ok(outcome.type === 'retry' && outcome.problem.code === 'disk-full');
  assert.notEqual(readFileSync(path, 'utf8').at(-1), '\n', 'a part of a record is there');
  await sink.close();
  const found = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => numberOf(JSON.stringify(JSON.parse(line))));
  assert.deepEqual(found, numbers.slice(0, found.length));
  assert.ok(found.length > 5);
});
