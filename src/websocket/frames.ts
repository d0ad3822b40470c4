/**
 * Frames of WebSocket (RFC 6455, 5.2), from wherever their bytes come: a stretch of one direction in, which may begin and
 * end anywhere. Payload is passed over; what the frames mean is said by messages.ts.
 *
 *    0               1               2 ...
 *   +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +- - - - - - - - - - - -+=============+
 *   |F|R|R|R| opcode|M|   length    | extended length, big endian   | masking key           | payload     |
 *   |I|S|S|S|       |A|             | length 126: 2 bytes           | 4 bytes if MASK       | xor of key  |
 *   |N|V|V|V|  4    |S|     7       | length 127: 8 bytes           |                       | and content |
 *   | |1|2|3|       |K|             | else none                     |                       | if MASK     |
 *   +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +- - - - - - - - - - - -+=============+
 *   opcodes: 0 continuation, 1 text, 2 binary, 8 close, 9 ping, a pong; others reserved
 *
 * A frame that breaks the rules ends the reading of its direction, as it ends the connection for its receiver: from there
 * on the bytes are counted only (`websocket.unread_bytes`). Only a length in more bytes than needed is read on, because
 * receivers do the same. After a hole inside a payload the place is known and the reading goes on; after any other it is
 * not, and no search is made: payload is not to be told from a header.
 * Bounds: nothing is kept but a header of at most 14 bytes; where messages make records, see recorder.ts.
 */
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import { pushEnd, type SocketTotals } from './finished-messages.ts';
import { BINARY, beginFrame, CLOSE, CONTROL, endFrame, missPayload, noteClose, OPCODE, readClose, stopMessage } from './messages.ts';
import { closeTalk, headerTimeUs, keepPayload, missPart, recording } from './recorder.ts';
import * as s from './sockets.ts';

const B = bytes;
const C = counts;
const NOW = packetTimeUs;
const M = recording;
const H_TIME = headerTimeUs;
const { D_STATE, D_SIDE, D_HEADER_BYTES, D_FIRST, D_HEADER, D_REMAINING, D_KEY, HEADER, PAYLOAD, ENDED, LEFT_ALONE } = s;

const UNREAD = counter('websocket.unread_bytes');
const FRAMES = [counter('websocket.frames{client}'), counter('websocket.frames{server}')];
const W_AFTER_CLOSE = weird('http.websocket.after_close');
const W_UNMASKED = weird('http.websocket.unmasked_client');
const W_MASKED = weird('http.websocket.masked_server');
const W_NOT_MINIMAL = weird('http.websocket.length_not_minimal');
const W_TOO_LARGE = weird('http.websocket.length_too_large');
const W_CONTROL_LONG = weird('http.websocket.control_too_long');
const W_LOST_PLACE = weird('http.websocket.lost_place');

const MASK = 0x80;
const CONTROL_BYTES_MAX = 125;
/** Of the upper half of a 64-bit length: from here on the number is not exact, and no such frame exists. */
const HIGH_MAX = 1 << 21;

/** Reads `[at, end)` as the next bytes of direction `d`. */
export function readFrames(d: number, at: number, end: number): void {
  const S = s.sockets;
  const L = s.socketDoubles;
  const r = (d + D_REMAINING) >> 1;
  let p = at;
  L[(d + s.D_LAST_TIME) >> 1] = NOW[0];
  while (p < end) {
    switch (S[d + D_STATE]) {
      case PAYLOAD: {
        const length = L[r] < end - p ? L[r] : end - p;
        if ((S[d + D_FIRST] & OPCODE) === CLOSE) readClose(d, p, p + length);
        else if (M[0] !== 0 && (S[d + D_FIRST] & OPCODE) <= BINARY) keepPayload(d, p, p + length, L[r] - length);
        p += length;
        L[r] -= length;
        if (L[r] === 0) finishFrame(d);
        break;
      }
      case HEADER:
        p = readHeader(d, p, end);
        break;
      case ENDED:
        raise(W_AFTER_CLOSE);
        leave(d, s.BROKEN);
        break;
      default:
        C[UNREAD] += end - p;
        return;
    }
  }
}

/** A header, or as much of it as is there; returns the offset behind that. */
function readHeader(d: number, at: number, end: number): number {
  const S = s.sockets;
  const before = S[d + D_HEADER_BYTES];
  if (before === 0 && end - at >= 2) {
    const length = headerBytes(B[at + 1]);
    if (end - at >= length) {
      takeHeader(d, B, at);
      return at + length;
    }
  }
  const H = s.socketBytes;
  const to = (d + D_HEADER) << 2;
  const t = (d + s.D_HEADER_TIME) >> 1;
  if (before === 0) s.socketDoubles[t] = NOW[0];
  let n = before;
  let p = at;
  while (p < end) {
    H[to + n++] = B[p++];
    if (n >= 2 && n === headerBytes(H[to + 1])) {
      S[d + D_HEADER_BYTES] = 0;
      H_TIME[0] = s.socketDoubles[t];
      takeHeader(d, H, to);
      H_TIME[0] = 0;
      return p;
    }
  }
  S[d + D_HEADER_BYTES] = n;
  return p;
}

