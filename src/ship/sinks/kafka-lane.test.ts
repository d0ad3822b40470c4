import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchRecord } from '../batch.ts';
import { Lane, planOf } from './kafka-lane.ts';

function records(...keys: readonly string[]): BatchRecord[] {
  return keys.map((key, i) => ({ sequence: i, id: `id-${i}`, key, bytes: Buffer.from('x') }));
}

function sequences(lane: Lane): number[] {
  return [...(lane.plan?.shares.values() ?? [])].sort((a, b) => a.partition - b.partition).map(({ sequence }) => sequence);
}

test('records with one key are in one share, and those without a key in theirs', () => {
  const { shares } = planOf('b', records('a', '', 'a', 'b', '', 'a'), 64, 63);
  const of = (index: number): readonly number[] => [...shares.values()].find(({ indices }) => indices.includes(index))?.indices ?? [];
  assert.deepEqual(of(0), [0, 2, 5]);
  assert.deepEqual(shares.get(63)?.indices, [1, 4]);
  assert.equal(
    [...shares.values()].reduce((sum, { indices }) => sum + indices.length, 0),
    6,
  );
});

test('numbers go on from batch to batch, and begin anew with another producer', () => {
  const lane = new Lane();
  lane.producer = { id: 1n, epoch: 0 };
  for (const [count, wanted] of [
    [3, 0],
    [2, 3],
    [1, 5],
  ]) {
    lane.plan = planOf('b', records(...Array.from({ length: count }, () => '')), 4, 2);
    lane.number(lane.plan);
    assert.deepEqual(sequences(lane), [wanted]);
    lane.plan.shares.clear();
    lane.plan = null;
  }
  lane.forget();
  assert.equal(lane.producer, null);
  lane.plan = planOf('b', records(''), 4, 2);
  lane.number(lane.plan);
  assert.deepEqual(sequences(lane), [0]);
});

test('numbers go from 2^31 - 1 on to 0', () => {
  const lane = new Lane();
  const huge = { length: 2 ** 31 - 2 } as unknown as number[];
  lane.number({ batchId: 'a', partitions: 1, keys: new Map(), shares: new Map([[0, { partition: 0, indices: huge, sequence: 0 }]]) });
  for (const wanted of [2 ** 31 - 2, 2, 6]) {
    lane.plan = planOf('b', records('', '', '', ''), 1, 0);
    lane.number(lane.plan);
    assert.deepEqual(sequences(lane), [wanted]);
  }
});

test('a batch that is given up takes its producer with it; one that was delivered does not', () => {
  const lane = new Lane();
  lane.producer = { id: 1n, epoch: 0 };
  lane.plan = planOf('b', records(''), 1, 0);
  lane.plan.shares.clear();
  lane.giveUp();
  assert.notEqual(lane.producer, null);
  lane.plan = planOf('c', records(''), 1, 0);
  lane.giveUp();
  assert.equal(lane.producer, null);
  assert.equal(lane.plan, null);
});
