/**
 * Transaction: what http/ hands on: one request with its response, as a row of numbers whose bytes lie in
 * blocks of the arena. A call is named by its row number; the row lives from the first byte of its head until
 * `releaseCall`.
 *
 *   row of 48 int32:
 *     0 next in the connection's queue   1 flow row   2 flags   3 causes (bits)   4 depth   5 acknowledgement at the request
 *     6 weirds (bits)   7 connection flags (tunnelled, midstream, pushed)   8 proxy block
 *     9 client direction   10 sequence number after the request
 *     11 X-Forwarded-For field + 1, when no other header names the client
 *     14 row of grpc/messages.ts
 *     15 number of the WebSocket connection that it is the handshake of
 *     16..31 request side, 32..47 response side:
 *        0 head block   1 head bytes   2 fields   3 method end | status   4 target | reason at   5 its end
 *        6 version (10 for 1.0, 11 for 1.1, 9 for 0.9, else major * 10 + minor + 100: 120 for HTTP/2)   7 body block   8 kept bytes
 *        9 content-encoding field + 1   10 content-type field + 1   11 trailer block   12 trailer fields
 *        13 sequence number of the first byte   14 host field + 1 (request)   15 trailer bytes
 *   and 8 doubles: for each side first byte time, last byte time (us), body bytes, gap bytes.
 *
 * A head block holds the head's bytes as on the wire (obsolete folding blanked), then, four-byte aligned, two
 * words for each field: name at << 16 | name end, value at << 16 | value end, relative to the block.
 */
import { words } from '../base/arena.ts';
import { release } from '../base/blocks.ts';
import { releaseMessages, resetMessages } from '../grpc/messages.ts';

const W = words;

export const CALL_SHIFT = 6;
const CALLS_MAX = (1 << 20) + 1;
/** All call rows; row `n` starts at word `n << CALL_SHIFT`. Row 0 is "none". */
export const calls: Int32Array = new Int32Array(CALLS_MAX << CALL_SHIFT);
const K = calls;
/** The doubles of the same rows: call `n` has `doubles[(n << 5) + 24 ...]`, which are its words 48 to 63. */
export const doubles: Float64Array = new Float64Array(calls.buffer);

export const C_NEXT = 0;
export const C_FLOW = 1;
export const C_FLAGS = 2;
export const C_CAUSES = 3;
export const C_DEPTH = 4;
export const C_ACK = 5;
export const C_WEIRDS = 6;
export const C_CONNECTION = 7;
export const C_PROXY = 8;
export const C_CLIENT = 9;
export const C_REQUEST_END = 10;
export const C_FORWARDED_FOR = 11;
/** Weirds of HTTP/2 (http/http2-weirds.ts). */
export const C_HTTP2_WEIRDS = 12;
/** HTTP/2: number of the Content-Length field of the request << 16 | of the response, from 1; 0: none. */
export const C_LENGTHS = 13;
/** 0: no side is gRPC. */
export const C_GRPC = 14;
export const C_SOCKET = 15;
/** In C_SOCKET, of a request over HTTP/2 that has no answer yet. */
export const ASKS_SOCKET: number = -1;
export const REQUEST = 16;
export const RESPONSE = 32;

export const S_HEAD = 0;
export const S_HEAD_BYTES = 1;
export const S_FIELDS = 2;
/** Request: end of the method. Response: the status. */
export const S_FIRST = 3;
/** Start of target or reason. */
export const S_TEXT = 4;
export const S_TEXT_END = 5;
export const S_VERSION = 6;
export const S_BODY = 7;
export const S_KEPT = 8;
export const S_CODING = 9;
export const S_TYPE = 10;
export const S_TRAILER = 11;
export const S_TRAILER_FIELDS = 12;
export const S_SEQUENCE = 13;
export const S_HOST = 14;
export const S_TRAILER_BYTES = 15;

/** Doubles: index `(call << 5) + D_REQUEST | D_RESPONSE + ...`. */
export const D_REQUEST = 24;
export const D_RESPONSE = 28;
export const D_FIRST = 0;
export const D_LAST = 1;
export const D_BODY = 2;
export const D_GAP = 3;

