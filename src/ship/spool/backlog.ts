/**
 * What waits for each sink, told from the files alone: the records behind its cursor that its pipelines let through.
 * Beside a running sensor too; the cursors on the disk are up to a second behind.
 */
import { join } from 'node:path';
import { codeOf } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import { nodeFiles } from '../node-files.ts';
import { goesTo } from '../routes.ts';
import { ownShare, ownShareBetween } from './books.ts';
import { refusedBySystem } from './find-spool.ts';
import { openPayload } from './frame.ts';
import { noKeys } from './keys.ts';
import { lockSpool } from './lock.ts';
import { cursorPath, readCursors, readMarks } from './marks.ts';
import { encodeNote } from './note.ts';
import type { OfflineOptions } from './offline.ts';
import { readNotes, routesIn, Segment, segmentSequence } from './segment.ts';
import { replaceFile } from './small-file.ts';
import { isNoFile } from './unreadable.ts';
import { SegmentWalk } from './walk.ts';

export interface Waiting {
  readonly name: string;
  readonly ackedSequence: number;
  readonly queued: number;
  readonly queuedBytes: number;
  /** When the oldest of them was accepted; 0: none waits. */
  readonly oldestAtMs: number;
}

export interface BacklogReader {
  readonly name: string;
  readonly pipelines: readonly string[];
}

interface Sum {
  readonly reader: BacklogReader;
  readonly ackedSequence: number;
  queued: number;
  queuedBytes: number;
  oldestAtMs: number;
}

/** What waits for each of these; one without a cursor has acked nothing. Throws SensorError: spool-newer, spool-unreadable. */
export async function backlogOf(directory: string, readers: readonly BacklogReader[], options: OfflineOptions = {}): Promise<Waiting[]> {
  try {
    return (await look(directory, readers, options)).waiting;
  } catch (error) {
    throw refusedBySystem(directory, error);
  }
}

async function look(
  directory: string,
  readers: readonly BacklogReader[],
  { files = nodeFiles, keys = noKeys }: OfflineOptions,
): Promise<{ readonly waiting: Waiting[]; readonly lastSequence: number }> {
  const names = await namesOrNone(files, directory);
  const cursors = await readCursors(files, directory, names);
  const sums = readers.map((reader): Sum => {
    const ackedSequence = cursors.get(reader.name)?.ackedSequence ?? 0;
    return { reader, ackedSequence, queued: 0, queuedBytes: 0, oldestAtMs: 0 };
  });
  let lastSequence = (await readMarks(files, directory))?.storedSequence ?? 0;
  for (const name of names.filter((each) => segmentSequence(each) >= 0)) {
    const segment = new Segment(directory, segmentSequence(name));
    let file: OpenFile | null = null;
    try {
      file = await files.open(segment.path, false);
      await readNotes(segment, file);
      lastSequence = Math.max(lastSequence, await addSegment(segment, file, sums, keys));
    } catch (error) {
      // A running sensor removes what is delivered.
      if (codeOf(error) !== 'ENOENT' && !isNoFile(error)) throw error;
    } finally {
      await file?.close();
    }
  }
  const waiting = sums.map(({ reader, ...sum }): Waiting => ({ name: reader.name, ...sum }));
  return { waiting, lastSequence };
}

/** Adds what a segment holds for each reader; gives its last sequence. */
async function addSegment(
  segment: Segment,
  file: OpenFile,
  sums: readonly Sum[],
  keys: NonNullable<OfflineOptions['keys']>,
): Promise<number> {
  const table = segment.pipelines ?? [];
  const parts = sums.map((sum) => ({ sum, routes: routesIn(table, sum.reader, segment.sinks) }));
  const add = (sum: Sum, share: { readonly records: number; readonly bytes: number }, acceptedAtMs: number): void => {
    if (share.records === 0) return;
    sum.queued += share.records;
    sum.queuedBytes += share.bytes;
    if (sum.oldestAtMs === 0) sum.oldestAtMs = acceptedAtMs;
  };
  // Its last note has the sums of the whole; frames are read where a cursor stands within.
  const isOneSided = ({ sum }: (typeof parts)[number]): boolean =>
    sum.ackedSequence < segment.firstSequence || sum.ackedSequence >= segment.lastSequence;
  if (segment.hasEnd && parts.every(isOneSided)) {
    for (const { sum, routes } of parts) {
      if (sum.ackedSequence >= segment.firstSequence) continue;
      for (const [word, tally] of segment.tallies) if (goesTo(word, routes)) add(sum, tally, segment.oldestAtMs);
    }
    return segment.lastSequence;
  }
  let lastSequence = segment.hasEnd ? segment.lastSequence : 0;
  const walk = new SegmentWalk(file, segment);
  for (let found = await walk.next(); found !== null; found = await walk.next()) {
    if (found.kind !== 'frame' || !found.isWhole) continue;
    const { head, headBytes, payload } = found;
    lastSequence = Math.max(lastSequence, head.lastSequence);
    for (const { sum, routes } of parts) {
      if (sum.ackedSequence >= head.lastSequence) continue;
      const content = sum.ackedSequence < head.firstSequence ? null : openPayload(head, headBytes, payload, keys);
      // Without its key a frame that is acked in part counts whole.
      const share =
        content === null
          ? ownShare(head.tallies, routes)
          : ownShareBetween(content.index, head.firstSequence, sum.ackedSequence, head.lastSequence, routes);
      add(sum, share, head.acceptedAtMs);
    }
  }
  return lastSequence;
}

/**
 * Sets the cursor of one reader behind everything: what waited for it is not delivered any more; the others keep theirs.
 * Says what that was. Throws SensorError: spool-locked, spool-newer.
 */
export async function dropBacklog(directory: string, reader: BacklogReader, options: OfflineOptions = {}): Promise<Waiting> {
  const { files = nodeFiles } = options;
  const lock = await lockSpool(files, directory);
  try {
    const { waiting, lastSequence } = await look(directory, [reader], options);
    const ackedSequence = Math.max(lastSequence, waiting[0].ackedSequence);
    const note = encodeNote('cursor', { name: reader.name, ackedSequence, unusedSinceMs: 0 });
    await replaceFile(files, cursorPath(directory, reader.name), note);
    await files.syncDirectory(directory);
    return waiting[0];
  } catch (error) {
    throw refusedBySystem(directory, error);
  } finally {
    await lock.release();
  }
}

async function namesOrNone(files: Files, directory: string): Promise<string[]> {
  try {
    return (await files.list(directory)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
    throw refusedBySystem(directory, error);
  }
}

/** The directory of a spool within that of another one: there or not. Throws SensorError: spool-unreadable. */
export async function isSpool(directory: string, files: Files = nodeFiles): Promise<boolean> {
  return (await namesOrNone(files, directory)).length > 0;
}

/** Where a spool keeps that of its dead letters. */
export function lettersDirectory(directory: string): string {
  return join(directory, 'dead-letters');
}
