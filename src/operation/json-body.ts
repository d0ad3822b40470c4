/**
 * Operations in a JSON body: GraphQL over HTTP, JSON-RPC 2.0 (its specification, 4 and 6) and 1.0, one or a batch of them.
 *
 *   {"operationName":"Find","query":"query Find { ... }","variables":{}}
 *   {"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ecf4ed..."}}}
 *   {"jsonrpc":"2.0","method":"sum","params":[1,2],"id":7}          without id: a notification
 *   [{...},{...}]
 *
 * Most JSON bodies are none of these, so the first member decides: of an unknown name, it is none, unless the path says GraphQL
 * or RPC. A name that other bodies have too (`id`, `params`) leaves it to the next.
 *
 * Bounds: linear; more operations of a batch than OPERATIONS_MAX are only counted. Of two members with one name the last counts.
 * Left out: names of members that are written with escapes.
 */
import { bytes } from '../base/arena.ts';
import { hasBackslash, undoJson, undoneUntil } from './escapes.ts';
import { chosen, isName, readDocument } from './graphql-document.ts';
import { BRACE, BRACKET, behindBlanks, findMember, isText, member, nextName, valueEnd } from './json-scan.ts';
import {
  addOperation,
  DOCUMENT_BYTES_MAX,
  documentRoom,
  documentTooLong,
  dropOperation,
  GRAPHQL,
  JSON_RPC,
  keepHash,
  keepName,
  keepWritten,
  NAME_BYTES_MAX,
  NO_PROTOCOL,
  NOTIFICATION,
  nameRoom,
  nameTooLong,
  O_BATCH,
  O_KEPT,
  O_PROTOCOL,
  OPERATIONS_MAX,
  operation,
  P_NAME,
  P_NAME_END,
  P_TYPE,
} from './operation.ts';

const B = bytes;
const O = operation;
const QUOTE = 34;
const COMMA = 44;
const CLOSE_BRACKET = 93;
const LETTER_N = 110;

const text = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));
const N_PERSISTED_QUERY = text('persistedQuery');
const N_HASH = text('sha256Hash');

// Members by number; the first ones are words that few other bodies begin with.
const M_QUERY = 0;
const M_OPERATION_NAME = 1;
const M_EXTENSIONS = 2;
const M_VARIABLES = 3;
const M_JSONRPC = 4;
const M_METHOD = 5;
const M_PARAMS = 6;
const M_ID = 7;
const MEMBERS = 8;
const names: readonly Uint8Array[] = ['query', 'operationName', 'extensions', 'variables', 'jsonrpc', 'method', 'params', 'id'].map(text);

/** By first letter of a name its second one: no two names begin alike. */
const secondLetters = new Uint8Array(256);
for (const name of names) secondLetters[name[0]] = name[1];

/** By length of the name, and the first letter where two have the same: the number of the member, or -1. */
function memberNumber(at: number, end: number): number {
  let number = -1;
  switch (end - at) {
    case 2:
      number = M_ID;
      break;
    case 5:
      number = M_QUERY;
      break;
    case 6:
      number = B[at] === 109 ? M_METHOD : M_PARAMS;
      break;
    case 7:
      number = M_JSONRPC;
      break;
    case 9:
      number = M_VARIABLES;
      break;
    case 10:
      number = M_EXTENSIONS;
      break;
    case 13:
      number = M_OPERATION_NAME;
      break;
    default:
      return -1;
  }
  return isText(at, end, names[number]) ? number : -1;
}

/** For each member where its value begins, 0: it is not there; and where it ends, -1: it does not. */
const values = new Int32Array(2 * MEMBERS);
const V = values;
/** The object was read to its end. */
let isClosed = false;

/**
 * Reads the body in [at, end), whose first byte is a brace or a bracket. `isHinted`: asked when the first member says nothing,
 * whether the path speaks of such operations. Returns whether it is one.
 */
