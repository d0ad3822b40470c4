import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Interner } from './interner.ts';

test('equal lists get equal numbers, in order of appearance, through growth', () => {
  const interner = new Interner(20_000);
  const lists = Array.from({ length: 20_000 }, (_, i) => Int32Array.from({ length: 1 + (i % 7) }, (_x, k) => Math.imul(i, 2654435761) ^ k));
  lists.forEach((list, i) => {
    assert.equal(interner.intern(list, list.length), i + 1);
  });
  lists.forEach((list, i) => {
    assert.equal(interner.intern(list, list.length), i + 1);
  });
  assert.equal(interner.size, 20_000);
  assert.equal(interner.intern(Int32Array.of(1, 2, 3), 3), 0);
  const read = new Int32Array(16);
  const length = interner.read(778, read);
  assert.deepEqual([...read.subarray(0, length)], [...lists[777]]);
});

test('a prefix is another list', () => {
  const interner = new Interner(10);
  const list = Int32Array.of(1, 2, 3);
  assert.deepEqual([interner.intern(list, 3), interner.intern(list, 2), interner.intern(list, 0), interner.intern(list, 2)], [1, 2, 3, 2]);
});

test('the words are bounded too', () => {
  const interner = new Interner(4);
  const long = new Int32Array(60);
  assert.equal(interner.intern(long, 60), 1);
  assert.equal(interner.intern(long, 59), 0);
  assert.equal(interner.intern(long, 2), 2);
});
