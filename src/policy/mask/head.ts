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
import { hasOpenCookie, startCookies } from './cookies.ts';
import { applyEdits, beginEdits, closedFrom, editsAsked, hasEdits, movePlace, nextEditAt, placeAt, placesNoted, shiftOf } from './edits.ts';
import { pushName, resetField } from './field.ts';
import { maskQuery } from './form.ts';
import { kindOfField, maskValueOf, OTHER } from './header-value.ts';
import { inspectName, inspectValue, nameAtHand, nameRule, noName, setNameAtHand } from './inspect.ts';
import { DENIED_SHIFT, IS_SPECIAL, KIND_OF_KEY_SHIFT, KIND_SHIFT, RULE_SHIFT } from './kernels/tables.ts';
import { maskPath } from './path.ts';
import { HEADER, HOST, METHOD, OF_RESPONSE, PATH, place, QUERY, REASON, TRAILER } from './place.ts';
import { putUnreadable } from './put.ts';
import { factsOfName, keepName, keepValue, nextField } from './quick.ts';
import { findKeptFields, keptFields, shedPlaces } from './shed.ts';
import { HIDDEN_NAME } from './stack.ts';
import { maskAuthority } from './url.ts';
import { PLAIN } from './value.ts';

const B = bytes;
const W = words;
const K = t.calls;
const P = place;
const TOO_LONG = weird('limit.policy.head_bytes');
const HEAD_BYTES_MAX = 65_000;
const QUESTION_MARK = 63;
const HASH = 35;
const LF = 10;
const cursor = new Int32Array(2);

/**
 * Masks the head of one side (REQUEST or RESPONSE), and its trailers. A masked copy is written at `to`; the row of the call
 * then points to it. Returns the end of what was written. With `isShed` only fields that the record takes something from
 * are looked at (shed.ts).
 */
export function maskHead(k: number, side: number, to: number, toEnd: number, isShed = false): number {
  const s = k + side;
  const block = K[s + t.S_HEAD];
  let o = to;
  if (block !== 0) {
    beginEdits();
    const n = K[s + t.S_FIELDS];
    const length = K[s + t.S_HEAD_BYTES];
    // A head that ends in the middle of a line ends in the middle of its last value.
    const isCut = length > 0 && B[block + length - 1] !== LF;
    if (side === t.REQUEST) maskRequestLine(k, s, block, isCut && n === 0);
    else maskReason(s, block, isCut && n === 0);
    P[0] = side === t.REQUEST ? HEADER : HEADER + OF_RESPONSE;
    const table = t.fieldTable(block, length);
    if (isShed) maskKeptFields(k, side, block, table, n, isCut);
    else maskFields(block, table, n, isCut);
    if (hasEdits()) {
      const before = placesNoted();
      const newLength = copyBlock(block, length, table, n, o, toEnd);
      cursor[0] = cursor[1] = 0;
      if (side === t.REQUEST) K[s + t.S_FIRST] = moved(block, K[s + t.S_FIRST], newLength);
      K[s + t.S_TEXT] = moved(block, K[s + t.S_TEXT], newLength);
      K[s + t.S_TEXT_END] = moved(block, K[s + t.S_TEXT_END], newLength);
      K[s + t.S_HEAD] = o;
      K[s + t.S_HEAD_BYTES] = newLength;
      K[s + t.S_FIELDS] = fieldsCopied;
      forgetFields(k, s, side);
      adjustFields(before, o, newLength, fieldsCopied, side === t.REQUEST ? K[s + t.S_FIRST] : 0, K[s + t.S_TEXT]);
      if (isShed) shedPlaces(before);
      o = (o + newLength + 3 + 8 * fieldsCopied + 3) & ~3;
    }
  }
  const trailer = K[s + t.S_TRAILER];
  if (trailer === 0 || isShed) return o;
  beginEdits();
  P[0] = side === t.REQUEST ? TRAILER : TRAILER + OF_RESPONSE;
  const n = K[s + t.S_TRAILER_FIELDS];
  const length = K[s + t.S_TRAILER_BYTES];
  const table = t.fieldTable(trailer, length);
  maskFields(trailer, table, n, length > 0 && B[trailer + length - 1] !== LF);
  if (!hasEdits()) return o;
  const before = placesNoted();
  const newLength = copyBlock(trailer, length, table, n, o, toEnd);
  K[s + t.S_TRAILER] = o;
  K[s + t.S_TRAILER_BYTES] = newLength;
  K[s + t.S_TRAILER_FIELDS] = fieldsCopied;
  adjustFields(before, o, newLength, fieldsCopied, 0, 0);
  return (o + newLength + 3 + 8 * fieldsCopied + 3) & ~3;
}

