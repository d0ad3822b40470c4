/**
 * GraphQL in the parameters of a query, or of a form: the same names as the members of a JSON body.
 *
 *   /graphql?query=query%20Find%20%7B%20me%20%7D&operationName=Find&extensions=%7B%22persistedQuery%22...
 *
 * Many searches have a parameter `query` too: it counts when its value is a document.
 * Bounds: linear; DOCUMENT_BYTES_MAX of a value. Left out: names of parameters that are written with percent codes.
 */
import { bytes } from '../base/arena.ts';
import { nextByte } from './byte-search.ts';
import { undoForm, undoneUntil } from './escapes.ts';
import { isName } from './graphql-document.ts';
import { readDocumentOf, readExtensions } from './json-body.ts';
import { isText } from './json-scan.ts';
import {
  addOperation,
  DOCUMENT_BYTES_MAX,
  documentRoom,
  documentTooLong,
  dropOperation,
  GRAPHQL,
  keepName,
  O_PROTOCOL,
  operation,
} from './operation.ts';

const B = bytes;
const O = operation;
const AMPERSAND = 38;
const EQUALS = 61;
const LETTER_E = 101;
const LETTER_O = 111;
const LETTER_Q = 113;
const LETTER_V = 118;

const text = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));
const N_QUERY = text('query');
const N_OPERATION_NAME = text('operationName');
const N_EXTENSIONS = text('extensions');
const N_VARIABLES = text('variables');

/** Values of the parameters by place, 0: not there. */
let queryAt = 0;
let queryEnd = 0;
let nameAt = 0;
let nameEnd = 0;
let extensionsAt = 0;
let extensionsEnd = 0;
let hasVariables = false;

/** Reads the parameters in [at, end), which is cut there or not. Returns whether they are an operation. */
export function readForm(at: number, end: number, isCut: boolean): boolean {
  queryAt = nameAt = extensionsAt = 0;
  hasVariables = false;
  let isAny = false;
  let p = at;
  while (p < end) {
    const c = B[p];
    if ((c === LETTER_Q || c === LETTER_E || c === LETTER_O || c === LETTER_V) && keepParameter(p, end)) isAny = true;
    p = nextByte(p, end, AMPERSAND) + 1;
  }
  return isAny && readParameters(end, isCut);
}

/** Notes the parameter that begins at `at` when it is one of ours. */
function keepParameter(at: number, end: number): boolean {
  let p = at;
  while (p < end && B[p] !== EQUALS && B[p] !== AMPERSAND) p++;
  if (p >= end || B[p] !== EQUALS) return false;
  const from = p + 1;
  if (isText(at, p, N_VARIABLES)) {
    hasVariables = true;
    return false;
  }
  const isQuery = isText(at, p, N_QUERY);
  const isOperationName = !isQuery && isText(at, p, N_OPERATION_NAME);
  if (!isQuery && !isOperationName && !isText(at, p, N_EXTENSIONS)) return false;
  const to = nextByte(from, end, AMPERSAND);
  if (isQuery) {
    queryAt = from;
    queryEnd = to;
  } else if (isOperationName) {
    nameAt = from;
    nameEnd = to;
  } else {
    extensionsAt = from;
    extensionsEnd = to;
  }
  return true;
}

function readParameters(end: number, isCut: boolean): boolean {
  const w = addOperation();
  const to = documentRoom();
  const stop = to + DOCUMENT_BYTES_MAX;
  let isOperation = false;
  if (nameAt !== 0 && !(isCut && nameEnd === end)) {
    const undone = undoForm(nameAt, nameEnd, to, stop);
    if (undone > 0 && isName(to, undone)) {
      keepName(w, to, undone);
      isOperation = queryAt !== 0 || extensionsAt !== 0 || hasVariables;
    }
  }
  if (extensionsAt !== 0) {
    const undone = undoForm(extensionsAt, extensionsEnd, to, stop);
    if (undone > 0 && readExtensions(w, to, undone)) isOperation = true;
  }
  if (queryAt !== 0) {
    const undone = undoForm(queryAt, queryEnd, to, stop);
    if (undone < 0) documentTooLong();
    const isWhole = undone > 0 && !(isCut && queryEnd === end);
    if (readDocumentOf(w, to, undone > 0 ? undone : undoneUntil(), !isWhole)) isOperation = true;
  }
  if (isOperation) O[O_PROTOCOL] = GRAPHQL;
  else dropOperation();
  return isOperation;
}
