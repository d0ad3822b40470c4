/**
 * Protocol Buffers (the specification "Encoding" of Protocol Buffers) as JSON, in one pass. With the type of the message from a
 * descriptor fields have names and types; without, the bytes say what they can:
 *
 *   0a 03 61 6e 6e   10 96 01   1a 02 08 07          {"1":"ann","2":150,"3":{"1":7}}
 *   |  |  a  n  n    |  150     |  |  1: 7
 *   |  length        varint, 2  bytes, 3
 *   field 1, bytes
 *
 *   wire type   without a type                                        with one
 *   0           whole number without a sign                           as the type says: sint, bool, the name of an enum ...
 *   1, 5        the same, of 64 and 32 bits                           the same: double, float, sfixed ...
 *   2           printable UTF-8: a string; a message that parses      string, message, packed list; bytes in base64
 *               from end to end: an object; else bytes in base64
 *
 * Whole numbers beyond 2^53 are strings of digits. Elements of a field that follow each other are a list; where others stand
 * between them, the key comes again, which JSON allows and masking reads. Entries of maps are objects with key and value, which
 * masking reads as name and value. Groups are not read: a message with one is bytes.
 *
 * Of a message that is cut only what is whole is told, and of the field that the cut goes through what lies before it, as a part.
 *
 * Bounds: DEPTH_MAX levels, deeper is bytes (`limit.grpc.protobuf_depth`). What may be text, a message or bytes is looked at
 * again on each level, WORK_FACTOR times the message's length in all; beyond, it is bytes (`limit.grpc.protobuf_work`). The
 * room of json-out.ts. So time is linear whatever the bytes.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import type { FieldType, MessageType } from './descriptor.ts';
import * as d from './descriptor.ts';
import {
  hasRoom,
  IS_BYTES,
  IS_PART,
  IS_UNNAMED,
  lookedAt,
  out,
  putBase64,
  putByte,
  putBytes,
  putFloating,
  putInteger,
  putText,
} from './json-out.ts';

const B = bytes;
const V = view;
const T = out;
export const DEPTH_MAX = 100;
const WORK_FACTOR = 8;
const WORK_BYTES_MIN = 4096;
/** Brackets of all levels, two each, and what ends a string. */
export const CLOSING_BYTES: number = 2 * DEPTH_MAX + 64;
const SCALAR_BYTES = 48;
/** Fields of a message that no type vouches for: the tag has two bytes at most. */
const LIKELY_FIELD_MAX = 2047;
const FIELD_MAX = 0x1fffffff;
const RESERVED_FIRST = 19000;
const RESERVED_LAST = 19999;
const W_DEPTH = weird('limit.grpc.protobuf_depth');
const W_WORK = weird('limit.grpc.protobuf_work');

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;
const QUOTE = 34;
const COLON = 58;
const COMMA = 44;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** The varint read last. */
let low = 0;
let high = 0;
let work = 0;
let workMax = 0;

/** Steps of the last message, for tests of how they grow. */
export function workDone(): number {
  return work;
}

/** Reads a varint into `low` and `high`; where it ends, or 0 when the bytes end before it, -1 when it is none. */
function readVarint(at: number, end: number): number {
  let p = at;
  let l = 0;
  let h = 0;
  for (let i = 0; i < 10; i++) {
    if (p >= end) return 0;
    const b = B[p++];
    const v = b & 0x7f;
    if (i < 4) l |= v << (7 * i);
    else if (i === 4) {
      l |= v << 28;
      h = v >> 4;
    } else h |= v << (7 * i - 32);
    if (b < 0x80) {
      low = l;
      high = h;
      return p;
    }
  }
  return -1;
}

/** Where the value of a wire type that begins at `p` ends; beyond `end` when it is cut, -1 when there is no such value. Bytes begin at `bytesAt`. */
let bytesAt = 0;
function behind(p: number, wire: number, end: number): number {
  switch (wire) {
    case VARINT: {
      const next = readVarint(p, end);
      return next === 0 ? end + 1 : next;
    }
    case FIXED_64:
      return p + 8;
    case FIXED_32:
      return p + 4;
    case BYTES: {
      const next = readVarint(p, end);
      if (next === 0) return end + 1;
      if (next < 0 || high !== 0 || low < 0) return -1;
      bytesAt = next;
      return next + low;
    }
    default:
      return -1;
  }
}

/**
 * Whether [at, end) is fields from end to end; of a cut one as far as it goes. What is inside of fields is not looked at. With
 * `isStrict` no type vouches for it: fields with high numbers and numbers with needless bytes speak against it.
 */