/** Fields that the row knows by number, and that found no room in the copy. */
function forgetFields(k: number, s: number, side: number): void {
  if (K[s + t.S_CODING] > fieldsCopied) K[s + t.S_CODING] = 0;
  if (K[s + t.S_TYPE] > fieldsCopied) K[s + t.S_TYPE] = 0;
  if (side !== t.REQUEST) return;
  if (K[s + t.S_HOST] > fieldsCopied) K[s + t.S_HOST] = 0;
  if (K[k + t.C_FORWARDED_FOR] > fieldsCopied) K[k + t.C_FORWARDED_FOR] = 0;
}

function maskRequestLine(k: number, s: number, block: number, isCut: boolean): void {
  locateTarget(k);
  const targetAt = block + K[s + t.S_TEXT];
  const targetEnd = block + K[s + t.S_TEXT_END];
  const { pathAt, pathEnd } = target;
  resetField();
  P[0] = METHOD;
  inspectValue(block, block + K[s + t.S_FIRST], PLAIN, 0);
  // What may be the beginning of something is no value of its own.
  const end = isCut ? wholeEnd(targetAt, targetEnd) : targetEnd;
  P[0] = HOST;
  if (K[k + t.C_FLAGS] & t.IS_CONNECT) maskAuthority(targetAt, end, true);
  else if (pathAt > targetAt) inspectValue(targetAt, Math.min(pathAt, end), PLAIN, 0);
  P[0] = PATH;
  if (pathAt < end) maskPath(pathAt, Math.min(pathEnd, end));
  if (pathEnd < targetEnd) {
    P[0] = QUERY;
    let queryEnd = pathEnd;
    while (queryEnd < end && B[queryEnd] !== HASH) queryEnd++;
    if (B[pathEnd] === QUESTION_MARK) maskQuery(pathEnd + 1, queryEnd);
    if (queryEnd < end) maskQuery(queryEnd + 1, end);
  }
  if (end < targetEnd) putUnreadable(end, targetEnd, PLAIN);
}

const DELIMITER = new Uint8Array(256);
for (const c of Buffer.from('/?#&=;')) DELIMITER[c] = 1;

/** Where the last segment or value of a target begins. */
function wholeEnd(at: number, end: number): number {
  let p = end;
  while (p > at && DELIMITER[B[p - 1]] === 0) p--;
  return p;
}

function maskReason(s: number, block: number, isCut: boolean): void {
  P[0] = REASON + OF_RESPONSE;
  resetField();
  const at = block + K[s + t.S_TEXT];
  const end = block + K[s + t.S_TEXT_END];
  if (isCut) putUnreadable(at, end, PLAIN);
  else inspectValue(at, end, PLAIN, 0);
}

function maskKeptFields(k: number, side: number, block: number, table: number, n: number, isCut: boolean): void {
  findKeptFields(k, side);
  let from = 0;
  for (const i of keptFields) {
    if (i < from) continue;
    from = i + 1;
    maskFields(block, table, from, isCut && from === n, i);
  }
}

function maskFields(block: number, table: number, n: number, isCut: boolean, from = 0): void {
  const whole = isCut ? n - 1 : n;
  startCookies();
  // What is known of a field does not count in the middle of a cookie.
  let isOpen = false;
  for (let i = nextField(block, table, from, whole); i < n; i = isOpen ? i + 1 : nextField(block, table, i + 1, whole)) {
    const name = W[table + 2 * i];
    const value = W[table + 2 * i + 1];
    const nameAt = block + (name >>> 16);
    const nameEnd = block + (name & 0xffff);
    const at = block + (value >>> 16);
    const end = block + (value & 0xffff);
    resetField();
    let facts = isOpen ? 0 : factsOfName(i, whole);
    if (facts === 0) {
      noName();
      const asked = editsAsked();
      // A name that is masked is not shown in the report either.
      if (inspectName(nameAt, nameEnd, PLAIN)) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
      else pushName(nameAt, nameEnd);
      if (i < whole) {
        facts = factsOf(nameAt, nameEnd);
        if (editsAsked() === asked) keepName(nameAt, nameEnd, facts);
      }
    } else pushName(nameAt, nameEnd);
    if (i >= whole) {
      putUnreadable(at, end, PLAIN);
      continue;
    }
    const kind = (facts >> KIND_SHIFT) & 255;
    const rule = (facts >> RULE_SHIFT) & 255;
    setNameAtHand(facts >>> DENIED_SHIFT);
    const asked = editsAsked();
    maskValueOf(kind, rule, at, end);
    isOpen = hasOpenCookie();
    // With no rule kept off, nothing is found under any other name either.
    if (rule === 0 && facts >>> DENIED_SHIFT === 0 && editsAsked() === asked && !isOpen) keepValue(at, end, kind << KIND_OF_KEY_SHIFT);
  }
  resetField();
}