// Flags of a call.
export const HAS_REQUEST = 1;
export const HAS_RESPONSE = 2;
export const REQUEST_DONE = 4;
export const RESPONSE_DONE = 8;
/** The request has X-Forwarded-For, Forwarded or X-Real-IP. */
export const HAS_CLIENT_IP = 16;
export const IS_HEAD = 32;
export const IS_CONNECT = 64;
/** Nothing more of the body of this side is kept: memory ran out, or a hole lies before what comes. */
export const REQUEST_STOPPED = 128;
export const RESPONSE_STOPPED = 256;
export const SEVERAL_CODINGS = 512;
/** C_REQUEST_END is known. */
export const HAS_END = 1024;
/** A hole lies near it in which requests or responses of the same burst may have been lost: no response is given to it. */
export const DOUBTFUL = 2048;
/** HTTP/2: fields of the head or the trailers of this side are not known. */
export const REQUEST_HEADERS_UNKNOWN = 4096;
export const RESPONSE_HEADERS_UNKNOWN = 8192;
/** It was reported while it was still open: at its end a closing record follows. */
export const REPORTED = 16384;
/** By the media type of a side, its body is messages of gRPC or Protocol Buffers. */
export const HAS_MESSAGES = 32768;

// Causes, as bits in the order of normalise/api-call.ts.
export const NO_RESPONSE = 1;
export const NO_REQUEST = 2;
export const CAUSE_GAP = 4;
export const CUT_AT_LIMIT = 8;
export const CAUSE_CLOSED = 16;
export const CAUSE_RESET = 32;
export const CAUSE_IDLE = 64;
export const CAUSE_EVICTED = 128;
export const CAUSE_CAPTURE_END = 256;
export const CAUSE_MIDSTREAM = 512;
export const CAUSE_MALFORMED = 1024;
export const HEADERS_UNKNOWN = 2048;
export const STILL_OPEN = 4096;

// Connection flags of a call.
export const VIA_CONNECT = 1;
export const VIA_SOCKS = 2;
export const FROM_MIDSTREAM = 4;
/** HTTP/2: the server made the request up (PUSH_PROMISE). */
export const PUSHED = 8;

let highRow = 1;
let freeRow = 0;
let inUse = 0;
let callsMax = CALLS_MAX - 1;

export function resetCalls(callsInFlightMax: number): void {
  highRow = 1;
  freeRow = 0;
  inUse = 0;
  callsMax = Math.min(callsInFlightMax, CALLS_MAX - 1);
  resetMessages();
}

export function callsInFlight(): number {
  return inUse;
}

/** Rows are numbered below this; those that are not in use have no flags. */
export function callRowsEnd(): number {
  return highRow;
}

/** A fresh row, or 0 when `http.callsInFlightMax` is reached. */
export function newCall(): number {
  if (inUse >= callsMax) return 0;
  let row = freeRow;
  if (row !== 0) freeRow = K[row << CALL_SHIFT];
  else row = highRow++;
  inUse++;
  const k = row << CALL_SHIFT;
  K.fill(0, k, k + 64);
  return row;
}

/** Gives back a row and its blocks. */
export function releaseCall(row: number): void {
  const k = row << CALL_SHIFT;
  for (let side = k + REQUEST; side <= k + RESPONSE; side += RESPONSE - REQUEST) {
    release(K[side + S_HEAD]);
    release(K[side + S_BODY]);
    release(K[side + S_TRAILER]);
  }
  if (K[k + C_GRPC] !== 0) releaseMessages(K[k + C_GRPC]);
  K[k] = freeRow;
  K[k + C_FLAGS] = 0;
  freeRow = row;
  inUse--;
}

/** Word index of the field table of a head block of `headBytes` bytes at `block`. */
export function fieldTable(block: number, headBytes: number): number {
  return (block + headBytes + 3) >> 2;
}

/** First byte of the name of field `i`; its end and the value's range follow the same pattern. */
export function nameAt(block: number, tableWord: number, i: number): number {
  return block + (W[tableWord + 2 * i] >>> 16);
}
export function nameEnd(block: number, tableWord: number, i: number): number {
  return block + (W[tableWord + 2 * i] & 0xffff);
}
export function valueAt(block: number, tableWord: number, i: number): number {
  return block + (W[tableWord + 2 * i + 1] >>> 16);
}
export function valueEnd(block: number, tableWord: number, i: number): number {
  return block + (W[tableWord + 2 * i + 1] & 0xffff);
}
