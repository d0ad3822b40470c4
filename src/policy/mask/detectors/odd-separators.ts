/**
 * Numbers in groups whose separators are not those of a keyboard, or not all the same. They are looked at in a copy with plain
 * ones, by the detectors that know them, and what is found there is found here.
 *
 *   4111·1111·1111·1111      · no-break, thin or narrow blank, tab, line break      ->   4111 1111 1111 1111
 *   4111–1111–1111–1111      – hyphen, figure dash, en dash, minus of Unicode        ->   4111-1111-1111-1111
 *   4111  1111 - 1111–1111   several in a row                                        ->   4111 1111 1111 1111
 *
 * Blanks and hyphens of a keyboard that are not all the same stay what they are: no number of anything. Columns of numbers are no number: with tabs and line breaks, it must not go on in that way before or behind.
 * Bounds: COPY_BYTES_MAX bytes of the copy, SEPARATOR_BYTES_MAX of a separator.
 */
import { bytes } from '../../../base/arena.ts';
import { SCRATCH } from '../stack.ts';
import { CARD, classes, DIGIT, looked, NATIONAL_ID, PHONE, WORD } from './classes.ts';
import { iban } from './iban.ts';
import { numbers } from './numbers.ts';
import { bracketedPhone, internationalPhone } from './phone.ts';

const B = bytes;
const K = classes;
const L = looked;
const Z = SCRATCH.at;
const COPY_BYTES_MAX = 56;
const SEPARATOR_BYTES_MAX = 8;
const TAB = 9;
const LF = 10;
const CR = 13;
const BLANK = 32;
const OPEN = 40;
const CLOSE = 41;
const HYPHEN = 45;
const DOT = 46;

/** First bytes of separators that the detectors do not know themselves. */
export const oddSeparators: Uint8Array = new Uint8Array(256);
for (const c of [TAB, LF, CR, 0x96, 0xa0, 0xc2, 0xe2]) oddSeparators[c] = 1;
const T = oddSeparators;

/** By byte of the copy: where it stands in the source. */
const sources = new Int32Array(COPY_BYTES_MAX + 1);
const S = sources;
let separatorEnd = 0;
/** Of the copy made last: whether a separator was odd, whether all were dashes or all blanks, and whether one broke the line or was a tab. */
let isOdd = false;
let isUniform = false;
let isColumn = false;

/** The kind of the sign that begins at p: BLANK or HYPHEN, 0 for none; sets `separatorEnd`. */
function separator(p: number, end: number): number {
  const c = B[p];
  separatorEnd = p + 1;
  if (c === BLANK || c === TAB || c === LF || c === CR || c === 0xa0) return BLANK;
  if (c === HYPHEN || c === 0x96) return HYPHEN;
  if (c === 0xc2 && p + 1 < end) {
    separatorEnd = p + 2;
    return B[p + 1] === 0xa0 ? BLANK : B[p + 1] === 0xad ? HYPHEN : 0;
  }
  if (c !== 0xe2 || p + 2 >= end) return 0;
  separatorEnd = p + 3;
  const low = B[p + 2];
  if (B[p + 1] === 0x80) {
    if (low <= 0x8d || low === 0xaf) return BLANK;
    return low >= 0x90 && low <= 0x95 ? HYPHEN : 0;
  }
  if (B[p + 1] === 0x81) return low === 0x9f || low === 0xa0 ? BLANK : 0;
  return B[p + 1] === 0x88 && low === 0x92 ? HYPHEN : 0;
}

/** Where the separators that end at p begin: SEPARATOR_BYTES_MAX bytes at most, none before `stop`. */
export function separatorsBefore(p: number, stop: number): number {
  const low = p - SEPARATOR_BYTES_MAX > stop ? p - SEPARATOR_BYTES_MAX : stop;
  let q = p;
  for (;;) {
    let n = 3;
    while (n > 0 && (q - n < low || separator(q - n, p) === 0 || separatorEnd !== q)) n--;
    if (n === 0) return q;
    q -= n;
  }
}

