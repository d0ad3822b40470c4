/**
 * Streams become calls (RFC 9113, 5.1 and 8.1). A stream's row in http/transaction.ts is all its state; it is finished when
 * both sides have ended, when either side resets it, or with the connection.
 *
 *   client   HEADERS  DATA ...  [HEADERS: trailers]            the last one with END_STREAM
 *   server   [HEADERS 1xx ...]  HEADERS  DATA ...  [HEADERS: trailers]
 *   server   PUSH_PROMISE (on another stream)                  a request that the server has made up; its answer follows
 *
 * Where frames may have been missed, a response without a request is a call, too, and a stream whose end may lie in the
 * hole ends with its response. Elsewhere, frames of streams that are over are late and are passed over.
 *
 * A header block of which parts are unknown may be more than one thing. A request has a field that says so: one of `:method`,
 * `:scheme` and `:path` at least is in the static table, or has its name there. Trailers end their side and have no status. What may be
 * either a head or trailers gives a head of which nothing is known; what may be either an interim answer or the final one
 * gives way to another that follows.
 */
import { bytes } from '../base/arena.ts';
import { release } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import { crossMessages, losePlace } from '../grpc/messages.ts';
import { addBody } from '../http/body.ts';
import * as c from '../http/connection.ts';
import { isServer, setClient } from '../http/role.ts';
import * as t from '../http/transaction.ts';
import type { Http2Connection } from './connection.ts';
import { keepHead, keepTrailers, VERSION_2 } from './head-block.ts';
import { checkLength } from './malformed.ts';
import { boundSockets, finish, isGapped, isLate, isLossy, mayBeMissed, openCall } from './open-streams.ts';
import { isConnect, pseudo, readList, requestWeirds, responseWeirds, trailerWeirds } from './pseudo-fields.ts';
import { answerSocket, askSocket, socketData, socketEnds, socketGap, socketsLost } from './web-sockets.ts';

const B = bytes;
const NOW = packetTimeUs;
const C = counts;
const N = c.connections;
const K = t.calls;
const D = t.doubles;
const P = pseudo;
const { N_CLIENT, N_FLAGS, JOINED_LATE, GAPPED } = c;
const { CALL_SHIFT, C_FLAGS, C_CAUSES, C_HTTP2_WEIRDS, REQUEST, RESPONSE, D_REQUEST, D_RESPONSE, D_FIRST, D_LAST } = t;
const { HAS_REQUEST, HAS_RESPONSE, REQUEST_DONE, RESPONSE_DONE } = t;

const T_INFORMATIONAL = counter('calls.informational');
const T_LATE = counter('http2.frames_late');
const T_PROMISED = counter('http2.promised');
const W_STREAM = weird('http.http2.bad_stream');
const SWITCHING_PROTOCOLS = 101;

/** Flags of `onHeaders`: the stream ends with it. */
export const ENDS = 1;
/** The block could not be read to its end: fields are missing. */
export const UNREAD = 2;

/** Notes on one side of a call what all heads have in common. */
function noteHead(call: number, side: number, count: number, timeUs: number, sequence: number, flags: number): void {
  const k = call << CALL_SHIFT;
  const d = (call << 5) + (side === REQUEST ? D_REQUEST : D_RESPONSE);
  K[k + C_FLAGS] |= side === REQUEST ? HAS_REQUEST : HAS_RESPONSE;
  D[d + D_FIRST] = timeUs;
  D[d + D_LAST] = NOW[0];
  if (!keepHead(call, side, count)) K[k + C_CAUSES] |= t.CUT_AT_LIMIT;
  K[k + side + t.S_VERSION] = VERSION_2;
  K[k + side + t.S_SEQUENCE] = sequence;
  if (P.isIncomplete || flags & UNREAD) markIncomplete(k, side);
}

function markIncomplete(k: number, side: number): void {
  K[k + C_FLAGS] |= side === REQUEST ? t.REQUEST_HEADERS_UNKNOWN : t.RESPONSE_HEADERS_UNKNOWN;
  K[k + C_CAUSES] |= t.HEADERS_UNKNOWN;
}

