/**
 * Multipart bodies (RFC 2046, 5.1; RFC 7578).
 *
 *   --xyz                                                     delimiter: at the start of a line
 *   Content-Disposition: form-data; name="card"; filename="a.json"
 *   Content-Type: application/json                            name is looked up, filename looked at
 *                                                             blank line
 *   {"number":"4111111111111111"}                             the part, walked by its own type
 *   --xyz--                                                   the last one
 *
 * Lines may end with LF alone. Without a boundary in the content type the first line gives it. A part in base64 or
 * quoted-printable is looked at decoded, and masked whole. What stands before the first and behind the last delimiter is text.
 *
 * Bounds: linear; multipart in multipart to DEPTH_MAX. A body without its delimiter, and a part without the end of its head,
 * is `unreadable`.
 */
import { bytes } from '../../base/arena.ts';
import { undoBase64 } from '../../base/base64.ts';
import { popField, pushName } from './field.ts';
import { nestedNameRule } from './form.ts';
import { inspectName, inspectValue, nameRuleIn, noName } from './inspect.ts';
import { walked } from './kinds.ts';
import { enterValue, leaveValue, onlyReports, put, putUnreadable } from './put.ts';
import { HIDDEN_NAME, hasRoom, setStackTop, stackTop } from './stack.ts';
import { looksTable } from './table.ts';
import { maskText } from './text.ts';
import { PLAIN, URL_PATH } from './value.ts';
import { walkers } from './walkers.ts';

const B = bytes;
const DEPTH_MAX = 3;
const BOUNDARY_BYTES_MAX = 200;
const LF = 10;
const CR = 13;
const HYPHEN = 45;
const COLON = 58;
const SEMICOLON = 59;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;

const word = (s: string): Buffer => Buffer.from(s);
const DISPOSITION = word('content-disposition');
const TYPE = word('content-type');
const ENCODING = word('content-transfer-encoding');
const NAME = word('name');
const FILENAME = word('filename');
const FILENAME_CODED = word('filename*');
const NAME_CODED = word('name*');
const BOUNDARY = word('boundary');
const BASE64 = word('base64');
const QUOTED_PRINTABLE = word('quoted-printable');

let depth = 0;

/** A fault may have left it inside. */
export function resetMultipart(): void {
  depth = 0;
}

/** The media type [typeAt, typeEnd) has the boundary among its parameters. */
export function maskMultipart(at: number, end: number, isCut: boolean, typeAt: number, typeEnd: number): void {
  if (depth >= DEPTH_MAX) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  depth++;
  let boundaryAt = 0;
  let boundaryEnd = 0;
  let p = typeAt;
  while (p < typeEnd && B[p] !== SEMICOLON) p++;
  for (p = nextParameter(p, typeEnd); p >= 0; p = nextParameter(p, typeEnd)) {
    if (!isWord(BOUNDARY, parameterAt, parameterEnd)) continue;
    boundaryAt = valueAt;
    boundaryEnd = valueEnd;
    break;
  }
  if (boundaryEnd === boundaryAt && at + 2 < end && B[at] === HYPHEN && B[at + 1] === HYPHEN) {
    boundaryAt = at + 2;
    boundaryEnd = lineEnd(at, end);
    if (B[boundaryEnd - 1] === CR) boundaryEnd--;
  }
  if (boundaryEnd === boundaryAt || boundaryEnd - boundaryAt > BOUNDARY_BYTES_MAX) putUnreadable(at, end, PLAIN);
  else walkParts(at, end, isCut, boundaryAt, boundaryEnd);
  depth--;
}

function walkParts(at: number, end: number, isCut: boolean, boundaryAt: number, boundaryEnd: number): void {
  const delimiterBytes = boundaryEnd - boundaryAt + 2;
  let delimiter = findDelimiter(at, at, end, boundaryAt, boundaryEnd);
  if (delimiter < 0) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  maskText(at, delimiter, false);
  for (;;) {
    const p = delimiter + delimiterBytes;
    if (p + 1 < end && B[p] === HYPHEN && B[p + 1] === HYPHEN) {
      maskText(p + 2, end, isCut);
      return;
    }
    const line = lineEnd(p, end);
    if (line > p) maskText(p, line, false);
    const headAt = Math.min(end, line + 1);
    delimiter = findDelimiter(headAt, headAt, end, boundaryAt, boundaryEnd);
    if (delimiter < 0) {
      maskPart(headAt, end, isCut);
      return;
    }
    let partEnd = delimiter;
    if (partEnd > headAt && B[partEnd - 1] === LF) partEnd--;
    if (partEnd > headAt && B[partEnd - 1] === CR) partEnd--;
    maskPart(headAt, partEnd, false);
  }
}

