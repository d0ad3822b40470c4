/** base64 and base64url (RFC 4648, 4 and 5) into a buffer of its own, as far as there is room: detectors look inside. */
import { bytes } from '../../../base/arena.ts';
import { looked } from './classes.ts';

const B = bytes;
const L = looked;
export const DECODED_BYTES_MAX = 2048;
export const decoded: Uint8Array = new Uint8Array(DECODED_BYTES_MAX + 4);
const D = decoded;
/** Value of a digit, or 64. */
const digitOf = new Uint8Array(256).fill(64);
for (const [i, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'].entries()) digitOf[c.charCodeAt(0)] = i;
for (const [c, value] of [
  ['+', 62],
  ['-', 62],
  ['/', 63],
  ['_', 63],
] as const)
  digitOf[c.charCodeAt(0)] = value;
const V = digitOf;

/** Decodes [at, end) up to the first byte that is no digit; returns the number of bytes. */
export function decode(at: number, end: number): number {
  let o = 0;
  let bits = 0;
  let value = 0;
  let q = at;
  for (; q < end && o < DECODED_BYTES_MAX; q++) {
    const d = V[B[q]];
    if (d === 64) break;
    value = ((value << 6) | d) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      D[o++] = value >> bits;
    }
  }
  L[0] += q - at;
  return o;
}

/** Where the digits that begin at `at` end. */
export function base64End(at: number, end: number): number {
  let q = at;
  while (q < end && V[B[q]] !== 64) q++;
  L[0] += q - at;
  return q;
}
