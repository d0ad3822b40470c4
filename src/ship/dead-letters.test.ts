import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rig, spoolSettings } from '../../test/support/spool-rig.ts';
import { type DeadLetter, DeadLetters, LETTERS, letterSpool, replayToSinks } from './dead-letters.ts';
import { routesOf } from './routes.ts';
import { encoderOf, lineOf, MemorySpool, numberOf, problem } from './ship-testing.ts';

function letter(n: number, sink = 'edge', code = 'bad-request'): DeadLetter {
  return { sink, atMs: 1000 + n, problem: problem(code), sequence: 500 + n, line: lineOf(n) };
}

function setUp(): { spool: MemorySpool; main: MemorySpool; letters: DeadLetters } {
  const spool = new MemorySpool();
  const main = new MemorySpool(routesOf('edge', 0));
  return { spool, main, letters: new DeadLetters(spool, spool, main) };
}

function linesIn(spool: MemorySpool): string[] {
  const acked = spool.state().ackedSequence;
  return spool.frames
    .filter(({ firstSequence }) => firstSequence > acked)
    .flatMap(({ bytes }) => Buffer.from(bytes).toString().trimEnd().split('\n'));
}

test('a letter is a line of JSON with the record as it was', async () => {
  const { spool, letters } = setUp();
  await letters.add([letter(1), letter(2)]);
  const [first, second] = linesIn(spool).map((line) => JSON.parse(line));
  assert.deepEqual(first, {
    sink: 'edge',
    atMs: 1001,
    problem: problem('bad-request'),
    sequence: 501,
    record: JSON.parse(lineOf(1).toString()),
  });
  assert.equal(second.record.id, 'sensor.abc.0.2');
});

test('listed by sink, problem and time, as often as one likes', async () => {
  const { letters } = setUp();
  await letters.add([letter(1), letter(2, 'archive'), letter(3, 'edge', 'too-large')]);
  await letters.add([letter(4)]);
  const numbers = async (filter: Parameters<DeadLetters['list']>[0], max = 10): Promise<number[]> =>
    (await letters.list(filter, max)).map(({ id }) => numberOf(id));
  assert.deepEqual(await numbers({}), [1, 2, 3, 4]);
  assert.deepEqual(await numbers({ sink: 'edge' }), [1, 3, 4]);
  assert.deepEqual(await numbers({ code: 'too-large' }), [3]);
  assert.deepEqual(await numbers({ sinceMs: 1002, untilMs: 1003 }), [2, 3]);
  assert.deepEqual(await numbers({}, 2), [1, 2]);
  const [{ sequence, bytes, problem: why }] = await letters.list({}, 1);
  assert.deepEqual([sequence, bytes, why.what], [501, lineOf(1).length - 1, 'it said bad-request']);
});

test('replayed: the record goes to its sink only, byte for byte, and the letter is gone; the others stay', async () => {
  const { main, letters } = setUp();
  await letters.add([letter(1), letter(2, 'archive'), letter(3, 'edge', 'too-large')]);
  await letters.add([letter(4)]);
  assert.equal(await letters.replay({ sink: 'edge', code: 'bad-request' }), 2);
  assert.deepEqual(
    (await letters.list({}, 10)).map(({ id }) => numberOf(id)),
    [2, 3],
  );
  const sinks = ['edge', 'archive'].map((sink) => {
    const encoder = encoderOf('jsonl', 0x7fffffff, sink);
    return main.frames.flatMap((frame) => {
      const cursor = encoder.open(frame, 0);
      const lines: string[] = [];
      for (let record = cursor.next(); record !== null; record = cursor.next()) lines.push(record.bytes.toString());
      return lines;
    });
  });
  assert.deepEqual(sinks, [[lineOf(1).toString(), lineOf(4).toString()], []]);
  assert.equal(await letters.replay({ sink: 'edge' }), 1);
  assert.equal(await letters.replay({ sink: 'edge' }), 0);
  assert.equal(await letters.replay({}), 1);
  assert.deepEqual(await letters.list({}, 10), []);
});

test('a letter that arrives while others are replayed is kept', async () => {
  const { letters } = setUp();
  await letters.add([letter(1), letter(2)]);
  const [replayed] = await Promise.all([letters.replay({}), letters.add([letter(3)])]);
  const left = (await letters.list({}, 10)).length;
  assert.equal(replayed + left, 3);
});

