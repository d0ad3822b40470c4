/**
 * Parsing: chunks of a connection in, finished transactions out (`nextFinished` in http/pairing.ts).
 *
 * A direction walks through heads and bodies (http/connection.ts names the states); each state has its reader:
 * http/start.ts, http/framing.ts, http/search.ts. Holes and ends are in http/ending.ts.
 */
import { bytes } from '../base/arena.ts';
import { release } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import type { Settings } from '../base/settings.ts';
import type { Chunk } from '../flow/chunk.ts';
import * as chunks from '../flow/chunk.ts';
import { FLAGS, MIDSTREAM, ROW_SHIFT, rows, rowsEnd } from '../flow/flow-table.ts';
import * as http2 from '../http2/read.ts';
import { readFrames } from '../websocket/frames.ts';
import { resetRecorder } from '../websocket/recorder.ts';
import { resetSockets } from '../websocket/sockets.ts';
import { resetBodies } from './body.ts';
import * as c from './connection.ts';
import { closeConnection, endOfStream, gap, resetEnding } from './ending.ts';
import { readChunkData, readChunkEnd, readChunkSize, readLength, readTrailer, readUntilClose } from './framing.ts';
import * as h from './head.ts';
import * as pairing from './pairing.ts';
import { reading, readTime } from './reading.ts';
import { count } from './role.ts';
import { search } from './search.ts';
import { readHead, readStart, skipHeadRest } from './start.ts';
import { appendToTail, readTail } from './tail.ts';
import { resetTlsFacts } from './tls-facts.ts';
import * as t from './transaction.ts';

const B = bytes;
const NOW = packetTimeUs;
const N = c.connections;
const R = reading;
const {
  N_KIND,
  N_FLAGS,
  N_SIDE,
  SIDE_SHIFT,
  CONNECTION_WORDS,
  X_STATE,
  X_TAIL,
  X_TAIL_BYTES,
  X_SMALL,
  UNKNOWN,
  JOINED_LATE,
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
  FRAMES,
  SOCKET,
} = c;

const LF = 10;

/** Call it before `resetReassembly`, which forgets how many rows were in use. */
export function resetHttp(settings: Settings): void {
  h.resetHead(settings.http.headersMax);
  resetBodies(settings.http.bodyBytes);
  pairing.resetPairing(settings.http.pipelineMax);
  t.resetCalls(settings.http.callsInFlightMax);
  resetTlsFacts();
  http2.resetHttp2(settings);
  resetSockets();
  resetRecorder(settings);
  R.headBytesMax = settings.http.headBytesMax;
  resetEnding();
  N.fill(0, 0, rowsEnd() * CONNECTION_WORDS);
}

/** Takes one chunk. Finished calls are to be drained before the next one. */
export function parse(chunk: Chunk): void {
  R.flow = chunk.flow;
  const n = R.flow * CONNECTION_WORDS;
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
  if (N[n + N_KIND] === UNKNOWN && N[n + N_FLAGS] === 0 && rows[(R.flow << ROW_SHIFT) + FLAGS] & MIDSTREAM) N[n + N_FLAGS] = JOINED_LATE;
  if (N[x + X_TAIL] !== 0) {
    addToTail(n, x, chunk);
  } else {
    R.at = chunk.at;
    R.sequence = chunk.sequence;
    R.acknowledgement = chunk.acknowledgement;
    readTime[0] = NOW[0];
    R.tail = 0;
    feed(n, x, chunk.direction, chunk.at, chunk.end);
  }
  count(n, x, length);
}

function addToTail(n: number, x: number, chunk: Chunk): void {
  const length = N[x + X_TAIL_BYTES] + chunk.end - chunk.at;
  if (!appendToTail(x, chunk)) return;
  readTail(x);
  feed(n, x, chunk.direction, R.at, R.at + length);
  if (R.tail !== 0) {
    release(R.tail);
    R.tail = 0;
  }
}

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
      case FRAMES:
        http2.feed(n, direction, p, end);
        return;
      case SOCKET:
        readFrames(N[x + X_SMALL], p, end);
        return;
      default:
        return;
    }
  }
}
