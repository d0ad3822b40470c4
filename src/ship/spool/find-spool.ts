/**
 * Whether a directory holds a spool. Commands may be given any directory: in one that holds none nothing is locked, made or
 * removed, whatever its files are called.
 */
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { Files } from '../files.ts';
import { fileOf } from './lock.ts';
import { readMarks } from './marks.ts';
import { readNotes, Segment, segmentSequence } from './segment.ts';
import { isForbidden } from './unreadable.ts';
import { SegmentWalk } from './walk.ts';

/** Throws a SensorError (spool-missing) unless there is a state that is right, or a segment with a note or a frame in it. */
export async function requireSpool(files: Files, directory: string): Promise<void> {
  let isThere = false;
  try {
    isThere = await holdsSpool(files, directory);
  } catch (error) {
    throw error instanceof SensorError ? error : spoolMissing(directory, `${reasonOf(error)}${fileOf(directory, error)}`, error);
  }
  if (!isThere) throw spoolMissing(directory, 'it holds no file of a spool');
}

/** Throws what the filesystem throws, and spool-newer. */
export async function holdsSpool(files: Files, directory: string): Promise<boolean> {
  const names = (await files.list(directory)).sort();
  if ((await readMarks(files, directory)) !== null) return true;
  for (const name of names) if (segmentSequence(name) >= 0 && (await isSegment(files, directory, name))) return true;
  return false;
}

async function isSegment(files: Files, directory: string, name: string): Promise<boolean> {
  const segment = new Segment(directory, segmentSequence(name));
  try {
    const file = await files.open(segment.path, false);
    try {
      await readNotes(segment, file);
      if (segment.dataAt > 0 || segment.hasEnd) return true;
      const walk = new SegmentWalk(file, segment);
      for (let found = await walk.next(); found !== null; found = await walk.next()) if (found.kind === 'frame') return true;
      return false;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SensorError || isForbidden(error)) throw error;
    return false;
  }
}

/** All names in it. Throws a SensorError (spool-missing) when it cannot be read. */
export async function namesIn(files: Files, directory: string): Promise<string[]> {
  try {
    return (await files.list(directory)).sort();
  } catch (error) {
    throw spoolMissing(directory, reasonOf(error), error);
  }
}

export async function listOrNone(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory);
  } catch {
    return [];
  }
}

function spoolMissing(directory: string, why: string, cause?: unknown): SensorError {
  const next = 'Name the directory that spool.directory of the sensor names, as a user who may read it.';
  return new SensorError('spool-missing', `Cannot read a spool in ${directory}`, why, next, cause);
}

/** What a command says when the system refuses it a file of the spool; other errors stay as they are. */
export function refusedBySystem(directory: string, error: unknown): unknown {
  if (!/^E(?!RR_)/.test(codeOf(error)) || error instanceof SensorError) return error;
  const next = isForbidden(error)
    ? 'Run it as the user of the sensor (sudo -u USER), who owns the spool, or as root.'
    : 'Mend what keeps the file from being read (open files, memory, the disk), and run it again.';
  return new SensorError(
    'spool-unreadable',
    `Cannot read the spool ${directory}`,
    `${reasonOf(error)}${fileOf(directory, error)}`,
    next,
    error,
  );
}
