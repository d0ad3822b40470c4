/**
 * The flow table: one row of 32 int32 for each connection, and an open-addressing index beside it that
 * starts small and grows. Rows lie in one array reserved at its largest; its pages become resident as rows
 * are used, so rows never move.
 *
 *   word   0..3   originator address      4..7  responder address      8  ports (originator << 16 | responder)
 *          9, 10  path id of direction 0, 1   (encapsulation of the first segment)
 *         11      scope group   12 hash   13 flags   14 last packet, deciseconds   15 capture interface
 *         16..23  direction 0: next sequence, acknowledged, flags, first held, first sequence, other start,
 *                 held bytes, scope id          24..31  direction 1: the same
 *
 * Key: addresses, ports and scope (tunnels with their VNI, key and VLAN). Ids that may differ by direction
 * (VLAN, MPLS label, TEID) are matched exactly when possible; a direction that was not seen yet adopts the
 * first scope of the same group that fits.
 *
 * Limit: `flow.flowsMax`; the longest idle of a sample of rows makes room [drop-oldest].
 */
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import type { Segment } from '../decode/segment.ts';

export const ROW_SHIFT = 5;
export const KEY_A = 0;
export const KEY_B = 4;
export const PORTS = 8;
export const PATH = 9;
export const GROUP = 11;
export const HASH = 12;
export const FLAGS = 13;
export const LAST_SEEN = 14;
export const INTERFACE = 15;
/** First word of direction 0; direction 1 follows after DIRECTION_WORDS. */
export const DIRECTION = 16;
export const DIRECTION_SHIFT = 3;
export const NEXT = 0;
export const ACKED = 1;
export const DFLAGS = 2;
export const HELD = 3;
export const START = 4;
export const OTHER_START = 5;
export const HELD_BYTES = 6;
export const SCOPE = 7;

/** Row flags. */
export const IN_USE = 1;
export const IS_IPV6 = 2;
export const MIDSTREAM = 4;
export const SLOW = 8;
export const DONE = 16;
export const CARRIED_DATA = 32;
export const CLOSING = 64;
/** Cause of a CLOSING, in bits 8..11. */
export const CAUSE_SHIFT = 8;

/** Hard upper end of `flow.flowsMax`, with room for rows that are being closed. */
const SPARE_ROWS = 4096;
const ROWS_MAX = (1 << 21) + SPARE_ROWS;
const SCOPE_UNSEEN = -1;
const EVICTION_SAMPLE = 32;

/** All rows. Row `n` starts at word `n << ROW_SHIFT`; row 0 is never used. */
export const rows: Int32Array = new Int32Array(ROWS_MAX << ROW_SHIFT);
const R = rows;

const ASYMMETRIC = weird('flow.vlan.asymmetric');
const NO_ROOM = weird('limit.flow.flows');

const INDEX_START = 1 << 13;
/** Pairs (hash, row number); row number 0 is an empty cell. */
let index = new Int32Array(INDEX_START * 2);
let mask = INDEX_START - 1;
let inUse = 0;
let highRow = 1;
let freeRow = 0;
/** Removed, and not given out yet: linked by HASH. */
let removedRow = 0;
let flowsMax = 1 << 20;
let hand = 1;

export function resetFlowTable(settings: Settings): void {
  index = new Int32Array(INDEX_START * 2);
  mask = INDEX_START - 1;
  inUse = 0;
  highRow = 1;
  freeRow = 0;
  removedRow = 0;
  hand = 1;
  flowsMax = settings.flow.flowsMax;
}

export function flowsInUse(): number {
  return inUse;
}

/** One past the highest row number ever used. */
export function rowsEnd(): number {
  return highRow;
}

