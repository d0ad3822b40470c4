/**
 * Reassembly: segments in, chunks of each direction in stream order out. `accept` takes one segment; when it
 * answers ONE the chunk is filled and there is no more, when it answers MORE the caller asks `nextChunk` until
 * that gives false. `expire` and `finish` queue connections whose time has come; they too are drained by `nextChunk`.
 *
 * Rules (RFC 9293 where it speaks):
 * - The first copy of every byte wins; a difference in bytes still held is a weird.
 * - A segment is ready when all bytes before it were handed on, and everything that it acknowledges in the
 *   other direction was too: so a response never overtakes a request that only came late.
 * - A hole waits `flow.holeWaitMs` for a retransmission, or `flow.ackedHoleWaitMs` when its receiver has
 *   acknowledged it (then it was lost on the way to the sensor, or comes late), or until the bytes behind it
 *   exceed `flow.heldBytesMax`; then it becomes a GAP.
 * - A segment captured in part is its bytes and a GAP of known size.
 * - Data in a SYN counts once acknowledged or followed on. One urgent byte is left out of the stream.
 * - A new SYN on a live connection takes over only when the other side answers it or data follows it.
 * - After a reset or both FINs the row lingers `flow.closedLingerMs`, so that stragglers start nothing new.
 *
 * Deliberately left out: window tracking and SACK (a passive reader needs neither), checks of timestamps (PAWS).
 */

import { release } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import type { Segment } from '../decode/segment.ts';
import type { Chunk } from './chunk.ts';
import * as chunks from './chunk.ts';
import * as table from './flow-table.ts';
import * as store from './held.ts';

const NOW = packetTimeUs;
const C = counts;
const R = table.rows;
const H = store.held;
const { DATA, GAP, END, CLOSE, CLOSED, RESET, IDLE, EVICTED, CAPTURE_END, REUSED } = chunks;
const { ROW_SHIFT, FLAGS, LAST_SEEN, DIRECTION, DIRECTION_SHIFT, NEXT, ACKED, DFLAGS, HELD, START, OTHER_START, HELD_BYTES, SCOPE } = table;
const { IN_USE, MIDSTREAM, SLOW, DONE, CARRIED_DATA, CLOSING, CAUSE_SHIFT } = table;
const { H_SEQUENCE, H_LENGTH, H_BLOCK, H_ACK, H_KIND, H_TIME } = store;
const { HELD_DATA, HELD_CUT, HELD_OMIT, HELD_SYN_DATA, HELD_FIN } = store;
const { findFlow, addFlow, removeFlow } = table;
const { insertHeld, dropHeld, insertion } = store;

// Flags of one direction.
const KNOWN = 1; // NEXT is known
const SYN_SEEN = 2;
const FIN_SEEN = 4;
const ENDED = 8; // END was handed on
const HAS_DATA = 16;
const ACK_KNOWN = 32;
const HAS_OTHER_START = 64;
/** NEXT is what the other side acknowledged before anything of this one was seen. */
const TENTATIVE = 128;

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const URG = 32;
const SPECIAL = FIN | SYN | RST | URG;

/** Nothing to hand on. */
export const NONE = 0;
/** The chunk is filled; there is no other. */
export const ONE = 1;
/** Call `nextChunk` until it gives false. */
export const MORE = 2;

/** Sequence numbers further than this from the stream are nonsense (RFC 7323's largest window is 1 GiB). */
const PLAUSIBLE_BYTES = 1 << 30;
/** An acknowledgement further than this beyond the data seen is not believed. */
const ACK_JUMP_BYTES = 1 << 26;
/** A reset this far beyond the data seen is not believed. */
const RST_WINDOW_BYTES = 1 << 20;
const TICK_US = 10_000;
const SWEEP_US = 1_000_000;

const C_DECODED = counter('packets.decoded');
const C_FLOWS = counter('flows.seen');
const C_SEEN = counter('payload.seen');
const C_REPEATED = counter('payload.retransmitted');
const C_WINDOW = counter('payload.discarded{outside-window}');
const C_AFTER_FIN = counter('payload.discarded{after-fin}');
const C_SYN_REFUSED = counter('payload.discarded{syn-data-refused}');
const C_NO_ROOM = counter('payload.discarded{no-room}');
const C_REPLACED = counter('payload.discarded{connection-replaced}');
const C_NO_FLOW = counter('payload.discarded{no-flow}');
const C_URGENT = counter('payload.discarded{urgent}');
const C_GAPS = counter('gaps.count');
const C_GAP_BYTES = counter('gaps.bytes');
const C_STRAY = counter('segments.stray');

