/**
 * What the spool holds: segments on the disk, frames in memory, and the books of the readers. Everything that changes a
 * count is here, and nothing here reads or writes a file.
 *
 *   accepted: all that readers may have.  stored: all that is on the disk.  last: all that was appended.
 */
import { ownShare, ownShareBetween, ReaderBooks } from './books.ts';
import { type EncodedFrame, type FrameContent, linkFrame, openPayload, readHead } from './frame.ts';
import { type HeldFrame, HeldFrames } from './held.ts';
import type { SpoolKeys } from './keys.ts';
import { pipelinesIdOf, routesIn, type Segment } from './segment.ts';
import type { FoundGap } from './walk.ts';

/** Records that are kept ready for the readers, besides what waits for the disk. */
const CONTENT_BYTES_MAX = 32 << 20;

export interface ReaderOptions {
  readonly name: string;
  /** Names of the pipelines whose records it gets. */
  readonly pipelines: readonly string[];
}

/** A thing is too old when it was found so this many times in a row, a second apart: clocks jump, and are put right. */
export const TOO_OLD_TIMES = 60;
export const HOUR_MS = 3_600_000;

export type DropReason = 'done' | 'quota' | 'age';

export class Contents {
  /** Oldest first; the last may be the one that is being written. */
  readonly segments: Segment[] = [];
  readonly readers: readonly ReaderBooks[];
  readonly held: HeldFrames;
  readonly pipelines: readonly string[];
  readonly pipelinesId: number;
  /** Names of the sinks of each pipeline. */
  readonly sinks: readonly (readonly string[])[];
  readonly keys: SpoolKeys;
  offered = 0;
  accepted = 0;
  lost = 0;
  corruptFrames = 0;
  corruptRecords = 0;
  lastSequence: number;
  acceptedSequence: number;
  storedSequence: number;
  /** How many were stored up to there, ever. */
  storedRecords = 0;
  /** Why data went unsent since it was last asked; "" when none did. Told to operators. */
  expired: DropReason | '' = '';
  readonly #waiters: (() => void)[] = [];
  #timesTooOld = 0;
  #promisedSequence = 0;

  constructor(
    pipelines: readonly string[],
    readers: readonly ReaderOptions[],
    keys: SpoolKeys,
    memoryBytesMax: number,
    sequences: { readonly stored: number; readonly last: number },
  ) {
    this.pipelines = pipelines;
    this.pipelinesId = pipelinesIdOf(pipelines);
    this.keys = keys;
    this.readers = readers.map((reader, i) => {
      const known = reader.pipelines.filter((pipeline) => pipelines.includes(pipeline));
      return new ReaderBooks(i, reader.name, known, routesIn(pipelines, reader));
    });
    this.sinks = pipelines.map((name) => readers.filter((reader) => reader.pipelines.includes(name)).map((reader) => reader.name));
    this.lastSequence = sequences.last;
    this.acceptedSequence = sequences.last;
    this.storedSequence = sequences.stored;
    this.held = new HeldFrames(Math.min(CONTENT_BYTES_MAX, memoryBytesMax), sequences.last);
  }

  /** Of all segments, as far as they are on the disk for good. */
  get bytes(): number {
    let bytes = 0;
    for (const segment of this.segments) if (!segment.isMissing) bytes += segment.bytes;
    return bytes;
  }

  /** All readers have acked what is up to it. */
  get doneSequence(): number {
    let sequence = Number.POSITIVE_INFINITY;
    for (const reader of this.readers) sequence = Math.min(sequence, reader.ackedSequence);
    return sequence;
  }

