/**
 * Writes a value so that the document around it stays one: the opposite of `undoEscapes`.
 *
 *   JSON_STRING   \" \\ \u000a           RFC 8259, 7
 *   JSON_BARE     "..." or a number      RFC 8259, 6
 *   URL_FORM      %26 +                  WHATWG URL, 5.2
 *   URL_PATH      %2F %20                RFC 3986, 2.1
 *   XML_TEXT      &lt; &quot;            XML 1.0, 2.4
 *
 * Bounds: reads [at, end); writes at most ESCAPED_BYTES_MAX bytes for one, and 18 more. The two must not overlap.
 */
import { bytes } from '../../base/arena.ts';
import { writeAny } from '../../normalise/json.ts';
import { JSON_BARE, JSON_STRING, PLAIN, URL_FORM, URL_PATH, XML_TEXT } from './value.ts';

const B = bytes;
const QUOTE = 34;
const PERCENT = 37;
const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const BLANK = 32;
export const ESCAPED_BYTES_MAX = 6;

/** Bytes that stand for themselves in every part of a URL: unreserved (RFC 3986, 2.3), asterisk and colon. */
const plain = new Uint8Array(256);
for (const c of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~*:')) plain[c] = 1;
const hex = Buffer.from('0123456789ABCDEF');

const entities: readonly (Buffer | undefined)[] = Array.from({ length: 256 }, (_, c) => {
  const name = { 34: 'quot', 38: 'amp', 39: 'apos', 60: 'lt', 62: 'gt' }[c];
  return name === undefined ? undefined : Buffer.from(`&${name};`);
});

/** Writes [at, end) as a value of that form at `to`; returns the end of it. */
export function writeEscaped(at: number, end: number, form: number, to: number): number {
  if (form === PLAIN || (form === JSON_BARE && isJsonNumber(at, end))) {
    B.copyWithin(to, at, end);
    return to + end - at;
  }
  if (form === JSON_STRING) return writeAny(to, at, end);
  if (form === JSON_BARE) {
    B[to] = QUOTE;
    const o = writeAny(to + 1, at, end);
    B[o] = QUOTE;
    return o + 1;
  }
  if (form === URL_FORM || form === URL_PATH) return writePercent(at, end, form === URL_FORM, to);
  if (form === XML_TEXT) return writeXml(at, end, to);
  throw new RangeError(`form ${form}`);
}

function writePercent(at: number, end: number, isForm: boolean, to: number): number {
  let o = to;
  for (let p = at; p < end; p++) {
    const c = B[p];
    if (plain[c] === 1) B[o++] = c;
    else if (c === BLANK && isForm) B[o++] = PLUS;
    else {
      B[o] = PERCENT;
      B[o + 1] = hex[c >> 4];
      B[o + 2] = hex[c & 15];
      o += 3;
    }
  }
  return o;
}

function writeXml(at: number, end: number, to: number): number {
  let o = to;
  for (let p = at; p < end; p++) {
    const entity = entities[B[p]];
    if (entity === undefined) B[o++] = B[p];
    else for (let i = 0; i < entity.length; i++) B[o++] = entity[i];
  }
  return o;
}

/** Whether [at, end) is a number of JSON: -1.5e+3. */
export function isJsonNumber(at: number, end: number): boolean {
  let p = at;
  if (p < end && B[p] === MINUS) p++;
  const whole = p;
  p = digitsEnd(p, end);
  if (p === whole || (B[whole] === ZERO && p > whole + 1)) return false;
  if (p < end && B[p] === DOT) {
    const fraction = p + 1;
    p = digitsEnd(fraction, end);
    if (p === fraction) return false;
  }
  if (p < end && (B[p] | 32) === 101) {
    p++;
    if (p < end && (B[p] === PLUS || B[p] === MINUS)) p++;
    const exponent = p;
    p = digitsEnd(p, end);
    if (p === exponent) return false;
  }
  return p === end;
}

function digitsEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] >= ZERO && B[p] <= 57) p++;
  return p;
}
