/**
 * Gathering: frames of the spool become batches of a sink, by count, bytes and age, whichever comes first. Only as much is
 * taken as may be: it stops in the middle of a frame.
 *
 *   spool -> frame -> | record record record | -> open batch -> batch
 *                       ^ cursor
 */
import type { BatchSettings } from '../base/settings.ts';
import type { BatchSize } from './batch-size.ts';
import type { EncodedRecord, FrameCursor, RecordEncoder } from './encode-batch.ts';
import type { RecordSource } from './record-source.ts';
import type { Problem } from './sink.ts';
import type { Taken } from './taken.ts';
import type { Timers } from './timers.ts';

const READ_AGAIN_MS = 5000;

export interface GatheringOptions {
  readonly source: RecordSource;
  readonly encode: RecordEncoder;
  readonly taken: Taken;
  readonly batch: BatchSettings;
  readonly size: BatchSize;
  readonly timers: Timers;
  /** Whether one more record may be taken. */
  readonly mayTake: () => boolean;
  readonly onTaken: (record: EncodedRecord) => void;
  readonly onBatch: (records: readonly EncodedRecord[]) => void;
  /** All of a frame was looked at. */
  readonly onFrameEnd: () => void;
  /** There is something new to gather. */
  readonly onFrame: () => void;
  readonly onProblem: (problem: Problem) => void;
}

export class Gathering {
  readonly #options: GatheringOptions;
  #cursor: FrameCursor | null = null;
  #isReading = false;
  #isClosed = false;
  #open: EncodedRecord[] = [];
  #openBytes = 0;
  #openSinceMs = 0;
  /** A record that did not fit into the last batch any more. */
  #left: EncodedRecord | null = null;

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  /** When the time of the open batch is over; Infinity: none is open. */
  get dueMs(): number {
    return this.#open.length === 0 ? Number.POSITIVE_INFINITY : this.#openSinceMs + this.#options.batch.ageMsMax;
  }

  /** The spool has nothing more for this sink. */
  isAllTaken(): boolean {
    return this.#isClosed || this.#options.source.state().queued <= this.#options.taken.count;
  }

  /** Takes what may be taken now, and sees to it that more comes. */
  gather(): void {
    const { taken, mayTake, onTaken, onFrameEnd } = this.#options;
    this.noteExpired();
    while (mayTake()) {
      if (this.#left !== null) {
        const record = this.#left;
        this.#left = null;
        this.#put(record);
        continue;
      }
      const record = this.#cursor?.next() ?? null;
      if (record !== null) {
        // What expired after its frame was read is counted as that, and left out.
        if (taken.isPast(record.sequence)) continue;
        record.place = taken.add(record.sequence);
        onTaken(record);
        if (record.problem === null && !record.isSkipped) this.#put(record);
        continue;
      }
      if (this.#cursor !== null) {
        taken.read(this.#cursor.lastSequence);
        this.#cursor = null;
        onFrameEnd();
      }
      if (!this.#isReading && !this.#isClosed) void this.#read();
      break;
    }
  }

  /** Ends the batch that is open. */
  close(): void {
    if (this.#open.length === 0) return;
    const records = this.#open;
    this.#open = [];
    this.#openBytes = 0;
    this.#options.onBatch(records);
  }

  /** The spool may have let go the oldest data; the answer is its cursor. */
  noteExpired(): number {
    const { ackedSequence } = this.#options.source.state();
    this.#options.taken.note(ackedSequence);
    return ackedSequence;
  }

  #put(record: EncodedRecord): void {
    const { batch, timers, mayTake } = this.#options;
    const { bytesMax } = this.#options.size;
    const bytes = record.bytes.length;
    if (this.#open.length > 0 && this.#openBytes + bytes > bytesMax) {
      this.close();
      if (!mayTake()) {
        this.#left = record;
        return;
      }
    }
    if (this.#open.length === 0) this.#openSinceMs = timers.nowMs();
    this.#open.push(record);
    this.#openBytes += bytes;
    if (this.#open.length >= batch.recordsMax || this.#openBytes >= bytesMax) this.close();
  }

  async #read(): Promise<void> {
    const { source, encode, timers, onFrame, onProblem } = this.#options;
    this.#isReading = true;
    try {
      const frame = await source.next();
      if (frame === null) this.#isClosed = true;
      else this.#cursor = encode.open(frame, this.noteExpired());
    } catch (error) {
      onProblem({
        code: 'spool-unreadable',
        what: `The spool cannot be read: ${error instanceof Error ? error.message : 'no reason given'}`,
        next: 'Look at the disk of the spool; `earshot spool verify` looks for damage.',
      });
      await new Promise<void>((resolve) => timers.after(READ_AGAIN_MS, resolve));
    }
    this.#isReading = false;
    onFrame();
  }
}
