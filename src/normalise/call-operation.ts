/** The operation of a call: found once for all who ask, and written into the record. */

import { bytes } from '../base/arena.ts';
import * as t from '../http/transaction.ts';
import { findOperation } from '../operation/find-operation.ts';
import {
  NO_PROTOCOL,
  NO_TYPE,
  O_BATCH,
  O_FIRST,
  O_KEPT,
  O_PROTOCOL,
  OPERATION_WORDS,
  operation,
  P_HASH,
  P_HASH_END,
  P_NAME,
  P_NAME_END,
  P_TYPE,
  protocolNames,
  typeNames,
} from '../operation/operation.ts';
import { type Literal, literal, writeAny, writeLiteral, writeNumber } from './json.ts';
import { O_AT, O_CUT, O_END, O_RENDERED, O_REQUEST, opened } from './open-body.ts';

const B = bytes;
const O = operation;
const A = opened;
const COMMA = 44;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const CLOSE_BRACKET = 93;
const QUOTE = 34;

const L_PROTOCOLS: readonly Literal[] = protocolNames.map((name) => literal(`,"operation":{"protocol":"${name}"`));
const L_TYPES: readonly Literal[] = typeNames.map((name) => literal(`"type":"${name}"`));
const L_NAME = literal('"name":"');
const L_HASH = literal('"hash":"');
const L_BATCH = literal(',"batch":');
const L_OTHERS = literal(',"others":[');

let foundFor = -1;

/**
 * Fills `operation` for a call whose request body has been opened, once for each call: a filter and the record ask for the same. What
 * `room` holds (OPERATION_ROOM_BYTES bytes) must stay until `forgetOperation`, which a new call must call.
 */
export function operationOnce(call: number, room: number): void {
  if (foundFor === call) return;
  // Messages of gRPC have their own word for what they do.
  const end = A[O_REQUEST + O_RENDERED] !== 0 ? A[O_REQUEST + O_AT] : A[O_REQUEST + O_END];
  findOperation(call << t.CALL_SHIFT, A[O_REQUEST + O_AT], end, A[O_REQUEST + O_CUT] !== 0, room);
  foundFor = call;
}

export function forgetOperation(): void {
  foundFor = -1;
}

/** Writes the member `operation` when there is one. */
export function writeOperation(to: number): number {
  if (O[O_PROTOCOL] === NO_PROTOCOL) return to;
  let o = writeMembers(writeLiteral(to, L_PROTOCOLS[O[O_PROTOCOL]]), O_FIRST, true);
  if (O[O_BATCH] > 0) o = writeNumber(writeLiteral(o, L_BATCH), O[O_BATCH]);
  if (O[O_KEPT] > 1) {
    o = writeLiteral(o, L_OTHERS);
    for (let i = 1; i < O[O_KEPT]; i++) {
      if (i > 1) B[o++] = COMMA;
      B[o++] = OPEN_BRACE;
      o = writeMembers(o, O_FIRST + i * OPERATION_WORDS, false);
      B[o++] = CLOSE_BRACE;
    }
    B[o++] = CLOSE_BRACKET;
  }
  B[o++] = CLOSE_BRACE;
  return o;
}

function writeMembers(to: number, w: number, follows: boolean): number {
  let o = to;
  let first = !follows;
  if (O[w + P_TYPE] !== NO_TYPE) {
    if (!first) B[o++] = COMMA;
    first = false;
    o = writeLiteral(o, L_TYPES[O[w + P_TYPE]]);
  }
  if (O[w + P_NAME_END] > O[w + P_NAME]) {
    if (!first) B[o++] = COMMA;
    first = false;
    o = writeAny(writeLiteral(o, L_NAME), O[w + P_NAME], O[w + P_NAME_END]);
    B[o++] = QUOTE;
  }
  if (O[w + P_HASH_END] > O[w + P_HASH]) {
    if (!first) B[o++] = COMMA;
    o = writeAny(writeLiteral(o, L_HASH), O[w + P_HASH], O[w + P_HASH_END]);
    B[o++] = QUOTE;
  }
  return o;
}
