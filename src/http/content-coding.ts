/**
 * Content codings (RFC 9110, 8.4): decodes the kept first part of a body by the value of its Content-Encoding,
 * from one place of the arena to another. Codings are listed in the order in which the sender applied them, so
 * they are taken off from the last to the first.
 *
 *   Content-Encoding: gzip, br        body = br(gzip(content)): br first, then gzip
 *
 * gzip, x-gzip and deflate are decoded by http/inflate.ts, which stops at the end of its room.
 *
 * br and zstd have only node:zlib's one-shot functions, which give the whole output or, beyond `maxOutputLength`,
 * an error and nothing. So the first part is found by trying prefixes of the input (a prefix is decoded as far as
 * it goes): one that gives at least the room without exceeding a limit of the room plus 256 KiB. The first try is
 * half as long as the room, the second everything, and then the input is halved towards the longest prefix that
 * works: at most 2 + log2(input) tries, each bounded by that limit. The same search finds what lies before a fault.
 *   - zstd gives at most 128 KiB for one more byte of input (RFC 8878, 3.1.1.2.4), so a prefix is always found.
 *     Windows beyond 8 MiB are refused, as RFC 9659 asks.
 *   - br gives up to 16 MiB for one (RFC 7932, 9.2). Such a jump is decoded once with that limit and thrown away
 *     but for its beginning; because it costs milliseconds, a sender of many is refused: every jump takes one of
 *     16 credits, and 64 bodies of br or zstd earn one back. The decoder fills its window before it gives anything,
 *     so the window that the first byte declares (RFC 7932, 9.1) is lowered to what the room needs, 256 KiB at
 *     least; up to that place a smaller window decodes to the same bytes.
 *
 * Bounds: reads [codingAt, codingEnd) and [at, end), writes [to, toEnd) and blocks of its own. At most
 * 4 layers. Raises http.coding.unknown, too_deep, corrupt, mislabelled and bomb.
 * Left out: compress, dictionaries (dcb, dcz), further frames of a zstd body.
 */
