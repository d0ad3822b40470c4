/**
 * Mends a spool that no sensor uses, so that what is left of it is whole:
 *
 *   damage between whole frames     into quarantine/, and the segment is written anew without it
 *   no whole frame in a segment     the whole file into quarantine/, also what is no file; an empty one is removed
 *   a segment that was not closed   closed
 *   the state is damaged or gone    written anew, from what segments and cursors say
 *   records that are missing        stay missing, and are noted as known (holes.ts)
 *
 * Frames do not know the names of the pipelines, only which table of them is theirs. Where both notes of their segment are
 * damaged, the table of another segment or of the configuration may be it; without one the segment is left as it is.
 */
import { dirname, join } from 'node:path';
import { SensorError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import { nodeFiles } from '../node-files.ts';
import { namesIn, requireSpool } from './find-spool.ts';
import { HOLES, type Hole, readHoles, writeHoles } from './holes.ts';
import { noKeys, type SpoolKeys } from './keys.ts';
import { lockSpool, spoolUnwritable } from './lock.ts';
import { type Cursor, isMark, MarkWriter, noMarks, readCursors, readMarks, type SpoolMarks } from './marks.ts';
import { isReadable, type Looked, lookThrough, type OfflineOptions } from './offline.ts';
import { putAside, putNoFilesAside, Quarantine } from './quarantine.ts';
import { endNote, pipelinesIdOf, readNotes, Segment, segmentSequence, startNote } from './segment.ts';
import { isLeftover, writeAll } from './small-file.ts';
import { isNoFile } from './unreadable.ts';
import { SegmentWalk } from './walk.ts';

export interface Repaired {
  /** Segments that were written anew. */
  readonly mended: readonly string[];
  /** Segments without a whole frame, which were set aside or, with nothing in them, removed. */
  readonly setAside: readonly string[];
  /** Segments that nobody knows the pipelines of: as they were. */
  readonly left: readonly string[];
  readonly isStateNew: boolean;
  /** What is missing and was not known to be. */
  readonly newHoles: readonly Hole[];
}

export interface RepairOptions extends OfflineOptions {
  /** Names of the configured pipelines, by bit of the routes; null when there is no configuration. */
  readonly pipelines?: readonly string[] | null;
}

/** Afterwards verify finds nothing wrong, but for what is left. Throws SensorError: spool-locked, spool-missing, spool-newer. */
export async function repairSpool(directory: string, options: RepairOptions = {}): Promise<Repaired> {
  const { files = nodeFiles } = options;
  await requireSpool(files, directory);
  const lock = await lockSpool(files, directory);
  try {
    return await new Repair(files, directory, options).run();
  } catch (error) {
    throw error instanceof SensorError ? error : spoolUnwritable(directory, error);
  } finally {
    await lock.release();
  }
}

class Repair {
  readonly #files: Files;
  readonly #directory: string;
  readonly #keys: SpoolKeys;
  readonly #configured: readonly string[] | null;
  readonly #quarantine: Quarantine;
  readonly #tables = new Map<number, readonly string[]>();
  #reservedSequence = 0;

  constructor(files: Files, directory: string, { keys = noKeys, pipelines = null }: RepairOptions) {
    this.#files = files;
    this.#directory = directory;
    this.#keys = keys;
    this.#configured = pipelines;
    this.#quarantine = new Quarantine(files, directory);
  }

  async run(): Promise<Repaired> {
    const files = this.#files;
    const directory = this.#directory;
    const names = await namesIn(files, directory);
    const done: Record<'mended' | 'setAside' | 'left' | 'whole', string[]> = { mended: [], setAside: [], left: [], whole: [] };
    // A state of a later version is refused before anything is written.
    const marks = await readMarks(files, directory);
    await putNoFilesAside(
      files,
      directory,
      names.filter((name) => isMark(name) || name === HOLES),
    );
    await this.#readTables(names);
    for (const name of names) {
      if (isLeftover(name)) await files.remove(join(directory, name));
      else if (segmentSequence(name) >= 0) done[await this.#mend(name)].push(name);
    }
    const look = async (): Promise<Looked> =>
      await lookThrough(files, directory, await namesIn(files, directory), { keys: this.#keys, isDeep: true, isUsed: false });
    if (marks === null)
      await this.#writeState(
        (await look()).found.map(({ segment }) => segment),
        names,
      );
    const known = await readHoles(files, directory);
    const { gaps } = await look();
    const isNew = ({ afterSequence, upToSequence, records }: Hole): boolean =>
      known.every((hole) => hole.afterSequence !== afterSequence || hole.upToSequence !== upToSequence || hole.records !== records);
    const newHoles = gaps.filter(isNew);
    if (newHoles.length > 0 || gaps.length !== known.length) await writeHoles(files, directory, gaps);
    await files.syncDirectory(directory);
    return { mended: done.mended, setAside: done.setAside, left: done.left, isStateNew: marks === null, newHoles };
  }

  async #readTables(names: readonly string[]): Promise<void> {
    if (this.#configured !== null) this.#tables.set(pipelinesIdOf(this.#configured), this.#configured);
    for (const name of names.filter((each) => segmentSequence(each) >= 0)) {
      const segment = new Segment(this.#directory, segmentSequence(name));
      const file = await this.#open(segment);
      if (file === null) continue;
      try {
        const { reservedSequence } = await readNotes(segment, file);
        this.#reservedSequence = Math.max(this.#reservedSequence, reservedSequence);
        if (segment.pipelines !== null) this.#tables.set(pipelinesIdOf(segment.pipelines), segment.pipelines);
      } finally {
        await file.close();
      }
    }
  }

  /** Null: what has that name is no file. */
  async #open(segment: Segment): Promise<OpenFile | null> {
    try {
      return await this.#files.open(segment.path, false);
    } catch (error) {
      if (isNoFile(error)) return null;
      throw error;
    }
  }

  async #mend(name: string): Promise<'mended' | 'setAside' | 'left' | 'whole'> {
    const segment = new Segment(this.#directory, segmentSequence(name));
    const file = await this.#open(segment);
    if (file === null) return await this.#putAside(segment);
    try {
      const { reservedSequence } = await readNotes(segment, file);
      const whole: { readonly at: number; readonly end: number }[] = [];
      const damaged: { readonly at: number; readonly end: number }[] = [];
      const copy = new Segment(this.#directory, segment.firstSequence);
      let { pipelines, keyId } = segment;
      const walk = new SegmentWalk(file, segment);
      for (let found = await walk.next(); found !== null; found = await walk.next()) {
        if (found.kind === 'gap') continue;
        const { at, end } = found;
        if (found.kind === 'frame') this.#reservedSequence = Math.max(this.#reservedSequence, found.head.lastSequence);
        if (found.kind === 'damage' || !isReadable(found, this.#keys)) {
          damaged.push({ at, end });
          continue;
        }
        copy.add(found.head, found.head.previousSequence, found.head.recordsBefore);
        pipelines ??= this.#tables.get(found.head.pipelinesId) ?? null;
        keyId = found.head.keyId;
        whole.push({ at, end });
      }
      if (whole.length === 0) return damaged.length > 0 || segment.frames > 0 ? await this.#putAside(segment) : await this.#remove(segment);
      // A start whose pipelines are those still delivers it; that no configuration names them is known only with one.
      if (pipelines === null) return this.#configured === null ? 'left' : await this.#putAside(segment);
      if (damaged.length === 0 && segment.hasEnd && segment.dataAt > 0 && segment.frames === copy.frames) return 'whole';
      for (const { at, end } of damaged) await this.#quarantine.keep(file, segment, at, end);
      copy.pipelines = pipelines;
      copy.sinks = segment.sinks;
      copy.keyId = keyId;
      copy.begunAtMs = segment.begunAtMs;
      await rewrite(this.#files, file, copy, whole, reservedSequence);
      return 'mended';
    } finally {
      await file.close();
    }
  }

  async #putAside(segment: Segment): Promise<'setAside'> {
    // Nobody knows its numbers; a record has at least one byte.
    this.#reservedSequence = Math.max(this.#reservedSequence, segment.firstSequence + segment.bytes);
    await putAside(this.#files, this.#directory, segment.name);
    return 'setAside';
  }

  async #remove(segment: Segment): Promise<'setAside'> {
    await this.#files.remove(segment.path);
    return 'setAside';
  }

  /** No number is given twice; and nothing is missing at the front when all who read had got so far. */
  async #writeState(segments: readonly Segment[], names: readonly string[]): Promise<void> {
    const cursors: Cursor[] = [...(await readCursors(this.#files, this.#directory, names)).values()];
    const first = segments[0];
    const last = segments.at(-1);
    const acked = cursors.map(({ ackedSequence }) => ackedSequence);
    const isFrontDone = first !== undefined && first.previousSequence > 0 && acked.every((sequence) => sequence >= first.previousSequence);
    const marks: SpoolMarks = {
      ...noMarks,
      ...(isFrontDone && { removedSequence: first.previousSequence, removedRecords: first.recordsBefore }),
      storedSequence: last?.lastSequence ?? 0,
      storedRecords: last?.recordsUpTo ?? 0,
      reservedSequence: Math.max(this.#reservedSequence, last?.lastSequence ?? 0, ...acked),
    };
    await new MarkWriter(this.#files, this.#directory).write(marks, []);
  }
}

async function rewrite(
  files: Files,
  from: OpenFile,
  segment: Segment,
  frames: readonly { readonly at: number; readonly end: number }[],
  reservedSequence: number,
): Promise<void> {
  const path = `${segment.path}.new`;
  const file = await files.open(path, true);
  try {
    await file.truncate(0);
    const start = startNote(segment.pipelines ?? [], segment.keyId, segment.begunAtMs, reservedSequence, segment.sinks);
    await writeAll(file, start, 0);
    let at = start.length;
    for (const frame of frames) {
      const bytes = Buffer.alloc(frame.end - frame.at);
      await from.read(bytes, frame.at);
      await writeAll(file, bytes, at);
      at += bytes.length;
    }
    await writeAll(file, endNote(segment), at);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(path, segment.path);
  await files.syncDirectory(dirname(segment.path));
}