function isMessage(at: number, end: number, isCut: boolean, isStrict: boolean): boolean {
  let p = at;
  while (p < end) {
    work++;
    const tagAt = p;
    p = readVarint(p, end);
    if (p === 0) return isCut;
    const field = low >>> 3;
    const wire = low & 7;
    if (p < 0 || high !== 0 || field === 0 || field > FIELD_MAX) return false;
    if (isStrict && (field > LIKELY_FIELD_MAX || (p - tagAt > 1 && B[p - 1] === 0))) return false;
    if (field >= RESERVED_FIRST && field <= RESERVED_LAST) return false;
    const next = behind(p, wire, end);
    if (next < 0) return false;
    if (isStrict && wire === VARINT && next <= end && next - p > 1 && B[next - 1] === 0) return false;
    if (next > end) return isCut;
    p = next;
  }
  return true;
}

/** Writes the message [at, end) at `out`; `type`: null when it is not known. False: it is none, and nothing was written. */
export function putMessageOf(at: number, end: number, isCut: boolean, type: MessageType | null): boolean {
  work = 0;
  workMax = WORK_FACTOR * (end - at) + WORK_BYTES_MIN;
  if (!hasRoom(2) || !isMessage(at, end, isCut, false)) return false;
  putMessage(at, end, isCut, type, 1);
  return true;
}

function putMessage(at: number, end: number, isCut: boolean, type: MessageType | null, depth: number): void {
  putByte(OPEN_OBJECT);
  let p = at;
  let isFirst = true;
  let isInList = false;
  while (p < end) {
    const tagAt = p;
    p = readVarint(p, end);
    if (p <= 0) break;
    const tagBytes = p - tagAt;
    const number = low >>> 3;
    const wire = low & 7;
    const next = behind(p, wire, end);
    const isPart = next > end;
    // Of a number that is cut nothing is known.
    if (isPart && (!isCut || wire !== BYTES || readVarint(p, end) <= 0 || bytesAt >= end)) break;
    let field = type === null ? undefined : type.fields.get(number);
    if (field !== undefined && !fits(field, wire)) field = undefined;
    const isPacked = field !== undefined && wire === BYTES && d.wireOf(field.type) !== BYTES;
    const before = T.at;
    const beginsHere = !isInList;
    const comesAgain = !isPart && sameTag(tagAt, tagBytes, next, end);
    if (!hasRoom((field === undefined ? 16 : field.key.length) + SCALAR_BYTES)) break;
    if (beginsHere) {
      if (!isFirst) putByte(COMMA);
      putKey(field, number);
      if (comesAgain || field?.isRepeated === true) {
        isInList = true;
        putByte(OPEN_LIST);
      }
    } else if (!isPacked && B[T.at - 1] !== OPEN_LIST) putByte(COMMA);
    const isWhole = isPacked
      ? putPacked(bytesAt, isPart ? end : next, field as FieldType)
      : putValue(p, isPart ? end : next, isPart, wire, field, depth);
    if (!isWhole) {
      // Nothing of it stands: the comma before it goes too, and the key, when no other element stands under it.
      if (beginsHere) isInList = false;
      T.at = before;
      break;
    }
    isFirst = false;
    if (isInList && !comesAgain) {
      isInList = false;
      putByte(CLOSE_LIST);
    }
    p = next;
  }
  if (isInList) putByte(CLOSE_LIST);
  putByte(CLOSE_OBJECT);
}

/** Whether a field of that type may come in that wire type. A list of numbers may be packed. */
function fits(field: FieldType, wire: number): boolean {
  const own = d.wireOf(field.type);
  return own === wire || (wire === BYTES && own >= 0 && field.isRepeated);
}

function putKey(field: FieldType | undefined, number: number): void {
  if (field !== undefined) {
    putBytes(field.key);
    return;
  }
  putByte(QUOTE);
  putInteger(0, number, false);
  putByte(QUOTE);
  putByte(COLON);
}

/** Whether the bytes at `next` are the same tag as those at `at`. */
function sameTag(at: number, length: number, next: number, end: number): boolean {
  if (next + length > end) return false;
  for (let i = 0; i < length; i++) if (B[at + i] !== B[next + i]) return false;
  return true;
}

