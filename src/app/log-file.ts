/**
 * A log file that rotates by size and age and never stops the service.
 *
 *   connector.log            what is being written
 *   connector.log.1.gz       the newest that is full, then .2.gz and so on, at most `filesMax` of them
 *   connector.log.rotating   full and being compressed: there for a moment, or while the disk is full
 *
 * Lines are written whole or not at all, in the background, so that a slow disk holds nobody up. What cannot be
 * written (disk full, folder gone, disk too slow) goes to standard error and is counted; every `retryMs` the file is
 * tried again. A file that was moved or deleted by somebody else is opened anew.
 *
 * Rotation renames first and compresses afterwards into a file of its own; older files move up only when that is
 * complete. So a full disk or a crash in the middle loses nothing: the next try, or the next start, goes on from
 * `.rotating`. (A crash between the last two steps leaves the same lines in two archives.) rotating-file-stream is
 * not used for this because it moves the archives up before it compresses, and does not look at short writes: on a
 * full disk lines vanish without an error.
 */
import {
  close,
  constants,
  createReadStream,
  createWriteStream,
  fstatSync,
  ftruncate,
  openSync,
  type Stats,
  statSync,
  write,
  writeSync,
} from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { codeOf, reasonOf, SensorError, writeReasonOf } from '../base/errors.ts';

const writeTo = promisify(write);
const closeFile = promisify(close);
const truncateTo = promisify(ftruncate);

/** Bytes that wait for the disk; what comes on top goes to standard error. */
const QUEUE_BYTES_MAX = 4 << 20;
const BATCH_BYTES_MAX = 256 << 10;
const MODE = 0o640;
const OPEN_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

export interface LogFileOptions {
  readonly path: string;
  /** The file is rotated before it grows beyond this. 0: never for its size. */
  readonly rotateBytes: number;
  /** It is rotated when it began in an earlier period of this length, counted from 1970 in UTC. 0: never for its age. */
  readonly rotateMs: number;
  /** Compressed files that are kept. */
  readonly filesMax: number;
  readonly retryMs: number;
  /** Takes the lines that the file does not. */
  readonly instead: (line: string) => void;
  /** Says on standard error that something is wrong with the file. */
  readonly complain: (message: string, fields: object) => void;
  /** The line that opens the file again after a failure. */
  readonly resumed: (linesElsewhere: number) => string;
}

