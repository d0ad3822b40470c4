/**
 * Field lists become heads of calls, in the form that HTTP/1 gives them (http/transaction.ts), so that all that follows
 * need not know HTTP/2:
 *
 *   request    GET /path CRLF  host: authority CRLF  name: value CRLF ...  | field table
 *   response   name: value CRLF ...                                        | field table     the status is a number
 *
 * Pseudo-header fields (RFC 9113, 8.3) are not listed. `:authority` gives a field `host` where there is none (8.3.1). A field
 * of which name or value is unknown is left out, and the head is said to be incomplete.
 *
 * Bounds: http.headBytesMax and http.headersMax, as for HTTP/1. A field that does not fit is left out whole. A target that
 * does not fit is cut, and the head ends there, as that of HTTP/1 does: who reads it must know that its end is missing.
 */
import { bytes, words } from '../base/arena.ts';
import { reserve } from '../base/blocks.ts';
import { noteMediaType } from '../http/grpc.ts';
import * as h from '../http/head.ts';
import { BAD_FIELD_NAME, BAD_FIELD_VALUE, CONNECTION_FIELD } from '../http/http2-weirds.ts';
import { reading } from '../http/reading.ts';
import * as t from '../http/transaction.ts';
import { fieldList } from './field-list.ts';
import { classesOf, connectionField, isPlain, NOT_IN_NAME, NOT_IN_VALUE } from './malformed.ts';
import { pseudo } from './pseudo-fields.ts';
import { isStatic } from './static-table.ts';

const B = bytes;
const W = words;
const K = t.calls;
const F = fieldList;
const R = reading;
const P = pseudo;
const head = h.head;
const { CALL_SHIFT, C_FLAGS, C_WEIRDS, C_CAUSES, REQUEST } = t;
const { takeField, clear } = h;

const COLON = 58;
const LF = 10;
const SHORT_COPY_BYTES = 24;
/** 2.0, as http/transaction.ts writes versions. */
export const VERSION_2 = 120;
const HOST = Buffer.from('host', 'latin1');
/** Colon, blank, CR, LF. */
const FIELD_EXTRA_BYTES = 4;
const START_EXTRA_BYTES = 3;

/** What is wrong with the fields at hand (http/http2-weirds.ts). */
let malformed = 0;
/** Number of the Content-Length field, from 1; 0: none. */
let lengthField = 0;

function put(to: number, at: number, end: number): number {
  const length = end - at;
  if (length > SHORT_COPY_BYTES) B.copyWithin(to, at, end);
  else for (let i = 0; i < length; i++) B[to + i] = B[at + i];
  return to + length;
}

let writtenFields = 0;
let isCut = false;

/** Bytes that the first `count` fields take in a head that has `before` bytes already; sets how many of them fit. */
let fittingFields = 0;
function measure(count: number, before: number): number {
  const fieldsMax = h.fieldsMax();
  let total = before;
  let kept = before > 0 && P.isHost ? 1 : 0;
  isCut = false;
  fittingFields = count;
  for (let i = 0, f = 0; i < count; i++, f += 4) {
    if (F[f] < 0 || F[f + 2] < 0 || (F[f + 1] > F[f] && B[F[f]] === COLON)) continue;
    const next = total + F[f + 1] - F[f] + F[f + 3] - F[f + 2] + FIELD_EXTRA_BYTES;
    if (next > R.headBytesMax || kept === fieldsMax) {
      head.weirds |= kept === fieldsMax ? h.TOO_MANY_HEADERS : h.HEAD_TOO_LONG;
      isCut = kept < fieldsMax;
      fittingFields = i;
      return total;
    }
    total = next;
    kept++;
  }
  return total;
}

/** The same for a head that has no room for fields. */
function measureNothing(before: number): number {
  isCut = true;
  fittingFields = 0;
  return before;
}

/** Writes `name: value CRLF` at `to` and notes it as field number `n` in the table whose words begin at `table`. */
function writeField(block: number, table: number, n: number, to: number, f: number): number {
  const nameEnd = put(to, F[f], F[f + 1]);
  if (!isStatic(F[f]) && (nameEnd === to || classesOf(to, nameEnd) & NOT_IN_NAME)) malformed |= BAD_FIELD_NAME;
  const end = endField(block, table, n, to, nameEnd, F[f + 2], F[f + 3]);
  const nameBytes = nameEnd - to;
  if (nameBytes === 2 || nameBytes === 10 || nameBytes === 16) malformed |= connectionField(to, nameEnd, nameEnd + 2, end - 2);
  return end;
}

function endField(block: number, table: number, n: number, nameAt: number, nameEnd: number, valueAt: number, valueEnd: number): number {
  B[nameEnd] = COLON;
  B[nameEnd + 1] = 32;
  const at = nameEnd + 2;
  const end = put(at, valueAt, valueEnd);
  B[end] = 13;
  B[end + 1] = 10;
  W[table + 2 * n] = ((nameAt - block) << 16) | (nameEnd - block);
  W[table + 2 * n + 1] = ((at - block) << 16) | (end - block);
  const hadLength = head.hasLength;
  head.weirds |= takeField(n + 1, nameAt, nameEnd, at, end);
  if (head.hasLength !== hadLength) lengthField = n + 1;
  return end + 2;
}

