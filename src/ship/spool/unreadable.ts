/**
 * Reading where a disk may refuse it. That a read fails says nothing of what lies there: a process may have too many files
 * open, a path to the disk may be gone for a moment. So it is tried again, without end; only EIO of the same block, over a
 * minute and several tries, means that these bytes are lost.
 *
 *   | frame | frame |xxxx frame | frame |     x: a block of 4096 bytes that answers EIO
 *                    0000                    reads as zeros then: one more damage, that ends at the next frame
 *
 * What was given up stays so until the end of the process, also when it could be read again: it was counted.
 */
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import type { Timers } from '../timers.ts';

const BLOCK_BYTES = 4096;
/** A block that has failed so often, and for so long, is lost. */
const TIMES = 5;
const GIVEN_UP_MS = 60_000;
/** At the start everybody waits for it. */
const START_GIVEN_UP_MS = 20_000;
/** How long a start tries again for any other reason, and how long apart. */
const START_TRY_MS = 10_000;
const START_AGAIN_MS = 500;

/** What cannot be read of one file. */
export class Unreadable {
  readonly #givenUp = new Set<number>();
  readonly #failing = new Map<number, { readonly sinceMs: number; times: number }>();

  /** Something of it is lost. */
  get isAny(): boolean {
    return this.#givenUp.size > 0;
  }

  /** As the file reads, with zeros for blocks that are given up. Throws what the file throws, EIO while there is hope. */
  async read(file: OpenFile, into: Uint8Array, position: number, nowMs: number, givenUpMs: number): Promise<number> {
    if (!isWithin(this.#givenUp, position, into.length)) {
      try {
        const count = await file.read(into, position);
        if (isWithin(this.#failing, position, into.length)) this.#works(position, into.length);
        return count;
      } catch (error) {
        if (codeOf(error) !== 'EIO') throw error;
      }
    }
    return await this.#readBlocks(file, into, position, nowMs, givenUpMs);
  }

  #works(position: number, length: number): void {
    for (const block of [...this.#failing.keys()]) {
      if (block >= blockOf(position) && block <= blockOf(position + length - 1)) this.#failing.delete(block);
    }
  }

  async #readBlocks(file: OpenFile, into: Uint8Array, position: number, nowMs: number, givenUpMs: number): Promise<number> {
    const end = position + into.length;
    let failure: unknown = null;
    for (let at = position; at < end; ) {
      const block = blockOf(at);
      const next = Math.min(end, (block + 1) * BLOCK_BYTES);
      const part = into.subarray(at - position, next - position);
      if (this.#givenUp.has(block)) part.fill(0);
      else {
        try {
          const count = await file.read(part, at);
          this.#failing.delete(block);
          if (count < part.length) {
            if (failure !== null) throw failure;
            return at - position + count;
          }
        } catch (error) {
          if (codeOf(error) !== 'EIO') throw error;
          if (this.#fails(block, nowMs, givenUpMs)) part.fill(0);
          else failure ??= error;
        }
      }
      at = next;
    }
    if (failure !== null) throw failure;
    return into.length;
  }

  /** Whether that is once too often. */
  #fails(block: number, nowMs: number, givenUpMs: number): boolean {
    const known = this.#failing.get(block) ?? { sinceMs: nowMs, times: 0 };
    this.#failing.set(block, known);
    known.times++;
    if (known.times < TIMES || nowMs - known.sinceMs < givenUpMs) return false;
    this.#failing.delete(block);
    this.#givenUp.add(block);
    return true;
  }
}

function blockOf(at: number): number {
  return Math.floor(at / BLOCK_BYTES);
}

function isWithin(blocks: ReadonlySet<number> | ReadonlyMap<number, unknown>, position: number, length: number): boolean {
  for (const block of blocks.keys()) if (block >= blockOf(position) && block <= blockOf(position + length - 1)) return true;
  return false;
}

/** A file of the spool, for a reader that tries again by itself. */
export function withUnreadable(file: OpenFile, unreadable: Unreadable, timers: Timers, givenUpMs: number = GIVEN_UP_MS): OpenFile {
  return {
    write: (bytes, position) => file.write(bytes, position),
    read: (into, position) => unreadable.read(file, into, position, timers.nowMs(), givenUpMs),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
  };
}

/** Nothing that waiting helps: the file is gone, or may not be read, or is no file. */
function isForGood(error: unknown): boolean {
  return error instanceof SensorError || codeOf(error) === 'ENOENT' || isForbidden(error) || isNoFile(error);
}

/** Something else stands there under the name of a file. */
export function isNoFile(error: unknown): boolean {
  return ['EISDIR', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ENODEV'].includes(codeOf(error));
}

/** What stands there, as a clause. */
export function noFileReason(error: unknown): string {
  return codeOf(error) === 'EISDIR' ? reasonOf(error) : 'it is no regular file';
}

/** This user may not do that, or nobody may: it says nothing of what lies there. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error));
}

/** Reads for a start: everything is tried again for some seconds. */
export class PatientReading {
  readonly #files: Files;
  readonly #timers: Timers;
  /** What is left of the time that the start waits for blocks that fail: several of them fail together. */
  #givenUpMs = START_GIVEN_UP_MS;

  constructor(files: Files, timers: Timers) {
    this.#files = files;
    this.#timers = timers;
  }

  /** The filesystem, with this patience in all that only reads. */
  get files(): Files {
    const files = this.#files;
    return {
      ...files,
      open: (path, create) => (create ? files.open(path, create) : this.#patiently(() => files.open(path, create))),
      readAll: (path) => this.#patiently(() => files.readAll(path)),
      list: (directory) => this.#patiently(() => files.list(directory)),
    };
  }

  /** Opens a file; ENOENT when it is not there. */
  async open(path: string, unreadable: Unreadable): Promise<OpenFile> {
    const file = await this.#patiently(() => this.#files.open(path, false));
    return {
      ...withUnreadable(file, unreadable, this.#timers),
      read: (into, position) => this.#read(file, unreadable, into, position),
      size: () => this.#patiently(() => file.size()),
    };
  }

  async #read(file: OpenFile, unreadable: Unreadable, into: Uint8Array, position: number): Promise<number> {
    for (;;) {
      const beganMs = this.#timers.nowMs();
      try {
        return await this.#patiently(() => unreadable.read(file, into, position, this.#timers.nowMs(), this.#givenUpMs), ['EIO']);
      } catch (error) {
        // It ends: every try brings the block nearer to being given up.
        if (codeOf(error) !== 'EIO') throw error;
        await this.#pause();
        this.#givenUpMs = Math.max(0, this.#givenUpMs - (this.#timers.nowMs() - beganMs));
      }
    }
  }

  async #patiently<T>(work: () => Promise<T>, notCodes: readonly string[] = []): Promise<T> {
    for (let waitedMs = 0; ; waitedMs += START_AGAIN_MS) {
      try {
        return await work();
      } catch (error) {
        if (waitedMs >= START_TRY_MS || isForGood(error) || notCodes.includes(codeOf(error))) throw error;
      }
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => this.#timers.after(START_AGAIN_MS, resolve));
  }
}

/** A start that reads no further. */
export function spoolUnreadable(path: string, error: unknown): SensorError {
  return new SensorError(
    'spool-unreadable',
    `Cannot read the spool: ${path}`,
    `${reasonOf(error)}; it is left as it is`,
    'Mend what keeps the file from being read (open files, memory, rights, the disk), and start again.',
    error,
  );
}
