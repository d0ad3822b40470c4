/**
 * Base64 (RFC 4648, 4) and base64url (5) in the arena, in one piece or in several: padding may stand wherever a part ends, and what
 * follows it begins anew; line breaks and blanks do not count.
 *
 *   AAAA AAUK | A2Fu bg== | AAAA ...      pieces of a stream; 6 bits a digit, up to 6 of them wait for the next piece
 */
import { bytes } from './arena.ts';

const B = bytes;
const PADDING = 64;
const BLANK = 65;
const FOREIGN = 255;
/** Value of a digit, or one of the above. */
const values = new Uint8Array(256).fill(FOREIGN);
for (const [i, c] of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries()) values[c] = i;
values[45] = 62;
values[95] = 63;
values[61] = PADDING;
for (const c of [9, 10, 13, 32]) values[c] = BLANK;
const V = values;

/** Between two pieces: the bits under way, and their number. */
export const base64Rest: Int32Array = new Int32Array(2);
const R = base64Rest;

/** Writes at `to` what [at, end) stands for by itself; returns the end, or -1 when it is something else. */
export function undoBase64(at: number, end: number, to: number): number {
  R[0] = R[1] = 0;
  return undoPiece(at, end, to, false);
}

/** Goes on from `base64Rest`. Bytes that are nothing in base64 are passed over, or the answer is -1. */
export function undoPiece(at: number, end: number, to: number, passesForeign: boolean): number {
  let o = to;
  let bits = R[0];
  let n = R[1];
  for (let p = at; p < end; p++) {
    const v = V[B[p]];
    if (v >= PADDING) {
      if (v === FOREIGN && !passesForeign) return -1;
      if (v === PADDING) bits = n = 0;
      continue;
    }
    bits = ((bits << 6) | v) & 0xffff;
    n += 6;
    if (n < 8) continue;
    n -= 8;
    B[o++] = (bits >> n) & 255;
  }
  R[0] = bits;
  R[1] = n;
  return o;
}
