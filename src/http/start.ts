/**
 * Where a message begins: the start of a stream, whatever it is, and the heads of HTTP. A head that lies whole in the
 * packet is read there; one that is cut waits in the tail. A head longer than http.headBytesMax is reported by its
 * first part; a request line as long as that is passed over. A stream whose first line names another protocol
 * (ICAP/1.0, RTSP/1.0, SIP/2.0) is left alone, whatever it carries.
 */
import { bytes } from '../base/arena.ts';
import { release } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import * as http2 from '../http2/read.ts';
import * as c from './connection.ts';
import * as h from './head.ts';
import * as id from './identify.ts';
import { answersBare, beginBareResponse, onRequest, onResponse } from './message.ts';
import * as pairing from './pairing.ts';
import { proxyBlock, readProxy1, readProxy2 } from './proxy-protocol.ts';
import { reading } from './reading.ts';
import { handOver, isServer, setClient, setKind } from './role.ts';
import * as socks from './socks.ts';
import { AFTER_LF, keepTail, lineState } from './tail.ts';
import { readTls } from './tls.ts';
import * as t from './transaction.ts';

const B = bytes;
const N = c.connections;
const head = h.head;
const R = reading;
const {
  N_KIND,
  N_CLIENT,
  N_FLAGS,
  N_PROXY,
  N_SIDE,
  SIDE_SHIFT,
  X_STATE,
  X_SMALL,
  X_FLAGS,
  UNKNOWN,
  HTTP,
  TLS,
  SOCKS,
  GAPPED,
  IN_SOCKS,
  SOCKS_AUTHENTICATES,
  WAS_HTTP,
  JOINED_LATE,
  IDENTIFY,
  HEAD,
  SEARCH,
  SKIP,
  HEAD_REST,
  LINE_REST,
  FRAMES,
  SOCKET,
} = c;
const { scanHead, looksLikeRequest, looksLikePlainRequest, looksLikeResponse, YES, NO, MAYBE } = h;

const CR = 13;
const LF = 10;
const W_UNKNOWN = weird('http.identify.unknown');
const W_SKIPPED = weird('http.http1.skipped_bytes');

/** The start of a stream, or of what a proxy relays. */
export function readStart(n: number, x: number, direction: number, at: number, end: number): number {
  const fresh = (N[n + N_FLAGS] & JOINED_LATE) === 0;
  if (N[n + N_KIND] === SOCKS) return readSocks(n, x, at, end);
  const found = id.identify(at, end, fresh);
  switch (found) {
    case id.IS_REQUEST:
      if (N[n + N_KIND] === HTTP && isServer(n, direction)) break;
      if (!fresh && isNoPlainStart(at, end)) break;
      setClient(n, direction);
      N[x + X_STATE] = HEAD;
      return at;
    case id.IS_RESPONSE:
      if (N[n + N_KIND] === HTTP && N[n + N_CLIENT] === direction + 1) break;
      setClient(n, 1 - direction);
      N[x + X_STATE] = HEAD;
      return at;
    case id.IS_OPEN: {
      if (end - at > R.headBytesMax || (!fresh && isNoPlainStart(at, end))) break;
      // Empty lines need not be kept, unless they may be a signature.
      let from = at;
      if (!id.mayBeProxy2(at, end)) while (from < end && (B[from] === CR || B[from] === LF)) from++;
      if (from < end) keepTail(x, from, end);
      return end;
    }
    case id.IS_TLS:
      return readTls(n, x, direction, at, end);
    case id.IS_HTTP2:
      http2.beginWithPreface(n, R.flow, direction);
      return at;
    case id.IS_HTTP2_SERVER:
      http2.beginWithSettings(n, R.flow, direction);
      return at;
    case id.IS_PROXY1:
    case id.IS_PROXY2: {
      const after = found === id.IS_PROXY1 ? readProxy1(at, end) : readProxy2(at, end);
      if (after === -1) {
        keepTail(x, at, end);
        return end;
      }
      if (after < 0) break;
      release(N[n + N_PROXY]);
      N[n + N_PROXY] = proxyBlock();
      setClient(n, direction);
      return after;
    }
    case id.IS_SOCKS4:
    case id.IS_SOCKS5:
      if (N[n + N_FLAGS] & (IN_SOCKS | WAS_HTTP)) break;
      setClient(n, direction);
      setKind(n, SOCKS);
      N[x + X_FLAGS] = found === id.IS_SOCKS4 ? 4 : 0;
      return at;
    default:
  }
  const call = answersBare(n, direction);
  if (call !== 0) return beginBareResponse(n, x, call, at);
  raise(W_UNKNOWN);
  if (fresh && (N[n + N_FLAGS] & WAS_HTTP) === 0 && h.isOtherProtocol(at, end)) {
    // ICAP carries the heads of HTTP in its bodies, RTSP and SIP look like it: nothing of this is a call.
    handOver(n, N[n + N_KIND]);
    return end;
  }
  N[x + X_STATE] = N[n + N_KIND] === TLS ? SKIP : SEARCH;
  return at;
}

