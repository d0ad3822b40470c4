/**
 * How a table in text begins, and whether a text without a label is one.
 *
 *   sep=;                    spreadsheets say so which sign stands between columns; else the one of , ; | and tab that the
 *                            line of names has most of
 *   # export of May          comments; a table may have its names in one
 *   id;password              names
 *   1;hunter2                rows, from the same sign on; lines end with CR alone where the first does
 *
 * A text is a table when a line before the rows is made of names, one of them with a rule, and half of the next ROWS_LOOKED
 * lines have that column. Where blanks follow the signs, as in sentences, all have to have as many fields as there are names.
 * Bounds: linear; COLUMNS_MAX columns.
 */
import { bytes } from '../../base/arena.ts';
import { walked } from './kinds.ts';
import { ruleOfName } from './names.ts';

const B = bytes;
export const COLUMNS_MAX = 512;
const ROWS_LOOKED = 8;
const NAME_BYTES_MAX = 64;
const LOOK_BYTES = 512;
const TAB = 9;
const LF = 10;
const CR = 13;
const BLANK = 32;
const QUOTE = 34;
const HASH = 35;
const COMMA = 44;
const DOT = 46;
const SEMICOLON = 59;
const BAR = 124;
const SEP = Buffer.from('sep=');

/** Beside what names are made of, what the others of a table may have: amount ($). */
const signs = new Uint8Array(256);
for (const c of "$%#/&+*?'@") signs[c.charCodeAt(0)] = 1;
for (const c of '([') signs[c.charCodeAt(0)] = 2;
for (const c of ')]') signs[c.charCodeAt(0)] = 3;
const S = signs;

/** Of the table at hand: the sign between columns; 1: lines end with CR. */
export const table: Int32Array = new Int32Array(2);
const T = table;

/** Where the first line begins that is neither empty nor says how the table is written. Sets `table`. */
export function startOfTable(at: number, end: number): number {
  let p = at;
  if (p + 3 <= end && B[p] === 0xef && B[p + 1] === 0xbb && B[p + 2] === 0xbf) p += 3;
  while (p < end && (B[p] === CR || B[p] === LF)) p++;
  let q = p;
  while (q < end && B[q] !== CR && B[q] !== LF) q++;
  T[1] = q < end && B[q] === CR && !(q + 1 < end && B[q + 1] === LF) ? 1 : 0;
  if (saysSeparator(p, q)) {
    T[0] = B[p + 4];
    p = q;
    while (p < end && (B[p] === CR || B[p] === LF)) p++;
    return p;
  }
  let names = p;
  while (names < end && B[names] === HASH) names = behindLine(names, end);
  T[0] = separatorOf(names, end);
  return p;
}

/** `sep=;` and nothing else. */
function saysSeparator(at: number, end: number): boolean {
  if (end - at !== SEP.length + 1) return false;
  for (let i = 0; i < SEP.length; i++) if ((B[at + i] | (i < 3 ? 32 : 0)) !== SEP[i]) return false;
  return true;
}

export function isLineEnd(c: number): boolean {
  return c === LF || (c === CR && T[1] === 1);
}

function behindLine(at: number, end: number): number {
  let p = at;
  while (p < end && !isLineEnd(B[p])) p++;
  return Math.min(end, p + 1);
}

function separatorOf(at: number, end: number): number {
  let commas = 0;
  let semicolons = 0;
  let tabs = 0;
  let bars = 0;
  for (let p = at; p < end && !isLineEnd(B[p]); p++) {
    if (B[p] === COMMA) commas++;
    else if (B[p] === SEMICOLON) semicolons++;
    else if (B[p] === TAB) tabs++;
    else if (B[p] === BAR) bars++;
  }
  if (bars > commas && bars > semicolons && bars > tabs) return BAR;
  if (semicolons > commas && semicolons >= tabs) return SEMICOLON;
  return tabs > commas ? TAB : COMMA;
}

