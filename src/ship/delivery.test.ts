import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Delivery } from './delivery.ts';
import { BLOCKED, DELIVERED, REFUSED, RETRY, setUp, sorted, TOO_LARGE, upTo } from './delivery-testing.ts';
import { encoderOf, gapLineOf, lineOf, problem } from './ship-testing.ts';
import type { Outcome } from './sink.ts';

test('batches by count at once, the rest when its time is over', async () => {
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(() => DELIVERED);
  put(upTo(25));
  delivery.start();
  await timers.pass(900);
  assert.deepEqual(
    sink.sent.map(({ numbers }) => numbers),
    [upTo(10), upTo(20, 10)],
  );
  assert.equal(delivery.state().inFlight, 5);
  assert.equal(spool.state().ackedSequence, 20);
  assertBalanced();
  await timers.pass(200);
  assert.deepEqual(sink.sent[2].numbers, upTo(25, 20));
  assert.equal(spool.state().ackedSequence, 25);
  assertBalanced();
  const { received, written, errors, retries, inFlight, queued, valid, inFlightBytes } = delivery.state();
  assert.deepEqual([received, written, errors, retries, inFlight, queued, valid, inFlightBytes], [25, 25, 0, 0, 0, 0, true, 0]);
});

test('batches by bytes', async () => {
  const { timers, sink, delivery, put } = setUp(() => DELIVERED, { bytesMax: lineOf(10).length * 3 });
  put(upTo(17, 10));
  delivery.start();
  await timers.pass(2000);
  assert.deepEqual(
    sink.sent.map(({ numbers }) => numbers),
    [upTo(13, 10), upTo(16, 13), [16]],
  );
});

test('records of other pipelines are acked without being sent', async () => {
  const { timers, spool, sink, delivery } = setUp(() => DELIVERED);
  spool.put([lineOf(0), lineOf(1), lineOf(2), lineOf(3)], [2, 1, 2, 2]);
  spool.put([lineOf(4)], [2]);
  delivery.start();
  await timers.pass(2000);
  assert.deepEqual(sink.delivered, [1]);
  assert.equal(spool.state().ackedSequence, 5);
});

test('gap records that the format has no place for are done with unsent, and the books balance', async () => {
  const { timers, spool, sink, delivery, assertBalanced } = setUp(() => DELIVERED, { format: 'ecs' });
  spool.put([gapLineOf(1)]);
  spool.put([lineOf(1), gapLineOf(2), lineOf(2), gapLineOf(3)]);
  delivery.start();
  await timers.pass(0);
  assert.equal(spool.state().ackedSequence, 1);
  assert.deepEqual([delivery.state().skipped, delivery.state().inFlight], [3, 2]);
  assertBalanced();
  await timers.pass(2000);
  assert.deepEqual(sink.delivered, [1, 2]);
  assert.doesNotMatch(sink.sent.map(({ body }) => body).join(''), /earshot.gap/);
  assert.equal(spool.state().ackedSequence, 5);
  const { received, written, skipped, inFlight, inFlightBytes, queued } = delivery.state();
  assert.deepEqual([received, written, skipped, inFlight, inFlightBytes, queued], [5, 2, 3, 0, 0, 0]);
  assertBalanced();
});

test('gap records of a blocked sink wait like all others', async () => {
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(() => BLOCKED, { format: 'har' });
  put([0]);
  delivery.start();
  await timers.pass(1500);
  spool.put([gapLineOf(1)]);
  await timers.pass(1000);
  assert.deepEqual([delivery.state().skipped, spool.state().ackedSequence], [0, 0]);
  assertBalanced();
  sink.answer = () => DELIVERED;
  delivery.unblock();
  await timers.pass(2000);
  assert.deepEqual([delivery.state().skipped, delivery.state().written, spool.state().ackedSequence], [1, 1, 2]);
  assertBalanced();
});

