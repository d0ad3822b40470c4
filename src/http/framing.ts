/**
 * Bodies as they are framed: by length, by chunks with extensions and trailers, or until the connection closes
 * (RFC 9112, 6 and 7).
 *
 * A body ends early when the client, having received exactly so much, has sent another request and a status line
 * stands there: servers lie about lengths, clients do not lie about what they acknowledge.
 */
import { bytes, words } from '../base/arena.ts';
import { reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { addBody } from './body.ts';
import * as c from './connection.ts';
import * as h from './head.ts';
import { breakMessage, endMessage, flag, touch } from './message.ts';
import { reading } from './reading.ts';
import { isServer } from './role.ts';
import { keepTail, TAIL_PREFIX_BYTES } from './tail.ts';
import * as t from './transaction.ts';

const B = bytes;
const W = words;
const NOW = packetTimeUs;
const N = c.connections;
const LEFT = c.remainders;
const K = t.calls;
const D = t.doubles;
const F = h.fields;
const head = h.head;
const R = reading;
const {
  X_STATE,
  X_CALL,
  X_TAIL,
  X_TAIL_BYTES,
  X_SMALL,
  X_REMAINING,
  HEAD,
  BODY_LENGTH,
  BODY_CLOSE,
  CHUNK_SIZE,
  CHUNK_EXTENSION,
  CHUNK_DATA,
  CHUNK_END,
  TRAILER,
} = c;
const { CALL_SHIFT, C_NEXT, C_FLAGS, C_CAUSES, C_ACK, REQUEST, RESPONSE, D_REQUEST, D_RESPONSE, D_LAST } = t;
const { looksLikeRequest, looksLikeResponse, YES, NO, MAYBE } = h;

const CR = 13;
const LF = 10;
const TRAILER_BYTES_MAX = 16384;
const CHUNK_SIZE_MAX = 2 ** 50;
const EXPECT = Buffer.from('expect', 'latin1');
let answerIs = NO;

/** Adds body bytes to the call under way in a direction. */
export function body(n: number, x: number, direction: number, at: number, end: number, expected: number): void {
  const call = N[x + X_CALL];
  if (call === 0) return;
  const server = isServer(n, direction);
  D[(call << 5) + (server ? D_RESPONSE : D_REQUEST) + D_LAST] = NOW[0];
  addBody(call, server ? RESPONSE : REQUEST, at, end, expected);
}

/**
 * Where in `[at, end)` the answer to the client's next request begins, by what that request acknowledged; -1 when not
 * here. `answerIs` is MAYBE when only its first bytes are there.
 */
function nextAnswer(n: number, x: number, direction: number, at: number, end: number): number {
  const current = N[x + X_CALL];
  if (current === 0 || !isServer(n, direction)) return -1;
  const next = K[(current << CALL_SHIFT) + C_NEXT];
  if (next === 0) return -1;
  const p = at + ((K[(next << CALL_SHIFT) + C_ACK] - ((R.sequence + at - R.at) | 0)) | 0);
  if (p < at || p >= end) return -1;
  answerIs = looksLikeResponse(p, end, false);
  return answerIs === NO ? -1 : p;
}

/** Body bytes that waited as the possible beginning of another message are body after all. */
export function spillTail(n: number, x: number, direction: number): void {
  const block = N[x + X_TAIL];
  const state = N[x + X_STATE];
  if (block === 0 || (state !== BODY_LENGTH && state !== BODY_CLOSE)) return;
  const length = N[x + X_TAIL_BYTES];
  body(n, x, direction, block + TAIL_PREFIX_BYTES, block + TAIL_PREFIX_BYTES + length, 0);
  if (state === BODY_LENGTH) LEFT[(x + X_REMAINING) >> 1] -= length;
  c.dropTail(x);
}

export function readLength(n: number, x: number, direction: number, at: number, end: number): number {
  const i = (x + X_REMAINING) >> 1;
  const left = LEFT[i];
  if (at === R.at) {
    const answer = nextAnswer(n, x, direction, at, end);
    if (answer >= 0 && answer - at < left) {
      if (answer > at) body(n, x, direction, at, answer, 0);
      if (answerIs === MAYBE) {
        LEFT[i] = left - (answer - at);
        if (end - answer < LEFT[i]) {
          keepTail(x, answer, end);
          return end;
        }
        body(n, x, direction, answer, answer + LEFT[i], 0);
        const after = answer + LEFT[i];
        endMessage(n, x, direction, 0);
        return after;
      }
      breakMessage(n, x, direction, t.CAUSE_MALFORMED);
      N[x + X_STATE] = HEAD;
      return answer;
    }
    if (wasRefused(n, x, direction)) {
      const looks = looksLikeRequest(at, end, false);
      if (looks === YES) {
        breakMessage(n, x, direction, t.CAUSE_CLOSED);
        N[x + X_STATE] = HEAD;
        return at;
      }
      if (looks === MAYBE && end - at < left && end - at <= R.headBytesMax) {
        keepTail(x, at, end);
        return end;
      }
    }
  }
  const stop = end - at < left ? end : at + left;
  body(n, x, direction, at, stop, left);
  LEFT[i] = left - (stop - at);
  if (LEFT[i] === 0) endMessage(n, x, direction, stop);
  return stop;
}

/**
 * A request that waited to be told to go on (Expect: 100-continue), was answered, and of whose body nothing was sent: only
 * then may a client leave it out (RFC 9110, 10.1.1), and what follows be another request.
 */
function wasRefused(n: number, x: number, direction: number): boolean {
  const call = N[x + X_CALL];
  return (
    call !== 0 &&
    !isServer(n, direction) &&
    (K[(call << CALL_SHIFT) + C_FLAGS] & t.RESPONSE_DONE) !== 0 &&
    D[(call << 5) + D_REQUEST + t.D_BODY] === 0 &&
    expectsContinue(call)
  );
}

function expectsContinue(call: number): boolean {
  const s = (call << CALL_SHIFT) + REQUEST;
  const block = K[s + t.S_HEAD];
  if (block === 0) return false;
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  for (let i = 0; i < K[s + t.S_FIELDS]; i++) {
    const at = t.nameAt(block, table, i);
    if (t.nameEnd(block, table, i) - at === EXPECT.length && h.startsWith(at, at + EXPECT.length, EXPECT)) return true;
  }
  return false;
}

export function readUntilClose(n: number, x: number, direction: number, at: number, end: number): number {
  const answer = nextAnswer(n, x, direction, at, end);
  if (answer >= 0) {
    if (answer > at) body(n, x, direction, at, answer, 0);
    if (answerIs === MAYBE) {
      keepTail(x, answer, end);
      return end;
    }
    endMessage(n, x, direction, 0);
    return answer;
  }
  body(n, x, direction, at, end, 0);
  return end;
}

function hexDigit(b: number): number {
  if (b >= 48 && b <= 57) return b - 48;
  const u = b | 0x20;
  return u >= 97 && u <= 102 ? u - 87 : -1;
}

/** RFC 9112, 7.1: hexadecimal digits, an extension, CRLF. X_SMALL counts the digits. */
export function readChunkSize(n: number, x: number, direction: number, at: number, end: number): number {
  const i = (x + X_REMAINING) >> 1;
  let p = at;
  let size = LEFT[i];
  let digits = N[x + X_SMALL];
  while (p < end) {
    const b = B[p];
    const v = hexDigit(b);
    if (v >= 0 && digits < 64) {
      size = size * 16 + v;
      digits++;
      p++;
      continue;
    }
    if (b === CR || ((b === 32 || b === 9) && digits === 0)) {
      p++;
      continue;
    }
    if (b === LF) {
      p++;
      if (digits === 0) continue;
      LEFT[i] = size;
      N[x + X_SMALL] = 0;
      if (size > CHUNK_SIZE_MAX) return swallow(x, p);
      N[x + X_STATE] = size === 0 ? TRAILER : CHUNK_DATA;
      return p;
    }
    if (digits > 0 && (b === 59 || b === 32 || b === 9) && size <= CHUNK_SIZE_MAX) {
      if (b === 59) flag(x, h.CHUNK_EXTENSION);
      LEFT[i] = size;
      N[x + X_SMALL] = digits;
      N[x + X_STATE] = CHUNK_EXTENSION;
      return p;
    }
    break;
  }
  if (p === end) {
    LEFT[i] = size;
    N[x + X_SMALL] = digits;
    return end;
  }
  flag(x, h.BAD_CHUNK_SIZE);
  breakMessage(n, x, direction, t.CAUSE_MALFORMED);
  return p;
}

/** A chunk larger than anything: what follows belongs to this message until the connection ends. */
function swallow(x: number, at: number): number {
  flag(x, h.BAD_CHUNK_SIZE);
  const call = N[x + X_CALL];
  if (call !== 0) K[(call << CALL_SHIFT) + C_CAUSES] |= t.CAUSE_MALFORMED;
  N[x + X_STATE] = BODY_CLOSE;
  return at;
}

export function readChunkData(n: number, x: number, direction: number, at: number, end: number): number {
  const i = (x + X_REMAINING) >> 1;
  const left = LEFT[i];
  const stop = end - at < left ? end : at + left;
  body(n, x, direction, at, stop, left);
  LEFT[i] = left - (stop - at);
  if (LEFT[i] === 0) {
    N[x + X_STATE] = CHUNK_END;
    N[x + X_SMALL] = 0;
  }
  return stop;
}

export function readChunkEnd(n: number, x: number, direction: number, at: number, end: number): number {
  let p = at;
  if (B[p] === CR && N[x + X_SMALL] === 0) {
    N[x + X_SMALL] = 1;
    p++;
    if (p === end) return end;
  }
  N[x + X_SMALL] = 0;
  N[x + X_STATE] = CHUNK_SIZE;
  LEFT[(x + X_REMAINING) >> 1] = 0;
  if (B[p] === LF) return p + 1;
  flag(x, h.BAD_CHUNK_END);
  if (hexDigit(B[p]) >= 0) return p;
  breakMessage(n, x, direction, t.CAUSE_MALFORMED);
  return p;
}

/** The lines after the last chunk, up to a blank one. */
export function readTrailer(n: number, x: number, direction: number, at: number, end: number): number {
  touch(n, x, direction);
  if (B[at] === LF) {
    endMessage(n, x, direction, at + 1);
    return at + 1;
  }
  if (B[at] === CR && end - at > 1 && B[at + 1] === LF) {
    endMessage(n, x, direction, at + 2);
    return at + 2;
  }
  // A new message here means that the blank line was left out.
  const server = isServer(n, direction);
  if (server ? looksLikeResponse(at, end, false) === YES : looksLikeRequest(at, end, false) === YES) {
    endMessage(n, x, direction, at);
    return at;
  }
  h.clear();
  const after = h.scanFields(at, end, false);
  if (after < 0) {
    if (end - at <= TRAILER_BYTES_MAX) {
      keepTail(x, at, end);
      return end;
    }
    breakMessage(n, x, direction, t.CUT_AT_LIMIT);
    return end;
  }
  const call = N[x + X_CALL];
  if (call !== 0 && head.fields > 0) {
    const s = (call << CALL_SHIFT) + (server ? RESPONSE : REQUEST);
    const length = after - at;
    K[(call << CALL_SHIFT) + t.C_WEIRDS] |= head.weirds;
    const block = reserve(((length + 3) & ~3) + 8 * head.fields);
    if (block !== 0) {
      B.copyWithin(block, at, after);
      let w = t.fieldTable(block, length);
      for (let i = 0, v = 0; i < head.fields; i++, v += 4, w += 2) {
        W[w] = ((F[v] - at) << 16) | (F[v + 1] - at);
        W[w + 1] = ((F[v + 2] - at) << 16) | (F[v + 3] - at);
      }
      K[s + t.S_TRAILER] = block;
      K[s + t.S_TRAILER_FIELDS] = head.fields;
      K[s + t.S_TRAILER_BYTES] = length;
    }
    flag(x, h.TRAILERS);
  }
  endMessage(n, x, direction, after);
  return after;
}
