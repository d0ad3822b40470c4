/** Small files that are replaced as a whole: after a crash there is the old one or the new one, never a part of it. */
import type { Files, OpenFile } from '../files.ts';
import { decodeNote, type Note } from './note.ts';
import { isNoFile } from './unreadable.ts';

const NEW = '.new';

/** Writes all of it. A full disk takes a part of it without an error first. */
export async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const count = await file.write(bytes.subarray(written), position + written);
    if (count <= 0) throw Object.assign(new Error('the disk takes nothing'), { code: 'ENOSPC' });
    written += count;
  }
}

/** Puts a file in the place of the old one. It stands for good when the directory was synced after it. */
export async function replaceFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const file = await files.open(path + NEW, true);
  try {
    await file.truncate(0);
    await writeAll(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(path + NEW, path);
}

/** What is left of a replacement that did not come to its end. */
export function isLeftover(name: string): boolean {
  return name.endsWith(NEW);
}

/** The note that a file consists of; null when it is not there, damaged, or no file at all. */
export async function readNoteFile(files: Files, path: string, kind: string): Promise<Note | null> {
  const bytes = await readFileOrNone(files, path);
  if (bytes === null) return null;
  const note = decodeNote(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  return note !== null && note.kind === kind && note.end === bytes.length ? note : null;
}

async function readFileOrNone(files: Files, path: string): Promise<Uint8Array | null> {
  try {
    return await files.readAll(path);
  } catch (error) {
    if (isNoFile(error)) return null;
    throw error;
  }
}
