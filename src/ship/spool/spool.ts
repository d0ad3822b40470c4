/**
 * The spool: the durable log between the workers that make masked calls and the sinks that take them. One log for all,
 * one cursor for each sink. `append` never waits and never throws; everything else happens on the event loop of the
 * thread that it lives in.
 *
 *   append -> frame.ts -> held.ts (memory) -> writer.ts -> segments on the disk -> reader.ts -> a sink
 *                                 |                                                   ^
 *                                 +---------- the usual way of a frame ---------------+
 *
 * `contents.ts` keeps the books; `disk.ts` looks after the disk; `quota.ts` lets the oldest go; `marks.ts` writes the
 * cursors; `recover.ts` is the start.
 */
import { SensorError } from '../../base/errors.ts';
import type { Settings } from '../../base/settings.ts';
import type { MaskedBatch } from '../../policy/masked-call.ts';
import type { Files } from '../files.ts';
import { nodeFiles } from '../node-files.ts';
import { systemTimers, type Timers } from '../timers.ts';
import { Contents, type ReaderOptions } from './contents.ts';
import { SpoolDisk } from './disk.ts';
import { DurableWaiters } from './durable.ts';
import { encodeFrame, type FrameOptions } from './frame.ts';
import { noKeys, type SpoolKeys } from './keys.ts';
import { lockSpool, spoolUnwritable } from './lock.ts';
import { type SpoolLogger, silent } from './logger.ts';
import { piecesOf } from './pieces.ts';
import type { Quarantine } from './quarantine.ts';
import { SpoolReader } from './reader.ts';
import { recover } from './recover.ts';
import type { Segment } from './segment.ts';
import type { SpoolLedger, SpoolState } from './state.ts';

const TICK_MS = 1000;
/** How long the state says that data went unsent. */
const EXPIRED_TOLD_MS = 60_000;

export interface SpoolOptions {
  readonly directory: string;
  readonly settings: Settings['spool'];
  /** Names of the pipelines, by bit of the routes. */
  readonly pipelines: readonly string[];
  readonly readers: readonly ReaderOptions[];
  readonly keys?: SpoolKeys;
  readonly files?: Files;
  readonly timers?: Timers;
  readonly log?: SpoolLogger;
  /** The level or the fault has changed. */
  readonly onState?: (state: SpoolState) => void;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #timers: Timers;
  readonly #log: SpoolLogger;
  readonly #files: Files;
  readonly #contents: Contents;
  readonly #frameOptions: FrameOptions;
  readonly #readers = new Map<string, SpoolReader>();
  readonly #durable = new DurableWaiters();
  /** Null at level memory. */
  #disk: SpoolDisk | null = null;
  #isFull = false;
  #expiredAtMs = 0;
  #expiredWhy = '';
  #isSettling = false;
  #isClosed = false;
  #cancelTick: (() => void) | null = null;
  #ticking: Promise<void> = Promise.resolve();

  private constructor(options: SpoolOptions, contents: Contents, quarantine: Quarantine | null) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#log = options.log ?? silent;
    this.#files = options.files ?? nodeFiles;
    this.#contents = contents;
    const { compression } = options.settings;
    this.#frameOptions = { compression, keys: contents.keys, pipelinesId: contents.pipelinesId };
    const context = {
      files: this.#files,
      contents,
      quarantine,
      timers: this.#timers,
      log: this.#log,
      onDamage: (segment: Segment): void => this.#disk?.writer.leave(segment),
      // Where only memory is, there is room at once for who waits for it.
      onAck: (): void => {
        if (this.#disk === null) contents.dropDone();
      },
      onFault: (): void => this.#changed(),
    };
    for (const books of contents.readers) this.#readers.set(books.name, new SpoolReader(books, context));
  }

