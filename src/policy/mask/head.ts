/**
 * Heads: start line and fields of one side, looked at in their block and, when something is found, copied with the edits
 * applied. A block is the bytes of the head and, four-byte aligned behind them, its table of fields (http/transaction.ts);
 * the copy has the same form, so the encoder reads it as it reads the first one.
 *
 *   method  target                    version      name: value        name: value
 *   GET     /users/ann?token=abc      HTTP/1.1     Cookie: sid=1      ...             | table of offsets
 *   METHOD  HOST PATH QUERY                        HEADER, COOKIE, TRAILER
 *
 * Bounds: offsets in the table have 16 bits; fields that would end beyond HEAD_BYTES_MAX of the masked head are left out
 * (`limit.policy.head_bytes`).
 */
import { bytes, words } from '../../base/arena.ts';
import { raise, weird } from '../../base/weird.ts';
import * as t from '../../http/transaction.ts';
import { locateTarget, target } from '../../normalise/target.ts';
import { maskHeaderValue } from './document.ts';
import { adjustPlaces, applyEdits, beginEdits, hasEdits, placesNoted, shiftOf } from './edits.ts';
import { pushName, resetField } from './field.ts';
import { maskQuery } from './form.ts';
import { inspectName, inspectValue } from './inspect.ts';
import { maskPath } from './path.ts';
import { HEADER, HOST, METHOD, OF_RESPONSE, PATH, place, QUERY, REASON, TRAILER } from './place.ts';
import { HIDDEN_NAME } from './stack.ts';
import { PLAIN } from './value.ts';

const B = bytes;
const W = words;
const K = t.calls;
const P = place;
const TOO_LONG = weird('limit.policy.head_bytes');
const HEAD_BYTES_MAX = 65_000;
const QUESTION_MARK = 63;
const HASH = 35;
const cursor = new Int32Array(2);

/**
 * Masks the head of one side (REQUEST or RESPONSE), and its trailers. A masked copy is written at `to`; the row of the call
 * then points to it. Returns the end of what was written.
 */
export function maskHead(k: number, side: number, to: number, toEnd: number): number {
  const s = k + side;
  const block = K[s + t.S_HEAD];
  let o = to;
  if (block !== 0) {
    beginEdits();
    if (side === t.REQUEST) maskRequestLine(k, s, block);
    else maskReason(s, block);
    P[0] = side === t.REQUEST ? HEADER : HEADER + OF_RESPONSE;
    const n = K[s + t.S_FIELDS];
    const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
    maskFields(block, table, n);
    if (hasEdits()) {
      const before = placesNoted();
      const length = copyBlock(block, K[s + t.S_HEAD_BYTES], table, n, o, toEnd);
      const startAt = side === t.REQUEST ? K[s + t.S_TEXT] : 0;
      cursor[0] = cursor[1] = 0;
      if (side === t.REQUEST) K[s + t.S_FIRST] += shiftOf(block + K[s + t.S_FIRST], cursor);
      K[s + t.S_TEXT] += shiftOf(block + K[s + t.S_TEXT], cursor);
      K[s + t.S_TEXT_END] += shiftOf(block + K[s + t.S_TEXT_END], cursor);
      K[s + t.S_HEAD] = o;
      K[s + t.S_HEAD_BYTES] = length;
      const copied = fieldsCopied;
      K[s + t.S_FIELDS] = copied;
      adjustFields(before, o, length, copied, startAt);
      o = (o + length + 3 + 8 * copied + 3) & ~3;
    }
  }
  const trailer = K[s + t.S_TRAILER];
  if (trailer === 0) return o;
  beginEdits();
  P[0] = side === t.REQUEST ? TRAILER : TRAILER + OF_RESPONSE;
  const n = K[s + t.S_TRAILER_FIELDS];
  const table = t.fieldTable(trailer, K[s + t.S_TRAILER_BYTES]);
  maskFields(trailer, table, n);
  if (!hasEdits()) return o;
  const before = placesNoted();
  const length = copyBlock(trailer, K[s + t.S_TRAILER_BYTES], table, n, o, toEnd);
  K[s + t.S_TRAILER] = o;
  K[s + t.S_TRAILER_BYTES] = length;
  K[s + t.S_TRAILER_FIELDS] = fieldsCopied;
  adjustFields(before, o, length, fieldsCopied, 0);
  return (o + length + 3 + 8 * fieldsCopied + 3) & ~3;
}

