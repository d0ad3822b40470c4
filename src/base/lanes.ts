/**
 * Vectors that kernels need (base/simd.ts says what a kernel is), in a table of the arena: to read one is an instruction, to
 * make it are three or four each time, because V8 does not keep it where loops need it.
 */
import { bytes, kernelRegion } from './arena.ts';
import { type Code, i32, load128 } from './wasm.ts';

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

/** Digits, and nothing else, are above TOP as signed bytes when UP is added. */
export const UP: number = 127 - 57;
export const TOP: number = 127 - 10;
