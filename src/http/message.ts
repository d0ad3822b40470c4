/**
 * Messages: a head that was read becomes a call or its response, and says how its body is framed (RFC 9112, 6.3);
 * later the message ends, or breaks.
 */
import { bytes, words } from '../base/arena.ts';
import { reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import * as http2 from '../http2/read.ts';
import * as c from './connection.ts';
import { noteMediaType } from './grpc.ts';
import * as h from './head.ts';
import * as pairing from './pairing.ts';
import { reading, readTime } from './reading.ts';
import { handOver, isServer, setClient, setKind } from './role.ts';
import * as t from './transaction.ts';
import { beginWebSocket } from './websocket.ts';

const B = bytes;
const W = words;
const NOW = packetTimeUs;
const C = counts;
const N = c.connections;
const LEFT = c.remainders;
const K = t.calls;
const D = t.doubles;
const F = h.fields;
const LENGTH = h.contentLength;
const head = h.head;
const R = reading;
const {
  N_KIND,
  N_FLAGS,
  N_SIDE,
  SIDE_SHIFT,
  CONNECTION_WORDS,
  X_STATE,
  X_CALL,
  X_SMALL,
  X_REMAINING,
  UNKNOWN,
  HTTP,
  HTTP2,
  WEBSOCKET,
  UPGRADED,
  GAPPED,
  IN_CONNECT,
  JOINED_LATE,
  IDENTIFY,
  HEAD,
  BODY_LENGTH,
  BODY_CLOSE,
  CHUNK_SIZE,
  SEARCH,
} = c;
const { CALL_SHIFT, C_FLAGS, C_CAUSES, C_ACK, C_WEIRDS, REQUEST, RESPONSE, D_REQUEST, D_RESPONSE, D_FIRST, D_LAST } = t;
const { beginCall, enqueue, firstWaiting, pairResponse, requestDone, responseDone } = pairing;

const CR = 13;
const LF = 10;
const T_INFORMATIONAL = counter('calls.informational');
const V_WEBSOCKET = Buffer.from('websocket', 'latin1');
const V_H2C = Buffer.from('h2c', 'latin1');

/** The waiting call when it is an HTTP/0.9 one, whose answer has no head. */
export function answersBare(n: number, direction: number): number {
  if (!isServer(n, direction)) return 0;
  const call = firstWaiting(n);
  return call !== 0 && K[(call << CALL_SHIFT) + REQUEST + t.S_VERSION] === 9 ? call : 0;
}

export function beginBareResponse(n: number, x: number, call: number, at: number): number {
  const k = call << CALL_SHIFT;
  K[k + C_FLAGS] |= t.HAS_RESPONSE;
  K[k + RESPONSE + t.S_VERSION] = 9;
  K[k + RESPONSE + t.S_SEQUENCE] = (R.sequence + at - R.at) | 0;
  D[(call << 5) + D_RESPONSE + D_FIRST] = readTime[0];
  D[(call << 5) + D_RESPONSE + D_LAST] = readTime[0];
  setKind(n, HTTP);
  N[x + X_CALL] = call;
  N[x + X_STATE] = BODY_CLOSE;
  return at;
}

/** Copies the head that `scanHead` has read at `[at, head.end)` into a block of one side of a call. */
function keepHead(k: number, side: number, at: number, end: number): boolean {
  const length = end - at;
  const n = head.fields;
  const block = reserve(((length + 3) & ~3) + 8 * n);
  if (block === 0) return false;
  B.copyWithin(block, at, end);
  let w = t.fieldTable(block, length);
  for (let i = 0, v = 0; i < n; i++, v += 4, w += 2) {
    W[w] = ((F[v] - at) << 16) | (F[v + 1] - at);
    W[w + 1] = ((F[v + 2] - at) << 16) | (F[v + 3] - at);
    if (head.weirds & h.FOLDED) {
      // RFC 9112, 5.2: a line break inside a value becomes spaces.
      for (let q = block + F[v + 2] - at; q < block + F[v + 3] - at; q++) if (B[q] === CR || B[q] === LF) B[q] = 32;
    }
  }
  const s = k + side;
  K[s + t.S_HEAD] = block;
  K[s + t.S_HEAD_BYTES] = length;
  K[s + t.S_FIELDS] = n;
  K[s + t.S_TEXT] = head.textAt - at;
  K[s + t.S_TEXT_END] = head.textEnd - at;
  K[s + t.S_VERSION] = head.version;
  K[s + t.S_CODING] = head.contentEncoding;
  K[s + t.S_TYPE] = head.contentType;
  K[s + t.S_HOST] = head.host;
  K[s + t.S_SEQUENCE] = (R.sequence + at - R.at) | 0;
  if (head.contentType !== 0) noteMediaType(k, side, F[4 * head.contentType - 2], F[4 * head.contentType - 1]);
  K[k + C_WEIRDS] |= head.weirds;
  if (head.severalEncodings) K[k + C_FLAGS] |= t.SEVERAL_CODINGS;
  return true;
}

/** `scanHead` has read a request at `at`; `cut` is the cause when its end is missing, or 0. */
export function onRequest(n: number, x: number, direction: number, at: number, cut: number): void {
  setKind(n, HTTP);
  setClient(n, direction);
  const call = beginCall(n, R.flow);
  if (call === 0) {
    handOver(n, HTTP);
    return;
  }
  const k = call << CALL_SHIFT;
  if (!keepHead(k, REQUEST, at, head.end)) {
    t.releaseCall(call);
    N[x + X_STATE] = SEARCH;
    return;
  }
  const methodBytes = head.methodEnd - at;
  K[k + REQUEST + t.S_FIRST] = methodBytes;
  K[k + C_FLAGS] |= t.HAS_REQUEST;
  K[k + C_ACK] = R.acknowledgement;
  if (head.clientIp) {
    K[k + C_FLAGS] |= t.HAS_CLIENT_IP;
    K[k + t.C_FORWARDED_FOR] = head.forwardedFor;
  }
  if (methodBytes === 4 && B[at] === 72 && B[at + 1] === 69 && B[at + 2] === 65 && B[at + 3] === 68) K[k + C_FLAGS] |= t.IS_HEAD;
  if (methodBytes === 7 && B[at] === 67 && B[at + 1] === 79 && B[at + 2] === 78 && B[at + 3] === 78) K[k + C_FLAGS] |= t.IS_CONNECT;
  D[(call << 5) + D_REQUEST + D_FIRST] = readTime[0];
  D[(call << 5) + D_REQUEST + D_LAST] = NOW[0];
  K[k + C_CAUSES] |= cut;
  enqueue(n, call);
  N[x + X_STATE] = HEAD;
  if ((K[k + C_FLAGS] & t.IS_CONNECT) === 0 && head.transfer === 1) beginChunks(x, call);
  else if ((K[k + C_FLAGS] & t.IS_CONNECT) === 0 && head.hasLength && LENGTH[0] > 0) beginLength(x, call);
  else {
    if (!cut) noteEnd(call, head.end);
    requestDone(n, call);
  }
}

/** `scanHead` has read a response at `at`; `cut` is the cause when its end is missing, or 0. */
export function onResponse(n: number, x: number, direction: number, at: number, cut: number): void {
  setKind(n, HTTP);
  setClient(n, 1 - direction);
  const status = head.status;
  N[x + X_STATE] = HEAD;
  if (status >= 100 && status < 200 && status !== 101) {
    C[T_INFORMATIONAL]++;
    pairing.noteInterim(n, (R.sequence + at - R.at) | 0, (R.sequence + head.end - R.at) | 0);
    return;
  }
  let call = pairResponse(n, (R.sequence + at - R.at) | 0, R.acknowledgement);
  if (call === 0) {
    call = beginCall(n, R.flow);
    if (call === 0) {
      handOver(n, HTTP);
      return;
    }
    const flags = N[n + N_FLAGS];
    K[(call << CALL_SHIFT) + C_CAUSES] |= t.NO_REQUEST | (flags & GAPPED ? t.CAUSE_GAP : 0) | (flags & JOINED_LATE ? t.CAUSE_MIDSTREAM : 0);
  }
  const k = call << CALL_SHIFT;
  if (!keepHead(k, RESPONSE, at, head.end)) {
    // No memory for the head: the status is still told.
    K[k + RESPONSE + t.S_VERSION] = head.version;
    K[k + C_CAUSES] |= t.CUT_AT_LIMIT;
  }
  K[k + RESPONSE + t.S_FIRST] = status;
  K[k + C_FLAGS] |= t.HAS_RESPONSE;
  D[(call << 5) + D_RESPONSE + D_FIRST] = readTime[0];
  D[(call << 5) + D_RESPONSE + D_LAST] = NOW[0];
  K[k + C_CAUSES] |= cut;
  const flags = K[k + C_FLAGS];
  if (status === 101) {
    const kind = upgradeKind();
    if (kind === HTTP2) {
      http2.beginUpgraded(n, R.flow, direction, call, cut !== 0);
      responseDone(n, call);
      return;
    }
    endResponse(n, x, call);
    if (kind === WEBSOCKET) beginWebSocket(n, direction, call, cut);
    else handOver(n, kind);
  } else if (flags & t.IS_CONNECT && status >= 200 && status < 300) {
    endResponse(n, x, call);
    beginTunnel(n);
  } else if (flags & t.IS_HEAD || status === 204 || status === 304) endResponse(n, x, call);
  else if (head.transfer === 1) beginChunks(x, call);
  else if (head.transfer === 0 && head.hasLength) {
    if (LENGTH[0] > 0) beginLength(x, call);
    else endResponse(n, x, call);
  } else {
    N[x + X_CALL] = call;
    N[x + X_STATE] = BODY_CLOSE;
  }
}

function upgradeKind(): number {
  if (head.upgrade === 0) return UPGRADED;
  const v = (head.upgrade - 1) * 4;
  return h.startsWith(F[v + 2], F[v + 3], V_WEBSOCKET) ? WEBSOCKET : h.startsWith(F[v + 2], F[v + 3], V_H2C) ? HTTP2 : UPGRADED;
}

/** After a CONNECT: both directions start anew, as whatever the relayed stream is. */
function beginTunnel(n: number): void {
  N[n + N_KIND] = UNKNOWN;
  N[n + N_FLAGS] |= IN_CONNECT;
  for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) {
    N[x + X_STATE] = IDENTIFY;
    LEFT[(x + X_REMAINING) >> 1] = 0;
  }
}