/** All fields but pseudo-header fields and unknown ones, from `to` on; `n` of them are there already. */
function writeFields(block: number, table: number, n: number, to: number): void {
  malformed = lengthField = 0;
  let o = to;
  let i = n;
  for (let f = 0; f < fittingFields << 2; f += 4) {
    if (F[f] < 0 || F[f + 2] < 0 || (F[f + 1] > F[f] && B[F[f]] === COLON)) continue;
    o = writeField(block, table, i++, o, f);
  }
  writtenFields = i;
  if (!isPlain(to, o, i - n)) noteBadValues(fittingFields);
  if (head.upgrade !== 0 || head.transfer !== 0 || head.weirds & h.ODD_TRANSFER_CODING) malformed |= CONNECTION_FIELD;
}

function noteBadValues(count: number): void {
  for (let f = 0; f < count << 2; f += 4) {
    if (F[f] < 0 || F[f + 2] < 0 || (F[f + 1] > F[f] && B[F[f]] === COLON)) continue;
    if (classesOf(F[f + 2], F[f + 3]) & NOT_IN_VALUE) malformed |= BAD_FIELD_VALUE;
  }
}

/** What the list says becomes the head of one side of a call; false when there is no memory for it. */
export function keepHead(call: number, side: number, count: number): boolean {
  const k = call << CALL_SHIFT;
  const s = k + side;
  const isRequest = side === REQUEST;
  clear();
  const isConnect = isRequest && (K[k + C_FLAGS] & t.IS_CONNECT) !== 0;
  const textAt = isConnect ? P.authorityAt : P.pathAt;
  let textBytes = textAt < 0 ? 0 : (isConnect ? P.authorityEnd : P.pathEnd) - textAt;
  const methodBytes = P.methodAt < 0 ? 0 : P.methodEnd - P.methodAt;
  const authority = isRequest && P.isHost ? P.authorityEnd - P.authorityAt : -1;
  let before = 0;
  let isTargetCut = false;
  if (isRequest) {
    const most = R.headBytesMax - methodBytes - START_EXTRA_BYTES - (authority < 0 ? 0 : HOST.length + authority + FIELD_EXTRA_BYTES);
    if (most < 0) return false;
    if (textBytes > most) {
      isTargetCut = true;
      textBytes = R.headBytesMax - methodBytes - 1;
      // A head that ends with a line feed is taken for whole.
      while (textBytes > 0 && B[textAt + textBytes - 1] === LF) textBytes--;
      head.weirds |= h.HEAD_TOO_LONG;
      K[k + C_CAUSES] |= t.CUT_AT_LIMIT;
    }
    before = isTargetCut ? methodBytes + 1 + textBytes : R.headBytesMax - most + textBytes;
  }
  const length = isTargetCut ? measureNothing(before) : measure(count, before);
  // The table may be longer than needed: some fields are not listed.
  const block = reserve(((length + 3) & ~3) + 8 * (fittingFields + 1));
  if (block === 0) return false;
  const table = t.fieldTable(block, length);
  let o = block;
  let n = 0;
  if (isRequest) {
    if (methodBytes > 0) o = put(o, P.methodAt, P.methodEnd);
    B[o++] = 32;
    if (textBytes > 0) o = put(o, textAt, textAt + textBytes);
    if (!isTargetCut) {
      B[o] = 13;
      B[o + 1] = 10;
      o += 2;
    }
    if (authority >= 0 && !isTargetCut) {
      B.set(HOST, o);
      o = endField(block, table, n++, o, o + HOST.length, P.authorityAt, P.authorityEnd);
    }
    K[s + t.S_FIRST] = methodBytes;
    K[s + t.S_TEXT] = methodBytes + 1;
    K[s + t.S_TEXT_END] = methodBytes + 1 + textBytes;
  }
  writeFields(block, table, n, o);
  K[s + t.S_HEAD] = block;
  K[s + t.S_HEAD_BYTES] = length;
  K[s + t.S_FIELDS] = writtenFields;
  K[s + t.S_CODING] = head.contentEncoding;
  K[s + t.S_TYPE] = head.contentType;
  K[s + t.S_HOST] = head.host;
  if (head.contentType !== 0) {
    const field = head.contentType - 1;
    noteMediaType(k, side, t.valueAt(block, table, field), t.valueEnd(block, table, field));
  }
  K[k + C_WEIRDS] |= head.weirds;
  K[k + t.C_HTTP2_WEIRDS] |= malformed;
  K[k + t.C_LENGTHS] |= isRequest ? lengthField << 16 : lengthField;
  if (isCut) K[k + C_CAUSES] |= t.CUT_AT_LIMIT;
  if (head.severalEncodings) K[k + C_FLAGS] |= t.SEVERAL_CODINGS;
  if (isRequest && head.clientIp) {
    K[k + C_FLAGS] |= t.HAS_CLIENT_IP;
    K[k + t.C_FORWARDED_FOR] = head.forwardedFor;
  }
  return true;
}

/** The list becomes the trailers of one side, unless it has some. */
export function keepTrailers(call: number, side: number, count: number): void {
  const k = call << CALL_SHIFT;
  const s = k + side;
  if (K[s + t.S_TRAILER] !== 0 || count === 0) return;
  clear();
  const length = measure(count, 0);
  const block = reserve(((length + 3) & ~3) + 8 * (fittingFields + 1));
  if (block === 0) return;
  writeFields(block, t.fieldTable(block, length), 0, block);
  K[k + C_WEIRDS] |= head.weirds;
  K[k + t.C_HTTP2_WEIRDS] |= malformed;
  if (isCut) K[k + C_CAUSES] |= t.CUT_AT_LIMIT;
  K[s + t.S_TRAILER] = block;
  K[s + t.S_TRAILER_BYTES] = length;
  K[s + t.S_TRAILER_FIELDS] = writtenFields;
}
