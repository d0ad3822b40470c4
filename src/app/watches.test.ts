import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallLine } from './call-line.ts';
import { sampleCall } from './control/control-testing.ts';
import { Watches } from './watches.ts';

/** Sees them all; how many of them were read. */
function seeAll(watches: Watches, calls: readonly CallLine[]): number {
  let reads = 0;
  for (const call of calls) {
    watches.see(() => {
      reads++;
      return call;
    });
  }
  return reads;
}

const many = (count: number, changes: Partial<CallLine> = {}): CallLine[] => Array.from({ length: count }, () => sampleCall(changes));

test('without watchers no call is read', () => {
  const watches = new Watches(10);
  assert.equal(seeAll(watches, many(5)), 0);
  assert.deepEqual(watches.take(), []);
});

test('a rare call is found among many more than are handed on', () => {
  const watches = new Watches(10);
  watches.set([{ id: 1, filter: { status: '5xx' } }]);
  const rare = sampleCall({ status: 503 });
  assert.equal(seeAll(watches, [...many(2000), rare, ...many(2000)]), 4001);
  assert.deepEqual(watches.take(), [{ id: 1, calls: [rare], skipped: 0 }]);
});

test('each watcher has its own limit a second, and is told what it missed', () => {
  const watches = new Watches(10);
  watches.set([
    { id: 1, filter: {} },
    { id: 2, filter: { method: 'POST' } },
  ]);
  seeAll(watches, [...many(30), ...many(15, { method: 'POST' })]);
  assert.deepEqual(
    watches.take().map(({ id, calls, skipped }) => [id, calls.length, skipped]),
    [
      [1, 10, 35],
      [2, 10, 5],
    ],
  );
  assert.deepEqual(watches.take(), [], 'what was taken is gone');
  seeAll(watches, many(1));
  watches.tick();
  seeAll(watches, many(3));
  assert.deepEqual(
    watches.take().map(({ id, calls, skipped }) => [id, calls.length, skipped]),
    [[1, 3, 1]],
  );
});

test('more than can be looked at is skipped for those with a filter too', () => {
  const watches = new Watches(10);
  watches.set([{ id: 7, filter: { status: '5xx' } }]);
  assert.equal(seeAll(watches, many(10_500)), 10_000);
  assert.deepEqual(watches.take(), [{ id: 7, calls: [], skipped: 500 }]);
});

test('who comes and goes does not disturb the others', () => {
  const watches = new Watches(10);
  watches.set([{ id: 1, filter: {} }]);
  seeAll(watches, many(2));
  watches.set([
    { id: 1, filter: {} },
    { id: 2, filter: {} },
  ]);
  seeAll(watches, many(1));
  assert.deepEqual(
    watches.take().map(({ id, calls }) => [id, calls.length]),
    [
      [1, 3],
      [2, 1],
    ],
  );
  watches.set([]);
  assert.equal(watches.areThere, false);
});