export function readJsonBody(at: number, end: number, isHinted: () => boolean): boolean {
  if (at >= end) return false;
  return B[at] === BRACE ? readObject(at, end, NO_PROTOCOL, isHinted) > 0 : B[at] === BRACKET && readBatch(at, end, isHinted);
}

function readBatch(at: number, end: number, isHinted: () => boolean): boolean {
  let p = behindBlanks(at + 1, end);
  if (p >= end || B[p] !== BRACE) return false;
  p = readObject(p, end, NO_PROTOCOL, isHinted);
  if (p === 0) return false;
  const protocol = O[O_PROTOCOL];
  let count = 1;
  while (p > 0) {
    p = behindBlanks(p, end);
    if (p >= end || B[p] !== COMMA) break;
    p = behindBlanks(p + 1, end);
    if (p >= end || B[p] === CLOSE_BRACKET) break;
    count++;
    if (O[O_KEPT] < OPERATIONS_MAX && B[p] === BRACE) p = readObject(p, end, protocol, isHinted);
    else {
      if (O[O_KEPT] < OPERATIONS_MAX) addOperation();
      p = valueEnd(p, end);
    }
  }
  O[O_BATCH] = count;
  return true;
}

/**
 * Reads the object at `at` into one more operation. As the first one (NO_PROTOCOL) it is kept only when it is an operation; as a
 * further one of `protocol` always. Returns where the walk goes on, `end` when the object does not end, 0: not kept.
 */
function readObject(at: number, end: number, protocol: number, isHinted: () => boolean): number {
  const next = readMembers(at, end, protocol !== NO_PROTOCOL, isHinted);
  if (next === 0) return 0;
  const w = addOperation();
  if (protocol !== GRAPHQL && isCall()) {
    O[O_PROTOCOL] = JSON_RPC;
    keepString(w, M_METHOD);
    if (isNotification()) O[w + P_TYPE] = NOTIFICATION;
    return next;
  }
  if (protocol !== JSON_RPC && readGraphql(w, end)) {
    O[O_PROTOCOL] = GRAPHQL;
    return next;
  }
  dropOperation();
  if (protocol === NO_PROTOCOL) return 0;
  // In a batch it keeps its place.
  addOperation();
  return next;
}

/** Finds the members; 0: the first ones say that it is something else. */
function readMembers(at: number, end: number, isKnown: boolean, isHinted: () => boolean): number {
  isClosed = false;
  let isPlausible = isKnown;
  let p = at + 1;
  if (!isKnown && !mayBegin(p, end) && !isHinted()) return 0;
  for (let i = 0; i < MEMBERS; i++) V[2 * i] = V[2 * i + 1] = 0;
  for (;;) {
    const valueAt = nextName(p, end);
    if (valueAt <= 0) {
      isClosed = valueAt < 0;
      return valueAt < 0 ? -valueAt : end;
    }
    const number = memberNumber(member.nameAt, member.nameEnd);
    if (!isPlausible && number < M_PARAMS) {
      if (number < 0 ? !isHinted() : !mayBe(number, B[valueAt])) return 0;
      isPlausible = true;
    }
    const valueStop = valueEnd(valueAt, end);
    if (number >= 0) {
      V[2 * number] = valueAt;
      V[2 * number + 1] = valueStop;
    }
    if (valueStop < 0) return end;
    p = valueStop;
  }
}

/** Whether the first member may be one of ours: by the first two letters of its name. */
function mayBegin(at: number, end: number): boolean {
  const p = B[at] > 32 ? at : behindBlanks(at, end);
  return p + 2 < end && B[p] === QUOTE && secondLetters[B[p + 1]] === B[p + 2];
}

/** Whether the value of a telling member may begin so. */
function mayBe(number: number, first: number): boolean {
  if (number === M_JSONRPC || number === M_METHOD) return first === QUOTE;
  return first === LETTER_N || first === (number === M_EXTENSIONS || number === M_VARIABLES ? BRACE : QUOTE);
}

