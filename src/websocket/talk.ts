/**
 * Talk: a WebSocket connection whose messages make records: two sides, each with its message under way and, where messages are
 * compressed (RFC 7692), the window that the next one refers to: the last 32 KiB of all that was inflated, in a block.
 *
 *   message 1     message 2 refers to 1     hole     message 4 refers to what nobody knows: it has no content, and so have all
 *   [--------]    [----------------]      [  ?  ]    [- - - -]                  behind it, unless each is compressed by itself
 *
 * Limit: `websocket.windowsMax` windows at a time.
 */
import { bytes } from '../base/arena.ts';
import { capacity, release, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import { CLIENT_NO_TAKEOVER, SERVER_NO_TAKEOVER } from './extensions.ts';

const B = bytes;
const W_WINDOWS = weird('limit.http.websocket_windows');
/** RFC 7692, 7.1.2: the largest; smaller ones are part of it. */
export const WINDOW_BYTES: number = 32 << 10;

let windowsMax = 0;
let windows = 0;

export function resetWindows(): void {
  windows = 0;
}

export function setWindows(max: number): void {
  windowsMax = max;
}

/** One direction of a talk. */
export class Side {
  readonly isServer: boolean;
  /** A compressed message may refer to those before it. */
  readonly takesOver: boolean;
  /** Messages so far. */
  sequence = 0;
  /** From this message on nobody knows what compressed ones refer to. */
  lostFrom: number = Number.POSITIVE_INFINITY;
  /** Why. */
  lostBy = 0;
  // Of open-message.ts: the last bytes of what was inflated.
  window = 0;
  windowBytes = 0;
  /** Inflated beyond what the compressed bytes stand for. */
  surplusBytes = 0;
  // The message under way.
  firstUs = 0;
  frames = 0;
  block = 0;
  keptBytes = 0;
  keptMax = 0;
  /** Nothing more of it is kept. */
  isStopped = false;
  /** Bytes of the payload of the frame under way that have passed. */
  phase = 0;

  constructor(isServer: boolean, takesOver: boolean) {
    this.isServer = isServer;
    this.takesOver = takesOver;
  }

  /** Compressed messages from `sequence` on cannot be read; `why` is one of open-message.ts. */
  lose(sequence: number, why: number): void {
    if (!this.takesOver || sequence >= this.lostFrom) return;
    this.lostFrom = sequence;
    this.lostBy = why;
  }
}

/** Why compressed messages cannot be read: something before them was not captured, or not kept, or there are too many connections. */
export const BY_HOLE = 1;
export const BY_LIMIT = 2;
/** Of one message: it was sent with an extension that is not known. */
export const BY_EXTENSION = 3;

export class Talk {
  readonly serial: number;
  readonly withBody: boolean;
  readonly client: Side;
  readonly server: Side;

  constructor(serial: number, withBody: boolean, noTakeover: number) {
    this.serial = serial;
    this.withBody = withBody;
    this.client = new Side(false, (noTakeover & CLIENT_NO_TAKEOVER) === 0);
    this.server = new Side(true, (noTakeover & SERVER_NO_TAKEOVER) === 0);
  }
}

/** `[at, end)` is what the next message of the side refers to. False when there is no room to keep it. */
export function keepWindow(side: Side, at: number, end: number): boolean {
  const n = Math.min(end - at, WINDOW_BYTES);
  if (side.window === 0 || capacity(side.window) < n) {
    if (side.window === 0 && windows >= windowsMax) {
      raise(W_WINDOWS);
      return false;
    }
    const block = n === 0 ? 0 : reserve(n);
    if (block === 0 && n > 0) return false;
    if (side.window === 0 && block !== 0) windows++;
    release(side.window);
    side.window = block;
  }
  B.copyWithin(side.window, end - n, end);
  side.windowBytes = n;
  return true;
}

export function dropWindow(side: Side): void {
  if (side.window !== 0) windows--;
  release(side.window);
  side.window = 0;
  side.windowBytes = 0;
}
