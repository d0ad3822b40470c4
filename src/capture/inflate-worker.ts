/**
 * The worker end of a decompression (inflate-ring.ts): takes compressed bytes from the input buffer, puts plain
 * ones into the ring, waits when it is full. Members of a gzip file and frames of a zstd file follow each other
 * without limit; zero bytes after a member are padding.
 *
 * Node's decompressors throw away what they decoded in the step that fails, so the steps are small, and the reader
 * can ask for steps of one byte (`fineFrom`) in a second run, to have everything that lies before the damage.
 */
import { workerData } from 'node:worker_threads';
import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import {
  CLOSED,
  CRASHED,
  CUT,
  DAMAGED,
  DAMAGED_AT,
  IDLE,
  INPUT,
  INPUT_BYTES,
  INPUT_END,
  InflateRing,
  type InflateTask,
  RING_BYTES,
  RUNNING,
  SIGNAL,
  STATE,
  TAKEN,
  WHOLE,
  WRITTEN,
} from './inflate-ring.ts';

const STEP_BYTES = 16384;
const OUTPUT_CHUNK_BYTES = 131072;
const FAILED = -1;

const task = workerData as InflateTask;
const { control, doubles, input, ring } = new InflateRing(task.shared);

let skipBytes = task.skipBytes;
/** Compressed bytes that were worked off. */
let offset = 0;
let written = 0;

type Decoder = Gunzip | ZstdDecompress;
let failed = false;
/** Settles the step under way with the number of bytes that it used, or FAILED. */
let settle: (used: number) => void = () => {};

function signal(): void {
  Atomics.add(control, SIGNAL, 1);
  Atomics.notify(control, SIGNAL);
}

function endIfClosed(): void {
  if (Atomics.load(control, CLOSED) !== 0) process.exit();
}

/** Puts plain bytes into the ring; blocks this thread while it is full. */
function put(chunk: Uint8Array): void {
  let from = Math.min(skipBytes, chunk.length);
  skipBytes -= from;
  while (from < chunk.length) {
    endIfClosed();
    const taken = Atomics.load(control, TAKEN);
    const room = RING_BYTES - ((written - taken) | 0);
    if (room === 0) {
      Atomics.wait(control, TAKEN, taken);
      continue;
    }
    const at = written & (RING_BYTES - 1);
    const length = Math.min(room, chunk.length - from, RING_BYTES - at);
    ring.set(chunk.subarray(from, from + length), at);
    from += length;
    written = (written + length) | 0;
    Atomics.store(control, WRITTEN, written);
    signal();
  }
}

/** Copies the next input into `buffer`, blocking until there is some; 0 at the end. */
function takeInput(buffer: Uint8Array): number {
  for (;;) {
    endIfClosed();
    const length = Atomics.load(control, INPUT);
    if (length === INPUT_END) return 0;
    if (length > 0) {
      Atomics.store(control, IDLE, 0);
      buffer.set(input.subarray(0, length));
      Atomics.store(control, INPUT, 0);
      signal();
      return length;
    }
    Atomics.store(control, IDLE, 1);
    signal();
    Atomics.wait(control, INPUT, 0);
  }
}

function makeDecoder(): Decoder {
  const decoder =
    task.compression === 'gzip' ? createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }) : createZstdDecompress({ chunkSize: OUTPUT_CHUNK_BYTES });
  decoder.on('data', put);
  decoder.on('error', () => {
    failed = true;
    settle(FAILED);
  });
  return decoder;
}

/** Length of the step from that compressed offset on: up to the fine part, one byte in it, and long again behind it. */
function stepBytesAt(from: number): number {
  if (from < task.fineFrom) return Math.min(STEP_BYTES, task.fineFrom - from);
  return from < task.fineFrom + STEP_BYTES ? 1 : STEP_BYTES;
}

/** Gives `bytes` to the decoder; the number of bytes that it used, fewer than given when the member ended; or FAILED. */
function step(decoder: Decoder, bytes: Uint8Array): Promise<number> {
  const before = decoder.bytesWritten;
  return new Promise((resolve) => {
    settle = resolve;
    decoder.write(bytes, () => resolve(failed ? FAILED : decoder.bytesWritten - before));
  });
}

/** Whether the data may end here. */
function isWhole(decoder: Decoder): Promise<boolean> {
  return new Promise((resolve) => {
    settle = () => resolve(false);
    decoder.on('end', () => resolve(true));
    decoder.end();
  });
}

async function run(): Promise<number> {
  const buffer = new Uint8Array(INPUT_BYTES);
  // No decoder: between two members.
  let decoder: Decoder | undefined;
  for (;;) {
    const length = takeInput(buffer);
    if (length === 0) return decoder === undefined || (await isWhole(decoder)) ? WHOLE : CUT;
    let at = 0;
    while (at < length) {
      if (decoder === undefined) {
        if (buffer[at] === 0) {
          at++;
          offset++;
          continue;
        }
        decoder = makeDecoder();
      }
      const end = Math.min(at + stepBytesAt(offset), length);
      const used = await step(decoder, buffer.subarray(at, end));
      if (used === FAILED) {
        doubles[DAMAGED_AT] = offset;
        return DAMAGED;
      }
      if (used < end - at) {
        decoder.close();
        decoder = undefined;
      }
      at += used;
      offset += used;
    }
  }
}

// Whatever happens here, the reader must not wait for ever.
process.on('exit', () => {
  if (Atomics.load(control, STATE) <= RUNNING) Atomics.store(control, STATE, CRASHED);
  signal();
});
Atomics.store(control, STATE, RUNNING);
Atomics.store(control, STATE, await run());
signal();
