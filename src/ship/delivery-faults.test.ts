/** Receivers that do well with most, and with some not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELIVERED, RETRY, setUp, sorted, TOO_LARGE, upTo } from './delivery-testing.ts';
import { lineOf, problem } from './ship-testing.ts';
import type { Outcome } from './sink.ts';

const FAILS: Outcome = { type: 'retry', problem: problem('server-error'), afterMs: 0 };

test('a batch that always gets a 5xx is halved down to the record, which is a dead letter', async () => {
  const { timers, spool, sink, box, delivery, put, assertBalanced } = setUp(({ numbers }) => (numbers.includes(7) ? FAILS : DELIVERED));
  delivery.start();
  let n = 0;
  for (let i = 0; i < 400; i++) {
    put(upTo(n + 20, n));
    n += 20;
    await timers.pass(5000);
    assertBalanced();
  }
  assert.deepEqual(box.numbers, [7]);
  assert.equal(box.letters[0].problem.code, 'never-taken');
  assert.match(box.letters[0].problem.what, /server-error/);
  assert.deepEqual(sorted(sink.delivered), [...upTo(7), ...upTo(n, 8)]);
  assert.equal(spool.state().ackedSequence, n);
  assert.ok(sink.sent.filter(({ numbers }) => numbers.length === 1 && numbers[0] === 7).length >= 32, 'it was tried for long');
});

test('what a receiver that is down, or busy, does not take is never a dead letter', async () => {
  const busy: Outcome = { type: 'retry', problem: problem('too-many-requests'), afterMs: 0 };
  for (const outcome of [RETRY, busy]) {
    const { timers, box, delivery, put } = setUp(({ numbers }) => (numbers.includes(7) ? outcome : DELIVERED));
    delivery.start();
    for (let i = 0; i < 200; i++) {
      put(upTo(i * 20 + 20, i * 20));
      await timers.pass(5000);
    }
    assert.deepEqual(box.numbers, []);
  }
  const { timers, box, sink, delivery, put, assertBalanced } = setUp(() => FAILS, { concurrencyMax: 4 });
  put(upTo(500));
  delivery.start();
  await timers.pass(6 * 3_600_000);
  assert.deepEqual([box.numbers, delivery.state().deadLettered], [[], 0], 'it fails with all: no record is at fault');
  assert.ok(sink.sent.every(({ numbers }) => numbers.length === 10));
  assertBalanced();
});

test('413 to everything: a few dead letters, then held until the receiver takes one; batches grow again', async () => {
  let isBroken = true;
  const { timers, spool, sink, box, delivery, put, assertBalanced } = setUp(() => (isBroken ? TOO_LARGE : DELIVERED), {
    recordsMax: 100,
    bytesMax: lineOf(1000).length * 100,
    concurrencyMax: 2,
  });
  put(upTo(3000, 1000));
  delivery.start();
  await timers.pass(3_600_000);
  assert.equal(box.letters.length, 15);
  assert.deepEqual([delivery.state().blocked?.code, delivery.state().valid], ['too-large-always', false]);
  assert.ok(delivery.state().batchBytesMax < lineOf(1000).length * 4);
  assert.ok(sink.sent.length < 80, `${sink.sent.length} requests in an hour`);
  assertBalanced();
  isBroken = false;
  delivery.unblock();
  await timers.pass(400_000);
  for (let i = 3; i < 9; i++) {
    put(upTo((i + 1) * 1000, i * 1000));
    await timers.pass(5000);
  }
  assert.deepEqual(sorted([...sink.delivered, ...box.numbers]), upTo(9000, 1000));
  assert.equal(delivery.state().batchBytesMax, lineOf(1000).length * 100);
  assert.equal(spool.state().ackedSequence, 8000);
  assertBalanced();
});

test('a reply that is too long makes halves, no smaller batches and no dead letters', async () => {
  let isMended = false;
  const long: Outcome = { type: 'retry', problem: problem('reply-too-long'), afterMs: 0, inHalves: true };
  const { timers, sink, box, delivery, put, assertBalanced } = setUp(({ numbers }) => (isMended || numbers.length < 3 ? DELIVERED : long));
  const { batchBytesMax } = delivery.state();
  put(upTo(40));
  delivery.start();
  await timers.pass(1000);
  assert.deepEqual([sorted(sink.delivered), box.numbers, delivery.state().batchBytesMax], [upTo(40), [], batchBytesMax]);
  sink.answer = () => (isMended ? DELIVERED : long);
  put(upTo(80, 40));
  await timers.pass(60_000);
  assert.deepEqual([box.numbers, delivery.state().deadLettered, delivery.state().batchBytesMax], [[], 0, batchBytesMax]);
  isMended = true;
  await timers.pass(200_000);
  assert.deepEqual(sorted(sink.delivered), upTo(80));
  assertBalanced();
});

test('Retry-After is kept to, also when batches that were under way before are delivered', async () => {
  const { timers, sink, delivery, put } = setUp(() => DELIVERED, { recordsMax: 1, concurrencyMax: 4 });
  put(upTo(40));
  delivery.start();
  await timers.pass(1000);
  assert.equal(delivery.state().concurrency, 4);
  sink.sent = [];
  sink.answer = async ({ numbers }) => {
    if (numbers[0] === 40) return { type: 'retry', problem: problem('too-many-requests'), afterMs: 60_000 };
    await new Promise<void>((resolve) => timers.after(100, resolve));
    return DELIVERED;
  };
  put(upTo(80, 40));
  await timers.pass(59_000);
  assert.ok(sink.sent.length > 1, 'some were under way');
  assert.ok(sink.sent.length <= 4, `${sink.sent.length} were sent`);
  sink.answer = () => DELIVERED;
  await timers.pass(10_000);
  assert.deepEqual(sorted(sink.delivered), upTo(80));
});

test('the letters of dead records cannot be written for a while: that is said', async () => {
  const { timers, box, delivery, put } = setUp(() => ({ type: 'refused', problem: problem('bad') }), { recordsMax: 1 });
  let end = (): void => undefined;
  box.add = () =>
    new Promise<void>((resolve) => {
      end = resolve;
    });
  put([0]);
  delivery.start();
  await timers.pass(1000);
  assert.equal(delivery.state().lastProblem?.code, 'bad');
  await timers.pass(10_000);
  assert.equal(delivery.state().lastProblem?.code, 'dead-letters-waiting');
  assert.deepEqual([delivery.state().deadLettered, delivery.state().inFlight], [0, 1]);
  end();
  await timers.pass(1000);
  assert.deepEqual([delivery.state().deadLettered, delivery.state().inFlight], [1, 0]);
});
