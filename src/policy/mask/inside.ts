/**
 * Documents inside of values: JSON, GraphQL, XML, tables, forms, URLs, percent-coded text and JSON in base64 are walked like a body.
 *
 *   "payload": "{\"card\":\"4111 1111 1111 1111\"}"
 *   "next": "https://shop.example/cart?token=9f86d081884c7d65"
 *   "cursor": "eyJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSJ9"
 *
 * A text that begins like a document and is none is a text, which detectors look at in any case; but what was found in its
 * beginning counts. Bounds: a nesting of NESTING_MAX; what is deeper than that and
 * more than a text or a number is `unreadable`.
 */
import { bytes } from '../../base/arena.ts';
import { undoBase64 } from '../../base/base64.ts';
import { COLON, EQUALS, OPENING, OTHER, PERCENT } from './kinds.ts';
import { enterValue, foundInside, leaveValue, NESTING_MAX, nestingNow, putUnreadable } from './put.ts';
import { hasRoom, setStackTop, stackTop } from './stack.ts';
import { looksTable, mayBeTable } from './table.ts';
import { hasPercentEscape, undoEscapes } from './undo.ts';
import { UNREADABLE } from './unreadable.ts';
import { PLAIN, URL_PATH } from './value.ts';
import { walkers } from './walkers.ts';

const B = bytes;
const BRACE = 123;
const BRACKET = 91;
const LESS = 60;
const EQUALS_SIGN = 61;
const COLON_BYTE = 58;
const SLASH = 47;
const SCHEME_BYTES_MAX = 16;
const BASE64_BYTES_MIN = 16;
const FORM_NAME_BYTES_MAX = 64;

/** First bytes of base64 of JSON: `{"` is eyI to eyJ, `{` and a line break ew, `[` W. */
const BASE64_FIRST = new Uint8Array(256);
for (const c of Buffer.from('eW')) BASE64_FIRST[c] = 1;
const F = BASE64_FIRST;

/** One look: whether `lookInside` may find anything. */
export function mayHoldMore(at: number, end: number, kinds: number): boolean {
  if ((kinds & (OPENING | PERCENT | EQUALS | COLON)) !== 0 || (F[B[at]] === 1 && end - at >= BASE64_BYTES_MIN)) return true;
  return (kinds & OTHER) !== 0 && mayBeTable(at, end);
}

/** Walks what [at, end), of these kinds, holds; returns the first rule that something in it falls under, 0 for none. */
export function lookInside(at: number, end: number, kinds: number): number {
  let p = at;
  while (p < end && B[p] <= 32) p++;
  if (p >= end) return 0;
  if (nestingNow() >= NESTING_MAX) return maySecretsHide(p, end, kinds) ? UNREADABLE : 0;
  const outer = enterValue();
  const bottom = stackTop();
  let rule = 0;
  try {
    walkInside(p, end, kinds);
  } finally {
    setStackTop(bottom);
    rule = leaveValue(outer);
  }
  return rule;
}

function walkInside(p: number, end: number, kinds: number): void {
  const c = B[p];
  if ((kinds & OPENING) !== 0) {
    let isWhole = false;
    if (c === LESS) isWhole = walkers.xml(p, end, false);
    else {
      if (c === BRACE || c === BRACKET) isWhole = walkers.json(p, end, false);
      if (!isWhole && !foundInside() && c !== BRACKET) isWhole = walkers.graphql(p, end, false);
    }
    if (isWhole || foundInside()) return;
  }
  if (mayBeTable(p, end) && looksTable(p, end, false)) walkers.document(p, end, false, 0, 0);
  else if ((kinds & COLON) !== 0 && isUrl(p, end)) walkers.url(p, end, false);
  else if ((kinds & EQUALS) !== 0 && isForm(p, end)) walkers.form(p, end, false);
  else if ((kinds & PERCENT) !== 0 && hasPercentEscape(p, end)) lookBehindPercent(p, end);
  else if (F[c] === 1) lookBehindBase64(p, end);
}

/** Too deep to be walked: whether it is more than a text or a number, which detectors see through. */
function maySecretsHide(p: number, end: number, kinds: number): boolean {
  if (beginsDocument(p, end, kinds)) return true;
  if (mayBeTable(p, end) && looksTable(p, end, false)) return true;
  if ((kinds & COLON) !== 0 && isUrl(p, end)) return true;
  if ((kinds & EQUALS) !== 0 && isForm(p, end)) return true;
  return ((kinds & PERCENT) !== 0 && hasPercentEscape(p, end)) || isCodedDocument(p, end);
}

/** Base64 of what begins like a document. */
function isCodedDocument(at: number, end: number): boolean {
  if (!beginsBase64(at) || end - at < BASE64_BYTES_MIN) return false;
  if (!hasRoom(end - at)) return true;
  const to = stackTop();
  const undone = undoBase64(at, end, to);
  let p = to;
  while (p < undone && B[p] <= 32) p++;
  return p < undone && beginsDocument(p, undone, OPENING);
}

/** `{"`, `[{`, `<a`: too likely a document to be passed as text. */
function beginsDocument(p: number, end: number, kinds: number): boolean {
  if ((kinds & OPENING) === 0 || p + 1 >= end) return false;
  const next = B[p + 1];
  if (B[p] === LESS) return isLetter(next) || next === 63 || next === 33;
  return (B[p] === BRACE || B[p] === BRACKET) && (next <= 34 || next === BRACE || next === BRACKET);
}

function isLetter(c: number): boolean {
  const lower = c | 32;
  return lower >= 97 && lower <= 122;
}

function lookBehindPercent(at: number, end: number): void {
  if (!hasRoom(end - at)) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  const to = stackTop();
  const undone = undoEscapes(at, end, URL_PATH, to);
  setStackTop(undone);
  walkers.text(to, undone, false);
}

/** JSON in base64, as in cursors and in header fields of gateways. */
function lookBehindBase64(at: number, end: number): void {
  if (!beginsBase64(at)) return;
  if (!hasRoom(end - at)) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  const to = stackTop();
  const undone = undoBase64(at, end, to);
  if (undone < 0) return;
  setStackTop(undone);
  walkers.json(to, undone, false);
}

function beginsBase64(at: number): boolean {
  return (B[at] === 101 && (B[at + 1] === 121 || B[at + 1] === 119)) || B[at] === 87;
}

/** scheme "://" and no blank in all of it. */
export function isUrl(at: number, end: number): boolean {
  let p = at;
  while (p < end && p - at < SCHEME_BYTES_MAX && isLetter(B[p])) p++;
  if (p === at || p + 3 > end || B[p] !== COLON_BYTE || B[p + 1] !== SLASH || B[p + 2] !== SLASH) return false;
  while (p < end && B[p] > 32) p++;
  return p === end;
}

/** A name, an equals sign and something that is no padding of base64; blanks only behind the first pair. */
function isForm(at: number, end: number): boolean {
  let p = at;
  const stop = Math.min(end, at + FORM_NAME_BYTES_MAX);
  while (p < stop && B[p] > 32 && B[p] !== EQUALS_SIGN && B[p] !== 34 && B[p] !== 39) p++;
  return p > at && p + 1 < end && B[p] === EQUALS_SIGN && B[p + 1] !== EQUALS_SIGN;
}
