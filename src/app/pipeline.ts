/**
 * The hot path as one synchronous function: a packet in, finished transactions out. Live capture, files, tests,
 * fuzzers and benches all run this and nothing else.
 *
 *   Packet -> decode -> Segment -> (defragment) -> accept -> Chunk -> parse -> Transaction -> take
 *
 * `take` gets each finished call by its row number; the pipeline gives the row back afterwards, also when `take` throws.
 * Who wants calls that stay open for long before they are over (`LongCalls`) gets each of them twice (http/long-calls.ts).
 *
 * Finished calls are handed on some dozens at a time: packets and records are different code and different tables, and
 * changing between them at every call costs a fifth of the whole, in caches that have to be filled anew. Who reads live hands
 * them on after each burst (`handOn`), so none waits longer than that. Bounds: HAND_ON_CALLS, HAND_ON_BYTES of kept bodies,
 * and a sixteenth of what the settings allow of both. Rows of connections that were forgotten are not used again before.
 */
import { resetBlocks } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts, resetCounters } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, resetWeirds, weird } from '../base/weird.ts';
import type { Packet } from '../capture/packet.ts';
import { decode, decodeReassembled, resetDecode } from '../decode/decode.ts';
import { FRAGMENT, QUIC, Segment, TCP, UDP, verdictNames } from '../decode/segment.ts';
import { Chunk } from '../flow/chunk.ts';
import { defragment, finishDefragmentation, joined, resetDefragmentation } from '../flow/defragment.ts';
import { reuseRows } from '../flow/flow-table.ts';
import { accept, expire, finish, MORE, NONE, nextChunk, ONE, resetReassembly } from '../flow/reassemble.ts';
import { resetContentCoding } from '../http/content-coding.ts';
import { releaseProxyBlocks } from '../http/ending.ts';
import { longCallsAreDue, nextLong, noteReported, resetLongCalls } from '../http/long-calls.ts';
import { finishedBodyBytes, finishedCalls, nextFinished } from '../http/pairing.ts';
import { parse, resetHttp } from '../http/parse.ts';
import { noteDatagram, resetQuic } from '../http/quic.ts';
import { C_FLAGS, CALL_SHIFT, calls, REPORTED, releaseCall } from '../http/transaction.ts';
import { finishResets } from '../http2/open-streams.ts';
import {
  finishedMessage,
  finishedMessageBytes,
  finishedMessages,
  nextFinishedMessage,
  releaseMessage,
} from '../websocket/finished-messages.ts';
import { guarding, refuses, resetGuard } from './guard.ts';

const C = counts;
const K = calls;
const now = packetTimeUs;
const DROPPED = verdictNames.map((name) => counter(`packets.dropped{${name}}`));
const T_UNWANTED = counter('messages.filtered{unwanted}');
const BUG = weird('sensor.bug');
const FRAGMENTS_NESTED_MAX = 8;

const G = guarding;
const segment = new Segment();
const chunk = new Chunk();
let take: (call: number) => void = () => {};
let long: LongCalls | null = null;
let takeMessage: (() => void) | null = null;
const HAND_ON_CALLS = 64;
const HAND_ON_BYTES = 1 << 20;
const HAND_ON_SHARE = 16;
let handOnCalls = HAND_ON_CALLS;
let handOnBytes = HAND_ON_BYTES;

/** What becomes of calls that are older than `http.stillOpenMs`. */
export interface LongCalls {
  /** Gets the call while it is open; its row stays the pipeline's. */
  readonly open: (call: number) => void;
  /** Gets it again when it is over, in the place of `onCall`. */
  readonly close: (call: number) => void;
}

/**
 * Forgets everything and takes over the settings; `onCall` receives every finished call from now on. With
 * `keepCounts` the counters go on, because the capture has been opened and counts already. Without `longCalls` every call is
 * handed on when it is over, however long that takes. `onMessage` is called for each message of WebSocket that makes a
 * record, and for each end of such a connection (websocket/finished-messages.ts), behind the calls that were finished before.
 */
