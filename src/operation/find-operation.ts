/**
 * Finds the operation of a call: what it does where one URL serves many. Most calls are none, and a few bytes say so: of a
 * body the first ones, of a query the names of its parameters.
 *
 *   body      {  [     json-body.ts: GraphQL, JSON-RPC          -    multipart: GraphQL with files
 *             <        soap.ts                                  a-z  GraphQL, by its media type; a form
 *   query     ?query=  form.ts: GraphQL
 *
 * The names that it finds are as on the wire; whoever records them masks them first.
 */
import { bytes } from '../base/arena.ts';
import { startsWith } from '../http/head.ts';
import * as t from '../http/transaction.ts';
import { nextByte } from './byte-search.ts';
import { readForm } from './form.ts';
import { readDocumentOf, readJsonBody } from './json-body.ts';
import { behindBlanks } from './json-scan.ts';
import { findOperationsPart, operationsPart } from './multipart.ts';
import {
  addOperation,
  clearOperation,
  dropOperation,
  GRAPHQL,
  IN_BODY,
  IN_HEADER,
  IN_QUERY,
  keepName,
  O_PLACE,
  O_PROTOCOL,
  operation,
  SOAP,
} from './operation.ts';
import { action, readAction, readActionParameter, readEnvelope } from './soap.ts';

const B = bytes;
const W = t.calls;
const O = operation;
const { REQUEST, S_HEAD, S_HEAD_BYTES, S_FIELDS, S_TEXT, S_TEXT_END, S_TYPE } = t;

const LF = 10;
const HASH = 35;
const HYPHEN = 45;
const LESS = 60;
const QUESTION_MARK = 63;
const BRACKET = 91;
const BRACE = 123;

const text = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));
const T_GRAPHQL = text('application/graphql');
const T_FORM = text('application/x-www-form-urlencoded');
const T_MULTIPART = text('multipart/');
const T_RELATED = text('multipart/related');
const T_SOAP = text('application/soap+xml');
const N_GRAPHQL = text('graphql');
const N_GQL = text('gql');
const N_RPC = text('rpc');
const F_SOAP_ACTION = text('soapaction');

let side = 0;

/**
 * Fills `operation` for the call whose row begins at `k`; its request body lies opened in [bodyAt, bodyEnd), and is cut there or
 * not. Uses OPERATION_ROOM_BYTES bytes at `room`.
 */
export function findOperation(k: number, bodyAt: number, bodyEnd: number, isCut: boolean, room: number): void {
  clearOperation(room);
  if ((W[k + t.C_FLAGS] & t.HAS_REQUEST) === 0) return;
  side = k + REQUEST;
  if (bodyEnd > bodyAt && findInBody(bodyAt, bodyEnd, isCut)) return;
  findInQuery();
}

function findInBody(at: number, end: number, isCut: boolean): boolean {
  const from = B[at] === 0xef && at + 3 <= end && B[at + 1] === 0xbb && B[at + 2] === 0xbf ? at + 3 : at;
  const p = B[from] > 32 ? from : behindBlanks(from, end);
  if (p >= end) return false;
  const first = B[p];
  if (first === BRACE || first === BRACKET) {
    if (readJsonBody(p, end, isHinted)) return true;
    return first === BRACE && hasType(T_GRAPHQL) && readPlainDocument(p, end, isCut);
  }
  if (first === LESS) return findSoap(p, end);
  if (first === HYPHEN) {
    if (hasType(T_RELATED)) return findSoap(end, end);
    if (!hasType(T_MULTIPART)) return false;
    if (!findOperationsPart(p, end)) return false;
    const json = behindBlanks(operationsPart.at, operationsPart.end);
    return readJsonBody(json, operationsPart.end, isHinted);
  }
  if (first >= 128 || W[side + S_TYPE] === 0) return false;
  if (hasType(T_FORM)) return readForm(p, end, isCut);
  return hasType(T_GRAPHQL) && readPlainDocument(p, end, isCut);
}

/** Whether the head ends in the middle of a line: its last value is cut, and no value of its own. */
function isHeadCut(): boolean {
  const length = W[side + S_HEAD_BYTES];
  return length > 0 && B[W[side + S_HEAD] + length - 1] !== LF;
}

/** Whether the media type of the request begins so; its case means nothing. */
function hasType(type: Uint8Array): boolean {
  if (W[side + S_TYPE] === 0) return false;
  const block = W[side + S_HEAD];
  const table = t.fieldTable(block, W[side + S_HEAD_BYTES]);
  const at = t.valueAt(block, table, W[side + S_TYPE] - 1);
  // Most types that are compared differ at its end, if not in their length.
  const last = type.length - 1;
  return (B[at + last] | 0x20) === type[last] && startsWith(at, t.valueEnd(block, table, W[side + S_TYPE] - 1), type);
}