const W_MIDSTREAM = weird('flow.tcp.midstream');
const W_OUT_OF_ORDER = weird('flow.tcp.out_of_order');
const W_RETRANSMISSION = weird('flow.tcp.retransmission');
const W_GAP = weird('flow.tcp.gap');
const W_CUT = weird('flow.tcp.cut_segment');
const W_ACK_FIRST = weird('flow.tcp.ack_before_data');
const W_ACK_IMPOSSIBLE = weird('flow.tcp.ack_impossible');
const W_KEEP_ALIVE = weird('flow.tcp.keep_alive');
const W_URGENT = weird('flow.tcp.urgent_byte');
const W_SYN_DATA = weird('flow.tcp.syn_data');
const W_SYN_REFUSED = weird('flow.tcp.syn_data_refused');
const W_SYN_REUSED = weird('flow.tcp.syn_reused');
const W_SPLIT = weird('flow.tcp.split_handshake');
const W_BAD_RST = weird('flow.tcp.bad_rst');
const W_AFTER_RESET = weird('flow.tcp.data_after_reset');
const W_AFTER_FIN = weird('flow.tcp.data_after_fin');
const W_WINDOW = weird('flow.tcp.outside_window');
const W_HELD = weird('limit.flow.held_bytes');
const W_HELD_TOTAL = weird('limit.flow.held_bytes_total');

let holeWaitMs = 0;
let ackedHoleWaitMs = 0;
let heldBytesMax = 0;
let heldBytesTotalMax = 0;
let idleTimeout = 0;
let halfOpenTimeout = 0;
let closedLinger = 0;

/** Row number that `nextChunk` is working on; 0 for none. */
let active = 0;
/** Bytes of the present packet that are ready without having been held. */
let directRow = 0;
let directDirection = 0;
let directAt = 0;
let directEnd = 0;
let directAck = 0;
/** Block of the chunk handed out last; given back at the next call. */
let lentBlock = 0;
/** Rows to be closed, in order. */
let closing: number[] = [];
let closingAt = 0;
/** Row whose CLOSE was handed out and which is to be forgotten at the next call. */
let leaving = 0;
/** Rows with something held: what the timers look at. */
const waiting = new Set<number>();
let nextTickUs = 0;
let nextSweepUs = 0;
let nowMs = 0;
let nowDs = 0;

export function resetReassembly(settings: Settings): void {
  const f = settings.flow;
  holeWaitMs = f.holeWaitMs;
  ackedHoleWaitMs = f.ackedHoleWaitMs;
  heldBytesMax = f.heldBytesMax;
  heldBytesTotalMax = f.heldBytesTotalMax;
  idleTimeout = Math.ceil(f.idleTimeoutMs / 100);
  halfOpenTimeout = Math.ceil(f.halfOpenTimeoutMs / 100);
  closedLinger = Math.ceil(f.closedLingerMs / 100);
  active = 0;
  directRow = 0;
  lentBlock = 0;
  closing = [];
  closingAt = 0;
  leaving = 0;
  resetRow = 0;
  restarted = 0;
  waiting.clear();
  nextTickUs = 0;
  nextSweepUs = 0;
  table.resetFlowTable(settings);
  store.resetHeld();
}

/**
 * Takes the packet's time; true when timers fired: `nextChunk` may have something to give, and whoever else has to look at something
 * now and then may do so. Call it before `accept`.
 */
export function expire(): boolean {
  const now = NOW[0];
  if (now < nextTickUs && now > nextTickUs - 10 * SWEEP_US) return false;
  nextTickUs = now + TICK_US;
  nowMs = (now / 1000) | 0;
  nowDs = (now / 100_000) | 0;
  if (waiting.size > 0) queueOverdueHoles();
  if (now >= nextSweepUs || now < nextSweepUs - 10 * SWEEP_US) {
    nextSweepUs = now + SWEEP_US;
    sweep();
    return true;
  }
  return closing.length > closingAt;
}

/** Queues every connection for closing: the capture is over. Drain with `nextChunk`. */
export function finish(): void {
  const end = table.rowsEnd();
  for (let row = 1; row < end; row++) {
    const f = row << ROW_SHIFT;
    if ((R[f + FLAGS] & (IN_USE | CLOSING)) === IN_USE) queueClose(row, CAPTURE_END);
  }
}

function queueClose(row: number, cause: number): void {
  R[(row << ROW_SHIFT) + FLAGS] |= CLOSING | SLOW | (cause << CAUSE_SHIFT);
  closing.push(row);
}

function sweep(): void {
  const end = table.rowsEnd();
  for (let row = 1; row < end; row++) {
    const f = row << ROW_SHIFT;
    const flags = R[f + FLAGS];
    if ((flags & (IN_USE | CLOSING)) !== IN_USE) continue;
    const limit = flags & DONE ? closedLinger : flags & CARRIED_DATA ? idleTimeout : halfOpenTimeout;
    if (((nowDs - R[f + LAST_SEEN]) | 0) > limit) queueClose(row, IDLE);
  }
}

function queueOverdueHoles(): void {
  for (const row of waiting) {
    const f = row << ROW_SHIFT;
    if ((R[f + FLAGS] & (IN_USE | CLOSING)) !== IN_USE) continue;
    if (blockedDirection(f, true) >= 0) closing.push(row);
  }
}

// ---------------------------------------------------------------- accept

