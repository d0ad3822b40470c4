/**
 * What is known of a call of gRPC besides its messages: found once for all who ask, and written into the record.
 *
 *   :path           /shop.Cart/Add            service, method
 *   grpc-timeout    100m                      deadline: at most eight digits and H M S m u n
 *   grpc-status     5                         in the trailers; in the head of a response that is nothing else (Trailers-Only); in
 *   grpc-message    no%20such%20item          the last frame of gRPC-Web
 *
 * Service and method are read from the path when they are written, so masking of the path holds for them too. The
 * message has its percent-coding undone, in the room of the caller, where masking looks at it.
 *
 * Counted by status: `grpc.calls{0}` ... `{16}`, `other` numbers, and `none` where it was not seen.
 */
import { bytes } from '../base/arena.ts';
import { counter, counts } from '../base/counters.ts';
import { begins, GRPC, GRPC_WEB } from '../grpc/media-type.ts';
import {
  isCountIncomplete,
  isTrailerCut,
  kindOfSide,
  M_BYTES,
  M_COMPRESSED,
  M_MESSAGES,
  M_TRAILER,
  M_TRAILER_BYTES,
  messageCount,
  messageWord,
} from '../grpc/messages.ts';
import { findField, undoPercent } from '../grpc/rendering.ts';
import { grpcStatusNames } from '../grpc/status-names.ts';
import * as t from '../http/transaction.ts';
import { type Literal, literal, writeAny, writeLiteral, writeNumber } from './json.ts';

const B = bytes;
const C = counts;
const K = t.calls;
const LF = 10;
const SLASH = 47;
const QUOTE = 34;
const COLON = 58;
const BLANK = 32;
const STATUS_DIGITS_MAX = 4;
const TIMEOUT_DIGITS_MAX = 8;
/** Room that `grpcOnce` needs, and longest message. */
export const GRPC_ROOM_BYTES: number = 64 << 10;

const name = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const N_STATUS = name('grpc-status');
const N_MESSAGE = name('grpc-message');
const N_TIMEOUT = name('grpc-timeout');
const N_ENCODING = name('grpc-encoding');
const IDENTITY = name('identity');

/** Facts of the call at hand. */
export const grpc: Int32Array = new Int32Array(5);
const G = grpc;
/** -1: not known. */
export const G_STATUS = 0;
export const G_MESSAGE = 1;
export const G_MESSAGE_END = 2;
/** By side: number in `encodings`; -1: identity, or none was said. */
const G_ENCODING = 3;
/** Milliseconds, rounded up; -1: none. */
const deadline = new Float64Array(1);

const encodings = ['gzip', 'deflate', 'snappy', 'zstd', 'br', 'lz4', 'x-snappy-framed'].map(name);
const OTHER_ENCODING = encodings.length;

/** No room: the message is not wanted. */
const NO_ROOM = 0;
/** Statuses that have a counter each. */
const STATUSES = grpcStatusNames.length;
const T_CALLS = [...grpcStatusNames.keys(), 'other', 'none'].map((status) => counter(`grpc.calls{${status}}`));

let foundFor = -1;

export function forgetGrpc(): void {
  foundFor = -1;
}

/** Fills `grpc` for a call with a row of messages, once for each call. */
export function grpcOnce(call: number, room: number): void {
  if (foundFor === call) return;
  foundFor = call;
  const k = call << t.CALL_SHIFT;
  findOutcome(k, room);
  deadline[0] = -1;
  findTimeout(k + t.REQUEST);
  G[G_ENCODING] = encodingOf(k + t.REQUEST);
  G[G_ENCODING + 1] = encodingOf(k + t.RESPONSE);
}

/** Status of a call with a row of messages, and nothing else; -1: not known. */
export function grpcStatusOf(call: number): number {
  forgetGrpc();
  findOutcome(call << t.CALL_SHIFT, NO_ROOM);
  return G[G_STATUS];
}

/** Counts a call that is over, when it is one of gRPC. */
export function countGrpc(call: number): void {
  if (K[(call << t.CALL_SHIFT) + t.C_GRPC] === 0) return;
  const status = grpcStatusOf(call);
  C[T_CALLS[status < 0 ? STATUSES + 1 : status < STATUSES ? status : STATUSES]]++;
}

