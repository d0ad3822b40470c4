/**
 * Masking a call: heads, trailers and bodies of both sides are looked at where they lie; what is sensitive gives way in
 * copies, and the row of the call points to these while it is encoded. Afterwards the row is as it was.
 *
 *   row of the call -> edits of each part -> masked copies -> encodeMembers -> report -> the record
 */
import { bytes } from '../../base/arena.ts';
import { counter, counts } from '../../base/counters.ts';
import * as t from '../../http/transaction.ts';
import { forgetGrpc, GRPC_ROOM_BYTES, grpcOnce } from '../../normalise/call-grpc.ts';
import { forgetOperation, operationOnce } from '../../normalise/call-operation.ts';
import { encodeMembers, endRecord } from '../../normalise/encode.ts';
import { type Literal, literal, writeAny, writeLiteral, writeNumber } from '../../normalise/json.ts';
import {
  forgetOpened,
  O_AT,
  O_CUT,
  O_END,
  O_OPAQUE,
  O_RENDERED,
  O_REQUEST,
  O_RESPONSE,
  opaqueOf,
  opened,
  openOnce,
} from '../../normalise/open-body.ts';
import { NO_PROTOCOL, O_PROTOCOL, OPERATION_ROOM_BYTES, operation } from '../../operation/operation.ts';
import { maskDocument, maskRendering } from './document.ts';
import { addEdit, applyEdits, beginEdits, cutPlaces, hasEdits, notesOf, PLACE_ROW, placesNoted, resetEdits } from './edits.ts';
import { resetField } from './field.ts';
import { maskGrpc } from './grpc.ts';
import { maskHead } from './head.ts';
import { grpcPart, maskedPart, openedParts, operationPart } from './layout.ts';
import { maskOperation } from './operation.ts';
import { BODY, OF_RESPONSE, place, placeTexts } from './place.ts';
import { onlyReports } from './put.ts';
import { ruleKind, ruleName } from './rules.ts';
import { restoreRow, savedRow, saveRow } from './saved-row.ts';
import { UNREADABLE_TEXT } from './stack.ts';
import { BINARY, BINARY_NAME, UNNAMED, UNNAMED_NAME, UNREADABLE, UNREADABLE_NAME } from './unreadable.ts';

const B = bytes;
const K = t.calls;
const O = opened;
const N = operation;
const C = counts;
const P = place;
const S = savedRow;
const T_MASKED = counter('calls.masked');
const T_VALUES = counter('values.masked');
const T_REPORTED = counter('values.reported');
const COMMA = 44;
const CLOSE_BRACKET = 93;
/** A masked body may be so much longer than the opened one. */
const GROWTH_BYTES = 256 << 10;

const L_MASKED = literal(',"masked":{"found":');
const L_REPORTED = literal(',"reported":');
const L_PLACES = literal(',"places":[');
const L_AT = literal('","at":');
const L_END = literal(',"end":');
const L_NONE = literal('}');
const L_FILTERS = literal(',"filters":');
const L_SHED = literal(',"shed":');

let beginnings: (Literal | undefined)[] = [];
/** Of rules that are in no file. */
const ownNames = new Map([
  [UNREADABLE, UNREADABLE_NAME],
  [BINARY, BINARY_NAME],
  [UNNAMED, UNNAMED_NAME],
]);

/** The rules have changed. */
export function resetMaskCall(): void {
  beginnings = [];
}

/** All that stands before the field path of a place, or before its end. */
function beginning(rule: number, where: number, hasField: boolean): Literal {
  const i = rule * 64 + where * 2 + (hasField ? 1 : 0);
  let text = beginnings[i];
  if (text === undefined) {
    const name = ownNames.get(rule) ?? ruleName(rule);
    const kind = ownNames.get(rule) ?? ruleKind(rule);
    text = literal(`{"rule":"${name}","kind":"${kind}","in":"${placeTexts[where]}${hasField ? '","field":"' : ''}`);
    beginnings[i] = text;
  }
  return text;
}

/** What of a call is left out because the worker is overloaded. */
export const SHED_NOTHING = 0;
export const SHED_BODIES = 1;
export const SHED_HEADERS = 2;
const L_SHED_BODIES = literal('["bodies"]');
const L_SHED_HEADERS = literal('["bodies","headers"]');

