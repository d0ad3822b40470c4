import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2, partitionOfKey } from './kafka-partition.ts';

/** The values that Kafka's own tests have for its hash. */
const known: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test('the hash is that of Kafka', () => {
  for (const [text, hash] of known) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test('a partition is the hash without its sign, over their number', () => {
  for (const [text, hash] of known) assert.equal(partitionOfKey(Buffer.from(text), 7), (hash & 0x7fffffff) % 7);
  for (let i = 0; i < 1000; i++) {
    const partition = partitionOfKey(Buffer.from([i & 0xff, i >> 8, 0xff, i & 0x7f].slice(0, i % 5)), 3);
    assert.ok(partition >= 0 && partition < 3);
  }
});