  /**
   * Opens the spool in that directory, mended as far as it goes. Throws SensorError: spool-locked, spool-newer, spool-key,
   * spool-unwritable. At level memory nothing is read and nothing written: what is in the directory waits for a start at
   * another level.
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { settings, pipelines, readers, keys = noKeys } = options;
    if (settings.level === 'memory') {
      // Numbers of before are not known; those from the clock are later than any that it gave.
      const sequence = clockSequence(options.timers ?? systemTimers, 0);
      const contents = new Contents(pipelines, readers, keys, settings.memoryBytesMax, { stored: sequence, last: sequence });
      for (const reader of contents.readers) reader.skip(sequence);
      const spool = new Spool(options, contents, null);
      spool.#tickLater();
      return spool;
    }
    return await Spool.#openOnDisk(options);
  }

  static async #openOnDisk(options: SpoolOptions): Promise<Spool> {
    const { directory, settings, pipelines, readers, files = nodeFiles, timers = systemTimers, keys = noKeys, log = silent } = options;
    const lock = await lockSpool(files, directory, timers);
    try {
      const recovered = await recover({ files, directory, pipelines, readers, keys, memoryBytesMax: settings.memoryBytesMax, timers, log });
      const spool = new Spool(options, recovered.contents, recovered.quarantine);
      spool.#disk = new SpoolDisk({
        files,
        directory,
        settings,
        contents: recovered.contents,
        timers,
        log,
        lock,
        marks: recovered.marks,
        onChange: () => spool.#changed(),
      });
      await spool.#disk.start(recovered.unused);
      spool.#tickLater();
      return spool;
    } catch (error) {
      await lock.release();
      throw error instanceof SensorError ? error : spoolUnwritable(directory, error);
    }
  }

  /**
   * Takes a batch over: its bytes must not change any more. Records for which neither the disk nor the memory has room are
   * lost, and counted.
   */
  append(batch: MaskedBatch): void {
    const contents = this.#contents;
    const count = batch.index.length / 2;
    contents.offered += count;
    let taken = 0;
    try {
      if (!this.#isClosed) {
        for (const piece of piecesOf(batch)) {
          if (!this.#appendPiece(piece.bytes, piece.index, piece.tallies)) break;
          taken += piece.index.length / 2;
        }
      }
    } catch (error) {
      // A fault of ours; the capture must not end by it.
      this.#log.error('a batch cannot be put into the spool', { error });
    }
    contents.lost += count - taken;
    if (count > taken) this.#setFull(true);
    else if (this.#isFull) this.#setFull(false);
    this.#disk?.writer.kick();
    if (this.#disk === null) this.#settleDurable();
  }

  #appendPiece(bytes: Uint8Array, index: Int32Array, tallies: Int32Array): boolean {
    const contents = this.#contents;
    const { held } = contents;
    const { memoryBytesMax } = this.#options.settings;
    if (held.waitingBytes >= memoryBytesMax && !contents.makeRoom(memoryBytesMax - 1)) return false;
    const count = index.length / 2;
    if (contents.lastSequence + count > (this.#disk?.reservedSequence ?? 0))
      contents.lastSequence = clockSequence(this.#timers, contents.lastSequence);
    const firstSequence = contents.lastSequence + 1;
    const acceptedAtMs = Math.max(0, Math.floor(this.#timers.dateMs()));
    const encoded = encodeFrame({ bytes, index }, tallies, firstSequence, acceptedAtMs, this.#frameOptions);
    const size = encoded.head.length + encoded.payload.length;
    // One frame has room even where it alone is more than the limit.
    const room = memoryBytesMax - size;
    if (held.waitingBytes > 0 && held.waitingBytes > room && !contents.makeRoom(Math.max(0, room))) return false;
    const frame = {
      firstSequence,
      lastSequence: firstSequence + count - 1,
      count,
      acceptedAtMs,
      tallies,
      bytes: bytes.length,
      encoded,
      content: { bytes, index },
      isAccepted: false,
      isStored: false,
      isDropped: false,
      segment: null,
      storedAfter: 0,
    };
    contents.push(frame);
    if (this.#level === 'memory') {
      contents.accept(frame);
      contents.wake();
    }
    return true;
  }

  /** Ends when the record is accepted at the level that the settings want; at level disk that is on the disk. */
  durable(sequence: number): Promise<void> {
    const durable = this.#durable.add(sequence);
    this.#settleDurable();
    return durable;
  }

  #settleDurable(): void {
    if (!this.#durable.settle(this.#durableSequence) || this.#isSettling) return;
    this.#isSettling = true;
    void this.#contents.wait().then(() => {
      this.#isSettling = false;
      this.#settleDurable();
    });
  }

  get #durableSequence(): number {
    const contents = this.#contents;
    if (this.#disk === null) return contents.lastSequence;
    return this.#disk.writer.isLost ? contents.safeSequence : contents.durableSequence;
  }

  /** The reader of that name, as configured. */
  reader(name: string): SpoolReader {
    const reader = this.#readers.get(name);
    if (reader === undefined) throw new Error(`the spool has no reader ${name}`);
    return reader;
  }

  /** Room beyond the quota for who writes again what he takes away, until the answer is called. */
  lendRoom(): () => void {
    return this.#disk?.lendRoom() ?? ((): void => {});
  }

  get #level(): SpoolState['level'] {
    const { level } = this.#options.settings;
    return this.#disk !== null && this.#disk.writer.fault !== '' ? 'memory' : level;
  }

  state(): SpoolLedger {
    const contents = this.#contents;
    const { directory, settings } = this.#options;
    const oldest = contents.segments.find(({ frames }) => frames > 0);
    const inMemory = oldest === undefined ? contents.held.after(-1) : null;
    return {
      directory,
      level: (this.#disk?.loss ?? '') === '' ? this.#level : 'memory',
      wantedLevel: settings.level,
      fault: this.#fault(),
      offered: contents.offered,
      accepted: contents.accepted,
      lost: contents.lost,
      durableSequence: this.#durableSequence,
      lastSequence: contents.lastSequence,
      oldestSequence: oldest?.firstSequence ?? inMemory?.firstSequence ?? 0,
      oldestAtMs: oldest?.oldestAtMs ?? inMemory?.acceptedAtMs ?? 0,
      bytes: this.#disk === null ? contents.held.waitingBytes : contents.bytes,
      bytesMax: this.#disk === null ? settings.memoryBytesMax : settings.bytesMax,
      segments: contents.segments.length,
      freeBytes: this.#disk?.freeBytes ?? 0,
      corruptFrames: contents.corruptFrames,
      corruptRecords: contents.corruptRecords,
      readers: [...this.#readers.values()].map((reader) => reader.state()),
    };
  }

  #fault(): string {
    const fault = this.#disk?.writer.fault ?? '';
    if (this.#isFull) return `${fault === '' ? '' : `${fault} `}Memory is full too (spool.memoryBytesMax): calls are lost.`;
    if (fault !== '') return fault;
    for (const reader of this.#readers.values()) if (reader.fault !== '') return reader.fault;
    const loss = this.#disk?.loss ?? '';
    if (loss !== '') return loss;
    if (this.#expiredWhy === '' || this.#timers.nowMs() - this.#expiredAtMs > EXPIRED_TOLD_MS) return '';
    return this.#expiredWhy;
  }

  /**
   * Writes and syncs what waits, at most until then (wall clock), writes the cursors, and lets the directory go: later than
   * that where the disk still works for us, for nobody else may write there meanwhile.
   */
  async close(untilAtMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTick?.();
    const closing = this.#ticking.then(() => this.#disk?.close(untilAtMs));
    const released = closing.catch(() => {}).then(() => this.#disk?.release());
    await this.#until(untilAtMs, closing);
    await Promise.all([...this.#readers.values()].map((reader) => this.#until(untilAtMs, reader.close())));
    this.#durable.close();
    await this.#until(untilAtMs, released);
  }

  async #until(untilAtMs: number, work: Promise<unknown>): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#timers.after(Math.max(0, untilAtMs - this.#timers.dateMs()), resolve);
    });
    await Promise.race([work, late]);
    cancel();
  }

  #tickLater(): void {
    if (this.#isClosed) return;
    this.#cancelTick = this.#timers.after(TICK_MS, () => {
      this.#ticking = this.#tick().then(() => this.#tickLater());
    });
  }

  async #tick(): Promise<void> {
    const contents = this.#contents;
    if (this.#level === 'memory') contents.dropDone();
    contents.held.trim(contents.doneSequence);
    if (this.#disk === null) contents.expireTooOld(this.#timers.dateMs(), this.#options.settings.ageHoursMax);
    else await this.#disk.tick();
    this.#noteExpired();
    this.#settleDurable();
  }

  #noteExpired(): void {
    const { expired } = this.#contents;
    if (expired === '') return;
    const why = expired === 'quota' ? 'the quota (spool.bytesMax) is used up' : 'they are older than spool.ageHoursMax';
    if (this.#expiredWhy === '') this.#log.error('calls expire in the spool, unsent', { why });
    this.#expiredWhy = `Calls expire unsent: ${why}, and a sink does not keep up.`;
    this.#expiredAtMs = this.#timers.nowMs();
    this.#contents.expired = '';
  }

  #setFull(isFull: boolean): void {
    if (this.#isFull === isFull || this.#isClosed) return;
    this.#isFull = isFull;
    if (isFull) this.#log.error('calls are lost: neither the disk nor the memory of the spool has room', {});
    this.#changed();
  }

  #changed(): void {
    this.#options.onState?.(this.state());
  }
}

/** A number later than any that was given before: microseconds of the clock, where no better is known. */
function clockSequence(timers: Timers, lastSequence: number): number {
  const clock = Math.floor(timers.dateMs() * 1000);
  return Number.isSafeInteger(clock * 4) ? Math.max(lastSequence, clock) : lastSequence;
}
