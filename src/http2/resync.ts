/**
 * Where frames begin, when nothing says so: in a connection joined late, and behind a hole of frames. Nine bytes that may
 * be a frame header are believed when frames follow each other from there: three of them, or as far as the bytes go.
 *
 *   at    what stands there   length + 9 further   ...
 *         | header | payload | header | payload | header | ...
 *           type up to 9, length as the type has it and as the receiver allows, flags of the type,
 *           the reserved bit clear, stream 0 where it must be and nowhere else
 */
import { bytes } from '../base/arena.ts';
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  HAS_PRIORITY,
  HEADERS,
  PADDED,
  PING,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from './frames.ts';

const B = bytes;
const FRAMES_WANTED = 3;
const MORE_THAN_ENOUGH = 64;
/** By type: flags that it may have, whether it is of the connection (0), of a stream (1) or of either (2), and its length (-1: any). */
const FLAGS: readonly number[] = [
  END_STREAM | PADDED,
  END_STREAM | END_HEADERS | PADDED | HAS_PRIORITY,
  0,
  0,
  1,
  END_HEADERS | PADDED,
  1,
  0,
  0,
  END_HEADERS,
];
const SCOPES: readonly number[] = [1, 1, 1, 1, 0, 1, 0, 0, 2, 1];
const LENGTHS: readonly number[] = [-1, -1, 5, 4, -1, -1, 8, -1, 4, -1];
const GOAWAY_BYTES_MIN = 8;
const SETTING_BYTES = 6;
/** Of a head that goes on beyond the bytes at hand. */
const FIELDS_LOOKED_AT = 6;
/** The highest identifier of a setting, and the highest error code, that are in use. */
const SETTING_MAX = 9;
const ERROR_CODE_MAX = 13;

/** Length of the frame whose header may stand in the nine bytes at `at`; -1 when none can. */
function plausibleLength(at: number, frameBytesMax: number): number {
  const type = B[at + 3];
  if (type > 9 || B[at + 5] > 0x7f) return -1;
  const length = (B[at] << 16) | (B[at + 1] << 8) | B[at + 2];
  const flags = B[at + 4];
  if (length > frameBytesMax || (flags & ~FLAGS[type]) !== 0) return -1;
  const isConnection = (B[at + 5] | B[at + 6] | B[at + 7] | B[at + 8]) === 0;
  if (SCOPES[type] !== 2 && isConnection !== (SCOPES[type] === 0)) return -1;
  if (LENGTHS[type] >= 0 && length !== LENGTHS[type]) return -1;
  if (type === SETTINGS && (length % SETTING_BYTES !== 0 || (flags !== 0 && length > 0))) return -1;
  if (type === 7 && length < GOAWAY_BYTES_MIN) return -1;
  if (length === 0 && (type === HEADERS || type === PUSH_PROMISE || (type === DATA && flags === 0))) return -1;
  return length;
}

/** Streams that are open. */
interface Streams {
  has(stream: number): boolean;
}

/** How many frames follow each other from `at` on; negative when they do not go on to `end` or beyond it, or for three. */
function chain(at: number, end: number, frameBytesMax: number): number {
  let p = at;
  let count = 0;
  while (end - p >= FRAME_HEADER_BYTES) {
    const length = plausibleLength(p, frameBytesMax);
    if (length < 0) return count >= FRAMES_WANTED ? count : -1;
    count++;
    if (count === MORE_THAN_ENOUGH) return count;
    p += FRAME_HEADER_BYTES + length;
  }
  return count;
}

/**
 * The same where nothing is known, and other protocols are full of zeros and small numbers: all frames to the end must be good,
 * empty ones do not count, streams have numbers below 2^24, CONTINUATION follows what it continues, and one frame at least
 * is not DATA, of which any nine bytes with enough zeros have the looks, or DATA of one of the streams that are `open`.
 */
