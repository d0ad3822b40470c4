/**
 * JSON out of what protobuf.ts reads: written at `out.at`, as long as it is below `out.stop`. What does not fit sets `out.isFull`,
 * and nothing of it stands. Beyond `stop` there is room for the brackets that are open then, so the text is always whole.
 *
 * Strings that must not be seen as they stand are noted in `opaque`: two words for each, where its first byte lies behind the
 * quote, and why.
 */
import { bytes } from '../base/arena.ts';

const B = bytes;
const QUOTE = 34;
const BACKSLASH = 92;

/** Bytes in base64. */
export const IS_BYTES = 1;
/** Text of a field that has no name. */
export const IS_UNNAMED = 2;
/** The beginning of something longer, or what could not be opened. */
export const IS_PART = 3;

/** Of one body. */
export const OPAQUE_MAX = 4096;

class Out {
  at = 0;
  stop = 0;
  isFull = false;
  opaque: Int32Array = new Int32Array(0);
  opaqueCount = 0;
}
export const out: Out = new Out();
const T = out;

export function beginOut(to: number, stop: number, opaque: Int32Array): void {
  T.at = to;
  T.stop = stop;
  T.isFull = false;
  T.opaque = opaque;
  T.opaqueCount = 0;
}

/** Whether `length` bytes can be written; if not, nothing more is. */
export function hasRoom(length: number): boolean {
  if (T.at + length > T.stop) T.isFull = true;
  return !T.isFull;
}

/** The string whose first byte comes next is one that must not be seen. False: there is no room to note it. */
function note(why: number): boolean {
  if (why === 0) return true;
  if (T.opaqueCount >= OPAQUE_MAX) {
    T.isFull = true;
    return false;
  }
  const i = 2 * T.opaqueCount++;
  T.opaque[i] = T.at + 1;
  T.opaque[i + 1] = why;
  return true;
}

const CONTROL = 0;
const PLAIN = 1;
const ESCAPED = 2;
const WHITE = 3;
const LONG = 4;
const classOf = new Uint8Array(256).fill(LONG, 128);
classOf.fill(PLAIN, 32, 127);
classOf[QUOTE] = classOf[BACKSLASH] = ESCAPED;
classOf[9] = classOf[10] = classOf[13] = WHITE;
const C = classOf;
const letters = new Uint8Array(16);
letters[9] = 116;
letters[10] = 110;
letters[13] = 114;
const hex = Buffer.from('0123456789abcdef', 'latin1');

/** Bytes that `putText` looked at last. */
export let lookedAt = 0;

/**
 * Writes [at, end) as a string when it is UTF-8, and printable unless `anyControl`. False: nothing was written. `why` is one
 * of the reasons not to show it, 0 for none.
 */
export function putText(at: number, end: number, anyControl: boolean, why: number): boolean {
  const from = T.at;
  const noted = T.opaqueCount;
  if (!hasRoom(2) || !note(why)) return false;
  const stop = T.stop - 8;
  let o = from;
  B[o++] = QUOTE;
  let p = at;
  while (p < end && o < stop) {
    const c = B[p];
    const kind = C[c];
    if (kind === PLAIN) B[o++] = c;
    else if (kind === ESCAPED) {
      B[o++] = BACKSLASH;
      B[o++] = c;
    } else if (kind === WHITE) {
      B[o++] = BACKSLASH;
      B[o++] = letters[c];
    } else if (kind === CONTROL) {
      if (!anyControl) break;
      B.set(ESCAPE_00, o);
      B[o + 4] = hex[c >> 4];
      B[o + 5] = hex[c & 15];
      o += 6;
    } else {
      const n = sequence(p, end);
      if (n === 0 || (n === 2 && c === 0xc2 && B[p + 1] < 0xa0 && !anyControl)) break;
      for (let i = 0; i < n; i++) B[o++] = B[p + i];
      p += n - 1;
    }
    p++;
  }
  lookedAt = p - at;
  if (p < end) {
    if (o >= stop) T.isFull = true;
    T.opaqueCount = noted;
    return false;
  }
  B[o++] = QUOTE;
  T.at = o;
  return true;
}
const ESCAPE_00 = Buffer.from('\\u00', 'latin1');

