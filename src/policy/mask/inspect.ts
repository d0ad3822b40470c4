/**
 * What every walker does with what it meets: a name is looked up, a value is looked at.
 *
 *   value as it stands   "a\u0040b.example"   a%40b.example    between `at` and `end` of the source
 *   its escapes undone   a@b.example                           on the stack (stack.ts), when it has any
 *   documents inside     {"card": ...}  a=1&b=2  <a>..</a>     walked in their turn (inside.ts)
 *
 * What is found in the value as it stands is masked there and nowhere else. What is found in a copy, or in a document inside,
 * masks the whole value by the first rule found. A name with a rule decides alone: its whole value is masked.
 *
 * Bounds: each level of inside.ts looks at a value a few times at most, so time is linear. What finds no room on the stack is
 * masked whole as `unreadable`.
 */
import { bytes } from '../../base/arena.ts';
import type { MaskingSpec } from '../spec.ts';
import { detect, found } from './detect.ts';
import { isUrl, lookInside, mayHoldMore } from './inside.ts';
import { AMPERSAND, BACKSLASH, COLON, kindOf, PERCENT, PLUS, walked } from './kinds.ts';
import { countRule, denied, lookUpName } from './names.ts';
import { nestingNow, onlyReports, put, putUnreadable } from './put.ts';
import { isQuicklyClean } from './quick.ts';
import { hasRoom, setStackTop, stackTop } from './stack.ts';
import { undoEscapes } from './undo.ts';
import { UNREADABLE } from './unreadable.ts';
import { JSON_BARE, JSON_STRING, PLAIN, URL_FORM, URL_PATH, XML_TEXT } from './value.ts';
import { walkers } from './walkers.ts';

const B = bytes;
const K = kindOf;
const F = found;
const X = denied;

/** By form: the kinds of bytes that make a value one with escapes. */
const escapes = new Uint16Array(8);
escapes[JSON_STRING] = BACKSLASH;
escapes[URL_FORM] = PERCENT | PLUS;
escapes[URL_PATH] = PERCENT;
escapes[XML_TEXT] = AMPERSAND;
const ESCAPES = escapes;
/**
 * Names of letters, hyphens and underscores alone are looked at from this length on, and values of them from that one: no
 * detector finds anything in less. Numbers need so many bytes. Rules with a pattern may want any value, so with one of these
 * all values are looked at.
 */
const NAME_BYTES_MIN = 20;
const VALUE_BYTES_MIN = 12;
const NUMBER_BYTES_MIN = 7;
let valueBytesMin = VALUE_BYTES_MIN;
let numberBytesMin = NUMBER_BYTES_MIN;

/** New rules. */
export function resetInspect(spec: MaskingSpec): void {
  const hasPatterns = spec.rules.some(({ pattern }) => pattern !== '');
  valueBytesMin = hasPatterns ? 0 : VALUE_BYTES_MIN;
  numberBytesMin = hasPatterns ? 0 : NUMBER_BYTES_MIN;
}

/** The rule that masks what stands under this name, 0 for none. What follows is looked at as standing under it. */
export const nameRule: (at: number, end: number) => number = lookUpName;

/** What follows stands under no name. */
export function noName(): void {
  X[0] = 0;
}

/** What of a name counts for the values under it: taken when it was looked up, given back when the walk comes back to it. */
export function nameAtHand(): number {
  return X[0];
}

export function setNameAtHand(name: number): void {
  X[0] = name;
}

/** The same for a name with the escapes of a form. */
export function nameRuleIn(at: number, end: number, form: number): number {
  if ((kindsOf(at, end) & ESCAPES[form]) === 0) return nameRule(at, end);
  if (!hasRoom(end - at)) return UNREADABLE;
  const to = stackTop();
  return nameRule(to, undoEscapes(at, end, form, to));
}

export function kindsOf(at: number, end: number): number {
  walked[0] += end - at;
  let kinds = 0;
  for (let p = at; p < end; p++) kinds |= K[B[p]];
  return kinds;
}

/** Masks what a name itself holds, such as an address as the key of a map. Returns whether it did. */
export function inspectName(at: number, end: number, form: number): boolean {
  return inspectNameOf(at, end, form, kindsOf(at, end));
}

/** The same for a name of known kinds. */
export function inspectNameOf(at: number, end: number, form: number, kinds: number): boolean {
  if (at >= end || (kinds === 0 && end - at < NAME_BYTES_MIN)) return false;
  if ((kinds & ESCAPES[form]) === 0) return maskFindings(at, end, form);
  return maskCopy(at, end, form);
}