function strictChain(at: number, end: number, frameBytesMax: number, open: Streams | null): number {
  let p = at;
  let count = 0;
  let continues = false;
  let tells = false;
  while (end - p >= FRAME_HEADER_BYTES) {
    const length = plausibleLength(p, frameBytesMax);
    const type = B[p + 3];
    if (length < 0 || B[p + 5] !== 0 || (type === CONTINUATION) !== continues) return -1;
    continues = (type === HEADERS || type === PUSH_PROMISE || type === CONTINUATION) && (B[p + 4] & END_HEADERS) === 0;
    if (length > 0) {
      count++;
      if (type === DATA ? open?.has((B[p + 6] << 16) | (B[p + 7] << 8) | B[p + 8]) : isSound(p, length, end)) tells = true;
    }
    if (count === MORE_THAN_ENOUGH) break;
    p += FRAME_HEADER_BYTES + length;
  }
  if (tells) return count;
  // Of streams that are not known, where HTTP/2 is: several in a row, to the last byte.
  return open !== null && count >= FRAMES_WANTED && endsExactly(at, end) ? count : -1;
}

/** Whether the frame at `at` lies whole in the bytes at hand and says something that it may say; of a header block its beginning is enough. */
function isSound(at: number, length: number, end: number): boolean {
  const p = at + FRAME_HEADER_BYTES;
  const type = B[at + 3];
  if (type === HEADERS) {
    const flags = B[at + 4];
    const padding = flags & PADDED ? 1 : 0;
    const first = p + padding + (flags & HAS_PRIORITY ? 5 : 0);
    if ((flags & END_HEADERS) === 0) return isRequestStart(at, end, 3);
    if (first >= end) return false;
    const stop = p + length - (padding === 1 ? B[p] : 0);
    return (first < stop && isFieldStart(B[first]) && isFieldWhole(first, stop, end)) || isRequestStart(at, end, 2);
  }
  if (type === PUSH_PROMISE) return isRequestStart(at, end, 3);
  if (p + length > end) return false;
  if (type === PING) return true;
  if (type === WINDOW_UPDATE) return B[p] < 0x80 && (B[p] | B[p + 1] | B[p + 2] | B[p + 3]) !== 0;
  if (type === RST_STREAM) return (B[p] | B[p + 1] | B[p + 2]) === 0 && B[p + 3] <= ERROR_CODE_MAX;
  return type === SETTINGS && B[p] === 0 && B[p + 1] > 0 && B[p + 1] <= SETTING_MAX;
}

/** Header blocks begin with a pseudo-header field, as it is in a table or with its name, or with the size of the table. */
function isFieldStart(first: number): boolean {
  return (
    (first >= 0x81 && first <= 0x8e) ||
    first >= 0xbe ||
    (first >= 0x20 && first <= 0x3f) ||
    (first >= 0x40 && first <= 0x4e) ||
    first === 0 ||
    first === 0x10
  );
}

/** Whether the first string of a field that is a literal ends within its block, which ends at `stop`; `end` is that of the bytes at hand. */
function isFieldWhole(first: number, stop: number, end: number): boolean {
  const form = B[first];
  if (form >= 0x80 || (form >= 0x20 && form < 0x40)) return true;
  if (first + 1 >= stop) return false;
  // A name or a value of 127 bytes and more is longer than it says here.
  return first + 1 >= end || first + 2 + (B[first + 1] & 0x7f) <= stop;
}

/** Whether the frames from `at` on end where the bytes end, and are not more than are looked at. */
function endsExactly(at: number, end: number): boolean {
  let p = at;
  for (let i = 0; i < MORE_THAN_ENOUGH && end - p >= FRAME_HEADER_BYTES; i++)
    p += FRAME_HEADER_BYTES + ((B[p] << 16) | (B[p + 1] << 8) | B[p + 2]);
  return p === end;
}

/** The first place in `[at, end)` where frames of a connection that is known to be HTTP/2 go on; -1 for none. */
export function findFrame(at: number, end: number, frameBytesMax: number, open: Streams): number {
  // A segment often begins with a frame; in the middle of one, a single header is too little.
  if (chain(at, end, frameBytesMax) > 0) return at;
  for (let p = at + 1; end - p >= FRAME_HEADER_BYTES; p++) {
    if (B[p + 3] > 9 || B[p + 5] !== 0) continue;
    const count = strictChain(p, end, frameBytesMax, open);
    if (count >= 2 || (count === 1 && (endsExactly(p, end) || isRequestStart(p, end, 2)))) return p;
  }
  return -1;
}