function readPlainDocument(at: number, end: number, isCut: boolean): boolean {
  const w = addOperation();
  if (!readDocumentOf(w, at, end, isCut)) {
    dropOperation();
    return false;
  }
  O[O_PROTOCOL] = GRAPHQL;
  return true;
}

/** Of an XML body, or without one of its kind by the field alone. */
function findSoap(at: number, end: number): boolean {
  const block = W[side + S_HEAD];
  const table = t.fieldTable(block, W[side + S_HEAD_BYTES]);
  const whole = isHeadCut() ? W[side + S_FIELDS] - 1 : W[side + S_FIELDS];
  let isSoap = false;
  let isNamed = false;
  if (hasType(T_SOAP)) {
    isSoap = true;
    O[O_PLACE] = IN_HEADER;
    isNamed =
      W[side + S_TYPE] <= whole &&
      readActionParameter(t.valueAt(block, table, W[side + S_TYPE] - 1), t.valueEnd(block, table, W[side + S_TYPE] - 1));
  }
  for (let i = 0; i < whole && !isNamed; i++) {
    const nameAt = t.nameAt(block, table, i);
    if (t.nameEnd(block, table, i) - nameAt !== F_SOAP_ACTION.length || !startsWith(nameAt, nameAt + F_SOAP_ACTION.length, F_SOAP_ACTION))
      continue;
    isSoap = true;
    O[O_PLACE] = IN_HEADER;
    isNamed = readAction(t.valueAt(block, table, i), t.valueEnd(block, table, i));
  }
  if (!isNamed && at < end && readEnvelope(at, end)) {
    isSoap = true;
    isNamed = action.end > action.at;
    O[O_PLACE] = IN_BODY;
  }
  if (!isSoap) return false;
  O[O_PROTOCOL] = SOAP;
  const w = addOperation();
  if (isNamed) keepName(w, action.at, action.end);
  return true;
}

function findInQuery(): void {
  const block = W[side + S_HEAD];
  const end = block + W[side + S_TEXT_END];
  if (!mayHaveParameters(block + W[side + S_TEXT], end)) return;
  const p = nextByte(block + W[side + S_TEXT], end, QUESTION_MARK);
  if (p >= end) return;
  const queryEnd = nextByte(p + 1, end, HASH);
  if (readForm(p + 1, queryEnd, W[side + S_FIELDS] === 0 && isHeadCut())) O[O_PLACE] = IN_QUERY;
}

/**
 * How far to go on from a byte that stands where the equals sign of "query=", "extensions=" or "operationName=" may stand
 * (Horspool's search, with the last six bytes of each): one of them is in every operation of a query.
 */
const STEP_BYTES = 6;
const OF_QUERY = 0x7279;
const OF_EXTENSIONS = 0x6e73;
const OF_NAME = 0x6d65;
const steps = new Uint8Array(256).fill(STEP_BYTES);
for (const ending of ['query=', 'sions=', 'nName='])
  for (let i = 0; i < STEP_BYTES; i++) {
    const c = ending.charCodeAt(i);
    steps[c] = Math.min(steps[c], STEP_BYTES - 1 - i);
  }

/** Whether one of these names may be in the target; most have none, and a few bytes of it show that. */
function mayHaveParameters(at: number, end: number): boolean {
  for (let p = at + STEP_BYTES - 1; p < end; ) {
    const step = steps[B[p]];
    if (step === 0) {
      // The two letters before the equals sign.
      const letters = (B[p - 2] << 8) | B[p - 1];
      if (letters === OF_QUERY || letters === OF_EXTENSIONS || letters === OF_NAME) return true;
      p += STEP_BYTES;
    } else p += step;
  }
  return false;
}

/** The same for the last three letters of "graphql", "gql" and "rpc". */
const HINT_BYTES = 3;
const hintSteps = new Uint8Array(256).fill(HINT_BYTES);
for (const ending of ['hql', 'gql', 'rpc', 'HQL', 'GQL', 'RPC'])
  for (let i = 0; i < HINT_BYTES; i++) {
    const c = ending.charCodeAt(i);
    hintSteps[c] = Math.min(hintSteps[c], HINT_BYTES - 1 - i);
  }

/** Whether the path speaks of GraphQL or RPC: "graphql", "gql" or "rpc" somewhere in it. Made for bodies that say nothing at once. */
function isHinted(): boolean {
  const block = W[side + S_HEAD];
  const end = block + W[side + S_TEXT_END];
  const at = block + W[side + S_TEXT];
  for (let p = at + 2; p < end; ) {
    const step = hintSteps[B[p]];
    if (step > 0) {
      p += step;
      continue;
    }
    if (endsWith(at, p + 1, N_GQL) || endsWith(at, p + 1, N_GRAPHQL) || endsWith(at, p + 1, N_RPC))
      return nextByte(at, p, QUESTION_MARK) === p;
    p++;
  }
  return false;
}

function endsWith(at: number, end: number, lower: Uint8Array): boolean {
  return end - at >= lower.length && startsWith(end - lower.length, end, lower);
}
