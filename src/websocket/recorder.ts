/**
 * The recorder notes messages of WebSocket where records are made of them (`websocket.messages`: meta or body). A connection
 * whose messages are only counted has no talk, and nothing here is done for it.
 *
 *   frames.ts, messages.ts -> beginMessage, addPart, keepPayload, missPart, endMessage -> finished-messages.ts
 *
 * Payload is unmasked while it is kept (RFC 6455, 5.3). Of a message as it was written its first `websocket.messageBytes` are
 * kept; of a compressed one all that was sent, because the next one may refer to it: open-message.ts inflates it.
 *
 * Bounds: COMPRESSED_BYTES_MAX of a compressed message; blocks of base/blocks.ts. Where either ends, what is kept is the
 * first part, and so it is at a hole.
 */
import { bytes } from '../base/arena.ts';
import { capacity, enlarge, release, reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import { pushMessage, resetFinished } from './finished-messages.ts';
import { COMPRESSED, INCOMPLETE } from './message-flags.ts';
import * as s from './sockets.ts';
import { BY_LIMIT, resetWindows, type Side, setWindows, Talk } from './talk.ts';

const B = bytes;
const C = counts;
const NOW = packetTimeUs;

const SEEN = counter('messages.seen');
const LOST_QUEUE = counter('messages.lost{queue}');
const LOST_RATE = counter('messages.lost{rate}');
const W_COMPRESSED = weird('limit.http.websocket_compressed');
const W_QUEUE = weird('limit.http.websocket_queue');
const W_RATE = weird('limit.http.websocket_rate');

/** What becomes of messages: they are counted, or make a record each, or one with their first bytes. */
export const COUNT = 0;
export const META = 1;
export const BODY = 2;
/** 1 in `recording[0]` while there is a talk, or may be. */
export const recording: Int32Array = new Int32Array(1);
const R = recording;
let mode = COUNT;
/** When the frame header under way began that a segment boundary cut, microseconds; 0: with the packet at hand. */
export const headerTimeUs: Float64Array = new Float64Array(1);
const H = headerTimeUs;

/** What is put behind a compressed message before it is inflated (RFC 7692, 7.2.2). */
export const FLUSH_BYTES = 4;
/** Compressed bytes of one message that are kept: with that, half a mebibyte. */
export const COMPRESSED_BYTES_MAX: number = (512 << 10) - FLUSH_BYTES;
const US_PER_S = 1_000_000;

let messageBytes = 0;
let perSecondMax = 0;
/** The second at hand of packet time, and how many messages were noted in it. */
let second = 0;
let inSecond = 0;

/** By the number of the row in sockets.ts. */
let talks: (Talk | undefined)[] = [];
let open = 0;

export function resetRecorder(settings: Settings): void {
  open = 0;
  setRecorder(settings);
  H[0] = 0;
  second = 0;
  inSecond = 0;
  talks = [];
  resetWindows();
  resetFinished();
}

/**
 * Takes over the settings while connections are open: what is not wanted any more ends at once, and what is wanted now begins with
 * the next connections.
 */
export function setRecorder({ websocket }: Pick<Settings, 'websocket'>): void {
  mode = websocket.messages === 'body' ? BODY : websocket.messages === 'meta' ? META : COUNT;
  R[0] = mode !== COUNT || open > 0 ? 1 : 0;
  messageBytes = websocket.messageBytes;
  perSecondMax = websocket.messagesPerSecondMax;
  setWindows(websocket.windowsMax);
}

/** A connection begins; `noTakeover` as extensions.ts says it. */
export function openTalk(client: number, noTakeover: number): void {
  if (mode === COUNT) return;
  talks[s.rowNumber(client)] = new Talk(s.serialOf(client), mode === BODY, noTakeover);
  open++;
}

/** Its messages are over; null when they were only counted. */
export function closeTalk(client: number): Talk | null {
  const row = s.rowNumber(client);
  const talk = talks[row];
  if (talk === undefined) return null;
  talks[row] = undefined;
  open--;
  return talk;
}

function talkOf(d: number): Talk | undefined {
  return talks[s.rowNumber(d)];
}

function sideOf(d: number, talk: Talk): Side {
  return s.sockets[d + s.D_SIDE] === 0 ? talk.client : talk.server;
}

/** The first frame of a message begins. */
export function beginMessage(d: number, isCompressed: boolean): void {
  const talk = talkOf(d);
  if (talk === undefined) return;
  const side = sideOf(d, talk);
  side.sequence++;
  side.firstUs = H[0] === 0 ? NOW[0] : H[0];
  side.frames = 0;
  side.keptMax = !talk.withBody || mode !== BODY ? 0 : isCompressed ? COMPRESSED_BYTES_MAX : messageBytes;
  if (side.keptMax === 0 && isCompressed) side.lose(side.sequence, BY_LIMIT);
  // What cannot be read later need not be kept.
  side.isStopped = side.keptMax === 0 || (isCompressed && side.sequence >= side.lostFrom);
}

/** A frame of the message under way begins. */
export function addPart(d: number): void {
  const talk = talkOf(d);
  if (talk === undefined) return;
  const side = sideOf(d, talk);
  side.frames++;
  side.phase = 0;
}

/** `[at, end)` are the next bytes of the frame under way, of which `more` are to come behind them. */
export function keepPayload(d: number, at: number, end: number, more: number): void {
  const talk = talkOf(d);
  if (talk === undefined) return;
  const side = sideOf(d, talk);
  if (!side.isStopped) keep(d, side, at, end, more);
  side.phase = (side.phase + end - at) & 3;
}

function keep(d: number, side: Side, at: number, end: number, more: number): void {
  const n = Math.min(end - at, side.keptMax - side.keptBytes);
  const isCompressed = (s.sockets[d + s.D_MESSAGE] & COMPRESSED) !== 0;
  if (n < end - at) {
    side.isStopped = true;
    if (isCompressed) raise(W_COMPRESSED);
  }
  if (n === 0 || !makeRoom(side, n, more)) return;
  const to = side.block + side.keptBytes;
  const key = s.sockets[d + s.D_KEY];
  B.copyWithin(to, at, at + n);
  if (key !== 0) for (let i = 0; i < n; i++) B[to + i] ^= key >>> (24 - 8 * ((side.phase + i) & 3));
  side.keptBytes += n;
}

/** Room for `n` more bytes, and for what inflating puts behind them. */
function makeRoom(side: Side, n: number, more: number): boolean {
  const want = side.keptBytes + n + FLUSH_BYTES;
  if (side.block !== 0 && capacity(side.block) >= want) return true;
  const all = Math.min(side.keptMax + FLUSH_BYTES, Math.max(want + more, side.block === 0 ? 0 : 2 * capacity(side.block)));
  const block = side.block === 0 ? reserve(all) : enlarge(side.block, side.keptBytes, all);
  if (block === 0) {
    side.isStopped = true;
    return false;
  }
  side.block = block;
  return true;
}

/** A part of the message under way was not captured, `missing` bytes in the frame under way. */
export function missPart(d: number, missing: number): void {
  const talk = talkOf(d);
  if (talk === undefined) return;
  const side = sideOf(d, talk);
  side.isStopped = true;
  side.phase = (side.phase + missing) & 3;
}

/** The message under way is over, or will not be seen to its end. */
export function endMessage(d: number): void {
  const talk = talkOf(d);
  if (talk === undefined) return;
  const side = sideOf(d, talk);
  const message = s.sockets[d + s.D_MESSAGE];
  if (mode === COUNT || isTooMuch() || !queue(d, talk, side, message)) {
    release(side.block);
    if (message & COMPRESSED) side.lose(side.sequence, BY_LIMIT);
  }
  side.block = 0;
  side.keptBytes = 0;
}

function queue(d: number, talk: Talk, side: Side, message: number): boolean {
  const wireBytes = s.socketDoubles[(d + s.D_MESSAGE_BYTES) >> 1];
  const isCut = side.isStopped || message & INCOMPLETE ? 1 : 0;
  if (
    pushMessage(
      talk,
      side,
      message,
      side.sequence,
      side.firstUs,
      NOW[0],
      wireBytes,
      side.block,
      side.keptBytes,
      side.frames,
      isCut,
      side.keptMax > 0 ? 1 : 0,
    )
  )
    return true;
  raise(W_QUEUE);
  C[LOST_QUEUE]++;
  return false;
}

/** Counts the message; whether more came in this second of packet time than make records. */
function isTooMuch(): boolean {
  C[SEEN]++;
  const now = Math.floor(NOW[0] / US_PER_S);
  if (now !== second) {
    second = now;
    inSecond = 0;
  }
  if (++inSecond <= perSecondMax) return false;
  if (inSecond === perSecondMax + 1) raise(W_RATE);
  C[LOST_RATE]++;
  return true;
}
