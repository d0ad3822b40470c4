/**
 * What is in the directory at the start, mended as far as it goes. Whatever the files hold, it comes to an end with
 * something that the sensor can go on with. Refused are a spool of a later version, one whose key is not known, and one of
 * which a file cannot be read for a reason that says nothing of what it holds: nothing is counted or changed for that.
 *
 *   the end of the last segment is torn   cut to the last whole frame: it was not accepted
 *   damage between two frames             skipped, kept in quarantine/, counted
 *   a block that the disk does not read   tried for a while, then the same; the file stays as it is (unreadable.ts)
 *   no file under the name of a segment   put into quarantine/
 *   a frame, or a whole segment, is gone  the next frame says what stood before it: counted
 *   a cursor is damaged or gone           its reader begins at the oldest data
 *   a cursor is beyond the data           it stays: the next records get higher numbers, because those are reserved
 *   the state is gone                     segments and cursors say which numbers were used
 *
 * Records that are missing have no routes any more, so they count for every reader that had not acked them.
 */
import { dirname, join } from 'node:path';
import { codeOf, SensorError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import type { Timers } from '../timers.ts';
import { ownShare, ownShareBetween, type ReaderBooks } from './books.ts';
import { Contents, type ReaderOptions } from './contents.ts';
import { type FrameHead, openPayload } from './frame.ts';
import type { SpoolKeys } from './keys.ts';
import type { SpoolLogger } from './logger.ts';
import { type Cursor, isMark, noMarks, readCursors, readMarks, type SpoolMarks } from './marks.ts';
import { putAside, putNoFilesAside, Quarantine } from './quarantine.ts';
import type { FoundDamage, FoundFrame } from './scanner.ts';
import { endNote, pipelinesIdOf, readNotes, Segment, segmentSequence } from './segment.ts';
import { isLeftover, writeAll } from './small-file.ts';
import { noteUnclaimed } from './unclaimed.ts';
import { isNoFile, PatientReading, spoolUnreadable } from './unreadable.ts';
import { type FoundGap, SegmentWalk } from './walk.ts';

export interface RecoverOptions {
  readonly files: Files;
  readonly directory: string;
  readonly pipelines: readonly string[];
  readonly readers: readonly ReaderOptions[];
  readonly keys: SpoolKeys;
  readonly memoryBytesMax: number;
  readonly timers: Timers;
  readonly log: SpoolLogger;
}

export interface Recovered {
  readonly contents: Contents;
  readonly marks: SpoolMarks;
  /** Cursors without a reader. */
  readonly unused: readonly Cursor[];
  readonly quarantine: Quarantine;
}

export async function recover(options: RecoverOptions): Promise<Recovered> {
  return await new Recovery(options).run();
}

class Recovery {
  readonly #options: RecoverOptions;
  readonly #quarantine: Quarantine;
  readonly #patient: PatientReading;
  readonly #segments: Segment[] = [];
  #reservedSequence = 0;
  #storedSequence = 0;
  #pipelinesById = new Map<number, readonly string[]>();

  constructor(options: RecoverOptions) {
    this.#options = options;
    this.#quarantine = new Quarantine(options.files, options.directory);
    this.#patient = new PatientReading(options.files, options.timers);
  }

  async run(): Promise<Recovered> {
    const { directory, pipelines, readers, keys, memoryBytesMax } = this.#options;
    const { files } = this.#patient;
    const names = (await files.list(directory)).sort();
    await this.#putMarksAside(names.filter(isMark));
    const saved = await readMarks(files, directory);
    const marks = saved ?? noMarks;
    this.#storedSequence = marks.storedSequence;
    const cursors = await readCursors(files, directory, names);
    for (const name of names) {
      if (isLeftover(name)) await files.remove(join(directory, name));
      else if (segmentSequence(name) >= 0) await this.#openSegment(name, marks);
    }
    this.#completeTables();
    const lastKept = this.#segments.at(-1)?.lastSequence ?? 0;
    const cursorMax = Math.max(0, ...[...cursors.values()].map(({ ackedSequence }) => ackedSequence));
    // Sums of segments without their end are made by the walk; here only the numbers count, which must be known before.
    const contents = new Contents(pipelines, readers, keys, memoryBytesMax, { stored: 0, last: 0 });
    contents.segments.push(...this.#segments);
    const isNew = this.#startReaders(contents, cursors, marks);
    await this.#walkAll(contents);
    noteUnclaimed(contents, cursors, this.#options);
    this.#countMissing(contents, marks, isNew);
    const stored = contents.segments.at(-1)?.lastSequence ?? 0;
    contents.storedSequence = Math.max(stored, marks.storedSequence);
    contents.storedRecords = Math.max(contents.segments.at(-1)?.recordsUpTo ?? 0, marks.storedRecords);
    contents.lastSequence = Math.max(
      contents.storedSequence,
      lastKept,
      cursorMax,
      marks.removedSequence,
      saved === null ? this.#reservedSequence : marks.reservedSequence,
    );
    contents.acceptedSequence = contents.lastSequence;
    contents.held.evictedSequence = contents.lastSequence;
    for (const reader of contents.readers) {
      if (contents.segmentAfter(reader.position) === null) reader.skip(contents.lastSequence);
    }
    for (const reader of contents.readers) reader.queuedAtStart = reader.queued + reader.corrupt;
    const unused = [...cursors.values()].filter(({ name }) => !readers.some((reader) => reader.name === name));
    return { contents, marks, unused, quarantine: this.#quarantine };
  }

  /** Opens a segment and reads its notes; takes it away when it is empty, or was removed on purpose and came back. */
  async #openSegment(name: string, marks: SpoolMarks): Promise<void> {
    const { files, directory, keys, log } = this.#options;
    const segment = new Segment(directory, segmentSequence(name));
    let file: OpenFile | null = null;
    try {
      file = await this.#patient.open(segment.path, segment.unreadable);
      const { reservedSequence } = await readNotes(segment, file);
      this.#reservedSequence = Math.max(this.#reservedSequence, reservedSequence);
    } catch (error) {
      // It has gone in the meantime: that is counted with what is missing.
      if (codeOf(error) === 'ENOENT') return;
      if (!isNoFile(error)) throw refusal(segment, error);
      log.error('what has the name of a segment of the spool is no file, and is put aside', { segment: name, error });
      await this.#putAside(segment);
      return;
    } finally {
      await file?.close();
    }
    if (segment.keyId !== '' && !keys.byId.has(segment.keyId)) throw keyUnknown(segment, keys);
    if (segment.hasEnd && (segment.frames === 0 || segment.lastSequence <= marks.removedSequence)) {
      await files.remove(segment.path);
      return;
    }
    this.#segments.push(segment);
  }

  async #putMarksAside(names: readonly string[]): Promise<void> {
    const { files, directory } = this.#options;
    try {
      await putNoFilesAside(files, directory, names);
    } catch {
      // It is tried again at the next start.
    }
  }

  async #putAside(segment: Segment): Promise<void> {
    const { files, directory } = this.#options;
    try {
      await putAside(files, directory, segment.name);
    } catch {
      // It stays where it is, and is tried again at the next start.
    }
  }

  /** Where the note at the start of a segment is damaged, the table of another one with the same number is its own. */
  #completeTables(): void {
    for (const table of [this.#options.pipelines, ...this.#segments.map(({ pipelines }) => pipelines ?? [])]) {
      this.#pipelinesById.set(pipelinesIdOf(table), table);
    }
  }

  /** Puts the cursors where they were; the answer are the readers that begin here. */
  #startReaders(contents: Contents, cursors: ReadonlyMap<string, Cursor>, marks: SpoolMarks): Set<ReaderBooks> {
    const isNew = new Set<ReaderBooks>();
    for (const reader of contents.readers) {
      const cursor = cursors.get(reader.name);
      if (cursor === undefined) isNew.add(reader);
      reader.ackedSequence = Math.max(cursor?.ackedSequence ?? 0, marks.removedSequence);
      reader.position = reader.ackedSequence;
    }
    return isNew;
  }

  async #walkAll(contents: Contents): Promise<void> {
    for (const segment of [...contents.segments]) {
      const next = contents.segments[contents.segments.indexOf(segment) + 1];
      const isInside = contents.readers.some(
        ({ ackedSequence }) => ackedSequence >= segment.firstSequence && ackedSequence < segment.lastSequence,
      );
      if (segment.hasEnd && segment.pipelines !== null) segment.setReaders(contents.readers);
      if (!segment.hasEnd || segment.pipelines === null || isInside) {
        if (!(await this.#walk(contents, segment, next === undefined ? Number.POSITIVE_INFINITY : next.firstSequence - 1))) continue;
      } else {
        const tallies = Int32Array.from([...segment.tallies].flatMap(([routes, { records, bytes }]) => [routes, records, bytes]));
        for (const reader of contents.readers) {
          if (reader.ackedSequence < segment.firstSequence) this.#queue(segment, reader, ownShare(tallies, segment.routes[reader.place]));
        }
      }
    }
  }

  #queue(segment: Segment, reader: ReaderBooks, { records, bytes }: { records: number; bytes: number }): void {
    reader.queued += records;
    reader.queuedBytes += bytes;
    segment.queued[reader.place] += records;
    segment.queuedBytes[reader.place] += bytes;
  }

  /** Reads all of a segment; false when nothing is in it, and it is gone. */
  async #walk(contents: Contents, segment: Segment, untilSequence: number): Promise<boolean> {
    const { files } = this.#options;
    const hadEnd = segment.hasEnd;
    let file: OpenFile | null = null;
    try {
      file = await this.#patient.open(segment.path, segment.unreadable);
      const cutAt = await this.#walkFile(contents, segment, file, untilSequence);
      if (segment.frames === 0) {
        contents.forget(segment);
        if (!segment.unreadable.isAny) await files.remove(segment.path);
        return false;
      }
      // Behind what the disk does not read there may be more, at another start.
      if (!hadEnd && !segment.unreadable.isAny) await this.#close(segment, cutAt);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw refusal(segment, error);
      if (segment.frames > 0) return true;
      contents.forget(segment);
      return false;
    } finally {
      await file?.close();
    }
    return true;
  }

  /** Counts what is in it; returns where its frames end. */
  async #walkFile(contents: Contents, segment: Segment, file: OpenFile, untilSequence: number): Promise<number> {
    const isOpen = !segment.hasEnd;
    const walk = new SegmentWalk(file, segment, untilSequence);
    let end = segment.dataAt;
    // What is no whole frame waits here for one behind it: without one it may be where a crash has cut the file off.
    let odd: (FoundDamage | FoundFrame)[] = [];
    const settle = async (): Promise<void> => {
      for (const found of odd) {
        if (found.kind === 'damage') {
          if (contents.noteDamage(segment, found.at, 0)) await this.#quarantine.keep(file, segment, found.at, found.end);
          continue;
        }
        await this.#takeFrame(contents, segment, file, found, isOpen);
        end = found.end;
      }
      odd = [];
    };
    for (let found = await walk.next(); found !== null; found = await walk.next()) {
      if (found.kind === 'gap') {
        segment.missingAfter.add(found.afterSequence);
        this.#countGap(contents, found);
      } else if (found.kind === 'damage' || !found.isWhole) {
        odd.push(found);
      } else {
        await settle();
        await this.#takeFrame(contents, segment, file, found, isOpen);
        end = found.end;
      }
    }
    const known = untilSequence === Number.POSITIVE_INFINITY ? this.#storedSequence : untilSequence;
    const isTorn =
      isOpen &&
      !segment.unreadable.isAny &&
      odd.every((found) => (found.kind === 'damage' ? segment.lastSequence >= known : found.head.lastSequence > known));
    if (!isTorn) await settle();
    if (segment.routes.length === 0) segment.setReaders(contents.readers);
    const rest = isOpen ? null : walk.rest();
    if (rest !== null) {
      segment.missingAfter.add(rest.afterSequence);
      this.#countGap(contents, rest);
    }
    return end;
  }

  async #takeFrame(contents: Contents, segment: Segment, file: OpenFile, found: FoundFrame, isOpen: boolean): Promise<void> {
    if (segment.pipelines === null || segment.routes.length === 0) this.#takeTable(contents, segment, found.head);
    if (isOpen) segment.add(found.head, found.head.previousSequence, found.head.recordsBefore);
    await this.#countFrame(contents, segment, file, found);
  }

  #takeTable(contents: Contents, segment: Segment, head: FrameHead): void {
    segment.pipelines ??= this.#pipelinesById.get(head.pipelinesId) ?? null;
    segment.setReaders(contents.readers);
  }

  async #countFrame(contents: Contents, segment: Segment, file: OpenFile, found: FoundFrame): Promise<void> {
    const { head, isWhole } = found;
    const isUsable = isWhole && segment.pipelines !== null;
    if (!isUsable && contents.noteDamage(segment, found.at, head.count)) {
      await this.#quarantine.keep(file, segment, found.at, found.end);
    }
    let index: Int32Array | null = null;
    for (const reader of contents.readers) {
      if (reader.ackedSequence >= head.lastSequence) continue;
      const routes = segment.routes[reader.place];
      let share = ownShare(head.tallies, routes);
      if (reader.ackedSequence >= head.firstSequence) {
        if (isWhole) index ??= openPayload(head, found.headBytes, found.payload, this.#options.keys)?.index ?? null;
        if (index !== null) share = ownShareBetween(index, head.firstSequence, reader.ackedSequence, head.lastSequence, routes);
        else share.records = Math.min(share.records, head.lastSequence - reader.ackedSequence);
      }
      if (segment.pipelines === null) reader.corrupt += head.lastSequence - Math.max(reader.ackedSequence, head.firstSequence - 1);
      else if (isWhole) this.#queue(segment, reader, share);
      else reader.corrupt += share.records;
    }
  }

  /** Cuts off what is torn and writes the note that was not written. A disk that takes nothing leaves it as it is. */
  async #close(segment: Segment, end: number): Promise<void> {
    segment.dataEnd = end;
    let file: OpenFile | null = null;
    try {
      file = await this.#options.files.open(segment.path, true);
      if (end < segment.bytes) await file.truncate(end);
      segment.bytes = end;
      const note = endNote(segment);
      await writeAll(file, note, end);
      await file.sync();
      segment.bytes = end + note.length;
      segment.hasEnd = true;
    } catch (error) {
      this.#options.log.warn('the end of a segment of the spool cannot be mended now', { segment: segment.name, error });
    } finally {
      await file?.close();
    }
  }

  /** Records between two frames are gone; those that a reader had acked are no loss to it. */
  #countGap(contents: Contents, { afterSequence, upToSequence, records }: Omit<FoundGap, 'kind'>): void {
    let lost = 0;
    for (const reader of contents.readers) {
      // A cursor between the two says only how many numbers there are behind it.
      const left = reader.ackedSequence <= afterSequence ? records : Math.max(0, upToSequence - reader.ackedSequence);
      const own = Math.max(0, Math.min(records, left));
      reader.corrupt += own;
      lost = Math.max(lost, own);
    }
    contents.corruptRecords += lost;
  }

  /** What is gone before the first segment, between two, and behind the last one. */
  #countMissing(contents: Contents, marks: SpoolMarks, isNew: ReadonlySet<ReaderBooks>): void {
    const { segments, readers } = contents;
    // A reader that begins here has missed nothing of what came before the oldest segment.
    const oldest = segments[0]?.previousSequence ?? marks.storedSequence;
    for (const reader of isNew) reader.ackedSequence = Math.max(reader.ackedSequence, oldest);
    let afterSequence = marks.removedSequence;
    let stored = marks.removedRecords;
    const countUpTo = (upToSequence: number, recordsBefore: number): void => {
      if (upToSequence > afterSequence) this.#countGap(contents, { afterSequence, upToSequence, records: recordsBefore - stored });
    };
    for (const segment of segments) {
      countUpTo(segment.previousSequence, segment.recordsBefore);
      afterSequence = segment.lastSequence;
      stored = segment.recordsUpTo;
    }
    countUpTo(marks.storedSequence, marks.storedRecords);
    for (const reader of readers) {
      // Of what is gone there is nothing to wait for.
      const next = contents.segmentAfter(reader.ackedSequence);
      if (next !== null) reader.ackedSequence = Math.max(reader.ackedSequence, Math.min(next.previousSequence, next.firstSequence - 1));
      reader.position = reader.ackedSequence;
    }
  }
}

/** Of a start: nothing is given up for a reason that may pass. */
function refusal(segment: Segment, error: unknown): unknown {
  // A file of somebody else has its own words (lock.ts).
  const isKnown = error instanceof SensorError || codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM';
  return isKnown ? error : spoolUnreadable(segment.path, error);
}

function keyUnknown(segment: Segment, keys: SpoolKeys): SensorError {
  return new SensorError(
    'spool-key',
    `Cannot read the spool: ${segment.path} is encrypted with the key ${segment.keyId}`,
    keys.currentId === '' ? 'no key is configured' : `the configured ones are ${[...keys.byId.keys()].join(', ')}`,
    `Name the old key in spool.oldEncryptionKeys, or give up what is in there with earshot spool purge --directory ${dirname(segment.path)} --yes.`,
  );
}
