/**
 * What a spool has on the disk, and what is done for it once a second: room on the filesystem, quota, files that somebody
 * has removed, cursors and state, another try after a fault.
 */
import type { Settings } from '../../base/settings.ts';
import type { Files } from '../files.ts';
import type { Timers } from '../timers.ts';
import type { Contents } from './contents.ts';
import type { SpoolLogger } from './logger.ts';
import { type Cursor, MarkWriter, type SpoolMarks } from './marks.ts';
import { Quota } from './quota.ts';
import { Writer } from './writer.ts';

/** Numbers that are reserved at once, so that none is given twice however much is lost. */
const RESERVED_MAX = 2 ** 30;
const AGAIN_MS = 1000;
const MIB = 1 << 20;

export interface DiskOptions {
  readonly files: Files;
  readonly directory: string;
  readonly settings: Settings['spool'];
  readonly contents: Contents;
  readonly timers: Timers;
  readonly log: SpoolLogger;
  readonly lock: { release(): Promise<void> };
  /** What the start found. */
  readonly marks: SpoolMarks;
  readonly onChange: () => void;
}

export class SpoolDisk {
  readonly writer: Writer;
  freeBytes = 0;
  /** Numbers up to it are not given again after a crash. */
  reservedSequence = 0;
  readonly #options: DiskOptions;
  readonly #quota: Quota;
  readonly #marks: MarkWriter;
  #isMarksFault = false;
  #isClosing = false;

  constructor(options: DiskOptions) {
    const { settings, files, directory, contents, timers, log, marks, onChange } = options;
    this.#options = options;
    this.#marks = new MarkWriter(files, directory);
    const shared = { files, directory, contents, log, bytesMax: settings.bytesMax };
    const quota = new Quota({ ...shared, ageHoursMax: settings.ageHoursMax, saveMarks: () => this.#saveMarks() }, marks);
    this.#quota = quota;
    this.writer = new Writer({
      ...shared,
      timers,
      level: settings.level === 'os' ? 'os' : 'disk',
      segmentBytes: settings.segmentBytes,
      syncIntervalMs: settings.syncIntervalMs,
      syncBytes: settings.syncBytes,
      reservedSequence: () => this.reservedSequence,
      makeRoom: (bytes) => quota.makeRoom(bytes),
      onChange,
    });
  }

  /** Before the first record. `unused`: cursors without a reader. */
  async start(unused: readonly Cursor[]): Promise<void> {
    const { directory, timers, log } = this.#options;
    try {
      await this.#marks.retire(unused, timers.dateMs());
      await this.#writeMarks();
    } catch (error) {
      log.warn('the state of the spool cannot be written now', { directory, error });
    }
    await this.#checkSpace();
  }

  /** Once a second. */
  async tick(): Promise<void> {
    const { contents, timers } = this.#options;
    const nowMs = timers.dateMs();
    await this.#checkSpace();
    this.writer.checkAge(nowMs);
    await this.#quota.tick(nowMs);
    await this.#checkFiles();
    contents.finishDamaged();
    await this.#saveMarks();
    this.writer.retry();
  }

  /** Room beyond the quota, until the answer is called. */
  lendRoom(): () => void {
    return this.#quota.lendRoom();
  }

  /** Writes and syncs what waits, tries again until then (wall clock), and writes the cursors. */
  async close(untilAtMs: number): Promise<void> {
    const { contents, timers, log } = this.#options;
    const { waiting } = contents.held;
    this.#isClosing = true;
    await this.writer.close();
    while (waiting.length > 0 && timers.dateMs() + AGAIN_MS < untilAtMs) {
      await new Promise<void>((resolve) => timers.after(AGAIN_MS, resolve));
      await this.writer.close();
    }
    if (waiting.length > 0) {
      const records = waiting.reduce((sum, { count }) => sum + count, 0);
      log.error('the spool ends with calls that the disk did not take', { records });
    }
    await this.#quota.close();
    // In order: numbers go on where they ended.
    if (waiting.length === 0) this.reservedSequence = contents.lastSequence;
    await this.#saveMarks();
    await this.writer.release();
  }

  async release(): Promise<void> {
    await this.#options.lock.release();
  }

  /** Somebody may have removed files under us. */
  async #checkFiles(): Promise<void> {
    try {
      for (const segment of await this.#quota.findMissing()) {
        this.#options.log.error('a file of the spool is gone: somebody has removed it', { segment: segment.name });
        segment.isMissing = true;
        this.writer.leave(segment);
      }
    } catch {
      // The directory cannot be read: writing will say so.
    }
  }

  async #checkSpace(): Promise<void> {
    const { files, directory, settings } = this.#options;
    try {
      const { freeBytes } = await files.space(directory);
      this.freeBytes = freeBytes;
      const isShort = freeBytes < settings.freeBytesMin;
      const least = `${Math.round(settings.freeBytesMin / MIB)} MiB`;
      this.writer.setRoomFault(
        isShort ? `Less than ${least} are free on the filesystem of ${directory} (spool.freeBytesMin): calls wait in memory.` : '',
      );
    } catch {
      // A filesystem that does not say how much is free.
    }
  }

  async #saveMarks(): Promise<void> {
    try {
      await this.#writeMarks();
      this.#isMarksFault = false;
    } catch (error) {
      if (!this.#isMarksFault) this.#options.log.warn('the cursors of the spool cannot be written now', { error });
      this.#isMarksFault = true;
    }
  }

  /** Writes cursors and state, with numbers reserved for long enough. */
  async #writeMarks(): Promise<void> {
    const { contents } = this.#options;
    const isLow = !this.#isClosing && this.reservedSequence - contents.lastSequence < RESERVED_MAX / 2;
    const reservedSequence = isLow ? contents.lastSequence + RESERVED_MAX : this.reservedSequence;
    const { removedSequence, removedRecords } = this.#quota;
    const { storedSequence, storedRecords } = contents;
    await this.#marks.write(
      { reservedSequence, removedSequence, removedRecords, storedSequence, storedRecords },
      contents.readers.map(({ name, cursorSequence }) => ({ name, ackedSequence: cursorSequence, unusedSinceMs: 0 })),
    );
    this.reservedSequence = reservedSequence;
  }
}
