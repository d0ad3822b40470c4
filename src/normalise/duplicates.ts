/**
 * Duplicates: both ends of a connection are mirrored, so each call may arrive twice, under two tunnels or interfaces.
 * Copies of one call have the same inner addresses and ports, the same sequence number and length of the request (or of
 * the response, when one of the copies lost its request), another tunnel or interface (VLAN tags do not count), and begin
 * within `normalise.duplicateWindowMs`; whole ones agree in the sequence number of the other side too. The more complete
 * one is kept.
 *
 * A whole call is handed on at once and its copies are refused. One that is not whole waits for a better copy until the window
 * is over, as the bytes of its record; nothing waits while only one path and interface has been seen.
 *
 *   cell of 8 int32:  hash | time, ms | tunnels | interface | state | sequence | print | parked record + 1
 *
 * A call has a cell for each side. Limit: `normalise.duplicatesMax` calls are remembered; a newer one takes the place of an older [drop-oldest].
 * `normalise.parkedBytesMax` of records wait; beyond it none does.
 */
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import { severalOrigins, tunnelsOf } from '../decode/encapsulation.ts';
import { INTERFACE, KEY_A, KEY_B, PATH, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import * as t from '../http/transaction.ts';

const R = rows;
const SEVERAL = severalOrigins;
const K = t.calls;
const D = t.doubles;
const C = counts;
const C_DUPLICATE = counter('calls.duplicate');

const TOO_MANY_BYTES = weird('limit.normalise.parked_bytes');
const FORGOTTEN = weird('limit.normalise.duplicates');

const EMPTY = 0;
/** A whole copy was handed on. */
const GONE = 1;
/** The best copy so far waits. */
const PARKED = 2;
/** A copy was handed on while the call was open. */
const OPEN = 3;
const PROBES = 8;
const NO_CELL = -1;
const BOTH = t.HAS_REQUEST | t.HAS_RESPONSE;

/** Verdicts of `judge`. */
export const PASS = 0;
/** A copy of a call that was handed on, or that waits and is at least as good. */
export const DUPLICATE = 1;
/** Not whole: keep its record by `park`. */
export const WAIT = 2;

let cells = new Int32Array(0);
let mask = 0;
let windowMs = 0;
/** Where the call that is judged came from. */
let path = 0;
let interfaceId = 0;
/** The hash of the side that `look` looked for last. */
let hash = 0;
/** Whether `look` found a copy. */
let copy = false;
/** The cells of both sides of the call judged last. */
let requestCell = -1;
let responseCell = -1;
/** Records that wait, oldest first: when they are due, and the cells of both sides. */
interface Parked {
  readonly record: Buffer;
  readonly routes: number;
  readonly rank: number;
  readonly timeMs: number;
  readonly request: number;
  readonly response: number;
}
let parked: (Parked | undefined)[] = [];
let parkedFrom = 0;
let parkedBytes = 0;
let parkedBytesMax = 0;

export function resetDuplicates(settings: Settings): void {
  windowMs = settings.normalise.duplicateWindowMs;
  let size = 1024;
  while (size < 2 * settings.normalise.duplicatesMax) size *= 2;
  cells = new Int32Array(0);
  mask = size - 1;
  parked = [];
  parkedFrom = 0;
  parkedBytes = 0;
  parkedBytesMax = settings.normalise.parkedBytesMax;
}

/** Calls that wait for a better copy. */
export function callsParked(): number {
  let n = 0;
  for (let i = parkedFrom; i < parked.length; i++) if (parked[i] !== undefined) n++;
  return n;
}

/** What to do with a call. One that is still open, or that more records follow, does not wait: of its copies the first is kept. */
export function judge(call: number, isOpen = false): number {
  requestCell = responseCell = NO_CELL;
  if (windowMs === 0 || SEVERAL[0] === 0) return PASS;
  if (cells.length === 0) cells = new Int32Array((mask + 1) * 8);
  const k = call << t.CALL_SHIFT;
  const f = K[k + t.C_FLOW] << ROW_SHIFT;
  path = tunnelsOf(R[f + PATH + (K[k + t.C_CLIENT] & 1)]);
  interfaceId = R[f + INTERFACE];
  const request = K[k + t.C_FLAGS] & t.HAS_REQUEST ? look(call, f, t.REQUEST, t.D_REQUEST) : NO_CELL;
  const requestCopy = request >= 0 && copy;
  const requestHash = hash;
  const response = K[k + t.C_FLAGS] & t.HAS_RESPONSE ? look(call, f, t.RESPONSE, t.D_RESPONSE) : NO_CELL;
  const responseCopy = response >= 0 && copy;
  const responseHash = hash;
  // Of what waits, the better copy takes the place; parts of it may have come as two records.
  const rank = requestCopy || responseCopy ? rankOf(call) : 0;
  if ((requestCopy && !isWorse(request, rank)) || (responseCopy && !isWorse(response, rank))) {
    C[C_DUPLICATE]++;
    return DUPLICATE;
  }
  if (requestCopy) replace(request);
  if (responseCopy) replace(response);
  let waits = !isOpen && K[k + t.C_CAUSES] !== 0 && (request >= 0 || response >= 0);
  if (waits && parkedBytes >= parkedBytesMax) {
    raise(TOO_MANY_BYTES);
    waits = false;
  }
  const state = isOpen ? OPEN : waits ? PARKED : GONE;
  if (request >= 0) remember(call, request, requestHash, t.REQUEST, t.D_REQUEST, state);
  if (response >= 0) remember(call, response, responseHash, t.RESPONSE, t.D_RESPONSE, state);
  requestCell = request;
  responseCell = response;
  return waits ? WAIT : PASS;
}

/** The cell of one side of a call: that of its copy (`copy` is set), or one that is free; NO_CELL when none is. */
function look(call: number, f: number, side: number, double: number): number {
  const sequence = K[(call << t.CALL_SHIFT) + side + t.S_SEQUENCE];
  const timeMs = (D[(call << 5) + double + t.D_FIRST] / 1000) | 0;
  hash = hashOf(f, sequence) ^ side;
  let free = NO_CELL;
  let oldest = NO_CELL;
  copy = true;
  for (let i = 0; i < PROBES; i++) {
    const e = ((hash + i) & mask) << 3;
    const age = (timeMs - cells[e + 1]) | 0;
    if (cells[e + 4] === EMPTY || age > windowMs || age < -windowMs) {
      if (free < 0 && cells[e + 4] !== PARKED) free = e;
      continue;
    }
    if (cells[e] === hash && cells[e + 5] === sequence && (cells[e + 2] !== path || cells[e + 3] !== interfaceId)) {
      // Both whole, but of other length, or with another message on the other side: another call.
      const isOther = cells[e + 4] === GONE && K[(call << t.CALL_SHIFT) + t.C_CAUSES] === 0 && cells[e + 6] !== printOf(call, side, double);
      if (!isOther) return e;
    }
    if (cells[e + 4] === GONE && (oldest < 0 || ((cells[e + 1] - cells[oldest + 1]) | 0) < 0)) oldest = e;
  }
  copy = false;
  if (free >= 0) return free;
  raise(FORGOTTEN);
  return oldest;
}

/** Whether what the cell stands for still waits and is less complete than `rank`. */
function isWorse(e: number, rank: number): boolean {
  const waits = cells[e + 4] === PARKED ? parked[cells[e + 7] - 1] : undefined;
  // One that was just replaced is gone from the list.
  return cells[e + 4] === PARKED && (waits === undefined || waits.rank < rank);
}

/** Drops the record that waits for the cell. */
function replace(e: number): void {
  const i = cells[e + 7] - 1;
  const p = parked[i];
  if (p === undefined) return;
  parked[i] = undefined;
  parkedBytes -= p.record.length;
  if (p.request >= 0) cells[p.request + 4] = EMPTY;
  if (p.response >= 0) cells[p.response + 4] = EMPTY;
  C[C_DUPLICATE]++;
}

/** What copies have in common beside addresses and sequence number: the length, and the sequence number of the other side. */
function printOf(call: number, side: number, double: number): number {
  const k = call << t.CALL_SHIFT;
  const length = (K[k + side + t.S_HEAD_BYTES] + D[(call << 5) + double + t.D_BODY]) | 0;
  if ((K[k + t.C_FLAGS] & BOTH) !== BOTH) return length;
  return (length + Math.imul(K[k + t.REQUEST + t.RESPONSE - side + t.S_SEQUENCE], 0x9e3779b1)) | 0;
}

function remember(call: number, e: number, hashed: number, side: number, double: number, state: number): void {
  const sequence = K[(call << t.CALL_SHIFT) + side + t.S_SEQUENCE];
  cells[e] = hashed;
  cells[e + 1] = (D[(call << 5) + double + t.D_FIRST] / 1000) | 0;
  cells[e + 2] = path;
  cells[e + 3] = interfaceId;
  cells[e + 4] = state;
  cells[e + 5] = sequence;
  cells[e + 6] = printOf(call, side, double);
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

/** The call that `judge` has just let through, or told to wait, is not handed on: a copy of it will be judged as if it was the first. */
export function forget(): void {
  if (requestCell >= 0) cells[requestCell + 4] = EMPTY;
  if (responseCell >= 0) cells[responseCell + 4] = EMPTY;
}

/** Keeps the record of the call that `judge` has just told to wait, and where it is to go. */
export function park(call: number, record: Buffer, routes: number): void {
  parkedBytes += record.length;
  const first = requestCell >= 0 ? requestCell : responseCell;
  parked.push({ record, routes, rank: rankOf(call), timeMs: cells[first + 1], request: requestCell, response: responseCell });
  if (requestCell >= 0) cells[requestCell + 7] = parked.length;
  if (responseCell >= 0) cells[responseCell + 7] = parked.length;
}

/** The next parked record whose window is over (`nowMs`: packet time, ms, int32), or undefined. */
export function nextDue(nowMs: number, all: boolean): { readonly record: Buffer; readonly routes: number } | undefined {
  while (parkedFrom < parked.length) {
    const p = parked[parkedFrom];
    if (p !== undefined) {
      if (!all && ((nowMs - p.timeMs) | 0) <= windowMs) return undefined;
      letGo(p.request);
      letGo(p.response);
      parked[parkedFrom++] = undefined;
      parkedBytes -= p.record.length;
      return p;
    }
    parkedFrom++;
  }
  if (parkedFrom > 0) {
    parked = [];
    parkedFrom = 0;
  }
  return undefined;
}

/** The record of the cell is handed on. */
function letGo(e: number): void {
  if (e >= 0 && cells[e + 4] === PARKED && cells[e + 7] === parkedFrom + 1) cells[e + 4] = GONE;
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
