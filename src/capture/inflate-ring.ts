/**
 * What the two ends of a decompression share: one SharedArrayBuffer with a few control words, an input buffer and
 * an output ring. byte-source.ts feeds compressed bytes and takes plain ones; inflate-worker.ts does the rest on a
 * thread of its own, because Node has no synchronous decompressor that works in steps.
 *
 *   0               64                  64 + 64 KiB                    + 1 MiB
 *   +---------------+-------------------+------------------------------+
 *   | control words | input             | output ring                  |
 *   +---------------+-------------------+------------------------------+
 *
 * Only the reader does I/O, so the worker never hangs in a system call and can always be ended.
 */

// Control words, by index.
/** Goes up with every change that the worker makes; the reader waits on it. */
export const SIGNAL = 0;
/** Bytes in the input buffer; 0: it is free; INPUT_END: no more will come. */
export const INPUT = 1;
/** 1 while the worker has nothing left to do but to wait for input. */
export const IDLE = 2;
/** Bytes ever put into the ring, and ever taken out of it, modulo 2^32. */
export const WRITTEN = 3;
export const TAKEN = 4;
/** One of the states below. */
export const STATE = 5;
/** 1 when the reader has closed: the worker ends. */
export const CLOSED = 6;

export const INPUT_END = -1;

// States.
export const STARTING = 0;
export const RUNNING = 1;
/** The compressed data ended where they should. */
export const WHOLE = 2;
/** They ended early. */
export const CUT = 3;
/** They are damaged. */
export const DAMAGED = 4;
/** The worker ended without a result. */
export const CRASHED = 5;

/** Where the damage was noticed: index into the doubles at the end of the control words (byte 56). */
export const DAMAGED_AT = 7;

const CONTROL_BYTES = 64;
export const INPUT_BYTES = 65536;
/** A power of two. */
export const RING_BYTES = 1 << 20;

export type Compression = 'gzip' | 'zstd';

export interface InflateTask {
  readonly shared: SharedArrayBuffer;
  readonly compression: Compression;
  /** Plain bytes at the start that are not wanted again. */
  readonly skipBytes: number;
  /** Offset in the compressed data from which one step is decompressed byte by byte; Infinity: never. */
  readonly fineFrom: number;
}

export class InflateRing {
  readonly shared: SharedArrayBuffer;
  readonly control: Int32Array;
  /** The same 64 bytes as doubles. */
  readonly doubles: Float64Array;
  readonly input: Uint8Array;
  readonly ring: Uint8Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(CONTROL_BYTES + INPUT_BYTES + RING_BYTES)) {
    this.shared = shared;
    this.control = new Int32Array(shared, 0, CONTROL_BYTES >> 2);
    this.doubles = new Float64Array(shared, 0, CONTROL_BYTES >> 3);
    this.input = new Uint8Array(shared, CONTROL_BYTES, INPUT_BYTES);
    this.ring = new Uint8Array(shared, CONTROL_BYTES + INPUT_BYTES, RING_BYTES);
  }
}
