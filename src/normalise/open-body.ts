/**
 * Opening a body: the kept bytes of one side as the record shows them, with content-codings undone where they can be, and
 * messages of gRPC and Protocol Buffers as JSON (grpc/rendering.ts).
 * What looks at bodies before they are recorded opens them itself, may put other bytes in their place, and then lets
 * the encoder write what `opened` says.
 */
import { bytes } from '../base/arena.ts';
import type { Settings } from '../base/settings.ts';
import { OPAQUE_MAX } from '../grpc/json-out.ts';
import { bodyKind, NO_KIND } from '../grpc/media-type.ts';
import { opaqueWords, renderBody, renderingIsCut, renderingOf, resetRendering } from '../grpc/rendering.ts';
import { contentStatus, decodeContent } from '../http/content-coding.ts';
import { CODING_CORRUPT } from '../http/head.ts';
import { CORRUPT, OUTPUT_FULL } from '../http/inflate.ts';
import * as t from '../http/transaction.ts';

const B = bytes;
const K = t.calls;
const D = t.doubles;
const COMMA = 44;
/** Bytes of one Content-Encoding field, and of all of them, that are looked at. */
const FIELD_BYTES_MAX = 1024;
const CODINGS_BYTES_MAX = 4096;
/** Room that `openBody` needs. */
export const OPENED_BYTES_MAX: number = 1 << 20;

/** Words for each side of the call at hand: where its text lies, and what was done with it. */
export const opened: Int32Array = new Int32Array(16);
const O = opened;
export const O_REQUEST = 0;
export const O_RESPONSE = 8;
export const O_AT = 0;
export const O_END = 1;
/** 1: a coding was undone. */
export const O_DECODED = 2;
/** 1: it is not the whole body. */
export const O_CUT = 3;
/** OF_PROTOBUF ... of grpc/rendering.ts: it is a rendering of messages. */
export const O_RENDERED = 4;
/** Words of `opaqueOf` that are filled. */
export const O_OPAQUE = 5;
/** By side: strings of a rendering that must not be seen as they stand (grpc/json-out.ts). */
export const opaqueOf: readonly [Int32Array, Int32Array] = [new Int32Array(2 * OPAQUE_MAX), new Int32Array(2 * OPAQUE_MAX)];
/** Half of the room is for what is decoded, half for its rendering. */
const RENDERING_AT = OPENED_BYTES_MAX / 2;
/** A rendering may be so much longer than the body that is kept. */
const RENDERING_FACTOR = 16;
const RENDERING_BYTES_MIN = 4096;

let bodyBytes = 0;
/** By side: the call whose body `openOnce` opened last; -1: none. */
const openFor = new Int32Array([-1, -1]);

export function resetOpening(settings: Settings): void {
  bodyBytes = settings.http.bodyBytes;
  resetRendering(bodyBytes);
}

/**
 * As `openBody`, once for each call: a filter and masking ask for the same. What `room` holds must stay until `forgetOpened`,
 * which a new call, and whoever puts other bytes into `opened`, must call.
 */
export function openOnce(call: number, side: number, room: number): void {
  const i = side === t.REQUEST ? 0 : 1;
  if (openFor[i] === call) return;
  openBody(call, side, room);
  openFor[i] = call;
}

export function forgetOpened(): void {
  openFor[0] = openFor[1] = -1;
}

let decodings = 0;

/** How many bodies had their codings undone since the start. */
export function bodiesDecoded(): number {
  return decodings;
}