/** Takes one segment. Answers NONE, ONE (the chunk is filled) or MORE. */
export function accept(s: Segment, chunk: Chunk): number {
  if (lentBlock !== 0) {
    release(lentBlock);
    lentBlock = 0;
  }
  C[C_DECODED]++;
  const length = s.payloadEnd - s.payloadAt;
  C[C_SEEN] += length;
  const found = findFlow(s);
  if (found >= 0) {
    const row = found >> 1;
    const direction = found & 1;
    const f = row << ROW_SHIFT;
    const d = f + DIRECTION + (direction << DIRECTION_SHIFT);
    const o = f + DIRECTION + ((1 - direction) << DIRECTION_SHIFT);
    R[f + LAST_SEEN] = nowDs;
    const oflags = R[o + DFLAGS];
    if (
      (R[f + FLAGS] & SLOW) === 0 &&
      (s.flags & (SPECIAL | ACK)) === ACK &&
      (R[d + DFLAGS] & (KNOWN | FIN_SEEN)) === KNOWN &&
      (oflags & (FIN_SEEN | ACK_KNOWN)) === ACK_KNOWN
    ) {
      const ack = s.acknowledgement;
      if (((oflags & KNOWN) === 0 || ((ack - R[o + NEXT]) | 0) <= 0) && s.payloadWireBytes === length) {
        if (((ack - R[o + ACKED]) | 0) > 0) R[o + ACKED] = ack;
        if (length === 0) return NONE;
        const sequence = s.sequence;
        if (sequence === R[d + NEXT]) {
          R[d + NEXT] = (sequence + length) | 0;
          R[d + DFLAGS] |= HAS_DATA;
          R[f + FLAGS] |= CARRIED_DATA;
          chunk.flow = row;
          chunk.direction = direction;
          chunk.kind = DATA;
          chunk.at = s.payloadAt;
          chunk.end = s.payloadEnd;
          chunk.sequence = sequence;
          chunk.acknowledgement = ack;
          return ONE;
        }
      }
    }
    return acceptOdd(row, direction, s);
  }
  return acceptNew(s);
}

function acceptNew(s: Segment): number {
  if (s.flags & RST || (s.flags & (SYN | FIN) && s.flags & FIN && s.payloadWireBytes === 0)) {
    C[C_STRAY]++;
    C[C_NO_FLOW] += s.payloadEnd - s.payloadAt;
    return NONE;
  }
  if (table.isFull()) {
    const out = table.victim();
    if (out !== 0) queueClose(out, EVICTED);
  }
  const row = addFlow(s);
  if (row === 0) {
    C[C_STRAY]++;
    C[C_NO_FLOW] += s.payloadEnd - s.payloadAt;
    return closing.length > closingAt ? MORE : NONE;
  }
  C[C_FLOWS]++;
  const f = row << ROW_SHIFT;
  R[f + LAST_SEEN] = nowDs;
  if ((s.flags & SYN) === 0) {
    raise(W_MIDSTREAM);
    R[f + FLAGS] |= MIDSTREAM;
  }
  return acceptOdd(row, 0, s);
}

/** Everything but the next bytes of a quiet, established connection. */
function acceptOdd(row: number, direction: number, s: Segment): number {
  const f = row << ROW_SHIFT;
  const d = f + DIRECTION + (direction << DIRECTION_SHIFT);
  const o = f + DIRECTION + ((1 - direction) << DIRECTION_SHIFT);
  const flags = s.flags;
  let sequence = s.sequence;
  if (R[f + FLAGS] & CLOSING) {
    // Queued for closing by a timer a moment ago: the packet came too late for it.
    C[C_STRAY]++;
    C[C_NO_FLOW] += s.payloadEnd - s.payloadAt;
    return MORE;
  }
  if (flags & SYN) {
    if (!takeSyn(f, d, o, s)) {
      C[C_REPEATED] += s.payloadEnd - s.payloadAt;
      return active === row ? MORE : NONE;
    }
    sequence = (sequence + 1) | 0;
  } else {
    if (R[d + DFLAGS] & HAS_OTHER_START) takeOver(f, d, o, s);
    if ((R[d + DFLAGS] & KNOWN) === 0 && s.payloadWireBytes > 0) {
      // A place that the other side acknowledged shows what was lost before; data from before that place moves it back.
      if ((R[d + DFLAGS] & TENTATIVE) === 0 || ((sequence - R[d + NEXT]) | 0) < 0) {
        R[d + NEXT] = sequence;
        R[d + START] = sequence;
      }
      R[d + DFLAGS] |= KNOWN;
    }
  }
  if (flags & ACK) takeAck(f, o, s);
  if (s.payloadWireBytes > 0) takePayload(row, f, d, direction, sequence, s);
  if (flags & FIN && R[d + DFLAGS] & KNOWN) takeFin(f, d, (sequence + s.payloadWireBytes) | 0, s);
  if (flags & RST) takeRst(row, f, d, o, s);
  settle(row, f);
  active = row;
  return MORE;
}

