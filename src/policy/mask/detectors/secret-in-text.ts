/**
 * Names and values in text: what stands behind the name of a field that is to be masked.
 *
 *   password=hunter2   "apiKey": "..."   Authorization: Bearer x   user[password]=x   :token => 'x'   <password>x</password>
 *
 *   password: |                token:                  secret = """         lines that are indented more, as YAML has them;
 *     hunter2                    - hunter2              hunter2"""           up to the three quotes, as in TOML and Python
 *
 * The value ends where its quote closes, or at the next blank or separator; a list or an object is taken up to its bracket;
 * of Authorization and Cookie the rest of the line is the value. true, false, null and the like are no values.
 * Bounds: NAME_BYTES_MAX; BLANKS_MAX on either side of the sign.
 */
import { bytes } from '../../../base/arena.ts';
import { ruleOfName } from '../names.ts';
import { classes, DIGIT, hit, LOWER, looked, STOP, UPPER, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const H = hit;
const L = looked;
const NAME_BYTES_MAX = 64;
const BLANKS_MAX = 16;
const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const BLANK = 32;
const QUOTE = 34;
const APOSTROPHE = 39;
const HYPHEN = 45;
const SLASH = 47;
const COLON = 58;
const LESS = 60;
const EQUALS = 61;
const GREATER = 62;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const GRAVE = 96;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Where the name and the value of the sign that was looked at last lie, and where the text begins; the name is empty when there is none. */
export const pair: Int32Array = new Int32Array(4);
const P = pair;

function isNameByte(c: number): boolean {
  return (K[c] & WORD) !== 0 || c === 95 || c === 45 || c === 46 || c === 36 || c >= 128;
}

/** Finds the name before the = or : at p and the place of its value: in `pair` the name's start and end, and the value's start. */
export function findPair(p: number, end: number, from: number): boolean {
  let q = p;
  while (q > from && (B[q - 1] === BLANK || B[q - 1] === TAB) && p - q < BLANKS_MAX) q--;
  while (q > from && p - q < BLANKS_MAX + 4 && isQuoteOrBracket(B[q - 1])) q--;
  const nameEnd = q;
  const stop = q - NAME_BYTES_MAX > from ? q - NAME_BYTES_MAX : from;
  while (q > stop && isNameByte(B[q - 1])) q--;
  L[0] += p - q;
  // A time of day is no name.
  if (q === nameEnd || (nameEnd === p && (K[B[q]] & K[B[p - 1]] & DIGIT) !== 0)) return false;
  P[0] = q;
  P[1] = nameEnd;
  P[3] = from;
  let v = p + 1;
  // ":=", "==", "=>"
  while (v < end && v - p < 3 && (B[v] === EQUALS || (B[v] === GREATER && B[p] === EQUALS))) v++;
  while (v < end && (B[v] === BLANK || B[v] === TAB) && v - p < 4 * BLANKS_MAX) v++;
  P[2] = v;
  return v < end;
}

function isQuoteOrBracket(c: number): boolean {
  return c === QUOTE || c === APOSTROPHE || c === BACKSLASH || c === CLOSE;
}

/** After `findPair`: whether the value is to be masked. Start in hit[0], rule in hit[2]; the end, or 0. */
export function namedSecret(p: number, end: number): number {
  let v = P[2];
  if (B[p] === COLON && v === p + 1 && v + 1 < end && B[v] === SLASH && B[v + 1] === SLASH) return 0;
  const rule = ruleOfName(P[0], P[1]);
  if (rule === 0) return 0;
  H[2] = rule;
  if (B[p] === COLON) {
    const e = blockEnd(v, end);
    if (e !== 0) return e;
  }
  // b'...', rb"..."
  let q = v;
  while (q < v + 2 && q < end && (K[B[q]] & (LOWER | UPPER)) !== 0) q++;
  if (q < end && (B[q] === QUOTE || B[q] === APOSTROPHE)) v = q;
  let quote = B[v];
  if ((quote === QUOTE || quote === APOSTROPHE) && v + 3 < end && B[v + 1] === quote && B[v + 2] === quote) {
    H[0] = v + 3;
    return notEmpty(v + 3, threeQuotesEnd(v + 3, end, quote));
  }
  let isEscaped = false;
  if (quote === BACKSLASH && v + 1 < end && (B[v + 1] === QUOTE || B[v + 1] === APOSTROPHE)) {
    isEscaped = true;
    quote = B[++v];
  }
  if (quote === QUOTE || quote === APOSTROPHE || quote === GRAVE) {
    H[0] = ++v;
    return notEmpty(v, quoteEnd(v, end, quote, isEscaped));
  }
  H[0] = v;
  if (quote === OPEN || quote === OPEN_BRACE) return bracketEnd(v, end, quote === OPEN ? CLOSE : CLOSE_BRACE);
  if (isLine(P[0], P[1])) return notEmpty(v, lineEnd(v, end));
  q = v;
  while (q < end && (K[B[q]] & STOP) === 0) q++;
  L[0] += q - v;
  if (q < end && B[q] === BLANK && isScheme(v, q)) {
    let next = q + 1;
    while (next < end && (K[B[next]] & STOP) === 0) next++;
    return next > q + 1 ? next : q;
  }
  if (q === v || isNothing(v, q)) return 0;
  return q;
}

/**
 * The name stands before P[0], and behind its colon nothing else in this line, or | or >: the lines below it that are indented
 * more, or begin with "- ", are its value. Start in hit[0]; the end, or 0.
 */
function blockEnd(v: number, end: number): number {
  let q = v;
  if (q < end && (B[q] === 124 || B[q] === GREATER)) while (q < end && B[q] > BLANK) q++;
  while (q < end && (B[q] === BLANK || B[q] === TAB || B[q] === RETURN)) q++;
  if (q >= end || B[q] !== NEWLINE) return 0;
  let nameIndent = 0;
  for (let p = P[0]; p > P[3] && nameIndent < NAME_BYTES_MAX && isIndent(B[p - 1]); p--) nameIndent++;
  let at = 0;
  let to = 0;
  while (q < end) {
    const lineAt = ++q;
    while (q < end && B[q] === BLANK) q++;
    const indent = q - lineAt;
    const isItem = q + 1 < end && B[q] === HYPHEN && B[q + 1] === BLANK;
    const from = q;
    while (q < end && B[q] !== NEWLINE) q++;
    let stop = q;
    while (stop > from && B[stop - 1] <= BLANK) stop--;
    if (stop === from) continue;
    if (indent <= nameIndent && !(isItem && indent === nameIndent)) break;
    if (at === 0) at = from;
    to = stop;
  }
  L[0] += (to === 0 ? q : to) - v;
  H[0] = at;
  return to;
}

function isIndent(c: number): boolean {
  return c === BLANK || c === QUOTE || c === HYPHEN;
}

function threeQuotesEnd(v: number, end: number, quote: number): number {
  let q = v;
  while (q + 2 < end && (B[q] !== quote || B[q + 1] !== quote || B[q + 2] !== quote)) q++;
  L[0] += q - v;
  return q + 2 < end ? q : end;
}

/** `--password hunter2` as on a command line: "--" stands at p. Start in hit[0], rule in hit[2]; the end, or 0. */
export function optionSecret(p: number, end: number): number {
  let q = p + 2;
  const stop = end < q + NAME_BYTES_MAX ? end : q + NAME_BYTES_MAX;
  while (q < stop && isNameByte(B[q])) q++;
  L[0] += q - p;
  if (q === p + 2 || q + 1 >= end || B[q] !== BLANK || B[p + 2] === HYPHEN) return 0;
  const rule = ruleOfName(p + 2, q);
  if (rule === 0) return 0;
  let v = q + 1;
  const quote = B[v];
  H[2] = rule;
  if (quote === QUOTE || quote === APOSTROPHE) {
    H[0] = ++v;
    return notEmpty(v, quoteEnd(v, end, quote, false));
  }
  H[0] = v;
  let e = v;
  while (e < end && (K[B[e]] & STOP) === 0) e++;
  L[0] += e - v;
  return B[v] === HYPHEN ? 0 : notEmpty(v, e);
}

function notEmpty(at: number, end: number): number {
  return end > at ? end : 0;
}

function quoteEnd(v: number, end: number, quote: number, isEscaped: boolean): number {
  let q = v;
  for (; q < end; q++) {
    if (B[q] === BACKSLASH) {
      if (isEscaped && q + 1 < end && B[q + 1] === quote) break;
      q++;
    } else if (B[q] === quote) break;
  }
  L[0] += q - v;
  return q < end ? q : end;
}

function bracketEnd(v: number, end: number, close: number): number {
  let q = v;
  while (q < end && B[q] !== close) q++;
  L[0] += q - v;
  return q < end ? q + 1 : end;
}

function lineEnd(v: number, end: number): number {
  let q = v;
  while (q < end && B[q] !== NEWLINE && B[q] !== RETURN && B[q] !== QUOTE && B[q] !== APOSTROPHE) q++;
  L[0] += q - v;
  return q;
}

/** Whether the name ends in "authorization" or "cookie". */
function isLine(at: number, end: number): boolean {
  return endsWith(at, end, AUTHORIZATION) || endsWith(at, end, COOKIE);
}

const AUTHORIZATION = Buffer.from('authorization', 'latin1');
const COOKIE = Buffer.from('cookie', 'latin1');

function endsWith(at: number, end: number, text: Uint8Array): boolean {
  const from = end - text.length;
  if (from < at) return false;
  for (let i = 0; i < text.length; i++) if ((B[from + i] | 32) !== text[i]) return false;
  return true;
}

const schemes = ['bearer', 'basic', 'token', 'apikey', 'digest', 'negotiate', 'ntlm', 'hawk'].map((text) => Buffer.from(text, 'latin1'));
const nothings = ['true', 'false', 'null', 'none', 'nil', 'undefined'].map((text) => Buffer.from(text, 'latin1'));

function isOneOf(list: readonly Uint8Array[], at: number, end: number): boolean {
  for (let i = 0; i < list.length; i++) if (list[i].length === end - at && endsWith(at, end, list[i])) return true;
  return false;
}

function isScheme(at: number, end: number): boolean {
  return isOneOf(schemes, at, end);
}

function isNothing(at: number, end: number): boolean {
  return isOneOf(nothings, at, end);
}

/** An element at p, "<password>x": its content is the value. Start in hit[0], rule in hit[2]; the end, or 0. */
export function elementSecret(p: number, end: number): number {
  let q = p + 1;
  const stop = end < q + NAME_BYTES_MAX ? end : q + NAME_BYTES_MAX;
  while (q < stop && (isNameByte(B[q]) || B[q] === COLON)) q++;
  if (q === p + 1 || q >= end || (B[q] !== GREATER && B[q] !== BLANK)) return 0;
  let nameAt = p + 1;
  for (let i = nameAt; i < q; i++) if (B[i] === COLON) nameAt = i + 1;
  const nameEnd = q;
  while (q < end && q - nameEnd < 4 * NAME_BYTES_MAX && B[q] !== GREATER && B[q] !== LESS) q++;
  L[0] += q - p;
  if (q >= end || B[q] !== GREATER || B[q - 1] === SLASH || nameAt === nameEnd) return 0;
  const rule = ruleOfName(nameAt, nameEnd);
  if (rule === 0) return 0;
  const v = ++q;
  while (q < end && B[q] !== LESS) q++;
  L[0] += q - v;
  H[0] = v;
  H[2] = rule;
  return notEmpty(v, q);
}
