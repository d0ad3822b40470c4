/**
 * Parsing: chunks of a connection in, finished transactions out (`nextFinished` in http/pairing.ts).
 *
 * A direction walks through heads and bodies (http/connection.ts names the states). A head that lies whole in
 * the packet is read there; one that is cut is gathered in the direction's tail first:
 *
 *   tail block:  first byte time (double) | sequence (int32) | acknowledgement (int32) | bytes ...
 *
 * Rules where RFC 9112 leaves choice, or traffic does not follow it:
 * - A hole inside a body of known length, or inside one chunk, is skipped and flagged. Any other hole ends the message,
 *   and the direction looks for the next plausible one: at the start of a segment, where the client's next request
 *   says that the answer to the one before begins (its acknowledgement), or at a status line inside the bytes.
 * - A body ends early when the client, having received exactly so much, has sent another request and a status
 *   line stands there: servers lie about lengths, clients do not lie about what they acknowledge.
 * - What may become a message with the bytes that follow waits in the tail too: after a hole, behind garbage, and where
 *   the next message may stand in the place of a body.
 * - A head longer than http.headBytesMax is reported by its first part; a request line as long as that is passed over.
 * - A stream whose first line names another protocol (ICAP/1.0, RTSP/1.0, SIP/2.0) is left alone, whatever it carries.
 */
