/**
 * UUIDs (RFC 9562, 4): the pass steps over them. They are in most calls, and groups of their digits look now and then like
 * the number of an account or of a phone.
 *
 *   d9428888-122b-11e1-b85c-61cd3cbb3210      8-4-4-4-12 hex digits; no word and no hyphen directly before or behind
 */
import { bytes } from '../../../base/arena.ts';
import { classes, WORD } from './classes.ts';
import { isHex } from './ip-address.ts';

const B = bytes;
const K = classes;
const HYPHEN = 45;
export const UUID_BYTES = 36;

/** Whether one begins with the word at s of a value that begins at `from`. */
export function isUuid(s: number, end: number, from: number): boolean {
  if (end - s < UUID_BYTES || B[s + 8] !== HYPHEN || (s > from && B[s - 1] === HYPHEN)) return false;
  for (let i = 0; i < UUID_BYTES; i++) {
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      if (B[s + i] !== HYPHEN) return false;
    } else if (!isHex(B[s + i])) return false;
  }
  const p = s + UUID_BYTES;
  return p === end || (B[p] !== HYPHEN && (K[B[p]] & WORD) === 0);
}