/** Length of a header, by its second byte. */
function headerBytes(second: number): number {
  const short = second & 0x7f;
  return 2 + (short === 127 ? 8 : short === 126 ? 2 : 0) + (second & MASK ? 4 : 0);
}

/** A whole header stands at `M[q]`. */
function takeHeader(d: number, M: Uint8Array, q: number): void {
  const S = s.sockets;
  const first = M[q];
  const second = M[q + 1];
  const side = S[d + D_SIDE];
  const masked = (second & MASK) !== 0;
  let length = second & 0x7f;
  let p = q + 2;
  let odd = -1;
  if (length === 126) {
    length = (M[p] << 8) | M[p + 1];
    p += 2;
    if (length < 126) raise(W_NOT_MINIMAL);
  } else if (length === 127) {
    const high = ((M[p] << 24) | (M[p + 1] << 16) | (M[p + 2] << 8) | M[p + 3]) >>> 0;
    const low = ((M[p + 4] << 24) | (M[p + 5] << 16) | (M[p + 6] << 8) | M[p + 7]) >>> 0;
    length = high * 0x1_0000_0000 + low;
    p += 8;
    if (high >= HIGH_MAX) odd = W_TOO_LARGE;
    else if (length < 0x1_0000) raise(W_NOT_MINIMAL);
  }
  if (masked !== (side === 0)) odd = masked ? W_MASKED : W_UNMASKED;
  if (first & CONTROL && length > CONTROL_BYTES_MAX) odd = W_CONTROL_LONG;
  if (odd < 0) odd = beginFrame(d, first, length);
  if (odd >= 0) {
    raise(odd);
    C[UNREAD] += p - q + (masked ? 4 : 0);
    leave(d, s.BROKEN);
    return;
  }
  C[FRAMES[side]]++;
  S[d + D_FIRST] = first;
  S[d + D_KEY] = masked ? (M[p] << 24) | (M[p + 1] << 16) | (M[p + 2] << 8) | M[p + 3] : 0;
  s.socketDoubles[(d + D_REMAINING) >> 1] = length;
  S[d + D_STATE] = PAYLOAD;
  if (length === 0) finishFrame(d);
}

function finishFrame(d: number): void {
  const S = s.sockets;
  S[d + D_STATE] = (S[d + D_FIRST] & OPCODE) === CLOSE ? ENDED : HEADER;
  endFrame(d);
}

/** `missing` bytes of direction `d` were lost. */
export function crossHole(d: number, missing: number): void {
  const S = s.sockets;
  const state = S[d + D_STATE];
  if (state === LEFT_ALONE) return;
  const r = (d + D_REMAINING) >> 1;
  if (state === PAYLOAD && missing <= s.socketDoubles[r]) {
    missPayload(d);
    if (M[0] !== 0 && (s.sockets[d + D_FIRST] & OPCODE) <= BINARY) missPart(d, missing);
    s.socketDoubles[r] -= missing;
    if (s.socketDoubles[r] === 0) finishFrame(d);
    return;
  }
  // The rest of the frame lies in it.
  s.socketDoubles[r] = 0;
  losePlace(d);
}

/** Where the next frame of direction `d` begins is not known. */
export function losePlace(d: number): void {
  raise(W_LOST_PLACE);
  leave(d, s.LOST);
}

function leave(d: number, why: number): void {
  stopMessage(d);
  s.sockets[d + s.D_LEFT] = why;
  s.sockets[d + D_STATE] = LEFT_ALONE;
}

/**
 * The connection of the client's direction `client` is over, or, when `isOver` is false, forgotten while it may go on. `cause`
 * is handed on as it is.
 */
export function closeSocket(client: number, isOver: boolean, cause = 0): void {
  const server = s.serverOf(client);
  stopMessage(client);
  stopMessage(server);
  const S = s.sockets;
  const L = s.socketDoubles;
  const code = noteClose(client, isOver);
  const [left, right] = [S[client + s.D_LEFT], S[server + s.D_LEFT]];
  const lastUs = Math.max(L[(client + s.D_LAST_TIME) >> 1], L[(server + s.D_LAST_TIME) >> 1]);
  pushEnd(closeTalk(client), {
    serial: s.serialOf(client),
    code,
    timeUs: NOW[0],
    lastUs,
    cause,
    isLost: left === s.LOST || right === s.LOST,
    isBroken: left === s.BROKEN || right === s.BROKEN,
    client: totalsOf(client),
    server: totalsOf(server),
  });
  s.releaseSocket(client);
}

function totalsOf(d: number): SocketTotals {
  const S = s.sockets;
  const [text, binary, controls] = [S[d + s.D_MESSAGES], S[d + s.D_MESSAGES + 1], S[d + s.D_CONTROLS]];
  return { text, binary, controls, bytes: s.socketDoubles[(d + s.D_BYTES) >> 1] };
}
