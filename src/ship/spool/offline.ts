/**
 * What can be done with a spool from outside: look at it, beside a running sensor too; take the records out, throw them
 * away, when none runs; mend it (repair.ts).
 */
import { join } from 'node:path';
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import { nodeFiles } from '../node-files.ts';
import { listOrNone, namesIn, refusedBySystem, requireSpool } from './find-spool.ts';
import { type FrameContent, openPayload } from './frame.ts';
import { HOLES, type Hole, isKnown, readHoles } from './holes.ts';
import { noKeys, type SpoolKeys } from './keys.ts';
import { LOCK, lockSpool, spoolUnwritable } from './lock.ts';
import { type Cursor, cursorPath, MarkWriter, noMarks, readCursors, readMarks, type SpoolMarks } from './marks.ts';
import { QUARANTINE } from './quarantine.ts';
import type { FoundFrame } from './scanner.ts';
import { readNotes, Segment, segmentSequence } from './segment.ts';
import { isForbidden, isNoFile, noFileReason } from './unreadable.ts';
import { SegmentWalk } from './walk.ts';

export interface OfflineOptions {
  readonly files?: Files;
  readonly keys?: SpoolKeys;
}

/** What is said of a segment that a killed process left: nothing is lost by it. */
export const NOT_CLOSED = 'it was not closed';

/** Which records are handed out, by their segment (its pipelines and whose they were), their sequence and their routes. */
export type RecordChoice = (segment: Segment, sequence: number, routes: number) => boolean;

export interface SegmentReport {
  readonly name: string;
  readonly bytes: number;
  readonly frames: number;
  readonly records: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Records that were ever stored, up to its last one: numbers may be far ahead of them. */
  readonly recordsUpTo: number;
  readonly oldestAtMs: number;
  readonly newestAtMs: number;
  /** "" when it is not encrypted. */
  readonly keyId: string;
  /** Records by pipeline; one that goes to several counts for each. */
  readonly recordsByPipeline: Readonly<Record<string, number>>;
  /** What is wrong with it, a clause each. */
  readonly problems: readonly string[];
}

export interface SpoolReport {
  readonly directory: string;
  /** Process that uses it; -1: nobody, 0: one that does not say. */
  readonly usedBy: number;
  readonly segments: readonly SegmentReport[];
  readonly cursors: readonly Cursor[];
  readonly bytes: number;
  readonly records: number;
  readonly quarantinedFiles: number;
  /** What was missing or damaged at a repair, and records in it: no problems any more. */
  readonly knownHoles: number;
  readonly knownMissing: number;
  /** Of the whole, and of all segments with their names. */
  readonly problems: readonly string[];
}

/** What is there, from the notes of the segments: quick. Throws SensorError: spool-missing, spool-newer, spool-unreadable. */
export async function spoolStatus(directory: string, options: OfflineOptions = {}): Promise<SpoolReport> {
  return await inspected(directory, options, false);
}

/** The same, and every frame is read and checked; with the keys also what is encrypted. */
export async function verifySpool(directory: string, options: OfflineOptions = {}): Promise<SpoolReport> {
  return await inspected(directory, options, true);
}

async function inspected(directory: string, options: OfflineOptions, isDeep: boolean): Promise<SpoolReport> {
  try {
    return await inspect(directory, options, isDeep);
  } catch (error) {
    throw refusedBySystem(directory, error);
  }
}

async function inspect(directory: string, { files = nodeFiles, keys = noKeys }: OfflineOptions, isDeep: boolean): Promise<SpoolReport> {
  await requireSpool(files, directory);
  const usedBy = await userOf(files, directory);
  const { names, marks, found, gaps } = await lookUntilStill(files, directory, { keys, isDeep, isUsed: usedBy >= 0 });
  const holes = await readHoles(files, directory);
  // What was removed on purpose has taken its holes with it.
  const known = holes.filter(({ upToSequence }) => upToSequence > (marks?.removedSequence ?? 0));
  const problems = marks === null ? ['the file "state" is missing or damaged'] : [];
  for (const { segment, own } of found) problems.push(...own.map((problem) => `${segment.name}: ${problem}`));
  for (const gap of gaps) if (!isKnown(gap, holes)) problems.push(`${gap.in}${gap.records} records are missing ${gap.place}`);
  const segments = found.map(({ segment, own }) => reportOf(segment, own));
  return {
    directory,
    usedBy,
    segments,
    cursors: [...(await readCursors(files, directory, names)).values()],
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    records: segments.reduce((sum, { records }) => sum + records, 0),
    quarantinedFiles: (await listOrNone(files, join(directory, QUARANTINE))).length,
    knownHoles: known.length,
    knownMissing: known.reduce((sum, { records }) => sum + records, 0),
    problems,
  };
}