  /** What a crash can not take back, or nobody needs any more. It only grows, whatever somebody removes. */
  get durableSequence(): number {
    return Math.max(this.#promisedSequence, this.safeSequence);
  }

  /** The same as it is now, when what was on the disk may be there no more. */
  get safeSequence(): number {
    const waiting = this.held.waiting[0];
    return waiting === undefined ? this.lastSequence : waiting.firstSequence - 1;
  }

  push(frame: HeldFrame): void {
    this.lastSequence = frame.lastSequence;
    this.held.push(frame);
    this.held.trim(this.doneSequence);
  }

  /** From now on it counts, and readers may have it. */
  accept(frame: HeldFrame): void {
    if (frame.isAccepted) return;
    frame.isAccepted = true;
    this.accepted += frame.count;
    this.acceptedSequence = frame.lastSequence;
    for (const reader of this.readers) {
      const { records, bytes } = ownShare(frame.tallies, reader.routes);
      reader.accepted += records;
      reader.queued += records;
      reader.queuedBytes += bytes;
    }
  }

  acceptAll(): void {
    for (const frame of this.held.waiting) this.accept(frame);
    this.wake();
  }

  /** The first `count` frames that waited are in that segment, for good. */
  store(count: number, segment: Segment): void {
    const { waiting } = this.held;
    for (let i = 0; i < count; i++) {
      const frame = waiting[i];
      this.accept(frame);
      frame.storedAfter = this.storedSequence;
      segment.add(frame, this.storedSequence, this.storedRecords);
      this.storedSequence = frame.lastSequence;
      this.storedRecords += frame.count;
      for (const reader of this.readers) {
        const { records, bytes } = this.#outstanding(frame, reader);
        segment.queued[reader.place] += records;
        segment.queuedBytes[reader.place] += bytes;
      }
      frame.segment = segment;
    }
    this.held.stored(count);
    this.held.trim(this.doneSequence);
    this.wake();
  }

  /**
   * Files of segments are gone. What memory still has of those waits for the disk again, as far as it is the newest;
   * the rest is missing.
   */
  lose(encode: (frame: HeldFrame, content: FrameContent) => EncodedFrame): void {
    this.#promisedSequence = this.durableSequence;
    const frames = this.held.unstored(({ segment }) => segment?.isMissing === true && !segment.isRemoved, encode);
    for (const frame of frames.toReversed()) this.#unstore(frame);
    this.dropDone();
    this.wake();
  }

  #unstore(frame: HeldFrame): void {
    const { segment } = frame;
    if (segment === null) return;
    for (const reader of this.readers) {
      const { records, bytes } = frame.lastSequence <= reader.position ? reader.givenOf(frame) : this.#outstanding(frame, reader);
      segment.queued[reader.place] -= records;
      segment.queuedBytes[reader.place] -= bytes;
    }
    segment.frames--;
    segment.records -= frame.count;
    segment.recordsUpTo -= frame.count;
    segment.lastSequence = frame.storedAfter;
    this.storedSequence = frame.storedAfter;
    this.storedRecords -= frame.count;
    frame.segment = null;
    if (segment.frames === 0) this.forget(segment);
  }

  /** Records of a frame in memory; null when they can not be had, which would be a fault of ours. */
  contentOf(frame: HeldFrame): FrameContent | null {
    if (frame.content !== null || frame.encoded === null) return frame.content;
    const { head, payload } = frame.encoded;
    // Its link is written late; the checksum of the head is not needed here.
    const known = readHead(linked(head), 0, head.length);
    return known === null ? null : openPayload(known, head, payload, this.keys);
  }