test('when the main spool takes nothing, no letter goes', async () => {
  const { spool, letters } = setUp();
  let lost = 0;
  const full = { append: () => lost++, durable: async () => {}, state: () => ({ lost, lastSequence: 0 }) };
  const refusing = new DeadLetters(spool, spool, full);
  await letters.add([letter(1)]);
  await assert.rejects(refusing.replay({}), /takes nothing/);
  assert.equal((await refusing.list({}, 10)).length, 1);
});

test('a record that cannot be parsed is kept as it is, and never replayed', async () => {
  const { spool, main, letters } = setUp();
  const line = Buffer.from('{"id":"x","half\n');
  await letters.add([{ ...letter(1), problem: problem('record-unreadable'), line }, letter(2)]);
  const [first] = linesIn(spool).map((text) => JSON.parse(text));
  assert.equal(Buffer.from(first.raw, 'base64').toString(), '{"id":"x","half');
  assert.equal((await letters.list({}, 10)).length, 2);
  assert.equal(await letters.replay({}), 1);
  assert.equal(main.frames.length, 1);
  assert.equal((await letters.list({}, 10))[0].problem.code, 'record-unreadable');
});

/** A log of dead letters on a disk, full up to its quota with letters of two sinks, ten together. */
async function fullLog(): Promise<{ rig: Rig; main: MemorySpool; letters: DeadLetters; spool: Awaited<ReturnType<Rig['open']>> }> {
  const rig = new Rig();
  const settings = spoolSettings({ compression: 'none', deadLetterBytesMax: 200_000, syncIntervalMs: 1 });
  const options = letterSpool('/spool', settings);
  const spool = await rig.open({}, options);
  const main = new MemorySpool(routesOf('edge', 0));
  const letters = new DeadLetters(spool, spool.reader(LETTERS), main, rig.timers);
  for (let n = 0; spool.state().bytes < 195_000; n += 10) {
    const added = letters.add(Array.from({ length: 10 }, (_, i) => letter(n + i, i % 10 === 0 ? 'edge' : 'archive')));
    await rig.timers.pass(20);
    await added;
  }
  assert.equal(spool.state().readers[0].expiredByQuota, 0);
  return { rig, main, letters, spool };
}

async function passUntil<T>(rig: Rig, work: Promise<T>): Promise<T> {
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  for (let i = 0; i < 10_000 && !isDone; i++) await rig.timers.pass(20);
  return await work;
}

test('a log that is full: a replay keeps every letter that it does not take', async () => {
  for (const filter of [{ sink: 'edge' }, { sink: 'edge', sinceMs: 1000 + 150 }, { sink: 'nobody' }]) {
    const { rig, main, letters, spool } = await fullLog();
    const before = spool.state().readers[0].queued;
    const replayed = await passUntil(rig, letters.replay(filter));
    await rig.timers.pass(3000);
    const { queued, expiredByQuota } = spool.state().readers[0];
    assert.deepEqual({ kept: queued, expiredByQuota }, { kept: before - replayed, expiredByQuota: 0 }, JSON.stringify(filter));
    assert.equal(main.state().lastSequence, replayed);
    assert.equal(replayed > 0, filter.sink === 'edge');
    assert.ok(spool.state().bytes <= spool.state().bytesMax, `${spool.state().bytes}`);
    await rig.close(spool);
  }
});

test('a log that is full: all sinks are replayed in one pass', async () => {
  const { rig, main, letters, spool } = await fullLog();
  const before = spool.state().readers[0].queued;
  const written = spool.state().offered;
  const replayed = await passUntil(rig, replayToSinks(letters, ['edge', 'other', 'more'], {}));
  assert.equal(replayed, before / 10);
  assert.equal(main.state().lastSequence, replayed);
  assert.ok(spool.state().offered - written <= before - replayed, 'what stays is written once');
  await rig.close(spool);
});

test('a replay writes nothing again behind the last letter that fits', async () => {
  const { rig, letters, spool } = await fullLog();
  const { queued } = spool.state().readers[0];
  const written = spool.state().offered;
  assert.equal(await passUntil(rig, letters.replay({ sink: 'nobody' })), 0);
  assert.equal(await passUntil(rig, letters.replay({ sink: 'edge', untilMs: 1025 })), 3);
  assert.equal(spool.state().offered - written, 27);
  assert.equal(spool.state().readers[0].queued, queued - 3);
  await rig.close(spool);
});