/** False: a repeated or refused SYN, which changes nothing. */
function takeSyn(f: number, d: number, o: number, s: Segment): boolean {
  const start = (s.sequence + 1) | 0;
  const dflags = R[d + DFLAGS];
  const acks = (s.flags & ACK) !== 0;
  if (acks && R[o + DFLAGS] & HAS_OTHER_START && s.acknowledgement === R[o + OTHER_START] && s.acknowledgement !== R[o + NEXT]) {
    // The other side's second SYN was answered: a new connection on the same addresses, or the first one at all.
    if (dflags & KNOWN) restart(f, d, o);
    else discard(o, C_REPLACED);
    R[o + NEXT] = s.acknowledgement;
    R[o + START] = s.acknowledgement;
    R[o + DFLAGS] = KNOWN | SYN_SEEN;
  } else if ((dflags & KNOWN) !== 0) {
    if (start === R[d + START]) {
      if (dflags & SYN_SEEN) return false;
      R[d + DFLAGS] |= SYN_SEEN;
      R[f + FLAGS] &= ~MIDSTREAM;
      return s.payloadWireBytes > 0 && (dflags & HAS_DATA) === 0;
    }
    if (R[f + FLAGS] & DONE) {
      // The connection was closed: this is the next one on the same addresses.
      restart(f, d, o);
    } else {
      R[d + OTHER_START] = start;
      R[d + DFLAGS] |= HAS_OTHER_START;
      return false;
    }
  }
  if (!acks && R[o + DFLAGS] & SYN_SEEN) raise(W_SPLIT);
  R[d + NEXT] = start;
  R[d + START] = start;
  R[d + DFLAGS] |= KNOWN | SYN_SEEN;
  if (s.payloadWireBytes > 0) raise(W_SYN_DATA);
  return true;
}

/** When data or an acknowledgement of this side follows its second SYN, that becomes its start. */
function takeOver(f: number, d: number, o: number, s: Segment): void {
  const other = R[d + OTHER_START];
  if (s.sequence !== other || s.sequence === R[d + NEXT]) return;
  if (R[f + FLAGS] & CARRIED_DATA) restart(f, d, o);
  else discard(d, C_REPLACED);
  R[d + NEXT] = other;
  R[d + START] = other;
  R[d + DFLAGS] = KNOWN | SYN_SEEN;
}

/** Ends the connection in this row and makes it ready for the next one on the same addresses; its CLOSE is handed on first. */
function restart(f: number, d: number, o: number): void {
  const row = f >> ROW_SHIFT;
  raise(W_SYN_REUSED);
  discard(d, C_REPLACED);
  discard(o, C_REPLACED);
  if ((R[f + FLAGS] & DONE) === 0) restarted = row;
  waiting.delete(row);
  R[f + FLAGS] = (R[f + FLAGS] & (IN_USE | table.IS_IPV6)) | SLOW;
  for (const x of [d, o]) {
    const scope = R[x + SCOPE];
    R.fill(0, x, x + SCOPE);
    R[x + SCOPE] = scope;
  }
  C[C_FLOWS]++;
}
/** Row whose former connection still has to be closed before anything else of it is handed on. */
let restarted = 0;

function takeAck(f: number, o: number, s: Segment): void {
  const ack = s.acknowledgement;
  const oflags = R[o + DFLAGS];
  if (oflags & HAS_OTHER_START && ack === R[o + OTHER_START] && (oflags & HAS_DATA) === 0 && ack !== R[o + NEXT]) {
    // Two SYNs with different numbers: the acknowledged one counts.
    discard(o, C_REPLACED);
    R[o + NEXT] = ack;
    R[o + START] = ack;
    R[o + DFLAGS] = (oflags & ~HAS_OTHER_START) | KNOWN;
  }
  if (oflags & KNOWN) {
    const beyond = (ack - R[o + NEXT]) | 0;
    if (beyond > ACK_JUMP_BYTES) {
      raise(W_ACK_IMPOSSIBLE);
      return;
    }
  } else if ((oflags & TENTATIVE) === 0 && ((R[f + FLAGS] & MIDSTREAM) === 0 || s.payloadWireBytes > 0)) {
    R[o + NEXT] = ack;
    R[o + START] = ack;
    R[o + DFLAGS] |= TENTATIVE;
  }
  if ((oflags & ACK_KNOWN) === 0 || ((ack - R[o + ACKED]) | 0) > 0) {
    R[o + ACKED] = ack;
    R[o + DFLAGS] |= ACK_KNOWN;
  }
  const head = R[o + HELD];
  if (
    head !== 0 &&
    H[(head << 3) + H_KIND] === HELD_SYN_DATA &&
    ((R[o + ACKED] - H[(head << 3) + H_SEQUENCE] - H[(head << 3) + H_LENGTH]) | 0) < 0
  ) {
    // The SYN was acknowledged, its data was not: the client will send it again.
    raise(W_SYN_REFUSED);
    C[C_SYN_REFUSED] += H[(head << 3) + H_LENGTH];
    R[o + HELD] = H[head << 3];
    R[o + HELD_BYTES] -= dropHeld(head, false);
  }
}

