import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Taken } from './taken.ts';

test('what has expired is counted once, and is not among what waits for an ack', () => {
  const taken = new Taken(0);
  const places = Array.from({ length: 3000 }, (_, i) => taken.add(i + 1));
  for (const place of places.slice(1)) taken.done(place);
  assert.deepEqual([taken.count, taken.toAck(), taken.isFirst(places[0])], [3000, -1, true]);
  // All but the first were delivered, and the spool counts the first two thousand as expired.
  taken.note(2000);
  assert.deepEqual([taken.count, taken.expired], [1000, 2000], 'the spool has not heard of the others');
  assert.deepEqual([taken.toAck(), taken.count], [3000, 0]);
  const later = Array.from({ length: 2000 }, (_, i) => taken.add(3001 + i));
  taken.done(places[0]);
  assert.deepEqual([taken.count, taken.toAck()], [2000, -1], 'a place of before is nobody else now');
  for (const place of later) taken.done(place);
  assert.deepEqual([taken.count, taken.expired, taken.toAck()], [0, 2000, 5000]);
});