/** What counts for the values of a name. */
function factsOf(nameAt: number, nameEnd: number): number {
  const rule = nameRule(nameAt, nameEnd);
  const kind = kindOfField(nameAt, nameEnd);
  const special = rule !== 0 || kind !== OTHER ? IS_SPECIAL : 0;
  return special | (kind << KIND_SHIFT) | (rule << RULE_SHIFT) | (nameAtHand() << DENIED_SHIFT);
}

let fieldsCopied = 0;

/** Where the byte at `offset` of the block lies in its masked copy. Asked for in ascending order, after `cursor` was cleared. */
function moved(block: number, offset: number, newLength: number): number {
  if (block + offset > closedFrom()) return newLength;
  const to = offset + shiftOf(block + offset, cursor);
  return to < newLength ? to : newLength;
}

/** Copies head and table to `to` with the edits applied; returns the new length of the head and sets `fieldsCopied`. */
function copyBlock(block: number, length: number, table: number, n: number, to: number, toEnd: number): number {
  const end = applyEdits(block, block + length, to, toEnd - 8 * n - 8);
  fieldsCopied = 0;
  if (end < 0) {
    raise(TOO_LONG);
    return 0;
  }
  const newLength = end - to;
  const closed = closedFrom() - block;
  let w = t.fieldTable(to, newLength);
  cursor[0] = cursor[1] = 0;
  let wholeUntil = Math.min(nextEditAt(cursor) - block, closed);
  for (let i = 0; i < n; i++) {
    const name = W[table + 2 * i];
    const value = W[table + 2 * i + 1];
    const shift = cursor[1];
    // Most fields lie between two edits: all four offsets move alike.
    if ((value & 0xffff) < wholeUntil && (value & 0xffff) + shift <= HEAD_BYTES_MAX) {
      W[w++] = name + shift * 0x10001;
      W[w++] = value + shift * 0x10001;
      fieldsCopied++;
      continue;
    }
    if (name >>> 16 > closed) return newLength;
    const nameAt = moved(block, name >>> 16, newLength);
    const nameEnd = moved(block, name & 0xffff, newLength);
    const valueAt = moved(block, value >>> 16, newLength);
    const valueEnd = moved(block, value & 0xffff, newLength);
    if (valueEnd > HEAD_BYTES_MAX) {
      raise(TOO_LONG);
      return newLength;
    }
    W[w++] = (nameAt << 16) | nameEnd;
    W[w++] = (valueAt << 16) | valueEnd;
    fieldsCopied++;
    wholeUntil = Math.min(nextEditAt(cursor) - block, closed);
  }
  return newLength;
}

/**
 * Places in the report count from the first byte of the text in which they lie: the method, [0, methodEnd); the target or the
 * reason, from `textAt` on; the name or the value of a field.
 */
function adjustFields(before: number, block: number, length: number, n: number, methodEnd: number, textAt: number): void {
  const table = t.fieldTable(block, length);
  const places = placesNoted();
  let field = -1;
  for (let i = before; i < places; i++) {
    const at = placeAt(i);
    while (field + 1 < n && W[table + 2 * (field + 1)] >>> 16 <= at) field++;
    if (field < 0) {
      movePlace(i, at < methodEnd ? 0 : textAt);
      continue;
    }
    const valueAt = W[table + 2 * field + 1] >>> 16;
    movePlace(i, at < valueAt ? W[table + 2 * field] >>> 16 : valueAt);
  }
}
