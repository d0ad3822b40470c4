/**
 * Undoes the escapes of a value, so that detectors see what the receiver sees. The result is never longer than the value.
 *
 *   JSON_STRING   \u0034\ud83d\ude00 \/ \n     RFC 8259, 7
 *   URL_FORM      a%20b+c, also %u0034         WHATWG URL, 5; %u as some servers read it
 *   URL_PATH      a%20b                        RFC 3986, 2.1
 *   XML_TEXT      &#52; &#x34; &amp; &commat;  XML 1.0, 4.1 and 4.6; the ASCII signs among HTML's names
 *
 * What is no escape stays as it is. A lone surrogate becomes U+FFFD. Numeric references of XML may lack their semicolon, as
 * in HTML. Bounds: reads [at, end), writes at most end - at bytes at `to`.
 */
import { bytes } from '../../base/arena.ts';
import { JSON_STRING, URL_FORM, URL_PATH, XML_TEXT } from './value.ts';

const B = bytes;
const BACKSLASH = 92;
const PERCENT = 37;
const PLUS = 43;
const AMPERSAND = 38;
const SEMICOLON = 59;
const BLANK = 32;
const LETTER_U = 117;

/** Value of a hexadecimal digit; 255 for anything else. */
const hexOf = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) hexOf[48 + i] = i;
for (let i = 10; i < 16; i++) hexOf[55 + i] = hexOf[87 + i] = i;
const H = hexOf;

/** What stands behind a backslash, and what it means; others mean themselves. */
const escapes = new Uint8Array(256);
for (let i = 0; i < 256; i++) escapes[i] = i;
for (const [letter, c] of [
  ['b', 8],
  ['t', 9],
  ['n', 10],
  ['f', 12],
  ['r', 13],
] as const)
  escapes[letter.charCodeAt(0)] = c;
const ESCAPES = escapes;

const entities: readonly (readonly [Buffer, number])[] = (
  [
    ['amp', 38],
    ['lt', 60],
    ['gt', 62],
    ['quot', 34],
    ['apos', 39],
    ['nbsp', 32],
    ['Tab', 9],
    ['NewLine', 10],
    ['commat', 64],
    ['period', 46],
    ['colon', 58],
    ['semi', 59],
    ['equals', 61],
    ['sol', 47],
    ['num', 35],
    ['plus', 43],
    ['comma', 44],
    ['lowbar', 95],
    ['hyphen', 45],
    ['dash', 45],
    ['percnt', 37],
    ['dollar', 36],
    ['lpar', 40],
    ['rpar', 41],
  ] as const
).map(([name, c]) => [Buffer.from(name), c]);
const ENTITY_BYTES_MAX = 10;

/** Writes [at, end) with the escapes of its form undone at `to`; returns the end of that. */
export function undoEscapes(at: number, end: number, form: number, to: number): number {
  if (form === JSON_STRING) return undoJson(at, end, to);
  if (form === URL_FORM || form === URL_PATH) return undoPercent(at, end, form === URL_FORM, to);
  if (form === XML_TEXT) return undoXml(at, end, to);
  B.copyWithin(to, at, end);
  return to + end - at;
}