import * as zlib from 'node:zlib';
import { bytes } from '../base/arena.ts';
import { release, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import { CORRUPT, DEFLATE, DONE, GZIP, INPUT_CUT, inflate, inflateStatus, looksGzip, looksZlib, OUTPUT_FULL } from './inflate.ts';

const B = bytes;
const inflated = inflateStatus;
const UNKNOWN_CODING = weird('http.coding.unknown');
const TOO_DEEP = weird('http.coding.too_deep');
const CORRUPT_CODING = weird('http.coding.corrupt');
const MISLABELLED = weird('http.coding.mislabelled');
const BOMB = weird('http.coding.bomb');

const LAYERS_MAX = 4;
const IDENTITY = 0;
const CODING_GZIP = 1;
const CODING_DEFLATE = 2;
const CODING_BR = 3;
const CODING_ZSTD = 4;
const names: readonly (readonly [string, number])[] = [
  ['gzip', CODING_GZIP],
  ['x-gzip', CODING_GZIP],
  ['deflate', CODING_DEFLATE],
  ['br', CODING_BR],
  ['zstd', CODING_ZSTD],
  ['identity', IDENTITY],
];

/** How the last call ended: DONE, OUTPUT_FULL (there is more than the room), INPUT_CUT or CORRUPT. br and zstd say INPUT_CUT only when nothing came out. */
export const contentStatus: Int32Array = new Int32Array(1);
const status = contentStatus;

/** The codings of the header at hand, in its order. */
const layers = new Uint8Array(LAYERS_MAX);

/** How much output beyond the room a try may make. */
const SLACK_BYTES = 256 << 10;
/** The most that one more byte of br can stand for: a meta-block. */
const JUMP_BYTES = 1 << 24;
const CREDITS_MAX = 16;
const CREDIT_EACH = 1 / 64;
const credits = new Float64Array([CREDITS_MAX]);

/** Less raw output than this before a fault is taken for chance: text read as DEFLATE. */
const RAW_PLAUSIBLE_BYTES = 64;
/** So few bytes that give no output are rather a short text than the beginning of br, which has no magic number. */
const SHORT_BYTES = 16;

const { BROTLI_OPERATION_FLUSH, ZSTD_e_flush, ZSTD_d_windowLogMax } = zlib.constants;

/** Forgets how many bombs there were. */
export function resetContentCoding(): void {
  credits[0] = CREDITS_MAX;
}

function isName(at: number, end: number, name: string): boolean {
  if (end - at !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    const c = B[at + i];
    if ((c >= 0x41 && c <= 0x5a ? c | 0x20 : c) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Fills `layers` from a header value. Gives their number, -1 for a coding that is not known, -2 for too many. */
function readCodings(at: number, end: number): number {
  let count = 0;
  while (at < end) {
    let stop = at;
    while (stop < end && B[stop] !== 0x2c) stop++;
    const next = stop + 1;
    for (let i = at; i < stop; i++) if (B[i] === 0x3b) stop = i; // parameters have no meaning here
    while (at < stop && (B[at] === 0x20 || B[at] === 0x09)) at++;
    while (stop > at && (B[stop - 1] === 0x20 || B[stop - 1] === 0x09)) stop--;
    if (at < stop) {
      let coding = -1;
      for (let k = 0; k < names.length; k++) if (isName(at, stop, names[k][0])) coding = names[k][1];
      if (coding < 0) return -1;
      if (coding !== IDENTITY) {
        if (count === LAYERS_MAX) return -2;
        layers[count++] = coding;
      }
    }
    at = next;
  }
  return count;
}

const OVERFLOW = -1;
const FAULT = -2;
/** Output of the last try that worked. */
let decoded: Buffer = B.subarray(0, 0);

/** Decodes the first `length` bytes at `at`. Gives the length of `decoded`, OVERFLOW when it would exceed `limit`, or FAULT. */
function tryPrefix(coding: number, at: number, length: number, limit: number): number {
  const input = B.subarray(at, at + length);
  try {
    decoded =
      coding === CODING_BR
        ? zlib.brotliDecompressSync(input, { finishFlush: BROTLI_OPERATION_FLUSH, maxOutputLength: limit })
        : zlib.zstdDecompressSync(input, { finishFlush: ZSTD_e_flush, maxOutputLength: limit, params: { [ZSTD_d_windowLogMax]: 23 } });
    return decoded.length;
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE' ? OVERFLOW : FAULT;
  }
}

/** The first byte of a br stream with its window lowered to what `room` needs. Windows of 2^18 and more have codes of 4 bits. */
function lowerWindow(first: number, room: number): number {
  const code = first & 15;
  if ((code & 1) === 0 || code < 5) return first;
  let window = 18;
  while ((1 << window) - 16 < room) window++;
  const lower = ((window - 17) << 1) | 1;
  return lower < code ? (first & 0xf0) | lower : first;
}

/** Whether the input ends where its coding does. For data that gives little or nothing. */
function isWhole(coding: number, at: number, end: number): boolean {
  try {
    const input = B.subarray(at, end);
    const limit = { maxOutputLength: SLACK_BYTES };
    if (coding === CODING_BR) zlib.brotliDecompressSync(input, limit);
    else zlib.zstdDecompressSync(input, limit);
    return true;
  } catch {
    return false;
  }
}

/** Decodes br or zstd. Gives the number of bytes written and sets `status`; CORRUPT with 0 bytes means that it is no such data. */
function decodeByPrefix(coding: number, at: number, end: number, to: number, toEnd: number): number {
  const room = toEnd - to;
  const whole = end - at;
  const limit = room + SLACK_BYTES;
  const first = B[at];
  if (coding === CODING_BR) B[at] = lowerWindow(first, room);
  credits[0] = Math.min(CREDITS_MAX, credits[0] + CREDIT_EACH);

  let written = 0;
  let good = 0;
  let bad = whole + 1;
  let badKind = 0;
  let length = Math.min(whole, Math.max(room >> 1, 64));
  let full = false;
  while (bad - good > 1 && !full) {
    const got = tryPrefix(coding, at, length, limit);
    if (got < 0) {
      bad = length;
      badKind = got;
    } else {
      good = length;
      full = got > room || (got === room && length < whole);
      written = decoded.copy(B, to, 0, Math.min(got, room));
    }
    length = bad > whole ? whole : (good + bad) >> 1;
  }
  if (!full && badKind === OVERFLOW && coding === CODING_BR && credits[0] >= 1) {
    credits[0]--;
    const got = tryPrefix(coding, at, bad, room + JUMP_BYTES);
    if (got >= room) {
      written = decoded.copy(B, to, 0, room);
      full = true;
    }
  }
  B[at] = first;
  decoded = B.subarray(0, 0);
  if (full) status[0] = OUTPUT_FULL;
  else if (written === 0 && badKind === 0 && !isWhole(coding, at, end))
    status[0] = coding === CODING_BR && whole <= SHORT_BYTES ? CORRUPT : INPUT_CUT;
  else if (badKind === OVERFLOW) {
    raise(BOMB);
    status[0] = OUTPUT_FULL;
  } else status[0] = badKind === FAULT ? CORRUPT : DONE;
  return written;
}

/** Takes one coding off. Gives the number of bytes written, or -1 when the data is not in that coding. */
function decodeLayer(coding: number, at: number, end: number, to: number, toEnd: number): number {
  let written = 0;
  if (coding === CODING_BR || coding === CODING_ZSTD) {
    written = decodeByPrefix(coding, at, end, to, toEnd);
  } else {
    written = inflate(at, end, to, toEnd, coding === CODING_GZIP ? GZIP : DEFLATE);
    status[0] = inflated[0];
    if (coding === CODING_DEFLATE && !looksZlib(at, end) && !looksGzip(at, end)) {
      if ((status[0] === CORRUPT || status[0] === INPUT_CUT) && written < RAW_PLAUSIBLE_BYTES) return -1;
    }
  }
  if (status[0] === CORRUPT) {
    if (written === 0) return -1;
    raise(CORRUPT_CODING);
  }
  return written;
}

/**
 * Decodes the body part `[at, end)` into `[to, toEnd)` by the Content-Encoding value `[codingAt, codingEnd)`.
 * Gives the number of bytes written, or -1 when nothing was decoded and the bytes should be kept as they are: no
 * coding but identity, an unknown one, too many, an empty body, or data that is in none of the codings it claims.
 * A coding that only some layer lacks is passed over. `contentStatus[0]` says how it ended.
 */
export function decodeContent(codingAt: number, codingEnd: number, at: number, end: number, to: number, toEnd: number): number {
  status[0] = DONE;
  const count = readCodings(codingAt, codingEnd);
  if (count < 0) {
    raise(count === -1 ? UNKNOWN_CODING : TOO_DEEP);
    return -1;
  }
  if (count === 0 || at >= end) return -1;
  if (count === 1) {
    const written = decodeLayer(layers[0], at, end, to, toEnd);
    if (written < 0) raise(MISLABELLED);
    return written;
  }

  // Layers go through blocks; the innermost one that is really there ends up in `to`.
  let from = at;
  let fromEnd = end;
  let block = 0;
  let worst = DONE;
  for (let i = count - 1; i >= 0; i--) {
    const next = reserve(toEnd - to + 1024);
    if (next === 0) break;
    const written = decodeLayer(layers[i], from, fromEnd, next, next + (toEnd - to) + 1024);
    if (written < 0) {
      raise(MISLABELLED);
      release(next);
      continue;
    }
    if (status[0] > worst) worst = status[0];
    release(block);
    block = next;
    from = next;
    fromEnd = next + written;
  }
  status[0] = worst;
  if (block === 0) return -1;
  let length = fromEnd - from;
  if (length > toEnd - to) {
    length = toEnd - to;
    if (worst === DONE) status[0] = OUTPUT_FULL;
  }
  B.copyWithin(to, from, from + length);
  release(block);
  return length;
}
