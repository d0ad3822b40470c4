/**
 * Values in which nothing was found, and which come again and again: user agents, accepted types, dates, words of an enumeration.
 * They are known by their bytes, for the same rules and place, so that the pass over them is spared.
 *
 *   first sight    the hash is noted               second sight    the bytes are kept              from then on    compared
 *
 * So values that never come again push nothing out. Bounds: SLOTS values of CLEAN_BYTES_MIN to CLEAN_BYTES_MAX bytes; a newer
 * one takes the slot of an older one.
 */
import { randomBytes } from 'node:crypto';
import { bytes, view } from '../../base/arena.ts';

const B = bytes;
const V = view;
const SLOTS = 1024;
const SLOT_BYTES = 256;
export const CLEAN_BYTES_MIN = 12;
export const CLEAN_BYTES_MAX = SLOT_BYTES;
/** Hash of what came once. */
const noted = new Int32Array(SLOTS);
const N = noted;
/** Hash and length of what is kept, and which table of rules it was looked at by. */
const kept = new Int32Array(3 * SLOTS);
const K = kept;
const store = Buffer.allocUnsafeSlow(SLOTS * SLOT_BYTES);
const S = store;
const Y = new DataView(store.buffer);
const seed = randomBytes(4).readInt32LE();
let hash = 0;

/** Forgets all: the rules have changed. */
export function resetClean(): void {
  N.fill(0);
  K.fill(0);
}

/** Whether [at, end) is known to hold nothing that the rules of table t find. */
export function isClean(t: number, at: number, end: number): boolean {
  const n = end - at;
  let a = seed ^ t;
  let b = seed ^ n;
  let i = at;
  for (; i + 8 <= end; i += 8) {
    a = Math.imul(a ^ V.getInt32(i, true), 0x2c1b3c6d);
    b = Math.imul(b ^ V.getInt32(i + 4, true), 0x297a2d39);
    a ^= a >>> 15;
    b ^= b >>> 15;
  }
  for (; i < end; i++) a = Math.imul(a ^ B[i], 0x01000193);
  a = Math.imul(a ^ (a >>> 13) ^ b, 0x297a2d39);
  hash = a ^ (a >>> 16) || 1;
  const slot = hash & (SLOTS - 1);
  const r = 3 * slot;
  return K[r] === hash && K[r + 1] === n && K[r + 2] === t && isSame(slot * SLOT_BYTES, at, n);
}

function isSame(stored: number, at: number, n: number): boolean {
  let i = 0;
  for (; i + 4 <= n; i += 4) if (Y.getInt32(stored + i) !== V.getInt32(at + i)) return false;
  for (; i < n; i++) if (S[stored + i] !== B[at + i]) return false;
  return true;
}

/** Nothing was found in the value that `isClean` was asked about last. */
export function noteClean(t: number, at: number, end: number): void {
  const slot = hash & (SLOTS - 1);
  if (N[slot] !== hash) {
    N[slot] = hash;
    return;
  }
  const r = 3 * slot;
  K[r] = hash;
  K[r + 1] = end - at;
  K[r + 2] = t;
  B.copy(S, slot * SLOT_BYTES, at, end);
}
