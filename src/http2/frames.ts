/**
 * Frames of HTTP/2 (RFC 9113, 4.1) out of the chunks of one direction.
 *
 *   +------------------------+--------+---------+-+---------------------------------+=================+
 *   | length (24)            | type   | flags   |0| stream (31)                     | payload         |
 *   +------------------------+--------+---------+-+---------------------------------+=================+
 *
 *   DATA          [pad length] data [padding]                          handed on piece by piece, never held
 *   HEADERS       [pad length] [priority, 5 bytes] fragment [padding]
 *   PUSH_PROMISE  [pad length] promised stream (31) fragment [padding]
 *   CONTINUATION  fragment
 *   SETTINGS, RST_STREAM, GOAWAY                                       whole frames: read where they lie when they lie in one
 *                                                                      chunk, else gathered in a block of the arena
 *   all others                                                         counted and passed over
 *
 * Bounds: FRAME_BYTES_MAX of a frame that is to be whole; a longer one is passed over and said to be lost. The block
 * grows with what comes, not with what a header promises.
 */
import { bytes } from '../base/arena.ts';
import { capacity, enlarge, release, reserve } from '../base/blocks.ts';
import { counter, counts } from '../base/counters.ts';
import { reading, readTime } from '../http/reading.ts';
import { EMPTY_FLOOD, Floods, PING_FLOOD, PRIORITY_FLOOD, SETTINGS_FLOOD } from './floods.ts';

const B = bytes;
const C = counts;
const R = reading;
const TIME = readTime;

export const FRAME_HEADER_BYTES = 9;
export const PREFACE_BYTES = 24;
/** P, of PRI. */
const FIRST_OF_PREFACE = 80;
/** SETTINGS_MAX_FRAME_SIZE before any SETTINGS frame (6.5.2), and the most that it can be. */
export const DEFAULT_FRAME_BYTES = 16384;
export const LONGEST_FRAME_BYTES: number = (1 << 24) - 1;
export const FRAME_BYTES_MAX: number = 256 << 10;

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
const TYPES = 10;
const PADDING_BYTES_MAX = 255;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const HAS_PRIORITY = 32;

const F_COUNT = counter('http2.frames{data}');
for (const name of ['headers', 'priority', 'rst-stream', 'settings', 'push-promise', 'ping', 'goaway', 'window-update', 'continuation']) {
  counter(`http2.frames{${name}}`);
}
const F_UNKNOWN = counter('http2.frames{unknown}');

// Phases of a direction.
const PREFACE = 0;
const HEADER = 1;
const IN_DATA = 2;
const GATHER = 3;
const PASS = 4;
/** The next frame header is to be searched (http2/resync.ts). */
const LOST = 5;

// What `read` found.
export const NOTHING = 0;
/** A piece of a DATA frame's data in `[at, end)`; `isLast` when the frame is over. */
export const PIECE = 1;
/** A whole frame whose payload is `[at, end)`. */
export const FRAME = 2;
/** A frame that should be whole and is not to be had: too long, or no memory. What follows it can be read. */
export const NOT_HAD = 3;
/** No frame of HTTP/2 stands here. */
export const NO_FRAME = 4;

export class FrameReader {
  #phase = HEADER;
  /** Bytes of a frame header that came in parts; made when the first one does. */
  #header: Uint8Array | null = null;
  #headerBytes = 0;
  /** Bytes of the payload that are still to come. */
  #left = 0;
  /** Of these, padding; -1: its length comes next. */
  #padding = 0;
  #block = 0;
  #held = 0;
  readonly floods: Floods = new Floods();
  /** The frame under way, or the last one. */
  length = 0;
  type = 0;
  flags = 0;
  stream = 0;
  /** When its first byte came, and the sequence number of that byte. */
  timeUs = 0;
  sequence = 0;
  /** What `read` found, and where. */
  event = NOTHING;
  at = 0;
  end = 0;
  isLast = false;
  /** What the receiver allows. */
  frameBytesMax = DEFAULT_FRAME_BYTES;

  /** Payload bytes of the frame under way that are still to come. */
  get remaining(): number {
    return this.#left;
  }

