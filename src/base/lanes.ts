/**
 * Vectors that kernels need (base/simd.ts says what a kernel is), in a table of the arena: to read one is an instruction, to
 * make it are three or four each time, because V8 does not keep it where loops need it.
 */
import { bytes, kernelRegion } from './arena.ts';
import * as w from './wasm.ts';

const { i32, add8, and128, bitmask, less8, load128, shr16x8, swizzle } = w;
type Code = w.Code;

const LANES_MAX = 128;
const AT = kernelRegion.end - LANES_MAX * 16;
const vectors: string[] = [];

/** Sixteen bytes, or sixteen times one. */
export function lanes(of: number | readonly number[]): Code {
  const sixteen = typeof of === 'number' ? new Array<number>(16).fill(of) : of;
  const key = sixteen.join();
  let i = vectors.indexOf(key);
  if (i < 0) {
    if (vectors.length === LANES_MAX) throw new RangeError('no room for vectors');
    i = vectors.push(key) - 1;
    bytes.set(sixteen, AT + 16 * i);
  }
  return load128(i32(AT + 16 * i));
}

/**
 * A set of ASCII characters as two vectors: for each low nibble, the bits of the high nibbles that go with it (`setOf`), and
 * the bit of each high nibble (`highBits`). A byte is in the set when the two have a bit in common.
 */
export function setOf(characters: string): readonly number[] {
  const all = new Array<number>(16).fill(0);
  for (const c of Buffer.from(characters, 'latin1')) all[c & 15] |= 1 << (c >> 4);
  return all;
}
export const highBits: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

export const lowNibbles = (v: Code): Code => and128(v, lanes(15));
export const highNibbles = (v: Code): Code => and128(shr16x8(v, i32(4)), lanes(15));
/** Of each byte: not 0 when it is in the set. */
export const inSet = (v: Code, set: readonly number[]): Code =>
  and128(swizzle(lanes(set), lowNibbles(v)), swizzle(lanes(highBits), highNibbles(v)));

/** Digits, and nothing else, are above TOP as signed bytes when UP is added. */
export const UP: number = 127 - 57;
export const TOP: number = 127 - 10;
/** A bit for each byte that is a digit. */
export const digits = (v: Code): Code => bitmask(less8(lanes(TOP), add8(v, lanes(UP))));
