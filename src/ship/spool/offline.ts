/**
 * What can be done with a spool from outside: look at it, beside a running sensor too; mend it, take the records out,
 * throw them away, when none runs.
 */
import { dirname, join } from 'node:path';
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import { nodeFiles } from '../node-files.ts';
import { type FrameContent, openPayload } from './frame.ts';
import { noKeys, type SpoolKeys } from './keys.ts';
import { LOCK, lockSpool } from './lock.ts';
import { type Cursor, cursorPath, MarkWriter, noMarks, readCursors, readMarks } from './marks.ts';
import { QUARANTINE, Quarantine } from './quarantine.ts';
import { endNote, readNotes, Segment, segmentSequence, startNote } from './segment.ts';
import { isLeftover, writeAll } from './small-file.ts';
import { SegmentWalk } from './walk.ts';

export interface OfflineOptions {
  readonly files?: Files;
  readonly keys?: SpoolKeys;
}

/** What is said of a segment that a killed process left: nothing is lost by it. */
export const NOT_CLOSED = 'it was not closed';

/** Which records are handed out, by the names of the pipelines of their segment, their sequence and their routes. */
export type RecordChoice = (table: readonly string[], sequence: number, routes: number) => boolean;

export interface SegmentReport {
  readonly name: string;
  readonly bytes: number;
  readonly frames: number;
  readonly records: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
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
  /** Of the whole, and of all segments with their names. */
  readonly problems: readonly string[];
}

/** What is there, from the notes of the segments: quick. Throws SensorError: spool-missing, spool-newer. */
export async function spoolStatus(directory: string, options: OfflineOptions = {}): Promise<SpoolReport> {
  return await inspect(directory, options, false);
}

/** The same, and every frame is read and checked; with the keys also what is encrypted. */
export async function verifySpool(directory: string, options: OfflineOptions = {}): Promise<SpoolReport> {
  return await inspect(directory, options, true);
}

async function inspect(directory: string, { files = nodeFiles, keys = noKeys }: OfflineOptions, isDeep: boolean): Promise<SpoolReport> {
  const names = await namesIn(files, directory);
  const usedBy = await userOf(files, directory);
  const problems: string[] = [];
  const segments: SegmentReport[] = [];
  const marks = await readMarks(files, directory);
  if (marks === null && names.length > 0) problems.push('the file "state" is missing or damaged');
  let lastSequence = marks?.removedSequence ?? 0;
  let stored = marks?.removedRecords ?? 0;
  const found = names.filter((name) => segmentSequence(name) >= 0);
  for (const name of found) {
    const report = await inspectSegment(files, directory, name, keys, isDeep, usedBy >= 0 && name === found.at(-1));
    if (report === null) continue;
    const { segment, own } = report;
    const missing = segment.recordsBefore - stored;
    if (segment.previousSequence > lastSequence && missing > 0) problems.push(`${missing} records are missing before ${name}`);
    lastSequence = Math.max(lastSequence, segment.lastSequence);
    stored = Math.max(stored, segment.recordsUpTo);
    problems.push(...own.map((problem) => `${name}: ${problem}`));
    segments.push(reportOf(segment, own));
  }
  if (marks !== null && marks.storedSequence > lastSequence && marks.storedRecords > stored) {
    problems.push(`${marks.storedRecords - stored} records are missing at the end`);
  }
  return {
    directory,
    usedBy,
    segments,
    cursors: [...(await readCursors(files, directory, names)).values()],
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    records: segments.reduce((sum, { records }) => sum + records, 0),
    quarantinedFiles: (await listOrNone(files, join(directory, QUARANTINE))).length,
    problems,
  };
}

/** Null when it has gone in the meantime. */
async function inspectSegment(
  files: Files,
  directory: string,
  name: string,
  keys: SpoolKeys,
  isDeep: boolean,
  isWritten: boolean,
): Promise<{ readonly segment: Segment; readonly own: string[] } | null> {
  const segment = new Segment(directory, segmentSequence(name));
  const own: string[] = [];
  let file: OpenFile | null = null;
  try {
    file = await files.open(segment.path, false);
    await readNotes(segment, file);
    if (segment.pipelines === null) own.push('the names of its pipelines are damaged');
    if (!segment.hasEnd && !isWritten) own.push(NOT_CLOSED);
    if (isDeep || !segment.hasEnd) await walkAll(segment, file, keys, own, isWritten);
  } catch (error) {
    if (error instanceof SensorError) throw error;
    if (codeOf(error) === 'ENOENT') return null;
    own.push(`it cannot be read: ${reasonOf(error)}`);
  } finally {
    await file?.close();
  }
  return { segment, own };
}

async function walkAll(segment: Segment, file: OpenFile, keys: SpoolKeys, own: string[], isWritten: boolean): Promise<void> {
  const walk = new SegmentWalk(file, segment);
  const isOpen = !segment.hasEnd;
  let end = segment.dataAt;
  for (let found = await walk.next(); found !== null; found = await walk.next()) {
    if (found.kind === 'gap') own.push(`${found.records} records are missing behind ${found.afterSequence}`);
    else if (found.kind === 'damage') {
      // Where a running sensor writes there may be a part of a frame.
      if (!(isWritten && found.isLast)) own.push(`${found.end - found.at} bytes at ${found.at} are damaged`);
    } else {
      const { head, isWhole, headBytes, payload } = found;
      end = found.end;
      if (isOpen) segment.add(head, head.previousSequence, head.recordsBefore);
      const canOpen = head.keyId === '' || keys.byId.has(head.keyId);
      if (!isWhole || (canOpen && openPayload(head, headBytes, payload, keys) === null)) {
        own.push(`the frame of ${head.count} records at ${found.at} is damaged`);
      }
    }
  }
  if (isOpen) segment.dataEnd = end;
  const rest = isOpen ? null : walk.rest();
  if (rest !== null) own.push(`${rest.records} records are missing at its end`);
}

