import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts, resetCounters } from '../base/counters.ts';
import type { Gap } from '../normalise/encode-gap.ts';
import { Gaps } from './gaps.ts';

const START_US = 1_700_000_000_000_000;
let written: Gap[] = [];
let gaps: Gaps;

beforeEach(() => {
  resetCounters();
  packetTimeUs[0] = START_US;
  written = [];
  gaps = new Gaps((gap) => written.push(gap));
});

function leaveOut(name: 'calls.shed{bodies}' | 'calls.shed{headers}' | 'packets.dropped{shed}', n: number): void {
  counts[counter(name)] += n;
}

/** Packet time goes on, and somebody looks; both in milliseconds. */
function pass(ms: number): void {
  packetTimeUs[0] = START_US + ms * 1000;
  gaps.look(ms);
}

test('nothing is written while nothing is left out', () => {
  for (let ms = 0; ms < 5000; ms += 20) pass(ms);
  gaps.end();
  assert.deepEqual(written, []);
});

test('a record begins at the last moment at which nothing was missing, and says how much was left out since', () => {
  for (let ms = 0; ms <= 3000; ms += 20) pass(ms);
  leaveOut('calls.shed{bodies}', 5);
  leaveOut('packets.dropped{shed}', 70);
  pass(3020);
  assert.deepEqual(written, [{ fromUs: START_US + 3_000_000, toUs: START_US + 3_020_000, bodies: 5, headers: 0, packets: 70 }]);
});

test('one a second at most; they follow each other without a hole, and their sums are the counters', () => {
  for (let ms = 0; ms < 3500; ms += 20) {
    leaveOut('calls.shed{bodies}', 1);
    leaveOut('calls.shed{headers}', 2);
    leaveOut('packets.dropped{shed}', 3);
    pass(ms);
  }
  assert.deepEqual(
    written.map(({ toUs }) => (toUs - START_US) / 1000),
    [0, 1000, 2000, 3000],
  );
  for (const [i, { fromUs }] of written.slice(1).entries()) assert.equal(fromUs, written[i].toUs);
  gaps.end();
  gaps.end();
  assert.equal(written.length, 5, 'the rest is told at the end, once');
  const sum = (what: 'bodies' | 'headers' | 'packets'): number => written.reduce((n, gap) => n + gap[what], 0);
  assert.deepEqual([sum('bodies'), sum('headers'), sum('packets')], [175, 350, 525]);
});

test('what a former reader of the counters has seen is not told again', () => {
  leaveOut('packets.dropped{shed}', 9);
  gaps = new Gaps((gap) => written.push(gap));
  gaps.end();
  assert.deepEqual(written, []);
});