/** Copies the groups from `s` on with plain separators; returns the end of the copy. Groups are made of `kinds`; signs of telephone numbers stay. */
function copy(s: number, end: number, kinds: number, ofPhone: boolean): number {
  let o = 0;
  let p = s;
  let all = 0;
  isOdd = isColumn = false;
  isUniform = true;
  while (p < end && o < COPY_BYTES_MAX) {
    const c = B[p];
    if ((K[c] & kinds) !== 0 || (ofPhone && (c === OPEN || c === CLOSE || c === DOT || (c === 43 && o === 0)))) {
      S[o] = p;
      B[Z + o++] = c;
      p++;
      continue;
    }
    let q = p;
    let first = 0;
    while (q < end && q - p < SEPARATOR_BYTES_MAX) {
      const kind = separator(q, end);
      if (kind === 0) break;
      if (T[B[q]] !== 0 || q > p) isOdd = true;
      if (B[q] === TAB || B[q] === LF || B[q] === CR) isColumn = true;
      if (first !== HYPHEN) first = kind;
      q = separatorEnd;
    }
    if (q === p || q >= end || ((K[B[q]] & kinds) === 0 && !ofPhone)) break;
    if (all === 0) all = first;
    else if (all !== first) isUniform = false;
    S[o] = p;
    B[Z + o++] = first;
    p = q;
  }
  S[o] = p;
  L[0] += p - s;
  if (!isUniform) {
    for (let i = 0; i < o; i++) if (B[Z + i] === HYPHEN) B[Z + i] = BLANK;
  }
  return Z + o;
}

/** Where what ends at `e` of the copy ends in the source. */
function sourceEnd(e: number): number {
  return S[e - Z - 1] + 1;
}

function isColumnByte(c: number): boolean {
  return c === TAB || c === LF || c === CR;
}

/** Whether a number that stands there goes on, with tabs and line breaks, before `s` or behind `e`. */
function isInColumns(s: number, e: number, end: number, from: number): boolean {
  if (!isColumn) return false;
  let p = s;
  while (p > from && isColumnByte(B[p - 1])) p--;
  if (p < s && p > from && (K[B[p - 1]] & DIGIT) !== 0) return true;
  let q = e;
  while (q < end && isColumnByte(B[q])) q++;
  return q > e && q < end && (K[B[q]] & DIGIT) !== 0;
}

/** A word of digits [s, p): as `numbers`. */
export function oddNumber(s: number, p: number, end: number, from: number, on: number): number {
  const n = p - s;
  if (n > 8 || p + 4 > end) return 0;
  const copyEnd = copy(s, end, DIGIT, false);
  if (!isOdd) return 0;
  // Mixed separators: only what a check digit tells.
  const kinds = isUniform ? (1 << CARD) | (1 << PHONE) | (1 << NATIONAL_ID) : 1 << CARD;
  const e = numbers(Z, Z + n, copyEnd, Z, on & kinds);
  if (e === 0) return 0;
  const to = sourceEnd(e);
  return (to < end && (K[B[to]] & WORD) !== 0) || isInColumns(s, to, end, from) ? 0 : to;
}

/** A word of four that begins like an IBAN: as `iban`. */
export function oddIban(s: number, end: number): number {
  const copyEnd = copy(s, end, WORD, false);
  if (!isOdd || copyEnd < Z + 5) return 0;
  const e = iban(Z, Z + 4, copyEnd);
  return e === 0 ? 0 : sourceEnd(e);
}

/** A telephone number that begins with + or ( at p; `plain` is where it ends with plain separators, or 0. */
export function oddPhone(p: number, end: number, from: number, plain: number): number {
  const copyEnd = copy(p, end, DIGIT, true);
  if (!isOdd) return plain;
  const e = B[p] === OPEN ? bracketedPhone(Z, copyEnd) : internationalPhone(Z, copyEnd, false);
  if (e === 0) return plain;
  const to = sourceEnd(e);
  if (to <= plain || (to < end && (K[B[to]] & WORD) !== 0) || isInColumns(p, to, end, from)) return plain;
  return to;
}
