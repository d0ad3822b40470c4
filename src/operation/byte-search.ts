/** Looking for one byte, four at a time: targets and forms are looked through at every call. */
import { bytes, view } from '../base/arena.ts';

const B = bytes;
const V = view;

/** The next byte `c` in [at, end), or `end`. */
export function nextByte(at: number, end: number, c: number): number {
  const pattern = Math.imul(c, 0x01010101);
  let p = at;
  while (p + 4 <= end) {
    const x = V.getInt32(p, true) ^ pattern;
    // Not zero when one of the four bytes is.
    if (((x - 0x01010101) & ~x & 0x80808080) !== 0) break;
    p += 4;
  }
  while (p < end && B[p] !== c) p++;
  return p;
}
