/**
 * What is known of a connection of HTTP/2: two directions, each with its frames and its header table, and the streams
 * that are open. One object a connection, found by a small number in the connection's row (X_SMALL of direction 0).
 *
 * Bounds: http.streamsMax streams a connection (the oldest is reported as it stands; servers commonly allow 100 to 250),
 * http.headerBlockBytesMax and CONTINUATIONS_MAX for one header block.
 */
import { release } from '../base/blocks.ts';
import { FrameReader } from './frames.ts';
import { DEFAULT_TABLE_BYTES, HeaderTable } from './header-table.ts';
import type { SocketStream } from './socket-stream.ts';

/** CONTINUATION frames of one header block. */
export const CONTINUATIONS_MAX = 64;
/** Streams that the client resets before it has had an answer, on one connection, before it is called a rapid reset. */
export const RAPID_RESETS = 100;

/** Streams of a connection that a client has reset and that wait for what the server had sent, and how long. */
export const RESETS_WAITING_MAX = 16;
export const RESET_WAIT_US = 1_000_000;

/** Streams that are over, remembered where frames may be missing: of one of these a late frame is no new call. */
export const OVER_MAX = 1024;

/** GOAWAY frames that are heeded: each may look through all streams, and one or two are sent (RFC 9113, 6.8). */
export const GOAWAYS_MAX = 16;

/** In place of the number of a promised stream. */
export const NO_PROMISE = -1;

/** Of most connections: a table of their own would be most of what an idle one takes. */
const NO_SOCKETS: Map<number, SocketStream> = new Map();

/** One direction. */
export class Direction {
  readonly frames: FrameReader = new FrameReader();
  readonly table: HeaderTable;
  // A header block that goes on in CONTINUATION frames.
  /** Its stream; 0 when there is none under way. */
  openStream = 0;
  /** The stream that it promises, or NO_PROMISE. */
  openPromise: number = NO_PROMISE;
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
  /** The largest of those that are not acknowledged, and of the one before. */
  tableBytesMax: number = DEFAULT_TABLE_BYTES;
  // Bytes that came since the place was lost last, and those that are passed over before a frame is searched again.
  bytesSinceLoss = 0;
  passBytes = 0;
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
    this.openPromise = NO_PROMISE;
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
  /** Streams that carry WebSocket. Their calls, the handshakes, are over. Not to be written to: `addSocket` does. */
  sockets: Map<number, SocketStream> = NO_SOCKETS;
  /** The highest stream of a client, and of a server. */
  lastStream = 0;
  lastPromise = 0;
  /** GOAWAY that ended streams. */
  goaways = 0;
  /** Where frames may be missing: streams that are over, and the numbers up to which all are that are not open (-1: not asked yet). */
  #over: Set<number> | null = null;
  #overUpTo = -1;
  #promisesOverUpTo = 0;
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

  /** Frames are missing, from here on, or from before the first one. */
  #beginLoss(isLate: boolean): void {
    this.#overUpTo = isLate ? 0 : this.lastStream;
    this.#promisesOverUpTo = isLate ? 0 : this.lastPromise;
  }

  /** A stream is over, on a connection of which frames may be missing. */
  noteOver(stream: number, isLate: boolean): void {
    if (this.#overUpTo < 0) this.#beginLoss(isLate);
    this.#over ??= new Set();
    if (this.#over.size === OVER_MAX) for (const oldest of this.#over) if (this.#over.delete(oldest)) break;
    this.#over.add(stream);
  }

  /** Whether a stream that is not open is known to be over, on such a connection. */
  isOver(stream: number, isLate: boolean): boolean {
    if (this.#overUpTo < 0) this.#beginLoss(isLate);
    return this.#over?.has(stream) === true || stream <= (stream & 1 ? this.#overUpTo : this.#promisesOverUpTo);
  }

  addSocket(stream: number, socket: SocketStream): void {
    if (this.sockets === NO_SOCKETS) this.sockets = new Map();
    this.sockets.set(stream, socket);
  }

  /** Whether the stream is open. */
  has(stream: number): boolean {
    return this.streams.has(stream) || this.sockets.has(stream);
  }
}
