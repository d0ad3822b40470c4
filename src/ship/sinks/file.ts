/**
 * Sink `file`: batches are appended to a file in any format.
 *
 *   calls.log       what is being written
 *   calls.log.1     the newest that is full, then .2 and so on, `filesMax` with the one that is written
 *
 * Every file is whole in its format: it begins with the format's begin and, once it is rotated, moved away or closed, ends
 * with its end. One that an earlier run left is continued behind its last whole record (file-resume.ts); one in another
 * format is rotated away.
 *
 * A batch is delivered when fdatasync has returned. One that does not go in wholly is cut off again before the next
 * attempt, so that a full disk leaves neither a part of a record nor a record twice.
 *
 * A file is rotated before a batch would take it beyond `rotateBytes`, and at the end of a period of `rotateHours`, counted
 * from 1970 in UTC, also when nothing comes; the next one is begun by the next batch. It is not compressed: other programs
 * read it. Numbers that do not follow directly on its own are somebody else's, and stay. When somebody else moves, deletes or
 * empties it, that is noticed before the next batch, or at once with `reload`.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../base/errors.ts';
import type { FileSinkSettings } from '../../base/settings.ts';
import type { Batch } from '../batch.ts';
import { retry } from '../failure.ts';
import type { Framing } from '../framing.ts';
import type { Outcome, ProbeStep, Problem, Sink } from '../sink.ts';
import { probeFile } from './file-probe.ts';
import { fileFailure, NoRegularFile } from './file-problems.ts';
import { resumeAt } from './file-resume.ts';

const LINE_FEED = Buffer.from('\n');
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK;
const MODE = 0o600;
const HOUR_MS = 3_600_000;
const BATCH_BYTES_MAX = 8 << 20;
/** A period that ended while the file was written to. */
const TIMER_MS_MIN = 100;
/** The longest that a timer can wait: it is set again then. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type FileOptions = Pick<FileSinkSettings, 'path' | 'rotateBytes' | 'rotateHours' | 'filesMax'>;

interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: number;
  readonly device: number;
  readonly bornAtMs: number;
  /** Bytes of whole batches. */
  size: number;
  /** Somebody left the last record without one. */
  lacksLineFeed: boolean;
  /** There may be something behind them that has to be cut off. */
  isDirty: boolean;
}

export class FileSink implements Sink {
  readonly concurrencyMax = 1;
  readonly batchBytesMax = BATCH_BYTES_MAX;
  readonly #options: FileOptions;
  readonly #framing: Framing;
  readonly #now: () => number;
  readonly #beginBytes: number;
  #file: OpenFile | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Opens nothing yet. `now`: milliseconds since 1970. */
  constructor(options: FileOptions, framing: Framing, now: () => number = Date.now) {
    this.#options = options;
    this.#framing = framing;
    this.#now = now;
    this.#beginBytes = framing.begin().length;
  }