function takePayload(row: number, f: number, d: number, direction: number, start: number, s: Segment): void {
  let sequence = start;
  let at = s.payloadAt;
  const end = s.payloadEnd;
  let wire = s.payloadWireBytes;
  let captured = end - at;
  const dflags = R[d + DFLAGS];
  const ahead = (sequence - R[d + NEXT]) | 0;
  if (ahead > PLAUSIBLE_BYTES || ahead < -PLAUSIBLE_BYTES) {
    raise(W_WINDOW);
    C[C_WINDOW] += captured;
    return;
  }
  if (dflags & FIN_SEEN) {
    const room = (finSequence(d) - sequence) | 0;
    if (room < wire && ((sequence + wire - R[d + NEXT]) | 0) > 0) {
      raise(W_AFTER_FIN);
      if (room <= 0) {
        C[C_AFTER_FIN] += captured;
        return;
      }
      if (captured > room) {
        C[C_AFTER_FIN] += captured - room;
        captured = room;
      }
      wire = room;
    }
  }
  if (ahead < 0) {
    if (ahead + wire <= 0) {
      if (wire === 1 && ahead === -1) raise(W_KEEP_ALIVE);
      else raise(W_RETRANSMISSION);
      C[C_REPEATED] += captured;
      return;
    }
    raise(W_RETRANSMISSION);
    const skip = -ahead < captured ? -ahead : captured;
    C[C_REPEATED] += skip;
    at += skip;
    captured -= skip;
    wire += ahead;
    sequence = R[d + NEXT];
  }
  if (R[f + FLAGS] & DONE) {
    raise(W_AFTER_RESET);
    R[f + FLAGS] = (R[f + FLAGS] & ~DONE) | MIDSTREAM;
  }
  R[f + FLAGS] |= CARRIED_DATA;
  R[d + DFLAGS] |= HAS_DATA;
  const synData = (s.flags & SYN) !== 0;
  if (
    !synData &&
    sequence === R[d + NEXT] &&
    (R[d + HELD] === 0 || ((H[(R[d + HELD] << 3) + H_SEQUENCE] - sequence) | 0) >= wire) &&
    captured > 0 &&
    (s.flags & URG) === 0 &&
    isAckReady(f, direction, s.acknowledgement, (s.flags & ACK) !== 0) &&
    restarted !== row
  ) {
    directRow = row;
    directDirection = direction;
    directAt = at;
    directEnd = at + captured;
    directAck = s.acknowledgement;
    if (wire > captured) holdPart(row, f, d, HELD_CUT, (sequence + captured) | 0, wire - captured, 0, s);
    return;
  }
  const headSyn = R[d + HELD];
  if (headSyn !== 0 && H[(headSyn << 3) + H_KIND] === HELD_SYN_DATA && sequence === H[(headSyn << 3) + H_SEQUENCE]) {
    // The data of the SYN is sent again: this copy counts.
    raise(W_SYN_REFUSED);
    C[C_SYN_REFUSED] += H[(headSyn << 3) + H_LENGTH];
    R[d + HELD] = H[headSyn << 3];
    R[d + HELD_BYTES] -= dropHeld(headSyn, false);
  }
  if (sequence !== R[d + NEXT]) raise(W_OUT_OF_ORDER);
  else if (R[d + HELD] === 0 && !synData && (s.flags & URG) === 0) raise(W_ACK_FIRST);
  if (s.flags & URG && s.urgentPointer > 0 && s.urgentPointer <= s.payloadWireBytes) {
    // RFC 6093: the pointer names the byte after the urgent one; common stacks take that byte out of the stream.
    const urgent = (start + s.urgentPointer - 1) | 0;
    const before = (urgent - sequence) | 0;
    if (before >= 0 && before < captured) {
      raise(W_URGENT);
      if (before > 0) holdPart(row, f, d, HELD_DATA, sequence, before, at, s);
      holdPart(row, f, d, HELD_OMIT, urgent, 1, 0, s);
      C[C_URGENT]++;
      at += before + 1;
      captured -= before + 1;
      wire -= before + 1;
      sequence = (urgent + 1) | 0;
    }
  }
  if (captured > 0) holdPart(row, f, d, synData ? HELD_SYN_DATA : HELD_DATA, sequence, captured, at, s);
  if (wire > captured) holdPart(row, f, d, HELD_CUT, (sequence + captured) | 0, wire - captured, 0, s);
}

function holdPart(row: number, f: number, d: number, kind: number, sequence: number, length: number, at: number, s: Segment): void {
  const ack = s.flags & ACK ? s.acknowledgement : R[f + DIRECTION + (((d - f - DIRECTION) ^ (1 << DIRECTION_SHIFT)) | 0) + NEXT];
  if (kind === HELD_CUT) raise(W_CUT);
  R[d + HELD] = insertHeld(R[d + HELD], kind, sequence, length, at, ack, nowMs);
  R[d + HELD_BYTES] += insertion.memory;
  C[C_REPEATED] += kind === HELD_CUT || kind === HELD_OMIT ? 0 : insertion.repeated;
  if (insertion.refused > 0 && kind !== HELD_CUT && kind !== HELD_OMIT) C[C_NO_ROOM] += insertion.refused;
  if (insertion.repeated > 0) raise(W_RETRANSMISSION);
  if (!waiting.has(row)) waiting.add(row);
}

