/**
 * Held segments: parts of a stream that wait for what comes before them, as one list for each direction,
 * sorted by sequence number and free of overlaps: the first copy of every byte wins.
 *
 *   row of 8 int32:  next row | sequence | length | block in the arena | acknowledgement | kind | arrival, ms | unused
 *
 * A row is DATA (bytes in a block), CUT (bytes that were on the wire but not captured), OMIT (an urgent byte
 * that is not part of the stream), SYN_DATA (bytes of a SYN, which count only once acknowledged) or FIN.
 */
import { bytes } from '../base/arena.ts';
import { capacity, release, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';

const B = bytes;
const DIFFERS = weird('flow.tcp.overlap_differs');

export const HELD_DATA = 1;
export const HELD_CUT = 2;
export const HELD_OMIT = 3;
export const HELD_SYN_DATA = 4;
export const HELD_FIN = 5;

export const H_SEQUENCE = 1;
export const H_LENGTH = 2;
export const H_BLOCK = 3;
export const H_ACK = 4;
export const H_KIND = 5;
export const H_TIME = 6;

const ROWS_MAX = 1 << 18;
/** Words of all rows; row `n` starts at `n << 3`. Row 0 is "none". */
export const held: Int32Array = new Int32Array(ROWS_MAX << 3);
const H = held;

let highRow = 1;
let freeRow = 0;
let totalBytes = 0;

export function resetHeld(): void {
  highRow = 1;
  freeRow = 0;
  totalBytes = 0;
}

/** Memory of all held blocks, bytes. */
export function heldBytesTotal(): number {
  return totalBytes;
}

/** Payload bytes in all held DATA rows of the list that starts at `row`. */
export function payloadBytesOf(row: number): number {
  let n = 0;
  for (let r = row; r !== 0; r = H[r << 3]) {
    const kind = H[(r << 3) + H_KIND];
    if (kind === HELD_DATA || kind === HELD_SYN_DATA) n += H[(r << 3) + H_LENGTH];
  }
  return n;
}

function newRow(): number {
  let row = freeRow;
  if (row !== 0) freeRow = H[row << 3];
  else if (highRow < ROWS_MAX) row = highRow++;
  return row;
}

/** Gives a row back, and its block unless the caller keeps that (`keepBlock`). Returns the memory it accounted for. */
export function dropHeld(row: number, keepBlock: boolean): number {
  const h = row << 3;
  const block = H[h + H_BLOCK];
  let memory = 0;
  if (block !== 0) {
    memory = capacity(block);
    totalBytes -= memory;
    if (!keepBlock) release(block);
  }
  H[h + H_BLOCK] = 0;
  H[h] = freeRow;
  freeRow = row;
  return memory;
}

/** Results of `insertHeld`: memory taken, payload bytes that were copies of bytes already held, and whether there was room. */
export const insertion: { memory: number; repeated: number; refused: number } = { memory: 0, repeated: 0, refused: 0 };

/**
 * Puts `[sequence, sequence + length)` into the list that starts at `first`, leaving out what is held already.
 * The bytes of DATA and SYN_DATA are copied from `at`. Returns the new first row; `insertion` says the rest.
 */
export function insertHeld(first: number, kind: number, sequence: number, length: number, at: number, ack: number, timeMs: number): number {
  insertion.memory = 0;
  insertion.repeated = 0;
  insertion.refused = 0;
  let head = first;
  let previous = 0;
  let row = first;
  let s = sequence;
  let left = length;
  let from = at;
  if (kind === HELD_FIN) {
    while (row !== 0 && ((H[(row << 3) + H_SEQUENCE] - s) | 0) < 0) {
      previous = row;
      row = H[row << 3];
    }
    if (row !== 0 && H[(row << 3) + H_KIND] === HELD_FIN) return head;
    const fin = newRow();
    if (fin === 0) {
      insertion.refused = 1;
      return head;
    }
    fill(fin, row, HELD_FIN, s, 0, 0, ack, timeMs);
    if (previous === 0) return fin;
    H[previous << 3] = fin;
    return head;
  }
  while (left > 0) {
    // Skip rows that end before the rest begins.
    while (
      row !== 0 &&
      ((H[(row << 3) + H_SEQUENCE] + H[(row << 3) + H_LENGTH] - s) | 0) <= 0 &&
      ((H[(row << 3) + H_SEQUENCE] - s) | 0) < 0
    ) {
      previous = row;
      row = H[row << 3];
    }
    const startsIn = row === 0 ? left : (H[(row << 3) + H_SEQUENCE] - s) | 0;
    if (startsIn > 0) {
      const piece = startsIn < left ? startsIn : left;
      const fresh = newRow();
      if (fresh === 0) {
        insertion.refused += left;
        return head;
      }
      let block = 0;
      if (kind === HELD_DATA || kind === HELD_SYN_DATA) {
        block = reserve(piece);
        if (block === 0) {
          H[fresh << 3] = freeRow;
          freeRow = fresh;
          insertion.refused += left;
          return head;
        }
        B.copyWithin(block, from, from + piece);
        const memory = capacity(block);
        totalBytes += memory;
        insertion.memory += memory;
      }
      fill(fresh, row, kind, s, piece, block, ack, timeMs);
      if (previous === 0) head = fresh;
      else H[previous << 3] = fresh;
      previous = fresh;
      s = (s + piece) | 0;
      left -= piece;
      from += piece;
    } else {
      // The rest begins inside `row`: its bytes came first.
      const h = row << 3;
      const shared = Math.min(left, (H[h + H_SEQUENCE] + H[h + H_LENGTH] - s) | 0);
      if (shared <= 0) {
        // A FIN at this place: what lies beyond it is the caller's to refuse; go on behind it.
        previous = row;
        row = H[h];
        continue;
      }
      if (kind === HELD_DATA && H[h + H_KIND] === HELD_DATA) {
        const there = H[h + H_BLOCK] + ((s - H[h + H_SEQUENCE]) | 0);
        for (let i = 0; i < shared; i++) {
          if (B[there + i] !== B[from + i]) {
            raise(DIFFERS);
            break;
          }
        }
      }
      insertion.repeated += shared;
      s = (s + shared) | 0;
      left -= shared;
      from += shared;
    }
  }
  return head;
}

function fill(row: number, next: number, kind: number, sequence: number, length: number, block: number, ack: number, timeMs: number): void {
  const h = row << 3;
  H[h] = next;
  H[h + H_SEQUENCE] = sequence;
  H[h + H_LENGTH] = length;
  H[h + H_BLOCK] = block;
  H[h + H_ACK] = ack;
  H[h + H_KIND] = kind;
  H[h + H_TIME] = timeMs;
}
