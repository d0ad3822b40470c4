/**
 * JSON written byte for byte into the arena (RFC 8259). Strings come from arena bytes: clean ASCII is copied four
 * bytes at a time; quotes, backslashes and control bytes are escaped; well-formed UTF-8 (RFC 3629) passes.
 *
 * Every function writes from `to` on and returns the offset after what it wrote. The caller has made sure of the
 * room: at most six bytes for one, and sixteen more beyond the end.
 */
import { bytes, view } from '../base/arena.ts';
import { kernels } from '../base/simd.ts';

const B = bytes;
const V = view;
const QUOTE = 34;
const BACKSLASH = 92;

/** 0: as it is; 1: \u00XX; above: the letter of a two-byte escape; 128: not ASCII. */
const escapes = new Uint8Array(256);
for (let i = 0; i < 32; i++) escapes[i] = 1;
escapes[8] = 98;
escapes[9] = 116;
escapes[10] = 110;
escapes[12] = 102;
escapes[13] = 114;
escapes[QUOTE] = QUOTE;
escapes[BACKSLASH] = BACKSLASH;
escapes.fill(128, 128);
const E = escapes;

const hex = Buffer.from('0123456789abcdef', 'latin1');

/** Text that is known beforehand, as words, so that it can be written four bytes at a time. */
export interface Literal {
  readonly words: Int32Array;
  readonly length: number;
}