/** Status and message, from wherever they were sent. */
function findOutcome(k: number, room: number): void {
  G[G_STATUS] = -1;
  G[G_MESSAGE] = G[G_MESSAGE_END] = room;
  const response = k + t.RESPONSE;
  if (
    !findStatus(K[response + t.S_TRAILER], K[response + t.S_TRAILER_BYTES], K[response + t.S_TRAILER_FIELDS], room) &&
    !findInFrame(k, room)
  ) {
    findStatus(K[response + t.S_HEAD], K[response + t.S_HEAD_BYTES], K[response + t.S_FIELDS], room);
  }
}

/** Looks for the status in fields of a block; false when it is not there. */
function findStatus(block: number, length: number, fields: number, room: number): boolean {
  if (block === 0) return false;
  const table = t.fieldTable(block, length);
  const status = findField(block, table, fields, N_STATUS);
  if (status < 0) return false;
  G[G_STATUS] = numberIn(t.valueAt(block, table, status), t.valueEnd(block, table, status), STATUS_DIGITS_MAX);
  if (room === NO_ROOM) return true;
  const message = findField(block, table, fields, N_MESSAGE);
  if (message >= 0) takeMessage(t.valueAt(block, table, message), t.valueEnd(block, table, message), room);
  return true;
}

function takeMessage(at: number, end: number, room: number): void {
  G[G_MESSAGE_END] = undoPercent(at, Math.min(end, at + GRPC_ROOM_BYTES), room);
}

/** The last frame of gRPC-Web: `grpc-status: 5 CR LF grpc-message: ...` */
function findInFrame(k: number, room: number): boolean {
  const row = K[k + t.C_GRPC];
  const block = messageWord(row, 1, M_TRAILER);
  if (block === 0) return false;
  const end = block + messageWord(row, 1, M_TRAILER_BYTES);
  for (let p = block; p < end; ) {
    let stop = p;
    while (stop < end && B[stop] !== LF) stop++;
    if (stop === end && isTrailerCut(row, 1)) break;
    const next = stop + 1;
    while (stop > p && B[stop - 1] <= BLANK) stop--;
    if (begins(p, stop, N_STATUS)) {
      const at = valueBehind(p + N_STATUS.length, stop);
      if (at >= 0) G[G_STATUS] = numberIn(at, stop, STATUS_DIGITS_MAX);
    } else if (room !== NO_ROOM && begins(p, stop, N_MESSAGE)) {
      const at = valueBehind(p + N_MESSAGE.length, stop);
      if (at >= 0) takeMessage(at, stop, room);
    }
    p = next;
  }
  return G[G_STATUS] >= 0;
}

function valueBehind(colon: number, end: number): number {
  if (colon >= end || B[colon] !== COLON) return -1;
  let p = colon + 1;
  while (p < end && B[p] === BLANK) p++;
  return p;
}

/** -1: no number of so many digits. */
function numberIn(at: number, end: number, digitsMax: number): number {
  if (end <= at || end - at > digitsMax) return -1;
  let n = 0;
  for (let p = at; p < end; p++) {
    const digit = B[p] - 48;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
  }
  return n;
}

function findTimeout(s: number): void {
  const block = K[s + t.S_HEAD];
  if (block === 0) return;
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  const field = findField(block, table, K[s + t.S_FIELDS], N_TIMEOUT);
  if (field < 0) return;
  const at = t.valueAt(block, table, field);
  const end = t.valueEnd(block, table, field) - 1;
  const n = numberIn(at, end, TIMEOUT_DIGITS_MAX);
  const ms = n < 0 ? 0 : millisecondsOf(B[end]);
  if (ms > 0) deadline[0] = Math.ceil(n * ms);
}

function millisecondsOf(unit: number): number {
  switch (unit) {
    case 72:
      return 3_600_000;
    case 77:
      return 60_000;
    case 83:
      return 1000;
    case 109:
      return 1;
    case 117:
      return 1e-3;
    case 110:
      return 1e-6;
    default:
      return 0;
  }
}

