/**
 * Messages of WebSocket that are over, and ends of connections, in the order in which they came, until the pipeline hands
 * them on: behind the calls that were finished with them, so that the handshake's call has always gone before.
 *
 *   row of 10 doubles:  kind and flags | sequence | first byte, us | last byte, us | bytes on the wire | block | bytes in it
 *                       | frames | 1: less is kept than was sent | 1: with content
 *
 * Bounds: MESSAGES_MAX messages wait; ends of connections are never refused.
 */
import { release } from '../base/blocks.ts';
import { dropWindow, type Side, type Talk } from './talk.ts';

/** One packet can hold thousands of them. */
const MESSAGES_MAX = 1 << 14;
const ROW = 10;

/** What is known of a connection that is over. */
export interface EndedSocket {
  readonly serial: number;
  /** As messages.ts knows it: a code, or 0 when no Close frame came; negative: not known. */
  readonly code: number;
  /** Packet time. */
  readonly timeUs: number;
  /** When its last bytes came. */
  readonly lastUs: number;
  /** Why it ended, as who carries it says it. */
  readonly cause: number;
  /** Where its frames begin was not known any more. */
  readonly isLost: boolean;
  /** A frame broke the rules, and nothing behind it was read. */
  readonly isBroken: boolean;
  readonly client: SocketTotals;
  readonly server: SocketTotals;
}

/** What one side has sent. */
export interface SocketTotals {
  readonly text: number;
  readonly binary: number;
  readonly controls: number;
  readonly bytes: number;
}

let rows = new Float64Array(256 * ROW);
let talks: (Talk | null)[] = [];
let sides: (Side | null)[] = [];
let ends: (EndedSocket | null)[] = [];
let next = 0;
let last = 0;
let messages = 0;
let bytesWaiting = 0;

/** The message at hand: valid between `nextFinishedMessage` and the next one. */
class Message {
  serial = 0;
  side: Side | null = null;
  /** Opcode and flags. */
  kind = 0;
  withBody = false;
  sequence = 0;
  firstUs = 0;
  lastUs = 0;
  wireBytes = 0;
  block = 0;
  keptBytes = 0;
  frames = 0;
  isCut = false;
  /** Not null: it is no message; the connection is over. */
  ended: EndedSocket | null = null;
}
export const finishedMessage: Message = new Message();
export type FinishedMessage = Message;
const F = finishedMessage;

export function resetFinished(): void {
  talks = [];
  sides = [];
  ends = [];
  next = 0;
  last = 0;
  messages = 0;
  bytesWaiting = 0;
  clear();
}

function clear(): void {
  F.block = 0;
  F.side = null;
  F.ended = null;
}

function rowFor(): number {
  if ((last + 1) * ROW > rows.length) {
    const larger = new Float64Array(rows.length * 2);
    larger.set(rows);
    rows = larger;
  }
  return last++;
}

/** False when too many wait; the block stays the caller's then. */
export function pushMessage(
  talk: Talk,
  side: Side,
  kind: number,
  sequence: number,
  firstUs: number,
  lastUs: number,
  wireBytes: number,
  block: number,
  keptBytes: number,
  frames: number,
  isCut: number,
  withBody: number,
): boolean {
  if (messages >= MESSAGES_MAX) return false;
  messages++;
  bytesWaiting += keptBytes;
  const i = rowFor();
  talks[i] = talk;
  sides[i] = side;
  ends[i] = null;
  const r = i * ROW;
  rows[r] = kind;
  rows[r + 1] = sequence;
  rows[r + 2] = firstUs;
  rows[r + 3] = lastUs;
  rows[r + 4] = wireBytes;
  rows[r + 5] = block;
  rows[r + 6] = keptBytes;
  rows[r + 7] = frames;
  rows[r + 8] = isCut;
  rows[r + 9] = withBody;
  return true;
}

/** A connection is over. */
export function pushEnd(talk: Talk | null, ended: EndedSocket): void {
  const i = rowFor();
  talks[i] = talk;
  sides[i] = null;
  ends[i] = ended;
}

/** Those that wait, and the bytes that are kept of them. */
export function finishedMessages(): number {
  return last - next;
}

export function finishedMessageBytes(): number {
  return bytesWaiting;
}

/** Brings the next one into `finishedMessage`; false when there is none. Its block is the caller's until `releaseMessage`. */
export function nextFinishedMessage(): boolean {
  if (next === last) {
    if (last > 0) resetFinished();
    return false;
  }
  const i = next++;
  const talk = talks[i];
  const ended = ends[i];
  F.ended = ended;
  if (ended !== null) {
    F.serial = ended.serial;
    F.side = null;
    F.block = 0;
    if (talk !== null) for (const side of [talk.client, talk.server]) dropWindow(side);
    return true;
  }
  const r = i * ROW;
  F.serial = talk?.serial ?? 0;
  F.withBody = rows[r + 9] !== 0;
  F.side = sides[i];
  F.kind = rows[r];
  F.sequence = rows[r + 1];
  F.firstUs = rows[r + 2];
  F.lastUs = rows[r + 3];
  F.wireBytes = rows[r + 4];
  F.block = rows[r + 5];
  F.keptBytes = rows[r + 6];
  F.frames = rows[r + 7];
  F.isCut = rows[r + 8] !== 0;
  return true;
}

/** The block of the message at hand is given back. */
export function releaseMessage(): void {
  release(F.block);
  clear();
}
