/**
 * Addresses of IPv6 (RFC 4291, 2.2), also with an IPv4 address in their end; a port or a prefix length is left standing.
 * IPv4 is found among the groups of digits (numbers.ts).
 * Bound: IPV6_BYTES_MAX.
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT, looked, WORD } from './classes.ts';
import { digits, digitsUpTo, separators } from './digits.ts';

const B = bytes;
const K = classes;
const L = looked;
const D = digits;
const N = digitsUpTo;
const S = separators;
const DOT = 46;
const COLON = 58;
const IPV6_BYTES_MAX = 48;

export function isHex(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);
}

/** Whether groups 0 to i are four octets joined by dots. */
export function isIpv4(i: number): boolean {
  if (i !== 3 || S[0] !== DOT || S[1] !== DOT || S[2] !== DOT || S[3] === DOT) return false;
  for (let j = 0, from = 0; j < 4; from = N[j++]) {
    const n = N[j] - from;
    if (n > 3 || (n > 1 && D[from] === 0) || (n === 3 && D[from] * 100 + D[from + 1] * 10 + D[from + 2] > 255)) return false;
  }
  return true;
}

/** The end of the address that begins at s, or 0. */
export function ipv6(s: number, end: number): number {
  const stop = end < s + IPV6_BYTES_MAX ? end : s + IPV6_BYTES_MAX;
  let q = s;
  let groups = 0;
  let isShort = false;
  let last = 0;
  if (q + 1 < stop && B[q] === COLON) {
    if (B[q + 1] !== COLON) return 0;
    isShort = true;
    q += 2;
    last = q;
  }
  while (groups < 8) {
    const from = q;
    while (q < stop && isHex(B[q])) q++;
    if (q === from) break;
    if (q < stop && B[q] === DOT && groups <= 6 && groups >= (isShort ? 0 : 6)) {
      const tail = octets(from, stop);
      if (tail !== 0) {
        groups += 2;
        last = tail;
        break;
      }
    }
    if (q - from > 4 || (q < end && (K[B[q]] & WORD) !== 0)) break;
    groups++;
    last = q;
    if (q >= stop || B[q] !== COLON) break;
    q++;
    if (q < stop && B[q] === COLON) {
      if (isShort) break;
      isShort = true;
      q++;
      last = q;
    }
  }
  L[0] += q - s;
  if (isShort ? groups < 1 || groups > 7 : groups !== 8) return 0;
  return last < end && ((K[B[last]] & WORD) !== 0 || (B[last] === COLON && last + 1 < end && (B[last + 1] === COLON || isHex(B[last + 1]))))
    ? 0
    : last;
}

function octets(s: number, end: number): number {
  let q = s;
  for (let i = 0; i < 4; i++) {
    const from = q;
    let value = 0;
    while (q < end && q - from < 3 && (K[B[q]] & DIGIT) !== 0) value = value * 10 + B[q++] - 48;
    if (q === from || value > 255) return 0;
    if (i < 3 && (q >= end || B[q++] !== DOT)) return 0;
  }
  return q < end && (K[B[q]] & WORD) !== 0 ? 0 : q;
}
