import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHARES } from './guard.ts';
import { Shedding } from './shedding.ts';

const TICK_MS = 20;

/** Looks every 20 ms for that long; the share afterwards. */
function look(shedding: Shedding, fill: number, fromMs: number, forMs: number): number {
  for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += TICK_MS) shedding.next(fill, nowMs);
  return shedding.share;
}

test('a ring that is not half full drops nothing', () => {
  const shedding = new Shedding();
  assert.equal(look(shedding, 0.5, 0, 10_000), 0);
  assert.equal(look(shedding, 0, 10_000, 10_000), 0);
});

test('acts at the first look at a ring more than half full, whatever the clock says', () => {
  assert.ok(new Shedding().next(0.51, 0) > 0);
  assert.ok(new Shedding().next(0.51, 1e9) > 0);
});

test('reaches its most within two seconds, sooner when the ring is nearly full, and never drops all', () => {
  const slow = new Shedding();
  const fast = new Shedding();
  assert.ok(look(slow, 0.6, 0, 500) < look(fast, 0.9, 0, 500));
  const most = look(slow, 0.6, 500, 1500);
  assert.equal(look(fast, 1, 500, 1500), most);
  assert.ok(most < SHARES && most > SHARES * 0.9);
  assert.equal(look(slow, 1, 2000, 60_000), most);
});

test('holds between the two marks', () => {
  const shedding = new Shedding();
  const share = look(shedding, 0.7, 0, 300);
  assert.equal(look(shedding, 0.3, 300, 60_000), share);
  assert.equal(look(shedding, 0.1, 60_300, 60_000), share);
});

test('comes down slower than it went up, bit by bit, to nothing', () => {
  const shedding = new Shedding();
  const most = look(shedding, 1, 0, 2000);
  let before = most;
  for (let nowMs = 2000; before > 0; nowMs += TICK_MS) {
    const share = shedding.next(0, nowMs);
    assert.ok(share <= before && before - share <= SHARES / 32, `from ${before} to ${share}`);
    before = share;
    assert.ok(nowMs < 120_000, 'no end');
  }
  assert.equal(shedding.share, 0);
});

test('a new rush while it comes down is met at once', () => {
  const shedding = new Shedding();
  look(shedding, 1, 0, 2000);
  const low = look(shedding, 0, 2000, 10_000);
  assert.ok(look(shedding, 0.7, 12_000, 200) > low);
});

test('bodies first, then headers, then flows; back in the reverse order', () => {
  const shedding = new Shedding();
  const seen: string[] = [];
  const note = (): void => {
    const state = `${shedding.level} ${shedding.share > 0 ? 'flows' : '-'}`;
    if (seen.at(-1) !== state) seen.push(state);
  };
  let nowMs = 0;
  for (const fill of [0.2, 0.31, 0.41, 0.51]) {
    shedding.next(fill, nowMs);
    note();
    nowMs += TICK_MS;
  }
  for (; shedding.level > 0; nowMs += TICK_MS) {
    shedding.next(0, nowMs);
    note();
    assert.ok(nowMs < 120_000, 'no end');
  }
  assert.deepEqual(seen, ['0 -', '1 -', '2 -', '2 flows', '2 -', '1 -', '0 -']);
});

test('switched off', () => {
  const shedding = new Shedding();
  look(shedding, 1, 0, 1000);
  assert.equal(shedding.off(), 0);
  assert.deepEqual([shedding.share, shedding.level], [0, 0]);
});
