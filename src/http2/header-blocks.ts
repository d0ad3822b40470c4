/**
 * Header blocks out of their frames (RFC 9113, 4.3 and 6.10).
 *
 *   HEADERS or PUSH_PROMISE  fragment        without END_HEADERS, then nothing else may come but
 *   CONTINUATION             fragment ...    of the same stream; the last one has END_HEADERS
 *
 * What is whole is decoded and goes to streams.ts. What breaks off, is too long or lies in a hole is decoded as far as it goes, and the
 * header table of its direction is emptied: nobody can say what the rest would have inserted.
 *
 * Bounds: http.headerBlockBytesMax, CONTINUATIONS_MAX.
 */
import { bytes } from '../base/arena.ts';
import { capacity, enlarge, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import { CONTINUATIONS_MAX, type Direction, type Http2Connection, NO_PROMISE } from './connection.ts';
import { fieldCount } from './field-list.ts';
import * as f from './frames.ts';
import { decodeFields } from './hpack.ts';
import { hpackWeird } from './hpack-error.ts';
import * as s from './streams.ts';

const B = bytes;
const { HEADERS, PUSH_PROMISE, CONTINUATION, END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY } = f;

const W_BLOCK = weird('limit.http.header_block');
const W_STRAY = weird('http.http2.stray_continuation');
const W_HEADERS_LOST = weird('http.http2.headers_lost');

let headerBlockBytesMax = 256 << 10;

export function resetHeaderBlocks(max: number): void {
  headerBlockBytesMax = max;
}

/** A frame of a header block is too long, or there is no memory for it. */
export function refuseBlock(h: Http2Connection, d: Direction, direction: number): void {
  raise(W_BLOCK);
  lostHeaders(h, d, direction, 0, 0);
}

export function continuation(h: Http2Connection, d: Direction, direction: number): void {
  const { frames } = d;
  if (d.openStream !== frames.stream || frames.stream === 0) {
    if (d.openStream !== 0) breakOff(h, d, direction);
    // Its beginning was lost, or there never was one.
    if (!d.hasHoles) raise(W_STRAY);
    d.table.poison();
    return;
  }
  d.openFrames++;
  append(h, d, direction, frames.at, frames.end);
  if ((frames.flags & END_HEADERS) === 0) return;
  if (!d.openIsCut) {
    block(h, d, direction, d.openStream, d.openPromise, d.openEnds, d.openBlock, d.openBlock + d.openBytes, d.openTimeUs, d.openSequence);
  }
  d.closeBlock();
}

/** Adds a fragment to the header block under way. */
export function append(h: Http2Connection, d: Direction, direction: number, at: number, end: number): void {
  if (d.openIsCut) return;
  const total = d.openBytes + end - at;
  if (total > headerBlockBytesMax || d.openFrames > CONTINUATIONS_MAX) {
    raise(W_BLOCK);
    cutOpen(h, d, direction);
    return;
  }
  if (end === at) return;
  if (d.openBlock === 0) d.openBlock = reserve(end - at);
  else if (total > capacity(d.openBlock)) {
    const larger = enlarge(d.openBlock, d.openBytes, Math.max(total, 2 * capacity(d.openBlock)));
    if (larger === 0) {
      cutOpen(h, d, direction);
      return;
    }
    d.openBlock = larger;
  }
  if (d.openBlock === 0) {
    cutOpen(h, d, direction);
    return;
  }
  B.copyWithin(d.openBlock + d.openBytes, at, end);
  d.openBytes = total;
}

/** Reports the header block under way by what there is of it; the rest is passed over. */
export function cutOpen(h: Http2Connection, d: Direction, direction: number): void {
  if (d.openIsCut) return;
  d.openIsCut = true;
  decodeFields(d.table, d.openBlock, d.openBlock + d.openBytes);
  d.table.poison();
  toStream(h, direction, d.openStream, d.openPromise, fieldCount[0], (d.openEnds ? s.ENDS : 0) | s.UNREAD, d.openTimeUs, d.openSequence);
}

/** A header block whose CONTINUATION did not come. */
export function breakOff(h: Http2Connection, d: Direction, direction: number): void {
  if (!d.openIsCut && !d.hasHoles) raise(W_STRAY);
  cutOpen(h, d, direction);
  d.closeBlock();
}

export function block(
  h: Http2Connection,
  d: Direction,
  direction: number,
  stream: number,
  promise: number,
  ends: boolean,
  at: number,
  end: number,
  timeUs: number,
  sequence: number,
): void {
  const count = decodeFields(d.table, at, end);
  if (count < 0) raise(hpackWeird(count));
  const flags = (ends ? s.ENDS : 0) | (count < 0 ? s.UNREAD : 0);
  toStream(h, direction, stream, promise, fieldCount[0], flags, timeUs, sequence);
}

function toStream(
  h: Http2Connection,
  direction: number,
  stream: number,
  promise: number,
  count: number,
  flags: number,
  timeUs: number,
  sequence: number,
): void {
  if (promise !== NO_PROMISE) s.onPromise(h, direction, promise, count, flags, timeUs, sequence);
  else s.onHeaders(h, direction, stream, count, flags, timeUs, sequence);
}

/** The frame under way holds a header block of which only `[at, end)` is to be had: fields of its beginning, or nothing. */
export function lostHeaders(h: Http2Connection, d: Direction, direction: number, at: number, end: number): void {
  const { frames } = d;
  const { type, flags, stream } = frames;
  raise(W_HEADERS_LOST);
  if (type === CONTINUATION) {
    cutOpen(h, d, direction);
    if (flags & END_HEADERS) d.closeBlock();
    d.table.poison();
    return;
  }
  let p = at;
  let stop = end;
  if (p < end && flags & PADDED) {
    // Zeros that fill the frame are no fields.
    stop = Math.min(end, at + frames.length - B[p]);
    p++;
  }
  if (type === HEADERS && flags & HAS_PRIORITY) p += 5;
  if (type === PUSH_PROMISE) p = stop;
  if (p < stop) decodeFields(d.table, p, stop);
  else fieldCount[0] = 0;
  d.table.poison();
  if (type !== HEADERS || stream === 0) return;
  const ends = (flags & END_STREAM) !== 0;
  s.onHeaders(h, direction, stream, fieldCount[0], (ends ? s.ENDS : 0) | s.UNREAD, frames.timeUs, frames.sequence);
  if (flags & END_HEADERS) return;
  d.openStream = stream;
  d.openIsCut = true;
}