import { bytes, words } from '../base/arena.ts';
import { capacity, enlarge, release, reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import type { Chunk } from '../flow/chunk.ts';
import * as chunks from '../flow/chunk.ts';
import { FLAGS, MIDSTREAM, PORTS, ROW_SHIFT, rows, rowsEnd } from '../flow/flow-table.ts';
import { addBody, resetBodies } from './body.ts';
import * as c from './connection.ts';
import * as h from './head.ts';
import * as id from './identify.ts';
import * as pairing from './pairing.ts';
import { proxyBlock, readProxy1, readProxy2 } from './proxy-protocol.ts';
import * as socks from './socks.ts';
import { readClientHello, recordBytes, resetTls } from './tls.ts';
import * as t from './transaction.ts';

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
const { N_KIND, N_CLIENT, N_QUEUE, N_FLAGS, N_PROXY, N_SIDE, SIDE_SHIFT, CONNECTION_WORDS } = c;
const { X_STATE, X_CALL, X_TAIL, X_TAIL_BYTES, X_SMALL, X_FLAGS, X_REMAINING } = c;
const { UNKNOWN, HTTP, TLS, HTTP2, WEBSOCKET, UPGRADED, SOCKS } = c;
const { GAPPED, IN_CONNECT, IN_SOCKS, SOCKS_AUTHENTICATES, WAS_HTTP, JOINED_LATE } = c;
const {
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
  LINE_REST,
} = c;
const { CALL_SHIFT, C_NEXT, C_FLAGS, C_CAUSES, C_ACK, C_WEIRDS, REQUEST, RESPONSE, D_REQUEST, D_RESPONSE, D_FIRST, D_LAST, D_GAP } = t;
const { scanHead, looksLikeRequest, looksLikePlainRequest, looksLikeResponse, YES, NO, MAYBE } = h;
const { beginCall, enqueue, finishCall, firstWaiting, pairResponse, requestDone, responseDone } = pairing;

const CR = 13;
const LF = 10;
const TAIL_PREFIX_BYTES = 16;
const TRAILER_BYTES_MAX = 16384;
const CHUNK_SIZE_MAX = 2 ** 50;
const TLS_RECORD_BYTES_MAX = 5 + 16384 + 256;

// X_SMALL of a tail: what its last bytes were.
const AFTER_LF = 1;
const BLANK_LINE = 2;
const HAS_LF = 4;

const P_HTTP = counter('payload.http');
const P_TLS = counter('payload.tls');
const P_OTHER = counter('payload.other');
const T_INFORMATIONAL = counter('calls.informational');
const W_UNKNOWN = weird('http.identify.unknown');
const W_RESYNC = weird('http.http1.resynchronised');
const W_SKIPPED = weird('http.http1.skipped_bytes');
const W_REVERSED = weird('http.http1.reversed_direction');

let headBytesMax = 65000;
/** Connections by kind << 16 | server port, for the summary. */
export const connectionsByKind: Map<number, number> = new Map<number, number>();

// The chunk, or the tail, that is being read: where it starts and what its first byte's segment said.
let readAt = 0;
let readSequence = 0;
let readAck = 0;
let flowRow = 0;
let fromTail = 0;
const readTime = new Float64Array(1);
const tailTime = new DataView(bytes.buffer);

/** Call it before `resetReassembly`, which forgets how many rows were in use. */
export function resetHttp(settings: Settings): void {
  h.resetHead(settings.http.headersMax);
  resetBodies(settings.http.bodyBytes);
  pairing.resetPairing(settings.http.pipelineMax);
  t.resetCalls(settings.http.callsInFlightMax);
  resetTls();
  headBytesMax = settings.http.headBytesMax;
  connectionsByKind.clear();
  N.fill(0, 0, rowsEnd() * CONNECTION_WORDS);
  lastProxyBlock = 0;
}

/** Takes one chunk. Finished calls are to be drained before the next one. */
export function parse(chunk: Chunk): void {
  flowRow = chunk.flow;
  const n = flowRow * CONNECTION_WORDS;
  const x = n + N_SIDE + (chunk.direction << SIDE_SHIFT);
  switch (chunk.kind) {
    case chunks.DATA:
      data(n, x, chunk);
      break;
    case chunks.GAP:
      gap(n, x, chunk.direction, chunk.gapBytes);
      break;
    case chunks.END:
      endOfStream(n, x, chunk.direction);
      break;
    default:
      closeConnection(n, chunk.cause);
  }
}

function data(n: number, x: number, chunk: Chunk): void {
  const length = chunk.end - chunk.at;
  if (N[x + X_STATE] === SKIP) {
    count(n, x, length);
    return;
  }
  if (N[n + N_KIND] === UNKNOWN && N[n + N_FLAGS] === 0 && rows[(flowRow << ROW_SHIFT) + FLAGS] & MIDSTREAM) N[n + N_FLAGS] = JOINED_LATE;
  if (N[x + X_TAIL] !== 0) {
    addToTail(n, x, chunk);
  } else {
    readAt = chunk.at;
    readSequence = chunk.sequence;
    readAck = chunk.acknowledgement;
    readTime[0] = NOW[0];
    fromTail = 0;
    feed(n, x, chunk.direction, chunk.at, chunk.end);
  }
  count(n, x, length);
}

/** The ledger: bytes go to what the connection is; while that is unknown they wait in the direction's remainder. */
function count(n: number, x: number, length: number): void {
  const kind = N[n + N_KIND];
  if (kind === HTTP) C[P_HTTP] += length;
  else if (kind === TLS) C[P_TLS] += length;
  else if (kind === UNKNOWN) LEFT[(x + X_REMAINING) >> 1] += length;
  else C[P_OTHER] += length;
}

function setKind(n: number, kind: number): void {
  if (N[n + N_KIND] === UNKNOWN) {
    const target = kind === HTTP ? P_HTTP : kind === TLS ? P_TLS : P_OTHER;
    for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) {
      C[target] += LEFT[(x + X_REMAINING) >> 1];
      LEFT[(x + X_REMAINING) >> 1] = 0;
    }
  }
  N[n + N_KIND] = kind;
  if (kind === HTTP) N[n + N_FLAGS] |= WAS_HTTP;
}

/** Leaves both directions alone from here on. */
function handOver(n: number, kind: number): void {
  setKind(n, kind);
  for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) {
    N[x + X_STATE] = SKIP;
    c.dropTail(x);
  }
}

// ---------------------------------------------------------------- tails

/** Keeps `[at, end)`, an unfinished head, until more comes. */
function saveTail(x: number, at: number, end: number): void {
  const length = end - at;
  let block = N[x + X_TAIL];
  if (block !== 0 && at === block + TAIL_PREFIX_BYTES) {
    N[x + X_TAIL_BYTES] = length;
    return;
  }
  if (block === 0) {
    block = reserve(length + TAIL_PREFIX_BYTES);
    if (block === 0) {
      N[x + X_STATE] = SEARCH;
      return;
    }
    N[x + X_TAIL] = block;
  }
  B.copyWithin(block + TAIL_PREFIX_BYTES, at, end);
  tailTime.setFloat64(block, readTime[0], true);
  W[(block >> 2) + 2] = (readSequence + at - readAt) | 0;
  W[(block >> 2) + 3] = readAck;
  N[x + X_TAIL_BYTES] = length;
  if (isLineState(N[x + X_STATE])) N[x + X_SMALL] = lineState(0, block + TAIL_PREFIX_BYTES, block + TAIL_PREFIX_BYTES + length);
}