function takeFin(f: number, d: number, sequence: number, s: Segment): void {
  if (R[d + DFLAGS] & (FIN_SEEN | ENDED) || R[f + FLAGS] & DONE) return;
  const ahead = (sequence - R[d + NEXT]) | 0;
  if (ahead > PLAUSIBLE_BYTES || ahead < -PLAUSIBLE_BYTES) return;
  if (ahead < 0) return;
  R[d + DFLAGS] |= FIN_SEEN;
  holdPart(f >> ROW_SHIFT, f, d, HELD_FIN, sequence, 0, 0, s);
}

/** Where the stream of a direction ends that has sent a FIN. */
function finSequence(d: number): number {
  let row = R[d + HELD];
  while (row !== 0 && H[(row << 3) + H_KIND] !== HELD_FIN) row = H[row << 3];
  return row === 0 ? R[d + NEXT] : H[(row << 3) + H_SEQUENCE];
}

function takeRst(row: number, f: number, d: number, o: number, s: Segment): void {
  if (R[f + FLAGS] & DONE) return;
  if (R[d + DFLAGS] & KNOWN) {
    const ahead = (s.sequence - R[d + NEXT]) | 0;
    const acked = R[d + DFLAGS] & ACK_KNOWN ? (s.sequence - R[d + ACKED]) | 0 : ahead;
    if ((ahead < -1 && acked < 0) || ahead > RST_WINDOW_BYTES) {
      raise(W_BAD_RST);
      return;
    }
  } else if (s.flags & ACK && R[o + DFLAGS] & KNOWN && ((s.acknowledgement - R[o + NEXT]) | 0) > RST_WINDOW_BYTES) {
    raise(W_BAD_RST);
    return;
  }
  resetRow = row;
}
/** Row that was reset by the present segment: everything held is handed on, then its CLOSE. */
let resetRow = 0;

/** Whether everything that a segment acknowledges in the other direction was handed on already. */
function isAckReady(f: number, direction: number, ack: number, hasAck: boolean): boolean {
  if (!hasAck) return true;
  const o = f + DIRECTION + ((1 - direction) << DIRECTION_SHIFT);
  const oflags = R[o + DFLAGS];
  if ((oflags & KNOWN) === 0) return true;
  const beyond = (ack - R[o + NEXT]) | 0;
  if (beyond <= 0) return true;
  if (beyond > ACK_JUMP_BYTES) return true;
  if (beyond === 1 && oflags & ENDED) return true;
  return false;
}

/** Keeps SLOW true exactly while the row needs `acceptOdd`; called after every odd segment. */
function settle(row: number, f: number): void {
  const d0 = f + DIRECTION;
  const d1 = d0 + (1 << DIRECTION_SHIFT);
  const odd =
    R[d0 + HELD] !== 0 ||
    R[d1 + HELD] !== 0 ||
    (R[f + FLAGS] & (DONE | CLOSING)) !== 0 ||
    ((R[d0 + DFLAGS] | R[d1 + DFLAGS]) & (FIN_SEEN | HAS_OTHER_START)) !== 0;
  if (odd) R[f + FLAGS] |= SLOW;
  else R[f + FLAGS] &= ~SLOW;
  if (R[d0 + HELD] === 0 && R[d1 + HELD] === 0) waiting.delete(row);
}

// ---------------------------------------------------------------- hand on

/** The next chunk of what is ready; false when there is none left. The chunk's bytes are valid until the next call. */
export function nextChunk(chunk: Chunk): boolean {
  if (lentBlock !== 0) {
    release(lentBlock);
    lentBlock = 0;
  }
  if (leaving !== 0) {
    removeFlow(leaving);
    leaving = 0;
  }
  for (;;) {
    if (active === 0) {
      if (closingAt === closing.length) {
        if (closingAt > 0) {
          closing = [];
          closingAt = 0;
        }
        return false;
      }
      active = closing[closingAt++];
      if ((R[(active << ROW_SHIFT) + FLAGS] & IN_USE) === 0) {
        active = 0;
        continue;
      }
    }
    if (advance(active, chunk)) return true;
    const f = active << ROW_SHIFT;
    if (R[f + FLAGS] & CLOSING) {
      const wasDone = R[f + FLAGS] & DONE;
      const row = active;
      active = 0;
      waiting.delete(row);
      if (wasDone) {
        removeFlow(row);
        continue;
      }
      R[f + FLAGS] |= DONE;
      leaving = row;
      fillEvent(chunk, row, 0, CLOSE);
      chunk.cause = (R[f + FLAGS] >> CAUSE_SHIFT) & 15;
      return true;
    }
    settle(active, f);
    active = 0;
  }
}

function fillEvent(chunk: Chunk, row: number, direction: number, kind: number): void {
  chunk.flow = row;
  chunk.direction = direction;
  chunk.kind = kind;
  chunk.at = 0;
  chunk.end = 0;
  chunk.gapBytes = 0;
  chunk.sequence = R[(row << ROW_SHIFT) + DIRECTION + (direction << DIRECTION_SHIFT) + NEXT];
  chunk.acknowledgement = 0;
  chunk.cause = 0;
}