test('retry: the same id and bytes, with full jitter up to 0.5 s, 1 s, 2 s ... 60 s', async () => {
  const random = 0.999;
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(() => RETRY, { random });
  put(upTo(10));
  delivery.start();
  await timers.pass(300_000);
  assert.equal(new Set(sink.sent.map(({ id, body }) => id + body)).size, 1);
  const pauses = sink.sent.slice(1).map(({ atMs }, i) => Math.round((atMs - sink.sent[i].atMs) / random));
  assert.deepEqual(pauses.slice(0, 9), [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.equal(spool.state().ackedSequence, 0);
  assert.equal(delivery.state().valid, false);
  assert.equal(delivery.state().lastProblem?.code, 'connection-refused');
  assert.equal(delivery.state().retries, sink.sent.length - 1);
  assertBalanced();
  sink.answer = () => DELIVERED;
  await timers.pass(60_000);
  assert.equal(spool.state().ackedSequence, 10);
  assert.equal(delivery.state().valid, true);
  assertBalanced();
});

test('Retry-After is kept to, at most an hour', async () => {
  let afterMs = 90_000;
  const { timers, sink, delivery, put } = setUp(() => ({ ...RETRY, afterMs }), { random: 0.5, concurrencyMax: 4 });
  put(upTo(40));
  delivery.start();
  await timers.pass(90_000);
  assert.equal(sink.sent.length, 1, 'also no other batch');
  await timers.pass(1000);
  assert.equal(sink.sent.length, 2);
  afterMs = 86_400_000;
  await timers.pass(91_000);
  assert.equal(sink.sent.length, 3);
  await timers.pass(3_597_000);
  assert.equal(sink.sent.length, 3);
  await timers.pass(4000);
  assert.equal(sink.sent.length, 4);
});

test('a sink that is down gets one batch at a time', async () => {
  const { timers, sink, delivery, put } = setUp(() => DELIVERED, { concurrencyMax: 8, recordsMax: 1 });
  sink.tookMs = 10;
  put(upTo(500));
  delivery.start();
  await timers.pass(200);
  assert.equal(sink.underWayMax, 8, 'it grew while all went well');
  sink.answer = () => RETRY;
  await timers.pass(20);
  sink.underWayMax = 0;
  sink.sent = [];
  await timers.pass(30_000);
  assert.equal(sink.underWayMax, 1);
  assert.ok(sink.sent.length < 15, `${sink.sent.length} attempts in half a minute`);
});

test('a batch that the receiver never takes does not keep the others', async () => {
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(({ numbers }) => (numbers.includes(3) ? RETRY : DELIVERED), {
    random: Math.random,
  });
  put(upTo(200));
  delivery.start();
  await timers.pass(60_000);
  assert.deepEqual(sorted(sink.delivered), upTo(200, 10));
  assert.equal(spool.state().ackedSequence, 0, 'it is the first: nothing is acked');
  assert.deepEqual([delivery.state().inFlight, delivery.state().queued], [10, 0]);
  assertBalanced();
});

test('acks follow the order of the spool, also when batches end out of order', async () => {
  const endings: (() => void)[] = [];
  const { timers, spool, delivery, put, assertBalanced } = setUp(
    () => new Promise<Outcome>((resolve) => endings.push(() => resolve(DELIVERED))),
    { concurrencyMax: 4 },
  );
  put(upTo(60));
  delivery.start();
  // The way up to several at a time.
  for (let i = 0; i < 3; i++) {
    await timers.pass(1);
    endings.shift()?.();
  }
  await timers.pass(1);
  assert.equal(endings.length, 3);
  const before = spool.state().ackedSequence;
  endings[2]();
  endings[1]();
  await timers.pass(1);
  assert.equal(spool.state().ackedSequence, before);
  assertBalanced();
  endings[0]();
  await timers.pass(1);
  assert.equal(spool.state().ackedSequence, before + 30);
  assertBalanced();
});

test('blocked: all is held, one batch is tried after 30 s, 1 min ... 5 min, and at once when told', async () => {
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(() => BLOCKED, { concurrencyMax: 4 });
  put(upTo(100));
  delivery.start();
  await timers.pass(1_000_000);
  const pauses = sink.sent.slice(1).map(({ atMs }, i) => (atMs - sink.sent[i].atMs) / 1000);
  assert.deepEqual(pauses, [30, 60, 120, 240, 300]);
  assert.equal(sink.underWayMax, 1);
  const state = delivery.state();
  assert.deepEqual([state.blocked?.code, state.valid, state.written, state.deadLettered], ['token-refused', false, 0, 0]);
  assert.ok(state.queued > 0, 'the rest stays in the spool');
  assertBalanced();
  delivery.unblock();
  await timers.pass(0);
  assert.equal(sink.sent.length, 7);
  sink.answer = () => DELIVERED;
  assert.equal(await delivery.reload(), null);
  await timers.pass(2000);
  assert.equal(sink.reloads, 1);
  assert.deepEqual(sorted(sink.delivered), upTo(100));
  assert.equal(spool.state().ackedSequence, 100);
  assert.deepEqual([delivery.state().blocked, delivery.state().valid], [null, true]);
  assertBalanced();
});

test('too large: halves with ids of their own, smaller batches from then on, a single record is a dead letter', async () => {
  const most = lineOf(10).length * 4;
  const { timers, spool, sink, box, delivery, assertBalanced } = setUp(({ body }) => (body.length > most ? TOO_LARGE : DELIVERED), {
    recordsMax: 16,
  });
  spool.put(upTo(42, 10).map((n) => lineOf(n)));
  spool.put([lineOf(42, most)]);
  delivery.start();
  await timers.pass(2000);
  assert.deepEqual(sorted(sink.delivered), upTo(42, 10));
  assert.deepEqual(box.numbers, [42]);
  assert.equal(box.letters[0].problem.code, 'payload-too-large');
  assert.equal(spool.state().ackedSequence, 33);
  const tooLarge = sink.sent.filter(({ body }) => body.length > most);
  assert.ok(tooLarge.length <= 3, `it learned: ${tooLarge.length} were too large`);
  assert.ok(delivery.state().batchBytesMax <= most);
  assert.equal(new Set(sink.sent.map(({ id }) => id)).size, sink.sent.length);
  assertBalanced();
});

test('refused: halved down to the record, the rest is delivered', async () => {
  const { timers, spool, sink, box, delivery, put, assertBalanced } = setUp(({ numbers }) => (numbers.includes(37) ? REFUSED : DELIVERED), {
    recordsMax: 64,
  });
  put(upTo(64));
  delivery.start();
  await timers.pass(2000);
  assert.deepEqual(sorted(sink.delivered), [...upTo(37), ...upTo(64, 38)]);
  assert.deepEqual(box.numbers, [37]);
  assert.deepEqual([box.letters[0].sink, box.letters[0].problem.code, box.letters[0].sequence], ['edge', 'bad-request', 38]);
  assert.equal(sink.sent.length, 13, 'twice log2 of 64, and the whole');
  assert.equal(spool.state().ackedSequence, 64);
  assert.equal(delivery.state().valid, true);
  assertBalanced();
});

test('many refused records in a batch do not keep the other batches', async () => {
  const { timers, sink, box, delivery, put } = setUp(({ numbers }) => (numbers.some((n) => n < 50) ? REFUSED : DELIVERED), {
    recordsMax: 50,
    concurrencyMax: 2,
  });
  sink.tookMs = 10;
  put(upTo(1000));
  delivery.start();
  await timers.pass(400);
  assert.ok(sink.delivered.length > 500, `${sink.delivered.length}`);
  await timers.pass(400_000);
  assert.deepEqual(sorted(sink.delivered), upTo(1000, 50));
  assert.equal(new Set(box.numbers).size, box.numbers.length);
});

test('all content is refused: a few dead letters, then held until the receiver takes one', async () => {
  const { timers, spool, sink, box, delivery, put, assertBalanced } = setUp(() => REFUSED, { recordsMax: 64, concurrencyMax: 2 });
  put(upTo(640));
  delivery.start();
  await timers.pass(3_600_000);
  assert.equal(box.letters.length, 15);
  const state = delivery.state();
  assert.deepEqual([state.blocked?.code, state.valid], ['content-refused', false]);
  assert.ok(sink.sent.length < 60, `${sink.sent.length} requests in an hour`);
  assert.ok(sink.sent.slice(-5).every(({ numbers }) => numbers.length === 1));
  assert.ok(new Set(sink.sent.slice(-5).flatMap(({ numbers }) => numbers)).size > 1, 'not always the same record');
  assertBalanced();
  sink.answer = ({ numbers }) => (numbers.some((n) => n % 7 === 0) ? REFUSED : DELIVERED);
  delivery.unblock();
  await timers.pass(3_600_000);
  assert.deepEqual(sorted([...sink.delivered, ...box.numbers]), upTo(640), 'each once, by the one way or the other');
  assert.equal(spool.state().ackedSequence, 640);
  assertBalanced();
});

test('in part: what failed is sent again, what was refused is a dead letter, what was taken is not sent twice', async () => {
  let first = true;
  const { timers, spool, sink, box, delivery, put, assertBalanced } = setUp(() => {
    if (!first) return DELIVERED;
    first = false;
    return {
      type: 'in-part',
      afterMs: 0,
      failed: [
        { index: 7, outcome: 'retry', problem: problem('busy') },
        { index: 2, outcome: 'retry', problem: problem('busy') },
        { index: 4, outcome: 'refused', problem: problem('mapping') },
      ],
    };
  });
  put(upTo(10));
  delivery.start();
  await timers.pass(0);
  assert.equal(spool.state().ackedSequence, 2);
  assertBalanced();
  await timers.pass(1000);
  assert.deepEqual(
    sink.sent.map(({ numbers }) => numbers),
    [upTo(10), [2, 7]],
  );
  assert.deepEqual([box.numbers, box.letters[0].problem.code], [[4], 'mapping']);
  assert.equal(spool.state().ackedSequence, 10);
  assertBalanced();
});

test('in part, with Retry-After: what is to come again waits so long, and so does everything else', async () => {
  let first = true;
  const { timers, sink, delivery, put } = setUp(() => {
    if (!first) return DELIVERED;
    first = false;
    return { type: 'in-part', afterMs: 90_000, failed: [{ index: 3, outcome: 'retry', problem: problem('busy') }] };
  });
  put(upTo(30));
  delivery.start();
  await timers.pass(89_000);
  assert.equal(sink.sent.length, 1);
  await timers.pass(2000);
  assert.deepEqual(sorted(sink.delivered), upTo(30));
});

test('dead letters that cannot be written: the record is held until they can', async () => {
  const { timers, spool, box, delivery, put, assertBalanced } = setUp(() => REFUSED, { recordsMax: 1 });
  box.isFull = true;
  put([0]);
  delivery.start();
  await timers.pass(10_000);
  assert.deepEqual([spool.state().ackedSequence, delivery.state().inFlight], [0, 1]);
  assert.equal(delivery.state().lastProblem?.code, 'dead-letters-failed');
  assertBalanced();
  box.isFull = false;
  await timers.pass(60_000);
  assert.deepEqual([box.numbers, spool.state().ackedSequence, delivery.state().deadLettered], [[0], 1, 1]);
  assertBalanced();
});

test('a record that cannot be encoded is a dead letter', async () => {
  const { timers, spool, sink, box } = setUp(() => DELIVERED);
  const delivery = new Delivery({
    name: 'edge',
    type: 'test',
    sink,
    source: spool,
    encode: encoderOf('uap-edge'),
    batch: { recordsMax: 10, bytesMax: 1 << 20, ageMsMax: 10 },
    deadLetters: box,
    timers,
  });
  spool.put([lineOf(0), Buffer.from('{"id":"sensor.abc.0.1"\n'), lineOf(2)]);
  delivery.start();
  await timers.pass(1000);
  assert.deepEqual([sink.delivered, box.numbers, spool.state().ackedSequence], [[0, 2], [1], 3]);
  assert.equal(box.letters[0].problem.code, 'record-unreadable');
});

test('the spool lets data go while it is in hand: delivered all the same, and the books balance', async () => {
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(() => RETRY, { concurrencyMax: 2 });
  put(upTo(200));
  delivery.start();
  await timers.pass(100);
  const inHand = delivery.state().inFlight;
  spool.expire(5);
  assertBalanced();
  assert.equal(delivery.state().expired, 0);
  spool.expire(150);
  assertBalanced();
  sink.answer = () => DELIVERED;
  await timers.pass(10_000);
  assertBalanced();
  const { written, expired, queued } = delivery.state();
  assert.deepEqual([written, expired, queued], [50 + inHand, 150 - inHand, 0]);
  assert.equal(spool.state().ackedSequence, 200);
});

test('memory is bounded while the receiver takes nothing', async () => {
  const { timers, delivery, put, sink } = setUp(() => RETRY, { concurrencyMax: 4, recordsMax: 100 });
  for (let i = 0; i < 100; i++) put(upTo(200));
  delivery.start();
  await timers.pass(100_000);
  assert.ok(sink.sent.length > 3);
  assert.ok(delivery.state().inFlight <= (4 + 2) * 100, `${delivery.state().inFlight}`);
});

test('stop: drains the spool while there is time', async () => {
  const { timers, spool, sink, delivery, put } = setUp(() => DELIVERED, { ageMsMax: 60_000 });
  put(upTo(95));
  delivery.start();
  const stopped = delivery.stop(timers.dateMs() + 5000, true);
  await timers.pass(1);
  await stopped;
  assert.deepEqual([sink.delivered.length, spool.state().ackedSequence, sink.isClosed], [95, 95, true]);
});

test('stop: without drain what is under way is waited for, the rest stays', async () => {
  const { timers, spool, sink, delivery, put, assertBalanced } = setUp(() => DELIVERED);
  sink.tookMs = 100;
  put(upTo(95));
  delivery.start();
  await timers.pass(10);
  const stopped = delivery.stop(timers.dateMs() + 5000, false);
  await timers.pass(1000);
  await stopped;
  assert.deepEqual([sink.sent.length, sink.delivered.length, spool.state().ackedSequence, sink.isClosed], [1, 10, 10, true]);
  assert.deepEqual([delivery.state().inFlight, delivery.state().queued], [0, 85]);
  assertBalanced();
});

test('stop: a receiver that hangs or is down is left when the time is over', async () => {
  const hanging = setUp(() => DELIVERED);
  hanging.sink.tookMs = 1e9;
  hanging.put(upTo(10));
  hanging.delivery.start();
  await hanging.timers.pass(10);
  const stopped = hanging.delivery.stop(hanging.timers.dateMs() + 5000, true);
  await hanging.timers.pass(5000);
  await stopped;
  assert.deepEqual([hanging.spool.state().ackedSequence, hanging.delivery.state().queued], [0, 10]);
  hanging.assertBalanced();

  const blocked = setUp(() => BLOCKED);
  blocked.put(upTo(10));
  blocked.delivery.start();
  await blocked.timers.pass(10);
  const ended = blocked.delivery.stop(blocked.timers.dateMs() + 5000, true);
  await blocked.timers.pass(1);
  await ended;
  assert.equal(blocked.sink.isClosed, true, 'nothing is to be waited for');
  blocked.assertBalanced();
});

test('fewer at a time when answers come later and later', async () => {
  const { timers, sink, delivery, put } = setUp(() => DELIVERED, { concurrencyMax: 8, recordsMax: 1 });
  sink.tookMs = 20;
  for (let i = 0; i < 20; i++) put(upTo(200));
  delivery.start();
  await timers.pass(1000);
  assert.equal(delivery.state().concurrency, 8);
  sink.tookMs = 300;
  await timers.pass(3000);
  assert.ok(delivery.state().concurrency < 6, `${delivery.state().concurrency}`);
});

test('the rate is that of the last ten seconds', async () => {
  const { timers, delivery, put } = setUp(() => DELIVERED, { ageMsMax: 1 });
  delivery.start();
  for (let i = 0; i < 15; i++) {
    put(upTo(20));
    await timers.pass(1000);
  }
  assert.ok(Math.abs(delivery.state().ratePerS - 20) <= 2, `${delivery.state().ratePerS}`);
  await timers.pass(20_000);
  assert.equal(delivery.state().ratePerS, 0);
});

type Failed = Extract<Outcome, { type: 'in-part' }>['failed'];

/** What a receiver may do with a batch; the record decides over refusals, so that they are the same when it comes again. */
const act = fc.oneof(
  { weight: 6, arbitrary: fc.constant('deliver') },
  { weight: 2, arbitrary: fc.constant('retry') },
  { weight: 1, arbitrary: fc.constantFrom('retry-after', 'blocked', 'too-large', 'in-part', 'throw', 'slow') },
);

test('whatever the receiver does: every record arrives or is a dead letter once, nothing is acked before, the books balance', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        acts: fc.array(act, { maxLength: 60 }),
        bad: fc.uniqueArray(fc.nat(150), { maxLength: 20 }),
        frames: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
        concurrencyMax: fc.integer({ min: 1, max: 5 }),
        recordsMax: fc.integer({ min: 1, max: 20 }),
        seed: fc.nat(),
        expireAt: fc.option(fc.nat(40)),
      }),
      async ({ acts, bad, frames, concurrencyMax, recordsMax, seed, expireAt }) => {
        let x = seed;
        const random = (): number => {
          x = (Math.imul(x, 1664525) + 1013904223) | 0;
          return (x >>> 8) / 2 ** 24;
        };
        const isBad = new Set(bad);
        const bytesById = new Map<string, string>();
        const script = [...acts];
        const bench = setUp(
          (sent) => {
            assert.equal(bytesById.get(sent.id) ?? sent.body, sent.body, 'same id, same bytes');
            bytesById.set(sent.id, sent.body);
            const what = script.shift() ?? 'deliver';
            if (what === 'retry') return RETRY;
            if (what === 'retry-after') return { ...RETRY, afterMs: 5000 };
            if (what === 'blocked') return BLOCKED;
            if (what === 'too-large') return TOO_LARGE;
            if (what === 'throw') throw new Error('a fault of the sink');
            const judge = (): Outcome => {
              if (what === 'in-part') {
                const failed = sent.numbers.flatMap((n, index): Failed => {
                  if (isBad.has(n)) return [{ index, outcome: 'refused' as const, problem: problem('bad') }];
                  return random() < 0.5 ? [{ index, outcome: 'retry' as const, problem: problem('busy') }] : [];
                });
                return failed.length === 0 ? DELIVERED : { type: 'in-part', failed, afterMs: 0 };
              }
              return sent.numbers.some((n) => isBad.has(n)) ? REFUSED : DELIVERED;
            };
            if (what !== 'slow') return judge();
            return new Promise<Outcome>((resolve) => bench.timers.after(700, () => resolve(judge())));
          },
          { concurrencyMax, recordsMax, random },
        );
        const { timers, spool, sink, box, delivery, put, assertBalanced } = bench;
        const bound = (concurrencyMax + 2) * recordsMax;
        let total = 0;
        let expiredUpTo = 0;
        delivery.start();
        const check = (): void => {
          assertBalanced();
          assert.ok(delivery.state().inFlight <= bound, 'memory is bounded');
          const ended = new Set([...sink.delivered, ...box.numbers]);
          for (let n = expiredUpTo; n < spool.state().ackedSequence; n++) assert.ok(ended.has(n), `${n} was acked and has not ended`);
        };
        for (const [i, n] of frames.entries()) {
          put(upTo(total + n, total));
          total += n;
          await timers.pass(random() * 800);
          if (expireAt === i) {
            expiredUpTo = Math.max(spool.state().ackedSequence, Math.floor(total / 2));
            spool.expire(expiredUpTo);
          }
          check();
        }
        for (let i = 0; i < 400 && delivery.state().inFlight + delivery.state().queued > 0; i++) {
          await timers.pass(5000);
          check();
        }
        const dead = box.numbers;
        assert.equal(new Set(dead).size, dead.length, 'a dead letter is made once');
        const delivered = new Set(sink.delivered);
        assert.equal(delivered.size, sink.delivered.length, 'what was delivered is not sent again');
        for (const n of dead) assert.ok(!delivered.has(n));
        for (let n = expiredUpTo; n < total; n++) assert.ok(delivered.has(n) || dead.includes(n), `${n} is lost`);
        assert.equal(spool.state().ackedSequence, total);
        assert.deepEqual(spool.acks, sorted(spool.acks), 'the cursor only grows');
        await Promise.all([delivery.stop(timers.dateMs(), false), timers.pass(1)]);
      },
    ),
    { numRuns: 300 },
  );
});