export class LogFile {
  /** Lines that went to standard error in place of the file. */
  errors = 0;
  readonly #options: LogFileOptions;
  #fd = -1;
  #inode = 0;
  #device = 0;
  #bytes = 0;
  #bornAtMs = 0;
  #queue: string[] = [];
  #queueBytes = 0;
  #inFlight: string[] = [];
  #writing = false;
  #broken = false;
  #elsewhere = 0;
  #pump: Promise<void> = Promise.resolve();
  #pumping = false;
  #compressing: Promise<void> | undefined;
  #compressAfterMs = 0;
  #rotateAfterMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Opens the file. Throws SensorError (log-failed). */
  constructor(options: LogFileOptions) {
    this.#options = options;
    try {
      this.#open();
    } catch (error) {
      const why = error instanceof NoRegularFile ? error.message : writeReasonOf(error);
      throw new SensorError('log-failed', `Cannot write the log ${options.path}`, why, adviceOf(error), error);
    }
    if (statOf(this.#rotating) !== undefined) this.#compress();
  }

  write(line: string): void {
    if (this.#broken || this.#closed || this.#queueBytes + line.length > QUEUE_BYTES_MAX) {
      this.#divert([line]);
      return;
    }
    this.#queue.push(line);
    this.#queueBytes += line.length;
    if (!this.#pumping) this.#pump = this.#drain();
  }

  /** Writes what waits, finishes a rotation that is under way, and closes the file. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#pump;
    await this.#compressing;
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#fd >= 0) await closeFile(this.#fd).catch(() => undefined);
    this.#fd = -1;
  }

  /** For the end of the process: writes what waits, at once. A write that is under way is finished by Node itself. */
  flushAtExit(): void {
    const lines = this.#writing ? this.#queue : [...this.#inFlight, ...this.#queue];
    this.#queue = [];
    if (lines.length === 0) return;
    try {
      writeSync(this.#fd, lines.join(''));
    } catch {
      this.#divert(lines);
    }
  }

  get #rotating(): string {
    return `${this.#options.path}.rotating`;
  }

  #archive(n: number): string {
    return `${this.#options.path}.${n}.gz`;
  }

  #open(): void {
    const { path } = this.#options;
    if (statOf(path)?.isFile() === false) throw new NoRegularFile();
    const fd = openSync(path, OPEN_FLAGS, MODE);
    const { ino, dev, size, birthtimeMs, mtimeMs } = fstatSync(fd);
    this.#fd = fd;
    this.#inode = ino;
    this.#device = dev;
    this.#bytes = size;
    this.#bornAtMs = size === 0 ? Date.now() : birthtimeMs || mtimeMs;
  }

  async #drain(): Promise<void> {
    this.#pumping = true;
    while (this.#queue.length > 0) {
      let n = 0;
      for (let bytes = 0; n < this.#queue.length && bytes < BATCH_BYTES_MAX; n++) bytes += this.#queue[n].length;
      this.#inFlight = this.#queue.splice(0, n);
      for (const line of this.#inFlight) this.#queueBytes -= line.length;
      try {
        await this.#append(Buffer.from(this.#inFlight.join('')));
      } catch (error) {
        this.#fail(error);
      }
      this.#inFlight = [];
    }
    this.#pumping = false;
  }

  /** All of the bytes, or none of them and an error. */
  async #append(bytes: Buffer): Promise<void> {
    await this.#follow();
    if (this.#bytes > 0 && this.#isDue(bytes.length)) await this.#rotate();
    const before = this.#bytes;
    let written = 0;
    this.#writing = true;
    try {
      while (written < bytes.length) {
        // A disk that fills up takes a part and reports no error; the next write has it.
        const { bytesWritten } = await writeTo(this.#fd, bytes, written, bytes.length - written);
        written += bytesWritten;
      }
    } catch (error) {
      if (written > 0) await truncateTo(this.#fd, before).catch(() => undefined);
      throw error;
    } finally {
      this.#writing = false;
    }
    this.#bytes = before + written;
  }

  /** The file may have been moved away, deleted or emptied by somebody else. */
  async #follow(): Promise<void> {
    const found = this.#fd < 0 ? undefined : await stat(this.#options.path).catch(() => undefined);
    if (found?.ino === this.#inode && found.dev === this.#device) {
      this.#bytes = found.size;
      return;
    }
    if (this.#fd >= 0) await closeFile(this.#fd).catch(() => undefined);
    this.#fd = -1;
    this.#open();
  }

  #isDue(bytes: number): boolean {
    const { rotateBytes, rotateMs } = this.#options;
    const now = Date.now();
    if (this.#compressing !== undefined || now < this.#rotateAfterMs) return false;
    return (
      (rotateBytes > 0 && this.#bytes + bytes > rotateBytes) ||
      (rotateMs > 0 && Math.floor(now / rotateMs) > Math.floor(this.#bornAtMs / rotateMs))
    );
  }

  async #rotate(): Promise<void> {
    const { path, retryMs, complain } = this.#options;
    if (statOf(this.#rotating) !== undefined) {
      if (Date.now() >= this.#compressAfterMs) this.#compress();
      return;
    }
    try {
      await rename(path, this.#rotating);
    } catch (error) {
      this.#rotateAfterMs = Date.now() + retryMs;
      complain(`the log ${path} cannot be rotated and grows on`, { why: reasonOf(error), next: adviceOf(error) });
      return;
    }
    await closeFile(this.#fd).catch(() => undefined);
    this.#fd = -1;
    this.#compress();
    this.#open();
  }

  /** Compresses `.rotating` in the background. */
  #compress(): void {
    this.#compressing = this.#archiveRotating()
      .catch((error: unknown) => {
        this.#compressAfterMs = Date.now() + this.#options.retryMs;
        const { path, complain } = this.#options;
        complain(`the log ${this.#rotating} cannot be compressed and stays as it is`, {
          why: reasonOf(error),
          next: adviceOf(error),
          path,
        });
      })
      .finally(() => {
        this.#compressing = undefined;
      });
  }

  async #archiveRotating(): Promise<void> {
    const { path, filesMax } = this.#options;
    const rotating = this.#rotating;
    const compressed = `${rotating}.gz`;
    try {
      await pipeline(createReadStream(rotating), createGzip(), createWriteStream(compressed, { mode: MODE, flush: true }));
    } catch (error) {
      await rm(compressed, { force: true }).catch(() => undefined);
      throw error;
    }
    for (let n = filesMax - 1; n >= 1; n--) await rename(this.#archive(n), this.#archive(n + 1)).catch(unlessMissing);
    await rename(compressed, this.#archive(1));
    await rm(rotating, { force: true });
    // Those beyond the limit, of a time when it was higher.
    const prefix = `${basename(path)}.`;
    for (const name of await readdir(dirname(path))) {
      const n = name.startsWith(prefix) ? /^(\d+)[.]gz$/.exec(name.slice(prefix.length))?.[1] : undefined;
      if (n !== undefined && Number(n) > filesMax) await rm(join(dirname(path), name), { force: true });
    }
  }

  #fail(error: unknown): void {
    const { path, retryMs, complain } = this.#options;
    if (this.#fd >= 0) close(this.#fd, () => undefined);
    this.#fd = -1;
    const why = error instanceof NoRegularFile ? error.message : writeReasonOf(error);
    if (!this.#broken) {
      complain(`the log ${path} cannot be written: its lines go to standard error until it can`, {
        why,
        next: adviceOf(error),
        retryS: retryMs / 1000,
      });
    }
    this.#broken = true;
    this.#divert(this.#inFlight);
    this.#divert(this.#queue);
    this.#queue = [];
    this.#queueBytes = 0;
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#pump = this.#retry();
    }, retryMs);
    this.#timer.unref();
  }

  async #retry(): Promise<void> {
    try {
      await this.#append(Buffer.from(this.#options.resumed(this.#elsewhere)));
      this.#broken = false;
      this.#elsewhere = 0;
    } catch (error) {
      this.#fail(error);
    }
  }

  #divert(lines: readonly string[]): void {
    this.errors += lines.length;
    this.#elsewhere += lines.length;
    for (const line of lines) this.#options.instead(line);
  }
}

class NoRegularFile extends Error {
  constructor() {
    super('it is no regular file');
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function adviceOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'Free some space on that disk.';
  if (error instanceof NoRegularFile) return 'Name a file with log.file, or leave it empty for standard error.';
  return 'Name a file with log.file in a folder that exists and that Earshot may write to, or leave it empty for standard error.';
}