export function literal(text: string): Literal {
  const raw = Buffer.alloc((Buffer.byteLength(text) + 3) & ~3);
  raw.write(text);
  const words = new Int32Array(raw.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = raw.readInt32LE(4 * i);
  return { words, length: Buffer.byteLength(text) };
}

export function writeLiteral(to: number, text: Literal): number {
  const words = text.words;
  for (let i = 0, o = to; i < words.length; i++, o += 4) V.setInt32(o, words[i], true);
  return to + text.length;
}

/** A whole number from 0 to 2^53. */
export function writeNumber(to: number, n: number): number {
  if (n < 1e9) return writeSmall(to, n | 0);
  const high = Math.floor(n / 1e9);
  const o = writeNumber(to, high);
  let rest = (n - high * 1e9) | 0;
  for (let i = o + 8; i >= o; i--) {
    const tenth = (rest / 10) | 0;
    B[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
  return o + 9;
}

function writeSmall(to: number, n: number): number {
  if (n < 10) {
    B[to] = 48 + n;
    return to + 1;
  }
  const end =
    to + (n < 100 ? 2 : n < 1000 ? 3 : n < 10_000 ? 4 : n < 100_000 ? 5 : n < 1_000_000 ? 6 : n < 10_000_000 ? 7 : n < 100_000_000 ? 8 : 9);
  let rest = n;
  let i = end - 1;
  for (; i > to; i -= 2) {
    const hundredth = (rest / 100) | 0;
    const pair = rest - hundredth * 100;
    B[i - 1] = PAIRS[pair * 2];
    B[i] = PAIRS[pair * 2 + 1];
    rest = hundredth;
  }
  if (i === to) B[to] = 48 + rest;
  return end;
}

/** "00" to "99". */
const PAIRS = new Uint8Array(200);
for (let i = 0; i < 100; i++) {
  PAIRS[2 * i] = 48 + ((i / 10) | 0);
  PAIRS[2 * i + 1] = 48 + (i % 10);
}

/** The whole seconds that `writeTimeUs` wrote last, and their digits. */
const lastSecond = new Float64Array(1);
const secondDigits = new Uint8Array(16);
let secondLength = 0;

/** A packet time, microseconds: most of its digits are those of the time before. */
export function writeTimeUs(to: number, us: number): number {
  const second = Math.floor(us / 1e6);
  if (second === 0) return writeNumber(to, us);
  let o = to;
  if (second !== lastSecond[0]) {
    o = writeNumber(to, second);
    lastSecond[0] = second;
    secondLength = o - to;
    for (let i = 0; i < secondLength; i++) secondDigits[i] = B[to + i];
  } else {
    for (let i = 0; i < secondLength; i++) B[to + i] = secondDigits[i];
    o = to + secondLength;
  }
  const micros = (us - second * 1e6) | 0;
  const high = (micros / 10_000) | 0;
  const rest = micros - high * 10_000;
  const middle = (rest / 100) | 0;
  const low = rest - middle * 100;
  B[o] = PAIRS[high * 2];
  B[o + 1] = PAIRS[high * 2 + 1];
  B[o + 2] = PAIRS[middle * 2];
  B[o + 3] = PAIRS[middle * 2 + 1];
  B[o + 4] = PAIRS[low * 2];
  B[o + 5] = PAIRS[low * 2 + 1];
  return o + 6;
}

/** Bytes that need no escape and no check, such as digits and token characters. */
export function writePlain(to: number, at: number, end: number): number {
  let p = at;
  let o = to;
  for (; p < end; p += 4, o += 4) V.setInt32(o, V.getInt32(p, true), true);
  return to + end - at;
}

const kernel = kernels === null ? null : kernels.writeText;

/** The inside of a JSON string from bytes that should be UTF-8; -1 when they are not. */
export function writeText(to: number, at: number, end: number): number {
  return kernel === null ? writeTextPlain(to, at, end) : kernel(at, end, to);
}

/** The same without SIMD. */
export function writeTextPlain(to: number, at: number, end: number): number {
  let p = at;
  let o = to;
  const whole = end - 3;
  for (;;) {
    while (p < whole) {
      const w = V.getInt32(p, true);
      const q = w ^ 0x22222222;
      const b = w ^ 0x5c5c5c5c;
      // A byte with its top bit set here may be below 0x20, a quote, a backslash or not ASCII.
      if ((((w - 0x20202020) | (q - 0x01010101) | (b - 0x01010101) | w) & 0x80808080) !== 0) break;
      V.setInt32(o, w, true);
      p += 4;
      o += 4;
    }
    if (p >= end) return o;
    const stop = p + 4 < end ? p + 4 : end;
    while (p < stop) {
      const c = B[p];
      const e = E[c];
      if (e === 0) {
        B[o++] = c;
        p++;
      } else if (e < 128) {
        o = writeEscape(o, c, e);
        p++;
      } else {
        const n = sequenceBytes(p, end);
        if (n === 0) return -1;
        for (let i = 0; i < n; i++) B[o++] = B[p++];
      }
    }
  }
}

/** The inside of a JSON string from bytes taken as Latin-1: each becomes one character. */
export function writeLatin1(to: number, at: number, end: number): number {
  let o = to;
  for (let p = at; p < end; p++) {
    const c = B[p];
    const e = E[c];
    if (e === 0) B[o++] = c;
    else if (e < 128) o = writeEscape(o, c, e);
    else {
      B[o++] = 0xc0 | (c >> 6);
      B[o++] = 0x80 | (c & 63);
    }
  }
  return o;
}

/** The inside of a JSON string from any bytes: UTF-8 when all of them are, else Latin-1. */
export function writeAny(to: number, at: number, end: number): number {
  const o = writeText(to, at, end);
  return o >= 0 ? o : writeLatin1(to, at, end);
}

function writeEscape(to: number, c: number, e: number): number {
  B[to] = BACKSLASH;
  if (e !== 1) {
    B[to + 1] = e;
    return to + 2;
  }
  B[to + 1] = 117;
  B[to + 2] = 48;
  B[to + 3] = 48;
  B[to + 4] = hex[c >> 4];
  B[to + 5] = hex[c & 15];
  return to + 6;
}

/** Length of the well-formed UTF-8 sequence at `p` (RFC 3629, 4), 0 when there is none. */
export function sequenceBytes(p: number, end: number): number {
  const c = B[p];
  if (c < 0x80) return 1;
  if (c < 0xc2 || c > 0xf4 || p + 1 >= end) return 0;
  const d = B[p + 1];
  if (c < 0xe0) return (d & 0xc0) === 0x80 ? 2 : 0;
  if (c < 0xf0) {
    const low = c === 0xe0 ? 0xa0 : 0x80;
    const high = c === 0xed ? 0x9f : 0xbf;
    return d >= low && d <= high && p + 2 < end && (B[p + 2] & 0xc0) === 0x80 ? 3 : 0;
  }
  const low = c === 0xf0 ? 0x90 : 0x80;
  const high = c === 0xf4 ? 0x8f : 0xbf;
  return d >= low && d <= high && p + 3 < end && (B[p + 2] & 0xc0) === 0x80 && (B[p + 3] & 0xc0) === 0x80 ? 4 : 0;
}

/** Where `[at, end)` stops being whole: before a UTF-8 character that its end cuts, else `end`. */
export function wholeTextEnd(at: number, end: number): number {
  for (let back = 1; back <= 3 && end - back >= at; back++) {
    const c = B[end - back];
    if ((c & 0xc0) === 0x80) continue;
    const need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return need > back ? end - back : end;
  }
  return end;
}

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');

/** Base64 with padding (RFC 4648, 4). */
export function writeBase64(to: number, at: number, end: number): number {
  let p = at;
  let o = to;
  for (; p + 2 < end; p += 3, o += 4) {
    const n = (B[p] << 16) | (B[p + 1] << 8) | B[p + 2];
    B[o] = alphabet[n >> 18];
    B[o + 1] = alphabet[(n >> 12) & 63];
    B[o + 2] = alphabet[(n >> 6) & 63];
    B[o + 3] = alphabet[n & 63];
  }
  if (p < end) {
    const n = (B[p] << 16) | (p + 1 < end ? B[p + 1] << 8 : 0);
    B[o] = alphabet[n >> 18];
    B[o + 1] = alphabet[(n >> 12) & 63];
    B[o + 2] = p + 1 < end ? alphabet[(n >> 6) & 63] : 61;
    B[o + 3] = 61;
    o += 4;
  }
  return o;
}