/** Opens the body of one side (REQUEST or RESPONSE) into `opened`; uses OPENED_BYTES_MAX bytes at `room` when it has to decode. */
export function openBody(call: number, side: number, room: number): void {
  const k = call << t.CALL_SHIFT;
  const s = k + side;
  const d = (call << 5) + (side === t.REQUEST ? t.D_REQUEST : t.D_RESPONSE);
  const i = side === t.REQUEST ? O_REQUEST : O_RESPONSE;
  openFor[side === t.REQUEST ? 0 : 1] = -1;
  const at = K[s + t.S_BODY];
  const kept = K[s + t.S_KEPT];
  const gap = D[d + t.D_GAP];
  O[i + O_AT] = at;
  O[i + O_END] = at + kept;
  O[i + O_DECODED] = 0;
  O[i + O_CUT] = gap > 0 || kept < D[d + t.D_BODY] ? 1 : 0;
  O[i + O_RENDERED] = 0;
  O[i + O_OPAQUE] = 0;
  if (kept === 0) return;
  if (K[s + t.S_CODING] !== 0) undoCodings(k, s, i, at, at + kept, room);
  // What is still coded is no message.
  if ((K[k + t.C_FLAGS] & t.HAS_MESSAGES) !== 0 && (K[s + t.S_CODING] === 0 || O[i + O_DECODED] !== 0)) render(k, side, i, room);
}

/** Messages are shown as JSON, where they can be read. */
function render(k: number, side: number, i: number, room: number): void {
  const s = k + side;
  if (K[s + t.S_TYPE] === 0) return;
  const block = K[s + t.S_HEAD];
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  const kind = bodyKind(t.valueAt(block, table, K[s + t.S_TYPE] - 1), t.valueEnd(block, table, K[s + t.S_TYPE] - 1));
  const at = O[i + O_AT];
  const end = O[i + O_END];
  if (kind === NO_KIND || at === end) return;
  const to = room + RENDERING_AT;
  const most = RENDERING_FACTOR * bodyBytes + RENDERING_BYTES_MIN;
  const toEnd = to + (most < RENDERING_AT ? most : RENDERING_AT);
  const opaque = opaqueOf[side === t.REQUEST ? 0 : 1];
  const stop = renderBody(k, side, kind, at, end, O[i + O_CUT] !== 0, to, toEnd, opaque);
  if (stop < 0) return;
  O[i + O_AT] = to;
  O[i + O_END] = stop;
  O[i + O_RENDERED] = renderingOf;
  O[i + O_OPAQUE] = opaqueWords;
  if (renderingIsCut) O[i + O_CUT] = 1;
}

function undoCodings(k: number, s: number, i: number, at: number, end: number, room: number): void {
  decodings++;
  const n = decode(k, s, at, end, room);
  if (n < 0) return;
  O[i + O_AT] = room;
  O[i + O_END] = room + n;
  O[i + O_DECODED] = 1;
  const status = contentStatus[0];
  if (status === OUTPUT_FULL || status === CORRUPT) O[i + O_CUT] = 1;
  if (status === CORRUPT) K[k + t.C_WEIRDS] |= CODING_CORRUPT;
}

/** Content-decodes the kept bytes into `room`; -1 when they stay as they are. */
function decode(k: number, s: number, at: number, end: number, room: number): number {
  const block = K[s + t.S_HEAD];
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  const coding = K[s + t.S_CODING] - 1;
  let codingAt = t.valueAt(block, table, coding);
  let codingEnd = t.valueEnd(block, table, coding);
  if (K[k + t.C_FLAGS] & t.SEVERAL_CODINGS) {
    // RFC 9110, 5.3: several fields of one name are one list.
    codingAt = room + OPENED_BYTES_MAX - 2 * CODINGS_BYTES_MAX;
    codingEnd = codingAt;
    for (let i = 0; i < K[s + t.S_FIELDS] && codingEnd < codingAt + CODINGS_BYTES_MAX; i++) {
      const n = t.nameAt(block, table, i);
      const e = t.nameEnd(block, table, i);
      if (e - n !== 16 || B.toString('latin1', n, e).toLowerCase() !== 'content-encoding') continue;
      const v = t.valueAt(block, table, i);
      const stop = Math.min(t.valueEnd(block, table, i), v + FIELD_BYTES_MAX);
      if (codingEnd > codingAt) B[codingEnd++] = COMMA;
      B.copyWithin(codingEnd, v, stop);
      codingEnd += stop - v;
    }
  }
  return decodeContent(codingAt, codingEnd, at, end, room, room + bodyBytes);
}