function reportOf(segment: Segment, problems: readonly string[]): SegmentReport {
  const recordsByPipeline: Record<string, number> = {};
  for (const [i, name] of (segment.pipelines ?? []).entries()) {
    let records = 0;
    for (const [routes, tally] of segment.tallies) if (routes >= 0 && (routes & (1 << i)) !== 0) records += tally.records;
    recordsByPipeline[name] = records;
  }
  const { name, bytes, frames, records, firstSequence, lastSequence, oldestAtMs, newestAtMs, keyId } = segment;
  return { name, bytes, frames, records, firstSequence, lastSequence, oldestAtMs, newestAtMs, keyId, recordsByPipeline, problems };
}

/**
 * Writes every segment that is damaged or was not closed anew, with the frames that are whole; what is damaged goes into
 * quarantine/. What is missing stays missing, and the next start counts it. Throws SensorError: spool-locked,
 * spool-missing, spool-newer.
 */
export async function repairSpool(
  directory: string,
  { files = nodeFiles }: OfflineOptions = {},
): Promise<{ readonly mended: readonly string[] }> {
  const names = await namesIn(files, directory);
  const lock = await lockSpool(files, directory);
  try {
    const quarantine = new Quarantine(files, directory);
    const mended: string[] = [];
    for (const name of names) {
      if (isLeftover(name)) await files.remove(join(directory, name));
      if (segmentSequence(name) < 0) continue;
      if (await repairSegment(files, directory, name, quarantine)) mended.push(name);
    }
    await files.syncDirectory(directory);
    return { mended };
  } finally {
    await lock.release();
  }
}

async function repairSegment(files: Files, directory: string, name: string, quarantine: Quarantine): Promise<boolean> {
  const segment = new Segment(directory, segmentSequence(name));
  const file = await files.open(segment.path, false);
  try {
    const { reservedSequence } = await readNotes(segment, file);
    // Without the names nobody knows whose the records are; a start that has the same names does.
    if (segment.pipelines === null) return false;
    const whole: { readonly at: number; readonly end: number }[] = [];
    const copy = new Segment(directory, segment.firstSequence);
    let isDamaged = !segment.hasEnd || segment.dataAt === 0;
    const walk = new SegmentWalk(file, segment);
    for (let found = await walk.next(); found !== null; found = await walk.next()) {
      if (found.kind === 'gap') continue;
      if (found.kind === 'frame' && found.isWhole) {
        copy.add(found.head, found.head.previousSequence, found.head.recordsBefore);
        whole.push({ at: found.at, end: found.end });
        continue;
      }
      isDamaged = true;
      await quarantine.keep(file, segment, found.at, found.end);
    }
    if (!isDamaged) return false;
    copy.pipelines = segment.pipelines;
    copy.keyId = segment.keyId;
    copy.begunAtMs = segment.begunAtMs;
    if (whole.length > 0) await rewrite(files, file, copy, whole, reservedSequence);
    else await files.remove(segment.path);
    return true;
  } finally {
    await file.close();
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
    const start = startNote(segment.pipelines ?? [], segment.keyId, segment.begunAtMs, reservedSequence);
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

/**
 * Hands out the records that can be read, oldest first, as lines of canonical JSON, whether or not they were delivered:
 * all of them, or those that are chosen.
 * Throws SensorError: spool-locked, spool-missing, spool-newer, spool-key.
 */
export async function exportRecords(
  directory: string,
  out: (lines: Uint8Array) => Promise<void>,
  { files = nodeFiles, keys = noKeys, choose = null }: OfflineOptions & { readonly choose?: RecordChoice | null } = {},
): Promise<{ readonly records: number; readonly corruptFrames: number }> {
  const names = await namesIn(files, directory);
  const lock = await lockSpool(files, directory);
  try {
    let records = 0;
    let corruptFrames = 0;
    for (const name of names.filter((each) => segmentSequence(each) >= 0)) {
      const segment = new Segment(directory, segmentSequence(name));
      const file = await files.open(segment.path, false);
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
            const chosen = choose === null ? content : chosenOf(content, found.head.firstSequence, segment.pipelines ?? [], choose);
            records += chosen.index.length / 2;
            if (chosen.bytes.length > 0) await out(chosen.bytes);
          }
        }
      } finally {
        await file.close();
      }
    }
    return { records, corruptFrames };
  } finally {
    await lock.release();
  }
}

function chosenOf({ bytes, index }: FrameContent, firstSequence: number, table: readonly string[], choose: RecordChoice): FrameContent {
  const lines: Uint8Array[] = [];
  const words: number[] = [];
  for (let i = 0, at = 0; i < index.length / 2; i++) {
    const end = at + index[2 * i];
    if (choose(table, firstSequence + i, index[2 * i + 1])) {
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
  const names = await namesIn(files, directory);
  const lock = await lockSpool(files, directory);
  try {
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
    const aside = join(directory, QUARANTINE);
    for (const name of await listOrNone(files, aside)) await files.remove(join(aside, name));
    await files.syncDirectory(directory);
    return { segments: found.length, bytes };
  } finally {
    await lock.release();
  }
}

async function namesIn(files: Files, directory: string): Promise<string[]> {
  try {
    return (await files.list(directory)).sort();
  } catch (error) {
    throw new SensorError(
      'spool-missing',
      `Cannot read a spool in ${directory}`,
      reasonOf(error),
      'Name the directory that spool.directory of the sensor names, as a user who may read it.',
      error,
    );
  }
}

async function listOrNone(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory);
  } catch {
    return [];
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