/** Fills the chunk with the next thing that is ready on this row. */
function advance(row: number, chunk: Chunk): boolean {
  const f = row << ROW_SHIFT;
  if (restarted === row) {
    restarted = 0;
    fillEvent(chunk, row, 0, CLOSE);
    chunk.cause = REUSED;
    return true;
  }
  if (directRow === row) {
    directRow = 0;
    const d = f + DIRECTION + (directDirection << DIRECTION_SHIFT);
    const sequence = R[d + NEXT];
    chunk.flow = row;
    chunk.direction = directDirection;
    chunk.kind = DATA;
    chunk.at = directAt;
    chunk.end = directEnd;
    chunk.sequence = sequence;
    chunk.acknowledgement = directAck;
    R[d + NEXT] = (sequence + directEnd - directAt) | 0;
    return true;
  }
  for (;;) {
    if (advanceDirection(row, f, 0, chunk) || advanceDirection(row, f, 1, chunk)) return true;
    const flags = R[f + FLAGS];
    const flush = resetRow === row || (flags & CLOSING) !== 0;
    const d0 = f + DIRECTION;
    const d1 = d0 + (1 << DIRECTION_SHIFT);
    let blocked = -1;
    if (R[d0 + HELD] !== 0 || R[d1 + HELD] !== 0) {
      if (flush) blocked = blockedDirection(f, false);
      else if (R[d0 + HELD_BYTES] + R[d1 + HELD_BYTES] > heldBytesMax) {
        raise(W_HELD);
        blocked = blockedDirection(f, false);
      } else if (store.heldBytesTotal() > heldBytesTotalMax) {
        raise(W_HELD_TOTAL);
        blocked = blockedDirection(f, false);
      } else blocked = blockedDirection(f, true);
    }
    if (blocked >= 0) {
      if (declareGap(row, f, blocked, chunk)) return true;
      continue;
    }
    if (resetRow === row) {
      resetRow = 0;
      return close(row, f, chunk, RESET);
    }
    if ((R[d0 + DFLAGS] & R[d1 + DFLAGS] & ENDED) !== 0 && (flags & DONE) === 0) return close(row, f, chunk, CLOSED);
    return false;
  }
}

function close(row: number, f: number, chunk: Chunk, cause: number): boolean {
  R[f + FLAGS] |= DONE | SLOW;
  fillEvent(chunk, row, 0, CLOSE);
  chunk.cause = cause;
  return true;
}

function advanceDirection(row: number, f: number, direction: number, chunk: Chunk): boolean {
  const d = f + DIRECTION + (direction << DIRECTION_SHIFT);
  for (;;) {
    const head = R[d + HELD];
    if (head === 0) return false;
    const h = head << 3;
    const kind = H[h + H_KIND];
    const sequence = H[h + H_SEQUENCE];
    const length = H[h + H_LENGTH];
    const ahead = (sequence - R[d + NEXT]) | 0;
    if (ahead > 0) return false;
    if (ahead < 0 && kind !== HELD_FIN) {
      // NEXT went past its start: only after a gap was declared over it.
      const late = -ahead;
      if (late >= length) {
        if (kind === HELD_DATA || kind === HELD_SYN_DATA) C[C_REPEATED] += length;
        R[d + HELD] = H[h];
        R[d + HELD_BYTES] -= dropHeld(head, false);
        continue;
      }
    }
    if (!isAckReady(f, direction, H[h + H_ACK], true)) return false;
    if (kind === HELD_SYN_DATA && !isSynDataGood(d, h)) return false;
    R[d + HELD] = H[h];
    if (kind === HELD_FIN) {
      dropHeld(head, false);
      if (R[d + DFLAGS] & ENDED) continue;
      R[d + DFLAGS] |= ENDED;
      if (R[d + HELD] !== 0) {
        raise(W_AFTER_FIN);
        discard(d, C_AFTER_FIN);
      }
      fillEvent(chunk, row, direction, END);
      return true;
    }
    if (kind === HELD_OMIT) {
      R[d + NEXT] = (sequence + length) | 0;
      dropHeld(head, false);
      continue;
    }
    if (kind === HELD_CUT) {
      dropHeld(head, false);
      const missing = (sequence + length - R[d + NEXT]) | 0;
      fillGap(row, d, direction, missing, H[h + H_ACK], chunk);
      return true;
    }
    const skip = ahead < 0 ? -ahead : 0;
    C[C_REPEATED] += skip;
    const block = H[h + H_BLOCK];
    R[d + HELD_BYTES] -= dropHeld(head, true);
    lentBlock = block;
    chunk.flow = row;
    chunk.direction = direction;
    chunk.kind = DATA;
    chunk.at = block + skip;
    chunk.end = block + length;
    chunk.sequence = (sequence + skip) | 0;
    chunk.acknowledgement = H[h + H_ACK];
    R[d + NEXT] = (sequence + length) | 0;
    return true;
  }
}