/** Whether what may be a request at the start of a stream joined late is more likely to be the middle of something. */
function isNoPlainStart(at: number, end: number): boolean {
  let p = at;
  while (p < end && (B[p] === CR || B[p] === LF)) p++;
  return looksLikeRequest(p, end, false) !== NO && looksLikePlainRequest(p, end) === NO;
}

/** SOCKS: X_FLAGS of a direction counts the steps of version 5 (0 to 2); the client's is 4 for version 4. */
function readSocks(n: number, x: number, at: number, end: number): number {
  const client = n + N_SIDE + ((N[n + N_CLIENT] - 1) << SIDE_SHIFT);
  const isClient = x === client;
  let after: number;
  if (isClient) {
    const step = N[x + X_FLAGS] & 7;
    if (step === 4) after = socks.afterSocks4Request(at, end);
    else if (step === 0) after = socks.afterGreeting(at, end);
    else if (step === 1 && N[n + N_FLAGS] & SOCKS_AUTHENTICATES) after = socks.afterCredentials(at, end);
    else after = socks.afterAddress(at, end);
    if (after >= 0) {
      if (step === 4 || step === 2 || (step === 1 && (N[n + N_FLAGS] & SOCKS_AUTHENTICATES) === 0)) N[x + X_STATE] = HEAD;
      else N[x + X_FLAGS] = step + 1;
    }
  } else {
    const step = N[x + X_FLAGS] & 7;
    if ((N[client + X_FLAGS] & 7) === 4) after = socks.afterSocks4Reply(at, end);
    else if (step === 0) {
      after = socks.afterAnswer(at, end, 5);
      if (after >= 0 && B[at + 1] === 2) N[n + N_FLAGS] |= SOCKS_AUTHENTICATES;
    } else if (step === 1 && N[n + N_FLAGS] & SOCKS_AUTHENTICATES) after = socks.afterAnswer(at, end, 1);
    else after = socks.afterAddress(at, end);
    if (after >= 0) {
      const last = (N[client + X_FLAGS] & 7) === 4 || step === 2 || (step === 1 && (N[n + N_FLAGS] & SOCKS_AUTHENTICATES) === 0);
      N[x + X_FLAGS] = last ? 0 : step + 1;
      if (last) {
        // The relayed stream begins in both directions.
        N[n + N_KIND] = UNKNOWN;
        N[n + N_FLAGS] |= IN_SOCKS;
        N[x + X_STATE] = IDENTIFY;
        N[client + X_STATE] = IDENTIFY;
        N[client + X_FLAGS] = 0;
      }
    }
  }
  if (after === socks.MORE_NEEDED) {
    keepTail(x, at, end);
    return end;
  }
  if (after < 0) {
    handOver(n, UNKNOWN);
    return end;
  }
  return after;
}

