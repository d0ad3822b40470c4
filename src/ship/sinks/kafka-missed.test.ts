import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Missed, outcomeOf } from './kafka-missed.ts';

function missed(type: 'retry' | 'blocked' | 'refused' | 'too-large', indices: readonly number[], records: readonly number[] = []): Missed {
  const problem = { code: type, what: '', next: '' };
  return {
    share: { partition: indices[0], indices, sequence: 0 },
    outcome: type === 'retry' ? { type, problem, afterMs: 0 } : { type, problem },
    error: '',
    records,
  };
}

/** "blocked", or "0 retry, 3 refused" */
function shortly(all: readonly Missed[], total: number): string {
  const outcome = outcomeOf(all, total);
  return outcome.type === 'in-part' ? outcome.failed.map(({ index, outcome: how }) => `${index} ${how}`).join(', ') : outcome.type;
}

test('all shares fail alike: so does the batch', () => {
  for (const type of ['retry', 'blocked', 'refused', 'too-large'] as const)
    assert.equal(shortly([missed(type, [0, 2]), missed(type, [1])], 3), type);
});

test('some are written: the others are named, and only what is refused is refused', () => {
  assert.equal(shortly([missed('retry', [0, 2])], 3), '0 retry, 2 retry');
  assert.equal(shortly([missed('refused', [0]), missed('too-large', [1])], 3), '0 refused, 1 retry');
  // The broker names none of them: alone they come back, and are halved then.
  assert.equal(shortly([missed('refused', [0, 2])], 3), '0 retry, 2 retry');
  assert.equal(shortly([missed('refused', [0, 2])], 2), 'refused');
  assert.equal(shortly([missed('blocked', [1])], 3), '1 retry');
});

test('nothing is written for different reasons: what somebody has to mend counts most', () => {
  assert.equal(shortly([missed('retry', [0]), missed('blocked', [1])], 2), 'blocked');
  assert.equal(shortly([missed('retry', [0]), missed('refused', [1])], 2), '0 retry, 1 refused');
});

test('records that the broker names are refused, those beside them are not', () => {
  assert.equal(shortly([missed('refused', [4, 6, 9], [1])], 3), '4 retry, 6 refused, 9 retry');
});