/** While a sensor brings and takes segments, only what is missing at two looks is. */
async function lookUntilStill(files: Files, directory: string, options: LookOptions): Promise<Looked & { readonly names: string[] }> {
  const look = async (): Promise<Looked & { readonly names: string[] }> => {
    const names = await namesIn(files, directory);
    return { names, ...(await lookThrough(files, directory, names, options)) };
  };
  const first = await look();
  if (!options.isUsed || first.gaps.length === 0) return first;
  const second = await look();
  const isSame = (a: Gap, b: Gap): boolean => a.afterSequence === b.afterSequence && a.upToSequence === b.upToSequence && a.in === b.in;
  return { ...second, gaps: second.gaps.filter((gap) => first.gaps.some((other) => isSame(gap, other))) };
}

/** Records that are missing, and where that was seen. */
export interface Gap extends Hole {
  /** "" or the segment, with a colon. */
  readonly in: string;
  readonly place: string;
}

export interface Looked {
  /** Null when it is missing or damaged. */
  readonly marks: SpoolMarks | null;
  /** What is wrong with each segment, but for what is missing. */
  readonly found: readonly { readonly segment: Segment; readonly own: readonly string[] }[];
  readonly gaps: readonly Gap[];
}

export interface LookOptions {
  readonly keys: SpoolKeys;
  /** Every frame is read. */
  readonly isDeep: boolean;
  /** A sensor writes the last segment. */
  readonly isUsed: boolean;
}

export async function lookThrough(
  files: Files,
  directory: string,
  names: readonly string[],
  { keys, isDeep, isUsed }: LookOptions,
): Promise<Looked> {
  const marks = await readMarks(files, directory);
  const found: { segment: Segment; own: string[] }[] = [];
  const gaps: Gap[] = [];
  let lastSequence = marks?.removedSequence ?? 0;
  let stored = marks?.removedRecords ?? 0;
  const missing = (upToSequence: number, recordsBefore: number, place: string): void => {
    const records = recordsBefore - stored;
    if (upToSequence > lastSequence && records > 0) gaps.push({ afterSequence: lastSequence, upToSequence, records, in: '', place });
  };
  const segmentNames = names.filter((name) => segmentSequence(name) >= 0);
  for (const name of segmentNames) {
    const seen = await inspectSegment(files, directory, name, keys, isDeep, isUsed && name === segmentNames.at(-1));
    if (seen === null) continue;
    const { segment, own } = seen;
    missing(segment.previousSequence, segment.recordsBefore, `before ${name}`);
    gaps.push(...seen.gaps);
    lastSequence = Math.max(lastSequence, segment.lastSequence);
    stored = Math.max(stored, segment.recordsUpTo);
    found.push({ segment, own });
  }
  if (marks !== null) missing(marks.storedSequence, marks.storedRecords, 'at the end');
  return { marks, found, gaps };
}

/** Null when it has gone in the meantime. */
async function inspectSegment(
  files: Files,
  directory: string,
  name: string,
  keys: SpoolKeys,
  isDeep: boolean,
  isWritten: boolean,
): Promise<{ readonly segment: Segment; readonly own: string[]; readonly gaps: Gap[] } | null> {
  const segment = new Segment(directory, segmentSequence(name));
  const own: string[] = [];
  const gaps: Gap[] = [];
  let file: OpenFile | null = null;
  try {
    file = await files.open(segment.path, false);
    await readNotes(segment, file);
    if (segment.pipelines === null) own.push('the names of its pipelines are damaged');
    if (!segment.hasEnd && !isWritten) own.push(NOT_CLOSED);
    if (isDeep || !segment.hasEnd) await walkAll(segment, file, keys, { own, gaps }, isWritten);
  } catch (error) {
    if (error instanceof SensorError || isForbidden(error)) throw error;
    if (codeOf(error) === 'ENOENT') return null;
    own.push(`it cannot be read: ${isNoFile(error) ? noFileReason(error) : reasonOf(error)}`);
  } finally {
    await file?.close();
  }
  return { segment, own, gaps };
}