/** Between messages, or inside a head. */
export function readHead(n: number, x: number, direction: number, at: number, end: number): number {
  let p = at;
  while (p < end && (B[p] === CR || B[p] === LF)) p++;
  if (p === end) return end;
  const response = isServer(n, direction);
  if (response) {
    const looks = looksLikeResponse(p, end, true);
    if (looks === NO) {
      const call = answersBare(n, direction);
      if (call !== 0) return beginBareResponse(n, x, call, at);
      return garbage(n, x, p, end);
    }
    if (looks === MAYBE) {
      keepTail(x, p, end);
      return end;
    }
  }
  let after = scanHead(p, end, response, false);
  if (after < 0) {
    if (!response && looksLikeRequest(p, end, false) === NO && !isBare(n, p, end)) return garbage(n, x, p, end);
    if (end - p <= R.headBytesMax) {
      keepTail(x, p, end);
      return end;
    }
  }
  if (after < 0 || after - p > R.headBytesMax) {
    after = scanHead(p, p + R.headBytesMax, response, true);
    head.weirds |= h.HEAD_TOO_LONG;
    after = p + R.headBytesMax;
    if (!response && (head.valid === 0 || head.version === 9)) {
      garbage(n, x, p, end);
      N[x + X_STATE] = LINE_REST;
      return after;
    }
    if (response) onResponse(n, x, direction, p, t.CUT_AT_LIMIT);
    else onRequest(n, x, direction, p, t.CUT_AT_LIMIT);
    // A 101 has handed the direction over: who reads frames searches them.
    const isOurs = N[x + X_STATE] !== SKIP && N[x + X_STATE] !== FRAMES && N[x + X_STATE] !== SOCKET;
    if (isOurs && N[x + X_STATE] !== SEARCH && N[x + X_STATE] !== IDENTIFY) {
      N[x + X_FLAGS] = N[x + X_STATE];
      N[x + X_SMALL] = lineState(0, after - 2, after) & AFTER_LF;
      N[x + X_STATE] = HEAD_REST;
    }
    return after;
  }
  if (response) {
    onResponse(n, x, direction, p, 0);
    return after;
  }
  if (head.valid === 0 || (head.version === 9 && !isBare(n, p, end))) return garbage(n, x, p, end);
  if (head.version >= 120 && head.version < 130 && id.identify(p, end, false) === id.IS_HTTP2) {
    http2.beginWithPreface(n, R.flow, direction);
    return p;
  }
  onRequest(n, x, direction, p, 0);
  return after;
}

/** Whether an HTTP/0.9 request stands here: only as the first thing on a connection seen from its start. */
function isBare(n: number, at: number, end: number): boolean {
  return (N[n + N_FLAGS] & (JOINED_LATE | WAS_HTTP)) === 0 && looksLikeRequest(at, end, true) === YES;
}

/** What stands here is no message: look for the next one behind this line. */
function garbage(n: number, x: number, at: number, end: number): number {
  if (N[n + N_FLAGS] & WAS_HTTP) raise(W_SKIPPED);
  else raise(W_UNKNOWN);
  N[x + X_STATE] = SEARCH;
  if (N[n + N_FLAGS] & GAPPED) pairing.noteHole(n, isServer(n, x === n + N_SIDE ? 0 : 1));
  const next = h.lineEnd(at, end) + 1;
  return next < end ? next : end;
}

/** The rest of a head that was longer than http.headBytesMax. */
export function skipHeadRest(x: number, at: number, end: number): number {
  let s = N[x + X_SMALL];
  for (let p = at; p < end; p++) {
    if (B[p] === LF) {
      if (s & AFTER_LF) {
        N[x + X_STATE] = N[x + X_FLAGS];
        N[x + X_FLAGS] = 0;
        N[x + X_SMALL] = 0;
        return p + 1;
      }
      s = AFTER_LF;
    } else if (B[p] !== CR) s = 0;
  }
  N[x + X_SMALL] = s;
  return end;
}