  send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    return this.#inTurn(async () => {
      if (signal.aborted) return retry('aborted', 'The sensor stops', 'The batch is sent again after the next start.');
      try {
        await this.#follow();
        this.#file ??= await this.#open();
        if (this.#isDue(batch.bytes)) {
          await this.#rotate();
          this.#file = await this.#open();
        }
        await append(this.#file, this.#textOf(batch, this.#file));
        this.#file.lacksLineFeed = false;
        this.#setTimer();
        return { type: 'delivered' };
      } catch (error) {
        return fileFailure(this.#options.path, error);
      }
    });
  }

  /** Looks at folder, file, rights and room; opens and writes nothing. */
  probe(): Promise<readonly ProbeStep[]> {
    return probeFile(this.#options.path);
  }

  /** Somebody may have moved the file away: begins a new one then. */
  reload(): Promise<Problem | null> {
    return this.#inTurn(async () => {
      try {
        await this.#follow();
        this.#file ??= await this.#open();
        return null;
      } catch (error) {
        return fileFailure(this.#options.path, error).problem;
      }
    });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    return this.#inTurn(() => this.#leave());
  }

  /** For the end of the period that the file was begun in. */
  #setTimer(): void {
    const periodMs = this.#options.rotateHours * HOUR_MS;
    if (this.#timer !== undefined || this.#file === null || periodMs === 0 || this.#isClosed) return;
    const endMs = (Math.floor(this.#file.bornAtMs / periodMs) + 1) * periodMs;
    const ms = Math.max(endMs - this.#now(), TIMER_MS_MIN);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#inTurn(() => this.#endPeriod());
      },
      Math.min(ms, TIMER_MS_MAX),
    ).unref();
  }

  async #endPeriod(): Promise<void> {
    try {
      await this.#follow();
      if (this.#isDue(0)) await this.#rotate();
      this.#setTimer();
    } catch {
      // The next batch meets the same, and says so.
    }
  }

  /** One after the other: they all depend on the length of the file. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #textOf(batch: Batch, { size, lacksLineFeed }: OpenFile): Uint8Array {
    const { separator } = this.#framing;
    const parts: Uint8Array[] = size === 0 ? [this.#framing.begin()] : lacksLineFeed ? [LINE_FEED] : [];
    for (const [i, { bytes }] of batch.records.entries()) {
      if (separator.length > 0 && (i > 0 || size > this.#beginBytes)) parts.push(separator);
      parts.push(bytes);
    }
    return Buffer.concat(parts);
  }

  async #open(): Promise<OpenFile> {
    const { path } = this.#options;
    const before = await statOf(path);
    if (before !== null && !before.isFile()) throw new NoRegularFile();
    const handle = await open(path, FLAGS, MODE);
    try {
      if (before === null) await syncFolder(path);
      const { ino, dev, size, birthtimeMs, mtimeMs } = await handle.stat();
      const resume = await resumeAt(handle, size, this.#framing);
      if (resume !== null) {
        const bornAtMs = size === 0 ? this.#now() : birthtimeMs || mtimeMs;
        const { at, lacksLineFeed } = resume;
        return { handle, inode: ino, device: dev, bornAtMs, size: at, lacksLineFeed, isDirty: at < size };
      }
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
    await handle.close();
    // Also where no old files are kept: it is somebody else's.
    await this.#archive(Math.max(1, this.#options.filesMax - 1));
    return this.#open();
  }

  /** Lets go of a file that is not at its path any more, and looks what became of one that was emptied. */
  async #follow(): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    const found = await statOf(this.#options.path);
    if (found === null || found.ino !== file.inode || found.dev !== file.device) {
      await this.#leave();
      return;
    }
    if (file.isDirty || found.size === file.size) return;
    const resume = await resumeAt(file.handle, found.size, this.#framing);
    file.size = resume?.at ?? found.size;
    file.lacksLineFeed = resume?.lacksLineFeed ?? false;
    file.isDirty = file.size < found.size;
  }

  #isDue(bytes: number): boolean {
    const { rotateBytes, rotateHours } = this.#options;
    const file = this.#file;
    if (file === null || file.size <= this.#beginBytes) return false;
    if (rotateBytes > 0 && file.size + bytes > rotateBytes) return true;
    const periodMs = rotateHours * HOUR_MS;
    return periodMs > 0 && Math.floor(file.bornAtMs / periodMs) < Math.floor(this.#now() / periodMs);
  }

  async #rotate(): Promise<void> {
    const file = this.#file;
    if (file !== null) await this.#end(file);
    this.#file = null;
    await file?.handle.close();
    await this.#archive(this.#options.filesMax - 1);
  }

  /** Ends the file as far as that is possible, and closes it. */
  async #leave(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    await this.#end(file).catch(() => undefined);
    await file.handle.close().catch(() => undefined);
  }

  async #end(file: OpenFile): Promise<void> {
    await append(file, file.size === 0 ? new Uint8Array() : this.#framing.end());
  }

  /** Moves the file up, and those before it: only up to the first number that is free, so that a second try loses nothing. */
  async #archive(oldMax: number): Promise<void> {
    const { path } = this.#options;
    if (oldMax <= 0) await rm(path, { force: true });
    else {
      let free = 1;
      while (free < oldMax && (await statOf(`${path}.${free}`)) !== null) free++;
      for (let n = free - 1; n >= 1; n--) await rename(`${path}.${n}`, `${path}.${n + 1}`);
      await rename(path, `${path}.1`);
    }
    await this.#deleteBehind(oldMax);
    await syncFolder(path);
  }

  /** What a lower `filesMax` left: the numbers directly behind, up to the first that is free. Others may have such names too. */
  async #deleteBehind(oldMax: number): Promise<void> {
    const { path } = this.#options;
    if (oldMax > 0 && (await statOf(`${path}.${oldMax}`)) === null) return;
    let end = oldMax + 1;
    while ((await statOf(`${path}.${end}`))?.isFile() === true) end++;
    for (let n = end - 1; n > oldMax; n--) await rm(`${path}.${n}`, { force: true });
  }
}

/** All of the bytes, on the disk, or none of them and an error. */
async function append(file: OpenFile, bytes: Uint8Array): Promise<void> {
  const { handle } = file;
  if (file.isDirty) await handle.truncate(file.size);
  file.isDirty = true;
  try {
    for (let written = 0; written < bytes.length; ) {
      // A disk that fills up takes a part and reports no error; the next write has it.
      const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, file.size + written);
      written += bytesWritten;
    }
    await handle.datasync();
  } catch (error) {
    await handle.truncate(file.size).then(
      () => {
        file.isDirty = false;
      },
      () => undefined,
    );
    throw error;
  }
  file.size += bytes.length;
  file.isDirty = false;
}

async function statOf(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