function maskRequestLine(k: number, s: number, block: number): void {
  locateTarget(k);
  const targetAt = block + K[s + t.S_TEXT];
  const targetEnd = block + K[s + t.S_TEXT_END];
  const { pathAt, pathEnd } = target;
  resetField();
  P[0] = METHOD;
  inspectValue(block, block + K[s + t.S_FIRST], PLAIN, 0);
  P[0] = HOST;
  if (pathAt > targetAt) inspectValue(targetAt, pathAt, PLAIN, 0);
  P[0] = PATH;
  maskPath(pathAt, pathEnd);
  if (pathEnd >= targetEnd) return;
  P[0] = QUERY;
  let queryEnd = pathEnd;
  while (queryEnd < targetEnd && B[queryEnd] !== HASH) queryEnd++;
  if (B[pathEnd] === QUESTION_MARK) maskQuery(pathEnd + 1, queryEnd);
  if (queryEnd < targetEnd) maskQuery(queryEnd + 1, targetEnd);
}

function maskReason(s: number, block: number): void {
  P[0] = REASON + OF_RESPONSE;
  resetField();
  inspectValue(block + K[s + t.S_TEXT], block + K[s + t.S_TEXT_END], PLAIN, 0);
}

function maskFields(block: number, table: number, n: number): void {
  for (let w = table, end = table + 2 * n; w < end; w += 2) {
    const name = W[w];
    const value = W[w + 1];
    const nameAt = block + (name >>> 16);
    const nameEnd = block + (name & 0xffff);
    resetField();
    // A name that is masked is not shown in the report either.
    if (inspectName(nameAt, nameEnd, PLAIN)) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
    else pushName(nameAt, nameEnd);
    maskHeaderValue(nameAt, nameEnd, block + (value >>> 16), block + (value & 0xffff));
  }
  resetField();
}

let fieldsCopied = 0;

/** Copies head and table to `to` with the edits applied; returns the new length of the head and sets `fieldsCopied`. */
function copyBlock(block: number, length: number, table: number, n: number, to: number, toEnd: number): number {
  const end = applyEdits(block, block + length, to, toEnd - 8 * n - 8);
  fieldsCopied = 0;
  if (end < 0) {
    raise(TOO_LONG);
    return 0;
  }
  const newLength = end - to;
  let w = t.fieldTable(to, newLength);
  cursor[0] = cursor[1] = 0;
  for (let i = 0; i < n; i++) {
    const name = W[table + 2 * i];
    const value = W[table + 2 * i + 1];
    const nameAt = (name >>> 16) + shiftOf(block + (name >>> 16), cursor);
    const nameEnd = (name & 0xffff) + shiftOf(block + (name & 0xffff), cursor);
    const valueAt = (value >>> 16) + shiftOf(block + (value >>> 16), cursor);
    const valueEnd = (value & 0xffff) + shiftOf(block + (value & 0xffff), cursor);
    if (valueEnd > HEAD_BYTES_MAX) {
      raise(TOO_LONG);
      return newLength;
    }
    W[w++] = (nameAt << 16) | nameEnd;
    W[w++] = (valueAt << 16) | valueEnd;
    fieldsCopied++;
  }
  return newLength;
}

/** Places in the report count from the first byte of the target, or of the field's value, in which they lie. */
function adjustFields(before: number, block: number, length: number, n: number, startAt: number): void {
  const table = t.fieldTable(block, length);
  let field = -1;
  adjustPlaces(before, (at) => {
    while (field + 1 < n && W[table + 2 * (field + 1) + 1] >>> 16 <= at) field++;
    return field < 0 ? startAt : W[table + 2 * field + 1] >>> 16;
  });
}
