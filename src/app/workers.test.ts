import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Pulse } from './worker-link.ts';
import { WorkerLife, Workers } from './workers.ts';

const SECOND_MS = 1000;
const events = { onRunning: () => {}, onBatch: () => {}, onLost: () => {}, onWatched: () => {}, onLog: () => {} };

/** Workers without threads, one of them running, and a clock that is moved by hand. */
function workers(t: TestContext): { all: Workers; life: WorkerLife; pass: (seconds: number, looks: number) => void } {
  let nowMs = 1_000_000;
  t.mock.method(performance, 'now', () => nowMs);
  const all = new Workers(1, () => assert.fail('none is started'), events);
  const life = all.lives[0];
  life.state = 'running';
  life.pulseAtMs = nowMs;
  const pass = (seconds: number, looks: number): void => {
    for (let i = 0; i < looks; i++) {
      nowMs += (seconds * SECOND_MS) / looks;
      all.check();
    }
  };
  return { all, life, pass };
}

test('a worker that is silent is stuck after five seconds, and ended after a minute', (t) => {
  const { life, pass } = workers(t);
  pass(5, 5);
  assert.equal(life.state, 'running');
  pass(1, 1);
  assert.equal(life.state, 'stuck');
  pass(54, 54);
  assert.equal(life.silentMs, 0);
  pass(1, 1);
  assert.equal(life.silentMs, 61_000);
});

test('one that never begins to read is ended too', (t) => {
  const { life, pass } = workers(t);
  life.state = 'starting';
  pass(61, 61);
  assert.equal(life.silentMs, 61_000);
});

test('when the whole process stood still, no worker is blamed', (t) => {
  const { life, pass } = workers(t);
  pass(600, 1);
  assert.equal(life.state, 'running');
  pass(5, 5);
  assert.equal(life.state, 'running', 'from then on its silence counts');
  pass(1, 1);
  assert.equal(life.state, 'stuck');
});

test('who does not confirm what it was told is named', async (t) => {
  const { all, life } = workers(t);
  assert.deepEqual(await all.confirm(60_000), [], 'none runs: nobody is waited for');
  const deaf = new Worker('setInterval(() => {}, 1000)', { eval: true });
  t.after(() => deaf.terminate());
  life.thread = deaf;
  assert.deepEqual(await all.confirm(20), [0]);
});

test('rates are taken over about a second, however many pulses come', () => {
  const life = new WorkerLife(0);
  const pulse = (atMs: number): Pulse => ({ atMs }) as Pulse;
  for (const atMs of [0, 40, 900, 1000, 1040]) life.take(pulse(atMs));
  assert.deepEqual([life.before?.atMs, life.pulse?.atMs], [0, 1040]);
  life.take(pulse(2000));
  assert.deepEqual([life.before?.atMs, life.pulse?.atMs], [1000, 2000]);
  life.take(pulse(500));
  assert.deepEqual([life.before?.atMs, life.pulse?.atMs], [2000, 500], 'a clock that was set back: no rate for a moment');
  life.take(pulse(1500));
  assert.deepEqual([life.before?.atMs, life.pulse?.atMs], [500, 1500]);
  life.forget();
  assert.deepEqual([life.before, life.pulse], [null, null]);
});
