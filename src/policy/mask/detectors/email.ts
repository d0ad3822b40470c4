/**
 * Addresses of mail as they are in practice (RFC 5321, RFC 6531): a local part of what is common there, also in UTF-8, and a
 * domain whose last label has letters, or an address in brackets.
 *
 *   ann.lee+news@mail.example.co.uk    李@例子.公司    "a b"@example.com    x@[192.0.2.1]
 *
 * Local parts end at = / ? & and |: those join names and values in text. Only VERP (bounce+ann=example.com@...) has = inside.
 * Not addresses: lodash@4.17.21, icon@2x.png, user@localhost.
 * Bound: DOMAIN_BYTES_MAX. The local part is read back to the last byte that cannot be in one, which no other @ reads again.
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT, hit, looked, MAIL, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const H = hit;
const L = looked;
const QUOTE = 34;
const APOSTROPHE = 39;
const PLUS = 43;
const HYPHEN = 45;
const DOT = 46;
const EQUALS = 61;
const DOMAIN_BYTES_MAX = 255;
const pictures = new Set(['png', 'jpg', 'jpeg', 'gif', 'webp', 'svg', 'avif']);

/** The @ stands at p; bytes before `low` belong to something else. Start in hit[0]; the end, or 0. */
export function email(p: number, low: number, end: number): number {
  if (p === low) return 0;
  const domainEnd = p + 1 < end && B[p + 1] === 91 ? literalEnd(p + 1, end) : nameEnd(p + 1, end);
  if (domainEnd === 0) return 0;
  let s = p;
  if (B[p - 1] === QUOTE) {
    s = p - 1;
    while (s > low && p - s < 66 && B[s - 1] !== QUOTE) s--;
    if (s === low || B[s - 1] !== QUOTE || s === p - 1) return 0;
    L[0] += p - s;
    H[0] = s - 1;
    return domainEnd;
  }
  let hasPlus = false;
  while (s > low) {
    const c = B[s - 1];
    if ((K[c] & MAIL) !== 0) {
      if (c === PLUS) hasPlus = true;
      s--;
    } else if (c === EQUALS && !hasPlus && isVerp(s - 1, low)) s--;
    else break;
  }
  L[0] += p - s;
  // Not at the edges: they quote, or end a sentence.
  while (s < p && (B[s] === APOSTROPHE || B[s] === DOT || B[s] === 96 || B[s] === 42)) s++;
  if (s === p || B[p - 1] === DOT) return 0;
  H[0] = s;
  return domainEnd;
}

/** Whether a + stands in the run before the =. */
function isVerp(equals: number, low: number): boolean {
  let q = equals;
  while (q > low && (K[B[q - 1]] & MAIL) !== 0 && equals - q < 64) {
    q--;
    if (B[q] === PLUS) return q > low && (K[B[q - 1]] & MAIL) !== 0;
  }
  return false;
}

/** Where the domain that begins at `at` ends; 0 for none. */
function nameEnd(at: number, end: number): number {
  const stop = end < at + DOMAIN_BYTES_MAX ? end : at + DOMAIN_BYTES_MAX;
  let q = at;
  let labelAt = at;
  let labels = 0;
  let numeric = 0;
  let good = 0;
  while (q <= stop) {
    const c = q < stop ? B[q] : 0;
    if ((K[c] & WORD) !== 0 || c >= 128 || c === HYPHEN) {
      q++;
      continue;
    }
    let last = q;
    // A hyphen at the end is not of the label, and nothing after it of the domain.
    while (last > labelAt && B[last - 1] === HYPHEN) last--;
    if (last === labelAt || B[labelAt] === HYPHEN) break;
    labels++;
    const kind = labelKind(labelAt, last);
    if (kind === 0) numeric++;
    if (labels > 1 && kind === 2 && numeric < 2) good = last;
    if (c !== DOT || last !== q) break;
    q++;
    labelAt = q;
  }
  L[0] += q - at;
  return good !== 0 && isImage(at, good) ? 0 : good;
}

/** 0: a number; 2: can be the last of a domain; else 1. */
function labelKind(at: number, end: number): number {
  let seen = 0;
  for (let q = at; q < end; q++) seen |= B[q] >= 128 ? 256 : B[q] === HYPHEN ? 512 : K[B[q]] & WORD;
  if (seen === DIGIT) return 0;
  if ((seen & 256) !== 0) return 2;
  if ((seen & (DIGIT | 512)) === 0) return end - at >= 2 ? 2 : 1;
  // xn--p1ai
  return end - at > 4 && (B[at] | 32) === 120 && (B[at + 1] | 32) === 110 && B[at + 2] === HYPHEN && B[at + 3] === HYPHEN ? 2 : 1;
}

/** "2x.png": pictures for displays of twice the density. */
function isImage(at: number, end: number): boolean {
  const n = end - at;
  if (n < 6 || n > 7 || (K[B[at]] & DIGIT) === 0 || (B[at + 1] | 32) !== 120 || B[at + 2] !== DOT) return false;
  return pictures.has(B.toString('latin1', at + 3, end).toLowerCase());
}

/** "[192.0.2.1]", "[IPv6:2001:db8::1]" */
function literalEnd(at: number, end: number): number {
  const stop = end < at + 52 ? end : at + 52;
  let hasDigit = false;
  for (let q = at + 1; q < stop; q++) {
    const c = B[q];
    if (c === 93) return hasDigit ? q + 1 : 0;
    if ((K[c] & DIGIT) !== 0) hasDigit = true;
    else if ((K[c] & WORD) === 0 && c !== DOT && c !== 58) return 0;
  }
  return 0;
}