/** One look: whether a line ends behind a sign that separates columns. */
export function mayBeTable(at: number, end: number): boolean {
  const stop = Math.min(end, at + LOOK_BYTES);
  let hasSign = false;
  for (let p = at; p < stop; p++) {
    const c = B[p];
    if (c === COMMA || c === SEMICOLON || c === TAB || c === BAR) hasSign = true;
    else if (hasSign && (c === LF || c === CR)) return true;
  }
  return false;
}

/** Whether a text without a label is a table with a column that has a rule. */
export function looksTable(at: number, end: number, isCut: boolean): boolean {
  // It may stand in a table.
  const separator = T[0];
  const isCr = T[1];
  const looks = findNames(at, end, isCut);
  T[0] = separator;
  T[1] = isCr;
  return looks;
}

function findNames(at: number, end: number, isCut: boolean): boolean {
  let p = startOfTable(at, end);
  for (;;) {
    const isComment = p < end && B[p] === HASH;
    const rows = behindNames(isComment ? p + 1 : p, end);
    if (rows > 0 && looksRows(rows, end, isCut)) return true;
    if (!isComment) return false;
    p = behindLine(p, end);
  }
}

// The line of names, as `behindNames` found it.
let fields = 0;
let ruled = 0;
let isSpaced = false;

/** Reads a line of names, one of which has a rule. Returns where the line behind it begins, or 0 when it is none. */
function behindNames(at: number, end: number): number {
  let p = at;
  fields = 0;
  ruled = -1;
  isSpaced = false;
  while (p < end && fields < COLUMNS_MAX) {
    const from = B[p] === QUOTE ? p + 1 : p;
    let q = from;
    let isName = true;
    let open = 0;
    for (; q < end && B[q] !== T[0] && B[q] !== QUOTE && B[q] !== CR && B[q] !== LF; q++) {
      const sign = S[B[q]];
      if (sign === 0 && !isNameByte(B[q])) return 0;
      if (sign !== 0) isName = false;
      open += sign === 2 ? 1 : sign === 3 ? -1 : 0;
    }
    const to = q;
    while (q < end && (B[q] === QUOTE || (B[q] === CR && T[1] === 0))) q++;
    if (q >= end || (B[q] !== T[0] && !isLineEnd(B[q])) || to - from > NAME_BYTES_MAX || open !== 0) return 0;
    if (isName && ruled < 0 && ruleOfName(from, to) !== 0) ruled = fields;
    if (fields > 0 && to > from && B[from] === BLANK) isSpaced = true;
    fields++;
    p = q + 1;
    if (!isLineEnd(B[q])) continue;
    // The end of a sentence.
    return fields < 2 || ruled < 0 || (to > from && B[to - 1] === DOT) ? 0 : p;
  }
  return 0;
}

/** Whether the lines behind the names are rows. */
function looksRows(at: number, end: number, isCut: boolean): boolean {
  let p = at;
  let rows = 0;
  let good = 0;
  while (p < end && rows < ROWS_LOOKED) {
    const from = p;
    let n = 1;
    let last = p;
    for (let isQuoted = false; p < end && (isQuoted || !isLineEnd(B[p])); p++) {
      if (B[p] === QUOTE) isQuoted = !isQuoted;
      else if (B[p] === T[0] && !isQuoted) {
        n++;
        last = p + 1;
      }
    }
    walked[0] += p - from;
    const isLast = p >= end;
    p++;
    if (isLineEnd(B[from]) || (B[from] === CR && p - from <= 2)) continue;
    rows++;
    const hasEmptyEnd = last >= p - 1 || (B[last] === CR && last + 1 >= p - 1);
    const isRow = isSpaced ? n === fields || (n === fields + 1 && hasEmptyEnd) : n > ruled;
    // The row that the kept bytes end in has fewer.
    if (isRow || (isLast && isCut && n <= fields)) good++;
    else if (isSpaced) return false;
  }
  return good > 0 && 2 * good >= rows;
}

/** Names of columns: letters, digits, and what joins words. */
function isNameByte(c: number): boolean {
  const lower = c | 32;
  return (lower >= 97 && lower <= 122) || (c >= 48 && c <= 57) || c === 32 || c === 95 || c === 45 || c === 46 || c >= 128;
}
