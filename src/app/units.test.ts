import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as u from './units.ts';

function table<T>(of: (value: T) => string, rows: readonly (readonly [T, string])[]): void {
  for (const [value, text] of rows) assert.equal(of(value), text);
}

test('counts, whole or in few columns', () => {
  table(u.count, [
    [0, '0'],
    [1_234_567, '1,234,567'],
    [1.6, '2'],
  ]);
  table(
    (n: number) => u.countIn(n, 9),
    [
      [1_234_567, '1,234,567'],
      [12_345_678, '12.3 M'],
      [999_499_999, '999 M'],
      [999_500_000, '1.00 G'],
      [9_007_199_254_740_991, '9.01 P'],
    ],
  );
  for (let n = 1; n < 9e15; n *= 1.37) assert.ok(u.countIn(n, 6).length <= 6, String(n));
});

test('bytes and bits', () => {
  table(u.byteAmount, [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [9_995, '10.0 kB'],
    [45_600_000_000, '45.6 GB'],
  ]);
  table(u.bitRate, [
    [0, '0 bit/s'],
    [35_700_000, '286 Mbit/s'],
    [100, '800 bit/s'],
  ]);
});

test('rates and parts', () => {
  table(u.perSecond, [
    [0, '0'],
    [0.44, '0.4'],
    [99.96, '100'],
    [51_000, '51,000'],
  ]);
  table(u.share, [
    [0, '0 %'],
    [0.0002, '< 0.1 %'],
    [0.042, '4.2 %'],
    [0.0999, '10 %'],
    [1, '100 %'],
  ]);
});

test('times', () => {
  table(u.shortTime, [
    [0, '0 us'],
    [830.2, '830 us'],
    [999.6, '1.00 ms'],
    [12_345, '12.3 ms'],
    [999_499, '999 ms'],
    [4_560_000, '4.56 s'],
    [126e6, '2.10 min'],
    [7300e6, '2.03 h'],
  ]);
  table(u.longTime, [
    [-5, '0 s'],
    [42_999, '42 s'],
    [60_000, '1 min'],
    [725_000, '12 min 5 s'],
    [12_000_000, '3 h 20 min'],
    [183_845_000, '2 d 3 h'],
  ]);
  assert.equal(u.date(Date.UTC(2026, 2, 1, 10)), '2026-03-01 10:00:00 UTC');
  assert.equal(u.date(Number.NaN), '?');
});