function encodingOf(s: number): number {
  const block = K[s + t.S_HEAD];
  if (block === 0) return -1;
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  const field = findField(block, table, K[s + t.S_FIELDS], N_ENCODING);
  if (field < 0) return -1;
  const at = t.valueAt(block, table, field);
  const end = t.valueEnd(block, table, field);
  for (let i = 0; i < encodings.length; i++) {
    if (end - at === encodings[i].length && begins(at, end, encodings[i])) return i;
  }
  return end - at === IDENTITY.length && begins(at, end, IDENTITY) ? -1 : OTHER_ENCODING;
}

/** Where service and method stand in a path: four offsets, all 0 when they do not. */
export const serviceAndMethod: Int32Array = new Int32Array(4);
const S = serviceAndMethod;

/** The last two segments of [at, end). */
export function splitPath(at: number, end: number): void {
  let slash = end;
  while (slash > at && B[slash - 1] !== SLASH) slash--;
  let first = slash - 1;
  while (first > at && B[first - 1] !== SLASH) first--;
  if (slash - 1 <= at || first <= at || first >= slash - 1) {
    S.fill(0);
    return;
  }
  S[0] = first;
  S[1] = slash - 1;
  S[2] = slash;
  S[3] = end;
}

const L_FLAVOURS: readonly Literal[] = ['', 'grpc', 'grpc-web', 'grpc-web-text'].map((flavour) =>
  literal(`,"grpc":{"flavour":"${flavour}"`),
);
const L_SERVICE = literal(',"service":"');
const L_METHOD = literal('","method":"');
const L_STATUS = literal(',"status":');
const L_MESSAGE = literal(',"message":"');
const L_DEADLINE = literal(',"deadlineMs":');
const L_ENCODINGS: readonly Literal[] = [...encodings.map((text) => Buffer.from(text).toString('latin1')), 'other'].map((text) =>
  literal(`,"encoding":"${text}"`),
);
const L_SIDES: readonly Literal[] = [literal(',"request":{"messages":'), literal(',"response":{"messages":')];
const L_BYTES = literal(',"bytes":');
const L_COMPRESSED = literal(',"compressed":');
const L_INCOMPLETE = literal(',"incomplete":true');
const L_END = literal('}');

/** Writes the member `grpc` of a call that has a row of messages; its path is [pathAt, pathEnd). The facts have been found. */
export function writeGrpc(to: number, k: number, pathAt: number, pathEnd: number): number {
  const row = K[k + t.C_GRPC];
  const kind = kindOfSide(row, 0) || kindOfSide(row, 1);
  let o = writeLiteral(to, L_FLAVOURS[kind === GRPC || kind === GRPC_WEB ? kind : 3]);
  splitPath(pathAt, pathEnd);
  if (S[1] > 0) {
    o = writeAny(writeLiteral(o, L_SERVICE), S[0], S[1]);
    o = writeAny(writeLiteral(o, L_METHOD), S[2], S[3]);
    B[o++] = QUOTE;
  }
  if (G[G_STATUS] >= 0) o = writeNumber(writeLiteral(o, L_STATUS), G[G_STATUS]);
  if (G[G_MESSAGE_END] > G[G_MESSAGE]) {
    o = writeAny(writeLiteral(o, L_MESSAGE), G[G_MESSAGE], G[G_MESSAGE_END]);
    B[o++] = QUOTE;
  }
  if (deadline[0] >= 0) o = writeNumber(writeLiteral(o, L_DEADLINE), deadline[0]);
  for (let side = 0; side < 2; side++) {
    if (kindOfSide(row, side) === 0) continue;
    o = writeNumber(writeLiteral(o, L_SIDES[side]), messageCount(row, side, M_MESSAGES));
    o = writeNumber(writeLiteral(o, L_BYTES), messageCount(row, side, M_BYTES));
    const compressed = messageWord(row, side, M_COMPRESSED);
    if (compressed > 0) o = writeNumber(writeLiteral(o, L_COMPRESSED), compressed);
    if (G[G_ENCODING + side] >= 0) o = writeLiteral(o, L_ENCODINGS[G[G_ENCODING + side]]);
    if (isCountIncomplete(row, side)) o = writeLiteral(o, L_INCOMPLETE);
    o = writeLiteral(o, L_END);
  }
  return writeLiteral(o, L_END);
}