/** Where the next line that begins with the delimiter begins; `lineAt` is the start of one. */
function findDelimiter(lineAt: number, at: number, end: number, boundaryAt: number, boundaryEnd: number): number {
  const length = boundaryEnd - boundaryAt;
  const last = end - length - 2;
  for (let p = at; p <= last; p++) {
    if (B[p] !== HYPHEN || B[p + 1] !== HYPHEN || (p !== lineAt && B[p - 1] !== LF)) continue;
    let i = 0;
    while (i < length && B[p + 2 + i] === B[boundaryAt + i]) i++;
    walked[0] += i;
    if (i < length) continue;
    walked[0] += p - at;
    return p;
  }
  walked[0] += last - at;
  return -1;
}

function lineEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== LF) p++;
  return p;
}

// The part at hand.
let partNameAt = 0;
let partNameEnd = 0;
let partRule = 0;
let partNames = 0;
let isNameHidden = false;
let partTypeAt = 0;
let partTypeEnd = 0;
let hasFile = false;
let encoding = 0;

function maskPart(at: number, end: number, isCut: boolean): void {
  partNameAt = partNameEnd = partRule = partNames = partTypeAt = partTypeEnd = encoding = 0;
  hasFile = isNameHidden = false;
  let p = at;
  for (;;) {
    if (p >= end) {
      // No blank line: the part has no body, or its head is cut.
      return;
    }
    let line = lineEnd(p, end);
    // A field goes on in the next line when that begins with a blank.
    while (line > p + 1 && line + 1 < end && (B[line + 1] === 32 || B[line + 1] === 9)) line = lineEnd(line + 1, end);
    const to = line > p && B[line - 1] === CR ? line - 1 : line;
    if (to === p) {
      p = Math.min(end, line + 1);
      break;
    }
    if (line === end) {
      putUnreadable(p, end, PLAIN);
      return;
    }
    maskField(p, to);
    p = line + 1;
  }
  const typeAt = partTypeAt;
  const typeEnd = partTypeEnd;
  const nameAt = partNameAt;
  const nameEnd = partNameEnd;
  if (isNameHidden) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
  else pushName(nameAt, nameEnd);
  const own = nameEnd > nameAt ? nestedNameRule(nameAt, nameEnd, URL_PATH) : 0;
  const rule = partRule === 0 ? own : partRule;
  // Of several names nobody knows which one keeps rules off.
  if (partNames > 1) noName();
  if (rule !== 0 && !onlyReports(rule)) inspectValue(p, end, PLAIN, rule);
  else if (encoding !== 0) maskEncoded(p, end, isCut, typeAt, typeEnd, encoding);
  else if (typeEnd === typeAt && !hasFile && !isCut && !beginsDocument(p, end)) inspectValue(p, end, PLAIN, rule);
  else walkers.document(p, end, isCut, typeAt, typeEnd);
  popField();
}

/** JSON, markup, a table. */
function beginsDocument(at: number, end: number): boolean {
  let p = at;
  while (p < end && B[p] <= 32) p++;
  return p < end && (B[p] === 123 || B[p] === 91 || B[p] === 60 || looksTable(p, end, false));
}

/** A field of the head of a part. */
function maskField(at: number, end: number): void {
  let colon = at;
  while (colon < end && B[colon] !== COLON) colon++;
  inspectName(at, colon, PLAIN);
  if (colon >= end) return;
  let p = colon + 1;
  while (p < end && B[p] <= 32) p++;
  if (isWord(DISPOSITION, at, colon)) {
    maskDisposition(p, end);
    return;
  }
  if (isWord(TYPE, at, colon)) {
    partTypeAt = p;
    partTypeEnd = end;
  } else if (isWord(ENCODING, at, colon)) {
    let to = end;
    while (to > p && B[to - 1] <= 32) to--;
    encoding = isWord(BASE64, p, to) ? 1 : isWord(QUOTED_PRINTABLE, p, to) ? 2 : 0;
  }
  inspectValue(p, end, PLAIN, nameRuleIn(at, colon, PLAIN));
}