function hashOf(s: Segment): number {
  const sp = s.ports >>> 16;
  const dp = s.ports & 0xffff;
  let h =
    Math.imul((s.src0 + s.dst0) | 0, 0x9e3779b1) ^
    Math.imul(s.src0 ^ s.dst0, 0x85ebca6b) ^
    Math.imul(((sp + dp) << 15) ^ sp ^ dp, 0xc2b2ae35) ^
    Math.imul(s.scopeGroup, 0x27d4eb2f);
  if (s.ipVersion === 6)
    h ^= Math.imul(((s.src1 ^ s.dst1) + (s.src2 ^ s.dst2)) | 0, 0x165667b1) ^ Math.imul((s.src3 + s.dst3) | 0, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 13;
  return h | 0;
}

/** 0 when the segment goes from originator to responder of the row at word `f`, 1 when back, -1 when it is another flow's. */
function directionIn(f: number, s: Segment): number {
  if (R[f + GROUP] !== s.scopeGroup || ((R[f + FLAGS] & IS_IPV6) !== 0) !== (s.ipVersion === 6)) return -1;
  const ports = R[f + PORTS];
  const forward =
    R[f] === s.src0 &&
    R[f + 4] === s.dst0 &&
    ports === s.ports &&
    R[f + 1] === s.src1 &&
    R[f + 2] === s.src2 &&
    R[f + 3] === s.src3 &&
    R[f + 5] === s.dst1 &&
    R[f + 6] === s.dst2 &&
    R[f + 7] === s.dst3;
  if (forward) return 0;
  const back =
    R[f] === s.dst0 &&
    R[f + 4] === s.src0 &&
    ports === ((s.ports << 16) | (s.ports >>> 16)) &&
    R[f + 1] === s.dst1 &&
    R[f + 2] === s.dst2 &&
    R[f + 3] === s.dst3 &&
    R[f + 5] === s.src1 &&
    R[f + 6] === s.src2 &&
    R[f + 7] === s.src3;
  return back ? 1 : -1;
}

/** Row number << 1 | direction of the segment's connection, or -1 when there is none. */
export function findFlow(s: Segment): number {
  const h = hashOf(s);
  let j = h & mask;
  let candidate = -1;
  for (;;) {
    const row = index[j * 2 + 1];
    if (row === 0) break;
    if (index[j * 2] === h) {
      const f = row << ROW_SHIFT;
      const direction = directionIn(f, s);
      if (direction >= 0) {
        const scope = R[f + DIRECTION + (direction << DIRECTION_SHIFT) + SCOPE];
        if (scope === s.scopeId) return (row << 1) | direction;
        if (scope === SCOPE_UNSEEN) {
          const other = R[f + DIRECTION + ((1 - direction) << DIRECTION_SHIFT) + SCOPE];
          if (other === s.scopeId) {
            adopt(f, direction, s);
            return (row << 1) | direction;
          }
          if (candidate < 0) candidate = (row << 1) | direction;
        }
      }
    }
    j = (j + 1) & mask;
  }
  if (candidate >= 0) {
    raise(ASYMMETRIC);
    adopt((candidate >> 1) << ROW_SHIFT, candidate & 1, s);
  }
  return candidate;
}

function adopt(f: number, direction: number, s: Segment): void {
  R[f + DIRECTION + (direction << DIRECTION_SHIFT) + SCOPE] = s.scopeId;
  R[f + PATH + direction] = s.pathId;
}

/** Whether `addFlow` would go beyond `flow.flowsMax`: first close the row that `victim` names. */
export function isFull(): boolean {
  return inUse >= flowsMax;
}

/** The row number of the longest idle connection of a sample, for eviction; 0 when every one is closing already. */
export function victim(): number {
  raise(NO_ROOM);
  let best = 0;
  let bestSeen = 0;
  for (let n = 0, tries = 0; n < EVICTION_SAMPLE && tries < 4096; tries++) {
    hand = hand + 1 < highRow ? hand + 1 : 1;
    const f = hand << ROW_SHIFT;
    const flags = R[f + FLAGS];
    if ((flags & (IN_USE | CLOSING)) !== IN_USE) continue;
    n++;
    const seen = R[f + LAST_SEEN];
    if (best === 0 || seen < bestSeen) {
      best = hand;
      bestSeen = seen;
    }
  }
  return best;
}

/** A new row for the segment's connection, with the segment's sender as originator; 0 when the table has no row left at all. */
export function addFlow(s: Segment): number {
  let row = freeRow;
  if (row !== 0) freeRow = R[row << ROW_SHIFT];
  else if (highRow < ROWS_MAX) row = highRow++;
  else return 0;
  if ((inUse + 1) * 2 > mask) growIndex();
  inUse++;
  const f = row << ROW_SHIFT;
  R.fill(0, f, f + (1 << ROW_SHIFT));
  const h = hashOf(s);
  R[f] = s.src0;
  R[f + 1] = s.src1;
  R[f + 2] = s.src2;
  R[f + 3] = s.src3;
  R[f + 4] = s.dst0;
  R[f + 5] = s.dst1;
  R[f + 6] = s.dst2;
  R[f + 7] = s.dst3;
  R[f + PORTS] = s.ports;
  R[f + PATH] = s.pathId;
  R[f + PATH + 1] = s.pathId;
  R[f + GROUP] = s.scopeGroup;
  R[f + HASH] = h;
  R[f + FLAGS] = s.ipVersion === 6 ? IN_USE | IS_IPV6 : IN_USE;
  R[f + INTERFACE] = s.interfaceId;
  R[f + DIRECTION + SCOPE] = s.scopeId;
  R[f + DIRECTION + (1 << DIRECTION_SHIFT) + SCOPE] = SCOPE_UNSEEN;
  enter(h, row);
  return row;
}

function enter(h: number, row: number): void {
  let j = h & mask;
  while (index[j * 2 + 1] !== 0) j = (j + 1) & mask;
  index[j * 2] = h;
  index[j * 2 + 1] = row;
}

function growIndex(): void {
  const old = index;
  mask = mask * 2 + 1;
  index = new Int32Array((mask + 1) * 2);
  for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) enter(old[i], old[i + 1]);
}

/** Forgets a connection. Who it was can be read from its row until `reuseRows`. */
export function removeFlow(row: number): void {
  const f = row << ROW_SHIFT;
  let j = R[f + HASH] & mask;
  while (index[j * 2 + 1] !== row) j = (j + 1) & mask;
  // Close the hole by moving later members of the probe run back.
  let hole = j;
  for (;;) {
    j = (j + 1) & mask;
    if (index[j * 2 + 1] === 0) break;
    const home = index[j * 2] & mask;
    if (((j - home) & mask) >= ((j - hole) & mask)) {
      index[hole * 2] = index[j * 2];
      index[hole * 2 + 1] = index[j * 2 + 1];
      hole = j;
    }
  }
  index[hole * 2 + 1] = 0;
  R[f + FLAGS] &= IS_IPV6;
  R[f + HASH] = removedRow;
  removedRow = row;
  inUse--;
}

/** Rows of connections that were forgotten may be given out again: nobody refers to them any more. */
export function reuseRows(): void {
  while (removedRow !== 0) {
    const f = removedRow << ROW_SHIFT;
    const next = R[f + HASH];
    R[f] = freeRow;
    freeRow = removedRow;
    removedRow = next;
  }
}
