/**
 * Lets the oldest go: what all readers have acked (and nobody may come back for), and beyond the quota (bytes, age) what they
 * have not. Always whole
 * segments, the oldest first; the one that is being written stays, so that a quota smaller than one frame holds the
 * newest frame. What a reader had not acked of a segment is counted as expired for this reader, exactly.
 *
 * Before a segment is removed the cursors and the state are written, so that nothing seems to be missing after a crash.
 * Where they cannot be written, as on a full disk, it goes all the same: room is more than a count.
 */
import { codeOf } from '../../base/errors.ts';
import type { Files } from '../files.ts';
import { type Contents, type DropReason, HOUR_MS, TOO_OLD_TIMES } from './contents.ts';
import type { SpoolLogger } from './logger.ts';
import { type Segment, segmentSequence } from './segment.ts';
import { giveUpUnclaimed } from './unclaimed.ts';

export interface QuotaOptions {
  readonly files: Files;
  readonly directory: string;
  readonly contents: Contents;
  readonly bytesMax: number;
  readonly ageHoursMax: number;
  readonly log: SpoolLogger;
  /** Writes cursors and state; never throws. */
  readonly saveMarks: () => Promise<void>;
}

export class Quota {
  /** Segments up to it were removed on purpose. */
  removedSequence: number;
  removedRecords: number;
  readonly #options: QuotaOptions;
  /** Dropped, and not yet removed. */
  #dropped: Segment[] = [];
  #removing: Promise<void> = Promise.resolve();
  /** What may lie there beyond the quota. */
  #lentBytes = 0;
  #isLending = false;

  constructor(options: QuotaOptions, removed: { readonly removedSequence: number; readonly removedRecords: number }) {
    this.#options = options;
    this.removedSequence = removed.removedSequence;
    this.removedRecords = removed.removedRecords;
  }

  /**
   * For who writes again behind what he takes away in front, and must lose nothing by it: room for two segments beyond the
   * quota, the one that is written again and its copy, until the answer is called. What is too much then stays as well, until other
   * things go.
   */
  lendRoom(): () => void {
    const { segments } = this.#options.contents;
    this.#isLending = true;
    this.#lentBytes = 2 * Math.max(0, ...segments.map(({ bytes }) => bytes));
    return () => {
      this.#isLending = false;
    };
  }

  get #bytesMax(): number {
    const { contents, bytesMax } = this.#options;
    if (!this.#isLending) this.#lentBytes = Math.max(0, Math.min(this.#lentBytes, contents.bytes - bytesMax));
    return bytesMax + this.#lentBytes;
  }

  /** Room for that many bytes more. */
  async makeRoom(bytes: number): Promise<void> {
    const { contents } = this.#options;
    this.#dropDone();
    const bytesMax = this.#bytesMax;
    for (let oldest = this.#oldest(); oldest !== null && contents.bytes + bytes > bytesMax; oldest = this.#oldest()) {
      this.#drop(oldest, 'quota');
    }
    await this.#remove();
  }

  /** Once a second. */
  async tick(nowMs: number): Promise<void> {
    const { contents, ageHoursMax, log } = this.#options;
    giveUpUnclaimed(contents, nowMs, log);
    this.#dropDone();
    const bytesMax = this.#bytesMax;
    for (let oldest = this.#oldest(); oldest !== null && contents.bytes > bytesMax; oldest = this.#oldest()) this.#drop(oldest, 'quota');
    for (let oldest = this.#oldest(); oldest !== null; oldest = this.#oldest()) {
      oldest.timesTooOld = nowMs - oldest.newestAtMs > ageHoursMax * HOUR_MS ? oldest.timesTooOld + 1 : 0;
      if (oldest.timesTooOld < TOO_OLD_TIMES) break;
      this.#drop(oldest, 'age');
    }
    contents.expireTooOld(nowMs, ageHoursMax);
    await this.#remove();
  }

  /** Segments whose files somebody has removed. */
  async findMissing(): Promise<Segment[]> {
    const { files, directory, contents } = this.#options;
    const known = contents.segments.filter(({ isMissing }) => !isMissing);
    const there = new Set((await listThere(files, directory)).filter((name) => segmentSequence(name) >= 0));
    return known.filter(({ name, isRemoved }) => !isRemoved && !there.has(name));
  }

  /** Waits until what was dropped is removed. */
  async close(): Promise<void> {
    this.#dropDone();
    await this.#remove();
  }

  #oldest(): Segment | null {
    const oldest = this.#options.contents.segments[0];
    return oldest?.isSealed === true ? oldest : null;
  }

  #dropDone(): void {
    for (let oldest = this.#oldest(); oldest?.isDone === true; oldest = this.#oldest()) this.#drop(oldest, 'done');
  }

  #drop(segment: Segment, reason: DropReason): void {
    this.#options.contents.drop(segment, reason);
    this.removedSequence = Math.max(this.removedSequence, segment.lastSequence);
    this.removedRecords = Math.max(this.removedRecords, segment.recordsUpTo);
    this.#dropped.push(segment);
  }

  #remove(): Promise<void> {
    if (this.#dropped.length === 0) return this.#removing;
    this.#removing = this.#removing.then(() => this.#removeDropped());
    return this.#removing;
  }

  async #removeDropped(): Promise<void> {
    const { files, directory, log, saveMarks } = this.#options;
    const segments = this.#dropped;
    this.#dropped = [];
    if (segments.length === 0) return;
    await saveMarks();
    for (const segment of segments) {
      try {
        // Under the name of one that is missing may stand what another sensor has made.
        if (!segment.isMissing) await files.remove(segment.path);
      } catch (error) {
        log.warn('a file of the spool cannot be removed now', { segment: segment.name, error });
        this.#dropped.push(segment);
      }
    }
    try {
      await files.syncDirectory(directory);
    } catch {
      // They may come back after a crash, and are known then to be done with.
    }
  }
}

/** No names where the directory itself is gone. */
async function listThere(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
