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
  if (at + DATA.length >= end || B[at + DATA.length] !== COLON) return 0;
  for (let i = 0; i < DATA.length; i++) if (B[at + i] !== DATA[i]) return 0;
  const p = at + DATA.length + 1;
  return p < end && B[p] === 32 ? p + 1 : p;
}
