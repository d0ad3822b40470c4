/**
 * Addresses as text. They travel through the hot path as int32 words in network order: IPv4 in one, IPv6 in four,
 * most significant first. IPv6 text follows RFC 5952: lower case, no leading zeros, the longest run of at least two
 * zero groups (the first of equals) as "::", and addresses in ::ffff:0:0/96 with their IPv4 part dotted.
 */
import { bytes } from './arena.ts';

const B = bytes;
/** Longest text that `writeAddress` writes, in bytes. */
export const ADDRESS_BYTES_MAX = 45;

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const LETTER_A = 0x61;

/** The eight 16-bit groups of the address under work. */
const groups = new Int32Array(8);
/** First group of the run that "::" stands for, and one past its last; both 0 when there is none. */
let runFrom = 0;
let runTo = 0;

/** "10.0.0.1" of an IPv4 address word. */
export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** RFC 5952 text of an IPv6 address, most significant word first. */
export function formatIpv6(w0: number, w1: number, w2: number, w3: number): string {
  if ((w0 | w1) === 0 && w2 === 0xffff) return `::ffff:${formatIpv4(w3)}`;
  split(w0, w1, w2, w3);
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === runFrom && runTo > runFrom) {
      text += '::';
      i = runTo - 1;
    } else {
      if (i > 0 && i !== runTo) text += ':';
      text += groups[i].toString(16);
    }
  }
  return text;
}

/** Text of an address of either version (4 or 6); for IPv4 only `w0` counts. */
export function formatAddress(ipVersion: number, w0: number, w1: number, w2: number, w3: number): string {
  return ipVersion === 4 ? formatIpv4(w0) : formatIpv6(w0, w1, w2, w3);
}

/**
 * Writes the text of an address as ASCII into the arena at `at`; returns one past its last byte.
 * The caller has made sure of ADDRESS_BYTES_MAX bytes.
 */
export function writeAddress(at: number, ipVersion: number, w0: number, w1: number, w2: number, w3: number): number {
  if (ipVersion === 4) return writeIpv4(at, w0);
  if ((w0 | w1) === 0 && w2 === 0xffff) {
    B[at++] = COLON;
    B[at++] = COLON;
    at = writeHex(at, 0xffff);
    B[at++] = COLON;
    return writeIpv4(at, w3);
  }
  split(w0, w1, w2, w3);
  for (let i = 0; i < 8; i++) {
    if (i === runFrom && runTo > runFrom) {
      B[at++] = COLON;
      B[at++] = COLON;
      i = runTo - 1;
    } else {
      if (i > 0 && i !== runTo) B[at++] = COLON;
      at = writeHex(at, groups[i]);
    }
  }
  return at;
}

function writeIpv4(at: number, word: number): number {
  at = writeDecimal(at, word >>> 24);
  B[at++] = DOT;
  at = writeDecimal(at, (word >>> 16) & 255);
  B[at++] = DOT;
  at = writeDecimal(at, (word >>> 8) & 255);
  B[at++] = DOT;
  return writeDecimal(at, word & 255);
}

/** `n` from 0 to 255. */
function writeDecimal(at: number, n: number): number {
  if (n >= 100) {
    const hundreds = n >= 200 ? 2 : 1;
    B[at++] = ZERO + hundreds;
    n -= hundreds * 100;
    const tens = (n * 205) >> 11;
    B[at++] = ZERO + tens;
    n -= tens * 10;
  } else if (n >= 10) {
    const tens = (n * 205) >> 11;
    B[at++] = ZERO + tens;
    n -= tens * 10;
  }
  B[at++] = ZERO + n;
  return at;
}

/** `n` from 0 to 0xffff, without leading zeros. */
function writeHex(at: number, n: number): number {
  let shift = n > 0xfff ? 12 : n > 0xff ? 8 : n > 0xf ? 4 : 0;
  for (; shift >= 0; shift -= 4) {
    const digit = (n >> shift) & 15;
    B[at++] = digit < 10 ? ZERO + digit : LETTER_A - 10 + digit;
  }
  return at;
}

/** Fills `groups` and finds the run of zero groups to leave out. */
function split(w0: number, w1: number, w2: number, w3: number): void {
  groups[0] = w0 >>> 16;
  groups[1] = w0 & 0xffff;
  groups[2] = w1 >>> 16;
  groups[3] = w1 & 0xffff;
  groups[4] = w2 >>> 16;
  groups[5] = w2 & 0xffff;
  groups[6] = w3 >>> 16;
  groups[7] = w3 & 0xffff;
  runFrom = 0;
  runTo = 0;
  for (let i = 0; i < 8; i++) {
    if (groups[i] !== 0) continue;
    const from = i;
    while (i < 8 && groups[i] === 0) i++;
    const length = i - from;
    if (length > 1 && length > runTo - runFrom) {
      runFrom = from;
      runTo = i;
    }
  }
}
