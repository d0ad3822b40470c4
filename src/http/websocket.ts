/**
 * The handshake of WebSocket over HTTP/1.1 (RFC 6455, 4): after 101 both directions are frames, and go to websocket/.
 *
 * A direction is followed from its first byte behind the handshake. Where that is not known (the head of the response was
 * cut, the request was not seen, or more than the request came before the answer), its bytes are counted only.
 */
import { counter, counts } from '../base/counters.ts';
import { agreedExtensions, EXTENSION } from '../websocket/extensions.ts';
import { closeSocket, losePlace } from '../websocket/frames.ts';
import { openTalk } from '../websocket/recorder.ts';
import { openSocket, serialOf, serverOf, UNKNOWN_EXTENSION } from '../websocket/sockets.ts';
import * as c from './connection.ts';
import * as h from './head.ts';
import { handOver, isServer } from './role.ts';
import * as t from './transaction.ts';

const C = counts;
const N = c.connections;
const K = t.calls;
const F = h.fields;
const head = h.head;
const { N_KIND, N_QUEUE, N_SIDE, SIDE_SHIFT, X_STATE, X_TAIL, X_SMALL, WEBSOCKET, HEAD, SOCKET } = c;

const CONNECTIONS = counter('websocket.connections');

/** `scanHead` has read the 101 of a finished `call`; `cut` is not 0 when the head is not whole. */
export function beginWebSocket(n: number, direction: number, call: number, cut: number): void {
  const server = n + N_SIDE + (direction << SIDE_SHIFT);
  const client = n + N_SIDE + ((1 - direction) << SIDE_SHIFT);
  const knowsClient =
    (K[(call << t.CALL_SHIFT) + t.C_FLAGS] & t.HAS_END) !== 0 &&
    N[n + N_QUEUE] === 0 &&
    N[client + X_STATE] === HEAD &&
    N[client + X_TAIL] === 0;
  handOver(n, WEBSOCKET);
  const socket = beginSocket(call, cut !== 0 || (head.weirds & h.TOO_MANY_HEADERS) !== 0, F, head.fields);
  if (socket === 0) return;
  N[client + X_STATE] = SOCKET;
  N[client + X_SMALL] = socket;
  if (!knowsClient) losePlace(socket);
  // Behind a head of which the end was not found the direction stays as it was handed over.
  if (cut) losePlace(serverOf(socket));
  else {
    N[server + X_STATE] = SOCKET;
    N[server + X_SMALL] = serverOf(socket);
  }
}

/** A connection whose handshake is `call` and whose response has `count` fields; 0 when there are too many. */
export function beginSocket(call: number, isCut: boolean, fields: Int32Array, count: number): number {
  C[CONNECTIONS]++;
  const agreed = isCut ? UNKNOWN_EXTENSION : agreedExtensions(fields, count);
  const socket = openSocket(agreed & EXTENSION);
  if (socket === 0) return 0;
  K[(call << t.CALL_SHIFT) + t.C_SOCKET] = serialOf(socket);
  openTalk(socket, agreed);
  return socket;
}

/** The connection is over, or, when `isOver` is false, is given up while it may go on. */
export function closeWebSocket(n: number, isOver: boolean, cause: number): void {
  if (N[n + N_KIND] !== WEBSOCKET) return;
  const client = n + N_SIDE + (isServer(n, 0) ? 1 << SIDE_SHIFT : 0);
  if (N[client + X_STATE] === SOCKET) closeSocket(N[client + X_SMALL], isOver, cause);
}