async function walkAll(
  segment: Segment,
  file: OpenFile,
  keys: SpoolKeys,
  { own, gaps }: { readonly own: string[]; readonly gaps: Gap[] },
  isWritten: boolean,
): Promise<void> {
  const walk = new SegmentWalk(file, segment);
  const isOpen = !segment.hasEnd;
  let end = segment.dataAt;
  for (let found = await walk.next(); found !== null; found = await walk.next()) {
    if (found.kind === 'gap') gaps.push({ ...found, in: `${segment.name}: `, place: `behind ${found.afterSequence}` });
    else if (found.kind === 'damage') {
      // Where a running sensor writes there may be a part of a frame.
      if (!(isWritten && found.isLast)) own.push(`${found.end - found.at} bytes at ${found.at} are damaged`);
    } else {
      end = found.end;
      if (isOpen) segment.add(found.head, found.head.previousSequence, found.head.recordsBefore);
      if (!isReadable(found, keys)) own.push(`the frame of ${found.head.count} records at ${found.at} is damaged`);
    }
  }
  if (isOpen) segment.dataEnd = end;
  const rest = isOpen ? null : walk.rest();
  if (rest !== null) gaps.push({ ...rest, in: `${segment.name}: `, place: 'at its end' });
}

/** Whether its records can be read, as far as the keys that are given tell. */
export function isReadable({ head, isWhole, headBytes, payload }: FoundFrame, keys: SpoolKeys): boolean {
  if (!isWhole) return false;
  return (head.keyId !== '' && !keys.byId.has(head.keyId)) || openPayload(head, headBytes, payload, keys) !== null;
}

function reportOf(segment: Segment, problems: readonly string[]): SegmentReport {
  const recordsByPipeline: Record<string, number> = {};
  for (const [i, name] of (segment.pipelines ?? []).entries()) {
    let records = 0;
    for (const [routes, tally] of segment.tallies) if (routes >= 0 && (routes & (1 << i)) !== 0) records += tally.records;
    recordsByPipeline[name] = records;
  }
  const { name, bytes, frames, records, firstSequence, lastSequence, recordsUpTo, oldestAtMs, newestAtMs, keyId } = segment;
  const sums = { name, bytes, frames, records, firstSequence, lastSequence, recordsUpTo, oldestAtMs, newestAtMs, keyId };
  return { ...sums, recordsByPipeline, problems };
}

/**
 * Hands out the records that can be read, oldest first, as lines of canonical JSON, whether or not they were delivered:
 * all of them, or those that are chosen.
 * Throws SensorError: spool-locked, spool-missing, spool-newer, spool-key, spool-unreadable.
 */
export async function exportRecords(
  directory: string,
  out: (lines: Uint8Array) => Promise<void>,
  { files = nodeFiles, keys = noKeys, choose = null }: OfflineOptions & { readonly choose?: RecordChoice | null } = {},
): Promise<{ readonly records: number; readonly corruptFrames: number }> {
  await requireSpool(files, directory);
  const lock = await lockSpool(files, directory);
  try {
    const names = await namesIn(files, directory);
    let records = 0;
    let corruptFrames = 0;
    for (const name of names.filter((each) => segmentSequence(each) >= 0)) {
      const segment = new Segment(directory, segmentSequence(name));
      const file = await openOrNone(files, segment.path);
      if (file === null) {
        corruptFrames++;
        continue;
      }
      try {
        await readNotes(segment, file);
        const walk = new SegmentWalk(file, segment);
        for (let found = await walk.next(); found !== null; found = await walk.next()) {
          if (found.kind === 'gap') continue;
          if (found.kind === 'frame' && found.head.keyId !== '' && !keys.byId.has(found.head.keyId))
            throw keyMissing(segment, found.head.keyId);
          const content = found.kind === 'frame' && found.isWhole ? openPayload(found.head, found.headBytes, found.payload, keys) : null;
          if (content === null) corruptFrames++;
          else if (found.kind === 'frame') {
            const chosen = choose === null ? content : chosenOf(content, found.head.firstSequence, segment, choose);
            records += chosen.index.length / 2;
            if (chosen.bytes.length > 0) await out(chosen.bytes);
          }
        }
      } finally {
        await file.close();
      }
    }
    return { records, corruptFrames };
  } catch (error) {
    throw refusedBySystem(directory, error);
  } finally {
    await lock.release();
  }
}

