/**
 * WebSocket over HTTP/2 (RFC 8441): an extended CONNECT with `:protocol: websocket` is the handshake; with the answer of 2xx its
 * call is over, as with the 101 of HTTP/1.1, and what the DATA frames of the stream hold from there on goes to websocket/.
 *
 *   client  HEADERS :method CONNECT, :protocol websocket     DATA  DATA ... END_STREAM
 *   server  HEADERS :status 200                              DATA  DATA ... END_STREAM
 *
 * A stream of which both sides have ended, or that is reset, is over.
 */
import { isServer } from '../http/role.ts';
import * as t from '../http/transaction.ts';
import { beginSocket } from '../http/websocket.ts';
import { closeSocket, crossHole, losePlace, readFrames } from '../websocket/frames.ts';
import { isLeftAlone, serverOf } from '../websocket/sockets.ts';
import type { Http2Connection } from './connection.ts';
import { fieldList } from './field-list.ts';
import type { SocketStream } from './socket-stream.ts';

const K = t.calls;
const D = t.doubles;
const { CALL_SHIFT } = t;

const CLIENT_ENDED = 1;
const SERVER_ENDED = 2;
const BOTH_ENDED = 3;

/** The request of `call` asks for WebSocket. */
export function askSocket(call: number): void {
  K[(call << CALL_SHIFT) + t.C_SOCKET] = t.ASKS_SOCKET;
}

/** The response to `call`, whose first `count` fields stand in the list, with this status: whether the stream is a WebSocket from here on. */
export function answerSocket(h: Http2Connection, stream: number, call: number, status: number, count: number, isUnread: boolean): boolean {
  const k = call << CALL_SHIFT;
  if (K[k + t.C_SOCKET] !== t.ASKS_SOCKET) return false;
  K[k + t.C_SOCKET] = 0;
  if (status < 200 || status > 299 || K[k + t.C_FLAGS] & t.REQUEST_DONE) return false;
  const socket = beginSocket(call, isUnread, fieldList, count);
  h.addSocket(stream, { socket, ended: 0 });
  // What the client sent before the answer was counted as a body.
  const d = (call << 5) + t.D_REQUEST;
  if (socket !== 0 && (D[d + t.D_BODY] > 0 || K[k + t.C_FLAGS] & (t.REQUEST_STOPPED | t.DOUBTFUL))) losePlace(socket);
  return true;
}

/** Gives up the oldest of them, where there are too many. */
export function closeOldestSocket(h: Http2Connection): void {
  for (const [stream, found] of h.sockets) {
    closeStream(h, stream, found, false, t.CUT_AT_LIMIT);
    return;
  }
}

/** DATA of a stream; false when it is none of ours. */
export function socketData(h: Http2Connection, direction: number, stream: number, at: number, end: number): boolean {
  const found = h.sockets.get(stream);
  if (found === undefined) return false;
  if (found.socket !== 0 && end > at) readFrames(directionOf(h, direction, found.socket), at, end);
  return true;
}

export function socketGap(h: Http2Connection, direction: number, stream: number, missing: number): void {
  const found = h.sockets.get(stream);
  if (found !== undefined && found.socket !== 0) crossHole(directionOf(h, direction, found.socket), missing);
}

/** Frames of a direction were lost, of whichever streams. */
export function socketsLost(h: Http2Connection, direction: number): void {
  for (const { socket } of h.sockets.values()) {
    const d = directionOf(h, direction, socket);
    if (socket !== 0 && !isLeftAlone(d)) losePlace(d);
  }
}

/** END_STREAM; false when the stream is none of ours. */
export function socketEnds(h: Http2Connection, direction: number, stream: number): boolean {
  const found = h.sockets.get(stream);
  if (found === undefined) return false;
  found.ended |= isServer(h.n, direction) ? SERVER_ENDED : CLIENT_ENDED;
  if (found.ended === BOTH_ENDED) closeStream(h, stream, found, true, 0);
  return true;
}

/** RST_STREAM of either side. */
export function socketReset(h: Http2Connection, stream: number): boolean {
  const found = h.sockets.get(stream);
  if (found === undefined) return false;
  closeStream(h, stream, found, true, t.CAUSE_RESET);
  return true;
}

/** The connection is over, or is followed no longer. */
export function closeSockets(h: Http2Connection, cause: number): void {
  const isOver = (cause & (t.CAUSE_IDLE | t.CAUSE_EVICTED | t.CAUSE_CAPTURE_END)) === 0;
  for (const [stream, found] of h.sockets) closeStream(h, stream, found, isOver, cause);
}

function closeStream(h: Http2Connection, stream: number, { socket }: SocketStream, isOver: boolean, cause: number): void {
  h.sockets.delete(stream);
  if (socket !== 0) closeSocket(socket, isOver, cause);
}

function directionOf(h: Http2Connection, direction: number, socket: number): number {
  return isServer(h.n, direction) ? serverOf(socket) : socket;
}
