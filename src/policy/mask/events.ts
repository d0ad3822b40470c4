/**
 * Server-sent events (HTML, 9.2): lines of field and value; events end with an empty line.
 *
 *   event: charge
 *   data: {"card":"4111111111111111"}      one line: a document of its own, masked where it stands
 *
 *   data: {"card":                         several: looked at joined by line feeds; anything found masks them all
 *   data: "4111111111111111"}
 *
 * Bounds: linear. Lines without a colon, and comments, are text.
 */
import { bytes } from '../../base/arena.ts';
import { walked } from './kinds.ts';
import { enterValue, leaveValue, put, putUnreadable } from './put.ts';
import { hasRoom, setStackTop, stackTop } from './stack.ts';
import { maskText } from './text.ts';
import { PLAIN } from './value.ts';
import { walkers } from './walkers.ts';

const B = bytes;
const LF = 10;
const CR = 13;
const COLON = 58;
const DATA = Buffer.from('data');
const NAMES: readonly Buffer[] = ['data', 'event', 'id', 'retry'].map((name) => Buffer.from(name));
const LOOK_BYTES = 512;

/** Whether all lines of the first part, data among them, are those of events: what has lost its label is walked all the same. */
export function looksEvents(at: number, end: number): boolean {
  const stop = Math.min(end, at + LOOK_BYTES);
  let hasData = false;
  for (let p = at; p < stop; ) {
    const next = lineEnd(p, end);
    let isField = B[p] === COLON || isEmpty(p, next);
    for (let i = 0; i < NAMES.length && !isField; i++) isField = beginsWith(NAMES[i], p, next);
    if (!isField) return false;
    hasData ||= dataAt(p, next) > 0;
    p = next;
  }
  return hasData;
}

function beginsWith(name: Buffer, at: number, end: number): boolean {
  if (at + name.length >= end || B[at + name.length] !== COLON) return false;
  for (let i = 0; i < name.length; i++) if (B[at + i] !== name[i]) return false;
  return true;
}

export function maskEvents(at: number, end: number, isCut: boolean): void {
  for (let p = at; p < end; ) {
    let q = p;
    let dataLines = 0;
    let dataBytes = 0;
    while (q < end) {
      const next = lineEnd(q, end);
      walked[0] += next - q;
      if (isEmpty(q, next)) break;
      if (dataAt(q, next) > 0) {
        dataLines++;
        dataBytes += next - q;
      }
      q = next;
    }
    const rule = dataLines > 1 ? ruleOfData(p, q, dataBytes, isCut && q === end) : 0;
    while (p < q) {
      const next = lineEnd(p, end);
      const from = dataAt(p, next);
      let to = next;
      while (to > p && (B[to - 1] === LF || B[to - 1] === CR)) to--;
      const inCut = isCut && next === end;
      if (from === 0) maskText(p, to, inCut);
      else if (from < to) {
        if (rule !== 0) put(from, to, rule, from, to, PLAIN);
        else if (dataLines === 1) walkers.document(from, to, inCut, 0, 0);
        else maskText(from, to, inCut);
      }
      p = next;
    }
    // The empty line.
    if (p < end) p = lineEnd(p, end);
  }
}

/** The first rule that something in the joined data lines of [at, end) falls under. */
function ruleOfData(at: number, end: number, length: number, isCut: boolean): number {
  const outer = enterValue();
  const bottom = stackTop();
  let rule = 0;
  try {
    if (hasRoom(length)) {
      let o = bottom;
      for (let p = at; p < end; ) {
        const next = lineEnd(p, end);
        const from = dataAt(p, next);
        if (from > 0) {
          B.copyWithin(o, from, next);
          o += next - from;
        }
        p = next;
      }
      setStackTop(o);
      walkers.document(bottom, o, isCut, 0, 0);
    } else putUnreadable(at, end, PLAIN);
  } finally {
    setStackTop(bottom);
    rule = leaveValue(outer);
  }
  return rule;
}

/** Behind the end of the line: CR, LF, or both. */
function lineEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== LF && B[p] !== CR) p++;
  if (p < end && B[p] === CR && p + 1 < end && B[p + 1] === LF) return p + 2;
  return p < end ? p + 1 : p;
}

function isEmpty(at: number, end: number): boolean {
  for (let p = at; p < end; p++) if (B[p] !== LF && B[p] !== CR) return false;
  return true;
}

/** Where the value of a data line begins; 0 when it is another. */
function dataAt(at: number, end: number): number {
  if (!beginsWith(DATA, at, end)) return 0;
  const p = at + DATA.length + 1;
  return p < end && B[p] === 32 ? p + 1 : p;
}
