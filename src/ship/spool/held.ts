/**
 * Frames in memory, in their order: those that wait for the disk, and behind their writing those that readers will ask
 * for next, so that in the usual case no reader reads the disk.
 *
 *   | stored, with their records |  waiting: written or being written | waiting |
 *   evicted first                 locked
 */
import type { EncodedFrame, FrameContent } from './frame.ts';
import type { Segment } from './segment.ts';

export interface HeldFrame {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly count: number;
  readonly acceptedAtMs: number;
  readonly tallies: Int32Array;
  readonly bytes: number;
  /** As it goes to the disk; null once it is there. */
  encoded: EncodedFrame | null;
  /** Ready to be given; null when there was no room for it. */
  content: FrameContent | null;
  isAccepted: boolean;
  /** On the disk. */
  isStored: boolean;
  /** It expired or was delivered before it was on the disk. */
  isDropped: boolean;
  segment: Segment | null;
  /** What was stored before it: what its link says. */
  storedAfter: number;
}

const SHRINK_AT = 1024;

export class HeldFrames {
  /** Bytes of encoded frames that wait for the disk. */
  waitingBytes = 0;
  /** Last frame that is not here any more, nor any before it. */
  evictedSequence: number;
  /** Those that wait for the disk. */
  readonly waiting: HeldFrame[] = [];
  /** Of these, from the front, those that are written or being written. */
  lockedCount = 0;
  readonly #contentBytesMax: number;
  #contentBytes = 0;
  #frames: HeldFrame[] = [];
  #head = 0;
  /** Frames before this place have no content. */
  #strippedTo = 0;

  constructor(contentBytesMax: number, evictedSequence: number) {
    this.#contentBytesMax = contentBytesMax;
    this.evictedSequence = evictedSequence;
  }

  push(frame: HeldFrame): void {
    this.#frames.push(frame);
    this.waiting.push(frame);
    this.waitingBytes += sizeOf(frame);
    this.#contentBytes += frame.bytes;
  }

  /** The first frame that reaches beyond that sequence. */
  after(sequence: number): HeldFrame | null {
    let low = this.#head;
    let high = this.#frames.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#frames[middle].lastSequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return this.#frames[low] ?? null;
  }

  /** The first `count` that waited are on the disk. */
  stored(count: number): HeldFrame[] {
    const frames = this.waiting.splice(0, count);
    this.lockedCount -= count;
    for (const frame of frames) {
      this.waitingBytes -= sizeOf(frame);
      frame.encoded = null;
      frame.isStored = true;
    }
    return frames;
  }

  /**
   * The newest that were stored and are still here, as far as `isWanted` goes, wait for the disk again, oldest first. Nothing may
   * be locked.
   */
  unstored(isWanted: (frame: HeldFrame) => boolean, encode: (frame: HeldFrame, content: FrameContent) => EncodedFrame): HeldFrame[] {
    const frames: HeldFrame[] = [];
    for (let i = this.#frames.length - this.waiting.length - 1; i >= this.#head; i--) {
      const frame = this.#frames[i];
      if (frame.content === null || !isWanted(frame)) break;
      frame.encoded = encode(frame, frame.content);
      frame.isStored = false;
      this.waitingBytes += sizeOf(frame);
      frames.unshift(frame);
    }
    this.waiting.unshift(...frames);
    return frames;
  }

  /** The first that waits and is not being written needs no writing any more. */
  dropWaiting(): void {
    const [frame] = this.waiting.splice(this.lockedCount, 1);
    this.waitingBytes -= sizeOf(frame);
    frame.encoded = null;
    frame.isDropped = true;
    this.#strip(frame);
    const place = this.#frames.indexOf(frame, this.#head);
    this.#frames.splice(place, 1);
    if (place < this.#strippedTo) this.#strippedTo--;
  }

  /** Keeps to the limit; all readers have acked what is up to `doneSequence`. */
  trim(doneSequence: number): void {
    while (this.#head < this.#frames.length) {
      const frame = this.#frames[this.#head];
      if (!frame.isStored) break;
      if (this.#contentBytes <= this.#contentBytesMax && frame.content !== null && frame.lastSequence > doneSequence) break;
      this.#strip(frame);
      this.evictedSequence = frame.lastSequence;
      this.#head++;
    }
    if (this.#strippedTo < this.#head) this.#strippedTo = this.#head;
    while (this.#contentBytes > this.#contentBytesMax && this.#strippedTo < this.#frames.length - 1) {
      this.#strip(this.#frames[this.#strippedTo++]);
    }
    if (this.#head < SHRINK_AT || this.#head * 2 < this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#head);
    this.#strippedTo -= this.#head;
    this.#head = 0;
  }

  #strip(frame: HeldFrame): void {
    if (frame.content !== null) this.#contentBytes -= frame.bytes;
    frame.content = null;
  }
}

function sizeOf({ encoded }: HeldFrame): number {
  return encoded === null ? 0 : encoded.head.length + encoded.payload.length;
}