  /** The preface of a client comes first (3.4). */
  expectPreface(): void {
    this.#phase = PREFACE;
    this.#left = PREFACE_BYTES;
  }

  /** Part of a frame header came before it was known what it is. */
  prime(at: number, length: number, timeUs: number, sequence: number): void {
    this.#header ??= new Uint8Array(FRAME_HEADER_BYTES);
    for (let i = 0; i < length; i++) this.#header[i] = B[at + i];
    this.#headerBytes = length;
    this.timeUs = timeUs;
    this.sequence = sequence;
  }

  get isLost(): boolean {
    return this.#phase === LOST;
  }

  /** A frame begins at the next byte. */
  found(): void {
    this.#phase = HEADER;
    this.#headerBytes = 0;
  }

  /** It is not known where the next frame begins. */
  lose(): void {
    this.drop();
    this.#phase = LOST;
    this.#left = 0;
    this.#headerBytes = 0;
  }

  /** Reads up to the next event in `[at, end)`, which is not empty; returns the offset behind what it took. */
  read(at: number, end: number): number {
    this.event = NOTHING;
    switch (this.#phase) {
      case HEADER:
        return this.#readHeader(at, end);
      case IN_DATA:
        return this.#readData(at, end);
      case GATHER:
        return this.#gather(at, end);
      case PREFACE:
        // The preface was missed, and what stands here may be in the middle of anything.
        if (this.#left === PREFACE_BYTES && B[at] !== FIRST_OF_PREFACE) {
          this.event = NO_FRAME;
          return at;
        }
        return this.#pass(at, end);
      default:
        return this.#pass(at, end);
    }
  }

  #readHeader(at: number, end: number): number {
    if (this.#headerBytes === 0) {
      this.timeUs = TIME[0];
      this.sequence = (R.sequence + at - R.at) | 0;
      if (end - at >= FRAME_HEADER_BYTES) {
        this.length = (B[at] << 16) | (B[at + 1] << 8) | B[at + 2];
        this.type = B[at + 3];
        this.flags = B[at + 4];
        this.stream = ((B[at + 5] & 0x7f) << 24) | (B[at + 6] << 16) | (B[at + 7] << 8) | B[at + 8];
        return this.#begin(at + FRAME_HEADER_BYTES);
      }
    }
    this.#header ??= new Uint8Array(FRAME_HEADER_BYTES);
    const h = this.#header;
    let p = at;
    while (p < end && this.#headerBytes < FRAME_HEADER_BYTES) h[this.#headerBytes++] = B[p++];
    if (this.#headerBytes < FRAME_HEADER_BYTES) return p;
    this.#headerBytes = 0;
    this.length = (h[0] << 16) | (h[1] << 8) | h[2];
    this.type = h[3];
    this.flags = h[4];
    this.stream = ((h[5] & 0x7f) << 24) | (h[6] << 16) | (h[7] << 8) | h[8];
    return this.#begin(p);
  }

  /** The header of a frame was read; its payload begins at `at`. */
  #begin(at: number): number {
    const { type, length } = this;
    this.at = at;
    this.end = at;
    if (length > this.frameBytesMax) {
      this.event = NO_FRAME;
      return at;
    }
    C[type < TYPES ? F_COUNT + type : F_UNKNOWN]++;
    this.#left = length;
    if (type === DATA) {
      this.#padding = this.flags & PADDED ? -1 : 0;
      if (length > 0) {
        this.#phase = IN_DATA;
        return at;
      }
      if ((this.flags & END_STREAM) === 0) this.floods.note(EMPTY_FLOOD, TIME[0]);
      this.event = PIECE;
      this.isLast = true;
    } else if (type >= TYPES || type === PING || type === WINDOW_UPDATE || type === PRIORITY) {
      if (type === WINDOW_UPDATE) this.floods.noteWindowUpdate(TIME[0]);
      else if (type === PING) this.floods.note(PING_FLOOD, TIME[0]);
      else if (type === PRIORITY) this.floods.note(PRIORITY_FLOOD, TIME[0]);
      if (length > 0) this.#phase = PASS;
    } else if (length > FRAME_BYTES_MAX) {
      this.#phase = PASS;
      this.event = NOT_HAD;
    } else {
      if (type === SETTINGS) this.floods.note(SETTINGS_FLOOD, TIME[0]);
      if (length > 0) this.#phase = GATHER;
      else {
        const saysNothing = (type === HEADERS || type === CONTINUATION) && (this.flags & (END_STREAM | END_HEADERS)) === 0;
        if (saysNothing) this.floods.note(EMPTY_FLOOD, TIME[0]);
        this.event = FRAME;
      }
    }
    return at;
  }

