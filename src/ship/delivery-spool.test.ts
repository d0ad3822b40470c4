import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { INDEX_WORDS, maskedBatch } from '../policy/masked-call.ts';
import type { Batch } from './batch.ts';
import { DeadLetters, LETTERS, letterSpool } from './dead-letters.ts';
import { Delivery } from './delivery.ts';
import { deliveryBalance } from './delivery-state.ts';
import { encoderOf, lineOf, numberOf, problem } from './ship-testing.ts';
import type { Outcome, ProbeStep, Problem, Sink } from './sink.ts';
import { Spool } from './spool/spool.ts';

const LIMIT_MS = 20_000;
const settings: Settings['spool'] = { ...defaultSettings.spool, freeBytesMin: 0, syncIntervalMs: 5 };

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endMs = Date.now() + LIMIT_MS; !isSo(); await sleep(5)) assert.ok(Date.now() < endMs, `not yet ${what}`);
}

class Receiver implements Sink {
  readonly concurrencyMax = 4;
  readonly batchBytesMax = 1 << 30;
  readonly got: number[] = [];
  answer: (numbers: readonly number[]) => Outcome = () => ({ type: 'delivered' });

  async send(batch: Batch): Promise<Outcome> {
    await sleep(1);
    const numbers = batch.records.map(({ id }) => numberOf(id));
    const outcome = this.answer(numbers);
    if (outcome.type === 'delivered') this.got.push(...numbers);
    return outcome;
  }

  async probe(): Promise<readonly ProbeStep[]> {
    return [];
  }

  async reload(): Promise<Problem | null> {
    return null;
  }

  async close(): Promise<void> {}
}

interface Run {
  readonly spool: Spool;
  readonly letters: DeadLetters;
  readonly delivery: Delivery;
  readonly receiver: Receiver;
  readonly put: (numbers: readonly number[]) => void;
  readonly assertBalanced: () => void;
  readonly stop: (drain: boolean) => Promise<void>;
}

async function start(directory: string): Promise<Run> {
  const spool = await Spool.open({ directory, settings, pipelines: ['all', 'none'], readers: [{ name: 'edge', pipelines: ['all'] }] });
  const letterLog = await Spool.open(letterSpool(directory, settings));
  const letters = new DeadLetters(letterLog, letterLog.reader(LETTERS), spool);
  const receiver = new Receiver();
  const source = spool.reader('edge');
  const delivery = new Delivery({
    name: 'edge',
    type: 'test',
    sink: receiver,
    source,
    encode: encoderOf(),
    batch: { recordsMax: 50, bytesMax: 1 << 20, ageMsMax: 5 },
    deadLetters: letters,
  });
  return {
    spool,
    letters,
    delivery,
    receiver,
    put: (numbers) => {
      const lines = numbers.map((n) => lineOf(n));
      const index = new Int32Array(lines.length * INDEX_WORDS);
      // Every fifth is for nobody.
      for (const [i, line] of lines.entries()) index.set([line.length, numbers[i] % 5 === 0 ? 2 : 1], i * INDEX_WORDS);
      spool.append(maskedBatch(Buffer.concat(lines), index));
    },
    assertBalanced: () => {
      const { queuedAtStart, accepted } = source.state();
      const { balances, ...balance } = deliveryBalance(queuedAtStart, accepted, delivery.state());
      assert.ok(balances, JSON.stringify(balance));
    },
    stop: async (drain) => {
      await delivery.stop(Date.now() + LIMIT_MS, drain);
      await spool.close(Date.now() + LIMIT_MS);
      await letterLog.close(Date.now() + LIMIT_MS);
    },
  };
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-delivery-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const wanted = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i).filter((n) => n % 5 !== 0);
const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

test('over a real spool: delivered, stopped, delivered by the next run, refused, listed, replayed', async (t) => {
  const directory = newFolder(t);
  const first = await start(directory);
  first.delivery.start();
  for (let i = 0; i < 20; i++) {
    first.put(Array.from({ length: 100 }, (_, k) => 100 * i + k));
    await sleep(2);
    first.assertBalanced();
  }
  await until('delivered', () => first.receiver.got.length === 1600);
  first.assertBalanced();
  assert.equal(first.delivery.state().queued, 0);
  first.receiver.answer = () => ({ type: 'blocked', problem: problem('token-refused') });
  first.put(Array.from({ length: 1000 }, (_, k) => 2000 + k));
  await until('blocked', () => first.delivery.state().blocked !== null);
  await first.stop(true);

  const second = await start(directory);
  second.receiver.answer = (numbers) =>
    numbers.some((n) => n % 97 === 0) ? { type: 'refused', problem: problem('bad-request') } : { type: 'delivered' };
  second.assertBalanced();
  second.delivery.start();
  const bad = wanted(2000, 3000).filter((n) => n % 97 === 0);
  await until('delivered', () => second.delivery.state().inFlight + second.delivery.state().queued === 0);
  second.assertBalanced();
  assert.deepEqual(
    sorted(second.receiver.got),
    wanted(2000, 3000).filter((n) => n % 97 !== 0),
  );
  const list = await second.letters.list({ sink: 'edge' }, 100);
  assert.deepEqual(sorted(list.map(({ id }) => numberOf(id))), bad);

  second.receiver.answer = () => ({ type: 'delivered' });
  second.receiver.got.length = 0;
  assert.equal(await second.letters.replay({ sink: 'edge' }), bad.length);
  await until('replayed', () => second.receiver.got.length === bad.length);
  assert.deepEqual(sorted(second.receiver.got), bad);
  assert.deepEqual(await second.letters.list({}, 100), []);
  second.assertBalanced();
  await second.stop(true);

  const third = await start(directory);
  third.delivery.start();
  await sleep(50);
  assert.deepEqual(third.receiver.got, [], 'nothing is left');
  third.assertBalanced();
  await third.stop(true);
});

test('stop with drain delivers all that was accepted', async (t) => {
  const run = await start(newFolder(t));
  run.put(Array.from({ length: 5000 }, (_, k) => k));
  run.delivery.start();
  await run.spool.durable(run.spool.state().lastSequence);
  await run.stop(true);
  assert.deepEqual(sorted(run.receiver.got), wanted(0, 5000));
});
