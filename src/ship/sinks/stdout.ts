/**
 * Sink `stdout`: batches go to standard output in any format, without ever blocking.
 *
 * A slow reader is waited for. When the reader has gone the outcome is retry with the problem "reader-gone"; whoever
 * started the sensor decides whether it ends. A batch that was broken off goes on at the byte where it ended: what lies in
 * a named pipe stays there for the next reader. Only when another batch came between does it begin anew.
 *
 * A batch is delivered when it is written. What a reader does with it, nobody knows. When standard output is a file that
 * fills its disk, and the sensor stops then, the part of a record is cut off again.
 */
import { close, constants, fstat, fstatSync, ftruncate, openSync, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { codeOf } from '../../base/errors.ts';
import type { Batch } from '../batch.ts';
import { retry } from '../failure.ts';
import type { Framing } from '../framing.ts';
import { passed } from '../probe.ts';
import type { Outcome, ProbeStep, Problem, Sink } from '../sink.ts';
import { fileFailure } from './file-problems.ts';

const AGAIN_MS = 10;
const BATCH_BYTES_MAX = 8 << 20;
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;

const writeTo = promisify(write);
const statOf = promisify(fstat);
const truncateTo = promisify(ftruncate);
const closeFile = promisify(close);

/** A batch that is not written to its end. */
interface Rest {
  readonly batchId: string;
  readonly bytes: Uint8Array;
  /** Ends of its records in `bytes`. */
  readonly ends: readonly number[];
  written: number;
}

export class StdoutSink implements Sink {
  readonly concurrencyMax = 1;
  readonly batchBytesMax = BATCH_BYTES_MAX;
  readonly #framing: Framing;
  readonly #fd: number;
  #rest: Rest | null = null;
  #hasBegun = false;
  #hasRecords = false;
  #isGone = false;

  /** `fd`: where to write, not blocking where that is possible; standard output when not said. */
  constructor(framing: Framing, fd: number = standardOutput()) {
    this.#framing = framing;
    this.#fd = fd;
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    try {
      if (this.#rest !== null && this.#rest.batchId !== batch.id) {
        // Another batch goes first: the record that was broken off becomes whole.
        const rest = this.#rest;
        const end = rest.ends.find((at) => at >= rest.written) ?? rest.bytes.length;
        if (!(await this.#write(rest, end, signal))) return stopped();
      }
      if (this.#rest?.batchId !== batch.id) this.#rest = this.#restOf(batch);
      if (!(await this.#write(this.#rest, this.#rest.bytes.length, signal))) return stopped();
      this.#rest = null;
      this.#isGone = false;
      return { type: 'delivered' };
    } catch (error) {
      if (codeOf(error) !== 'EPIPE') return fileFailure('standard output', error);
      this.#isGone = true;
      return retry('reader-gone', 'The reader of standard output has gone away', 'Start it again, together with the sensor.');
    }
  }

  /** Standard output is that of the sensor: nothing is to be seen from elsewhere, and nothing is written. */
  async probe(): Promise<readonly ProbeStep[]> {
    return [passed('output', 'standard output of the sensor; nothing was written to it')];
  }

  async reload(): Promise<Problem | null> {
    return null;
  }

  async close(): Promise<void> {
    try {
      const rest = this.#rest;
      if (rest !== null && rest.written > wholeEnd(rest)) {
        const stat = await statOf(this.#fd);
        if (stat.isFile()) await truncateTo(this.#fd, Math.max(0, stat.size - (rest.written - wholeEnd(rest))));
      }
      const end = this.#framing.end();
      if (this.#hasBegun && !this.#isGone && end.length > 0) await writeTo(this.#fd, end, 0, end.length, null);
    } catch {
      // There is nobody to whom it could be said.
    }
    this.#rest = null;
    if (this.#fd > 2) await closeFile(this.#fd).catch(() => undefined);
  }

  #restOf(batch: Batch): Rest {
    const { separator } = this.#framing;
    const parts: Uint8Array[] = this.#hasBegun ? [] : [this.#framing.begin()];
    let length = parts.length === 0 ? 0 : parts[0].length;
    const ends = [length];
    for (const [i, { bytes }] of batch.records.entries()) {
      if (separator.length > 0 && (i > 0 || this.#hasRecords)) {
        parts.push(separator);
        length += separator.length;
      }
      parts.push(bytes);
      length += bytes.length;
      ends.push(length);
    }
    return { batchId: batch.id, bytes: Buffer.concat(parts), ends, written: 0 };
  }

  /** Writes up to an offset; false: broken off by the signal. */
  async #write(rest: Rest, end: number, signal: AbortSignal): Promise<boolean> {
    while (rest.written < end) {
      if (signal.aborted) return false;
      try {
        const { bytesWritten } = await writeTo(this.#fd, rest.bytes, rest.written, end - rest.written, null);
        rest.written += bytesWritten;
        this.#hasBegun ||= rest.written >= rest.ends[0];
        this.#hasRecords ||= rest.written >= rest.ends[1];
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') throw error;
        await sleep(AGAIN_MS);
      }
    }
    return true;
  }
}

/** End of the last record that is written whole. */
function wholeEnd(rest: Rest): number {
  return rest.ends.findLast((at) => at <= rest.written) ?? 0;
}

function stopped(): Outcome {
  return retry('aborted', 'The sensor stops', 'The batch is sent again after the next start.');
}

/** A pipe or terminal is opened anew, so that only we do not block on it. */
function standardOutput(): number {
  const stat = fstatSync(1);
  if (!stat.isFIFO() && !stat.isCharacterDevice()) return 1;
  try {
    return openSync('/proc/self/fd/1', APPEND);
  } catch {
    return 1;
  }
}
