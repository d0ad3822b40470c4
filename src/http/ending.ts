/**
 * Holes and ends. A hole inside a body of known length, or inside one chunk, is skipped and flagged; any other ends
 * the message, and the direction looks for the next plausible one. At a FIN or at the end of a connection everything
 * under way is finished as it stands.
 */

import { release } from '../base/blocks.ts';
import { counts } from '../base/counters.ts';
import * as chunks from '../flow/chunk.ts';
import { PORTS, ROW_SHIFT, rows, rowsEnd } from '../flow/flow-table.ts';
import { crossMessages } from '../grpc/messages.ts';
import * as http2 from '../http2/read.ts';
import { crossHole } from '../websocket/frames.ts';
import * as c from './connection.ts';
import { body, spillTail } from './framing.ts';
import * as h from './head.ts';
import * as id from './identify.ts';
import { answersBare, beginBareResponse, breakMessage, endMessage, onRequest, onResponse } from './message.ts';
import * as pairing from './pairing.ts';
import { reading } from './reading.ts';
import { isServer, P_OTHER } from './role.ts';
import { readTail, TAIL_PREFIX_BYTES } from './tail.ts';
import { readCutTls } from './tls.ts';
import * as t from './transaction.ts';
import { closeWebSocket } from './websocket.ts';

const C = counts;
const N = c.connections;
const LEFT = c.remainders;
const K = t.calls;
const D = t.doubles;
const head = h.head;
const R = reading;
const {
  N_KIND,
  N_CLIENT,
  N_QUEUE,
  N_FLAGS,
  N_PROXY,
  N_SIDE,
  SIDE_SHIFT,
  CONNECTION_WORDS,
  X_STATE,
  X_CALL,
  X_TAIL,
  X_TAIL_BYTES,
  X_SMALL,
  X_FLAGS,
  X_REMAINING,
  UNKNOWN,
  HTTP,
  SOCKS,
  GAPPED,
  WAS_HTTP,
  IDENTIFY,
  HEAD,
  BODY_LENGTH,
  BODY_CLOSE,
  CHUNK_SIZE,
  CHUNK_EXTENSION,
  CHUNK_DATA,
  CHUNK_END,
  TRAILER,
  SEARCH,
  SKIP,
  HEAD_REST,
  FRAMES,
  SOCKET,
  JOINED_LATE,
} = c;
const { CALL_SHIFT, C_FLAGS, C_CAUSES, C_WEIRDS, D_REQUEST, D_RESPONSE, D_GAP } = t;
const { scanHead, looksLikeRequest, looksLikeResponse, YES } = h;
const { finishCall } = pairing;

/** Connections by kind << 16 | server port, for the summary. */
export const connectionsByKind: Map<number, number> = new Map<number, number>();
const causeOfClose: readonly number[] = [
  0,
  t.CAUSE_CLOSED,
  t.CAUSE_RESET,
  t.CAUSE_IDLE,
  t.CAUSE_EVICTED,
  t.CAUSE_CAPTURE_END,
  t.CAUSE_CLOSED,
];
let proxyBlocks: number[] = [];

export function gap(n: number, x: number, direction: number, missing: number): void {
  crossGap(n, x, direction, missing);
  if (N[x + X_STATE] === SEARCH) pairing.noteHole(n, isServer(n, direction));
}

function crossGap(n: number, x: number, direction: number, missing: number): void {
  const state = N[x + X_STATE];
  if (state === SKIP) return;
  if (state === FRAMES) {
    http2.gap(n, direction, missing);
    return;
  }
  if (state === SOCKET) {
    crossHole(N[x + X_SMALL], missing);
    return;
  }
  spillTail(n, x, direction);
  N[n + N_FLAGS] |= GAPPED;
  const call = N[x + X_CALL];
  const server = isServer(n, direction);
  const i = (x + X_REMAINING) >> 1;
  switch (state) {
    case BODY_LENGTH:
    case CHUNK_DATA: {
      const inBody = missing < LEFT[i] ? missing : LEFT[i];
      addGap(call, server, inBody);
      LEFT[i] -= inBody;
      if (state === CHUNK_DATA) {
        if (missing <= inBody && LEFT[i] > 0) return;
        if (missing === inBody) {
          N[x + X_STATE] = CHUNK_END;
          N[x + X_SMALL] = 0;
          return;
        }
        breakMessage(n, x, direction, t.CAUSE_GAP);
        return;
      }
      if (LEFT[i] > 0) return;
      endMessage(n, x, direction, 0);
      if (missing > inBody) N[x + X_STATE] = SEARCH;
      return;
    }
    case BODY_CLOSE:
      addGap(call, server, missing);
      return;
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
    case CHUNK_END:
      addGap(call, server, missing);
      breakMessage(n, x, direction, t.CAUSE_GAP);
      return;
    case TRAILER:
      c.dropTail(x);
      breakMessage(n, x, direction, t.CAUSE_GAP);
      return;
    case HEAD_REST:
      N[x + X_FLAGS] = 0;
      breakMessage(n, x, direction, t.CAUSE_GAP);
      return;
    default:
      cutHead(n, x, direction, t.CAUSE_GAP, h.GAP_IN_HEAD);
      // A 101 whose end lies in the hole has handed the direction over.
      if (N[x + X_STATE] !== SKIP && N[x + X_STATE] !== FRAMES) N[x + X_STATE] = SEARCH;
  }
}

