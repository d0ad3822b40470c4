import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distanceBetween, nearest } from './nearest.ts';

test('distances', () => {
  for (const [a, b, distance] of [
    ['', '', 0],
    ['abc', '', 3],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['abc', 'abd', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ] as const) {
    assert.equal(distanceBetween(a, b), distance, `${a} ${b}`);
    assert.equal(distanceBetween(b, a), distance, `${b} ${a}`);
  }
});

test('the nearest name, or none', () => {
  const names = ['ringBytes', 'interfaces', 'filter', 'only', 'not'];
  for (const [given, wanted] of [
    ['ring_bytes', 'ringBytes'],
    ['RingByte', 'ringBytes'],
    ['interface', 'interfaces'],
    ['itnerfaces', 'interfaces'],
    ['fliter', 'filter'],
    ['xyz', null],
    ['', null],
    ['ringBytes'.repeat(1000), null],
  ] as const) {
    assert.equal(nearest(given, names), wanted, given);
  }
});
