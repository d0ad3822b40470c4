/**
 * Tables as text (RFC 4180): the first line has the names of the columns, and each field stands under that of its column.
 *
 *   id;name;iban                    names, looked up; the separator is the one of , ; | and tab that it has most of
 *   1;"Ann ""Lee""";DE02120300000000202051
 *
 * A text without such a label is a table when its first line is made of names, one of them with a rule, and the next
 * ROWS_LOOKED lines have as many fields. Bounds: linear; COLUMNS_MAX columns, fields beyond them stand under no name. Where the kept bytes end early, the last
 * field is masked whole.
 */
import { bytes } from '../../base/arena.ts';
import { popField, pushName } from './field.ts';
import { inspectName, inspectValue, nameRule, noName } from './inspect.ts';
import { walked } from './kinds.ts';
import { putUnreadable } from './put.ts';
import { HIDDEN_NAME } from './stack.ts';
import { PLAIN } from './value.ts';

const B = bytes;
const COLUMNS_MAX = 512;
const ROWS_LOOKED = 8;
const NAME_BYTES_MAX = 64;
const QUOTE = 34;
const COMMA = 44;
const BAR = 124;
const DOT = 46;
const SEMICOLON = 59;
const TAB = 9;
const LF = 10;
const CR = 13;

/** By column: start and end of its name (-1: hidden). */
const columns = new Int32Array(2 * COLUMNS_MAX);

export function maskCsv(at: number, end: number, isCut: boolean): void {
  let p = at;
  if (p + 3 <= end && B[p] === 0xef && B[p + 1] === 0xbb && B[p + 2] === 0xbf) p += 3;
  const separator = separatorOf(p, end);
  let column = 0;
  let named = 0;
  let isFirst = true;
  while (p < end) {
    let from = p;
    let to = p;
    let q = p;
    if (B[p] === QUOTE) {
      from = ++q;
      while (q < end && (B[q] !== QUOTE || (q + 1 < end && B[q + 1] === QUOTE))) q += B[q] === QUOTE ? 2 : 1;
      to = q = Math.min(q, end);
      // Up to the separator, whatever stands there.
      while (q < end && B[q] !== separator && B[q] !== LF) q++;
      if (q - to > 1 && !(q - to === 2 && B[q - 1] === CR)) to = q;
    } else {
      while (q < end && B[q] !== separator && B[q] !== LF) q++;
      to = q > p && B[q - 1] === CR ? q - 1 : q;
    }
    if (q === end && isCut) putUnreadable(from, to, PLAIN);
    else if (isFirst) {
      const isHidden = inspectName(from, to, PLAIN);
      if (column < COLUMNS_MAX) {
        columns[2 * column] = isHidden ? -1 : from;
        columns[2 * column + 1] = to;
        named = column + 1;
      }
    } else maskCell(from, to, column, named);
    walked[0] += q - p;
    column++;
    if (q < end && B[q] === LF) {
      column = 0;
      isFirst = false;
    }
    p = q + 1;
  }
}

function maskCell(at: number, end: number, column: number, named: number): void {
  if (at >= end) return;
  if (column >= named) {
    noName();
    inspectValue(at, end, PLAIN, 0);
    return;
  }
  const nameAt = columns[2 * column];
  const nameEnd = columns[2 * column + 1];
  if (nameAt < 0) {
    noName();
    pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
    inspectValue(at, end, PLAIN, 0);
  } else {
    const rule = nameRule(nameAt, nameEnd);
    pushName(nameAt, nameEnd);
    inspectValue(at, end, PLAIN, rule);
  }
  popField();
}

function separatorOf(at: number, end: number): number {
  let commas = 0;
  let semicolons = 0;
  let tabs = 0;
  let bars = 0;
  for (let p = at; p < end && B[p] !== LF; p++) {
    if (B[p] === COMMA) commas++;
    else if (B[p] === SEMICOLON) semicolons++;
    else if (B[p] === TAB) tabs++;
    else if (B[p] === BAR) bars++;
  }
  if (bars > commas && bars > semicolons && bars > tabs) return BAR;
  if (semicolons > commas && semicolons >= tabs) return SEMICOLON;
  return tabs > commas ? TAB : COMMA;
}

/** Whether a text without a label is a table with a column that has a rule. */
export function looksTable(at: number, end: number, isCut: boolean): boolean {
  let p = at;
  if (p + 3 <= end && B[p] === 0xef && B[p + 1] === 0xbb && B[p + 2] === 0xbf) p += 3;
  const separator = separatorOf(p, end);
  let fields = 0;
  let hasRule = false;
  while (p < end && fields < COLUMNS_MAX) {
    const from = B[p] === QUOTE ? p + 1 : p;
    let q = from;
    while (q < end && B[q] !== separator && B[q] !== LF && isNameByte(B[q])) q++;
    const to = q;
    while (q < end && (B[q] === QUOTE || B[q] === CR)) q++;
    if (q >= end || (B[q] !== separator && B[q] !== LF) || to - from > NAME_BYTES_MAX) return false;
    // The end of a sentence.
    if (to > from && B[to - 1] === DOT) return false;
    hasRule ||= nameRule(from, to) !== 0;
    fields++;
    p = q + 1;
    if (B[q] === LF) break;
  }
  noName();
  if (fields < 2 || !hasRule) return false;
  let rows = 0;
  while (p < end && rows < ROWS_LOOKED) {
    const from = p;
    let n = 1;
    for (let isQuoted = false; p < end && (isQuoted || B[p] !== LF); p++) {
      if (B[p] === QUOTE) isQuoted = !isQuoted;
      else if (B[p] === separator && !isQuoted) n++;
    }
    walked[0] += p - from;
    const isLast = p >= end;
    p++;
    if (B[from] === LF || (B[from] === CR && p - from <= 2)) continue;
    // The row that the kept bytes end in has fewer.
    if (isLast && isCut ? n > fields : n !== fields) return false;
    rows++;
  }
  return rows > 0;
}

/** Names of columns: letters, digits, and what joins words. */
function isNameByte(c: number): boolean {
  const lower = c | 32;
  return (lower >= 97 && lower <= 122) || (c >= 48 && c <= 57) || c === 32 || c === 95 || c === 45 || c === 46 || c >= 128;
}