function beginLength(x: number, call: number): void {
  N[x + X_CALL] = call;
  N[x + X_STATE] = BODY_LENGTH;
  LEFT[(x + X_REMAINING) >> 1] = LENGTH[0];
}

function beginChunks(x: number, call: number): void {
  N[x + X_CALL] = call;
  N[x + X_STATE] = CHUNK_SIZE;
  N[x + X_SMALL] = 0;
  LEFT[(x + X_REMAINING) >> 1] = 0;
}

function endResponse(n: number, x: number, call: number): void {
  N[x + X_CALL] = 0;
  N[x + X_STATE] = HEAD;
  responseDone(n, call);
}

/** The message under way in a direction is over; `after` is the offset behind it, 0 when it lies in a hole. */
export function endMessage(n: number, x: number, direction: number, after: number): void {
  const call = N[x + X_CALL];
  N[x + X_CALL] = 0;
  N[x + X_STATE] = HEAD;
  // While the protocol is unknown the bytes of the direction are counted there.
  if (N[n + N_KIND] !== UNKNOWN) LEFT[(x + X_REMAINING) >> 1] = 0;
  if (call === 0) return;
  if (isServer(n, direction)) endResponse(n, x, call);
  else {
    if (after !== 0) noteEnd(call, after);
    requestDone(n, call);
  }
}

/** Where in the stream a request ended. */
function noteEnd(call: number, after: number): void {
  const k = call << CALL_SHIFT;
  K[k + t.C_REQUEST_END] = (R.sequence + after - R.at) | 0;
  K[k + C_FLAGS] |= t.HAS_END;
}

/** The present packet carries the last byte so far of the message under way. */
export function touch(n: number, x: number, direction: number): void {
  const call = N[x + X_CALL];
  if (call !== 0) D[(call << 5) + (isServer(n, direction) ? D_RESPONSE : D_REQUEST) + D_LAST] = NOW[0];
}

/** The message under way could not be followed to its end. */
export function breakMessage(n: number, x: number, direction: number, cause: number): void {
  const call = N[x + X_CALL];
  if (call !== 0) K[(call << CALL_SHIFT) + C_CAUSES] |= cause;
  endMessage(n, x, direction, 0);
  N[x + X_STATE] = SEARCH;
}

export function flag(x: number, weirds: number): void {
  const call = N[x + X_CALL];
  if (call !== 0) K[(call << CALL_SHIFT) + C_WEIRDS] |= weirds;
}