function addGap(call: number, server: boolean, missing: number): void {
  if (call === 0) return;
  const d = (call << 5) + (server ? D_RESPONSE : D_REQUEST);
  D[d + D_GAP] += missing;
  D[d + t.D_BODY] += missing;
  const messages = K[(call << CALL_SHIFT) + t.C_GRPC];
  if (messages !== 0) crossMessages(messages, server ? 1 : 0, missing);
  // What is kept is the first part of the body, never two parts joined over a hole.
  K[(call << CALL_SHIFT) + C_FLAGS] |= server ? t.RESPONSE_STOPPED : t.REQUEST_STOPPED;
  K[(call << CALL_SHIFT) + C_WEIRDS] |= h.GAP_IN_BODY;
  K[(call << CALL_SHIFT) + C_CAUSES] |= t.CAUSE_GAP;
}

/** A head that will not be completed: what its start line says is still reported. */
function cutHead(n: number, x: number, direction: number, cause: number, weirds: number): void {
  const block = N[x + X_TAIL];
  if (block === 0) return;
  const state = N[x + X_STATE];
  const at = block + TAIL_PREFIX_BYTES;
  const end = at + N[x + X_TAIL_BYTES];
  readTail(x);
  if (state === HEAD || state === IDENTIFY) {
    if (state === IDENTIFY && N[n + N_KIND] === UNKNOWN && end - at >= 6 && id.identify(at, end, false) === id.IS_TLS) {
      readCutTls(n, x, direction, at, end);
    } else if (N[n + N_KIND] !== SOCKS) reportCutHead(n, x, direction, at, end, cause, weirds);
  }
  release(R.tail);
  R.tail = 0;
}

function reportCutHead(n: number, x: number, direction: number, at: number, end: number, cause: number, weirds: number): void {
  const response = N[n + N_CLIENT] === 0 ? looksLikeResponse(at, end, false) === YES : isServer(n, direction);
  if (response) {
    if (looksLikeResponse(at, end, false) !== YES) {
      const call = answersBare(n, direction);
      if (call !== 0) {
        beginBareResponse(n, x, call, at);
        body(n, x, direction, at, end, 0);
      }
      return;
    }
    scanHead(at, end, true, true);
    head.weirds |= weirds;
    head.end = end;
    onResponse(n, x, direction, at, cause);
  } else {
    if (looksLikeRequest(at, end, false) !== YES) return;
    scanHead(at, end, false, true);
    if (head.valid === 0) return;
    head.weirds |= weirds;
    head.end = end;
    onRequest(n, x, direction, at, cause);
  }
  const call = response ? 0 : N[n + c.N_QUEUE_LAST];
  if (call !== 0) K[(call << CALL_SHIFT) + C_FLAGS] &= ~t.HAS_END;
  if (N[x + X_CALL] !== 0) breakMessage(n, x, direction, cause);
}

/** A FIN: this direction sends no more. */
export function endOfStream(n: number, x: number, direction: number): void {
  spillTail(n, x, direction);
  switch (N[x + X_STATE]) {
    case HEAD:
    case IDENTIFY:
      cutHead(n, x, direction, t.CAUSE_CLOSED, 0);
      if (N[x + X_STATE] === BODY_CLOSE) endMessage(n, x, direction, 0);
      break;
    case BODY_CLOSE:
      endMessage(n, x, direction, 0);
      break;
    case TRAILER:
      c.dropTail(x);
      breakMessage(n, x, direction, t.CAUSE_CLOSED);
      break;
    case SEARCH:
    case SKIP:
    case FRAMES:
    case SOCKET:
      break;
    default:
      breakMessage(n, x, direction, t.CAUSE_CLOSED);
  }
}

