/**
 * Credentials by their scheme.
 *
 *   Bearer mF_9.B5f-4.1JqM              token68 (RFC 6750, 2.1)
 *   Basic QWxhZGRpbjpvcGVu              base64 of user:password (RFC 7617, 2)
 *   https://ann:secret@example.com/     userinfo (RFC 3986, 3.2.1)
 *
 * In prose "bearer" and "basic" are words: what follows must look like a token, or must decode to text with a colon.
 */
import { bytes } from '../../../base/arena.ts';
import { base64End, decode, decoded } from './base64.ts';
import { classes, DIGIT, hit, LOWER, looked, STOP, UPPER, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const H = hit;
const L = looked;
const D = decoded;
const BLANK = 32;
const AT = 64;
const COLON = 58;
const SLASH = 47;
const EQUALS = 61;
const TOKEN_CHARS_MIN = 8;
/** So long is no word. */
const WORD_CHARS_MAX = 20;

/** Whether the word [s, s + 6) is "bearer". */
export function isBearer(s: number): boolean {
  return lower4(s) === 0x62656172 && (B[s + 4] | 32) === 101 && (B[s + 5] | 32) === 114;
}

/** Whether the word [s, s + 5) is "basic". */
export function isBasic(s: number): boolean {
  return lower4(s) === 0x62617369 && (B[s + 4] | 32) === 99;
}

function lower4(s: number): number {
  return ((B[s] | 32) << 24) | ((B[s + 1] | 32) << 16) | ((B[s + 2] | 32) << 8) | (B[s + 3] | 32);
}

/** Behind "Bearer" at p; `s` is where that word begins. Start in hit[0]; the end, or 0. */
export function bearerToken(s: number, p: number, end: number, from: number): number {
  let q = skipBlanks(p, end);
  if (q === p) return 0;
  const at = q;
  let seen = 0;
  for (;;) {
    for (; q < end; q++) {
      const c = B[q];
      const k = K[c];
      if ((k & WORD) === 0 && c !== 45 && c !== 46 && c !== 95 && c !== 126 && c !== 43 && c !== SLASH) break;
      seen |= k;
    }
    const padding = q;
    while (q < end && B[q] === EQUALS) q++;
    // Parts of a token may have padding of their own.
    if (q === padding || q + 1 >= end || B[q] !== 46 || (K[B[q + 1]] & WORD) === 0) break;
  }
  L[0] += q - p;
  H[0] = at;
  const n = q - at;
  if (n === 0) return 0;
  // A header field that is nothing but this.
  if (s === from && q === end && (n >= TOKEN_CHARS_MIN || (seen & DIGIT) !== 0)) return q;
  const isRandom = (seen & DIGIT) !== 0 || ((seen & UPPER) !== 0 && (seen & LOWER) !== 0 && n >= 2 * TOKEN_CHARS_MIN);
  // A full stop that ends the sentence is not of the token.
  if (n > 1 && B[q - 1] === 46) q--;
  return n >= TOKEN_CHARS_MIN && (isRandom || n >= WORD_CHARS_MAX) ? q : 0;
}

/** Behind "Basic" at p. Start in hit[0]; the end, or 0. */
export function basicCredentials(p: number, end: number): number {
  const at = skipBlanks(p, end);
  if (at === p) return 0;
  let q = base64End(at, end);
  if (q - at < 4) return 0;
  const n = decode(at, q);
  let hasColon = false;
  for (let i = 0; i < n; i++) {
    if (D[i] < 32 || D[i] === 127) return 0;
    if (D[i] === COLON) hasColon = true;
  }
  if (!hasColon) return 0;
  while (q < end && B[q] === EQUALS) q++;
  H[0] = at;
  return q;
}

function skipBlanks(p: number, end: number): number {
  let q = p;
  while (q < end && B[q] === BLANK && q - p < 8) q++;
  return q;
}

/** "://" begins at p, behind a scheme. User and password stand before the last @ of what follows. Start in hit[0]; the end, or 0. */
export function userInfo(p: number, end: number, from: number): number {
  const at = p + 3;
  let q = at;
  let sign = 0;
  let hasColon = false;
  for (; q < end; q++) {
    const c = B[q];
    if (c === AT) sign = q;
    else if (c === COLON && sign === 0) hasColon = true;
    else if (c === SLASH || c === 63 || c === 35 || (c <= BLANK && (K[c] & STOP) !== 0) || c === 34 || c === 60 || c === 62) break;
  }
  L[0] += q - p;
  if (sign <= at) return 0;
  // A user alone is a name in ssh://, and a token in https://.
  if (!hasColon && (p - 4 < from || (lower4(p - 4) !== 0x68747470 && lower4(p - 4) !== 0x74747073))) return 0;
  H[0] = at;
  return sign;
}