/** Data of a SYN counts once it is acknowledged, or once the client goes on behind it. */
function isSynDataGood(d: number, h: number): boolean {
  const end = (H[h + H_SEQUENCE] + H[h + H_LENGTH]) | 0;
  if (R[d + DFLAGS] & ACK_KNOWN && ((R[d + ACKED] - end) | 0) >= 0) return true;
  const next = H[h];
  return next !== 0 && H[(next << 3) + H_SEQUENCE] === end && H[(next << 3) + H_KIND] === HELD_DATA;
}

/**
 * The direction whose hole stops this row, or -1. With `onlyOverdue`, only when its wait is over. A hole stops
 * the direction itself, or, when the data behind it in the other direction acknowledges it, the other one.
 */
function blockedDirection(f: number, onlyOverdue: boolean): number {
  let best = -1;
  let bestTime = 0;
  for (let direction = 0; direction < 2; direction++) {
    const d = f + DIRECTION + (direction << DIRECTION_SHIFT);
    const head = R[d + HELD];
    if (head === 0) continue;
    const h = head << 3;
    const ahead = (H[h + H_SEQUENCE] - R[d + NEXT]) | 0;
    let hole = direction;
    let wait = ackedHoleWaitMs;
    if (ahead > 0) {
      const acknowledged = R[d + DFLAGS] & ACK_KNOWN && ((R[d + ACKED] - R[d + NEXT]) | 0) > 0;
      if (!acknowledged) wait = holeWaitMs;
    } else if (H[h + H_KIND] === HELD_SYN_DATA) {
      wait = holeWaitMs;
    } else {
      hole = 1 - direction;
    }
    const time = H[h + H_TIME];
    if (onlyOverdue && ((nowMs - time) | 0) < wait) continue;
    if (best < 0 || ((time - bestTime) | 0) < 0) {
      best = hole;
      bestTime = time;
    }
  }
  return best;
}

/** Gives up the hole at the front of a direction. False when what stood there was only a refused SYN's data. */
function declareGap(row: number, f: number, direction: number, chunk: Chunk): boolean {
  const d = f + DIRECTION + (direction << DIRECTION_SHIFT);
  const o = f + DIRECTION + ((1 - direction) << DIRECTION_SHIFT);
  const head = R[d + HELD];
  const next = R[d + NEXT];
  let to = next;
  if (head !== 0) {
    const h = head << 3;
    if (H[h + H_KIND] === HELD_SYN_DATA && ((H[h + H_SEQUENCE] - next) | 0) <= 0) {
      raise(W_SYN_REFUSED);
      C[C_SYN_REFUSED] += H[h + H_LENGTH];
      R[d + HELD] = H[h];
      R[d + HELD_BYTES] -= dropHeld(head, false);
      return false;
    }
    to = H[h + H_SEQUENCE];
  }
  const otherHead = R[o + HELD];
  const waits =
    otherHead !== 0 &&
    ((H[(otherHead << 3) + H_SEQUENCE] - R[o + NEXT]) | 0) <= 0 &&
    !isAckReady(f, 1 - direction, H[(otherHead << 3) + H_ACK], true);
  if (waits) {
    const ack = H[(otherHead << 3) + H_ACK];
    if (head === 0 || ((ack - to) | 0) < 0) to = ack;
  }
  const missing = (to - next) | 0;
  if (missing <= 0) {
    // Both wait for each other without a hole: let the acknowledgement pass.
    const h = (waits ? otherHead : head) << 3;
    H[h + H_ACK] = R[(waits ? d : o) + NEXT];
    return false;
  }
  fillGap(row, d, direction, missing, otherHead === 0 ? 0 : R[o + NEXT], chunk);
  return true;
}

function fillGap(row: number, d: number, direction: number, missing: number, ack: number, chunk: Chunk): void {
  raise(W_GAP);
  C[C_GAPS]++;
  C[C_GAP_BYTES] += missing;
  chunk.flow = row;
  chunk.direction = direction;
  chunk.kind = GAP;
  chunk.at = 0;
  chunk.end = 0;
  chunk.gapBytes = missing;
  chunk.sequence = R[d + NEXT];
  chunk.acknowledgement = ack;
  R[d + NEXT] = (R[d + NEXT] + missing) | 0;
}

/** Forgets what a direction holds; its bytes go to that counter. */
function discard(d: number, counted: number): void {
  C[counted] += store.payloadBytesOf(R[d + HELD]);
  for (let row = R[d + HELD]; row !== 0; ) {
    const next = H[row << 3];
    dropHeld(row, false);
    row = next;
  }
  R[d + HELD] = 0;
  R[d + HELD_BYTES] = 0;
}

/** Payload bytes that wait behind holes, all connections together. */
export function payloadBytesHeld(): number {
  let n = 0;
  for (const row of waiting) {
    const f = row << ROW_SHIFT;
    n += store.payloadBytesOf(R[f + DIRECTION + HELD]) + store.payloadBytesOf(R[f + DIRECTION + (1 << DIRECTION_SHIFT) + HELD]);
  }
  return n;
}