  /** What a reader has not done with of a frame that is accepted. */
  #outstanding(frame: HeldFrame, reader: ReaderBooks): { records: number; bytes: number } {
    if (reader.ackedSequence < frame.firstSequence) return ownShare(frame.tallies, reader.routes);
    const content = reader.ackedSequence < frame.lastSequence ? this.contentOf(frame) : null;
    if (content === null) return { records: 0, bytes: 0 };
    return ownShareBetween(content.index, frame.firstSequence, reader.ackedSequence, frame.lastSequence, reader.routes);
  }

  /**
   * Makes room in memory when the disk takes nothing: what all readers have acked needs no writing. Then, that a sink
   * which stands still does not stop the others, what one of them has acked already goes for those who have not, counted
   * as expired. What nobody has acked stays. Whether there is room now.
   */
  makeRoom(waitingBytesMax: number): boolean {
    const { held } = this;
    while (held.waitingBytes > waitingBytesMax) {
      const frame = held.waiting[held.lockedCount];
      if (frame === undefined || !frame.isAccepted) return false;
      const outstanding = this.readers.map((reader) => this.#outstanding(frame, reader));
      const isWanted = outstanding.some(({ records }) => records > 0);
      const isPassed = this.readers.some((reader, i) => outstanding[i].records === 0 && ownShare(frame.tallies, reader.routes).records > 0);
      if (isWanted && !isPassed) return false;
      this.#expire(frame, 'quota');
    }
    return true;
  }

  /** Waiting frames that all readers have acked need no writing any more. */
  dropDone(): void {
    const { held } = this;
    for (;;) {
      const frame = held.waiting[held.lockedCount];
      if (frame === undefined || !frame.isAccepted) return;
      if (this.readers.some((reader) => this.#outstanding(frame, reader).records > 0)) return;
      held.dropWaiting();
    }
  }

  /** Once a second: frames in memory that are too old go. They are only there while no disk takes them. */
  expireTooOld(nowMs: number, ageHoursMax: number): void {
    const { held } = this;
    const beforeMs = nowMs - ageHoursMax * HOUR_MS;
    const isTooOld = (frame: HeldFrame | undefined): frame is HeldFrame => frame?.isAccepted === true && frame.acceptedAtMs < beforeMs;
    this.#timesTooOld = isTooOld(held.waiting[0]) ? this.#timesTooOld + 1 : 0;
    if (this.#timesTooOld < TOO_OLD_TIMES) return;
    for (let frame = held.waiting[held.lockedCount]; isTooOld(frame); frame = held.waiting[held.lockedCount]) this.#expire(frame, 'age');
  }

  /** The first frame that waits and is not being written goes, for those who have not acked it. */
  #expire(frame: HeldFrame, reason: 'quota' | 'age'): void {
    for (const reader of this.readers) {
      const { records, bytes } = this.#outstanding(frame, reader);
      if (records === 0) continue;
      if (reason === 'quota') reader.expiredByQuota += records;
      else reader.expiredByAge += records;
      this.expired = reason;
      reader.take(records, bytes, null);
      const given = reader.given.findIndex(({ home }) => home === frame);
      if (given >= 0) reader.given.splice(given, 1);
      reader.moveCursor();
    }
    this.held.dropWaiting();
  }

  /** The oldest segment goes, and with it what readers have not acked of it. */
  drop(segment: Segment, reason: DropReason): void {
    this.forget(segment);
    for (const reader of this.readers) {
      const records = segment.queued[reader.place];
      reader.take(records, segment.queuedBytes[reader.place], segment);
      if (reason === 'quota') reader.expiredByQuota += records;
      if (reason === 'age') reader.expiredByAge += records;
      if (records > 0) this.expired = reason;
      reader.skip(segment.lastSequence);
    }
    this.wake();
  }

  /** A segment that nothing was stored in. */
  forget(segment: Segment): void {
    const at = this.segments.indexOf(segment);
    if (at >= 0) this.segments.splice(at, 1);
    segment.isRemoved = true;
  }

  /** Notes damage once; false when it was known. */
  noteDamage(segment: Segment, at: number, records: number): boolean {
    if (segment.damagedAt.has(at)) return false;
    segment.damagedAt.add(at);
    this.corruptFrames++;
    this.corruptRecords += records;
    return true;
  }

  /** Notes once that records between two frames are missing. */
  noteGap(segment: Segment, { afterSequence, records }: FoundGap): void {
    if (segment.missingAfter.has(afterSequence)) return;
    segment.missingAfter.add(afterSequence);
    this.corruptRecords += records;
  }

  /** A reader has seen all of a sealed segment: what it was not given of it can not be read. */
  finish(segment: Segment, reader: ReaderBooks): void {
    const given = reader.givenIn(segment);
    const records = segment.queued[reader.place] - given.records;
    if (records > 0) {
      reader.corrupt += records;
      reader.take(records, segment.queuedBytes[reader.place] - given.bytes, segment);
    }
    reader.position = Math.max(reader.position, segment.lastSequence);
    if (reader.holdSequence <= segment.lastSequence) reader.holdSequence = Number.POSITIVE_INFINITY;
    reader.moveCursor();
  }

  /** The same when its file is gone. Readers that are not behind still find its frames in memory. */
  finishMissing(segment: Segment, reader: ReaderBooks): void {
    const before = reader.corrupt;
    this.finish(segment, reader);
    if (reader.corrupt > before) this.noteDamage(segment, -1, reader.corrupt - before);
  }

  /** The same for the damaged ones that readers have left behind, maybe before they were sealed. */
  finishDamaged(): void {
    for (const segment of this.segments) {
      if (!segment.isSealed || segment.damagedAt.size + segment.missingAfter.size === 0) continue;
      for (const reader of this.readers) if (reader.position >= segment.lastSequence) this.finish(segment, reader);
    }
  }

  /** The first segment that reaches beyond that sequence. */
  segmentAfter(sequence: number): Segment | null {
    for (const segment of this.segments) if (segment.lastSequence > sequence) return segment;
    return null;
  }

  /** Ends when something was accepted, dropped, or all ends. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

/** A copy of a head that is valid as it stands, for frames that are not linked yet. */
function linked(head: Buffer): Buffer {
  const copy = Buffer.from(head);
  linkFrame(copy, 0, 0);
  return copy;
}
