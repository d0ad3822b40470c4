/**
 * Actions that leave the shape of a value: `keep-last-4` and `format-preserving`.
 *
 *   4111 1111-1111 1234   keep-last-4        **** ****-**** 1234
 *   AB-1234567, Ann Lee   format-preserving  XX-5820193, Qzo Mwt
 *
 * Both answer -1 for what is better replaced as a whole: a value that is short, or too long, or in which too few others
 * would have the same shape.
 *
 * Bounds: at most PARTIAL_BYTES_MAX bytes; the result is never longer than the value.
 */
import { bytes } from '../../base/arena.ts';
import { FF1_NUMERALS_MAX, type Ff1 } from './ff1.ts';

const B = bytes;
export const PARTIAL_BYTES_MAX = 4096;
const ASTERISK = 42;
const ZERO = 48;
const UPPER_X = 88;
const LOWER_X = 120;
const KEPT = 4;
const KEPT_OF_MIN = 8;

/** 1: digit, 2: upper case, 3: lower case; 0: anything else. */
const kinds = new Uint8Array(256);
kinds.fill(1, 48, 58);
kinds.fill(2, 65, 91);
kinds.fill(3, 97, 123);
const KIND = kinds;

/** All letters and digits but the last four become asterisks, as does every character that is not ASCII. */
export function keepLastFour(at: number, end: number, to: number): number {
  if (end - at > PARTIAL_BYTES_MAX) return -1;
  let n = 0;
  for (let p = at; p < end; p++) if (KIND[B[p]] !== 0) n++;
  if (n < KEPT_OF_MIN) return -1;
  let left = n - KEPT;
  let o = to;
  for (let p = at; p < end; p++) {
    const c = B[p];
    if (c >= 0x80) {
      // One for each character in UTF-8.
      if ((c & 0xc0) !== 0x80) B[o++] = ASTERISK;
    } else if (KIND[c] !== 0 && left > 0) {
      left--;
      B[o++] = ASTERISK;
    } else B[o++] = c;
  }
  return o;
}

/** With fewer, somebody who sees many of them could learn which is which (SP 800-38G, revision 1 draft: 1,000,000 strings). */
const DIGITS_MIN = 6;
const LETTERS_MIN = 5;
const WALKS_MAX = 64;
const digits = new Uint8Array(FF1_NUMERALS_MAX);
const letters = new Uint8Array(FF1_NUMERALS_MAX);

/**
 * Digits become other digits and letters other letters of the same case, each kind encrypted as one string; everything
 * else stays. When there are too few of one kind they become 0 or X; too few of both, or a character that is not ASCII: -1.
 * A number that passes the Luhn check passes it again when `keepLuhn` is set. With `isNumber` its first digit stays other
 * than 0.
 */
export function preserveFormat(
  at: number,
  end: number,
  to: number,
  ff1: Ff1,
  tweak: Uint8Array,
  keepLuhn: boolean,
  isNumber: boolean,
): number {
  if (end - at > PARTIAL_BYTES_MAX) return -1;
  let d = 0;
  let l = 0;
  for (let p = at; p < end; p++) {
    const c = B[p];
    const kind = KIND[c];
    if (kind === 0) {
      if (c >= 0x80) return -1;
    } else if (kind === 1) {
      if (d === FF1_NUMERALS_MAX) return -1;
      digits[d++] = c - ZERO;
    } else {
      if (l === FF1_NUMERALS_MAX) return -1;
      letters[l++] = (c | 32) - 97;
    }
  }
  if (d < DIGITS_MIN && l < LETTERS_MIN) return -1;
  if (d >= DIGITS_MIN) {
    if (!encryptDigits(d, ff1, tweak, keepLuhn && d > DIGITS_MIN && luhnDigit(d - 1) === digits[d - 1], isNumber && digits[0] !== 0))
      return -1;
  } else digits.fill(0, 0, d);
  if (l >= LETTERS_MIN) ff1.encrypt(letters, l, 26, tweak);
  let o = to;
  d = 0;
  const first = l >= LETTERS_MIN ? 0 : -1;
  l = 0;
  for (let p = at; p < end; p++) {
    const c = B[p];
    const kind = KIND[c];
    if (kind === 0) B[o++] = c;
    else if (kind === 1) B[o++] = ZERO + digits[d++];
    else if (first < 0) B[o++] = kind === 2 ? UPPER_X : LOWER_X;
    else B[o++] = letters[l++] + (kind === 2 ? 65 : 97);
  }
  return o;
}

/** Encrypts again as long as the first digit is a 0 that it must not be: still one to one (cycle walking). */
function encryptDigits(n: number, ff1: Ff1, tweak: Uint8Array, isLuhn: boolean, notZero: boolean): boolean {
  const length = isLuhn ? n - 1 : n;
  for (let i = 0; i < WALKS_MAX; i++) {
    ff1.encrypt(digits, length, 10, tweak);
    if (notZero && digits[0] === 0) continue;
    if (isLuhn) digits[length] = luhnDigit(length);
    return true;
  }
  return false;
}

/** What makes of the first n digits a number with a check digit behind it (ISO/IEC 7812-1, annex B). */
function luhnDigit(n: number): number {
  let sum = 0;
  for (let i = n - 1, twice = true; i >= 0; i--, twice = !twice) {
    const value = twice ? 2 * digits[i] : digits[i];
    sum += value > 9 ? value - 9 : value;
  }
  return (10 - (sum % 10)) % 10;
}