function isLineState(state: number): boolean {
  return state === HEAD || state === IDENTIFY || state === TRAILER;
}

/** Follows line ends through bytes, so that an unfinished head is read again only when it may be whole. */
function lineState(before: number, at: number, end: number): number {
  let s = before;
  for (let p = at; p < end; p++) {
    const b = B[p];
    if (b === LF) s |= s & AFTER_LF ? BLANK_LINE | HAS_LF : AFTER_LF | HAS_LF;
    else if (b !== CR) s &= ~AFTER_LF;
  }
  return s;
}

function addToTail(n: number, x: number, chunk: Chunk): void {
  const length = chunk.end - chunk.at;
  let block = N[x + X_TAIL];
  const before = N[x + X_TAIL_BYTES];
  const total = before + length;
  if (total + TAIL_PREFIX_BYTES > capacity(block)) {
    const larger = enlarge(block, before + TAIL_PREFIX_BYTES, Math.max(total + TAIL_PREFIX_BYTES, 2 * capacity(block)));
    if (larger === 0) {
      c.dropTail(x);
      N[x + X_STATE] = SEARCH;
      return;
    }
    block = larger;
    N[x + X_TAIL] = block;
  }
  const from = block + TAIL_PREFIX_BYTES;
  B.copyWithin(from + before, chunk.at, chunk.end);
  N[x + X_TAIL_BYTES] = total;
  const state = N[x + X_STATE];
  if (isLineState(state)) {
    const was = N[x + X_SMALL];
    const is = lineState(was & AFTER_LF, from + before, from + total);
    N[x + X_SMALL] = is | (was & HAS_LF);
    const firstLine = (was & HAS_LF) === 0 && (is & HAS_LF) !== 0;
    const grew = 32 - Math.clz32(total) !== 32 - Math.clz32(before);
    const isText = B[from] > 32 && B[from] < 127;
    if (isText && (is & BLANK_LINE) === 0 && !firstLine && !grew && total <= headBytesMax) return;
  }
  // The tail may be whole now: read it as if it were a packet.
  readAt = from;
  readSequence = W[(block >> 2) + 2];
  readAck = W[(block >> 2) + 3];
  readTime[0] = tailTime.getFloat64(block, true);
  fromTail = block;
  N[x + X_TAIL] = 0;
  N[x + X_TAIL_BYTES] = 0;
  feed(n, x, chunk.direction, from, from + total);
  if (fromTail !== 0) {
    release(fromTail);
    fromTail = 0;
  }
}

/** As `saveTail`, for bytes that may lie in the tail block that is being read: then the block is kept as it is. */
function keepTail(x: number, at: number, end: number): void {
  if (fromTail !== 0 && at === fromTail + TAIL_PREFIX_BYTES) {
    N[x + X_TAIL] = fromTail;
    N[x + X_TAIL_BYTES] = end - at;
    fromTail = 0;
    if (isLineState(N[x + X_STATE])) N[x + X_SMALL] = lineState(0, at, end);
    return;
  }
  saveTail(x, at, end);
}

// ---------------------------------------------------------------- feed

/** Reads `[at, end)` as the next bytes of a direction. */
function feed(n: number, x: number, direction: number, at: number, end: number): void {
  let p = at;
  while (p < end) {
    switch (N[x + X_STATE]) {
      case HEAD:
        p = readHead(n, x, direction, p, end);
        break;
      case IDENTIFY:
        p = readStart(n, x, direction, p, end);
        break;
      case BODY_LENGTH:
        p = readLength(n, x, direction, p, end);
        break;
      case BODY_CLOSE:
        p = readUntilClose(n, x, direction, p, end);
        break;
      case CHUNK_SIZE:
        p = readChunkSize(n, x, direction, p, end);
        break;
      case CHUNK_EXTENSION:
        while (p < end && B[p] !== LF) p++;
        if (p < end) N[x + X_STATE] = CHUNK_SIZE;
        break;
      case CHUNK_DATA:
        p = readChunkData(n, x, direction, p, end);
        break;
      case CHUNK_END:
        p = readChunkEnd(n, x, direction, p, end);
        break;
      case TRAILER:
        p = readTrailer(n, x, direction, p, end);
        break;
      case HEAD_REST:
        p = skipHeadRest(x, p, end);
        break;
      case LINE_REST:
        while (p < end && B[p] !== LF) p++;
        if (p < end) N[x + X_STATE] = SEARCH;
        break;
      case SEARCH:
        p = search(n, x, direction, p, end);
        break;
      default:
        return;
    }
  }
}

