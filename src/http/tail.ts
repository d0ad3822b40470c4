/**
 * Tails: an unfinished head, or what may become a message, waits in a block until more comes.
 *
 *   tail block:  first byte time (double) | sequence (int32) | acknowledgement (int32) | bytes ...
 */
import { bytes, words } from '../base/arena.ts';
import { capacity, enlarge, reserve } from '../base/blocks.ts';
import type { Chunk } from '../flow/chunk.ts';
import * as c from './connection.ts';
import { reading, readTime } from './reading.ts';

const B = bytes;
const W = words;
const N = c.connections;
const R = reading;
const { X_STATE, X_TAIL, X_TAIL_BYTES, X_SMALL, IDENTIFY, HEAD, TRAILER, SEARCH } = c;

const CR = 13;
const LF = 10;
export const TAIL_PREFIX_BYTES = 16;
// X_SMALL of a tail: what its last bytes were.
export const AFTER_LF = 1;
const BLANK_LINE = 2;
const HAS_LF = 4;
const tailTime = new DataView(bytes.buffer);

/** Keeps `[at, end)`, an unfinished head, until more comes. */
function saveTail(x: number, at: number, end: number): void {
  const length = end - at;
  let block = N[x + X_TAIL];
  if (block !== 0 && at === block + TAIL_PREFIX_BYTES) {
    N[x + X_TAIL_BYTES] = length;
    return;
  }
  if (block === 0) {
    block = reserve(length + TAIL_PREFIX_BYTES);
    if (block === 0) {
      N[x + X_STATE] = SEARCH;
      return;
    }
    N[x + X_TAIL] = block;
  }
  B.copyWithin(block + TAIL_PREFIX_BYTES, at, end);
  tailTime.setFloat64(block, readTime[0], true);
  W[(block >> 2) + 2] = (R.sequence + at - R.at) | 0;
  W[(block >> 2) + 3] = R.acknowledgement;
  N[x + X_TAIL_BYTES] = length;
  if (isLineState(N[x + X_STATE])) N[x + X_SMALL] = lineState(0, block + TAIL_PREFIX_BYTES, block + TAIL_PREFIX_BYTES + length);
}

function isLineState(state: number): boolean {
  return state === HEAD || state === IDENTIFY || state === TRAILER;
}

/** Follows line ends through bytes, so that an unfinished head is read again only when it may be whole. */
export function lineState(before: number, at: number, end: number): number {
  let s = before;
  for (let p = at; p < end; p++) {
    const b = B[p];
    if (b === LF) s |= s & AFTER_LF ? BLANK_LINE | HAS_LF : AFTER_LF | HAS_LF;
    else if (b !== CR) s &= ~AFTER_LF;
  }
  return s;
}

/** Adds a chunk to the tail of a direction; true when the tail may be whole now, and is to be read. */
export function appendToTail(x: number, chunk: Chunk): boolean {
  const length = chunk.end - chunk.at;
  let block = N[x + X_TAIL];
  const before = N[x + X_TAIL_BYTES];
  const total = before + length;
  if (total + TAIL_PREFIX_BYTES > capacity(block)) {
    const larger = enlarge(block, before + TAIL_PREFIX_BYTES, Math.max(total + TAIL_PREFIX_BYTES, 2 * capacity(block)));
    if (larger === 0) {
      c.dropTail(x);
      N[x + X_STATE] = SEARCH;
      return false;
    }
    block = larger;
    N[x + X_TAIL] = block;
  }
  const from = block + TAIL_PREFIX_BYTES;
  B.copyWithin(from + before, chunk.at, chunk.end);
  N[x + X_TAIL_BYTES] = total;
  const state = N[x + X_STATE];
  if (isLineState(state)) {
    const was = N[x + X_SMALL];
    const is = lineState(was & AFTER_LF, from + before, from + total);
    N[x + X_SMALL] = is | (was & HAS_LF);
    const firstLine = (was & HAS_LF) === 0 && (is & HAS_LF) !== 0;
    const grew = 32 - Math.clz32(total) !== 32 - Math.clz32(before);
    const isText = B[from] > 32 && B[from] < 127;
    if (isText && (is & BLANK_LINE) === 0 && !firstLine && !grew && total <= R.headBytesMax) return false;
  }
  return true;
}

/** Makes the tail of a direction what is being read, as if it were a packet; `reading.tail` owns its block now. */
export function readTail(x: number): void {
  const block = N[x + X_TAIL];
  R.at = block + TAIL_PREFIX_BYTES;
  R.sequence = W[(block >> 2) + 2];
  R.acknowledgement = W[(block >> 2) + 3];
  readTime[0] = tailTime.getFloat64(block, true);
  R.tail = block;
  N[x + X_TAIL] = 0;
  N[x + X_TAIL_BYTES] = 0;
}

/** As `saveTail`, for bytes that may lie in the tail block that is being read: then the block is kept as it is. */
export function keepTail(x: number, at: number, end: number): void {
  if (R.tail !== 0 && at === R.tail + TAIL_PREFIX_BYTES) {
    N[x + X_TAIL] = R.tail;
    N[x + X_TAIL_BYTES] = end - at;
    R.tail = 0;
    if (isLineState(N[x + X_STATE])) N[x + X_SMALL] = lineState(0, at, end);
    return;
  }
  saveTail(x, at, end);
}
