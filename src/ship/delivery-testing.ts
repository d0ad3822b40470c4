/** Help for the tests of delivery: one that runs, with a spool in memory, a clock that the test moves, a sink with a script. */
import assert from 'node:assert/strict';
import type { BatchSettings } from '../base/settings.ts';
import { Delivery } from './delivery.ts';
import { deliveryBalance } from './delivery-state.ts';
import type { FormatName } from './formats/encoder.ts';
import { encoderOf, LetterBox, lineOf, MemorySpool, problem, ScriptedSink, type Sent, TestTimers } from './ship-testing.ts';
import type { Outcome } from './sink.ts';

export const DELIVERED: Outcome = { type: 'delivered' };
export const RETRY: Extract<Outcome, { type: 'retry' }> = { type: 'retry', problem: problem('connection-refused'), afterMs: 0 };
export const BLOCKED: Outcome = { type: 'blocked', problem: problem('token-refused') };
export const REFUSED: Outcome = { type: 'refused', problem: problem('bad-request') };
export const TOO_LARGE: Outcome = { type: 'too-large', problem: problem('payload-too-large') };

export function upTo(n: number, from = 0): number[] {
  return Array.from({ length: n - from }, (_, i) => from + i);
}

export function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

export interface Bench {
  readonly timers: TestTimers;
  readonly spool: MemorySpool;
  readonly sink: ScriptedSink;
  readonly box: LetterBox;
  readonly delivery: Delivery;
  /** Puts calls with these numbers into the spool. */
  readonly put: (numbers: readonly number[]) => void;
  readonly assertBalanced: () => void;
}

export function setUp(
  answer: (sent: Sent) => Outcome | Promise<Outcome>,
  {
    concurrencyMax = 1,
    random = 0.5,
    format = 'jsonl',
    ...batch
  }: Partial<BatchSettings> & { concurrencyMax?: number; random?: number | (() => number); format?: FormatName } = {},
): Bench {
  const timers = new TestTimers();
  const spool = new MemorySpool();
  const sink = new ScriptedSink(timers, answer, concurrencyMax);
  const box = new LetterBox();
  const delivery = new Delivery({
    name: 'edge',
    type: 'test',
    sink,
    source: spool,
    encode: encoderOf(format),
    batch: { recordsMax: 10, bytesMax: 1 << 20, ageMsMax: 1000, ...batch },
    deadLetters: box,
    random: typeof random === 'number' ? () => random : random,
    timers,
  });
  return {
    timers,
    spool,
    sink,
    box,
    delivery,
    put: (numbers) => spool.put(numbers.map((n) => lineOf(n))),
    assertBalanced: () => {
      const { balances, ...balance } = deliveryBalance(0, spool.accepted, delivery.state());
      assert.ok(balances, JSON.stringify(balance));
    },
  };
}