/** A header block was read: its first `count` fields stand in the list. `flags`: ENDS, UNREAD. */
export function onHeaders(
  h: Http2Connection,
  direction: number,
  stream: number,
  count: number,
  flags: number,
  timeUs: number,
  sequence: number,
): void {
  readList(count);
  if (!settleRoles(h, direction, stream, flags)) {
    C[T_LATE]++;
    return;
  }
  if (h.sockets.has(stream)) {
    C[T_LATE]++;
    if (flags & ENDS) socketEnds(h, direction, stream);
    return;
  }
  if (isServer(h.n, direction)) onResponse(h, stream, count, flags, timeUs, sequence);
  else onRequest(h, stream, count, flags, timeUs, sequence);
}

/** Who is the client of a connection joined late is told by the first head. False when this one does not tell. */
function settleRoles(h: Http2Connection, direction: number, stream: number, flags: number): boolean {
  const n = h.n;
  if (N[n + N_CLIENT] !== 0 && !isLate(h)) return true;
  if (P.isRequest) setClient(n, direction);
  // Without END_STREAM it is not trailers, so it is an answer.
  else if (P.status >= 0 || (stream & 1) === 0 || (N[n + N_CLIENT] === 0 && (flags & (ENDS | UNREAD)) === 0)) setClient(n, 1 - direction);
  return N[n + N_CLIENT] !== 0;
}

/** A side of which the head was missed: nothing of it is known. */
function missedHead(call: number, side: number, timeUs: number, sequence: number): void {
  noteHead(call, side, 0, timeUs, sequence, UNREAD);
  const k = call << CALL_SHIFT;
  K[k + C_CAUSES] |= t.CAUSE_GAP;
  K[k + C_FLAGS] |= side === REQUEST ? t.REQUEST_STOPPED : t.RESPONSE_STOPPED;
}

/** A response whose request was missed. */
function openAnswered(h: Http2Connection, stream: number): number {
  const call = openCall(h, stream);
  if (call !== 0) {
    const connection = N[h.n + N_FLAGS];
    K[(call << CALL_SHIFT) + C_CAUSES] |=
      t.NO_REQUEST | (connection & GAPPED ? t.CAUSE_GAP : 0) | (connection & JOINED_LATE ? t.CAUSE_MIDSTREAM : 0);
  }
  return call;
}

function onRequest(h: Http2Connection, stream: number, count: number, flags: number, timeUs: number, sequence: number): void {
  let call = h.streams.get(stream) ?? 0;
  if (call !== 0 && K[(call << CALL_SHIFT) + C_FLAGS] & HAS_REQUEST) {
    onTrailers(h, stream, call, REQUEST, count, flags);
    return;
  }
  if (call === 0) {
    if ((stream & 1) === 0) {
      raise(W_STREAM);
      return;
    }
    const isNew = isLossy(h) ? !h.isOver(stream, isLate(h)) : stream > h.lastStream;
    // Trailers of a request that began before the capture.
    if (!isNew || (!P.isRequest && isLate(h) && !isGapped(h))) {
      C[T_LATE]++;
      return;
    }
    if (stream > h.lastStream) h.lastStream = stream;
    call = openCall(h, stream);
    if (call === 0) return;
  }
  if (P.isRequest || !isLossy(h)) request(call, count, flags, timeUs, sequence);
  else {
    missedHead(call, REQUEST, timeUs, sequence);
    if ((flags & UNREAD) === 0) keepTrailers(call, REQUEST, count);
  }
  if (flags & ENDS) requestEnds(h, stream, call);
}

function request(call: number, count: number, flags: number, timeUs: number, sequence: number): void {
  const k = call << CALL_SHIFT;
  const m = P.methodAt;
  const methodBytes = P.methodEnd - m;
  if (methodBytes === 4 && B[m] === 72 && B[m + 1] === 69 && B[m + 2] === 65 && B[m + 3] === 68) K[k + C_FLAGS] |= t.IS_HEAD;
  // What flows through a tunnel is counted as a body, and none of it is kept; an extended CONNECT has a path (RFC 8441).
  const connects = isConnect();
  if (connects && !P.isExtended) K[k + C_FLAGS] |= t.IS_CONNECT | t.REQUEST_STOPPED | t.RESPONSE_STOPPED;
  if (P.isWebSocket && (connects || m < 0)) askSocket(call);
  K[k + C_HTTP2_WEIRDS] |= requestWeirds(isWhole(flags));
  noteHead(call, REQUEST, count, timeUs, sequence, flags);
}

/** Whether nothing of the list is unknown or unread. */
function isWhole(flags: number): boolean {
  return !P.isIncomplete && (flags & UNREAD) === 0;
}

