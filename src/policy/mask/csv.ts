/**
 * Tables as text (RFC 4180): the first line has the names of the columns, and each field stands under that of its column.
 *
 *   id;name;iban                    names, looked up; the separator is the one of , ; and tab that the first line has most of
 *   1;"Ann ""Lee""";DE02120300000000202051
 *
 * Bounds: linear; COLUMNS_MAX columns, fields beyond them stand under no name. Where the kept bytes end early, the last
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
const QUOTE = 34;
const COMMA = 44;
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
  for (let p = at; p < end && B[p] !== LF; p++) {
    if (B[p] === COMMA) commas++;
    else if (B[p] === SEMICOLON) semicolons++;
    else if (B[p] === TAB) tabs++;
  }
  if (semicolons > commas && semicolons >= tabs) return SEMICOLON;
  return tabs > commas ? TAB : COMMA;
}
