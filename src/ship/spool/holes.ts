/**
 * Holes that are known: what a repair could not bring back, because it is damaged or gone. Verify says no more of them than
 * that they are there; a sensor still counts them as corrupt when it comes to them.
 *
 *   holes    [after, up to, records] for each: so many records are missing between these two sequences
 */
import { join } from 'node:path';
import type { Files } from '../files.ts';
import { encodeNote } from './note.ts';
import { refuseNewer } from './segment.ts';
import { readNoteFile, replaceFile } from './small-file.ts';

export const HOLES = 'holes';
/** Beyond it neighbours are joined: the note is not to grow without end. */
const HOLES_MAX = 10_000;

export interface Hole {
  readonly afterSequence: number;
  readonly upToSequence: number;
  readonly records: number;
}

/** None when the file is not there or damaged: then they are found once more. */
export async function readHoles(files: Files, directory: string): Promise<Hole[]> {
  const path = join(directory, HOLES);
  const note = await readNoteFile(files, path, HOLES);
  if (note === null || !Array.isArray(note.fields.holes)) return [];
  refuseNewer(note, path);
  return (note.fields.holes as unknown[]).flatMap((hole) => {
    if (!Array.isArray(hole) || !hole.every(Number.isSafeInteger)) return [];
    const [afterSequence, upToSequence, records] = hole as number[];
    return [{ afterSequence, upToSequence, records }];
  });
}

/** Takes the place of those that were known before. */
export async function writeHoles(files: Files, directory: string, holes: readonly Hole[]): Promise<void> {
  const joined: Hole[] = [];
  const each = Math.ceil(holes.length / HOLES_MAX);
  for (let i = 0; i < holes.length; i += each) {
    const some = holes.slice(i, i + each);
    const records = some.reduce((sum, hole) => sum + hole.records, 0);
    joined.push({ afterSequence: some[0].afterSequence, upToSequence: some[some.length - 1].upToSequence, records });
  }
  const fields = joined.map(({ afterSequence, upToSequence, records }) => [afterSequence, upToSequence, records]);
  await replaceFile(files, join(directory, HOLES), encodeNote(HOLES, { holes: fields }));
}

/** Whether all that is missing there was known to be. */
export function isKnown(gap: Hole, holes: readonly Hole[]): boolean {
  return holes.some(
    ({ afterSequence, upToSequence, records }) =>
      gap.afterSequence >= afterSequence && gap.upToSequence <= upToSequence && gap.records <= records,
  );
}
