/**
 * What has to be known after a restart besides the segments: the cursor of each reader, and the state.
 *
 *   cursor-NAME   how far this reader has acked
 *   state         reservedSequence  numbers up to it are never given again, whatever is lost
 *                 removedSequence   segments up to it were removed on purpose: nothing is missing there
 *                 storedSequence    what was on the disk when this was written
 *                 removedRecords, storedRecords   how many records were stored up to there, ever
 *
 * A cursor whose reader is not configured holds nothing. It is kept for a day from the first start without its reader,
 * so that a sink which is taken out by mistake goes on where it was; then it is removed, and a reader of that name begins
 * at the oldest data.
 */
import { join } from 'node:path';
import type { Files } from '../files.ts';
import { encodeNote, type NoteFields, wholeNumber } from './note.ts';
import { refuseNewer } from './segment.ts';
import { readNoteFile, replaceFile } from './small-file.ts';

const CURSOR = 'cursor-';
const STATE = 'state';
const UNUSED_MS_MAX = 24 * 3_600_000;

export interface Cursor {
  readonly name: string;
  readonly ackedSequence: number;
  /** First start without its reader; 0 while there is one. */
  readonly unusedSinceMs: number;
}

export interface SpoolMarks {
  readonly reservedSequence: number;
  readonly removedSequence: number;
  readonly removedRecords: number;
  readonly storedSequence: number;
  readonly storedRecords: number;
}

export const noMarks: SpoolMarks = {
  reservedSequence: 0,
  removedSequence: 0,
  removedRecords: 0,
  storedSequence: 0,
  storedRecords: 0,
};

export function isCursor(name: string): boolean {
  return name.startsWith(CURSOR);
}

/** A file that this module writes. */
export function isMark(name: string): boolean {
  return isCursor(name) || name === STATE;
}

/** Names of readers are those of sinks; others, in tests or by hand, must not leave the directory. */
export function cursorPath(directory: string, name: string): string {
  return join(directory, CURSOR + encodeURIComponent(name));
}

/** All cursors in the directory, damaged ones left out: their readers begin at the oldest data, and nothing is lost. */
export async function readCursors(files: Files, directory: string, names: readonly string[]): Promise<Map<string, Cursor>> {
  const cursors = new Map<string, Cursor>();
  for (const file of names.filter(isCursor)) {
    const path = join(directory, file);
    const note = await readNoteFile(files, path, 'cursor');
    if (note === null) continue;
    refuseNewer(note, path);
    const { name, ackedSequence, unusedSinceMs } = note.fields;
    if (typeof name !== 'string' || cursorPath(directory, name) !== path) continue;
    cursors.set(name, { name, ackedSequence: wholeNumber(ackedSequence, 0), unusedSinceMs: wholeNumber(unusedSinceMs, 0) });
  }
  return cursors;
}

/** Null when it is not there or damaged. */
export async function readMarks(files: Files, directory: string): Promise<SpoolMarks | null> {
  const path = join(directory, STATE);
  const note = await readNoteFile(files, path, 'state');
  if (note === null) return null;
  refuseNewer(note, path);
  const { reservedSequence, removedSequence, removedRecords, storedSequence, storedRecords } = note.fields;
  return {
    reservedSequence: wholeNumber(reservedSequence, 0),
    removedSequence: wholeNumber(removedSequence, 0),
    removedRecords: wholeNumber(removedRecords, 0),
    storedSequence: wholeNumber(storedSequence, 0),
    storedRecords: wholeNumber(storedRecords, 0),
  };
}

/** Writes marks, and only those that have changed. One writing at a time. */
export class MarkWriter {
  readonly #files: Files;
  readonly #directory: string;
  #savedMarks: SpoolMarks | null = null;
  readonly #savedCursors = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /** What was written is gone: the next time all of it is written again. */
  forget(): void {
    this.#savedMarks = null;
    this.#savedCursors.clear();
  }

  /** Throws what the filesystem throws; the next time writes all that is not written. */
  write(marks: SpoolMarks, cursors: readonly Cursor[]): Promise<void> {
    const writing = this.#last.then(() => this.#write(marks, cursors));
    this.#last = writing.catch(() => {});
    return writing;
  }

  async #write(marks: SpoolMarks, cursors: readonly Cursor[]): Promise<void> {
    const isOld = isSame(marks, this.#savedMarks);
    const changed = cursors.filter(({ name, ackedSequence }) => this.#savedCursors.get(name) !== ackedSequence);
    if (isOld && changed.length === 0) return;
    if (!isOld) await replaceFile(this.#files, join(this.#directory, STATE), note('state', marks));
    for (const cursor of changed) await replaceFile(this.#files, cursorPath(this.#directory, cursor.name), note('cursor', cursor));
    await this.#files.syncDirectory(this.#directory);
    this.#savedMarks = marks;
    for (const { name, ackedSequence } of changed) this.#savedCursors.set(name, ackedSequence);
  }

  /** Cursors whose readers are gone: notes since when, or removes them. */
  async retire(cursors: Iterable<Cursor>, nowMs: number): Promise<void> {
    for (const cursor of cursors) {
      const path = cursorPath(this.#directory, cursor.name);
      if (cursor.unusedSinceMs === 0) await replaceFile(this.#files, path, note('cursor', { ...cursor, unusedSinceMs: nowMs }));
      else if (nowMs - cursor.unusedSinceMs > UNUSED_MS_MAX) await this.#files.remove(path);
    }
  }
}

function isSame(a: SpoolMarks, b: SpoolMarks | null): boolean {
  if (b === null || a.reservedSequence !== b.reservedSequence) return false;
  return a.removedSequence === b.removedSequence && a.storedSequence === b.storedSequence;
}

function note(kind: 'cursor' | 'state', fields: object): Buffer {
  return encodeNote(kind, fields as NoteFields);
}