function onResponse(h: Http2Connection, stream: number, count: number, flags: number, timeUs: number, sequence: number): void {
  let call = h.streams.get(stream) ?? 0;
  const isInterim = P.status >= 100 && P.status < 200 && P.status !== SWITCHING_PROTOCOLS && (flags & ENDS) === 0;
  if (call !== 0 && K[(call << CALL_SHIFT) + C_FLAGS] & HAS_RESPONSE) {
    if (!wasInterim(call, flags)) {
      onTrailers(h, stream, call, RESPONSE, count, flags);
      return;
    }
    C[T_INFORMATIONAL]++;
    // Without a request it is all that there is of the call, until the final one comes.
    if (!isInterim || K[(call << CALL_SHIFT) + C_FLAGS] & HAS_REQUEST) takeBack(call);
  }
  if (isInterim) {
    C[T_INFORMATIONAL]++;
    if (call !== 0) K[(call << CALL_SHIFT) + C_HTTP2_WEIRDS] |= responseWeirds(false);
    return;
  }
  // What ends a stream and has no status is trailers, or malformed where nothing can have been missed.
  const isHeadMissed = P.status < 0 && (flags & ENDS) !== 0 && (call === 0 || isGapped(h) || (isLate(h) && !P.isIncomplete));
  if (call === 0) {
    if (!mayBeMissed(h, stream) || (isHeadMissed && !isGapped(h))) {
      C[T_LATE]++;
      return;
    }
    call = openAnswered(h, stream);
    if (call === 0) return;
  }
  if (isHeadMissed) {
    missedHead(call, RESPONSE, timeUs, sequence);
    // With nothing unknown, it is no head, which would have a status.
    if (!P.isIncomplete && (flags & UNREAD) === 0) keepTrailers(call, RESPONSE, count);
    responseEnds(h, stream, call);
    return;
  }
  const k = call << CALL_SHIFT;
  K[k + C_HTTP2_WEIRDS] |= responseWeirds(isWhole(flags));
  noteHead(call, RESPONSE, count, timeUs, sequence, flags);
  if (P.status > 0) K[k + RESPONSE + t.S_FIRST] = P.status;
  if (flags & ENDS) responseEnds(h, stream, call);
  else if (answerSocket(h, stream, call, P.status, count, (flags & UNREAD) !== 0)) {
    K[k + C_FLAGS] |= REQUEST_DONE | RESPONSE_DONE;
    finish(h, stream, call, 0);
    boundSockets(h);
  }
}

/** Whether the answer that stands in a call, of unknown status, was an interim one: another one follows, or more than trailers can be. */
function wasInterim(call: number, flags: number): boolean {
  const k = call << CALL_SHIFT;
  if (K[k + RESPONSE + t.S_FIRST] !== 0 || D[(call << 5) + D_RESPONSE + t.D_BODY] > 0 || K[k + C_FLAGS] & t.RESPONSE_STOPPED) return false;
  return P.status > 0 || (flags & (ENDS | UNREAD)) === 0;
}

/** Takes the answer out of a call again. */
function takeBack(call: number): void {
  const k = call << CALL_SHIFT;
  release(K[k + RESPONSE + t.S_HEAD]);
  for (let i = 0; i < 16; i++) K[k + RESPONSE + i] = 0;
  K[k + t.C_LENGTHS] &= ~0xffff;
  K[k + C_FLAGS] &= ~(HAS_RESPONSE | t.RESPONSE_HEADERS_UNKNOWN);
  if ((K[k + C_FLAGS] & t.REQUEST_HEADERS_UNKNOWN) === 0) K[k + C_CAUSES] &= ~t.HEADERS_UNKNOWN;
}

function onTrailers(h: Http2Connection, stream: number, call: number, side: number, count: number, flags: number): void {
  const k = call << CALL_SHIFT;
  if (K[k + C_FLAGS] & (side === REQUEST ? REQUEST_DONE : RESPONSE_DONE)) {
    C[T_LATE]++;
    return;
  }
  D[(call << 5) + (side === REQUEST ? D_REQUEST : D_RESPONSE) + D_LAST] = NOW[0];
  // Behind a head of unknown status and without a body, it may be the final answer.
  const isDoubtful = side === RESPONSE && K[k + RESPONSE + t.S_FIRST] === 0 && D[(call << 5) + D_RESPONSE + t.D_BODY] === 0;
  const isIncomplete = P.isIncomplete || (flags & UNREAD) !== 0;
  if (!isDoubtful || !isIncomplete) {
    K[k + C_HTTP2_WEIRDS] |= trailerWeirds();
    keepTrailers(call, side, count);
  }
  if (isIncomplete) markIncomplete(k, side);
  if (flags & ENDS) end(h, stream, call, side);
}