  #readData(at: number, end: number): number {
    let p = at;
    if (this.#padding < 0) {
      this.#padding = B[p++];
      this.#left--;
      if (this.#padding >= this.#left) {
        this.#padding = this.#left;
        if ((this.flags & END_STREAM) === 0) this.floods.note(EMPTY_FLOOD, TIME[0]);
      }
    }
    const n = end - p < this.#left ? end - p : this.#left;
    const data = this.#left - this.#padding;
    this.event = PIECE;
    this.at = p;
    this.end = p + (n < data ? n : data > 0 ? data : 0);
    this.#left -= n;
    if (this.#padding > this.#left) this.#padding = this.#left;
    this.isLast = this.#left === 0;
    if (this.isLast) this.#phase = HEADER;
    return p + n;
  }

  #gather(at: number, end: number): number {
    const n = end - at < this.#left ? end - at : this.#left;
    this.#left -= n;
    if (this.#held === 0 && this.#left === 0) {
      this.at = at;
      this.end = at + n;
    } else {
      const total = this.#held + n;
      if (this.#block === 0) this.#block = reserve(n);
      else if (total > capacity(this.#block)) {
        const larger = enlarge(this.#block, this.#held, Math.max(total, Math.min(2 * capacity(this.#block), this.length)));
        if (larger === 0) this.drop();
        else this.#block = larger;
      }
      if (this.#block === 0) {
        this.event = NOT_HAD;
        this.#phase = this.#left > 0 ? PASS : HEADER;
        return at + n;
      }
      B.copyWithin(this.#block + this.#held, at, at + n);
      this.#held = total;
      if (this.#left > 0) return at + n;
      this.at = this.#block;
      this.end = this.#block + total;
    }
    this.event = FRAME;
    this.#phase = HEADER;
    return at + n;
  }

  #pass(at: number, end: number): number {
    const n = end - at < this.#left ? end - at : this.#left;
    this.#left -= n;
    if (this.#left === 0) this.#phase = HEADER;
    return at + n;
  }

  /** Gives back the block of a frame that was gathered. */
  drop(): void {
    if (this.#block === 0) return;
    release(this.#block);
    this.#block = 0;
    this.#held = 0;
  }

  /** Whether a frame that is to be whole is under way; what there is of its payload is `[at, end)` then. */
  peek(): boolean {
    if (this.#phase !== GATHER) return false;
    this.at = this.#block;
    this.end = this.#block + this.#held;
    return true;
  }

  /** Data bytes that are missing from the present DATA frame when `missing` bytes are. -1 outside of such a frame. */
  dataIn(missing: number): number {
    if (this.#phase !== IN_DATA) return -1;
    // Where the length of the padding is missing, too, it may be the longest.
    const isPaddingUnknown = this.#padding < 0;
    const data = this.#left - (isPaddingUnknown ? PADDING_BYTES_MAX + 1 : this.#padding);
    const within = isPaddingUnknown ? missing - 1 : missing;
    return within < data ? within : data > 0 ? data : 0;
  }

  /** A hole: false when it goes beyond the present frame, so that it is not known where the next one begins. */
  skip(missing: number): boolean {
    const isInFrame =
      (this.#phase === IN_DATA || this.#phase === GATHER || this.#phase === PASS || this.#phase === PREFACE) && missing <= this.#left;
    if (!isInFrame) {
      this.lose();
      return false;
    }
    this.drop();
    this.#left -= missing;
    this.isLast = this.#left === 0;
    if (this.#padding < 0) this.#padding = PADDING_BYTES_MAX;
    if (this.#padding > this.#left) this.#padding = this.#left;
    if (this.isLast) this.#phase = HEADER;
    else if (this.#phase === GATHER) this.#phase = PASS;
    return true;
  }
}
