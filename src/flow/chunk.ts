/**
 * Chunk: what flow/ hands on. One long-lived object, filled in place: the next bytes of one direction of a
 * connection in stream order, a hole in them, or an end. The bytes lie in the arena (in the packet, or in a
 * block when they had to wait) and are valid until the next chunk is asked for.
 */
export class Chunk {
  /** Row number of the connection in the flow table; other stages key their own state by it. */
  flow = 0;
  /** 0: from the originator (the sender of the first packet seen) to the responder; 1: back. */
  direction = 0;
  kind = 0;
  at = 0;
  end = 0;
  /** For a GAP: how many bytes are missing. */
  gapBytes = 0;
  /** Sequence number of the first byte (int32). */
  sequence = 0;
  /** Acknowledgement number of the segment that carried the bytes (int32): what its sender had received. */
  acknowledgement = 0;
  /** For a CLOSE: why. */
  cause = 0;
}

/** Bytes `[at, end)` in order. */
export const DATA = 1;
/** `gapBytes` bytes were never captured. */
export const GAP = 2;
/** This direction ended with a FIN. */
export const END = 3;
/** The connection is over; `cause` says why. The row may be used for another one afterwards. */
export const CLOSE = 4;

/** Causes of a CLOSE. */
export const CLOSED = 1;
export const RESET = 2;
export const IDLE = 3;
export const EVICTED = 4;
export const CAPTURE_END = 5;
export const REUSED = 6;
