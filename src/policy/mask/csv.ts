/**
 * Tables as text (RFC 4180): a first line has the names of the columns, and each field stands under that of its column.
 *
 *   id;name;iban                    names, looked up; table.ts says where they stand and what is between them
 *   1;"Ann ""Lee""";DE02120300000000202051
 *
 * Writers differ where a field ends, so what may stand under a column with a rule stands under it:
 *
 *   1, "ab,x", 3                    blanks before the quote: one field, or two
 *   1,"ab\",x",3   1,ab\,x,3        a backslash that is one, or takes the meaning off what follows it
 *   #id,iban                        a comment, or the names: both lines give their rules
 *
 * Bounds: linear; COLUMNS_MAX columns, fields beyond them stand under no name. A quote that does not end makes the rest
 * `unreadable`, and so is a table in a field. Where the kept bytes end early, the last field is masked whole.
 */
import { bytes } from '../../base/arena.ts';
import { popField, pushName } from './field.ts';
import { inspectName, inspectValue, nameAtHand, nameRule, noName, setNameAtHand } from './inspect.ts';
import { walked } from './kinds.ts';
import { putUnreadable } from './put.ts';
import { HIDDEN_NAME } from './stack.ts';
import { COLUMNS_MAX, isLineEnd, startOfTable, table } from './table.ts';
import { PLAIN } from './value.ts';

const B = bytes;
const T = table;
const TAB = 9;
const LF = 10;
const CR = 13;
const BLANK = 32;
const QUOTE = 34;
const HASH = 35;
const BACKSLASH = 92;

/** By column: start and end of its name (-1: hidden), its rule, and what else counts of the name. */
const COLUMN = 4;
const columns = new Int32Array(COLUMN * COLUMNS_MAX);
const C = columns;
let named = 0;
/** The first rule of a column. */
let anyRule = 0;

let isOpen = false;

export function maskCsv(at: number, end: number, isCut: boolean): void {
  // A table in a field of a table.
  if (isOpen) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  isOpen = true;
  try {
    maskLines(at, end, isCut);
  } finally {
    isOpen = false;
  }
}

function maskLines(at: number, end: number, isCut: boolean): void {
  let p = startOfTable(at, end);
  named = anyRule = 0;
  C.fill(0);
  while (p < end && B[p] === HASH) p = maskComment(p, end, isCut);
  const namesAt = p;
  while (p < end) p = maskLine(p, end, isCut, p === namesAt);
}

// The field at hand: its text, where the separator, the end of the line or of all stands, and how far off its column may be.
let cellAt = 0;
let cellEnd = 0;
let cellNext = 0;
let slip = 0;
let isBroken = false;

/** A line of names, or a row. Returns where the next one begins. */
function maskLine(at: number, end: number, isCut: boolean, isNames: boolean): number {
  let p = at;
  slip = 0;
  for (let column = 0; ; column++) {
    readCell(p, end);
    const next = cellNext;
    if (isBroken || (next === end && isCut)) putUnreadable(cellAt, cellEnd, PLAIN);
    else if (isNames) maskName(column);
    else maskCell(cellAt, cellEnd, column);
    p = next + 1;
    if (next >= end || B[next] !== T[0]) return p;
  }
}

/** A comment may have the names: its rules hold as well, when it has several fields. */
function maskComment(at: number, end: number, isCut: boolean): number {
  let q = at;
  while (q < end && !isLineEnd(B[q])) q++;
  noName();
  if (q === end && isCut) putUnreadable(at, end, PLAIN);
  else inspectValue(at, q, PLAIN, 0);
  let p = at + 1;
  for (let column = 0; column < COLUMNS_MAX; column++) {
    readCell(p, q);
    if (column > 0 || cellNext < q) noteRule(column, nameRule(cellAt, cellEnd));
    p = cellNext + 1;
    if (p > q) break;
  }
  return q + 1;
}