/** The request that a PUSH_PROMISE on another stream holds. */
export function onPromise(
  h: Http2Connection,
  direction: number,
  stream: number,
  count: number,
  flags: number,
  timeUs: number,
  sequence: number,
): void {
  readList(count);
  if (N[h.n + N_CLIENT] === 0) setClient(h.n, 1 - direction);
  if (!isServer(h.n, direction) || (stream & 1) !== 0 || stream <= h.lastPromise || h.streams.has(stream)) {
    raise(W_STREAM);
    return;
  }
  h.lastPromise = stream;
  const call = openCall(h, stream);
  if (call === 0) return;
  C[T_PROMISED]++;
  K[(call << CALL_SHIFT) + t.C_CONNECTION] |= t.PUSHED;
  request(call, count, flags & ~ENDS, timeUs, sequence);
  requestEnds(h, stream, call);
}

/** The DATA frame of which a piece is at hand. */
interface DataFrame {
  readonly stream: number;
  readonly timeUs: number;
  readonly sequence: number;
  /** Bytes of it that are to come. */
  readonly remaining: number;
}

/** A piece of a body. */
export function onData(h: Http2Connection, direction: number, frame: DataFrame, at: number, stop: number): void {
  const { stream } = frame;
  let call = h.streams.get(stream);
  if (call === undefined) {
    if (socketData(h, direction, stream, at, stop)) return;
    call = openMissed(h, direction, stream);
    if (call === 0) {
      C[T_LATE]++;
      return;
    }
  }
  const server = isServer(h.n, direction);
  if (isGapped(h) && (K[(call << CALL_SHIFT) + C_FLAGS] & (server ? HAS_RESPONSE : HAS_REQUEST)) === 0) {
    readList(0);
    missedHead(call, server ? RESPONSE : REQUEST, frame.timeUs, frame.sequence);
  }
  const flags = K[(call << CALL_SHIFT) + C_FLAGS];
  if ((flags & (server ? HAS_RESPONSE | RESPONSE_DONE : HAS_REQUEST | REQUEST_DONE)) !== (server ? HAS_RESPONSE : HAS_REQUEST)) {
    C[T_LATE]++;
    return;
  }
  D[(call << 5) + (server ? D_RESPONSE : D_REQUEST) + D_LAST] = NOW[0];
  if (stop > at) addBody(call, server ? RESPONSE : REQUEST, at, stop, stop - at + frame.remaining);
}

/** DATA of a stream of which no head was seen: a call, where heads were lost. */
function openMissed(h: Http2Connection, direction: number, stream: number): number {
  if (stream === 0 || !isGapped(h) || N[h.n + N_CLIENT] === 0 || !mayBeMissed(h, stream)) return 0;
  const server = isServer(h.n, direction);
  if (!server && (stream & 1) === 0) return 0;
  if (server) return openAnswered(h, stream);
  if (stream > h.lastStream) h.lastStream = stream;
  return openCall(h, stream);
}

/** `missing` bytes of a body were not captured. */
export function onDataGap(h: Http2Connection, direction: number, stream: number, missing: number): void {
  const call = h.streams.get(stream);
  if (call === undefined) {
    socketGap(h, direction, stream, missing);
    return;
  }
  const server = isServer(h.n, direction);
  if ((K[(call << CALL_SHIFT) + C_FLAGS] & (server ? HAS_RESPONSE : HAS_REQUEST)) === 0) return;
  const d = (call << 5) + (server ? D_RESPONSE : D_REQUEST);
  D[d + t.D_GAP] += missing;
  D[d + t.D_BODY] += missing;
  const messages = K[(call << CALL_SHIFT) + t.C_GRPC];
  if (messages !== 0) crossMessages(messages, server ? 1 : 0, missing);
  stopBody(call, server);
}

