/**
 * Messages of gRPC and gRPC-Web are counted while their bytes pass, whatever is kept of them.
 *
 *   flags  length, big-endian   message                    (gRPC over HTTP/2: Length-Prefixed-Message)
 *   00     00 00 00 05          0a 03 61 6e 6e
 *   01                          compressed as grpc-encoding says
 *   80     00 00 00 0f          grpc-status:0 CR LF        gRPC-Web: the trailers, behind the last message
 *
 * grpc-web-text is the same in base64, which may be padded in its middle. A hole whose length is known and that lies inside of a
 * message is passed over; after any other the place is lost, and what was counted is said to be incomplete.
 *
 * What is known of a call is a row of 32 int32, 16 for each side: request, response.
 *
 *   0 kind (0: not counted)   1 flags   2 bytes of the prefix so far   3 first byte of the frame   4 length so far
 *   5 bits of base64 under way   6 their number   7 compressed messages
 *   8, 9 bytes of the frame still to come, a double   10, 11 messages, a double   12, 13 their bytes, a double
 *   14 block with the trailers of gRPC-Web   15 bytes in it
 *
 * Bounds: TRAILER_BYTES_MAX of the trailers are kept; rows are as many as calls of gRPC in flight.
 */
import { bytes } from '../base/arena.ts';
import { base64Rest, undoPiece } from '../base/base64.ts';
import { capacity, release, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import { GRPC, GRPC_WEB_TEXT } from './media-type.ts';

const B = bytes;
const ROW_WORDS = 32;
const SIDE_WORDS = 16;
const ROWS_FIRST = 64;
const TRAILER_BYTES_MAX = 8192;
const PREFIX_BYTES = 5;
const W_FLAGS = weird('grpc.messages.bad_flags');
const W_TRAILERS = weird('limit.grpc.trailer_bytes');

const M_KIND = 0;
const M_FLAGS = 1;
const M_PREFIX = 2;
const M_FIRST = 3;
const M_LENGTH = 4;
const M_BITS = 5;
const M_BIT_COUNT = 6;
export const M_COMPRESSED = 7;
const M_REMAINING = 8;
export const M_MESSAGES = 10;
export const M_BYTES = 12;
export const M_TRAILER = 14;
export const M_TRAILER_BYTES = 15;

/** The place in the stream was lost: there may be more messages. */
export const LOST = 1;
/** There was more of the trailers than is kept. */
const TRAILER_CUT = 2;

let rows: Int32Array = new Int32Array(ROWS_FIRST * ROW_WORDS);
let doubles: Float64Array = new Float64Array(rows.buffer);
let rowsUsed = 1;
let firstFree = 0;

export function resetMessages(): void {
  rowsUsed = 1;
  firstFree = 0;
}

/** A row for a call; never 0. */
export function openMessages(): number {
  let row = firstFree;
  if (row !== 0) firstFree = rows[row * ROW_WORDS];
  else {
    row = rowsUsed++;
    if (rowsUsed * ROW_WORDS > rows.length) grow();
  }
  rows.fill(0, row * ROW_WORDS, (row + 1) * ROW_WORDS);
  return row;
}

function grow(): void {
  const larger = new Int32Array(rows.length * 2);
  larger.set(rows);
  rows = larger;
  doubles = new Float64Array(larger.buffer);
}

/** Gives a row back, with its blocks. */
export function releaseMessages(row: number): void {
  const r = row * ROW_WORDS;
  release(rows[r + M_TRAILER]);
  release(rows[r + SIDE_WORDS + M_TRAILER]);
  rows[r] = firstFree;
  firstFree = row;
}

/** The body of side 0 (request) or 1 is of this kind of media-type.ts; `isCoded`: a content-coding hides its messages. */
export function beginMessages(row: number, side: number, kind: number, isCoded: boolean): void {
  const r = row * ROW_WORDS + side * SIDE_WORDS;
  rows[r + M_KIND] = kind;
  if (isCoded) rows[r + M_FLAGS] |= LOST;
}

/** What is known of a side: one of the words. */
export function messageWord(row: number, side: number, word: number): number {
  return rows[row * ROW_WORDS + side * SIDE_WORDS + word];
}

/** The same for M_MESSAGES and M_BYTES; of a message whose end has not come, the bytes that have. */
export function messageCount(row: number, side: number, word: number): number {
  const r = row * ROW_WORDS + side * SIDE_WORDS;
  const isBegun = word === M_BYTES && rows[r + M_PREFIX] === PREFIX_BYTES && (rows[r + M_FIRST] & 0x80) === 0 && !isLost(row, side);
  return doubles[(r + word) >> 1] - (isBegun ? doubles[(r + M_REMAINING) >> 1] : 0);
}

/** Whether there may be more messages, or more of the last one, than were counted. */
export function isCountIncomplete(row: number, side: number): boolean {
  return isLost(row, side) || rows[row * ROW_WORDS + side * SIDE_WORDS + M_PREFIX] !== 0;
}

export function kindOfSide(row: number, side: number): number {
  return rows[row * ROW_WORDS + side * SIDE_WORDS + M_KIND];
}

export function isLost(row: number, side: number): boolean {
  return (rows[row * ROW_WORDS + side * SIDE_WORDS + M_FLAGS] & LOST) !== 0;
}

/** Whether the trailers that are kept may end in the middle of a line. */
export function isTrailerCut(row: number, side: number): boolean {
  const r = row * ROW_WORDS + side * SIDE_WORDS;
  const isUnderWay = rows[r + M_PREFIX] === PREFIX_BYTES && (rows[r + M_FIRST] & 0x80) !== 0;
  return isUnderWay || (rows[r + M_FLAGS] & (LOST | TRAILER_CUT)) !== 0;
}

/** [at, end) are the next bytes of the body of a side. */
export function countMessages(row: number, side: number, at: number, end: number): void {
  const r = row * ROW_WORDS + side * SIDE_WORDS;
  const kind = rows[r + M_KIND];
  if (kind === 0 || rows[r + M_FLAGS] & LOST) return;
  if (kind === GRPC_WEB_TEXT) countText(r, at, end);
  else count(r, at, end);
}

/** `missing` bytes of the body of a side were not captured. */
export function crossMessages(row: number, side: number, missing: number): void {
  const r = row * ROW_WORDS + side * SIDE_WORDS;
  if (rows[r + M_KIND] === 0) return;
  const left = (r + M_REMAINING) >> 1;
  const isInside = rows[r + M_KIND] !== GRPC_WEB_TEXT && rows[r + M_PREFIX] === PREFIX_BYTES && missing <= doubles[left];
  if (!isInside || rows[r + M_FIRST] & 0x80) {
    rows[r + M_FLAGS] |= LOST;
    return;
  }
  doubles[left] -= missing;
  if (doubles[left] === 0) rows[r + M_PREFIX] = 0;
}

/** Nobody knows how much is missing. */
export function losePlace(row: number, side: number): void {
  rows[row * ROW_WORDS + side * SIDE_WORDS + M_FLAGS] |= LOST;
}

function count(r: number, at: number, end: number): void {
  const left = (r + M_REMAINING) >> 1;
  let p = at;
  while (p < end) {
    if (rows[r + M_PREFIX] === PREFIX_BYTES) {
      const n = doubles[left] < end - p ? doubles[left] : end - p;
      if (rows[r + M_FIRST] & 0x80) keepTrailer(r, p, p + n);
      p += n;
      doubles[left] -= n;
      if (doubles[left] === 0) rows[r + M_PREFIX] = 0;
    } else {
      takePrefix(r, B[p++]);
      if (rows[r + M_FLAGS] & LOST) return;
    }
  }
}

/** The next byte of a prefix. */
function takePrefix(r: number, byte: number): void {
  const n = rows[r + M_PREFIX]++;
  if (n === 0) {
    // gRPC has flag 1 only; gRPC-Web has the trailers besides.
    if ((byte & (rows[r + M_KIND] === GRPC ? 0xfe : 0x7e)) !== 0) {
      raise(W_FLAGS);
      rows[r + M_FLAGS] |= LOST;
      return;
    }
    rows[r + M_FIRST] = byte;
    rows[r + M_LENGTH] = 0;
    return;
  }
  rows[r + M_LENGTH] = (rows[r + M_LENGTH] << 8) | byte;
  if (n + 1 < PREFIX_BYTES) return;
  const length = rows[r + M_LENGTH] >>> 0;
  doubles[(r + M_REMAINING) >> 1] = length;
  if (length === 0) rows[r + M_PREFIX] = 0;
  if (rows[r + M_FIRST] & 0x80) return;
  doubles[(r + M_MESSAGES) >> 1]++;
  doubles[(r + M_BYTES) >> 1] += length;
  if (rows[r + M_FIRST] & 1) rows[r + M_COMPRESSED]++;
}

/** Compressed trailers are not opened: nothing of them is kept. */
function keepTrailer(r: number, at: number, end: number): void {
  if (rows[r + M_FIRST] & 1) return;
  if (rows[r + M_TRAILER] === 0) {
    const whole = doubles[(r + M_REMAINING) >> 1];
    rows[r + M_TRAILER] = reserve(whole < TRAILER_BYTES_MAX ? whole : TRAILER_BYTES_MAX);
    rows[r + M_TRAILER_BYTES] = 0;
    if (rows[r + M_TRAILER] === 0) {
      rows[r + M_FLAGS] |= LOST;
      return;
    }
    if (whole > TRAILER_BYTES_MAX) raise(W_TRAILERS);
  }
  const block = capacity(rows[r + M_TRAILER]);
  const room = (block < TRAILER_BYTES_MAX ? block : TRAILER_BYTES_MAX) - rows[r + M_TRAILER_BYTES];
  const n = end - at < room ? end - at : room;
  if (n < end - at) rows[r + M_FLAGS] |= TRAILER_CUT;
  if (n <= 0) return;
  B.copyWithin(rows[r + M_TRAILER] + rows[r + M_TRAILER_BYTES], at, at + n);
  rows[r + M_TRAILER_BYTES] += n;
}

const CHUNK_BYTES = 4096;

/** Decoded bytes on their way to `count`: a block for the time of a call. */
function countText(r: number, at: number, end: number): void {
  const block = reserve(CHUNK_BYTES);
  if (block === 0) {
    rows[r + M_FLAGS] |= LOST;
    return;
  }
  base64Rest[0] = rows[r + M_BITS];
  base64Rest[1] = rows[r + M_BIT_COUNT];
  for (let p = at; p < end && !(rows[r + M_FLAGS] & LOST); p += CHUNK_BYTES) {
    count(r, block, undoPiece(p, end - p > CHUNK_BYTES ? p + CHUNK_BYTES : end, block, true));
  }
  rows[r + M_BITS] = base64Rest[0];
  rows[r + M_BIT_COUNT] = base64Rest[1];
  release(block);
}