/** Null when it is no file. */
async function openOrNone(files: Files, path: string): Promise<OpenFile | null> {
  try {
    return await files.open(path, false);
  } catch (error) {
    if (isNoFile(error)) return null;
    throw error;
  }
}

function chosenOf({ bytes, index }: FrameContent, firstSequence: number, segment: Segment, choose: RecordChoice): FrameContent {
  const lines: Uint8Array[] = [];
  const words: number[] = [];
  for (let i = 0, at = 0; i < index.length / 2; i++) {
    const end = at + index[2 * i];
    if (choose(segment, firstSequence + i, index[2 * i + 1])) {
      lines.push(bytes.subarray(at, end));
      words.push(index[2 * i], index[2 * i + 1]);
    }
    at = end;
  }
  return { bytes: Buffer.concat(lines), index: Int32Array.from(words) };
}

/**
 * Throws everything away: records, cursors, quarantine. The numbers that were used stay used. Throws SensorError:
 * spool-locked, spool-missing.
 */
export async function purgeSpool(
  directory: string,
  { files = nodeFiles }: OfflineOptions = {},
): Promise<{ readonly segments: number; readonly bytes: number }> {
  await requireSpool(files, directory);
  const lock = await lockSpool(files, directory);
  try {
    const names = await namesIn(files, directory);
    const found = names.filter((name) => segmentSequence(name) >= 0);
    const marks = (await readMarks(files, directory)) ?? noMarks;
    const cursors = [...(await readCursors(files, directory, names)).values()];
    let used = Math.max(marks.reservedSequence, marks.storedSequence, ...cursors.map(({ ackedSequence }) => ackedSequence));
    let stored = marks.storedRecords;
    let bytes = 0;
    for (const name of found) {
      const report = await inspectSegment(files, directory, name, noKeys, false, false);
      if (report === null) continue;
      bytes += report.segment.bytes;
      used = Math.max(used, report.segment.lastSequence);
      stored = Math.max(stored, report.segment.recordsUpTo);
    }
    const removed = { removedSequence: used, removedRecords: stored, storedSequence: used, storedRecords: stored };
    await new MarkWriter(files, directory).write({ reservedSequence: used, ...removed }, []);
    for (const name of found) await files.remove(join(directory, name));
    for (const { name } of cursors) await files.remove(cursorPath(directory, name));
    await files.remove(join(directory, HOLES));
    const aside = join(directory, QUARANTINE);
    for (const name of await listOrNone(files, aside)) await removeFile(files, join(aside, name));
    await files.syncDirectory(directory);
    return { segments: found.length, bytes };
  } catch (error) {
    throw error instanceof SensorError ? error : spoolUnwritable(directory, error);
  } finally {
    await lock.release();
  }
}

/** A folder that somebody has made stays. */
async function removeFile(files: Files, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (!isNoFile(error)) throw error;
  }
}

/** Who uses it; -1: nobody. A sensor that starts in this moment waits for a moment. */
async function userOf(files: Files, directory: string): Promise<number> {
  try {
    if ((await files.readAll(join(directory, LOCK))) === null) return -1;
    const lock = await files.lock(join(directory, LOCK));
    if ('heldBy' in lock) return lock.heldBy;
    await lock.release();
    return -1;
  } catch {
    return 0;
  }
}

function keyMissing(segment: Segment, keyId: string): SensorError {
  return new SensorError(
    'spool-key',
    `Cannot read ${segment.path}`,
    `it is encrypted with the key ${keyId}, which is not given`,
    'Give the configuration with that key in spool.encryptionKey or spool.oldEncryptionKeys.',
  );
}