function isString(number: number): boolean {
  return V[2 * number] !== 0 && B[V[2 * number]] === QUOTE;
}

/** A call of JSON-RPC: of 1.0, which says no version, all its members are there. */
function isCall(): boolean {
  if (!isString(M_METHOD) || V[2 * M_METHOD + 1] < 0) return false;
  return isString(M_JSONRPC) || (V[2 * M_ID] !== 0 && V[2 * M_PARAMS] !== 0 && B[V[2 * M_PARAMS]] === BRACKET);
}

/** It has no id (2.0, 4.1), or null as id (1.0). */
function isNotification(): boolean {
  if (isString(M_JSONRPC)) return isClosed && V[2 * M_ID] === 0;
  return V[2 * M_ID + 1] > 0 && B[V[2 * M_ID]] === LETTER_N;
}

/** The string of a member as the name of the operation at word `w`. */
function keepString(w: number, number: number): void {
  const at = V[2 * number] + 1;
  const end = V[2 * number + 1] - 1;
  if (end - at <= NAME_BYTES_MAX && !hasBackslash(at, end)) {
    if (end > at) keepName(w, at, end);
    return;
  }
  const to = nameRoom(w);
  const stop = undoJson(at, end, to, to + NAME_BYTES_MAX);
  if (stop < 0) nameTooLong();
  else if (stop > to) keepWritten(w, stop);
}

function readGraphql(w: number, end: number): boolean {
  let isOperation = false;
  if (isString(M_OPERATION_NAME) && V[2 * M_OPERATION_NAME + 1] > 0) {
    keepString(w, M_OPERATION_NAME);
    if (!isName(O[w + P_NAME], O[w + P_NAME_END])) O[w + P_NAME] = O[w + P_NAME_END] = 0;
    // Stored queries are asked for by their name.
    else isOperation = V[2 * M_QUERY] !== 0 || V[2 * M_VARIABLES] !== 0 || V[2 * M_EXTENSIONS] !== 0;
  }
  if (V[2 * M_EXTENSIONS + 1] > 0 && readExtensions(w, V[2 * M_EXTENSIONS], V[2 * M_EXTENSIONS + 1])) isOperation = true;
  if (isString(M_QUERY)) {
    const at = V[2 * M_QUERY] + 1;
    const isCut = V[2 * M_QUERY + 1] < 0;
    if (readDocumentString(w, at, isCut ? end : V[2 * M_QUERY + 1] - 1, isCut)) isOperation = true;
  }
  return isOperation;
}

/** The hash of a persisted query; returns whether it is there. */
export function readExtensions(w: number, at: number, end: number): boolean {
  if (!findMember(at, end, N_PERSISTED_QUERY)) return false;
  if (!findMember(member.valueAt, member.valueEnd, N_HASH)) return false;
  if (B[member.valueAt] !== QUOTE) return false;
  keepHash(w, member.valueAt + 1, member.valueEnd - 1);
  return true;
}

/** A document as the inside of a JSON string. */
function readDocumentString(w: number, at: number, end: number, isCut: boolean): boolean {
  if (!hasBackslash(at, end)) return readDocumentOf(w, at, end, isCut);
  const to = documentRoom();
  const stop = undoJson(at, end, to, to + DOCUMENT_BYTES_MAX);
  if (stop >= 0) return readDocumentOf(w, to, stop, isCut);
  documentTooLong();
  return readDocumentOf(w, to, undoneUntil(), true);
}

/** Reads a document; the name that is known already says which operation of it counts. */
export function readDocumentOf(w: number, at: number, end: number, isCut: boolean): boolean {
  if (!readDocument(at, end, isCut, O[w + P_NAME], O[w + P_NAME_END])) return false;
  O[w + P_TYPE] = chosen.type;
  if (O[w + P_NAME_END] === O[w + P_NAME] && chosen.nameEnd > chosen.nameAt) keepName(w, chosen.nameAt, chosen.nameEnd);
  return true;
}
