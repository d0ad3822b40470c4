/**
 * Pairs of a query or of application/x-www-form-urlencoded (WHATWG URL, 5): names are looked up, values looked at, both with
 * their escapes undone.
 *
 *   user[password]=hunter%202&next=%2Fcart&tags=a;b;page=2&flag
 *   name           value      name value   name ^value     bare
 *
 * A semicolon ends a pair only where another name and equals sign follow; else it belongs to the value. Every part of a nested
 * name (user[password], user.password) is looked up too; the first that has a rule decides. A bare piece is a value without a
 * name. Bad escapes stay as they are.
 *
 * Bounds: linear; NAME_PARTS_MAX parts of a name. Where the kept bytes end early, the last piece is masked whole.
 */
import { bytes } from '../../base/arena.ts';
import { inspectValue, nameRule, noName } from './inspect.ts';
import { IN_FORM } from './kernels/tables.ts';
import { walked } from './kinds.ts';
import { enterPair, leavePair } from './pair.ts';
import { putUnreadable } from './put.ts';
import { factsOfPair, nextPair } from './quick.ts';
import { hasRoom, setStackTop, stackTop } from './stack.ts';
import { hasPercentEscape, undoEscapes } from './undo.ts';
import { UNREADABLE } from './unreadable.ts';
import { URL_FORM } from './value.ts';

const B = bytes;
const AMPERSAND = 38;
const SEMICOLON = 59;
const EQUALS = 61;
const NAME_PARTS_MAX = 16;

/** What stands between the parts of a name, [ ] and the dot; and what its escapes begin with. */
const PART = 1;
const ESCAPE = 2;
const separators = new Uint8Array(256);
for (const c of Buffer.from('[].')) separators[c] = PART;
for (const c of Buffer.from('%+')) separators[c] = ESCAPE;
const S = separators;

/** The query of a target, without its question mark; also a fragment. */
export function maskQuery(at: number, end: number): void {
  maskForm(at, end, false);
}

/** Returns whether there was a pair. */
export function walkForm(at: number, end: number, isCut: boolean): boolean {
  maskForm(at, end, isCut);
  return true;
}

export function maskForm(at: number, end: number, isCut: boolean): void {
  walked[0] += end - at;
  let p = at;
  for (;;) {
    // The last piece of a cut form is masked, whatever it is.
    if (!isCut) p = nextPair(p, end, IN_FORM);
    if (p >= end) return;
    let facts = isCut ? 0 : factsOfPair();
    let q = p;
    let equals = -1;
    let semicolon = -1;
    for (; q < end; q++) {
      const c = B[q];
      if (c === AMPERSAND) break;
      if (c === SEMICOLON) semicolon = q;
      else if (c === EQUALS) {
        if (semicolon >= 0) {
          maskPair(p, equals, semicolon, false, facts);
          facts = 0;
          p = semicolon + 1;
          semicolon = -1;
          equals = q;
        } else if (equals < 0) equals = q;
      }
    }
    maskPair(p, equals, q, isCut && q === end, facts);
    p = q + 1;
  }
}

/** [at, end) with its equals sign, or -1 for none. */
function maskPair(at: number, equals: number, end: number, isCut: boolean, facts: number): void {
  if (equals < 0) {
    if (isCut) putUnreadable(at, end, URL_FORM);
    else {
      noName();
      inspectValue(at, end, URL_FORM, 0);
    }
    return;
  }
  const rule = enterPair(at, equals, URL_FORM, IN_FORM, facts, nestedNameRule);
  if (isCut) putUnreadable(equals + 1, end, URL_FORM);
  else inspectValue(equals + 1, end, URL_FORM, rule);
  leavePair(equals + 1, end, IN_FORM);
}

/** The rule of a name or of one of its parts; 0 for none. */
export function nestedNameRule(at: number, end: number, form: number): number {
  let q = at;
  while (q < end && S[B[q]] === 0) q++;
  if (q === end) return nameRule(at, end);
  if (!hasRoom(end - at)) return UNREADABLE;
  const from = stackTop();
  let to = undoEscapes(at, end, form, from);
  // Coded twice: some servers undo both.
  if (form === URL_FORM && hasPercentEscape(from, to)) to = undoEscapes(from, to, form, from);
  setStackTop(to);
  let rule = nameRule(from, to);
  for (let p = from, parts = 0; rule === 0 && p < to && parts < NAME_PARTS_MAX; parts++) {
    q = p;
    while (q < to && S[B[q]] !== PART) q++;
    // The whole name was looked up already.
    if (q === to && p === from) break;
    if (q > p) rule = nameRule(p, q);
    p = q + 1;
  }
  setStackTop(from);
  return rule;
}
