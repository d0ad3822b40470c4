/**
 * Duplicates: both ends of a connection are mirrored, so each call may arrive twice, under two tunnels or interfaces.
 * Copies of one call have the same inner addresses and ports, the same sequence number and length of the request,
 * another tunnel or interface (VLAN tags do not count), and begin within `normalise.duplicateWindowMs`. The more complete one is kept.
 *
 * A whole call is handed on at once and its copies are refused. One that is not whole waits for a better copy until the window
 * is over, as the bytes of its record; nothing waits while only one path and interface has been seen.
 *
 *   cell of 8 int32:  hash | time, ms | tunnels | interface | state | sequence | length | parked record + 1
 *
 * Limit: `normalise.duplicatesMax` calls are remembered; a newer one takes the place of an older [drop-oldest].
 */
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { tunnelsOf } from '../decode/encapsulation.ts';
import { INTERFACE, KEY_A, KEY_B, PATH, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import * as t from '../http/transaction.ts';

const R = rows;
const K = t.calls;
const D = t.doubles;
const C = counts;
const C_DUPLICATE = counter('calls.duplicate');

const EMPTY = 0;
/** A whole copy was handed on. */
const GONE = 1;
/** The best copy so far waits. */
const PARKED = 2;
const PROBES = 8;

/** Verdicts of `judge`. */
export const PASS = 0;
/** A copy of a call that was handed on, or that waits and is at least as good. */
export const DUPLICATE = 1;
/** Not whole: keep its record by `park`. */
export const WAIT = 2;

let cells = new Int32Array(0);
let mask = 0;
let windowMs = 0;
let several = false;
let firstPath = -1;
let firstInterface = -1;
/** The cell that the last verdict was about. */
let cell = 0;
/** Records that wait, oldest first: when they are due, and their cell. */
interface Parked {
  readonly record: Buffer;
  readonly rank: number;
  readonly timeMs: number;
  at: number;
}
let parked: (Parked | undefined)[] = [];
let parkedFrom = 0;

export function resetDuplicates(settings: Settings): void {
  windowMs = settings.normalise.duplicateWindowMs;
  let size = 1024;
  while (size < settings.normalise.duplicatesMax) size *= 2;
  cells = new Int32Array(0);
  mask = size - 1;
  several = false;
  firstPath = -1;
  firstInterface = -1;
  parked = [];
  parkedFrom = 0;
}

/** Calls that wait for a better copy. */
export function callsParked(): number {
  let n = 0;
  for (let i = parkedFrom; i < parked.length; i++) if (parked[i] !== undefined) n++;
  return n;
}

/** What to do with a finished call. */
export function judge(call: number): number {
  if (windowMs === 0) return PASS;
  const k = call << t.CALL_SHIFT;
  const f = K[k + t.C_FLOW] << ROW_SHIFT;
  const path = tunnelsOf(R[f + PATH + (K[k + t.C_CLIENT] & 1)]);
  const interfaceId = R[f + INTERFACE];
  if (!several) {
    if (firstPath < 0) {
      firstPath = path;
      firstInterface = interfaceId;
    }
    if (path === firstPath && interfaceId === firstInterface) return PASS;
    several = true;
    cells = new Int32Array((mask + 1) * 8);
  }
  const flags = K[k + t.C_FLAGS];
  const side = flags & t.HAS_REQUEST ? t.REQUEST : t.RESPONSE;
  const double = (call << 5) + (flags & t.HAS_REQUEST ? t.D_REQUEST : t.D_RESPONSE);
  const sequence = K[k + side + t.S_SEQUENCE];
  const length = (K[k + side + t.S_HEAD_BYTES] + D[double + t.D_BODY]) | 0;
  const timeMs = (D[double + t.D_FIRST] / 1000) | 0;
  const hash = hashOf(f, sequence);
  let free = -1;
  let oldest = -1;
  for (let i = 0; i < PROBES; i++) {
    const e = ((hash + i) & mask) << 3;
    const age = (timeMs - cells[e + 1]) | 0;
    if (cells[e + 4] === EMPTY || age > windowMs || age < -windowMs) {
      if (free < 0 && cells[e + 4] !== PARKED) free = e;
      continue;
    }
    if (cells[e] === hash && cells[e + 5] === sequence && (cells[e + 2] !== path || cells[e + 3] !== interfaceId)) {
      if (cells[e + 4] === GONE) {
        // Both whole, but of other length: another call.
        if (K[k + t.C_CAUSES] === 0 && cells[e + 6] !== length) continue;
        C[C_DUPLICATE]++;
        return DUPLICATE;
      }
      const waits = parked[cells[e + 7] - 1];
      if (waits !== undefined) {
        if (rankOf(call) <= waits.rank) {
          C[C_DUPLICATE]++;
          return DUPLICATE;
        }
        // The better copy takes its place.
        C[C_DUPLICATE]++;
        parked[cells[e + 7] - 1] = undefined;
        cell = e;
        set(e, hash, timeMs, path, interfaceId, sequence, length);
        return verdict(call, e);
      }
    }
    if (cells[e + 4] === GONE && (oldest < 0 || ((cells[e + 1] - cells[oldest + 1]) | 0) < 0)) oldest = e;
  }
  const e = free >= 0 ? free : oldest;
  if (e < 0) return PASS;
  set(e, hash, timeMs, path, interfaceId, sequence, length);
  return verdict(call, e);
}

function verdict(call: number, e: number): number {
  cell = e;
  if (K[(call << t.CALL_SHIFT) + t.C_CAUSES] === 0) {
    cells[e + 4] = GONE;
    return PASS;
  }
  cells[e + 4] = PARKED;
  return WAIT;
}

function set(e: number, hash: number, timeMs: number, path: number, interfaceId: number, sequence: number, length: number): void {
  cells[e] = hash;
  cells[e + 1] = timeMs;
  cells[e + 2] = path;
  cells[e + 3] = interfaceId;
  cells[e + 5] = sequence;
  cells[e + 6] = length;
  cells[e + 7] = 0;
}

/** How complete a call is: more is better. */
function rankOf(call: number): number {
  const k = call << t.CALL_SHIFT;
  const flags = K[k + t.C_FLAGS];
  const d = call << 5;
  const missing = D[d + t.D_REQUEST + t.D_GAP] + D[d + t.D_RESPONSE + t.D_GAP];
  return (flags & t.HAS_REQUEST ? 4e12 : 0) + (flags & t.HAS_RESPONSE ? 2e12 : 0) + (K[k + t.C_CAUSES] === 0 ? 1e12 : 0) - missing;
}

/** Keeps the record of the call that `judge` has just told to wait. */
export function park(call: number, record: Buffer): void {
  parked.push({ record, rank: rankOf(call), timeMs: cells[cell + 1], at: cell });
  cells[cell + 7] = parked.length;
}

/** The next parked record whose window is over (`nowMs`: packet time, ms, int32), or undefined. */
export function nextDue(nowMs: number, all: boolean): Buffer | undefined {
  while (parkedFrom < parked.length) {
    const p = parked[parkedFrom];
    if (p !== undefined) {
      if (!all && ((nowMs - p.timeMs) | 0) <= windowMs) return undefined;
      if (cells[p.at + 7] === parkedFrom + 1 && cells[p.at + 4] === PARKED) cells[p.at + 4] = GONE;
      parked[parkedFrom++] = undefined;
      return p.record;
    }
    parkedFrom++;
  }
  if (parkedFrom > 0) {
    parked = [];
    parkedFrom = 0;
  }
  return undefined;
}

function hashOf(f: number, sequence: number): number {
  let h = Math.imul(sequence, 0x9e3779b1);
  for (let i = 0; i < 4; i++) {
    h = Math.imul(h ^ (R[f + KEY_A + i] + R[f + KEY_B + i]), 0x85ebca6b);
    h ^= h >>> 13;
  }
  const ports = R[f + PORTS];
  h = Math.imul(h ^ ((ports >>> 16) + (ports & 0xffff)), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