/** Looks at a value of the source in its form; `rule` is that of its name. */
export function inspectValue(at: number, end: number, form: number, rule: number): void {
  if (rule === 0 && isQuicklyClean(at, end)) {
    walked[0] += end - at;
    return;
  }
  if (rule !== 0 && form === PLAIN && at < end && !onlyReports(rule)) put(at, end, rule, at, end, PLAIN);
  else inspectValueOf(at, end, form, rule, kindsOf(at, end));
}

/** The same for a value of known kinds. */
export function inspectValueOf(at: number, end: number, form: number, rule: number, kinds: number): void {
  if (at >= end || (rule === 0 && kinds === 0 && end - at < valueBytesMin)) return;
  if (rule === 0 && (kinds & ESCAPES[form]) === 0) {
    if (mayHoldMore(at, end, kinds)) {
      // Replacements in a URL are percent-coded: they fit wherever the URL stands as it is, so only its parts are masked.
      if ((kinds & COLON) !== 0 && !inUrl && nestingNow() === 0 && isUrl(at, end)) maskUrlValue(at, end);
      else maskWithin(at, end, form, at, end, kinds);
    } else maskFindings(at, end, form);
    return;
  }
  inspectCopy(at, end, form, rule, kinds);
}

/** A URL in a URL is a document inside of a value. */
let inUrl = false;

function maskUrlValue(at: number, end: number): void {
  const name = X[0];
  inUrl = true;
  try {
    walkers.url(at, end, false);
  } finally {
    inUrl = false;
    X[0] = name;
  }
}

function inspectCopy(at: number, end: number, form: number, rule: number, kinds: number): void {
  const bottom = stackTop();
  let valueAt = at;
  let valueEnd = end;
  let valueKinds = kinds;
  if ((kinds & ESCAPES[form]) !== 0) {
    if (!hasRoom(end - at)) {
      putUnreadable(at, end, form);
      return;
    }
    valueAt = bottom;
    valueEnd = undoEscapes(at, end, form, bottom);
    valueKinds = kindsOf(valueAt, valueEnd);
    setStackTop(valueEnd);
  }
  // A rule that only reports leaves the value to all others.
  const isMasked = (rule === 0 || onlyReports(rule)) && maskWithin(at, end, form, valueAt, valueEnd, valueKinds);
  if (rule !== 0 && !isMasked) put(at, end, rule, valueAt, valueEnd, form);
  setStackTop(bottom);
}

/** Masks what detectors find in [at, end), there and nowhere else. */
function maskFindings(at: number, end: number, form: number): boolean {
  let any = false;
  for (let p = at; detect(p, end, at); p = F[1]) {
    any = true;
    put(F[0], F[1], F[2], F[0], F[1], form);
  }
  return any;
}

/** Masks all of [at, end) when detectors find something in it as it reads with its escapes undone. */
function maskCopy(at: number, end: number, form: number): boolean {
  if (!hasRoom(end - at)) {
    putUnreadable(at, end, form);
    return true;
  }
  const to = stackTop();
  const undone = undoEscapes(at, end, form, to);
  const rule = firstRule(to, undone);
  if (rule !== 0) put(at, end, rule, to, undone, form);
  return rule !== 0;
}

/** The first rule that masks something in [at, end); else the first that reports it; else 0. */
function firstRule(at: number, end: number): number {
  let rule = 0;
  for (let p = at; detect(p, end, at); p = F[1]) {
    if (rule === 0) rule = F[2];
    if (!onlyReports(F[2])) return F[2];
  }
  return rule;
}

/** [valueAt, valueEnd) is [at, end), or a copy of it with its escapes undone. Returns whether something was found. */
function maskWithin(at: number, end: number, form: number, valueAt: number, valueEnd: number, kinds: number): boolean {
  let inner = 0;
  if (mayHoldMore(valueAt, valueEnd, kinds)) {
    const name = X[0];
    inner = lookInside(valueAt, valueEnd, kinds);
    X[0] = name;
    if (inner !== 0 && !onlyReports(inner)) {
      put(at, end, inner, valueAt, valueEnd, form);
      return true;
    }
  }
  if (valueAt === at && inner === 0) return maskFindings(at, end, form);
  let rule = firstRule(valueAt, valueEnd);
  if (rule === 0 || (inner !== 0 && onlyReports(rule))) rule = inner;
  if (rule !== 0) put(at, end, rule, valueAt, valueEnd, form);
  return rule !== 0;
}

const DIGIT_0 = 48;
const DIGIT_9 = 57;
const MINUS = 45;
const PLUS_SIGN = 43;
const DOT = 46;
const LETTER_E = 101;
const LETTER_N = 110;
const LETTER_U = 117;

