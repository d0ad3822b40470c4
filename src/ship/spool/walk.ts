/**
 * Goes through a segment as its readers and the recovery do: frames in their order, and between them what is damaged and
 * what is missing.
 */
import type { OpenFile } from '../files.ts';
import { type FoundDamage, type FoundFrame, FrameScanner } from './scanner.ts';
import type { Segment } from './segment.ts';

/** Records between two frames that are not there: later than one sequence, up to another. */
export interface FoundGap {
  readonly kind: 'gap';
  readonly afterSequence: number;
  readonly upToSequence: number;
  readonly records: number;
}

export type Found = FoundFrame | FoundDamage | FoundGap;

export class SegmentWalk {
  readonly segment: Segment;
  readonly #scanner: FrameScanner;
  readonly #untilSequence: number;
  /** Last sequence that was seen; what the segment says of what stood before it, or -1. */
  #lastSequence: number;
  #records: number;
  #next: FoundFrame | null = null;
  /** Last sequence of what was stored when it was last asked. */
  endSequence = -1;
  #endRecords = 0;

  /** Frames later than `untilSequence` are not of this segment: they were written again in a later one. */
  constructor(file: OpenFile, segment: Segment, untilSequence: number = Number.POSITIVE_INFINITY) {
    this.segment = segment;
    this.#scanner = new FrameScanner(file, segment.dataAt, segment.dataEnd);
    this.#lastSequence = segment.previousSequence;
    this.#records = segment.recordsBefore;
    this.#untilSequence = untilSequence;
  }

  /** Null at the end of what is stored so far. Throws what the file throws. */
  async next(): Promise<Found | null> {
    if (this.#next !== null) {
      const frame = this.#next;
      this.#next = null;
      return frame;
    }
    this.#scanner.end = this.segment.dataEnd;
    this.endSequence = this.segment.lastSequence;
    this.#endRecords = this.segment.recordsUpTo;
    const found = await this.#scanner.next();
    if (found === null || found.kind === 'damage') return found;
    if (found.head.firstSequence > this.#untilSequence) {
      this.#scanner.at = this.#scanner.end;
      return null;
    }
    const { previousSequence, recordsBefore, lastSequence, count } = found.head;
    const gap = this.#gap(previousSequence, recordsBefore);
    this.#lastSequence = lastSequence;
    this.#records = recordsBefore + count;
    if (gap === null) return found;
    this.#next = found;
    return gap;
  }

  /** What is missing at the end. */
  rest(): FoundGap | null {
    return this.#gap(this.endSequence, this.#endRecords);
  }

  #gap(upToSequence: number, recordsBefore: number): FoundGap | null {
    const afterSequence = this.#lastSequence;
    const records = recordsBefore - this.#records;
    if (afterSequence < 0 || upToSequence <= afterSequence || records <= 0) return null;
    this.#lastSequence = upToSequence;
    this.#records = recordsBefore;
    return { kind: 'gap', afterSequence, upToSequence, records };
  }
}
