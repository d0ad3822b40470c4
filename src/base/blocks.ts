/**
 * Blocks: what must outlive its packet (cut heads, out-of-order segments, heads and bodies of calls in
 * flight, fragments) lives in blocks of the arena, in power-of-two size classes from 256 B to 1 MiB.
 *
 * A free block's first word links to the next free block of its class. The class of every block in use
 * is known from its offset, so an owner keeps nothing but the offset.
 *
 * Limit: `memory.blockBytesMax`. Behaviour: `reserve` returns 0 and counts `limit.memory.block_bytes`; the caller
 * says what that means for it (cut the body, declare the gap, refuse the call).
 */
import { blockRegion, bytes, words } from './arena.ts';
import { raise, weird } from './weird.ts';

const B = bytes;
const W = words;
const BASE = blockRegion.at;
const GRAIN_SHIFT = 8;
const CLASSES = 13;
const LIMIT_REACHED = weird('limit.memory.block_bytes');
const FREE = 0x80;

/** Class + 1 of the block that starts at each grain; 0 elsewhere; with the top bit set while free. */
const classAt = new Uint8Array((blockRegion.end - BASE) >> GRAIN_SHIFT);
const freeHead = new Int32Array(CLASSES);
let top = BASE;
let limit = blockRegion.end;
let used = 0;

/** Gives everything back and sets the budget in bytes. All offsets handed out before become invalid. */
export function resetBlocks(blockBytesMax: number): void {
  classAt.fill(0, 0, (top - BASE) >> GRAIN_SHIFT);
  freeHead.fill(0);
  top = BASE;
  used = 0;
  limit = blockBytesMax;
}

/** Offset of a block of at least `length` bytes (at most BLOCK_BYTES_MAX), or 0 when the budget is spent. */
export function reserve(length: number): number {
  const k = length <= 256 ? 0 : 32 - Math.clz32((length - 1) >> GRAIN_SHIFT);
  const size = 1 << (k + GRAIN_SHIFT);
  if (k >= CLASSES || used + size > limit) {
    raise(LIMIT_REACHED);
    return 0;
  }
  let at = freeHead[k];
  if (at !== 0) {
    freeHead[k] = W[at >> 2];
  } else {
    at = top;
    if (at + size > blockRegion.end) {
      raise(LIMIT_REACHED);
      return 0;
    }
    top = at + size;
  }
  classAt[(at - BASE) >> GRAIN_SHIFT] = k + 1;
  used += size;
  return at;
}

/** Gives a block back; 0 is accepted and ignored. Throws on an offset that is not a block in use: a bug of ours. */
export function release(at: number): void {
  if (at === 0) return;
  const g = (at - BASE) >> GRAIN_SHIFT;
  const c = classAt[g];
  if (c === 0 || c & FREE || c === undefined) throw new Error(`blocks: ${at} is not in use`);
  const k = c - 1;
  classAt[g] = c | FREE;
  W[at >> 2] = freeHead[k];
  freeHead[k] = at;
  used -= 1 << (k + GRAIN_SHIFT);
}

/** How many bytes the block at `at` holds. */
export function capacity(at: number): number {
  return 1 << (classAt[(at - BASE) >> GRAIN_SHIFT] - 1 + GRAIN_SHIFT);
}

/** A block of at least `length` bytes with the first `keep` bytes of `at` in it; `at` is given back. 0 leaves `at` alone. */
export function enlarge(at: number, keep: number, length: number): number {
  const to = reserve(length);
  if (to === 0) return 0;
  B.copyWithin(to, at, at + keep);
  release(at);
  return to;
}

/** Bytes in blocks that are in use. */
export function blockBytesUsed(): number {
  return used;
}
