/**
 * Free text, unknown types, values of header fields: detectors look at all of it, as at a value without a name.
 *
 *   Dear Ann, your card 4111 1111 1111 1111 was charged. password=hunter2
 *
 * Where the kept bytes end early, what may be the beginning of something is masked: the last word, or the last run of digits
 * with separators of numbers between them (detectors/odd-separators.ts), as many digits as a number may have; and an IBAN in
 * groups from its beginning. TAIL_BYTES_MAX at most.
 */
import { bytes } from '../../base/arena.ts';
import { separatorsBefore } from './detectors/odd-separators.ts';
import { inspectValue, noName } from './inspect.ts';
import { putUnreadable } from './put.ts';
import { PLAIN } from './value.ts';

const B = bytes;
const TAIL_BYTES_MAX = 4096;
/** No number that is known has more. */
const TAIL_DIGITS_MAX = 40;
const SEMICOLON = 59;
const AMPERSAND = 38;
const HASH = 35;
/** ISO 13616: up to 34 characters, written in fours. */
const IBAN_GROUPS_MAX = 9;
const GROUP_BYTES = 4;
/** Of four characters, each may be as long as &#x0042; */
const CODED_GROUP_BYTES_MAX = 32;

export function maskText(at: number, end: number, isCut: boolean): void {
  noName();
  if (!isCut) {
    inspectValue(at, end, PLAIN, 0);
    return;
  }
  const tail = tailAt(at, end);
  inspectValue(at, tail, PLAIN, 0);
  putUnreadable(tail, end, PLAIN);
}

export function walkText(at: number, end: number, isCut: boolean): boolean {
  maskText(at, end, isCut);
  return true;
}

/** Where the last word, or what may be the beginning of a number, begins. With `isCoded` any byte may stand for a digit: &#52; */
export function tailAt(at: number, end: number, isCoded = false): number {
  const stop = Math.max(at, end - TAIL_BYTES_MAX);
  let p = end;
  for (let before = -1; p !== before; ) {
    before = p;
    while (p > stop && B[p - 1] > 32) p--;
    p = digitsBefore(p, stop, isCoded ? TAIL_BYTES_MAX : TAIL_DIGITS_MAX);
    // &#52;111 1111 1111 &#49;: as long as the word before ends with a digit or a reference
    if (!isCoded) break;
    if (p - 1 > stop && B[p - 1] === 32 && B[p - 2] === SEMICOLON) p--;
  }
  p = accountBefore(wordAt(p, stop), stop, isCoded);
  // What was found may end a word: 192.0.2.1 an...
  return wordAt(p, stop);
}

/** Where the word begins that p stands in or behind. */
function wordAt(p: number, stop: number): number {
  let at = p;
  while (at > stop && B[at - 1] > 32) at--;
  return at;
}

/** GB82 WEST 1234 5698 7654 3: where an IBAN begins whose last groups are cut; p when none is. With `isCoded` any byte of it may be a reference. */
function accountBefore(p: number, stop: number, isCoded: boolean): number {
  let s = p;
  for (let n = 0; n < IBAN_GROUPS_MAX; n++) {
    const end = separatorsBefore(s, stop);
    if (n > 0 && end === s) break;
    let at = end;
    while (at > stop && isGroupByte(B[at - 1], isCoded)) at--;
    const length = end - at;
    if (length < GROUP_BYTES || length > (isCoded ? CODED_GROUP_BYTES_MAX : GROUP_BYTES)) break;
    if (beginsAccount(at, end, isCoded)) return at;
    s = at;
  }
  return p;
}

/** Two letters and two digits. */
function beginsAccount(at: number, end: number, isCoded: boolean): boolean {
  if (isCoded && end - at > GROUP_BYTES) return true;
  return end - at === GROUP_BYTES && isLetter(B[at]) && isLetter(B[at + 1]) && isDigit(B[at + 2]) && isDigit(B[at + 3]);
}

/** With `isCoded` also those of `&#x42;`. */
function isGroupByte(c: number, isCoded: boolean): boolean {
  return isDigit(c) || isLetter(c) || (isCoded && (c === AMPERSAND || c === HASH || c === SEMICOLON));
}

function isLetter(c: number): boolean {
  return (c | 32) >= 97 && (c | 32) <= 122;
}

/** 4111 1111 - 1111 1: where the digits before p begin, `most` of them, and what stands between them. */
function digitsBefore(p: number, stop: number, most: number): number {
  let s = p;
  for (let n = 0; n < most; n++) {
    if (s > stop && isDigit(B[s - 1])) {
      s--;
      continue;
    }
    const q = separatorsBefore(s, stop);
    if (q === s || q <= stop || !isDigit(B[q - 1])) break;
    s = q - 1;
  }
  return s;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}
