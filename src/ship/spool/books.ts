/**
 * What the spool knows of one reader: how far it has come, what it was given and has not acked, and its books.
 *
 *   acked                         position
 *     |  frames that it was given   |  frames that it has not seen
 *     +-----------------------------+---------------------------->
 *
 * Of a frame that was given, its index is kept, which is 8 bytes a record, and not the records: whoever holds back one of
 * them while thousands behind it are done with does not keep those in memory.
 */
import { goesTo, type Routes } from '../routes.ts';
import type { Segment } from './segment.ts';

/** A frame that it was given; what is left of it. */
export interface Given {
  /** As it was given: without what was acked before. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly acceptedAtMs: number;
  /** Length and routes of each record. */
  readonly index: Int32Array;
  readonly routes: Routes;
  /** Where it lies: once it is stored, the books of the segment count it too. */
  readonly home: { readonly segment: Segment | null };
  /** The last record that is for this reader: with it the frame is done. */
  readonly lastOwnSequence: number;
  /** Acked up to here, within it. */
  ackedSequence: number;
  records: number;
  bytes: number;
}

/** A sum over the words of routes that mean a reader. */
export function ownShare(tallies: Int32Array, routes: Routes): { records: number; bytes: number } {
  let records = 0;
  let bytes = 0;
  for (let i = 0; i < tallies.length; i += 3) {
    if (!goesTo(tallies[i], routes)) continue;
    records += tallies[i + 1];
    bytes += tallies[i + 2];
  }
  return { records, bytes };
}

/** The same for the records of an index that are later than one sequence and not later than another. */
export function ownShareBetween(
  index: Int32Array,
  firstSequence: number,
  afterSequence: number,
  upToSequence: number,
  routes: Routes,
): { records: number; bytes: number; lastSequence: number } {
  let records = 0;
  let bytes = 0;
  let lastSequence = afterSequence;
  const from = Math.max(0, afterSequence + 1 - firstSequence);
  const to = Math.min(index.length / 2, upToSequence + 1 - firstSequence);
  for (let i = from; i < to; i++) {
    if (!goesTo(index[2 * i + 1], routes)) continue;
    records++;
    bytes += index[2 * i];
    lastSequence = firstSequence + i;
  }
  return { records, bytes, lastSequence };
}

export class ReaderBooks {
  readonly name: string;
  readonly pipelines: readonly string[];
  /** Place among the readers, and in the sums of each segment. */
  readonly place: number;
  /** In the table of this run. */
  readonly routes: Routes;
  ackedSequence = 0;
  /** Frames up to here were given to it, or hold nothing for it. */
  position = 0;
  queuedAtStart = 0;
  accepted = 0;
  acked = 0;
  queued = 0;
  queuedBytes = 0;
  expiredByQuota = 0;
  expiredByAge = 0;
  corrupt = 0;
  readonly given: Given[] = [];
  /** It came past damage, and what was in it is not counted yet: the cursor on the disk stays before it until then. */
  holdSequence: number = Number.POSITIVE_INFINITY;

  constructor(place: number, name: string, pipelines: readonly string[], routes: Routes) {
    this.place = place;
    this.name = name;
    this.pipelines = pipelines;
    this.routes = routes;
  }

  /** What the disk is told: from here on it would go on after a restart. */
  get cursorSequence(): number {
    return Math.min(this.ackedSequence, this.holdSequence);
  }

  /** All records up to that one are done with; no further than it has been given frames. */
  ack(sequence: number): void {
    const upTo = Math.min(sequence, this.position);
    if (upTo <= this.ackedSequence) return;
    while (this.given.length > 0 && this.given[0].lastOwnSequence <= upTo) {
      const done = this.given[0];
      this.given.shift();
      this.#settle(done, done.records, done.bytes);
    }
    const first = this.given[0];
    if (first !== undefined && upTo >= first.firstSequence) {
      const { records, bytes } = ownShareBetween(first.index, first.firstSequence, first.ackedSequence, upTo, first.routes);
      this.#settle(first, records, bytes);
      first.records -= records;
      first.bytes -= bytes;
      first.ackedSequence = Math.max(first.ackedSequence, upTo);
    }
    this.moveCursor();
  }

  #settle({ home }: Given, records: number, bytes: number): void {
    this.acked += records;
    this.take(records, bytes, home.segment);
  }

  /** They are not queued any more. */
  take(records: number, bytes: number, segment: Segment | null): void {
    this.queued -= records;
    this.queuedBytes -= bytes;
    if (segment === null) return;
    segment.queued[this.place] -= records;
    segment.queuedBytes[this.place] -= bytes;
  }

  /** Up to what it has not acked; past what holds nothing for it. */
  moveCursor(): void {
    const first = this.given[0];
    this.ackedSequence = Math.max(this.ackedSequence, first === undefined ? this.position : first.ackedSequence);
  }

  /** What it was given of a segment and has not acked. */
  givenIn(segment: Segment): { records: number; bytes: number } {
    return this.#sumGiven(({ home }) => home.segment === segment);
  }

  /** The same of a frame that was in memory when it was given. */
  givenOf(frame: Given['home']): { records: number; bytes: number } {
    return this.#sumGiven(({ home }) => home === frame);
  }

  #sumGiven(isMeant: (given: Given) => boolean): { records: number; bytes: number } {
    let records = 0;
    let bytes = 0;
    for (const given of this.given) {
      if (!isMeant(given)) continue;
      records += given.records;
      bytes += given.bytes;
    }
    return { records, bytes };
  }

  /** Everything up to that sequence is gone: it is neither waited for nor acked any more. */
  skip(sequence: number): void {
    while (this.given.length > 0 && this.given[0].firstSequence <= sequence) this.given.shift();
    this.position = Math.max(this.position, sequence);
    if (this.holdSequence <= sequence) this.holdSequence = Number.POSITIVE_INFINITY;
    this.moveCursor();
  }
}
