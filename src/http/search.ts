/**
 * Finding the next message after a hole, behind garbage, or on a connection joined late: at the start of a segment,
 * where the client's next request says that the answer to the one before begins (its acknowledgement), or at a start
 * line inside the bytes. What may become a message with the bytes that follow waits in the tail.
 */
import { bytes } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { beginInTheMiddle, beginWithPreface } from '../http2/read.ts';
import * as c from './connection.ts';
import * as h from './head.ts';
import * as id from './identify.ts';
import * as pairing from './pairing.ts';
import { reading } from './reading.ts';
import { setClient } from './role.ts';
import { keepTail } from './tail.ts';
import * as t from './transaction.ts';

const B = bytes;
const N = c.connections;
const LEFT = c.remainders;
const K = t.calls;
const R = reading;
const { N_KIND, N_CLIENT, N_FLAGS, X_STATE, X_REMAINING, UNKNOWN, GAPPED, WAS_HTTP, JOINED_LATE, HEAD } = c;
const { CALL_SHIFT, C_ACK } = t;
const { looksLikeRequest, looksLikePlainRequest, looksLikeResponse, YES, NO, MAYBE } = h;
const { firstWaiting } = pairing;

const CR = 13;
const LF = 10;
const W_RESYNC = weird('http.http1.resynchronised');
/** Where `findMessage` saw what may become a message with the bytes that follow; -1 for nowhere. */
let undecidedAt = -1;
const UNDECIDED_BYTES_MAX = 1024;

/** Looks for the next plausible message in `[at, end)`. */
export function search(n: number, x: number, direction: number, at: number, end: number): number {
  if ((N[n + N_FLAGS] & (JOINED_LATE | WAS_HTTP)) === JOINED_LATE && N[n + N_KIND] === UNKNOWN) {
    const frames = beginInTheMiddle(n, R.flow, direction, at, end);
    if (frames >= 0) return frames;
  }
  const p = findMessage(n, direction, at, end);
  if (p < 0) {
    if (undecidedAt >= 0 && end - undecidedAt <= (isStrongStart(undecidedAt, end) ? R.headBytesMax : UNDECIDED_BYTES_MAX)) {
      keepTail(x, undecidedAt, end);
    }
    return end;
  }
  if (N[n + N_FLAGS] & WAS_HTTP) raise(W_RESYNC);
  const response = looksLikeResponse(p, end, false) !== NO;
  if (!response && id.identify(p, end, false) === id.IS_HTTP2) {
    beginWithPreface(n, R.flow, direction);
    return p;
  }
  if (N[n + N_CLIENT] === 0 || (N[n + N_FLAGS] & WAS_HTTP) === 0) setClient(n, response ? 1 - direction : direction);
  N[x + X_STATE] = HEAD;
  LEFT[(x + X_REMAINING) >> 1] = N[n + N_KIND] === UNKNOWN ? LEFT[(x + X_REMAINING) >> 1] : 0;
  return p;
}

function findMessage(n: number, direction: number, at: number, end: number): number {
  undecidedAt = -1;
  const client = N[n + N_CLIENT];
  const settled = (N[n + N_FLAGS] & WAS_HTTP) !== 0;
  const alone = settled || (N[n + N_FLAGS] & (JOINED_LATE | GAPPED)) !== 0;
  const mayAnswer = !settled || client === 2 - direction;
  const mayAsk = !settled || client === direction + 1;
  let p = at;
  while (p < end && (B[p] === CR || B[p] === LF)) p++;
  if (p < end) {
    if (mayAnswer) {
      const looks = looksLikeResponse(p, end, false);
      if (looks === YES || (looks === MAYBE && end - p >= 5)) return p;
      if (looks === MAYBE) undecidedAt = p;
    }
    if (mayAsk) {
      const looks = alone ? looksLikePlainRequest(p, end) : looksLikeRequest(p, end, false);
      if (looks === YES || (looks === MAYBE && isStrongStart(p, end))) return p;
      if (looks === MAYBE) undecidedAt = p;
    }
  }
  if (!alone) return -1;
  if (mayAnswer) {
    const waits = firstWaiting(n);
    if (waits !== 0) {
      const hint = at + ((K[(waits << CALL_SHIFT) + C_ACK] - ((R.sequence + at - R.at) | 0)) | 0);
      if (hint > at && hint < end && looksLikeResponse(hint, end, false) !== NO) return hint;
    }
    for (let q = at + 1; q < end; q++) {
      if (B[q] !== 72 || (q + 1 < end && B[q + 1] !== 84)) continue;
      let looks = looksLikeResponse(q, end, false);
      if (looks === YES && B[q - 1] !== LF) looks = isWholeStatusLine(q, end);
      if (looks === YES) return q;
      if (looks === MAYBE && undecidedAt < 0) undecidedAt = q;
    }
  }
  if (mayAsk) {
    for (let q = at; q < end; q++) {
      if (B[q] !== LF || q + 1 === end) continue;
      const looks = looksLikePlainRequest(q + 1, end);
      if (looks === YES) return q + 1;
      if (looks === MAYBE && undecidedAt < 0) undecidedAt = q + 1;
    }
  }
  return -1;
}

/** Capital letters, one space, then a slash or a scheme: as a request line begins that is not over yet. */
function isStrongStart(at: number, end: number): boolean {
  let p = at;
  while (p < end && B[p] >= 65 && B[p] <= 90) p++;
  return p - at >= 3 && p + 1 < end && B[p] === 32 && (B[p + 1] === 47 || (B[p + 1] | 0x20) === 104);
}

/** Whether this is a status line with its end and a header field behind it: YES, NO or MAYBE. */
function isWholeStatusLine(at: number, end: number): number {
  const e = h.lineEnd(at, end);
  if (e === end) return MAYBE;
  if (B[e - 1] !== CR) return NO;
  let p = e + 1;
  while (p < end && B[p] > 32 && B[p] < 127 && B[p] !== 58) p++;
  if (p === end) return MAYBE;
  return p > e + 1 && B[p] === 58 ? YES : NO;
}
