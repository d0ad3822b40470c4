/**
 * ByteSource: where the bytes of one capture come from: a file, a pipe or standard input, plain or compressed with
 * gzip or zstd. Everything is synchronous and goes straight into the arena; a plain file costs one system call a
 * chunk and nothing else.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { bytes } from '../base/arena.ts';
import { codeOf, reasonOf, SensorError } from '../base/errors.ts';
import {
  CLOSED,
  type Compression,
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
  STARTING,
  STATE,
  TAKEN,
  WHOLE,
  WRITTEN,
} from './inflate-ring.ts';

const NAP_MS = 4;
const WAIT_MS = 1000;
const START_MS = 30_000;

const napping = new Int32Array(new SharedArrayBuffer(4));

export interface ByteSource {
  /** Reads at least 1 and at most `length` bytes into the arena at `at`; returns how many, 0 at the end. Never throws. */
  read(at: number, length: number): number;
  /** Size of the file in bytes; 0 when it is not known. */
  readonly bytesTotal: number;
  /** Bytes of the file (compressed, if it is) that were read. */
  readonly bytesRead: number;
  /** After the end: whether compressed data ended early or were damaged. */
  readonly compressedCut: boolean;
  /** After the end: the fault that ended it, if the system reported one. */
  readonly fault: unknown;
  /** Can be opened and read again. */
  readonly isFile: boolean;
  close(): void;
}

/** "standard input" or the path. */
export function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}

function unreadable(path: string, error: unknown): SensorError {
  const code = codeOf(error);
  const next =
    code === 'EISDIR'
      ? `Name the files in it, as ${path}/*.pcap.`
      : code === 'EACCES' || code === 'EPERM'
        ? 'Allow this user to read it, or run as one who may.'
        : 'Check the path and the medium.';
  return new SensorError('file-unreadable', `Cannot read ${nameOf(path)}`, reasonOf(error), next, error);
}

/** Plain bytes of a file descriptor. */
class PlainSource implements ByteSource {
  readonly bytesTotal: number;
  readonly isFile: boolean;
  readonly compressedCut = false;
  bytesRead = 0;
  fault: unknown;
  #fd: number;

  constructor(fd: number, size: number, isFile: boolean) {
    this.#fd = fd;
    this.bytesTotal = size;
    this.isFile = isFile;
  }

  read(at: number, length: number): number {
    return this.readInto(bytes, at, length);
  }

