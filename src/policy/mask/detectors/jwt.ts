/**
 * JSON Web Tokens (RFC 7519): parts of base64url joined by dots, of which the first is a JSON object with "alg". Some writers
 * make them of base64, or keep its padding: that is read as well.
 *
 *   eyJhbGciOiJIUzI1NiJ9 . eyJzdWIiOiIxMjM0In0 . dBjftJeZ4CVP...      JWS (RFC 7515): header, payload, signature
 *   header . key . iv . ciphertext . tag                              JWE (RFC 7516)
 *   header . payload [.]                                              unsigned, or cut
 *
 * A part is read once: where a run of base64 turned out to be none, no later word of the same run is tried again.
 */
import { bytes } from '../../../base/arena.ts';
import { DECODED_BYTES_MAX, decode, decoded } from './base64.ts';
import { BASE64URL, classes, looked } from './classes.ts';

const B = bytes;
const K = classes;
const L = looked;
const D = decoded;
const PLUS = 43;
const DOT = 46;
const SLASH = 47;
const EQUALS = 61;
const BACKSLASH = 92;
const PADDING_BYTES_MAX = 2;
const OPEN = 123;
const CLOSE = 125;
const HEADER_CHARS_MIN = 16;

/** Up to here the value was read in vain; as base64, and as headers of it. */
let seenTo = 0;
let codedTo = 0;

/** A new value. */
export function resetJwt(): void {
  seenTo = codedTo = 0;
}

/** The end of a part, and of its padding. */
function partEnd(at: number, end: number): number {
  let q = at;
  while (q < end && ((K[B[q]] & BASE64URL) !== 0 || B[q] === PLUS || B[q] === SLASH)) q++;
  const stop = Math.min(end, q + PADDING_BYTES_MAX);
  if (q > at) while (q < stop && B[q] === EQUALS) q++;
  L[0] += q - at;
  return q;
}

/** Where a first part ends as base64url. */
let plainEnd = 0;

/** The end of a first part. A slash before it may be one of a path, so base64 is tried once a run. */
function headerEnd(at: number, end: number): number {
  let q = at;
  while (q < end && (K[B[q]] & BASE64URL) !== 0) q++;
  L[0] += q - at;
  plainEnd = q;
  return q >= end || B[q] === DOT || at < codedTo ? q : partEnd(at, end);
}

/** The token that begins at s: its end, or 0. */
export function jwt(s: number, end: number): number {
  if (s < seenTo) return 0;
  const first = headerEnd(s, end);
  if (first - s < HEADER_CHARS_MIN || first >= end || B[first] !== DOT || !isHeader(s, first)) {
    seenTo = plainEnd;
    codedTo = Math.max(codedTo, first);
    return 0;
  }
  const second = partEnd(first + 1, end);
  if (second >= end || B[second] !== DOT) {
    // Without a signature: the payload must be an object as well.
    if (second - first > 4 && B[first + 1] === 101) return second;
    seenTo = first;
    return 0;
  }
  const third = partEnd(second + 1, end);
  if (third === second + 1) {
    if (second - first > 4 && B[first + 1] === 101) return third;
    // A detached payload has its signature here; this has neither.
    if (third >= end || B[third] !== DOT) {
      seenTo = second;
      return 0;
    }
  }
  if (third >= end || B[third] !== DOT) return third;
  const fourth = partEnd(third + 1, end);
  if (fourth === third + 1 || fourth >= end || B[fourth] !== DOT) return third;
  const fifth = partEnd(fourth + 1, end);
  return fifth === fourth + 1 ? third : fifth;
}

/** Whether [at, end) is a JSON object that has a member "alg", or names with escapes; of a very long one the beginning is enough. */
function isHeader(at: number, end: number): boolean {
  const n = decode(at, end);
  if (n < 11 || D[0] !== OPEN) return false;
  if (n < DECODED_BYTES_MAX) {
    let last = n - 1;
    while (last > 0 && D[last] <= 32) last--;
    if (D[last] !== CLOSE) return false;
  }
  for (let i = 1; i + 5 < n; i++) {
    if (D[i] === BACKSLASH && D[i + 1] === 117) return true;
    if (D[i] === 97 && D[i + 1] === 108 && D[i + 2] === 103 && D[i - 1] === 34 && D[i + 3] === 34) {
      let q = i + 4;
      while (q < n && D[q] <= 32) q++;
      if (D[q] === 58) return true;
    }
  }
  return false;
}