/** Four hexadecimal digits at `p`, or -1. */
function hex4(p: number, end: number): number {
  if (p + 4 > end) return -1;
  const a = H[B[p]];
  const b = H[B[p + 1]];
  const c = H[B[p + 2]];
  const d = H[B[p + 3]];
  return (a | b | c | d) > 15 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

function writeUtf8(to: number, c: number): number {
  if (c < 0x80) {
    B[to] = c;
    return to + 1;
  }
  if (c < 0x800) {
    B[to] = 0xc0 | (c >> 6);
    B[to + 1] = 0x80 | (c & 63);
    return to + 2;
  }
  if (c < 0x10000) {
    B[to] = 0xe0 | (c >> 12);
    B[to + 1] = 0x80 | ((c >> 6) & 63);
    B[to + 2] = 0x80 | (c & 63);
    return to + 3;
  }
  B[to] = 0xf0 | (c >> 18);
  B[to + 1] = 0x80 | ((c >> 12) & 63);
  B[to + 2] = 0x80 | ((c >> 6) & 63);
  B[to + 3] = 0x80 | (c & 63);
  return to + 4;
}

function undoJson(at: number, end: number, to: number): number {
  let o = to;
  let p = at;
  while (p < end) {
    const c = B[p++];
    if (c !== BACKSLASH || p >= end) {
      B[o++] = c;
      continue;
    }
    const letter = B[p++];
    const unit = letter === LETTER_U ? hex4(p, end) : -1;
    if (unit < 0) {
      B[o++] = ESCAPES[letter];
      continue;
    }
    p += 4;
    if (unit >= 0xd800 && unit < 0xdc00 && p + 6 <= end && B[p] === BACKSLASH && B[p + 1] === LETTER_U) {
      const low = hex4(p + 2, end);
      if (low >= 0xdc00 && low < 0xe000) {
        o = writeUtf8(o, 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff));
        p += 6;
        continue;
      }
    }
    o = writeUtf8(o, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
  }
  return o;
}

function undoPercent(at: number, end: number, isForm: boolean, to: number): number {
  let o = to;
  let p = at;
  while (p < end) {
    const c = B[p++];
    if (c === PERCENT && p + 1 < end) {
      const a = H[B[p]];
      const b = H[B[p + 1]];
      if ((a | b) < 16) {
        B[o++] = (a << 4) | b;
        p += 2;
        continue;
      }
      const unit = B[p] === LETTER_U ? hex4(p + 1, end) : -1;
      if (unit >= 0) {
        o = writeUtf8(o, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
        p += 5;
        continue;
      }
    }
    B[o++] = c === PLUS && isForm ? BLANK : c;
  }
  return o;
}

/** Whether there is a percent-escape in [at, end). */
export function hasPercentEscape(at: number, end: number): boolean {
  for (let p = at; p + 2 < end; p++) if (B[p] === PERCENT && ((H[B[p + 1]] | H[B[p + 2]]) < 16 || B[p + 1] === LETTER_U)) return true;
  return false;
}

function undoXml(at: number, end: number, to: number): number {
  let o = to;
  let p = at;
  while (p < end) {
    const c = B[p++];
    if (c !== AMPERSAND) {
      B[o++] = c;
      continue;
    }
    const unit = reference(p, end);
    if (unit < 0) {
      B[o++] = c;
      continue;
    }
    p = referenceEnd;
    o = writeUtf8(o, unit);
  }
  return o;
}

let referenceEnd = 0;

/** The character that the reference at `p`, behind its ampersand, means; -1 when it is none. Sets `referenceEnd`. */
function reference(at: number, end: number): number {
  let p = at;
  if (p < end && B[p] === 35) {
    p++;
    const isHex = p < end && (B[p] | 32) === 120;
    if (isHex) p++;
    const digitsAt = p;
    let unit = 0;
    for (; p < end; p++) {
      const d = H[B[p]];
      if (d > (isHex ? 15 : 9)) break;
      if (unit < 0x110000) unit = unit * (isHex ? 16 : 10) + d;
    }
    if (p === digitsAt) return -1;
    if (p < end && B[p] === SEMICOLON) p++;
    referenceEnd = p;
    return unit === 0 || unit > 0x10ffff || (unit >= 0xd800 && unit < 0xe000) ? 0xfffd : unit;
  }
  while (p < end && p - at < ENTITY_BYTES_MAX && B[p] !== SEMICOLON) p++;
  if (p >= end || B[p] !== SEMICOLON) return -1;
  for (const [name, unit] of entities) {
    if (name.length !== p - at) continue;
    let i = 0;
    while (i < name.length && name[i] === B[at + i]) i++;
    if (i < name.length) continue;
    referenceEnd = p + 1;
    return unit;
  }
  return -1;
}