  /** The same into any buffer. */
  readInto(buffer: Uint8Array, at: number, length: number): number {
    for (;;) {
      if (this.#fd < 0) return 0;
      try {
        const n = readSync(this.#fd, buffer, at, length, null);
        this.bytesRead += n;
        return n;
      } catch (error) {
        const code = codeOf(error);
        // Standard input can be non-blocking because its other end, or an earlier owner, made it so.
        if (code === 'EAGAIN') Atomics.wait(napping, 0, 0, NAP_MS);
        else if (code === 'EOF') return 0;
        else if (code !== 'EINTR') {
          this.fault = error;
          return 0;
        }
      }
    }
  }

  /** Goes back to the start of a regular file. */
  reopen(path: string): boolean {
    try {
      const fd = openSync(path, 'r');
      this.close();
      this.#fd = fd;
      this.bytesRead = 0;
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#fd > 2) {
      try {
        closeSync(this.#fd);
      } catch {
        // It was read only: nothing is lost.
      }
    }
    this.#fd = -1;
  }
}

/** Decompressed bytes of a plain source. */
class InflatedSource implements ByteSource {
  compressedCut = false;
  readonly #plain: PlainSource;
  readonly #path: string;
  readonly #compression: Compression;
  #ring = new InflateRing();
  #worker: Worker;
  /** Plain bytes that were handed out. */
  #produced = 0;
  #taken = 0;
  #secondRun = false;
  #startFault: unknown;
  #closed = false;

  /** `head` to `headEnd` in the arena: what was read of the compressed bytes already, at most INPUT_BYTES. */
  constructor(plain: PlainSource, path: string, compression: Compression, head: number, headEnd: number) {
    this.#plain = plain;
    this.#path = path;
    this.#compression = compression;
    bytes.copy(this.#ring.input, 0, head, headEnd);
    Atomics.store(this.#ring.control, INPUT, headEnd - head);
    this.#worker = this.#start(0, Number.POSITIVE_INFINITY);
  }

  get bytesTotal(): number {
    return this.#plain.bytesTotal;
  }
  get bytesRead(): number {
    return this.#plain.bytesRead;
  }
  get fault(): unknown {
    return this.#startFault ?? this.#plain.fault;
  }
  get isFile(): boolean {
    return this.#plain.isFile;
  }

  read(at: number, length: number): number {
    const started = Date.now();
    for (;;) {
      const { control } = this.#ring;
      const seen = Atomics.load(control, SIGNAL);
      const state = Atomics.load(control, STATE);
      // Read before WRITTEN: an idle worker has put everything that it had.
      const idle = Atomics.load(control, IDLE) !== 0;
      const free = Atomics.load(control, INPUT) === 0;
      const available = (Atomics.load(control, WRITTEN) - this.#taken) | 0;
      // A file is read ahead of the worker; a pipe only when nothing else is to be had, for it may block.
      if (free && state <= RUNNING && (this.isFile || (idle && available === 0))) this.#feed();
      if (available > 0) return this.#take(at, Math.min(available, length));
      if (this.#closed || state === WHOLE) return 0;
      if (state === CUT || state === DAMAGED || state === CRASHED) {
        if (state === DAMAGED && this.#restart()) continue;
        this.compressedCut = true;
        return 0;
      }
      if (state === STARTING && Date.now() - started > START_MS) {
        this.#startFault = Object.assign(new Error('the decompressing thread did not start'), { code: 'ETIMEDOUT' });
        return 0;
      }
      Atomics.wait(control, SIGNAL, seen, WAIT_MS);
    }
  }

  close(): void {
    this.#closed = true;
    this.#end();
    this.#plain.close();
  }

  #start(skipBytes: number, fineFrom: number): Worker {
    const task: InflateTask = { shared: this.#ring.shared, compression: this.#compression, skipBytes, fineFrom };
    // Options of this process (-e, --test ...) are not meant for the worker and can stop it from starting.
    const worker = new Worker(new URL('./inflate-worker.ts', import.meta.url), { workerData: task, execArgv: [] });
    worker.unref();
    // A fault of the worker shows as its state; without a listener it would end the process.
    worker.on('error', () => {});
    return worker;
  }

  #end(): void {
    const { control } = this.#ring;
    Atomics.store(control, CLOSED, 1);
    Atomics.notify(control, INPUT);
    Atomics.notify(control, TAKEN);
    void this.#worker.terminate();
  }

  /** Decompresses a damaged file a second time, byte by byte near the damage, to have all that lies before it. */
  #restart(): boolean {
    if (this.#secondRun || !this.isFile || this.#path === '-') return false;
    this.#secondRun = true;
    const fineFrom = this.#ring.doubles[DAMAGED_AT];
    this.#end();
    if (!this.#plain.reopen(this.#path)) return false;
    this.#ring = new InflateRing();
    this.#taken = 0;
    this.#worker = this.#start(this.#produced, fineFrom);
    return true;
  }

  #feed(): void {
    const { control, input } = this.#ring;
    const n = this.#plain.readInto(input, 0, INPUT_BYTES);
    Atomics.store(control, IDLE, 0);
    Atomics.store(control, INPUT, n === 0 ? INPUT_END : n);
    Atomics.notify(control, INPUT);
  }

  #take(at: number, length: number): number {
    const { control, ring } = this.#ring;
    const from = this.#taken & (RING_BYTES - 1);
    const n = Math.min(length, RING_BYTES - from);
    bytes.set(ring.subarray(from, from + n), at);
    this.#taken = (this.#taken + n) | 0;
    this.#produced += n;
    Atomics.store(control, TAKEN, this.#taken);
    Atomics.notify(control, TAKEN);
    return n;
  }
}

function open(path: string): PlainSource {
  if (path === '-') {
    let size = 0;
    let isFile = false;
    try {
      const stat = fstatSync(0);
      if (stat.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
      isFile = stat.isFile();
      size = isFile ? stat.size : 0;
    } catch (error) {
      throw unreadable(path, error);
    }
    return new PlainSource(0, size, isFile);
  }
  let fd = -1;
  try {
    fd = openSync(path, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
    return new PlainSource(fd, stat.isFile() ? stat.size : 0, stat.isFile());
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    if (codeOf(error) === 'ENOENT') {
      throw new SensorError('file-missing', `Cannot read ${path}`, 'the file does not exist', 'Check the path.', error);
    }
    throw unreadable(path, error);
  }
}

/** The compression that the four bytes at `at` are the magic number of. */
function compressionAt(at: number): Compression | undefined {
  if (bytes[at] === 0x1f && bytes[at + 1] === 0x8b) return 'gzip';
  const magic = bytes.readUInt32LE(at);
  // zstd, or a skippable frame in front of it.
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) === 0x184d2a50 ? 'zstd' : undefined;
}

/** Reads until `wanted` bytes lie at `at`; the exclusive end of what is there. */
export function readAtLeast(source: ByteSource, at: number, wanted: number, room: number): number {
  let end = at;
  while (end - at < wanted) {
    const n = source.read(end, room - (end - at));
    if (n === 0) break;
    end += n;
  }
  return end;
}

export interface OpenedSource {
  readonly source: ByteSource;
  /** One past the bytes that were read into the slot already. */
  readonly end: number;
}

/**
 * Opens a path ("-" is standard input) and reads its first bytes (at least `headBytes`, if there are as many) into the
 * `capacity` bytes of the arena at `at`, decompressed if they are compressed. Throws SensorError: file-missing,
 * file-unreadable, file-empty, file-foreign (compressed data damaged from the start).
 */
export function openSource(path: string, at: number, capacity: number, headBytes: number): OpenedSource {
  const plain = open(path);
  const end = readAtLeast(plain, at, 4, Math.min(INPUT_BYTES, capacity));
  let source: ByteSource = plain;
  let sourceEnd = end;
  const compression = end - at >= 4 ? compressionAt(at) : undefined;
  if (compression !== undefined) {
    source = new InflatedSource(plain, path, compression, at, end);
    sourceEnd = at;
  }
  const already = sourceEnd - at;
  if (already < headBytes) sourceEnd = readAtLeast(source, sourceEnd, headBytes - already, capacity - already);
  if (sourceEnd > at) return { source, end: sourceEnd };
  source.close();
  const what = `Cannot read ${nameOf(path)}`;
  if (source.fault !== undefined) throw unreadable(path, source.fault);
  if (source.compressedCut) {
    throw new SensorError('file-foreign', what, `its ${compression} data are damaged from the start`, 'Copy the file again.');
  }
  throw new SensorError(
    'file-empty',
    what,
    compression === undefined ? 'it is empty' : `its ${compression} data are empty`,
    'Check the program that wrote it.',
  );
}
