/**
 * Where in a document a value stands: "items.0.card". Walkers push names and numbers as they go down; text is made only
 * when something is found. Bytes of names stay in the arena: they must not move while they are on the stack.
 *
 * Bound: below DEPTH_MAX levels, names are counted and not kept; the path ends with "..." there.
 */
import { bytes, words } from '../../base/arena.ts';
import { writeNumber } from '../../normalise/json.ts';
import { copyBytes } from './kernels/kernels.ts';
import { PATH } from './kernels/tables.ts';

const B = bytes;
const DEPTH_MAX = 64;
const NAME_BYTES_MAX = 64;
const DOT = 46;
/** Two words a level: start and end of the name, or the number and -1. In the arena, so that kernels write it as well. */
const stack = words.subarray(PATH >> 2, (PATH >> 2) + 2 * DEPTH_MAX);
const S = stack;
let depth = 0;

/** Most bytes that `writeField` writes. */
export const FIELD_BYTES_MAX: number = DEPTH_MAX * (NAME_BYTES_MAX + 1) + 4;

export function resetField(): void {
  depth = 0;
}

export function pushName(at: number, end: number): void {
  if (depth < DEPTH_MAX) {
    S[2 * depth] = at;
    S[2 * depth + 1] = end;
  }
  depth++;
}

export function pushNumber(n: number): void {
  if (depth < DEPTH_MAX) {
    S[2 * depth] = n;
    S[2 * depth + 1] = -1;
  }
  depth++;
}

/** The next number at the same level. */
export function nextNumber(n: number): void {
  if (depth <= DEPTH_MAX) S[2 * depth - 2] = n;
}

export function popField(): void {
  depth--;
}

export function fieldDepth(): number {
  return depth;
}

/** Back to a depth asked for before, however far down a walker ended. */
export function cutField(to: number): void {
  depth = to;
}

/** Writes the path as bytes as on the wire; returns its end. The names themselves must have been looked at by the caller. */
export function writeField(to: number): number {
  let o = to;
  const levels = depth < DEPTH_MAX ? depth : DEPTH_MAX;
  for (let i = 0; i < levels; i++) {
    if (o > to) B[o++] = DOT;
    const at = S[2 * i];
    const end = S[2 * i + 1];
    if (end < 0) o = writeNumber(o, at);
    else {
      const n = Math.min(end - at, NAME_BYTES_MAX);
      copyBytes(at, at + n, o);
      o += n;
    }
  }
  if (depth > DEPTH_MAX) {
    B[o] = B[o + 1] = B[o + 2] = DOT;
    o += 3;
  }
  return o;
}
