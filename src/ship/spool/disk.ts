/**
 * What a spool has on the disk, and what is done for it once a second: room on the filesystem, quota, files that somebody
 * has removed, cursors and state, another try after a fault.
 */
import { join } from 'node:path';
import { reasonOf } from '../../base/errors.ts';
import type { Settings } from '../../base/settings.ts';
import type { FileLock, Files } from '../files.ts';
import type { Timers } from '../timers.ts';
import type { Contents } from './contents.ts';
import { encodeFrame } from './frame.ts';
import { LOCK } from './lock.ts';
import type { SpoolLogger } from './logger.ts';
import { type Cursor, MarkWriter, type SpoolMarks } from './marks.ts';
import { Quota } from './quota.ts';
import type { Segment } from './segment.ts';
import { Writer } from './writer.ts';

/** Numbers that are reserved at once, so that none is given twice however much is lost. */
const RESERVED_MAX = 2 ** 30;
const AGAIN_MS = 1000;
const MIB = 1 << 20;
/** How long the state says that files were removed. */
const LOSS_TOLD_MS = 60_000;

export interface DiskOptions {
  readonly files: Files;
  readonly directory: string;
  readonly settings: Settings['spool'];
  readonly contents: Contents;
  readonly timers: Timers;
  readonly log: SpoolLogger;
  readonly lock: FileLock;
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
  #lock: FileLock;
  #loss = '';
  #lossAtMs = 0;
  #isMarksFault = false;
  #isClosing = false;

  constructor(options: DiskOptions) {
    const { settings, files, directory, contents, timers, log, marks, onChange } = options;
    this.#options = options;
    this.#lock = options.lock;
    this.#marks = new MarkWriter(files, directory);
    const shared = { files, directory, contents, log, bytesMax: settings.bytesMax };
    const { keys, pipelinesId } = contents;
    const frameOptions = { compression: settings.compression, keys, pipelinesId };
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
      encode: ({ tallies, firstSequence, acceptedAtMs }, content) =>
        encodeFrame(content, tallies, firstSequence, acceptedAtMs, frameOptions),
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
    this.writer.giveRoom();
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
    await this.#checkFiles();
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
    await this.#lock.release();
  }

  /** Somebody may have removed files under us. */
  async #checkFiles(): Promise<void> {
    const { contents, log } = this.#options;
    try {
      const isLocked = await this.#lock.isThere();
      const missing = await this.#quota.findMissing();
      for (const { name } of missing) log.error('a file of the spool is gone: somebody has removed it', { segment: name });
      const isNewest = missing.some((segment) => segment === contents.segments.at(-1));
      if (!isLocked || isNewest || this.writer.isLost) await this.#goOn(missing, isLocked);
      else for (const segment of missing) segment.isMissing = true;
    } catch {
      // The directory cannot be read: writing will say so.
    }
  }

  /** After the newest segment, or the whole directory, was removed: in a new segment, in a directory that is locked again. */
  async #goOn(missing: readonly Segment[], isLocked: boolean): Promise<void> {
    const { directory, timers, log } = this.#options;
    const wasLost = this.writer.isLost;
    const what = isLocked ? `${missing[0]?.path ?? directory} was removed` : `${directory} was removed or moved away`;
    if (missing.length > 0) this.#loss = `${what} while the sensor ran: calls that lay only there are lost.`;
    if (!isLocked || missing.length > 0) await this.writer.lose(missing, `${what}. Calls wait in memory until it is there again.`);
    const why = isLocked ? '' : await this.#takeDirectory();
    if (why !== '') {
      const next = 'Calls wait in memory; give that directory back to the user of the sensor, and to nobody else.';
      await this.writer.lose([], `${what}, and cannot be used again: ${why}. ${next}`);
      if (!wasLost) log.error('the directory of the spool is gone: calls wait in memory', { directory, why });
      return;
    }
    this.#marks.forget();
    this.#lossAtMs = timers.nowMs();
    log.error('the spool goes on after files of it were removed', { directory, why: what });
    this.writer.found();
  }

  /** Makes the directory and takes its lock; else says why not. */
  async #takeDirectory(): Promise<string> {
    const { files, directory } = this.#options;
    try {
      await files.makeDirectory(directory);
      const lock = await files.lock(join(directory, LOCK));
      if ('heldBy' in lock) return `${lock.heldBy > 0 ? `process ${lock.heldBy}` : 'another process'} uses it now`;
      await this.#lock.release();
      this.#lock = lock;
      return '';
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** What was removed in the last minute; "" when nothing was. */
  get loss(): string {
    if (this.#loss === '' || this.#options.timers.nowMs() - this.#lossAtMs > LOSS_TOLD_MS) return '';
    return `${this.#loss} Leave it to the sensor; to empty it, stop the sensor and use earshot spool purge.`;
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
    // The directory may be that of another sensor now.
    if (this.writer.isLost) return;
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
