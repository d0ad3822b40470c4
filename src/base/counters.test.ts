import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counter, countOf, counts, countsByName, resetCounters, sumOf } from './counters.ts';

test('a name has one cell', () => {
  resetCounters();
  const a = counter('apples.eaten');
  assert.equal(counter('apples.eaten'), a);
  assert.notEqual(counter('apples.eaten{raw}'), a);
  counts[a] += 2;
  assert.equal(countOf('apples.eaten'), 2);
  assert.equal(countOf('nobody.made.this'), 0);
});

test('the sum is over a name and its reasons, not over names that begin alike', () => {
  resetCounters();
  counts[counter('pears.lost')] = 1;
  counts[counter('pears.lost{eaten}')] = 10;
  counts[counter('pears.lost{rotten}')] = 100;
  counts[counter('pears.lostness')] = 1000;
  assert.equal(sumOf('pears.lost'), 111);
});

test('what is not zero, in order of making', () => {
  resetCounters();
  counts[counter('b.second')] = 0;
  counts[counter('a.third')] = 3;
  counts[counter('apples.eaten')] = 1;
  assert.deepEqual(countsByName(), [
    ['apples.eaten', 1],
    ['a.third', 3],
  ]);
  resetCounters();
  assert.deepEqual(countsByName(), []);
});

test('beyond 2^32', () => {
  const i = counter('large.one');
  counts[i] = 2 ** 32;
  counts[i]++;
  assert.equal(countOf('large.one'), 4_294_967_297);
});
