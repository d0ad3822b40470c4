/**
 * HTTP/2 out of chunks: what http/ hands over when a connection begins with the preface, is upgraded, or looks like frames
 * from the middle. Every frame of a direction goes through here; http2/streams.ts makes calls of them.
 *
 *   begin -> feed (chunks) , gap (holes) -> close
 *
 * A header block that cannot be had (lost in a hole, too long, no memory) empties the header table of its direction, for nobody
 * can say what it inserted; its stream is reported with what is known.
 */
import { bytes, words } from '../base/arena.ts';
import { reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import * as c from '../http/connection.ts';
import { handOver, isServer, setClient, setKind } from '../http/role.ts';
import { TAIL_PREFIX_BYTES } from '../http/tail.ts';
import { type Direction, Http2Connection, NO_PROMISE } from './connection.ts';
import { RESET_FLOOD } from './floods.ts';
import * as f from './frames.ts';
import { append, block, breakOff, continuation, cutOpen, lostHeaders, refuseBlock, resetHeaderBlocks } from './header-blocks.ts';
import { SIZE_UNKNOWN } from './header-table.ts';
import { finishStreams, onGoaway, onReset, resetStreams } from './open-streams.ts';
import { findFrame, findFrames } from './resync.ts';
import * as s from './streams.ts';

const B = bytes;
const W = words;
const C = counts;
const N = c.connections;
const { N_KIND, N_SIDE, SIDE_SHIFT, N_FLAGS, X_STATE, X_TAIL, X_TAIL_BYTES, X_SMALL, GAPPED, HTTP2, IDENTIFY, HEAD, FRAMES } = c;
const { HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, GOAWAY, CONTINUATION, END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY } = f;

const T_SKIPPED = counter('http2.skipped_bytes');
const W_CONNECTIONS = weird('limit.http.http2_connections');
const W_FRAME = weird('http.http2.bad_frame');
const W_RESYNC = weird('http.http2.resynchronised');

const SETTING_BYTES = 6;
const SETTINGS_HEADER_TABLE_SIZE = 1;
const SETTINGS_MAX_FRAME_SIZE = 5;
const PASS_BYTES_A_STREAM = 1;
/** About 1.6 kB each, beside what they hold. */
const CONNECTIONS_MAX = 65_536;

/** By the number in X_SMALL of direction 0; 0 is none. */
let connections: (Http2Connection | undefined)[] = [undefined];
let free: number[] = [];

export function resetHttp2(settings: Settings): void {
  resetHeaderBlocks(settings.http.headerBlockBytesMax);
  resetStreams(settings.http.streamsMax);
  connections = [undefined];
  free = [];
}

function of(n: number): Http2Connection | undefined {
  return connections[N[n + N_SIDE + X_SMALL]];
}

/** Null when there are too many: the connection is left alone. */
function begin(n: number, flow: number, isLate: boolean): Http2Connection | null {
  if (free.length === 0 && connections.length > CONNECTIONS_MAX) {
    raise(W_CONNECTIONS);
    handOver(n, HTTP2);
    N[n + N_SIDE + X_SMALL] = 0;
    return null;
  }
  setKind(n, HTTP2);
  const h = new Http2Connection(n, flow, isLate);
  takeOver(n, h.directions[0]);
  takeOver(n + (1 << SIDE_SHIFT), h.directions[1]);
  const slot = free.pop() ?? connections.length;
  connections[slot] = h;
  N[n + N_SIDE + X_SMALL] = slot;
  return h;
}

/** A direction is read as frames from here on. What waits of it may be the beginning of the first one. */
function takeOver(n: number, d: Direction): void {
  const x = n + N_SIDE;
  const tail = N[x + X_TAIL];
  const tailBytes = N[x + X_TAIL_BYTES];
  const isFresh = N[x + X_STATE] === IDENTIFY || N[x + X_STATE] === HEAD;
  if (!isFresh || tailBytes >= f.FRAME_HEADER_BYTES) d.frames.lose();
  else if (tail !== 0) d.frames.prime(tail + TAIL_PREFIX_BYTES, tailBytes, packetTimeUs[0], W[(tail >> 2) + 2]);
  c.dropTail(x);
  N[x + X_STATE] = FRAMES;
  N[x + X_SMALL] = 0;
}

/** A client's preface stands at the next byte of `direction`; what the other side sends are frames. */
export function beginWithPreface(n: number, flow: number, direction: number): void {
  setClient(n, direction);
  begin(n, flow, false)?.directions[direction === 0 ? 0 : 1].frames.expectPreface();
}

/** A server's first frame stands at the next byte of `direction`, before the client has sent anything. */
export function beginWithSettings(n: number, flow: number, direction: number): void {
  beginWithPreface(n, flow, 1 - direction);
}

/**
 * After a 101: `call` is what asked for the upgrade; it is reported with that answer, and goes on as stream 1. `isCut`: the end of the
 * 101 was not found, so frames are searched.
 */
export function beginUpgraded(n: number, flow: number, direction: number, call: number, isCut: boolean): void {
  const client = 1 - direction;
  const h = begin(n, flow, false);
  if (h === null) return;
  h.directions[client === 0 ? 0 : 1].frames.expectPreface();
  // What the field HTTP2-Settings sets is not read: the server's encoder may have any size of table, and frames of any length.
  const server = h.directions[direction === 0 ? 0 : 1];
  server.table.resize(SIZE_UNKNOWN);
  server.frames.frameBytesMax = f.LONGEST_FRAME_BYTES;
  s.openUpgraded(h, call, copyBlock);
  if (!isCut) return;
  server.frames.lose();
  framesLost(h, server, direction);
}

function copyBlock(block: number, length: number): number {
  if (block === 0 || length === 0) return 0;
  const to = reserve(length);
  if (to !== 0) B.copyWithin(to, block, block + length);
  return to;
}

/** In a connection that was joined late: where its frames begin in `[at, end)`; -1 when nothing looks like frames. */
export function beginInTheMiddle(n: number, flow: number, direction: number, at: number, end: number): number {
  const p = findFrames(at, end, f.DEFAULT_FRAME_BYTES);
  if (p < 0) return -1;
  const h = begin(n, flow, true);
  if (h === null) return p;
  for (const d of h.directions) {
    d.table.resize(SIZE_UNKNOWN);
    d.frames.frameBytesMax = f.LONGEST_FRAME_BYTES;
    d.frames.lose();
  }
  h.directions[direction === 0 ? 0 : 1].frames.found();
  C[T_SKIPPED] += p - at;
  return p;
}

/** Reads `[at, end)` as the next bytes of a direction. */
export function feed(n: number, direction: number, at: number, end: number): void {
  const h = of(n);
  if (h === undefined) return;
  const d = h.directions[direction === 0 ? 0 : 1];
  const frames = d.frames;
  let p = at;
  d.bytesSinceLoss += end - at;
  while (p < end) {
    if (frames.isLost) {
      p = resynchronise(h, d, p, end);
      continue;
    }
    p = frames.read(p, end);
    switch (frames.event) {
      case f.PIECE:
        data(h, d, direction);
        break;
      case f.FRAME:
        frame(h, d, direction);
        frames.drop();
        break;
      case f.NOT_HAD:
        if (isHeaderType(frames.type)) {
          refuseBlock(h, d, direction);
        }
        break;
      case f.NO_FRAME:
        raise(W_FRAME);
        framesLost(h, d, direction);
        frames.lose();
        break;
      default:
    }
  }
}

function isHeaderType(type: number): boolean {
  return type === HEADERS || type === PUSH_PROMISE || type === CONTINUATION;
}

function resynchronise(h: Http2Connection, d: Direction, at: number, end: number): number {
  if (d.passBytes > 0) {
    // Whole segments: where one begins, a frame often does.
    d.passBytes -= end - at;
    C[T_SKIPPED] += end - at;
    return end;
  }
  const p = findFrame(at, end, Math.min(d.frames.frameBytesMax, f.FRAME_BYTES_MAX), h);
  if (p < 0) {
    C[T_SKIPPED] += end - at;
    return end;
  }
  raise(W_RESYNC);
  C[T_SKIPPED] += p - at;
  d.frames.found();
  return p;
}

function data(h: Http2Connection, d: Direction, direction: number): void {
  const { frames } = d;
  if (d.openStream !== 0) breakOff(h, d, direction);
  s.onData(h, direction, frames, frames.at, frames.end);
  if (!frames.isLast) return;
  h.directions[direction === 0 ? 1 : 0].frames.floods.noteDataAcross();
  if (frames.flags & END_STREAM) s.onEnd(h, direction, frames.stream);
}

/** A whole frame that is not DATA. */
function frame(h: Http2Connection, d: Direction, direction: number): void {
  const { frames } = d;
  const { type, flags, stream } = frames;
  let { at, end } = frames;
  if (type === CONTINUATION) {
    continuation(h, d, direction);
    return;
  }
  if (d.openStream !== 0) breakOff(h, d, direction);
  switch (type) {
    case SETTINGS:
      settings(h, d, direction);
      return;
    case RST_STREAM:
      // Of a server that has answered, NO_ERROR says that it needs no more of the request (8.1).
      if (isServer(h.n, direction) && end - at === 4 && (B[at] | B[at + 1] | B[at + 2] | B[at + 3]) !== 0) {
        frames.floods.note(RESET_FLOOD, packetTimeUs[0]);
      }
      onReset(h, direction, stream);
      return;
    case GOAWAY:
      if (end - at >= 8) onGoaway(h, direction, (((B[at] & 0x7f) << 24) | (B[at + 1] << 16) | (B[at + 2] << 8) | B[at + 3]) >>> 0);
      return;
    default:
  }
  if (type !== HEADERS && type !== PUSH_PROMISE) return;
  const before = type === PUSH_PROMISE ? 4 : flags & HAS_PRIORITY ? 5 : 0;
  const padding = flags & PADDED && end > at ? B[at++] : 0;
  if (end - at < before + padding || stream === 0) {
    // RFC 9113, 6.2: an error of the whole connection. What it inserted nobody knows.
    raise(W_FRAME);
    lostHeaders(h, d, direction, 0, 0);
    return;
  }
  const promise = type === PUSH_PROMISE ? ((B[at] & 0x7f) << 24) | (B[at + 1] << 16) | (B[at + 2] << 8) | B[at + 3] : NO_PROMISE;
  at += before;
  end -= padding;
  const ends = type === HEADERS && (flags & END_STREAM) !== 0;
  if (flags & END_HEADERS) {
    block(h, d, direction, stream, promise, ends, at, end, frames.timeUs, frames.sequence);
    return;
  }
  d.openStream = stream;
  d.openPromise = promise;
  d.openEnds = ends;
  d.openTimeUs = frames.timeUs;
  d.openSequence = frames.sequence;
  append(h, d, direction, at, end);
}

/**
 * SETTINGS_HEADER_TABLE_SIZE is what the encoder of the other direction may set. A larger one may be used at once; a smaller one
 * holds when it is acknowledged (6.5.3).
 */
function settings(h: Http2Connection, d: Direction, direction: number): void {
  const { frames } = d;
  const other = h.directions[direction === 0 ? 1 : 0];
  if (frames.flags & ACK) {
    if (other.settingsUnderway > 0 && --other.settingsUnderway === 0 && !other.hasHoles) d.table.resize(other.tableBytes);
    return;
  }
  // Until all are acknowledged, each of them may be the one that the encoder goes by.
  let largest = d.settingsUnderway === 0 ? d.tableBytes : d.tableBytesMax;
  d.settingsUnderway++;
  for (let p = frames.at; p + SETTING_BYTES <= frames.end; p += SETTING_BYTES) {
    const id = (B[p] << 8) | B[p + 1];
    const value = ((B[p + 2] << 24) | (B[p + 3] << 16) | (B[p + 4] << 8) | B[p + 5]) >>> 0;
    if (id === SETTINGS_HEADER_TABLE_SIZE) {
      d.tableBytes = value;
      if (value > largest) largest = value;
    } else if (id === SETTINGS_MAX_FRAME_SIZE && value >= f.DEFAULT_FRAME_BYTES && value <= f.LONGEST_FRAME_BYTES) {
      if (value > other.frames.frameBytesMax) other.frames.frameBytesMax = value;
    }
  }
  d.tableBytesMax = largest;
  if (!d.hasHoles) other.table.resize(Math.min(largest, 0x7fffffff));
}

/** What stands in a hole of frames is anybody's guess: header blocks, SETTINGS, the ends of streams. */
function framesLost(h: Http2Connection, d: Direction, direction: number): void {
  N[h.n + N_FLAGS] |= GAPPED;
  d.hasHoles = true;
  if (d.openStream !== 0) breakOff(h, d, direction);
  d.table.poison();
  const other = h.directions[direction === 0 ? 1 : 0];
  other.table.resize(SIZE_UNKNOWN);
  other.frames.frameBytesMax = f.LONGEST_FRAME_BYTES;
  // Each open stream is looked at: who loses its place again and again passes over so many bytes that this stays cheap.
  d.passBytes = Math.max(0, PASS_BYTES_A_STREAM * (h.streams.size + h.sockets.size) - d.bytesSinceLoss);
  d.bytesSinceLoss = 0;
  s.onFramesLost(h, direction);
}

/** `missing` bytes of a direction were never captured. */
export function gap(n: number, direction: number, missing: number): void {
  const h = of(n);
  if (h === undefined) return;
  N[n + N_FLAGS] |= GAPPED;
  const d = h.directions[direction === 0 ? 0 : 1];
  const { frames } = d;
  if (frames.isLost) return;
  const inData = frames.dataIn(missing);
  if (inData >= 0) s.onDataGap(h, direction, frames.stream, inData);
  else if (frames.peek() && isHeaderType(frames.type)) {
    d.hasHoles = true;
    lostHeaders(h, d, direction, frames.at, frames.end);
  }
  const wasData = inData >= 0;
  const ends = wasData && (frames.flags & END_STREAM) !== 0;
  const { stream } = frames;
  if (frames.skip(missing)) {
    if (wasData && ends && frames.isLast) s.onEnd(h, direction, stream);
    return;
  }
  if (ends) s.onEnd(h, direction, stream);
  framesLost(h, d, direction);
}

/** The connection is over. */
export function close(n: number, cause: number): void {
  const h = N[n + N_KIND] === HTTP2 ? of(n) : undefined;
  if (h === undefined) return;
  // A head that the end cuts is reported by its first fields. The client's first.
  const first = isServer(n, 0) ? 1 : 0;
  for (const direction of [first, 1 - first]) {
    const d = h.directions[direction === 0 ? 0 : 1];
    if (d.openStream !== 0) cutOpen(h, d, direction);
    if (d.frames.peek() && d.frames.type === HEADERS) lostHeaders(h, d, direction, d.frames.at, d.frames.end);
  }
  finishStreams(h, cause);
  h.directions[0].release();
  h.directions[1].release();
  const slot = N[n + N_SIDE + X_SMALL];
  connections[slot] = undefined;
  free.push(slot);
  N[n + N_SIDE + X_SMALL] = 0;
}