/** Writes the masked record of a call as one line; `filters` is the JSON of the rules that let it through. As encodeCall otherwise. */
export function encodeMasked(call: number, to: number, filters: Literal, shed: number): number {
  const k = call << t.CALL_SHIFT;
  const first = k + t.REQUEST;
  saveRow(k);
  try {
    resetEdits();
    // While the fields that name the codings are as they were on the wire.
    openBodies(call, shed);
    operationOnce(call, operationPart.at);
    forgetOperation();
    if (N[O_PROTOCOL] !== NO_PROTOCOL) maskOperation(operationPart.at + OPERATION_ROOM_BYTES, operationPart.end);
    forgetGrpc();
    if (K[k + t.C_GRPC] !== 0) {
      grpcOnce(call, grpcPart.at);
      maskGrpc(grpcPart.at + GRPC_ROOM_BYTES, grpcPart.end);
      forgetGrpc();
    }
    let room = maskedPart.at;
    room = maskHead(k, t.REQUEST, room, maskedPart.end, shed >= SHED_HEADERS);
    room = maskHead(k, t.RESPONSE, room, maskedPart.end, shed >= SHED_HEADERS);
    if (shed >= SHED_HEADERS) shedHeaders(k);
    room = maskBody(k, t.REQUEST, room, first);
    maskBody(k, t.RESPONSE, room, first);
    let o = encodeMembers(call, to);
    o = writeLiteral(writeLiteral(o, L_FILTERS), filters);
    if (shed !== SHED_NOTHING) o = writeLiteral(writeLiteral(o, L_SHED), shed === SHED_BODIES ? L_SHED_BODIES : L_SHED_HEADERS);
    if (notesOf().found > 0) C[T_MASKED]++;
    return endRecord(writeReport(o));
  } finally {
    restoreRow(k);
  }
}

function openBodies(call: number, shed: number): void {
  if (shed === SHED_NOTHING) {
    openOnce(call, t.REQUEST, openedParts[0].at);
    openOnce(call, t.RESPONSE, openedParts[1].at);
    forgetOpened();
    return;
  }
  O.fill(0);
  O[O_REQUEST + O_CUT] = O[O_RESPONSE + O_CUT] = 1;
}

/** Host, codings and media types are read from the fields, so these stay where they are and are only not listed. */
function shedHeaders(k: number): void {
  for (const s of [k + t.REQUEST, k + t.RESPONSE]) {
    K[s + t.S_FIELDS] = 0;
    K[s + t.S_TRAILER] = 0;
  }
}

/** Masks the opened body of one side; returns the end of what was written at `to`. */
function maskBody(k: number, side: number, to: number, first: number): number {
  const isRequest = side === t.REQUEST;
  const i = isRequest ? O_REQUEST : O_RESPONSE;
  const s = k + side - first;
  const at = O[i + O_AT];
  const end = O[i + O_END];
  if (end === at) return to;
  beginEdits();
  resetField();
  P[0] = isRequest ? BODY : BODY + OF_RESPONSE;
  // The media type as it was on the wire: the masked head may no longer hold it.
  const block = S[s + t.S_HEAD];
  const type = S[s + t.S_TYPE] - 1;
  const table = t.fieldTable(block, S[s + t.S_HEAD_BYTES]);
  if (O[i + O_RENDERED] !== 0) maskRendering(at, end, O[i + O_CUT] !== 0, opaqueOf[isRequest ? 0 : 1], O[i + O_OPAQUE]);
  else if (type >= 0) maskDocument(at, end, O[i + O_CUT] !== 0, t.valueAt(block, table, type), t.valueEnd(block, table, type));
  else maskDocument(at, end, O[i + O_CUT] !== 0, 0, 0);
  if (!hasEdits()) return to;
  const room = Math.min(maskedPart.end, to + (end - at) + GROWTH_BYTES);
  const places = placesNoted();
  const found = notesOf().found;
  let newEnd = applyEdits(at, end, to, room);
  if (newEnd < 0) {
    cutPlaces(places, found);
    beginEdits();
    addEdit(at, end, UNREADABLE, UNREADABLE_TEXT.at + 1, UNREADABLE_TEXT.end - 1);
    newEnd = applyEdits(at, end, to, room);
  }
  O[i + O_AT] = to;
  O[i + O_END] = newEnd;
  return newEnd;
}

/** `,"masked":{...}`: what was found where. Places beyond those that are kept are in `found` only. */
export function writeReport(to: number): number {
  const { rows, count, found } = notesOf();
  let o = writeNumber(writeLiteral(to, L_MASKED), found);
  if (found === 0) return writeLiteral(o, L_NONE);
  let reported = 0;
  for (let i = 0; i < count; i++) if (onlyReports(rows[PLACE_ROW * i])) reported++;
  C[T_VALUES] += found - reported;
  C[T_REPORTED] += reported;
  if (reported > 0) o = writeNumber(writeLiteral(o, L_REPORTED), reported);
  o = writeLiteral(o, L_PLACES);
  for (let i = 0; i < count; i++) {
    const r = PLACE_ROW * i;
    if (i > 0) B[o++] = COMMA;
    const hasField = rows[r + 3] > rows[r + 2];
    o = writeLiteral(o, beginning(rows[r], rows[r + 1], hasField));
    if (hasField) o = writeAny(o, rows[r + 2], rows[r + 3]);
    o = writeNumber(writeLiteral(o, L_AT), rows[r + 4]);
    o = writeLiteral(writeNumber(writeLiteral(o, L_END), rows[r + 5]), L_NONE);
  }
  B[o++] = CLOSE_BRACKET;
  return writeLiteral(o, L_NONE);
}
