import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeadLetter, DeadLetters } from './dead-letters.ts';
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