function noteRule(column: number, rule: number): void {
  const c = COLUMN * column;
  if (C[c + 2] === 0) C[c + 2] = rule;
  if (anyRule === 0) anyRule = rule;
}

function maskName(column: number): void {
  if (column >= COLUMNS_MAX) {
    inspectName(cellAt, cellEnd, PLAIN);
    return;
  }
  const c = COLUMN * column;
  const from = cellAt;
  const to = cellEnd;
  const rule = nameRule(from, to);
  const name = nameAtHand();
  // Under a name in a comment it may be a row.
  const borrowed = C[c + 2];
  let isHidden = borrowed !== 0;
  if (isHidden && from < to) inspectValue(from, to, PLAIN, borrowed);
  else isHidden = inspectName(from, to, PLAIN);
  C[c] = isHidden ? -1 : from;
  C[c + 1] = to;
  C[c + 3] = name;
  noteRule(column, rule);
  named = column + 1;
}

function maskCell(at: number, end: number, column: number): void {
  if (at >= end) return;
  const rule = ruleOf(column);
  noName();
  if (column >= named) {
    inspectValue(at, end, PLAIN, rule);
    return;
  }
  const c = COLUMN * column;
  // Under a hidden name, or when it may be another, no rule keeps off.
  if (C[c] < 0) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
  else {
    pushName(C[c], C[c + 1]);
    if (slip === 0) setNameAtHand(C[c + 3]);
  }
  inspectValue(at, end, PLAIN, rule);
  popField();
}

/** The rule of the column, or of one that the field may belong to as well. */
function ruleOf(column: number): number {
  const last = Math.min(column + slip, COLUMNS_MAX - 1);
  for (let i = column; i <= last; i++) if (C[COLUMN * i + 2] !== 0) return C[COLUMN * i + 2];
  return slip >= COLUMNS_MAX ? anyRule : 0;
}

/** Reads the field at p. */
function readCell(p: number, end: number): void {
  isBroken = false;
  let q = p;
  while (q < end && (B[q] === BLANK || (B[q] === TAB && T[0] !== TAB))) q++;
  if (q < end && B[q] === QUOTE && readQuoted(q + 1, end, q > p)) return;
  q = p;
  while (q < end && B[q] !== T[0] && !isLineEnd(B[q])) q++;
  cellAt = p;
  cellNext = q;
  cellEnd = q > p && B[q - 1] === CR ? q - 1 : q;
  walked[0] += q - p;
  if (cellEnd > p && B[cellEnd - 1] === BACKSLASH) slip = COLUMNS_MAX;
}

/** Reads the field in quotes that begins at `from`. Behind blanks it is one only when it ends. */
function readQuoted(from: number, end: number, isBehindBlanks: boolean): boolean {
  let q = from;
  let hasBackslash = false;
  for (; q < end; q++) {
    if (B[q] === QUOTE) {
      if (B[q - 1] === BACKSLASH) hasBackslash = true;
      else if (q + 1 < end && B[q + 1] === QUOTE) q++;
      else break;
    }
  }
  walked[0] += q - from;
  if (q >= end && isBehindBlanks) return false;
  isBroken = q >= end;
  cellAt = from;
  cellEnd = q;
  // Up to the separator, whatever stands there.
  let isBlank = true;
  while (q < end && B[q] !== T[0] && !isLineEnd(B[q])) {
    if (q > cellEnd && B[q] > BLANK) isBlank = false;
    q++;
  }
  if (!isBlank) cellEnd = B[q - 1] === CR ? q - 1 : q;
  cellNext = q;
  if (hasBackslash) slip = COLUMNS_MAX;
  else if (isBehindBlanks) slip += separatorsIn(from, cellEnd);
  return true;
}

/** A line that may end in there may make it any column. */
function separatorsIn(at: number, end: number): number {
  let n = 0;
  for (let p = at; p < end; p++) {
    if (B[p] === LF || isLineEnd(B[p])) return COLUMNS_MAX;
    if (B[p] === T[0]) n++;
  }
  return n;
}
