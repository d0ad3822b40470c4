/**
 * Which streams of a connection are open, and how they end otherwise than by END_STREAM: by RST_STREAM, GOAWAY, at a limit or with the
 * connection (RFC 9113, 5.1 and 6.4).
 *
 *   openCall -> finish, finishAsIs (END_STREAM of both sides: streams.ts)
 *
 * Bounds: http.streamsMax streams of a connection; RESETS_WAITING_MAX that a client reset and that wait for their answer.
 */
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import * as c from '../http/connection.ts';
import { beginCall, finishCall } from '../http/pairing.ts';
import { isServer } from '../http/role.ts';
import * as t from '../http/transaction.ts';
import { GOAWAYS_MAX, type Http2Connection, RAPID_RESETS, RESET_WAIT_US, RESETS_WAITING_MAX } from './connection.ts';
import { closeOldestSocket, closeSockets, socketReset } from './web-sockets.ts';

const NOW = packetTimeUs;
const C = counts;
const N = c.connections;
const K = t.calls;
const { N_FLAGS, JOINED_LATE, GAPPED } = c;
const { CALL_SHIFT, C_FLAGS, C_CAUSES, HAS_RESPONSE, REQUEST_DONE, RESPONSE_DONE } = t;

const T_RESETS = counter('http2.resets');
const W_STREAMS = weird('limit.http.streams');
const W_RAPID = weird('http.http2.rapid_reset');

let streamsMax = 4096;
/** Connections with calls that the client reset and that wait for their answer. */
const waiting: Set<Http2Connection> = new Set<Http2Connection>();

export function resetStreams(max: number): void {
  streamsMax = max;
  waiting.clear();
}

/** Whether requests or responses of the connection may have been missed. */
export function isLossy(h: Http2Connection): boolean {
  return (N[h.n + N_FLAGS] & (JOINED_LATE | GAPPED)) !== 0;
}

export function isLate(h: Http2Connection): boolean {
  return (N[h.n + N_FLAGS] & JOINED_LATE) !== 0;
}

export function isGapped(h: Http2Connection): boolean {
  return (N[h.n + N_FLAGS] & GAPPED) !== 0;
}

/** Whether a stream that is not open may be one that was missed. */
export function mayBeMissed(h: Http2Connection, stream: number): boolean {
  return isLossy(h) && !h.isOver(stream, isLate(h));
}

export function openCall(h: Http2Connection, stream: number): number {
  if (h.reset.length > 0) finishReset(h);
  if (h.streams.size >= streamsMax) {
    raise(W_STREAMS);
    for (const [oldest, call] of h.streams) {
      finishAsIs(h, oldest, call, t.CUT_AT_LIMIT);
      break;
    }
  }
  const call = beginCall(h.n, h.flow);
  if (call !== 0) h.streams.set(stream, call);
  return call;
}

export function finish(h: Http2Connection, stream: number, call: number, causes: number): void {
  h.streams.delete(stream);
  if (isLossy(h)) h.noteOver(stream, isLate(h));
  finishCall(h.n, call, causes);
}

/** WebSockets are streams, too: of too many the oldest is followed no longer. */
export function boundSockets(h: Http2Connection): void {
  if (h.sockets.size <= streamsMax) return;
  raise(W_STREAMS);
  closeOldestSocket(h);
}

/**
 * RST_STREAM (6.4). A server that resets sends nothing more. What it sent before a client's reset reached it still comes, so
 * such a call waits for its answer: for a second, and while few others do.
 */
export function onReset(h: Http2Connection, direction: number, stream: number): void {
  C[T_RESETS]++;
  const call = h.streams.get(stream);
  if (call === undefined) {
    socketReset(h, stream);
    return;
  }
  const k = call << CALL_SHIFT;
  const answered = (K[k + C_FLAGS] & HAS_RESPONSE) !== 0;
  K[k + C_CAUSES] |= t.CAUSE_RESET;
  if (isServer(h.n, direction) || K[k + C_FLAGS] & RESPONSE_DONE) {
    finishAsIs(h, stream, call, 0);
    return;
  }
  // CVE-2023-44487: requests that are taken back at once cost the server more than the client.
  if (!answered && ++h.resets === RAPID_RESETS) raise(W_RAPID);
  K[k + C_FLAGS] |= REQUEST_DONE;
  h.reset.push(stream);
  h.resetTimesUs.push(NOW[0]);
  waiting.add(h);
  finishReset(h);
}

/** Finishes calls that were reset by the client and have waited long enough for their answer. */
function finishReset(h: Http2Connection): void {
  while (h.reset.length > RESETS_WAITING_MAX || (h.reset.length > 0 && NOW[0] - h.resetTimesUs[0] > RESET_WAIT_US)) {
    h.resetTimesUs.shift();
    const stream = h.reset.shift() ?? 0;
    const call = h.streams.get(stream);
    if (call !== undefined) finishAsIs(h, stream, call, t.CAUSE_RESET);
  }
  if (h.reset.length === 0) waiting.delete(h);
}

/** The same on all connections, now and then: on one that is quiet nothing else would look. */
export function finishResets(): void {
  for (const h of waiting) finishReset(h);
}

/** A call that may have no response yet is finished. */
function finishAsIs(h: Http2Connection, stream: number, call: number, cause: number): void {
  finish(h, stream, call, cause | (K[(call << CALL_SHIFT) + C_FLAGS] & HAS_RESPONSE ? 0 : t.NO_RESPONSE));
}

/** GOAWAY: the server has not looked at streams beyond `last`, and will not (6.8). */
export function onGoaway(h: Http2Connection, direction: number, last: number): void {
  if (!isServer(h.n, direction) || last >= h.lastStream || h.goaways === GOAWAYS_MAX) return;
  h.goaways++;
  for (const [stream, call] of h.streams) {
    if ((stream & 1) === 0 || stream <= last || K[(call << CALL_SHIFT) + C_FLAGS] & HAS_RESPONSE) continue;
    finish(h, stream, call, t.NO_RESPONSE | t.CAUSE_CLOSED);
  }
}

/** The connection is over: what is under way is finished as it stands. */
export function finishStreams(h: Http2Connection, cause: number): void {
  closeSockets(h, cause);
  waiting.delete(h);
  for (const [stream, call] of h.streams) {
    finishAsIs(h, stream, call, cause);
  }
}
