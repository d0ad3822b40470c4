/**
 * What is known of a WebSocket connection: one row of 60 int32, whatever carries it. Its reader is frames.ts, which is
 * handed the word of one direction; the client's stands at word 8 of the row, the server's at word 34.
 *
 *     0 extensions   1 code of the first Close frame, 0 none so far   2 next free row
 *     3 its number among all connections, from 1   4..7 unused
 *     8..33 client, 34..59 server:
 *        0 state   1 side (0 client, 1 server)   2 header bytes so far   3 first byte of the frame   4..7 its header
 *        8, 9 payload still to come, a double   10, 11 bytes of the message under way, a double
 *        12 kind of the message under way and its flags   13 masking key   14 payload bytes of a Close frame so far
 *        15 close code as far as it was read
 *        16, 17 when the header under way began, a double   18 messages of text   19 binary ones   20, 21 their bytes, a double
 *        22 control frames   23 why it is left alone   24, 25 when its last bytes came, a double
 *
 * Bounds: at most `limit.http.websockets` rows; a connection beyond is not followed.
 */
import { raise, weird } from '../base/weird.ts';

const ROW_WORDS = 60;
const ROWS_FIRST = 64;
const ROWS_MAX = 1 << 16;
const CLIENT_WORD = 8;
const SIDE_WORDS = 26;
const W_LIMIT = weird('limit.http.websockets');

/** Words of all rows. A live binding: it grows. */
export let sockets: Int32Array = new Int32Array(ROWS_FIRST * ROW_WORDS);
/** The same as doubles, and as bytes. */
export let socketDoubles: Float64Array = new Float64Array(sockets.buffer);
export let socketBytes: Uint8Array = new Uint8Array(sockets.buffer);

export const S_EXTENSIONS = 0;
export const S_CLOSE = 1;
const S_FREE = 2;
const S_SERIAL = 3;

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
export const D_HEADER_TIME = 16;
/** Messages of text; the binary ones in the next word. */
export const D_MESSAGES = 18;
export const D_BYTES = 20;
export const D_CONTROLS = 22;
export const D_LEFT = 23;
export const D_LAST_TIME = 24;

// States of a direction.
export const HEADER = 0;
export const PAYLOAD = 1;
/** It has sent its Close frame. */
export const ENDED = 2;
/** Its bytes are counted only. */
export const LEFT_ALONE = 3;

// Why a direction is left alone.
/** Where its frames begin is not known. */
export const LOST = 1;
/** A frame broke the rules. */
export const BROKEN = 2;

// Extensions that the handshake agreed on.
export const PLAIN = 0;
export const DEFLATE = 1;
/** One that is not known, or the handshake was not seen whole: reserved bits and opcodes may mean anything. */
export const UNKNOWN_EXTENSION = 2;

let rowsUsed = 1;
let firstFree = 0;
let serials = 0;

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
  sockets[s + S_SERIAL] = ++serials;
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

/** The number of the row of a direction; it is used again. */
export function rowNumber(d: number): number {
  return (d / ROW_WORDS) | 0;
}

/** The number of the connection of a direction; no other has it. */
export function serialOf(d: number): number {
  return sockets[rowOf(d) + S_SERIAL];
}

/** Whether the bytes of a direction are counted only. */
export function isLeftAlone(d: number): boolean {
  return sockets[d + D_STATE] === LEFT_ALONE;
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
  serials = 0;
}