function maskDisposition(at: number, end: number): void {
  let p = at;
  while (p < end && B[p] !== SEMICOLON) p++;
  noName();
  inspectValue(at, p, PLAIN, 0);
  for (p = nextParameter(p, end); p >= 0; p = nextParameter(p, end)) {
    if (isWord(NAME, parameterAt, parameterEnd)) {
      notePartName();
      isNameHidden = inspectName(partNameAt, partNameEnd, PLAIN) || isNameHidden;
    } else if (isWord(NAME_CODED, parameterAt, parameterEnd)) {
      // RFC 8187: UTF-8''caf%C3%A9
      notePartName();
      isNameHidden = inspectName(partNameAt, partNameEnd, URL_PATH) || isNameHidden;
    } else {
      const isCoded = isWord(FILENAME_CODED, parameterAt, parameterEnd);
      if (isCoded || isWord(FILENAME, parameterAt, parameterEnd)) hasFile = true;
      noName();
      inspectName(parameterAt, parameterEnd, PLAIN);
      inspectValue(valueAt, valueEnd, isCoded ? URL_PATH : PLAIN, 0);
    }
  }
}

/** Servers differ in which of several names counts: each may have a rule, the first of them masks. */
function notePartName(): void {
  partNameAt = valueAt;
  partNameEnd = valueEnd;
  partNames++;
  if ((partRule === 0 || onlyReports(partRule)) && partNameEnd > partNameAt) partRule = nestedNameRule(partNameAt, partNameEnd, URL_PATH);
}

// A parameter, as `nextParameter` found it.
let parameterAt = 0;
let parameterEnd = 0;
let valueAt = 0;
let valueEnd = 0;

/** Reads the parameter behind the semicolon at `at`: `; name="value"`. Returns where the next one may begin, or -1. */
function nextParameter(at: number, end: number): number {
  let p = at;
  while (p < end && (B[p] === SEMICOLON || B[p] <= 32)) p++;
  if (p >= end) return -1;
  parameterAt = p;
  while (p < end && B[p] !== EQUALS && B[p] !== SEMICOLON) p++;
  parameterEnd = p;
  while (parameterEnd > parameterAt && B[parameterEnd - 1] <= 32) parameterEnd--;
  valueAt = valueEnd = p;
  if (p >= end || B[p] === SEMICOLON) return p;
  p++;
  while (p < end && B[p] <= 32) p++;
  if (p < end && B[p] === QUOTE) {
    valueAt = ++p;
    while (p < end && B[p] !== QUOTE) p += B[p] === BACKSLASH ? 2 : 1;
    valueEnd = p = Math.min(p, end);
    return p < end ? p + 1 : p;
  }
  valueAt = p;
  while (p < end && B[p] !== SEMICOLON) p++;
  valueEnd = p;
  while (valueEnd > valueAt && B[valueEnd - 1] <= 32) valueEnd--;
  return p;
}

/** A part with a transfer coding is walked decoded; anything found masks it whole. */
function maskEncoded(at: number, end: number, isCut: boolean, typeAt: number, typeEnd: number, coding: number): void {
  if (!hasRoom(end - at)) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  const bottom = stackTop();
  const to = coding === 1 ? undoBase64(at, end, bottom) : undoQuotedPrintable(at, end, bottom);
  if (to < 0) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  setStackTop(to);
  const outer = enterValue();
  let rule = 0;
  try {
    walkers.document(bottom, to, isCut, typeAt, typeEnd);
  } finally {
    setStackTop(bottom);
    rule = leaveValue(outer);
  }
  if (rule !== 0 && at < end) put(at, end, rule, at, end, PLAIN);
}

/** RFC 2045, 6.7: =XX is a byte, = at the end of a line joins it with the next. */
function undoQuotedPrintable(at: number, end: number, to: number): number {
  let o = to;
  for (let p = at; p < end; p++) {
    const c = B[p];
    if (c !== EQUALS) {
      B[o++] = c;
      continue;
    }
    let q = p + 1;
    if (q < end && B[q] === CR) q++;
    if (q < end && B[q] === LF) {
      p = q;
      continue;
    }
    const value = p + 2 < end ? Number.parseInt(B.toString('latin1', p + 1, p + 3), 16) : Number.NaN;
    if (Number.isNaN(value)) B[o++] = c;
    else {
      B[o++] = value;
      p += 2;
    }
  }
  return o;
}

/** Whether [at, end) is that word, in any case. */
function isWord(name: Buffer, at: number, end: number): boolean {
  if (name.length !== end - at) return false;
  let i = 0;
  while (i < name.length && name[i] === (B[at + i] >= 65 && B[at + i] <= 90 ? B[at + i] | 32 : B[at + i])) i++;
  return i === name.length;
}
