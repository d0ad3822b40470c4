/**
 * What is known of a connection of HTTP/2: two directions, each with its frames and its header table, and the streams
 * that are open. One object a connection, found by a small number in the connection's row (X_SMALL of direction 0).
 *
 * Bounds: STREAMS_MAX streams a connection (the oldest is reported as it stands), HEADER_BLOCK_BYTES_MAX and
 * CONTINUATIONS_MAX for one header block.
 */
import { release } from '../base/blocks.ts';
import { FrameReader } from './frames.ts';
import { DEFAULT_TABLE_BYTES, HeaderTable } from './header-table.ts';

/** Open streams of a connection that are followed. Servers commonly allow 100 to 250. */
export const STREAMS_MAX = 4096;
/** A header block as it is sent. */
export const HEADER_BLOCK_BYTES_MAX: number = 256 << 10;
/** CONTINUATION frames of one header block. */
export const CONTINUATIONS_MAX = 64;
/** Streams that the client resets before it has had an answer, on one connection, before it is called a rapid reset. */
export const RAPID_RESETS = 100;

/** Streams of a connection that a client has reset and that wait for what the server had sent, and how long. */
export const RESETS_WAITING_MAX = 16;
export const RESET_WAIT_US = 1_000_000;

/** One direction. */
export class Direction {
  readonly frames: FrameReader = new FrameReader();
  readonly table: HeaderTable;
  // A header block that goes on in CONTINUATION frames.
  /** Its stream; 0 when there is none under way. */
  openStream = 0;
  /** The stream that it promises, or 0. */
  openPromise = 0;
  openEnds = false;
  openBlock = 0;
  openBytes = 0;
  openFrames = 0;
  /** What follows of it is passed over: it was reported already, or could not be kept. */
  openIsCut = false;
  openTimeUs = 0;
  openSequence = 0;
  // SETTINGS_HEADER_TABLE_SIZE that this side announced last, and how many of its SETTINGS are not acknowledged.
  tableBytes: number = DEFAULT_TABLE_BYTES;
  settingsUnderway = 0;
  /** Frames of this direction may have been missed. */
  hasHoles = false;

  constructor(isLate: boolean) {
    this.table = new HeaderTable(isLate);
    this.hasHoles = isLate;
  }

  closeBlock(): void {
    release(this.openBlock);
    this.openBlock = 0;
    this.openBytes = 0;
    this.openFrames = 0;
    this.openStream = 0;
    this.openPromise = 0;
    this.openIsCut = false;
  }

  release(): void {
    this.closeBlock();
    this.frames.drop();
    this.table.release();
  }
}

export class Http2Connection {
  /** Word index of the connection's row, and the row in the flow table. */
  readonly n: number;
  readonly flow: number;
  readonly directions: readonly [Direction, Direction];
  /** Open streams and their calls. */
  readonly streams: Map<number, number> = new Map<number, number>();
  /** The highest stream of a client, and of a server. */
  lastStream = 0;
  lastPromise = 0;
  /** Requests that the client took back without an answer. */
  resets = 0;
  /** Streams that the client reset and whose answer may still come, oldest first, and since when. */
  readonly reset: number[] = [];
  readonly resetTimesUs: number[] = [];

  constructor(n: number, flow: number, isLate: boolean) {
    this.n = n;
    this.flow = flow;
    this.directions = [new Direction(isLate), new Direction(isLate)];
  }
}