/**
 * Looks at a bare token of JSON or GraphQL: a number, true, false, null, a word. null under the name of a secret stays: it
 * says that there is none. A number with fraction or exponent is looked at as its digits as well, since that is how some
 * writers show long ones: 4.111111111111111E15. Numbers of things stay, too: "max_tokens": 100.
 */
export function inspectBare(at: number, end: number, nameOrOuterRule: number): void {
  let rule = nameOrOuterRule;
  if (rule !== 0 && end - at === 4 && B[at] === LETTER_N && B[at + 1] === LETTER_U) return;
  if (rule !== 0) {
    countEnd = isCount(at, rule) ? end : 0;
    if (countEnd !== 0) rule = 0;
  }
  if (rule === 0 || onlyReports(rule)) {
    const first = end - at < numberBytesMin ? 0 : firstRule(at, end);
    if (first !== 0) {
      put(at, end, first, at, end, JSON_BARE);
      return;
    }
    if (end - at >= NUMBER_BYTES_MIN && maskDigits(at, end)) return;
  }
  if (rule !== 0) put(at, end, rule, at, end, JSON_BARE);
}

const COLON_SIGN = 58;
const COMMA_SIGN = 44;
const OPEN_BRACKET = 91;
const QUOTE_SIGN = 34;
const COUNT_NAME_BYTES_MAX = 64;
/** Where the number of things ended that was met last; 0 when something else was met since. */
let countEnd = 0;

/**
 * Whether the number at `at` stands under a name that may have a number of things, and that has this rule: right behind the name,
 * or in a list of such. The name is read from the source, since `rule` may be that of an outer one.
 */
function isCount(at: number, rule: number): boolean {
  if (B[at] !== MINUS && (B[at] < DIGIT_0 || B[at] > DIGIT_9)) return false;
  let p = behindBlanks(at);
  if (B[p - 1] === COMMA_SIGN) {
    p = behindBlanks(p - 1);
    return p === countEnd && B[p - 1] >= DIGIT_0 && B[p - 1] <= DIGIT_9;
  }
  if (B[p - 1] === OPEN_BRACKET) p = behindBlanks(p - 1);
  if (B[p - 1] !== COLON_SIGN) return false;
  const end = behindBlanks(p - 1);
  const isQuoted = B[end - 1] === QUOTE_SIGN;
  const nameEnd = isQuoted ? end - 1 : end;
  let nameAt = nameEnd;
  while (nameEnd - nameAt < COUNT_NAME_BYTES_MAX && (isQuoted ? B[nameAt - 1] !== QUOTE_SIGN : isNameByte(B[nameAt - 1]))) nameAt--;
  return countRule(nameAt, nameEnd) === rule;
}

function behindBlanks(end: number): number {
  let p = end;
  while (end - p < COUNT_NAME_BYTES_MAX && B[p - 1] <= 32) p--;
  return p;
}

function isNameByte(c: number): boolean {
  return (c >= DIGIT_0 && c <= DIGIT_9) || ((c | 32) >= 97 && (c | 32) <= 122) || c === 95;
}

/** Most digits that are written out for a number with an exponent. */
const DIGITS_MAX = 64;

/** Looks at the whole part of a number as digits: 4.11111111111111E15 is 4111111111111110. */
function maskDigits(at: number, end: number): boolean {
  if (!hasRoom(end - at + DIGITS_MAX)) {
    putUnreadable(at, end, JSON_BARE);
    return true;
  }
  const to = stackTop();
  let p = B[at] === MINUS ? at + 1 : at;
  let o = to;
  let whole = -1;
  for (; p < end; p++) {
    const c = B[p];
    if (c >= DIGIT_0 && c <= DIGIT_9) B[o++] = c;
    else if (c === DOT && whole < 0) whole = o - to;
    else break;
  }
  if (whole < 0) whole = o - to;
  if (p < end && (B[p] | 32) === LETTER_E) {
    let exponent = 0;
    let q = p + 1;
    if (q < end && (B[q] === PLUS_SIGN || B[q] === MINUS)) q++;
    for (; q < end && B[q] >= DIGIT_0 && B[q] <= DIGIT_9 && exponent < DIGITS_MAX; q++) exponent = exponent * 10 + B[q] - DIGIT_0;
    whole = Math.min(B[p + 1] === MINUS ? whole - exponent : whole + exponent, o - to + DIGITS_MAX);
  } else if (whole === end - at) return false;
  while (o - to < whole) B[o++] = DIGIT_0;
  if (whole < NUMBER_BYTES_MIN) return false;
  const rule = firstRule(to, to + whole);
  if (rule !== 0) put(at, end, rule, to, to + whole, JSON_BARE);
  return rule !== 0;
}
