/**
 * Groups of digits, as people write long numbers, and the sums that tell a real one from another.
 *
 *   4111 1111 1111 1111     sizes 4 4 4 4     separators blank blank blank
 *   123.456.789-09          sizes 3 3 3 2     separators . . -
 *
 * `collect` reads them once; cards, phones, ids and addresses then look at the same groups.
 * Bounds: GROUPS_MAX groups, DIGITS_MAX digits; what is longer is read in part.
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT, looked, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const L = looked;
const BLANK = 32;
const HYPHEN = 45;
const DOT = 46;
const SLASH = 47;
export const GROUPS_MAX = 8;
export const DIGITS_MAX = 40;

/** Values of the digits, group after group. */
export const digits: Uint8Array = new Uint8Array(DIGITS_MAX);
/** Of group i: where it ends in the arena, how many digits lie up to there, the separator behind it if a letter or digit follows, else 0. */
export const groupEnds: Int32Array = new Int32Array(GROUPS_MAX);
export const digitsUpTo: Int32Array = new Int32Array(GROUPS_MAX);
export const separators: Int32Array = new Int32Array(GROUPS_MAX);
const D = digits;
const E = groupEnds;
const N = digitsUpTo;
const S = separators;

/** Reads the groups from the first, [s, p), on; returns their number. A group that runs into a letter does not count. */
export function collect(s: number, p: number, end: number): number {
  let n = 0;
  let groupAt = s;
  let groupEnd = p;
  let total = 0;
  for (;;) {
    const size = groupEnd - groupAt;
    if (total + size > DIGITS_MAX) break;
    for (let i = groupAt; i < groupEnd; i++) D[total++] = B[i] - 48;
    E[n] = groupEnd;
    N[n] = total;
    S[n] = 0;
    n++;
    if (groupEnd + 1 >= end) break;
    const c = B[groupEnd];
    if (c !== BLANK && c !== HYPHEN && c !== DOT && c !== SLASH) break;
    groupAt = groupEnd + 1;
    // Behind a blank a word is another one.
    if ((K[B[groupAt]] & (c === BLANK ? DIGIT : WORD)) === 0) break;
    S[n - 1] = c;
    if (n === GROUPS_MAX) break;
    let q = groupAt;
    const stop = end < q + DIGITS_MAX ? end : q + DIGITS_MAX;
    while (q < stop && (K[B[q]] & DIGIT) !== 0) q++;
    if (q === groupAt || (q < end && (K[B[q]] & WORD) !== 0)) break;
    groupEnd = q;
  }
  L[0] += groupEnd - s;
  return n;
}

/** Reads the digits [s, p) only. */
export function collectOne(s: number, p: number): void {
  for (let i = s; i < p && i - s < DIGITS_MAX; i++) D[i - s] = B[i] - 48;
  L[0] += p - s;
}

/** The number that n digits from the i-th make; n up to 15. */
export function numberOf(i: number, n: number): number {
  let x = 0;
  for (let j = i; j < i + n; j++) x = x * 10 + D[j];
  return x;
}

/** ISO/IEC 7812-1, annex B, over n digits from the i-th. */
export function luhn(i: number, n: number): boolean {
  let sum = 0;
  for (let j = i + n - 1, odd = false; j >= i; j--, odd = !odd) {
    let d = D[j];
    if (odd) {
      d *= 2;
      if (d > 9) d -= 9;
    }
    sum += d;
  }
  return sum % 10 === 0;
}

/** Sum of the digits from the i-th, each times its weight. */
export function weighed(i: number, weights: readonly number[]): number {
  let sum = 0;
  for (let j = 0; j < weights.length; j++) sum += D[i + j] * weights[j];
  return sum;
}

// The dihedral group of order 10 and the permutation of Verhoeff (1969).
const PRODUCT = Uint8Array.from(
  '0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210',
  (c) => c.charCodeAt(0) - 48,
);
const PERMUTED = Uint8Array.from(
  '01234567891576283094580379614289160435279453126870428657390127938064157046913258',
  (c) => c.charCodeAt(0) - 48,
);

export function verhoeff(i: number, n: number): boolean {
  let c = 0;
  for (let j = 0; j < n; j++) c = PRODUCT[c * 10 + PERMUTED[(j & 7) * 10 + D[i + n - 1 - j]]];
  return c === 0;
}
