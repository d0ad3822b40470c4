/**
 * Messages of WebSocket (RFC 6455, 5.4 and 5.5): which frames make one, how many there were and how large, and with what
 * code the connection was closed. Counters are by sender; bytes are those of the payload on the wire, so of a compressed
 * message (permessage-deflate, RFC 7692) the compressed ones.
 *
 *   text or binary, FIN                                          one message
 *   text or binary | continuation ... | continuation, FIN        one message in fragments; control frames may stand between
 *   Close:  +----+----+ ========= +                              code, big endian, and a reason in UTF-8; or nothing at all
 *           |  code   |  reason   |
 *           +----+----+ ========= +
 *
 * A message is counted when its last byte has come. One of which a part was not seen is `websocket.incomplete`, and a
 * message as well if its end came. The code of a connection is that of its first Close frame (7.1.5).
 * Left out: reasons are not kept; UTF-8 of text is not checked.
 */
import { bytes } from '../base/arena.ts';
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import { COMPRESSED, INCOMPLETE, OPAQUE } from './message-flags.ts';
import { addPart, beginMessage, endMessage, recording } from './recorder.ts';
import * as s from './sockets.ts';

const B = bytes;
const C = counts;
const M = recording;
const { S_EXTENSIONS, S_CLOSE, D_STATE, D_SIDE, D_FIRST, D_MESSAGE, D_MESSAGE_BYTES, D_KEY, D_CONTROL_BYTES, D_CODE } = s;

const FIN = 0x80;
const RESERVED_BITS = 0x70;
const COMPRESSED_BIT = 0x40;
export const OPCODE = 0x0f;
/** The bit of an opcode that all control frames have. */
export const CONTROL = 0x08;
const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
const PONG = 10;

const SIDES = ['client', 'server'] as const;
/** By side, then text and binary. */
const MESSAGES = SIDES.flatMap((side) => [`${side}-text`, `${side}-binary`]).map((of) => counter(`websocket.messages{${of}}`));
const BYTES = SIDES.flatMap((side) => [`${side}-text`, `${side}-binary`]).map((of) => counter(`websocket.bytes{${of}}`));
/** By side, then close, ping and pong. */
const CONTROLS = SIDES.flatMap((side) => [`${side}-close`, `${side}-ping`, `${side}-pong`]).map((of) =>
  counter(`websocket.control{${of}}`),
);
const DEFLATED = SIDES.map((side) => counter(`websocket.compressed{${side}}`));
const PARTIAL = SIDES.map((side) => counter(`websocket.incomplete{${side}}`));

const W_RESERVED_BITS = weird('http.websocket.reserved_bits');
const W_RESERVED_OPCODE = weird('http.websocket.reserved_opcode');
const W_CONTROL_FRAGMENTED = weird('http.websocket.control_fragmented');
const W_STRAY = weird('http.websocket.stray_continuation');
const W_INSIDE = weird('http.websocket.message_inside_message');
const W_BAD_CLOSE = weird('http.websocket.bad_close');

// Codes that no Close frame carries (RFC 6455, 7.4.1).
const NO_STATUS = 1005;
const ABNORMAL = 1006;
/** Ours: a Close frame, or a part of the connection in which one may have been, was not seen. */
const UNKNOWN_CODE = -1;
const INVALID_CODE = -2;
const STILL_OPEN = -3;

const CODE_FIRST = 1000;
const CODE_LAST = 1014;
const codes = Array.from({ length: CODE_LAST - CODE_FIRST + 1 }, (_, i) => counter(`websocket.closes{${CODE_FIRST + i}}`));
const REGISTERED = counter('websocket.closes{3000-3999}');
const PRIVATE = counter('websocket.closes{4000-4999}');
const INVALID = counter('websocket.closes{invalid}');
const UNSEEN = counter('websocket.closes{unknown}');
const OPEN = counter('websocket.closes{still-open}');

/** A frame of `length` payload bytes begins. Gives the weird that it is, or -1 when it keeps the rules. */
export function beginFrame(d: number, first: number, length: number): number {
  const S = s.sockets;
  const extensions = S[s.rowOf(d) + S_EXTENSIONS];
  const opcode = first & OPCODE;
  const isData = opcode === TEXT || opcode === BINARY;
  if (extensions !== s.UNKNOWN_EXTENSION) {
    // RFC 7692, 6: the bit stands in the first frame of a data message only.
    const allowed = extensions === s.DEFLATE && isData ? COMPRESSED_BIT : 0;
    if (first & RESERVED_BITS & ~allowed) return W_RESERVED_BITS;
    if (opcode > PONG || (opcode > BINARY && opcode < CLOSE)) return W_RESERVED_OPCODE;
  }
  if (opcode & CONTROL) {
    if ((first & FIN) === 0) return W_CONTROL_FRAGMENTED;
    if (opcode === CLOSE && length === 1) return W_BAD_CLOSE;
    S[d + D_CONTROL_BYTES] = 0;
    S[d + D_CODE] = 0;
    return -1;
  }
  if (opcode > BINARY) return -1;
  const m = (d + D_MESSAGE_BYTES) >> 1;
  if (isData) {
    if (S[d + D_MESSAGE] !== 0) return W_INSIDE;
    S[d + D_MESSAGE] = opcode | (extensions === s.DEFLATE && first & COMPRESSED_BIT ? COMPRESSED : 0);
    s.socketDoubles[m] = 0;
    if (M[0] !== 0) beginMessage(d, (S[d + D_MESSAGE] & COMPRESSED) !== 0);
  } else if (S[d + D_MESSAGE] === 0) return W_STRAY;
  if (extensions === s.UNKNOWN_EXTENSION && first & RESERVED_BITS) S[d + D_MESSAGE] |= OPAQUE;
  s.socketDoubles[m] += length;
  if (M[0] !== 0) addPart(d);
  return -1;
}