/** Writes one value; [at, end) begins with the length when it has one. False: there was no room, and what was written does not count. */
function putValue(at: number, end: number, isPart: boolean, wire: number, field: FieldType | undefined, depth: number): boolean {
  if (wire !== BYTES) {
    putNumber(at, wire, field);
    return true;
  }
  const from = bytesAt;
  if (field === undefined) return putUnknown(from, end, isPart, depth);
  if (field.type === d.MESSAGE) {
    if (depth >= DEPTH_MAX) raise(W_DEPTH);
    else if (isMessage(from, end, isPart, false)) {
      if (!hasRoom(2)) return false;
      putMessage(from, end, isPart, field.message, depth + 1);
      return true;
    }
  } else if (field.type === d.STRING) {
    if (putText(from, end, true, isPart ? IS_PART : 0)) return true;
    if (T.isFull) return false;
  }
  return putBase64(from, end, isPart ? IS_PART : IS_BYTES);
}

/** Bytes of which nobody says what they are. */
function putUnknown(at: number, end: number, isPart: boolean, depth: number): boolean {
  const why = isPart ? IS_PART : at === end ? 0 : IS_UNNAMED;
  if (work + end - at > workMax) {
    raise(W_WORK);
    return putBase64(at, end, isPart ? IS_PART : IS_BYTES);
  }
  // A message with nothing but text in it may be printable as a whole: its first tag is a line break or a tab then.
  const first = B[at];
  const mayBegin = at < end && (first === 10 || first === 9 || first === 13);
  let looksMessage = mayBegin && isMessage(at, end, isPart, true);
  if (!looksMessage) {
    if (putText(at, end, false, why)) {
      work += end - at;
      return true;
    }
    if (T.isFull) return false;
    work += lookedAt;
    looksMessage = !mayBegin && isMessage(at, end, isPart, true);
  }
  if (looksMessage && depth >= DEPTH_MAX) {
    raise(W_DEPTH);
    looksMessage = false;
  }
  if (!looksMessage) return putBase64(at, end, isPart ? IS_PART : IS_BYTES);
  if (!hasRoom(2)) return false;
  putMessage(at, end, isPart, null, depth + 1);
  return true;
}

/** Numbers one after the other, without tags. */
function putPacked(at: number, end: number, field: FieldType): boolean {
  const wire = d.wireOf(field.type);
  let p = at;
  while (p < end) {
    const next = behind(p, wire, end);
    if (next > end || next < 0 || !hasRoom(SCALAR_BYTES)) break;
    if (B[T.at - 1] !== OPEN_LIST) putByte(COMMA);
    putNumber(p, wire, field);
    p = next;
  }
  return true;
}

function putNumber(at: number, wire: number, field: FieldType | undefined): void {
  const type = field === undefined ? 0 : field.type;
  if (wire === VARINT) {
    readVarint(at, at + 10);
    if (type === d.ENUM && putEnum(field as FieldType)) return;
    putVarint(type);
  } else if (wire === FIXED_32) {
    if (type === d.FLOAT) putFloating(V.getFloat32(at, true), true);
    else {
      const n = V.getInt32(at, true);
      putInteger(type === d.SFIXED32 && n < 0 ? -1 : 0, n, type === d.SFIXED32);
    }
  } else if (type === d.DOUBLE) putFloating(V.getFloat64(at, true), false);
  else putInteger(V.getInt32(at + 4, true), V.getInt32(at, true), type === d.SFIXED64);
}

const TRUE = Buffer.from('true', 'latin1');
const FALSE = Buffer.from('false', 'latin1');

/** The varint that was read last, as its type has it. */
function putVarint(type: number): void {
  switch (type) {
    case d.BOOL:
      putBytes(low === 0 && high === 0 ? FALSE : TRUE);
      return;
    case d.INT32:
    case d.ENUM:
      putInteger(low < 0 ? -1 : 0, low, true);
      return;
    case d.UINT32:
      putInteger(0, low, false);
      return;
    case d.SINT32: {
      // 0, -1, 1, -2 ... are written as 0, 1, 2, 3 ...
      const n = (low >>> 1) ^ -(low & 1);
      putInteger(n < 0 ? -1 : 0, n, true);
      return;
    }
    case d.SINT64: {
      const sign = -(low & 1);
      putInteger((high >>> 1) ^ sign, ((low >>> 1) | (high << 31)) ^ sign, true);
      return;
    }
    case d.INT64:
      putInteger(high, low, true);
      return;
    default:
      putInteger(high, low, false);
  }
}

/** The name of the value in `low`; false when it has none. */
function putEnum(field: FieldType): boolean {
  const name = field.names?.get(low);
  if (name === undefined || !hasRoom(name.length)) return false;
  putBytes(name);
  return true;
}
