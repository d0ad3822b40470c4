/**
 * What is known of a WebSocket connection: one row of 40 int32, whatever carries it. Its reader is frames.ts, which is
 * handed the word of one direction; the client's stands at word 8 of the row, the server's at word 24.
 *
 *     0 extensions   1 code of the first Close frame, 0 none so far   2 next free row   3..7 unused
 *     8..23 client, 24..39 server:
 *        0 state   1 side (0 client, 1 server)   2 header bytes so far   3 first byte of the frame   4..7 its header
 *        8, 9 payload still to come, a double   10, 11 bytes of the message under way, a double
 *        12 kind of the message under way and its flags   13 masking key   14 payload bytes of a Close frame so far
 *        15 close code as far as it was read
 *
 * Bounds: at most `limit.http.websockets` rows; a connection beyond is not followed.
 */
import { raise, weird } from '../base/weird.ts';

const ROW_WORDS = 40;
const ROWS_FIRST = 64;
const ROWS_MAX = 1 << 16;
const CLIENT_WORD = 8;
const SIDE_WORDS = 16;
const W_LIMIT = weird('limit.http.websockets');

/** Words of all rows. A live binding: it grows. */
export let sockets: Int32Array = new Int32Array(ROWS_FIRST * ROW_WORDS);
/** The same as doubles, and as bytes. */
export let socketDoubles: Float64Array = new Float64Array(sockets.buffer);
export let socketBytes: Uint8Array = new Uint8Array(sockets.buffer);

export const S_EXTENSIONS = 0;
export const S_CLOSE = 1;
const S_FREE = 2;

export const D_STATE = 0;
export const D_SIDE = 1;
export const D_HEADER_BYTES = 2;
/** FIN, reserved bits and opcode. */
export const D_FIRST = 3;
/** 14 bytes at most, while a segment boundary cuts the header. */
export const D_HEADER = 4;
/** Index into `socketDoubles`: `(d + D_REMAINING) >> 1`. */
export const D_REMAINING = 8;
export const D_MESSAGE_BYTES = 10;
export const D_MESSAGE = 12;
export const D_KEY = 13;
export const D_CONTROL_BYTES = 14;
export const D_CODE = 15;

// States of a direction.
export const HEADER = 0;
export const PAYLOAD = 1;
/** It has sent its Close frame. */
export const ENDED = 2;
/** Its bytes are counted only. */
export const LEFT_ALONE = 3;

// Extensions that the handshake agreed on.
export const PLAIN = 0;
export const DEFLATE = 1;
/** One that is not known, or the handshake was not seen whole: reserved bits and opcodes may mean anything. */
export const UNKNOWN_EXTENSION = 2;

let rowsUsed = 1;
let firstFree = 0;

/** A new connection. Gives the direction of its client, or 0 when there are too many. */
export function openSocket(extensions: number): number {
  let row = firstFree;
  if (row !== 0) firstFree = sockets[row * ROW_WORDS + S_FREE];
  else {
    if (rowsUsed === ROWS_MAX) {
      raise(W_LIMIT);
      return 0;
    }
    row = rowsUsed++;
    if (rowsUsed * ROW_WORDS > sockets.length) grow();
  }
  const s = row * ROW_WORDS;
  sockets.fill(0, s, s + ROW_WORDS);
  sockets[s + S_EXTENSIONS] = extensions;
  sockets[s + CLIENT_WORD + SIDE_WORDS + D_SIDE] = 1;
  return s + CLIENT_WORD;
}

function grow(): void {
  const larger = new Int32Array(sockets.length * 2);
  larger.set(sockets);
  sockets = larger;
  socketDoubles = new Float64Array(larger.buffer);
  socketBytes = new Uint8Array(larger.buffer);
}

/** The direction of the server, from that of the client. */
export function serverOf(client: number): number {
  return client + SIDE_WORDS;
}

/** The word of the row of a direction. */
export function rowOf(d: number): number {
  return d - (d % ROW_WORDS);
}

/** Gives the row back. */
export function releaseSocket(d: number): void {
  const s = rowOf(d);
  sockets[s + S_FREE] = firstFree;
  firstFree = s / ROW_WORDS;
}

export function resetSockets(): void {
  rowsUsed = 1;
  firstFree = 0;
}
