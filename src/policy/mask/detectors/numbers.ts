/**
 * A word of digits, and what follows it: is it a card, a telephone number, a number of a person, an address?
 *
 *   left   4111 1111 1111 1111   right
 *
 * What stands bare must not be a part of something longer: a fraction (3.14159265358979), a UUID, a version.
 */
import { bytes } from '../../../base/arena.ts';
import { CARD, classes, DIGIT, hit, IP, NATIONAL_ID, PHONE, WORD } from './classes.ts';
import { collect, collectOne, digitsUpTo, groupEnds, separators } from './digits.ts';
import { isIpv4 } from './ip-address.ts';
import { signedId } from './lettered-id.ts';
import { isBareId, isGroupedId } from './national-id.ts';
import { isCard, isGroupedCard } from './payment-card.ts';
import { isNationalPhone, zeroPhone } from './phone.ts';

const B = bytes;
const K = classes;
const H = hit;
const N = digitsUpTo;
const E = groupEnds;
const S = separators;
const BLANK = 32;
const HYPHEN = 45;
const DOT = 46;
const SLASH = 47;
const UNDERSCORE = 95;

/**
 * By separator (its byte less 32) and size of the first group, as bits: of which sizes the second may be in the layouts of
 * cards, phones and ids.
 */
export const beginnings: Int32Array = new Int32Array(16 * 16);
for (const [separator, sizes] of [
  [BLANK, '12 13 22 23 24 28 32 33 34 37 38 43 44 46 47 48 4c 53 55 56 64 65 6d 88 d2'],
  [HYPHEN, '13 22 23 24 28 32 33 34 43 44 46 47 48 4c 53 64 65 67 6d 84 88'],
  [DOT, '13 22 23 33 34 42'],
  [SLASH, '28 36 37 38 46 47 48 55 56 65'],
] as const)
  for (const size of sizes.split(' '))
    beginnings[(separator - BLANK) * 16 + Number.parseInt(size[0], 16)] |= 1 << Number.parseInt(size[1], 16);
const T = beginnings;

/** By length of a bare number, as bits: with which digits cards and ids of that length begin. */
export const firsts: Int32Array = new Int32Array(20);
for (const [n, first] of [
  [11, '0123456789'],
  [12, '1256'],
  [13, '0123456789'],
  [14, '0123456789'],
  [15, '1235678'],
  [16, '234568'],
  [17, '23568'],
  [18, '12345678'],
  [19, '234568'],
] as const)
  for (const c of first) firsts[n] |= 1 << Number(c);
const F = firsts;

/** The digits [s, p) begin a word. Returns the end of what was found, and its kind in hit[1]; or 0. */
export function numbers(s: number, p: number, end: number, from: number, on: number): number {
  const n = p - s;
  const right = p < end ? B[p] : 0;
  const goesOn = p + 1 < end && (right === BLANK || right === HYPHEN || right === DOT || right === SLASH) && (K[B[p + 1]] & WORD) !== 0;
  if (!goesOn) {
    if (n < 11 || n > 19) return 0;
    return bare(s, p, end, from, on);
  }
  let q = p + 1;
  while (q < end && q - p < 16 && (K[B[q]] & DIGIT) !== 0) q++;
  // Most numbers that go on are dates, times and versions: nothing known begins with two groups of such sizes.
  const isKnown = n < 16 && ((T[((right - BLANK) << 4) | n] >> (q - p - 1)) & 1) !== 0 && (q >= end || (K[B[q]] & WORD) === 0);
  const isOther = (B[s] === 48 && n > 1 && B[s + 1] === 48) || (right === DOT && n <= 3 && (on & (1 << IP)) !== 0);
  if (!isKnown && !isOther) {
    if (n >= 11 && n <= 19) {
      const e = bare(s, p, end, from, on);
      if (e !== 0) return e;
    }
    return n === 6 || n === 8 ? idWithLetters(s, p, end, on, s > from ? B[s - 1] : 0) : 0;
  }
  const left = s > from ? B[s - 1] : 0;
  const leftIsDigit = s - 1 > from && (K[B[s - 2]] & DIGIT) !== 0;
  const groups = collect(s, p, end);
  if (groups === 1) {
    if (n >= 11 && n <= 19) {
      const found = bare(s, p, end, from, on);
      if (found !== 0) return found;
    }
    return idWithLetters(s, p, end, on, left);
  }
  // A blank between numbers joins or separates, so what is before it does not matter to a card.
  const isInside = leftIsDigit && (left === HYPHEN || left === DOT || (left === SLASH && right === SLASH));
  let layout = 0;
  let at = 0;
  let foundEnd = 0;
  for (let i = 0; i < groups; i++) {
    const size = N[i] - at;
    at = N[i];
    if (size > 15) break;
    layout = (layout << 4) | size;
    if (i === 0 || isInside) continue;
    if ((on & (1 << CARD)) !== 0 && isGroupedCard(i, layout)) {
      foundEnd = E[i];
      H[1] = CARD;
    } else if ((on & (1 << IP)) !== 0 && isIpv4(i)) {
      foundEnd = E[i];
      H[1] = IP;
    } else if (leftIsDigit && left === BLANK && S[0] === BLANK) continue;
    else if ((on & (1 << NATIONAL_ID)) !== 0 && isGroupedId(i, layout)) {
      foundEnd = E[i];
      H[1] = NATIONAL_ID;
    } else if ((on & (1 << PHONE)) !== 0 && isNationalPhone(i, layout)) {
      foundEnd = E[i];
      H[1] = PHONE;
    }
  }
  if (foundEnd !== 0) return foundEnd;
  if (!isInside && (on & (1 << PHONE)) !== 0) {
    foundEnd = zeroPhone(s, groups, end);
    if (foundEnd !== 0) {
      H[1] = PHONE;
      return foundEnd;
    }
  }
  if (n >= 11 && n <= 19) return bare(s, p, end, from, on);
  return idWithLetters(s, p, end, on, left);
}

/** [s, p) alone. */
function bare(s: number, p: number, end: number, from: number, on: number): number {
  const n = p - s;
  const right = p < end ? B[p] : 0;
  const left = s > from ? B[s - 1] : 0;
  const leftIsDigit = s - 1 > from && (K[B[s - 2]] & DIGIT) !== 0;
  const leftIsWord = s - 1 > from && (K[B[s - 2]] & WORD) !== 0;
  if (((F[n] >> (B[s] - 48)) & 1) === 0 || (left === DOT && leftIsDigit)) return 0;
  collectOne(s, p);
  if (right === DOT && p + 1 < end && (K[B[p + 1]] & DIGIT) !== 0) return 0;
  if ((on & (1 << CARD)) !== 0 && isCard(n)) {
    H[1] = CARD;
    return p;
  }
  if ((on & (1 << NATIONAL_ID)) === 0 || right === HYPHEN || right === UNDERSCORE) return 0;
  if ((left === HYPHEN || left === UNDERSCORE || left === DOT) && leftIsWord) return 0;
  if (!isBareId(n)) return 0;
  H[1] = NATIONAL_ID;
  return p;
}

function idWithLetters(s: number, p: number, end: number, on: number, left: number): number {
  if ((on & (1 << NATIONAL_ID)) === 0 || left === HYPHEN || left === DOT) return 0;
  H[1] = NATIONAL_ID;
  return signedId(s, p, end);
}
