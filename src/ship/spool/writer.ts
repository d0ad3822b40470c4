/**
 * Brings frames to the disk: one activity that does one thing after the other, so that there is always one answer to what
 * is written and what is synced, while the next frames gather in memory.
 *
 *   begin a segment -> write what waits, together -> sync, every syncIntervalMs or syncBytes -> ... -> close it, next one
 *
 * When the disk takes nothing, or is to be left some room, the level falls to memory: what waits is accepted there, and
 * once a second it is tried again. After a sync that failed nobody knows what of the file is on the disk: what was not
 * synced before is written again, into a new segment.
 */
import { codeOf, reasonOf } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import type { Timers } from '../timers.ts';
import type { Contents } from './contents.ts';
import { type EncodedFrame, type FrameContent, linkFrame } from './frame.ts';
import type { HeldFrame } from './held.ts';
import type { SpoolLogger } from './logger.ts';
import { endNote, Segment, startNote } from './segment.ts';
import { writeAll } from './small-file.ts';

/** What is written with one call. */
const GROUP_BYTES_MAX = 4 << 20;
const SEGMENT_BYTES_MIN = 4096;
/** A segment is closed after this time, so that age can take it as a whole. */
const SEGMENT_AGE_MS_MAX = 3_600_000;
/** So many segments the quota holds at least: it is kept by whole ones. */
const SEGMENTS_MIN = 8;

export interface WriterOptions {
  readonly files: Files;
  readonly directory: string;
  readonly contents: Contents;
  readonly timers: Timers;
  readonly log: SpoolLogger;
  readonly level: 'os' | 'disk';
  readonly segmentBytes: number;
  readonly bytesMax: number;
  readonly syncIntervalMs: number;
  readonly syncBytes: number;
  readonly reservedSequence: () => number;
  /** As a frame goes to the disk. */
  readonly encode: (frame: HeldFrame, content: FrameContent) => EncodedFrame;
  /** Lets the oldest go until that many bytes more have room in the quota. */
  readonly makeRoom: (bytes: number) => Promise<void>;
  /** The fault has changed. */
  readonly onChange: () => void;
}

