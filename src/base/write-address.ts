/** Addresses as text in the arena: what base/address.ts says in strings, byte by byte. */
import { groups, run, split } from './address.ts';
import { bytes } from './arena.ts';

const B = bytes;
const G = groups;
const R = run;
/** Longest text that `writeAddress` writes, in bytes. */
export const ADDRESS_BYTES_MAX = 45;

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const LETTER_A = 0x61;

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
  const runFrom = R[0];
  const runTo = R[1];
  for (let i = 0; i < 8; i++) {
    if (i === runFrom && runTo > runFrom) {
      B[at++] = COLON;
      B[at++] = COLON;
      i = runTo - 1;
    } else {
      if (i > 0 && i !== runTo) B[at++] = COLON;
      at = writeHex(at, G[i]);
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
