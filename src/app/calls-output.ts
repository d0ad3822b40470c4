/**
 * The output of a running sensor: batches of lines go to a file or to standard output, in order, without ever
 * blocking. What cannot be written waits, at most `output.queueBytesMax` of it; beyond that new batches are lost and
 * counted. A write that failed is tried again every second, from the byte where it ended.
 *
 * Pipes are written without blocking: a write that waits for a reader would keep a thread, and with it the process,
 * beyond its end.
 */
import { close, constants, fstatSync, ftruncateSync, openSync, write } from 'node:fs';
import { codeOf, reasonOf, SensorError } from '../base/errors.ts';
import { outputFailed } from './output.ts';

const RETRY_MS = 1000;
const AGAIN_MS = 10;
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;
const ignored = (): void => {};

interface Batch {
  readonly bytes: Uint8Array;
  readonly records: number;
  readonly atMs: number;
}

export class CallsOutput {
  /** Records: calls, and gap records. */
  received = 0;
  written = 0;
  lost = 0;
  /** Bytes that were written, and that wait. */
  bytes = 0;
  queueBytes = 0;
  errors = 0;
  /** Why nothing can be written now; "" when it can. */
  fault = '';
  readonly #path: string;
  #fd: number;
  /** Takes the place of `#fd` at the end of a batch; -1 for none. */
  #newFd = -1;
  readonly #queueBytesMax: number;
  readonly #queue: Batch[] = [];
  /** Bytes of the first batch that are written. */
  #offset = 0;
  #writing = false;
  #closed = false;
  /** The reader of a pipe is gone, for good. */
  #isAbandoned = false;
  #timer: NodeJS.Timeout | undefined;
  #onIdle: (() => void)[] = [];

  /** `path` "-" is standard output. Throws SensorError (output-failed). */
  constructor(path: string, queueBytesMax: number) {
    this.#path = path;
    this.#queueBytesMax = queueBytesMax;
    this.#fd = open(path);
  }

  /** Nobody will ever read what is written: standard output was a pipe, and its reader has gone. */
  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Age of the oldest batch that waits, milliseconds. */
  get lagMs(): number {
    return this.#queue.length === 0 ? 0 : Math.max(0, Date.now() - this.#queue[0].atMs);
  }

  add(bytes: Uint8Array, records: number): void {
    this.received += records;
    if (this.#closed || this.queueBytes + bytes.length > this.#queueBytesMax) {
      this.lost += records;
      return;
    }
    this.queueBytes += bytes.length;
    this.#queue.push({ bytes, records, atMs: Date.now() });
    if (!this.#writing && this.#timer === undefined) this.#next();
  }

  /** Records that were meant for it and did not come so far. */
  lose(records: number): void {
    this.received += records;
    this.lost += records;
  }

  /**
   * Opens the file anew: somebody may have moved it away. No batch is cut by it: one that is being written ends in the old
   * file, one that could not be written goes whole into the new one. Throws SensorError; then the old one stays in use.
   */
  reopen(): void {
    if (this.#closed || !fstatSync(this.#fd).isFile()) return;
    const fd = open(this.#path);
    if (this.#newFd >= 0) close(this.#newFd, ignored);
    this.#newFd = fd;
    if (!this.#writing) this.#useNew();
  }

  #useNew(): void {
    if (this.#newFd < 0) return;
    this.#cutBack();
    close(this.#fd, ignored);
    this.#fd = this.#newFd;
    this.#newFd = -1;
  }

  /** Takes the written part of a batch back, that no file ends in half a line. A pipe keeps what it has. */
  #cutBack(): void {
    if (this.#offset === 0) return;
    try {
      const stat = fstatSync(this.#fd);
      if (stat.isFile()) {
        ftruncateSync(this.#fd, Math.max(0, stat.size - this.#offset));
        this.bytes -= this.#offset;
      }
    } catch {
      // A file that may only grow, for example: half a line stays in it.
    }
    this.#offset = 0;
  }

  #next(): void {
    const batch = this.#queue[0];
    if (batch === undefined) {
      for (const then of this.#onIdle.splice(0)) then();
      return;
    }
    this.#writing = true;
    write(this.#fd, batch.bytes, this.#offset, batch.bytes.length - this.#offset, null, (error, n) => {
      this.#writing = false;
      // Its records have been counted as lost.
      if (this.#closed) return;
      if (error !== null) {
        this.#useNew();
        this.#failed(error);
        return;
      }
      this.fault = '';
      this.#isAbandoned = false;
      this.bytes += n;
      this.#offset += n;
      if (this.#offset === batch.bytes.length) {
        this.#queue.shift();
        this.#offset = 0;
        this.queueBytes -= batch.bytes.length;
        this.written += batch.records;
        this.#useNew();
      }
      this.#next();
    });
  }

  #failed(error: Error): void {
    if (codeOf(error) !== 'EAGAIN') {
      this.errors++;
      this.#isAbandoned = codeOf(error) === 'EPIPE' && this.#path === '-';
      if (this.#isAbandoned) for (const then of this.#onIdle.splice(0)) then();
      this.fault = codeOf(error) === 'EPIPE' ? 'its reader has gone away' : reasonOf(error);
    }
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#next();
      },
      codeOf(error) === 'EAGAIN' ? AGAIN_MS : RETRY_MS,
    );
  }

  /** Waits until all is written, the time is over, or nobody is there who could read it; what waits then is lost and counted. */
  async close(untilAtMs: number): Promise<void> {
    if (this.#queue.length > 0 && !this.#isAbandoned) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => this.#onIdle.push(resolve)),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, Math.max(0, untilAtMs - Date.now()));
        }),
      ]);
      clearTimeout(timer);
    }
    this.#closed = true;
    clearTimeout(this.#timer);
    // A write under way would write behind the cut; its batch stays as it will be.
    if (!this.#writing) this.#cutBack();
    for (const { records } of this.#queue.splice(0)) this.lost += records;
    this.queueBytes = 0;
    for (const fd of [this.#fd, this.#newFd]) if (fd > 2) close(fd, ignored);
  }
}

function open(path: string): number {
  if (path === '-') return standardOutput();
  try {
    return openSync(path, APPEND | constants.O_CREAT, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'ENXIO') throw outputFailed(path, error);
    throw new SensorError(
      'output-failed',
      `Cannot write ${path}`,
      'it is a pipe that nobody reads, or a socket',
      'Start its reader first, or name a file.',
      error,
    );
  }
}

/** Standard output; a pipe or terminal is opened anew, so that only we do not block on it. */
function standardOutput(): number {
  const stat = fstatSync(1);
  if (!stat.isFIFO() && !stat.isCharacterDevice()) return 1;
  try {
    return openSync('/proc/self/fd/1', APPEND);
  } catch {
    return 1;
  }
}
