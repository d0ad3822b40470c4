/**
 * Opening a message of WebSocket: the first bytes of what it says, with its compression undone (RFC 7692, 7.2.2).
 *
 *   window: what was inflated before, up to 32 KiB | what this message inflates to ...
 *   [room                                          | ->                               roomEnd)
 *
 * A message that may refer to earlier ones is inflated whole, because the next one may refer to it. One that stands alone is
 * inflated as far as it is kept. Messages are opened in their order, each once; one that is not opened is passed by
 * `passMessage`.
 *
 * Limits: INFLATED_BYTES_MAX of a message; and of all messages of a direction, so that work stays in proportion to what was sent:
 * INFLATED_RATIO times the compressed bytes and FREE_BYTES a message, with SURPLUS_BYTES_MAX more at a time.
 */
import { bytes } from '../base/arena.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import { BETWEEN_BLOCKS, CORRUPT, DONE, inflateOnto, inflateStatus, OUTPUT_FULL } from '../http/inflate.ts';
import { type FinishedMessage, finishedMessage } from './finished-messages.ts';
import { COMPRESSED, INCOMPLETE, OPAQUE } from './message-flags.ts';
import { BY_EXTENSION, BY_HOLE, BY_LIMIT, keepWindow, type Side, WINDOW_BYTES } from './talk.ts';

const B = bytes;
const F = finishedMessage;
const W_CORRUPT = weird('http.websocket.inflate_corrupt');
const W_INFLATED = weird('limit.http.websocket_inflated');
const INFLATED_BYTES_MAX = 1 << 20;
/** Much that repeats compresses 20 to 60 times; deflate itself ends at 1032. */
const INFLATED_RATIO = 64;
/** Small messages that say nearly the same compress even more, and cost little. */
const FREE_BYTES = 4096;
const SURPLUS_BYTES_MAX = 4 << 20;
/** Room that `openMessage` needs. */
export const OPENED_MESSAGE_BYTES_MAX: number = WINDOW_BYTES + INFLATED_BYTES_MAX;

/** What was opened last. */
class Opened {
  at = 0;
  end = 0;
  /** It is not the whole message. */
  isCut = false;
  /** Bytes of the whole message; -1: not known. */
  length = -1;
  /** Why there is no content although there was some: BY_HOLE, BY_LIMIT, BY_EXTENSION; 0: there is. */
  unknownBy = 0;
}
export const openedMessage: Opened = new Opened();
const O = openedMessage;

let messageBytes = 0;

export function resetOpenMessage({ websocket }: Pick<Settings, 'websocket'>): void {
  messageBytes = websocket.messageBytes;
}

/** Opens the message at hand; uses OPENED_MESSAGE_BYTES_MAX bytes at `room` when it has to inflate. */
export function openMessage(room: number): void {
  O.at = F.block;
  O.end = F.block + F.keptBytes;
  O.isCut = F.isCut;
  O.unknownBy = 0;
  O.length = F.kind & INCOMPLETE ? -1 : F.wireBytes;
  if ((F.kind & COMPRESSED) !== 0 && F.side !== null) inflate(F, F.side, room);
  if ((F.kind & OPAQUE) === 0) return;
  O.end = O.at;
  O.isCut = true;
  O.unknownBy = BY_EXTENSION;
}

/** The message at hand is not opened. */
export function passMessage(): void {
  if ((F.kind & COMPRESSED) !== 0) F.side?.lose(F.sequence + 1, BY_LIMIT);
}

function inflate(message: FinishedMessage, side: Side, room: number): void {
  O.length = -1;
  O.at = room;
  O.end = room;
  if (message.sequence >= side.lostFrom) {
    O.isCut = true;
    O.unknownBy = side.lostBy;
    return;
  }
  const to = room + side.windowBytes;
  if (side.windowBytes > 0) B.copyWithin(room, side.window, side.window + side.windowBytes);
  const from = message.block;
  let end = from + message.keptBytes;
  if (!message.isCut && from !== 0) {
    B[end++] = 0;
    B[end++] = 0;
    B[end++] = 0xff;
    B[end++] = 0xff;
  }
  const stop = to + (side.takesOver ? INFLATED_BYTES_MAX : messageBytes);
  const n = from === 0 ? 0 : inflateOnto(from, end, room, to, stop);
  const status = from === 0 ? BETWEEN_BLOCKS : inflateStatus[0];
  const isWhole = !message.isCut && (status === BETWEEN_BLOCKS || status === DONE);
  O.at = to;
  O.end = to + Math.min(n, messageBytes);
  O.isCut = !isWhole || n > messageBytes;
  if (isWhole) O.length = n;
  else if (status === CORRUPT || (!message.isCut && status !== OUTPUT_FULL)) raise(W_CORRUPT);
  else if (status === OUTPUT_FULL && side.takesOver) raise(W_INFLATED);
  if (!side.takesOver) return;
  side.surplusBytes = Math.max(0, side.surplusBytes + n - FREE_BYTES - INFLATED_RATIO * message.keptBytes);
  const isTooMuch = isWhole && side.surplusBytes > SURPLUS_BYTES_MAX;
  if (isTooMuch) raise(W_INFLATED);
  if (!isWhole || isTooMuch) side.lose(message.sequence + 1, message.kind & INCOMPLETE ? BY_HOLE : BY_LIMIT);
  else if (!keepWindow(side, room, to + n)) side.lose(message.sequence + 1, BY_LIMIT);
}
