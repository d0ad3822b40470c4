/**
 * The handshake of WebSocket over HTTP/1.1 (RFC 6455, 4): after 101 both directions are frames, and go to websocket/.
 *
 *   Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x       (9.1; as the server answers: agreed on)
 *
 * A direction is followed from its first byte behind the handshake. Where that is not known (the head of the response was
 * cut, the request was not seen, or more than the request came before the answer), its bytes are counted only.
 */
import { bytes } from '../base/arena.ts';
import { counter, counts } from '../base/counters.ts';
import { closeSocket, losePlace } from '../websocket/frames.ts';
import { DEFLATE, openSocket, PLAIN, serverOf, UNKNOWN_EXTENSION } from '../websocket/sockets.ts';
import * as c from './connection.ts';
import * as h from './head.ts';
import { handOver, isServer } from './role.ts';
import * as t from './transaction.ts';

const B = bytes;
const C = counts;
const N = c.connections;
const K = t.calls;
const F = h.fields;
const head = h.head;
const { N_KIND, N_QUEUE, N_SIDE, SIDE_SHIFT, X_STATE, X_TAIL, X_SMALL, WEBSOCKET, HEAD, SOCKET } = c;

const CONNECTIONS = counter('websocket.connections');
const V_EXTENSIONS = Buffer.from('sec-websocket-extensions', 'latin1');
const V_DEFLATE = Buffer.from('permessage-deflate', 'latin1');
const COMMA = 44;
const SEMICOLON = 59;

/** `scanHead` has read the 101 of a finished `call`; `cut` is not 0 when the head is not whole. */
export function beginWebSocket(n: number, direction: number, call: number, cut: number): void {
  C[CONNECTIONS]++;
  const server = n + N_SIDE + (direction << SIDE_SHIFT);
  const client = n + N_SIDE + ((1 - direction) << SIDE_SHIFT);
  const knowsClient =
    (K[(call << t.CALL_SHIFT) + t.C_FLAGS] & t.HAS_END) !== 0 &&
    N[n + N_QUEUE] === 0 &&
    N[client + X_STATE] === HEAD &&
    N[client + X_TAIL] === 0;
  handOver(n, WEBSOCKET);
  const socket = openSocket(cut || head.weirds & h.TOO_MANY_HEADERS ? UNKNOWN_EXTENSION : extensions());
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

/** What the response agrees to. */
function extensions(): number {
  let found = PLAIN;
  for (let i = 0, v = 0; i < head.fields; i++, v += 4) {
    if (F[v + 1] - F[v] !== V_EXTENSIONS.length || !h.startsWith(F[v], F[v + 1], V_EXTENSIONS)) continue;
    for (let p = F[v + 2]; p < F[v + 3]; ) {
      while (p < F[v + 3] && isBlank(B[p])) p++;
      const end = itemEnd(p, F[v + 3]);
      if (end > p) found = isDeflate(p, end) && found !== UNKNOWN_EXTENSION ? DEFLATE : UNKNOWN_EXTENSION;
      p = end + 1;
    }
  }
  return found;
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9;
}

function itemEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== COMMA) p++;
  return p;
}

/** Whether this item of the list, with its parameters, is permessage-deflate. */
function isDeflate(at: number, end: number): boolean {
  if (!h.startsWith(at, end, V_DEFLATE)) return false;
  let p = at + V_DEFLATE.length;
  while (p < end && isBlank(B[p])) p++;
  return p === end || B[p] === SEMICOLON;
}

/** The connection is over, or, when `isOver` is false, is given up while it may go on. */
export function closeWebSocket(n: number, isOver: boolean): void {
  if (N[n + N_KIND] !== WEBSOCKET) return;
  const client = n + N_SIDE + (isServer(n, 0) ? 1 << SIDE_SHIFT : 0);
  if (N[client + X_STATE] === SOCKET) closeSocket(N[client + X_SMALL], isOver);
}
