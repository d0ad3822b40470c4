/**
 * The kept part of a body of gRPC, gRPC-Web or Protocol Buffers as JSON, a line for each message:
 *
 *   00 00000005 0a03616e6e  01 00000017 1f8b08...  80 0000000d grpc-status:5 CR LF
 *   {"1":"ann"}
 *   {"1":"a longer one, which was compressed"}
 *   {"grpc-status":"5"}                                 the trailers of gRPC-Web
 *
 * What is not a message, and messages that are compressed in a way that is not known, are strings of base64, and noted as such
 * (json-out.ts). A body that does not begin as a message does is none of gRPC, whatever its label. Messages of the codec json stand as they came; those of others are base64.
 *
 * Bounds: the room that the caller gives; messages that were compressed have the length of a kept body together
 * (`http.bodyBytes`), the rest is cut, and each that cannot be opened costs a sixteenth of it. A body that finds no block stays as it is.
 */
import { bytes } from '../base/arena.ts';
import { base64Rest, undoPiece } from '../base/base64.ts';
import { release, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import { contentStatus, decodeContent } from '../http/content-coding.ts';
import { CORRUPT, DONE, OUTPUT_FULL } from '../http/inflate.ts';
import * as t from '../http/transaction.ts';
import type { Descriptors, MessageType } from './descriptor.ts';
import { beginOut, hasRoom, IS_BYTES, IS_PART, out, putBase64, putByte, putText } from './json-out.ts';
import { begins, GRPC_WEB_TEXT, JSON_CODEC, KIND_MASK, OTHER_CODEC, PROTOBUF } from './media-type.ts';
import { CLOSING_BYTES, putMessageOf } from './protobuf.ts';

const B = bytes;
const K = t.calls;
const T = out;
const PREFIX_BYTES = 5;
/** So many messages of a body that cannot be opened cost as much as all that may be. */
const FAULTS_MAX = 16;
const LF = 10;
const CR = 13;
const SLASH = 47;
const QUESTION_MARK = 63;
const COMMA = 44;
const COLON = 58;
const PERCENT = 37;
const W_ROOM = weird('limit.grpc.rendering_bytes');
const W_COMPRESSION = weird('grpc.messages.not_opened');
const ENCODING = Buffer.from('grpc-encoding', 'latin1');
const MESSAGE = Buffer.from('grpc-message', 'latin1');

// What a rendering is of: in the record's word for it. 0: the body is as it was.
export const OF_PROTOBUF = 1;
export const OF_JSON = 2;
export const OF_BYTES = 3;
export const renderedNames: readonly string[] = ['', 'protobuf', 'json', 'base64'];

let descriptors: Descriptors | null = null;

/** From now on fields have the names that these give them; null: none. */
export function useDescriptors(given: Descriptors | null): void {
  descriptors = given;
}

/** Bytes that compressed messages of one body may have in all. */
let inflatedBytesMax = 0;

export function resetRendering(bodyBytes: number): void {
  inflatedBytesMax = bodyBytes;
}

/** Whether more follows than the rendering shows, although the body was whole. */
export let renderingIsCut = false;
/** OF_PROTOBUF, OF_JSON or OF_BYTES. */
export let renderingOf = 0;
/** Words of `opaque` that are filled, two for each string. */
export let opaqueWords = 0;

/**
 * Writes the body [at, end) of one side of the call at `k`, which has this kind, at `to`; returns where it ends, or -1 when the body
 * cannot be shown so. `opaque` takes what must not be seen as it stands.
 */
export function renderBody(
  k: number,
  side: number,
  kind: number,
  at: number,
  end: number,
  isCut: boolean,
  to: number,
  toEnd: number,
  opaque: Int32Array,
): number {
  const stop = toEnd - CLOSING_BYTES;
  renderingOf = kind & OTHER_CODEC ? OF_BYTES : kind & JSON_CODEC ? OF_JSON : OF_PROTOBUF;
  const type = renderingOf === OF_PROTOBUF ? typeOf(k, side) : null;
  beginOut(to, stop, opaque);
  if ((kind & KIND_MASK) === PROTOBUF) {
    if (isText(at, end)) return -1;
    beginOut(to, stop, opaque);
    if (!putMessageOf(at, end, isCut, type)) return -1;
  } else if ((kind & KIND_MASK) === GRPC_WEB_TEXT) {
    const block = reserve(end - at);
    if (block === 0) return -1;
    try {
      base64Rest.fill(0);
      const stopAt = undoPiece(at, end, block, true);
      if (!beginsMessage(block, stopAt)) return -1;
      putMessages(k, side, block, stopAt, isCut, type);
    } finally {
      release(block);
    }
  } else {
    if (!beginsMessage(at, end)) return -1;
    putMessages(k, side, at, end, isCut, type);
  }
  renderingIsCut = T.isFull;
  opaqueWords = 2 * T.opaqueCount;
  if (T.isFull) raise(W_ROOM);
  return T.at;
}

function beginsMessage(at: number, end: number): boolean {
  return at < end && (B[at] & 0x7e) === 0;
}

/** What is labelled as a message and reads as a text from end to end. A message may do so when it begins with a line break. */
function isText(at: number, end: number): boolean {
  const first = B[at];
  return first !== LF && first !== CR && first !== 9 && (putText(at, end, false, 0) || T.isFull);
}

/** The type of the messages of a side, by the last two segments of the path; null when it is not known. */
function typeOf(k: number, side: number): MessageType | null {
  if (descriptors === null || K[k + t.REQUEST + t.S_HEAD] === 0) return null;
  const block = K[k + t.REQUEST + t.S_HEAD];
  const at = block + K[k + t.REQUEST + t.S_TEXT];
  let end = at;
  const stop = block + K[k + t.REQUEST + t.S_TEXT_END];
  while (end < stop && B[end] !== QUESTION_MARK) end++;
  let p = end;
  for (let slashes = 0; p > at; p--) if (B[p - 1] === SLASH && ++slashes === 2) break;
  const method = descriptors.methods.get(B.toString('latin1', p, end));
  if (method === undefined) return null;
  return side === t.REQUEST ? method.input : method.output;
}

function putMessages(k: number, side: number, at: number, end: number, isCut: boolean, type: MessageType | null): void {
  let inflated = 0;
  let p = at;
  while (p < end && !T.isFull) {
    const before = T.at;
    if (p > at) {
      if (!hasRoom(1)) break;
      putByte(LF);
    }
    const start = T.at;
    const flags = B[p];
    if (end - p < PREFIX_BYTES || (flags & 0x7e) !== 0) {
      // Not the prefix of a message, or only a part of one.
      if (end - p >= PREFIX_BYTES || !isCut) putBase64(p, end, IS_PART);
      if (T.at === start) T.at = before;
      return;
    }
    const length = ((B[p + 1] << 24) | (B[p + 2] << 16) | (B[p + 3] << 8) | B[p + 4]) >>> 0;
    const from = p + PREFIX_BYTES;
    const isPart = length > end - from;
    const to = isPart ? end : from + length;
    if (isPart && to === from) {
      T.at = before;
      return;
    }
    if (flags === 0x80) putTrailers(from, to, isPart);
    else if (flags === 0) putOne(from, to, isPart, type);
    else if (flags === 1) inflated += putCompressed(k, side, from, to, isPart, type, inflatedBytesMax - inflated);
    else putBase64(from, to, IS_PART);
    if (T.at === start) T.at = before;
    p = to;
  }
}

/** A message that is not compressed. */
function putOne(at: number, end: number, isPart: boolean, type: MessageType | null): void {
  if (renderingOf === OF_PROTOBUF) {
    if (!putMessageOf(at, end, isPart, type) && !T.isFull) putBase64(at, end, isPart ? IS_PART : IS_BYTES);
  } else if (renderingOf === OF_JSON) {
    if (!hasRoom(end - at)) return;
    B.copyWithin(T.at, at, end);
    T.at += end - at;
  } else putBase64(at, end, isPart ? IS_PART : IS_BYTES);
}

/** Returns how many of the bytes that compressed messages may have it has cost. */
function putCompressed(
  k: number,
  side: number,
  at: number,
  end: number,
  isPart: boolean,
  type: MessageType | null,
  bytesMax: number,
): number {
  const s = k + side;
  const head = K[s + t.S_HEAD];
  const table = t.fieldTable(head, K[s + t.S_HEAD_BYTES]);
  const field = findField(head, table, K[s + t.S_FIELDS], ENCODING);
  const block = field < 0 || bytesMax <= 0 ? 0 : reserve(bytesMax);
  if (block === 0) {
    raise(W_COMPRESSION);
    putBase64(at, end, IS_PART);
    return 0;
  }
  try {
    const codingAt = t.valueAt(head, table, field);
    const n = decodeContent(codingAt, t.valueEnd(head, table, field), at, end, block, block + bytesMax);
    if (n < 0 || contentStatus[0] === CORRUPT) {
      raise(W_COMPRESSION);
      putBase64(at, end, IS_PART);
      return Math.max(n, Math.ceil(inflatedBytesMax / FAULTS_MAX));
    }
    putOne(block, block + n, isPart || contentStatus[0] !== DONE, type);
    return contentStatus[0] === OUTPUT_FULL ? bytesMax : n;
  } finally {
    release(block);
  }
}

/** The number of the field of this name, in small letters; -1 when there is none. */
export function findField(block: number, table: number, fields: number, name: Uint8Array): number {
  for (let i = 0; i < fields; i++) {
    const at = t.nameAt(block, table, i);
    const end = t.nameEnd(block, table, i);
    if (end - at === name.length && begins(at, end, name)) return i;
  }
  return -1;
}

/** Trailers of gRPC-Web as an object: name and value of each line. */
function putTrailers(at: number, end: number, isPart: boolean): void {
  if (!hasRoom(2)) return;
  putByte(123);
  let isFirst = true;
  for (let p = at; p < end; ) {
    let stop = p;
    while (stop < end && B[stop] !== LF) stop++;
    const isCutLine = isPart && stop === end;
    let colon = p;
    while (colon < stop && B[colon] !== COLON) colon++;
    const next = stop + 1;
    if (stop > p && B[stop - 1] === CR) stop--;
    let valueAt = colon + 1;
    while (valueAt < stop && B[valueAt] === 32) valueAt++;
    if (colon >= stop) {
      p = next;
      continue;
    }
    const before = T.at;
    if (!isFirst && hasRoom(1)) putByte(COMMA);
    if (!putName(p, colon) || !putTrailer(p, colon, valueAt, stop, isCutLine)) {
      T.at = before;
      break;
    }
    isFirst = false;
    p = next;
  }
  putByte(125);
}

function putName(at: number, end: number): boolean {
  if (!putText(at, end, true, 0) || !hasRoom(1)) return false;
  putByte(COLON);
  return true;
}

/** Metadata that is no text has a name with -bin, and is base64 already. */
function putTrailer(nameAt: number, nameEnd: number, at: number, end: number, isCut: boolean): boolean {
  const isBinary = nameEnd - nameAt > 4 && begins(nameEnd - 4, nameEnd, BIN);
  const why = isCut ? IS_PART : isBinary && end > at ? IS_BYTES : 0;
  if (begins(nameAt, nameEnd, MESSAGE) && nameEnd - nameAt === MESSAGE.length && why === 0) {
    const block = reserve(end - at + 1);
    if (block === 0) return false;
    const isWritten = putText(block, undoPercent(at, end, block), true, 0) || (!T.isFull && putText(at, end, true, 0));
    release(block);
    return isWritten;
  }
  return putText(at, end, true, why) || (!T.isFull && putBase64(at, end, why === 0 ? IS_BYTES : why));
}
const BIN = Buffer.from('-bin', 'latin1');

function hexOf(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const l = c | 32;
  return l >= 97 && l <= 102 ? l - 87 : -1;
}

/** Undoes percent-coding (gRPC over HTTP/2, Status-Message); returns the end of what was written. */
export function undoPercent(at: number, end: number, to: number): number {
  let o = to;
  for (let p = at; p < end; p++) {
    const h = B[p] === PERCENT && p + 2 < end ? hexOf(B[p + 1]) : -1;
    const l = h < 0 ? -1 : hexOf(B[p + 2]);
    if (l < 0) B[o++] = B[p];
    else {
      B[o++] = (h << 4) | l;
      p += 2;
    }
  }
  return o;
}
