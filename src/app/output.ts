/** Writing to file descriptors so that a full disk and a reader that has gone away are told apart from faults. */
import { openSync, writeSync } from 'node:fs';
import { codeOf, SensorError, writeReasonOf } from '../base/errors.ts';

const AGAIN_MS = 2;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Thrown when the reader of the output has gone away (`| head -1`): the end of the work, not a fault. */
export class OutputClosed extends Error {}

/** Writes `[at, end)` to the end of it. Throws OutputClosed and SensorError (output-failed). */
export function writeBytes(fd: number, buffer: Buffer, at: number, end: number): void {
  for (let from = at; from < end; ) {
    try {
      from += writeSync(fd, buffer, from, end - from);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EPIPE') throw new OutputClosed();
      // A pipe that another program made non-blocking, and whose reader is slow.
      if (code !== 'EAGAIN') throw outputFailed(fd === 1 ? 'to standard output' : 'the output', error);
      Atomics.wait(sleeper, 0, 0, AGAIN_MS);
    }
  }
}

export function writeText(fd: number, text: string): void {
  const buffer = Buffer.from(text);
  writeBytes(fd, buffer, 0, buffer.length);
}

/** Opens a file anew for what a command prints; "-" is standard output. Throws SensorError (output-failed). */
export function openOutput(path: string): number {
  if (path === '-') return 1;
  try {
    return openSync(path, 'w', 0o600);
  } catch (error) {
    throw outputFailed(path, error);
  }
}

/** What is said of an output that cannot be opened or written; `what` follows "Cannot write". */
export function outputFailed(what: string, error: unknown): SensorError {
  const full = codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT';
  const next = full ? 'Free some space, or write to another place.' : 'Name a file in a folder that exists and that you may write to.';
  return new SensorError('output-failed', `Cannot write ${what}`, writeReasonOf(error), next, error);
}

/** A message for the operator on standard error; nobody may be listening there. */
export function say(text: string): void {
  try {
    writeText(2, text);
  } catch {
    // There is no other place to say it.
  }
}