/** The connection is over: everything under way is finished as it stands. */
export function closeConnection(n: number, closeCause: number): void {
  const cause = causeOfClose[closeCause];
  const client = N[n + N_CLIENT] === 2 ? 1 : 0;
  for (let i = 0; i < 2; i++) {
    const direction = i === 0 ? client : 1 - client;
    const x = n + N_SIDE + (direction << SIDE_SHIFT);
    spillTail(n, x, direction);
    switch (N[x + X_STATE]) {
      case HEAD:
      case IDENTIFY:
        cutHead(n, x, direction, cause, 0);
        break;
      case BODY_CLOSE:
        // Ended by a reset or by both FINs, the body is as whole as it gets; otherwise more may have come.
        if (closeCause === chunks.CLOSED) endMessage(n, x, direction, 0);
        else breakMessage(n, x, direction, cause);
        break;
      case SEARCH:
      case SKIP:
      case FRAMES:
      case SOCKET:
        break;
      default:
        c.dropTail(x);
        breakMessage(n, x, direction, cause);
    }
  }
  http2.close(n, cause);
  closeWebSocket(n, closeCause !== chunks.IDLE && closeCause !== chunks.EVICTED && closeCause !== chunks.CAPTURE_END, cause);
  // Responses without a request stand in no queue; their direction may have been handed over in the middle of one.
  for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) {
    const call = N[x + X_CALL];
    if (call !== 0 && (K[(call << CALL_SHIFT) + C_FLAGS] & t.HAS_REQUEST) === 0) finishCall(n, call, cause);
  }
  while (N[n + N_QUEUE] !== 0) {
    const call = N[n + N_QUEUE];
    const answered = K[(call << CALL_SHIFT) + C_FLAGS] & t.HAS_RESPONSE;
    finishCall(n, call, (answered ? 0 : t.NO_RESPONSE) | cause);
  }
  let kind = N[n + N_FLAGS] & WAS_HTTP ? (N[n + N_KIND] === UNKNOWN ? HTTP : N[n + N_KIND]) : N[n + N_KIND];
  if (N[n + N_KIND] === UNKNOWN) {
    const i = (n + N_SIDE + X_REMAINING) >> 1;
    const other = LEFT[i] + LEFT[i + (1 << (SIDE_SHIFT - 1))];
    C[P_OTHER] += other;
    if (other === 0 && kind === UNKNOWN) kind = c.EMPTY;
  }
  const key = (kind << 16) | serverPort(n);
  connectionsByKind.set(key, (connectionsByKind.get(key) ?? 0) + 1);
  // The block of the PROXY header goes when the calls that point to it have been recorded.
  forget(n);
}

/** Of one that was joined later nothing may have shown who asked: then servers have the lower port, nearly always. */
function serverPort(n: number): number {
  const ports = rows[(R.flow << ROW_SHIFT) + PORTS];
  const first = ports >>> 16;
  const second = ports & 0xffff;
  const client = N[n + N_CLIENT];
  if (client === 0 && (N[n + N_FLAGS] & JOINED_LATE) !== 0) return Math.min(first, second);
  return client === 2 ? first : second;
}

/** Payload bytes of connections that have not shown yet what they carry. */
export function payloadBytesUnidentified(): number {
  let bytesWaiting = 0;
  for (let row = 1; row < rowsEnd(); row++) {
    const n = row * CONNECTION_WORDS;
    if (N[n + N_KIND] !== UNKNOWN) continue;
    const i = (n + N_SIDE + X_REMAINING) >> 1;
    bytesWaiting += LEFT[i] + LEFT[i + (1 << (SIDE_SHIFT - 1))];
  }
  return bytesWaiting;
}

/** PROXY headers of connections that are over are given back: no call refers to them any more. */
export function releaseProxyBlocks(): void {
  for (let block = proxyBlocks.pop(); block !== undefined; block = proxyBlocks.pop()) release(block);
}

/** Brings the connection's row back to zeros; its PROXY block lives until `releaseProxyBlocks`. */
function forget(n: number): void {
  if (N[n + N_PROXY] !== 0) proxyBlocks.push(N[n + N_PROXY]);
  N[n + N_PROXY] = 0;
  c.clearConnection(n);
}

/** Forgets all connections. */
export function resetEnding(): void {
  connectionsByKind.clear();
  proxyBlocks = [];
}