/** Length of the well-formed UTF-8 sequence at `p` (RFC 3629, 4), which is none of ASCII; 0 when there is none. */
function sequence(p: number, end: number): number {
  const c = B[p];
  if (c < 0xc2 || c > 0xf4) return 0;
  const n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  if (p + n > end) return 0;
  const d = B[p + 1];
  // E0 A0, ED 9F, F0 90 and F4 8F: no second way to write a character, no surrogates, none beyond U+10FFFF.
  if ((d & 0xc0) !== 0x80 || (c === 0xe0 && d < 0xa0) || (c === 0xed && d > 0x9f) || (c === 0xf0 && d < 0x90) || (c === 0xf4 && d > 0x8f))
    return 0;
  for (let i = 2; i < n; i++) if ((B[p + i] & 0xc0) !== 0x80) return 0;
  return n;
}

const DIGITS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');

/** Writes [at, end) as a string of base64. */
export function putBase64(at: number, end: number, why: number): boolean {
  if (!hasRoom(4 * Math.ceil((end - at) / 3) + 2) || !note(why)) return false;
  let o = T.at;
  B[o++] = QUOTE;
  let p = at;
  for (; p + 2 < end; p += 3) {
    const w = (B[p] << 16) | (B[p + 1] << 8) | B[p + 2];
    B[o] = DIGITS[w >> 18];
    B[o + 1] = DIGITS[(w >> 12) & 63];
    B[o + 2] = DIGITS[(w >> 6) & 63];
    B[o + 3] = DIGITS[w & 63];
    o += 4;
  }
  if (p < end) {
    const two = p + 1 < end;
    const w = (B[p] << 16) | (two ? B[p + 1] << 8 : 0);
    B[o] = DIGITS[w >> 18];
    B[o + 1] = DIGITS[(w >> 12) & 63];
    B[o + 2] = two ? DIGITS[(w >> 6) & 63] : 61;
    B[o + 3] = 61;
    o += 4;
  }
  B[o++] = QUOTE;
  T.at = o;
  return true;
}

/** A byte for which there is room. */
export function putByte(byte: number): void {
  B[T.at++] = byte;
}

/** Words for which there is room. */
export function putBytes(text: Uint8Array): void {
  B.set(text, T.at);
  T.at += text.length;
}

const TWO_32 = 0x1_0000_0000;
/** 2^53 / 2^32: from here on a number is written as a string. */
const EXACT_HIGH = 0x20_0000;
const digits = new Uint8Array(20);
const limbs = new Int32Array(4);

/** A whole number of 64 bits; beyond 2^53, where JSON's readers lose digits, as a string. There is room for 24 bytes. */
export function putInteger(high: number, low: number, isSigned: boolean): void {
  let h = high;
  let l = low;
  const isNegative = isSigned && h < 0;
  if (isNegative) {
    l = -l | 0;
    h = l === 0 ? -h | 0 : ~h;
  }
  const isExact = h >>> 0 < EXACT_HIGH;
  let n = 0;
  if (h === 0 && l >= 0) {
    let rest = l;
    do {
      const tenth = (rest / 10) | 0;
      digits[n++] = 48 + rest - tenth * 10;
      rest = tenth;
    } while (rest > 0);
  } else if (isExact) {
    let rest = (h >>> 0) * TWO_32 + (l >>> 0);
    while (rest > 0) {
      const tenth = Math.floor(rest / 10);
      digits[n++] = 48 + (rest - tenth * 10);
      rest = tenth;
    }
  } else n = longDigits(h, l);
  let o = T.at;
  if (!isExact) B[o++] = QUOTE;
  if (isNegative) B[o++] = 45;
  while (n > 0) B[o++] = digits[--n];
  if (!isExact) B[o++] = QUOTE;
  T.at = o;
}

/** Four limbs of 16 bits, divided by ten until nothing is left. */
function longDigits(high: number, low: number): number {
  limbs[0] = high >>> 16;
  limbs[1] = high & 0xffff;
  limbs[2] = low >>> 16;
  limbs[3] = low & 0xffff;
  let n = 0;
  while ((limbs[0] | limbs[1] | limbs[2] | limbs[3]) !== 0) {
    let rest = 0;
    for (let i = 0; i < 4; i++) {
      const w = rest * 65536 + limbs[i];
      limbs[i] = (w / 10) | 0;
      rest = w - limbs[i] * 10;
    }
    digits[n++] = 48 + rest;
  }
  return n;
}

/** The shortest number that means the same; NaN and the infinities as strings, as JSON of Protocol Buffers has them. */
export function putFloating(value: number, isSingle: boolean): void {
  let text = String(value);
  if (!Number.isFinite(value)) text = `"${text}"`;
  else if (isSingle) {
    for (let n = 6; n <= 9; n++) {
      const shorter = Number(value.toPrecision(n));
      if (Math.fround(shorter) !== value) continue;
      text = String(shorter);
      break;
    }
  }
  T.at += B.write(text, T.at, 'latin1');
}