/** The payload of the frame under way has ended. */
export function endFrame(d: number): void {
  const S = s.sockets;
  const first = S[d + D_FIRST];
  const opcode = first & OPCODE;
  const side = S[d + D_SIDE];
  if (opcode >= CLOSE && opcode <= PONG) {
    C[CONTROLS[side * 3 + opcode - CLOSE]]++;
    S[d + s.D_CONTROLS]++;
    if (opcode === CLOSE) endClose(d);
    return;
  }
  if (opcode > BINARY || (first & FIN) === 0) return;
  const message = S[d + D_MESSAGE];
  const isBinary = (message & OPCODE) === BINARY ? 1 : 0;
  const i = side * 2 + isBinary;
  const length = s.socketDoubles[(d + D_MESSAGE_BYTES) >> 1];
  C[MESSAGES[i]]++;
  C[BYTES[i]] += length;
  S[d + s.D_MESSAGES + isBinary]++;
  s.socketDoubles[(d + s.D_BYTES) >> 1] += length;
  if (message & COMPRESSED) C[DEFLATED[side]]++;
  if (message & INCOMPLETE) C[PARTIAL[side]]++;
  if (M[0] !== 0) endMessage(d);
  S[d + D_MESSAGE] = 0;
}

/** Payload of a Close frame: the code is in its first two bytes. */
export function readClose(d: number, at: number, end: number): void {
  const S = s.sockets;
  for (let p = at; p < end && S[d + D_CONTROL_BYTES] < 2; p++) {
    const i = S[d + D_CONTROL_BYTES]++;
    if (S[d + D_CODE] >= 0) S[d + D_CODE] = (S[d + D_CODE] << 8) | (B[p] ^ ((S[d + D_KEY] >>> (24 - 8 * i)) & 0xff));
  }
}

function endClose(d: number): void {
  const S = s.sockets;
  let code = S[d + D_CODE];
  if (code >= 0 && S[d + D_CONTROL_BYTES] === 0) code = NO_STATUS;
  else if (code >= 0 && !maySend(code)) {
    raise(W_BAD_CLOSE);
    code = INVALID_CODE;
  }
  const row = s.rowOf(d);
  if (S[row + S_CLOSE] === 0) S[row + S_CLOSE] = code;
}

/** Whether a Close frame may carry this code (RFC 6455, 7.4; 1012 to 1014 by the registry of IANA). */
function maySend(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= CODE_LAST) || (code >= 3000 && code <= 4999);
}

/** A part of the payload of the frame under way was lost. */
export function missPayload(d: number): void {
  const S = s.sockets;
  const opcode = S[d + D_FIRST] & OPCODE;
  if (opcode === CLOSE) {
    if (S[d + D_CONTROL_BYTES] < 2) S[d + D_CODE] = UNKNOWN_CODE;
  } else if (opcode <= BINARY) S[d + D_MESSAGE] |= INCOMPLETE;
}

/** The message under way will not be seen to its end. Its bytes are those that came, and those that are known to be missing. */
export function stopMessage(d: number): void {
  const S = s.sockets;
  if (S[d + D_STATE] === s.PAYLOAD && (S[d + D_FIRST] & OPCODE) <= BINARY) {
    s.socketDoubles[(d + D_MESSAGE_BYTES) >> 1] -= s.socketDoubles[(d + s.D_REMAINING) >> 1];
  }
  if (S[d + D_STATE] !== s.LEFT_ALONE && S[d + D_MESSAGE] !== 0) {
    C[PARTIAL[S[d + D_SIDE]]]++;
    S[d + D_MESSAGE] |= INCOMPLETE;
    if (M[0] !== 0) endMessage(d);
  }
  S[d + D_MESSAGE] = 0;
}

/** How the connection ended, for the counters; the code, or a negative number. */
export function noteClose(client: number, isOver: boolean): number {
  const S = s.sockets;
  let code = S[s.rowOf(client) + S_CLOSE];
  if (code === 0) {
    const isBlind = S[client + D_STATE] === s.LEFT_ALONE || S[s.serverOf(client) + D_STATE] === s.LEFT_ALONE;
    code = isBlind ? UNKNOWN_CODE : isOver ? ABNORMAL : STILL_OPEN;
  }
  C[cellOf(code)]++;
  return code;
}

function cellOf(code: number): number {
  if (code >= CODE_FIRST && code <= CODE_LAST) return codes[code - CODE_FIRST];
  if (code >= 4000) return PRIVATE;
  if (code >= 3000) return REGISTERED;
  return code === INVALID_CODE ? INVALID : code === STILL_OPEN ? OPEN : UNSEEN;
}