function isServer(n: number, direction: number): boolean {
  return N[n + N_CLIENT] === 2 - direction;
}

function setClient(n: number, direction: number): void {
  if (N[n + N_CLIENT] !== direction + 1) {
    N[n + N_CLIENT] = direction + 1;
    if (direction === 1 && (N[n + N_FLAGS] & JOINED_LATE) === 0) raise(W_REVERSED);
  }
}

/** The start of a stream, or of what a proxy relays. */
function readStart(n: number, x: number, direction: number, at: number, end: number): number {
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
      if (end - at > headBytesMax || (!fresh && isNoPlainStart(at, end))) break;
      // Empty lines need not be kept, unless they may be a signature.
      let from = at;
      if (!id.mayBeProxy2(at, end)) while (from < end && (B[from] === CR || B[from] === LF)) from++;
      if (from < end) keepTail(x, from, end);
      return end;
    }
    case id.IS_TLS: {
      const need = recordBytes(at);
      if (B[at] === 0x16 && end - at < need && need <= TLS_RECORD_BYTES_MAX) {
        keepTail(x, at, end);
        return end;
      }
      readClientHello(at, end);
      setKind(n, TLS);
      N[x + X_STATE] = SKIP;
      return end;
    }
    case id.IS_HTTP2:
      setClient(n, direction);
      handOver(n, HTTP2);
      return end;
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
function readHead(n: number, x: number, direction: number, at: number, end: number): number {
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
    if (end - p <= headBytesMax) {
      keepTail(x, p, end);
      return end;
    }
  }
  if (after < 0 || after - p > headBytesMax) {
    after = scanHead(p, p + headBytesMax, response, true);
    head.weirds |= h.HEAD_TOO_LONG;
    after = p + headBytesMax;
    if (!response && (head.valid === 0 || head.version === 9)) {
      garbage(n, x, p, end);
      N[x + X_STATE] = LINE_REST;
      return after;
    }
    if (response) onResponse(n, x, direction, p, t.CUT_AT_LIMIT);
    else onRequest(n, x, direction, p, t.CUT_AT_LIMIT);
    if (N[x + X_STATE] !== SKIP && N[x + X_STATE] !== SEARCH && N[x + X_STATE] !== IDENTIFY) {
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
    handOver(n, HTTP2);
    return end;
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

/** The waiting call when it is an HTTP/0.9 one, whose answer has no head. */
function answersBare(n: number, direction: number): number {
  if (!isServer(n, direction)) return 0;
  const call = firstWaiting(n);
  return call !== 0 && K[(call << CALL_SHIFT) + REQUEST + t.S_VERSION] === 9 ? call : 0;
}

function beginBareResponse(n: number, x: number, call: number, at: number): number {
  const k = call << CALL_SHIFT;
  K[k + C_FLAGS] |= t.HAS_RESPONSE;
  K[k + RESPONSE + t.S_VERSION] = 9;
  K[k + RESPONSE + t.S_SEQUENCE] = (readSequence + at - readAt) | 0;
  D[(call << 5) + D_RESPONSE + D_FIRST] = readTime[0];
  D[(call << 5) + D_RESPONSE + D_LAST] = readTime[0];
  setKind(n, HTTP);
  N[x + X_CALL] = call;
  N[x + X_STATE] = BODY_CLOSE;
  return at;
}

// ---------------------------------------------------------------- messages

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
  K[s + t.S_SEQUENCE] = (readSequence + at - readAt) | 0;
  K[k + C_WEIRDS] |= head.weirds;
  if (head.severalEncodings) K[k + C_FLAGS] |= t.SEVERAL_CODINGS;
  return true;
}

/** `scanHead` has read a request at `at`; `cut` is the cause when its end is missing, or 0. */
function onRequest(n: number, x: number, direction: number, at: number, cut: number): void {
  setKind(n, HTTP);
  setClient(n, direction);
  const call = beginCall(n, flowRow);
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
  K[k + C_ACK] = readAck;
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
function onResponse(n: number, x: number, direction: number, at: number, cut: number): void {
  setKind(n, HTTP);
  setClient(n, 1 - direction);
  const status = head.status;
  N[x + X_STATE] = HEAD;
  if (status >= 100 && status < 200 && status !== 101) {
    C[T_INFORMATIONAL]++;
    pairing.noteInterim(n, (readSequence + at - readAt) | 0, (readSequence + head.end - readAt) | 0);
    return;
  }
  let call = pairResponse(n, (readSequence + at - readAt) | 0, readAck);
  if (call === 0) {
    call = beginCall(n, flowRow);
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
    endResponse(n, x, call);
    handOver(n, kind);
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
const V_WEBSOCKET = Buffer.from('websocket', 'latin1');
const V_H2C = Buffer.from('h2c', 'latin1');

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
function endMessage(n: number, x: number, direction: number, after: number): void {
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
  K[k + t.C_REQUEST_END] = (readSequence + after - readAt) | 0;
  K[k + C_FLAGS] |= t.HAS_END;
}

/** The present packet carries the last byte so far of the message under way. */
function touch(n: number, x: number, direction: number): void {
  const call = N[x + X_CALL];
  if (call !== 0) D[(call << 5) + (isServer(n, direction) ? D_RESPONSE : D_REQUEST) + D_LAST] = NOW[0];
}

/** The message under way could not be followed to its end. */
function breakMessage(n: number, x: number, direction: number, cause: number): void {
  const call = N[x + X_CALL];
  if (call !== 0) K[(call << CALL_SHIFT) + C_CAUSES] |= cause;
  endMessage(n, x, direction, 0);
  N[x + X_STATE] = SEARCH;
}

function flag(x: number, weirds: number): void {
  const call = N[x + X_CALL];
  if (call !== 0) K[(call << CALL_SHIFT) + C_WEIRDS] |= weirds;
}

// ---------------------------------------------------------------- bodies

/** Adds body bytes to the call under way in a direction. */
function body(n: number, x: number, direction: number, at: number, end: number, expected: number): void {
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
  const p = at + ((K[(next << CALL_SHIFT) + C_ACK] - ((readSequence + at - readAt) | 0)) | 0);
  if (p < at || p >= end) return -1;
  answerIs = looksLikeResponse(p, end, false);
  return answerIs === NO ? -1 : p;
}
let answerIs = NO;

/** Body bytes that waited as the possible beginning of another message are body after all. */
function spillTail(n: number, x: number, direction: number): void {
  const block = N[x + X_TAIL];
  const state = N[x + X_STATE];
  if (block === 0 || (state !== BODY_LENGTH && state !== BODY_CLOSE)) return;
  const length = N[x + X_TAIL_BYTES];
  body(n, x, direction, block + TAIL_PREFIX_BYTES, block + TAIL_PREFIX_BYTES + length, 0);
  if (state === BODY_LENGTH) LEFT[(x + X_REMAINING) >> 1] -= length;
  c.dropTail(x);
}

function readLength(n: number, x: number, direction: number, at: number, end: number): number {
  const i = (x + X_REMAINING) >> 1;
  const left = LEFT[i];
  if (at === readAt) {
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
      if (looks === MAYBE && end - at < left && end - at <= headBytesMax) {
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

/** A request whose response is complete although none of its body was sent (100-continue refused). */
function wasRefused(n: number, x: number, direction: number): boolean {
  const call = N[x + X_CALL];
  return (
    call !== 0 &&
    !isServer(n, direction) &&
    (K[(call << CALL_SHIFT) + C_FLAGS] & t.RESPONSE_DONE) !== 0 &&
    D[(call << 5) + D_REQUEST + t.D_BODY] === 0
  );
}

function readUntilClose(n: number, x: number, direction: number, at: number, end: number): number {
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
function readChunkSize(n: number, x: number, direction: number, at: number, end: number): number {
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

function readChunkData(n: number, x: number, direction: number, at: number, end: number): number {
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

function readChunkEnd(n: number, x: number, direction: number, at: number, end: number): number {
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
function readTrailer(n: number, x: number, direction: number, at: number, end: number): number {
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

/** The rest of a head that was longer than http.headBytesMax. */
function skipHeadRest(x: number, at: number, end: number): number {
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

// ---------------------------------------------------------------- finding the next message

/** Looks for the next plausible message in `[at, end)`. */
function search(n: number, x: number, direction: number, at: number, end: number): number {
  const p = findMessage(n, direction, at, end);
  if (p < 0) {
    if (undecidedAt >= 0 && end - undecidedAt <= (isStrongStart(undecidedAt, end) ? headBytesMax : UNDECIDED_BYTES_MAX)) {
      keepTail(x, undecidedAt, end);
    }
    return end;
  }
  if (N[n + N_FLAGS] & WAS_HTTP) raise(W_RESYNC);
  const response = looksLikeResponse(p, end, false) !== NO;
  if (!response && id.identify(p, end, false) === id.IS_HTTP2) {
    handOver(n, HTTP2);
    return end;
  }
  if (N[n + N_CLIENT] === 0 || (N[n + N_FLAGS] & WAS_HTTP) === 0) setClient(n, response ? 1 - direction : direction);
  N[x + X_STATE] = HEAD;
  LEFT[(x + X_REMAINING) >> 1] = N[n + N_KIND] === UNKNOWN ? LEFT[(x + X_REMAINING) >> 1] : 0;
  return p;
}

/** Where `findMessage` saw what may become a message with the bytes that follow; -1 for nowhere. */
let undecidedAt = -1;
const UNDECIDED_BYTES_MAX = 1024;

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
      const hint = at + ((K[(waits << CALL_SHIFT) + C_ACK] - ((readSequence + at - readAt) | 0)) | 0);
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

// ---------------------------------------------------------------- holes and ends

function gap(n: number, x: number, direction: number, missing: number): void {
  crossGap(n, x, direction, missing);
  if (N[x + X_STATE] === SEARCH) pairing.noteHole(n, isServer(n, direction));
}

function crossGap(n: number, x: number, direction: number, missing: number): void {
  const state = N[x + X_STATE];
  if (state === SKIP) return;
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
      N[x + X_STATE] = N[x + X_STATE] === SKIP ? SKIP : SEARCH;
  }
}

function addGap(call: number, server: boolean, missing: number): void {
  if (call === 0) return;
  const d = (call << 5) + (server ? D_RESPONSE : D_REQUEST);
  D[d + D_GAP] += missing;
  D[d + t.D_BODY] += missing;
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
  N[x + X_TAIL] = 0;
  N[x + X_TAIL_BYTES] = 0;
  readAt = at;
  readSequence = W[(block >> 2) + 2];
  readAck = W[(block >> 2) + 3];
  readTime[0] = tailTime.getFloat64(block, true);
  if (state === HEAD || state === IDENTIFY) {
    if (state === IDENTIFY && N[n + N_KIND] === UNKNOWN && end - at >= 6 && id.identify(at, end, false) === id.IS_TLS) {
      setKind(n, TLS);
      N[x + X_STATE] = SKIP;
    } else if (N[n + N_KIND] !== SOCKS) reportCutHead(n, x, direction, at, end, cause, weirds);
  }
  release(block);
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
function endOfStream(n: number, x: number, direction: number): void {
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
      break;
    default:
      breakMessage(n, x, direction, t.CAUSE_CLOSED);
  }
}

const causeOfClose: readonly number[] = [
  0,
  t.CAUSE_CLOSED,
  t.CAUSE_RESET,
  t.CAUSE_IDLE,
  t.CAUSE_EVICTED,
  t.CAUSE_CAPTURE_END,
  t.CAUSE_CLOSED,
];

/** The connection is over: everything under way is finished as it stands. */
function closeConnection(n: number, closeCause: number): void {
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
        break;
      default:
        c.dropTail(x);
        breakMessage(n, x, direction, cause);
    }
  }
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
  const ports = rows[(flowRow << ROW_SHIFT) + PORTS];
  const serverPort = N[n + N_CLIENT] === 2 ? ports >>> 16 : ports & 0xffff;
  const key = (kind << 16) | serverPort;
  connectionsByKind.set(key, (connectionsByKind.get(key) ?? 0) + 1);
  // The block of the PROXY header goes when the calls that point to it have been recorded.
  forget(n);
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

/** The capture is over and every call recorded. */
export function finishHttp(): void {
  release(lastProxyBlock);
  lastProxyBlock = 0;
}

/** Brings the connection's row back to zeros; its PROXY block lives until the next connection is closed. */
function forget(n: number): void {
  release(lastProxyBlock);
  lastProxyBlock = N[n + N_PROXY];
  N[n + N_PROXY] = 0;
  c.clearConnection(n);
}
let lastProxyBlock = 0;
