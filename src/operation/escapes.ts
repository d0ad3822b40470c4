/**
 * Escapes undone: of the inside of a JSON string (RFC 8259, 7) and of a parameter of a query or form (WHATWG URL, 5.1).
 *
 *   \" \\ \/ \b \f \n \r \t \u0041 \ud83d\ude00      a%20b+c
 *
 * Bounds: `toEnd`; nothing is written beyond it. What is no escape stays as it stands; half of a surrogate pair becomes U+FFFD.
 */
import { bytes } from '../base/arena.ts';

const B = bytes;
const BACKSLASH = 92;
const LETTER_U = 117;
const PERCENT = 37;
const PLUS = 43;
const REPLACEMENT = 0xfffd;
/** Longest character in UTF-8. */
const CHARACTER_BYTES_MAX = 4;

/** What the letter behind a backslash means; 0: itself. */
const meaning = new Uint8Array(256);
for (const [letter, c] of [
  ['b', 8],
  ['f', 12],
  ['n', 10],
  ['r', 13],
  ['t', 9],
] as const)
  meaning[letter.charCodeAt(0)] = c;

/** Value of a hexadecimal digit, or 255. */
const digits = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) digits[i.toString(16).charCodeAt(0)] = digits[i.toString(16).toUpperCase().charCodeAt(0)] = i;
const X = digits;

/** Whether one of them stands in [at, end). */
export function hasBackslash(at: number, end: number): boolean {
  for (let p = at; p < end; p++) if (B[p] === BACKSLASH) return true;
  return false;
}

/** Writes [at, end) to `to` with its escapes undone; returns the end of what was written, or -1 when it would not fit. */
export function undoJson(at: number, end: number, to: number, toEnd: number): number {
  let p = at;
  let o = to;
  while (p < end) {
    if (o + CHARACTER_BYTES_MAX > toEnd) {
      wholeEnd = o;
      return -1;
    }
    const c = B[p++];
    if (c !== BACKSLASH || p >= end) {
      B[o++] = c;
      continue;
    }
    const letter = B[p++];
    if (letter !== LETTER_U) {
      B[o++] = meaning[letter] === 0 ? letter : meaning[letter];
      continue;
    }
    let code = unitAt(p, end);
    if (code < 0) {
      B[o++] = letter;
      continue;
    }
    p += 4;
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 && p + 1 < end && B[p] === BACKSLASH && B[p + 1] === LETTER_U ? unitAt(p + 2, end) : -1;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
      } else code = REPLACEMENT;
    }
    o = writeCharacter(o, code);
  }
  return o;
}

/** The same for a parameter. */
export function undoForm(at: number, end: number, to: number, toEnd: number): number {
  let o = to;
  for (let p = at; p < end; p++) {
    if (o >= toEnd) {
      wholeEnd = o;
      return -1;
    }
    const c = B[p];
    if (c === PERCENT && p + 2 < end && X[B[p + 1]] < 16 && X[B[p + 2]] < 16) {
      B[o++] = (X[B[p + 1]] << 4) | X[B[p + 2]];
      p += 2;
    } else B[o++] = c === PLUS ? 32 : c;
  }
  return o;
}

let wholeEnd = 0;

/** Where that which did fit ends. */
export function undoneUntil(): number {
  return wholeEnd;
}

/** Four hexadecimal digits; -1 when they are not there. */
function unitAt(p: number, end: number): number {
  if (p + 4 > end) return -1;
  const a = X[B[p]];
  const b = X[B[p + 1]];
  const c = X[B[p + 2]];
  const d = X[B[p + 3]];
  return (a | b | c | d) > 15 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

function writeCharacter(to: number, code: number): number {
  if (code < 0x80) {
    B[to] = code;
    return to + 1;
  }
  if (code < 0x800) {
    B[to] = 0xc0 | (code >> 6);
    B[to + 1] = 0x80 | (code & 63);
    return to + 2;
  }
  if (code < 0x10000) {
    B[to] = 0xe0 | (code >> 12);
    B[to + 1] = 0x80 | ((code >> 6) & 63);
    B[to + 2] = 0x80 | (code & 63);
    return to + 3;
  }
  B[to] = 0xf0 | (code >> 18);
  B[to + 1] = 0x80 | ((code >> 12) & 63);
  B[to + 2] = 0x80 | ((code >> 6) & 63);
  B[to + 3] = 0x80 | (code & 63);
  return to + 4;
}
