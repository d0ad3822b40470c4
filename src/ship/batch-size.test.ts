import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchSize } from './batch-size.ts';

test('half when it was too large; back to what is configured while full batches are taken', () => {
  const size = new BatchSize(1000);
  size.tooLarge(900);
  assert.equal(size.bytesMax, 450);
  for (let i = 0; i < 1000; i++) size.succeeded(100);
  assert.equal(size.bytesMax, 450, 'batches that are far from full say nothing');
  for (let i = 0; i < 16; i++) size.succeeded(440);
  assert.equal(size.bytesMax, 563);
  for (let i = 0; i < 100; i++) size.succeeded(size.bytesMax);
  assert.equal(size.bytesMax, 1000);
});

test('a receiver that takes little is asked for more ever more rarely', () => {
  const size = new BatchSize(1 << 20);
  const tooLarge: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    if (size.bytesMax > 1000) {
      tooLarge.push(i);
      size.tooLarge(size.bytesMax);
    } else size.succeeded(size.bytesMax);
  }
  assert.ok(tooLarge.length < 25, `${tooLarge.length} of 10,000`);
});