/** What is kept is the first part of the body, never two parts joined over a hole. */
function stopBody(call: number, server: boolean): void {
  const k = call << CALL_SHIFT;
  K[k + C_FLAGS] |= server ? t.RESPONSE_STOPPED : t.REQUEST_STOPPED;
  K[k + C_CAUSES] |= t.CAUSE_GAP;
}

/** Frames of a direction were lost, of whichever streams. */
export function onFramesLost(h: Http2Connection, direction: number): void {
  socketsLost(h, direction);
  const server = isServer(h.n, direction);
  for (const call of h.streams.values()) {
    const k = call << CALL_SHIFT;
    if (K[k + C_FLAGS] & (server ? RESPONSE_DONE : REQUEST_DONE)) continue;
    if (server && (K[k + C_FLAGS] & HAS_RESPONSE) === 0) continue;
    if (K[k + t.C_GRPC] !== 0) losePlace(K[k + t.C_GRPC], server ? 1 : 0);
    stopBody(call, server);
    // Its end may lie in the hole.
    if (!server) K[k + C_FLAGS] |= t.DOUBTFUL;
  }
}

/** END_STREAM of a DATA frame. */
export function onEnd(h: Http2Connection, direction: number, stream: number): void {
  const call = h.streams.get(stream);
  if (call !== undefined) end(h, stream, call, isServer(h.n, direction) ? RESPONSE : REQUEST);
  else socketEnds(h, direction, stream);
}

function end(h: Http2Connection, stream: number, call: number, side: number): void {
  if (side === REQUEST) requestEnds(h, stream, call);
  else responseEnds(h, stream, call);
}

function requestEnds(h: Http2Connection, stream: number, call: number): void {
  const k = call << CALL_SHIFT;
  if ((K[k + C_FLAGS] & REQUEST_DONE) === 0) checkLength(call, REQUEST);
  K[k + C_FLAGS] |= REQUEST_DONE;
  if (K[k + C_FLAGS] & RESPONSE_DONE) finish(h, stream, call, 0);
}

function responseEnds(h: Http2Connection, stream: number, call: number): void {
  const k = call << CALL_SHIFT;
  if ((K[k + C_FLAGS] & HAS_RESPONSE) === 0) return;
  if ((K[k + C_FLAGS] & RESPONSE_DONE) === 0) checkLength(call, RESPONSE);
  K[k + C_FLAGS] |= RESPONSE_DONE;
  const flags = K[k + C_FLAGS];
  if (flags & (REQUEST_DONE | t.DOUBTFUL) || (flags & HAS_REQUEST) === 0) finish(h, stream, call, 0);
}

/** The request of an HTTP/1 upgrade is stream 1 (RFC 7540, 3.2): a copy of `from`, whose bytes it takes over as they are. */
export function openUpgraded(h: Http2Connection, from: number, copyBlock: (block: number, length: number) => number): void {
  const k = from << CALL_SHIFT;
  // A request that was missed is missed on stream 1, too.
  if ((K[k + C_FLAGS] & HAS_REQUEST) === 0) return;
  const call = openCall(h, 1);
  if (call === 0) return;
  h.lastStream = 1;
  const to = call << CALL_SHIFT;
  for (let i = 0; i < 16; i++) K[to + REQUEST + i] = K[k + REQUEST + i];
  const s = to + REQUEST;
  const fields = K[s + t.S_FIELDS];
  K[s + t.S_HEAD] = copyBlock(K[s + t.S_HEAD], ((K[s + t.S_HEAD_BYTES] + 3) & ~3) + 8 * fields);
  if (K[s + t.S_HEAD] === 0) K[s + t.S_FIELDS] = 0;
  K[s + t.S_BODY] = copyBlock(K[s + t.S_BODY], K[s + t.S_KEPT]);
  if (K[s + t.S_BODY] === 0) K[s + t.S_KEPT] = 0;
  K[s + t.S_TRAILER] = 0;
  for (let i = 0; i < 4; i++) D[(call << 5) + D_REQUEST + i] = D[(from << 5) + D_REQUEST + i];
  const kept = t.HAS_CLIENT_IP | t.IS_HEAD | t.SEVERAL_CODINGS | t.REQUEST_STOPPED | t.HAS_MESSAGES;
  K[to + C_FLAGS] = HAS_REQUEST | REQUEST_DONE | (K[k + C_FLAGS] & kept);
  K[to + t.C_FORWARDED_FOR] = K[k + t.C_FORWARDED_FOR];
}