/** The same for a stream of which nothing is known: three frames, or two that end where the bytes end. -1 for none. */
export function findFrames(at: number, end: number, frameBytesMax: number): number {
  for (let p = at; end - p >= FRAME_HEADER_BYTES; p++) {
    if (B[p] !== 0 || B[p + 3] > 9 || B[p + 5] > 0x7f) continue;
    const count = strictChain(p, end, frameBytesMax, null);
    if (count >= FRAMES_WANTED || (count === 2 && (endsExactly(p, end) || isMessage(p, end)))) return p;
    if (count === 1 && p === at && isPlainStart(p, end)) return p;
    if (p === at ? count > 0 && reachesRequest(p, end) : count === 1 && isRequestStart(p, end, 3)) return p;
  }
  return -1;
}

/**
 * Whether the head of a request begins at `at`, sent or promised, cut or not: of its first fields so many at least are pseudo-header
 * fields of requests, by their numbers in the static table (RFC 7541, A: 1 to 7), and all but one of those with their values: nearly
 * every request has its method or its scheme there, and mostly both. Bytes that are small numbers do not look so.
 */
function isRequestStart(at: number, end: number, wanted: number): boolean {
  const type = B[at + 3];
  const flags = B[at + 4];
  if (B[at] !== 0 || (type !== HEADERS && type !== PUSH_PROMISE) || (flags & ~FLAGS[type]) !== 0 || (B[at + 8] & 1) === 0) return false;
  const stop = at + FRAME_HEADER_BYTES + ((B[at + 1] << 8) | B[at + 2]);
  const last = stop < end ? stop : end;
  let p = at + FRAME_HEADER_BYTES + (flags & PADDED ? 1 : 0) + (type === PUSH_PROMISE ? 4 : flags & HAS_PRIORITY ? 5 : 0);
  if (type === PUSH_PROMISE && p <= end && (B[p - 1] & 1) !== 0) return false;
  while (p < last && B[p] >= 0x20 && B[p] < 0x40) p++;
  let found = 0;
  let whole = 0;
  for (let i = 0; i < FIELDS_LOOKED_AT && p < last && (found < wanted || whole < wanted - 1); i++) {
    const form = B[p];
    if (form >= 0x82 && form <= 0x87) {
      found++;
      whole++;
    }
    if (form >= 0x80) {
      p++;
      continue;
    }
    // A literal: its name has a number below 15, or there is none, and the name comes with it.
    const name = form & (form >= 0x40 ? 0x3f : 0x0f);
    if (name === 0 || name > 7 || p + 1 >= last) return false;
    found++;
    if ((B[p + 1] & 0x7f) === 0x7f) break;
    p += 2 + (B[p + 1] & 0x7f);
  }
  return found >= wanted && whole >= wanted - 1;
}

/** Whether one of the frames from `at` on is the head of a request. */
function reachesRequest(at: number, end: number): boolean {
  let p = at;
  while (end - p >= FRAME_HEADER_BYTES) {
    if (isRequestStart(p, end, 2)) return true;
    p += FRAME_HEADER_BYTES + ((B[p] << 16) | (B[p + 1] << 8) | B[p + 2]);
  }
  return false;
}

/** One HEADERS frame with a whole header block, and nothing behind it; empty SETTINGS may stand before it. */
function isPlainStart(at: number, end: number): boolean {
  let p = at;
  while (B[p + 3] === SETTINGS && (B[p + 1] | B[p + 2]) === 0) p += FRAME_HEADER_BYTES;
  return B[p + 3] === HEADERS && endsExactly(p, end);
}

/** A head, and data of the same stream that go on beyond the bytes at hand. */
function isMessage(at: number, end: number): boolean {
  if (B[at + 3] !== HEADERS) return false;
  const next = at + FRAME_HEADER_BYTES + ((B[at + 1] << 8) | B[at + 2]);
  if (next + FRAME_HEADER_BYTES > end || B[next + 3] !== DATA) return false;
  return B[at + 6] === B[next + 6] && B[at + 7] === B[next + 7] && B[at + 8] === B[next + 8];
}