export function resetPipeline(
  settings: Settings,
  onCall: (call: number) => void,
  keepCounts = false,
  longCalls: LongCalls | null = null,
  onMessage: (() => void) | null = null,
): void {
  take = onCall;
  takeMessage = onMessage;
  long = longCalls;
  resetLongCalls(longCalls === null ? 0 : settings.http.stillOpenMs);
  handOnCalls = Math.min(HAND_ON_CALLS, settings.http.callsInFlightMax / HAND_ON_SHARE);
  handOnBytes = Math.min(HAND_ON_BYTES, settings.memory.blockBytesMax / HAND_ON_SHARE);
  if (!keepCounts) {
    resetCounters();
    resetWeirds();
  }
  resetHttp(settings);
  resetQuic();
  resetBlocks(settings.memory.blockBytesMax);
  resetDecode(settings);
  resetDefragmentation(settings);
  resetReassembly(settings);
  resetContentCoding();
  resetGuard();
}

/** Takes one packet, with its time in `packetTimeUs`. Never throws. */
export function processPacket(packet: Packet): void {
  try {
    step(packet);
  } catch (error) {
    onBug(error);
  }
}

function step(packet: Packet): void {
  if (expire()) onTimers();
  let verdict = decode(packet, segment);
  if (verdict === FRAGMENT) verdict = rejoin();
  if (verdict !== TCP) {
    if (verdict === UDP || verdict === QUIC) verdict = noteDatagram(verdict, segment);
    C[DROPPED[verdict]]++;
    return;
  }
  if (G[0] !== 0 && refuses(segment)) return;
  const answer = accept(segment, chunk);
  if (answer === NONE) return;
  if (answer === ONE) {
    parse(chunk);
    handOnMany();
  } else if (answer === MORE) drain();
}

/** Fragments that complete a packet are decoded on; the verdict is FRAGMENT while parts are missing. */
function rejoin(): number {
  let verdict = FRAGMENT;
  for (let i = 0; verdict === FRAGMENT && i < FRAGMENTS_NESTED_MAX; i++) {
    if (!defragment(segment)) return FRAGMENT;
    verdict = decodeReassembled(segment.fragmentProtocol, joined.at, joined.end, segment);
  }
  return verdict;
}

function drain(): void {
  while (nextChunk(chunk)) {
    parse(chunk);
    handOnMany();
  }
  if (finishedCalls() === 0 && finishedMessages() === 0) forgetEnded();
}

function onTimers(): void {
  drain();
  finishResets();
  if (longCallsAreDue()) reportLong();
}

/** Calls that are finished go first: what is left in use is open. */
function reportLong(): void {
  handOn();
  for (let call = nextLong(); call !== 0; call = nextLong()) {
    try {
      long?.open(call);
    } catch (error) {
      onBug(error);
    } finally {
      noteReported(call);
    }
  }
}

function handOnMany(): void {
  if (finishedCalls() >= handOnCalls || finishedBodyBytes() >= handOnBytes) handOn();
  else if (finishedMessages() >= handOnCalls || finishedMessageBytes() >= handOnBytes) handOn();
}

/** Hands on the calls that are finished: when a burst is over, or the input waits. */
export function handOn(): void {
  for (let call = nextFinished(); call !== 0; call = nextFinished()) {
    try {
      if (K[(call << CALL_SHIFT) + C_FLAGS] & REPORTED) long?.close(call);
      else take(call);
    } catch (error) {
      onBug(error);
    } finally {
      releaseCall(call);
    }
  }
  handOnMessages();
  forgetEnded();
}

function handOnMessages(): void {
  while (nextFinishedMessage()) {
    try {
      if (takeMessage !== null) takeMessage();
      else if (finishedMessage.ended === null) C[T_UNWANTED]++;
    } catch (error) {
      onBug(error);
    } finally {
      releaseMessage();
    }
  }
}

/** Finished calls refer to rows and PROXY headers of connections that are over; now there is none left. */
function forgetEnded(): void {
  reuseRows();
  releaseProxyBlocks();
}

/** No packet has come, but time has passed: timers fire that are due at `timeUs`. Never goes back. */
export function passTime(timeUs: number): void {
  if (timeUs > now[0]) {
    now[0] = timeUs;
    try {
      if (expire()) onTimers();
    } catch (error) {
      onBug(error);
    }
  }
  handOn();
}

/** The capture is over: every connection is closed as it stands. */
export function finishPipeline(): void {
  try {
    finish();
    drain();
    finishDefragmentation();
  } catch (error) {
    onBug(error);
  }
  handOn();
}

/** The last bug, for the log; `sensor.bug` counts them all. */
export let lastBug: unknown;

/** Notes a fault of our own that was caught: what it hit is left out, and the rest goes on. */
export function onBug(error: unknown): void {
  raise(BUG);
  lastBug = error;
}
