/**
 * Goes through the frames of a file, and over what is no frame to the next one. Reads through a window, so that the file
 * is asked for large pieces, and small ones are found in it.
 */
import type { OpenFile } from '../files.ts';
import { type FrameHead, HEAD_BYTES_MAX, HEAD_LENGTH_BYTES, headBytesAt, isPayloadWhole, MAGIC, readHead } from './frame.ts';
import { beginsEnd } from './note.ts';

const WINDOW_BYTES = 1 << 20;
const WINDOW_BYTES_MIN = 4096;
const NOTE_MARK_BYTES = 32;

/** A frame whose head is right. */
export interface FoundFrame {
  readonly kind: 'frame';
  readonly at: number;
  /** Where the next frame begins, or what is none. */
  readonly end: number;
  readonly head: FrameHead;
  /** Whether its payload is right too. */
  readonly isWhole: boolean;
  /** Head and payload; valid until the scanner is asked for more. */
  readonly headBytes: Buffer;
  readonly payload: Buffer;
}

/** Bytes that are no frame, up to the next one or to the end. */
export interface FoundDamage {
  readonly kind: 'damage';
  readonly at: number;
  readonly end: number;
  /** No frame stands behind it. */
  readonly isLast: boolean;
}

export class FrameScanner {
  /** Nothing is read behind it; it may grow. */
  end: number;
  at: number;
  /** Of the last frame that was found: sequences only ever grow. */
  lastSequence = -1;
  readonly #file: OpenFile;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;
  #windowEnd = 0;

  constructor(file: OpenFile, at: number, end: number) {
    this.#file = file;
    this.at = at;
    this.end = end;
  }

  /** Null at the end, which is also where the last note of a segment begins. Throws what the file throws. */
  async next(): Promise<FoundFrame | FoundDamage | null> {
    const { at } = this;
    if (at >= this.end) return null;
    const head = await this.#headAt(at);
    if (head !== null) return await this.#frame(at, head);
    await this.#need(at, NOTE_MARK_BYTES);
    if (beginsEnd(this.#window.subarray(0, this.#windowEnd - this.#windowAt), at - this.#windowAt)) {
      this.at = this.end;
      return null;
    }
    this.at = await this.#search(at + 1);
    return { kind: 'damage', at, end: this.at, isLast: this.at >= this.end };
  }

  async #frame(at: number, head: FrameHead): Promise<FoundFrame> {
    const size = head.headBytes + head.payloadBytes;
    await this.#need(at, size);
    const from = at - this.#windowAt;
    const headBytes = this.#window.subarray(from, from + head.headBytes);
    const payload = this.#window.subarray(from + head.headBytes, from + size);
    const isWhole = isPayloadWhole(head, payload);
    this.lastSequence = head.lastSequence;
    // Of a payload that is wrong bytes may be missing: the next frame may begin before its end.
    this.at = isWhole ? at + size : await this.#search(at + head.headBytes);
    return { kind: 'frame', at, end: this.at, head, isWhole, headBytes, payload };
  }

  /** The head there, when the frame is within the end and its sequences are later than those before. */
  async #headAt(at: number): Promise<FrameHead | null> {
    if ((await this.#need(at, HEAD_LENGTH_BYTES)) < HEAD_LENGTH_BYTES) return null;
    const length = headBytesAt(this.#window, at - this.#windowAt);
    if (length === 0 || (await this.#need(at, length)) < length) return null;
    const head = readHead(this.#window, at - this.#windowAt, this.#windowEnd - this.#windowAt);
    if (head === null || head.firstSequence <= this.lastSequence) return null;
    return at + head.headBytes + head.payloadBytes <= this.end ? head : null;
  }

  async #search(from: number): Promise<number> {
    for (let at = from; at < this.end; ) {
      const available = await this.#need(at, Math.min(HEAD_BYTES_MAX, this.end - at));
      if (available < MAGIC.length) break;
      const found = this.#window.subarray(0, this.#windowEnd - this.#windowAt).indexOf(MAGIC, at - this.#windowAt);
      if (found < 0) {
        at = this.#windowEnd - MAGIC.length + 1;
        continue;
      }
      at = found + this.#windowAt;
      if ((await this.#headAt(at)) !== null) return at;
      at++;
    }
    return this.end;
  }

  /** Brings `length` bytes from `at` on into the window; returns how many there are, up to the end. */
  async #need(at: number, length: number): Promise<number> {
    const wanted = Math.min(length, this.end - at);
    if (at < this.#windowAt || at + wanted > this.#windowEnd) {
      const room = Math.max(wanted, Math.min(WINDOW_BYTES, Math.max(WINDOW_BYTES_MIN, this.end - at)));
      // Frames of the old window may still be looked at: it is not written again.
      this.#window = Buffer.allocUnsafeSlow(room);
      this.#windowAt = at;
      this.#windowEnd = at;
      const read = await this.#file.read(this.#window.subarray(0, Math.min(room, this.end - at)), at);
      this.#windowEnd = at + read;
    }
    return Math.min(wanted, this.#windowEnd - at);
  }
}