interface Active {
  readonly segment: Segment;
  readonly file: OpenFile;
  /** Behind the last whole frame. */
  end: number;
  /** Its name is on the disk. */
  isLinked: boolean;
  /** Behind the end there may be a part of a frame. */
  isTorn: boolean;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #segmentBytes: number;
  #active: Active | null = null;
  /** Where the frames of a group are put together, GROUP_BYTES_MAX at most: one group is written at a time. */
  #group: Buffer = Buffer.alloc(0);
  /** Frames in front of those that wait that are written and not synced, and their bytes. */
  #written = 0;
  #writtenBytes = 0;
  #isSyncDue = false;
  #cancelSync: (() => void) | null = null;
  #isEndDue = false;
  #isRunning = false;
  #isTrying = false;
  #isClosing = false;
  #diskFault = '';
  #isDiskFull = false;
  #roomFault = '';
  #lostFault = '';
  #lost: Segment[] = [];
  #isLossDue = false;
  #idle: (() => void)[] = [];

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#segmentBytes = Math.max(SEGMENT_BYTES_MIN, Math.min(options.segmentBytes, Math.floor(options.bytesMax / SEGMENTS_MIN)));
  }

  /** Why the disk takes nothing; "" when it does. */
  get fault(): string {
    return this.#lostFault || this.#diskFault || this.#roomFault;
  }

  /** Files are gone, and it is not known where to go on. */
  get isLost(): boolean {
    return this.#lostFault !== '';
  }

  /** There is something to write. */
  kick(): void {
    if (!this.#isRunning) void this.#run();
  }

  /** The filesystem has less room than it should be left, or enough again (""). */
  setRoomFault(fault: string): void {
    const before = this.fault;
    this.#roomFault = fault;
    if (before === this.fault) return;
    if (fault !== '') this.#options.contents.acceptAll();
    this.#options.onChange();
    this.kick();
  }

  /**
   * Somebody has removed these segments, the newest among them, or the whole directory. What memory has of them waits to be
   * written again, once it is `found` where. Ends when that is so.
   */
  async lose(segments: readonly Segment[], fault: string): Promise<void> {
    const before = this.fault;
    this.#lostFault = fault;
    this.#lost.push(...segments);
    this.#isLossDue = true;
    this.kick();
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve));
    if (before !== this.fault) this.#options.onChange();
  }

  /** The directory is ours, and there to be written. */
  found(): void {
    if (!this.isLost) return;
    this.#lostFault = '';
    this.#options.onChange();
    this.kick();
  }

  /** Tries again after a fault. */
  retry(): void {
    if (this.#diskFault === '' || this.#isRunning) return;
    if (this.#options.contents.held.waiting.length === 0) {
      this.#diskFault = '';
      this.#options.onChange();
      return;
    }
    this.#isTrying = true;
    this.kick();
  }

  /** Nothing more goes into that segment: it is damaged, or gone. */
  leave(segment: Segment): void {
    if (this.#active?.segment !== segment) return;
    this.#isEndDue = true;
    this.kick();
  }

  /** Where there is no room: the segment ends when nobody needs anything of what is stored, so that it can go. */
  giveRoom(): void {
    const { contents } = this.#options;
    const isShort = this.#roomFault !== '' || (this.#diskFault !== '' && this.#isDiskFull);
    const segment = this.#active?.segment;
    if (!isShort || segment === undefined || segment.frames === 0 || !contents.segments.every(({ isDone }) => isDone)) return;
    this.leave(segment);
  }

  /** Begins the next segment when this one has become too old. */
  checkAge(nowMs: number): void {
    const segment = this.#active?.segment;
    if (segment !== undefined && segment.frames > 0 && nowMs - segment.begunAtMs > SEGMENT_AGE_MS_MAX) this.leave(segment);
  }

  get activeSegment(): Segment | null {
    return this.#active?.segment ?? null;
  }

  /** Writes and syncs what waits, as far as the disk takes it now, and ends the segment. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#isTrying = true;
    this.kick();
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Lets go of the file that a disk which takes nothing has left open. */
  async release(): Promise<void> {
    const active = this.#active;
    this.#active = null;
    if (active !== null) await closed(active.file);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is to be done next is found without waiting: nothing that comes in the meantime is missed.
    for (let work = this.#nextWork(); work !== null; work = this.#nextWork()) await work.call(this);
    this.#isRunning = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #nextWork(): (() => Promise<void>) | null {
    if (this.#isLossDue) return this.#leaveLost;
    if (this.isLost) return null;
    // A disk that takes nothing need not take the last note.
    if (this.#diskFault !== '' && !this.#isTrying) return this.#isEndDue && this.#active !== null && this.#written === 0 ? this.#end : null;
    const { held } = this.#options.contents;
    const next = held.waiting[held.lockedCount];
    const canWrite = next !== undefined && (this.#roomFault === '' || this.#isClosing);
    const active = this.#active;
    if (active !== null) {
      const nextBytes = next?.encoded == null ? 0 : next.encoded.head.length + next.encoded.payload.length;
      const isFull = active.end > active.segment.dataAt && active.end + nextBytes > this.#segmentBytes;
      const isEnding = this.#isClosing ? !canWrite : this.#isEndDue;
      if (this.#written > 0) {
        if (isFull || isEnding || this.#isSyncDue || this.#writtenBytes >= this.#options.syncBytes) return this.#sync;
      } else if (isEnding || (isFull && canWrite)) return this.#end;
    }
    return canWrite ? this.#write : null;
  }

  async #write(): Promise<void> {
    const { contents, makeRoom } = this.#options;
    const { held } = contents;
    await makeRoom(held.waitingBytes > GROUP_BYTES_MAX ? GROUP_BYTES_MAX : held.waitingBytes);
    if (held.waiting.length === held.lockedCount) return;
    if (this.#active === null && !(await this.#begin(held.waiting[0].firstSequence))) return;
    const active = this.#active;
    if (active === null) return;
    const group = this.#gather(active);
    const from = held.lockedCount;
    held.lockedCount += group.ends.length;
    let written = 0;
    try {
      if (active.isTorn) await active.file.truncate(active.end);
      active.isTorn = false;
      while (written < group.bytes.length) {
        const count = await active.file.write(group.bytes.subarray(written), active.end + written);
        if (count <= 0) throw Object.assign(new Error('the disk takes nothing'), { code: 'ENOSPC' });
        written += count;
      }
      this.#took(active, from, group.ends, written);
    } catch (error) {
      const whole = group.ends.filter((end) => end <= written);
      active.isTorn = true;
      this.#took(active, from, whole, whole.at(-1) ?? 0);
      await this.#cut(active);
      this.#failed(error);
    }
  }

  /** Frames that go together, each linked to the one before it. */
  #gather(active: Active): { bytes: Buffer; ends: number[] } {
    const { contents } = this.#options;
    const { waiting, lockedCount } = contents.held;
    const parts: Buffer[] = [];
    const ends: number[] = [];
    let size = 0;
    let recordsBefore = contents.storedRecords;
    for (let i = 0; i < lockedCount; i++) recordsBefore += waiting[i].count;
    let previousSequence = lockedCount > 0 ? waiting[lockedCount - 1].lastSequence : contents.storedSequence;
    for (let i = lockedCount; i < waiting.length; i++) {
      const { encoded, lastSequence, count } = waiting[i];
      if (encoded === null) break;
      const { head, payload } = encoded;
      const frameBytes = head.length + payload.length;
      if (size > 0 && (active.end + size + frameBytes > this.#segmentBytes || size + frameBytes > GROUP_BYTES_MAX)) break;
      linkFrame(head, previousSequence, recordsBefore);
      previousSequence = lastSequence;
      recordsBefore += count;
      parts.push(head, payload);
      size += frameBytes;
      ends.push(size);
    }
    // Fresh memory for each group costs more than copying; what a single large record needs is not kept.
    let group = this.#group;
    if (group.length < size) {
      group = Buffer.allocUnsafeSlow(size);
      if (size <= GROUP_BYTES_MAX) this.#group = group;
    }
    let at = 0;
    for (const part of parts) {
      group.set(part, at);
      at += part.length;
    }
    return { bytes: group.subarray(0, size), ends };
  }

  /** These whole frames are written; the others of their group wait on. */
  #took(active: Active, from: number, ends: readonly number[], bytes: number): void {
    const { contents, level, timers, syncIntervalMs } = this.#options;
    active.end += bytes;
    contents.held.lockedCount = from + ends.length;
    if (ends.length === 0) return;
    this.#written += ends.length;
    this.#writtenBytes += bytes;
    if (level === 'os') this.#store(active);
    else if (this.#isClosing) this.#isSyncDue = true;
    else {
      this.#cancelSync ??= timers.after(syncIntervalMs, () => {
        this.#isSyncDue = true;
        this.kick();
      });
    }
  }

  #store({ segment, end }: Active): void {
    const count = this.#written;
    this.#forgetWritten();
    segment.dataEnd = end;
    segment.bytes = end;
    this.#options.contents.store(count, segment);
    if (this.#diskFault === '') return;
    this.#diskFault = '';
    this.#isTrying = false;
    this.#options.log.info('the spool is written to the disk again', { directory: this.#options.directory });
    this.#options.onChange();
  }

  #forgetWritten(): void {
    this.#written = 0;
    this.#writtenBytes = 0;
    this.#isSyncDue = false;
    this.#cancelSync?.();
    this.#cancelSync = null;
  }

  async #sync(): Promise<void> {
    const active = this.#active;
    if (active === null) return;
    try {
      await active.file.sync();
      if (!active.isLinked) await this.#options.files.syncDirectory(this.#options.directory);
      active.isLinked = true;
      this.#store(active);
    } catch (error) {
      await this.#abandon(active);
      this.#failed(error);
    }
  }

  /** Makes the file of a segment; false when that fails. */
  async #begin(firstSequence: number): Promise<boolean> {
    const { files, directory, contents, timers, reservedSequence } = this.#options;
    const segment = new Segment(directory, firstSequence);
    segment.pipelines = contents.pipelines;
    segment.sinks = contents.sinks;
    segment.keyId = contents.keys.currentId;
    segment.begunAtMs = timers.dateMs();
    segment.isSealed = false;
    segment.setReaders(contents.readers);
    const note = startNote(contents.pipelines, segment.keyId, segment.begunAtMs, reservedSequence(), contents.sinks);
    let file: OpenFile | null = null;
    try {
      file = await files.open(segment.path, true);
      await file.truncate(0);
      await writeAll(file, note, 0);
    } catch (error) {
      await this.#remove(segment, file);
      this.#failed(error);
      return false;
    }
    segment.dataAt = note.length;
    segment.dataEnd = note.length;
    segment.bytes = note.length;
    contents.segments.push(segment);
    this.#active = { segment, file, end: note.length, isLinked: false, isTorn: false };
    return true;
  }

  /** The last note of a segment. Without it the next start reads the segment whole: so it may fail. */
  async #end(): Promise<void> {
    const active = this.#active;
    this.#active = null;
    this.#isEndDue = false;
    if (active === null) return;
    const { segment, file, end } = active;
    segment.isSealed = true;
    if (segment.frames === 0) {
      this.#options.contents.forget(segment);
      await this.#remove(segment, file);
      return;
    }
    try {
      if (active.isTorn) await file.truncate(end);
      const note = endNote(segment);
      await writeAll(file, note, end);
      segment.bytes = end + note.length;
      if (this.#isClosing) {
        await file.sync();
        if (!active.isLinked) await this.#options.files.syncDirectory(this.#options.directory);
      }
    } catch {
      await this.#cut(active);
    }
    await closed(file);
    this.#options.contents.wake();
  }

  /** Leaves a segment after a sync that failed: what is not synced is to be written elsewhere. */
  async #abandon(active: Active): Promise<void> {
    const { contents } = this.#options;
    const { segment, file } = active;
    this.#active = null;
    this.#isEndDue = false;
    this.#forgetWritten();
    contents.held.lockedCount = 0;
    active.end = segment.dataEnd;
    segment.isSealed = true;
    if (segment.frames === 0) {
      contents.forget(segment);
      await this.#remove(segment, file);
      return;
    }
    await this.#cut(active);
    await closed(file);
    contents.wake();
  }

  async #leaveLost(): Promise<void> {
    const { contents, encode } = this.#options;
    this.#isLossDue = false;
    for (const segment of this.#lost) segment.isMissing = true;
    const active = this.#active;
    this.#lost = [];
    // Nothing is waited for between them: a reader would count what memory has as missing.
    const abandoned = active?.segment.isMissing === true ? this.#abandon(active) : null;
    contents.lose(encode);
    contents.acceptAll();
    await abandoned;
  }

  async #cut(active: Active): Promise<void> {
    try {
      await active.file.truncate(active.end);
      active.isTorn = false;
    } catch {
      active.isTorn = true;
    }
  }

  async #remove(segment: Segment, file: OpenFile | null): Promise<void> {
    if (file !== null) await closed(file);
    // What has its name by now is not ours.
    if (segment.isMissing) return;
    try {
      await this.#options.files.remove(segment.path);
    } catch {
      // The next segment of that name takes its place; a start finds it empty.
    }
  }

  #failed(error: unknown): void {
    const { contents, directory, log, onChange } = this.#options;
    this.#isTrying = false;
    this.#isDiskFull = ['ENOSPC', 'EDQUOT'].includes(codeOf(error));
    const isNew = this.#diskFault === '';
    this.#diskFault = `${directory} takes nothing: ${reasonOf(error)}. Calls wait in memory; free some space, or mend the disk.`;
    contents.acceptAll();
    if (!isNew) return;
    log.error('the spool cannot be written: calls wait in memory', { directory, error: codeOf(error) || String(error) });
    onChange();
  }
}

async function closed(file: OpenFile): Promise<void> {
  try {
    await file.close();
  } catch {
    // What counts was synced before.
  }
}
