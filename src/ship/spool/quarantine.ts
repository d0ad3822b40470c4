/**
 * Where damaged bytes are put aside, for people who want to look at them: `quarantine/SEGMENT-OFFSET`. At most
 * QUARANTINE_BYTES_MAX of them; what does not fit is counted and left where it is. That it cannot be written stops
 * nothing.
 */
import { join } from 'node:path';
import type { Files, OpenFile } from '../files.ts';
import type { Segment } from './segment.ts';
import { writeAll } from './small-file.ts';
import { isNoFile } from './unreadable.ts';

export const QUARANTINE = 'quarantine';
const QUARANTINE_BYTES_MAX = 64 << 20;
const PIECE_BYTES = 1 << 20;

export class Quarantine {
  readonly #files: Files;
  readonly #directory: string;
  #names: Set<string> | null = null;
  #bytes = 0;

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = join(directory, QUARANTINE);
  }

  /** Copies bytes of a segment there. Never throws. */
  async keep(file: OpenFile, segment: Segment, at: number, end: number): Promise<void> {
    try {
      const names = this.#names ?? (await this.#look());
      const name = `${segment.name}-${at}`;
      if (names.has(name) || this.#bytes + end - at > QUARANTINE_BYTES_MAX) return;
      names.add(name);
      this.#bytes += end - at;
      await this.#copy(file, join(this.#directory, name), at, end);
    } catch {
      // A full disk, most of all: the bytes stay in their segment as long as that stays.
    }
  }

  async #copy(file: OpenFile, path: string, from: number, end: number): Promise<void> {
    const copy = await this.#files.open(path, true);
    try {
      for (let at = from; at < end; at += PIECE_BYTES) {
        const piece = Buffer.alloc(Math.min(PIECE_BYTES, end - at));
        await writeAll(copy, piece.subarray(0, await file.read(piece, at)), at - from);
      }
    } finally {
      await copy.close();
    }
  }

  async #look(): Promise<Set<string>> {
    await this.#files.makeDirectory(this.#directory);
    const names = new Set(await this.#files.list(this.#directory));
    for (const name of names) {
      this.#bytes += await this.#sizeOf(join(this.#directory, name));
    }
    this.#names = names;
    return names;
  }

  /** What was set aside because it is no file counts nothing. */
  async #sizeOf(path: string): Promise<number> {
    try {
      const file = await this.#files.open(path, false);
      const bytes = await file.size();
      await file.close();
      return bytes;
    } catch (error) {
      if (isNoFile(error)) return 0;
      throw error;
    }
  }
}

/** Puts what has a name in the spool there, whole. */
export async function putAside(files: Files, directory: string, name: string): Promise<void> {
  await files.makeDirectory(join(directory, QUARANTINE));
  await files.rename(join(directory, name), join(directory, QUARANTINE, name));
}

/** What has the name of a small file of the spool, and is none, is put there: it could not be written otherwise. */
export async function putNoFilesAside(files: Files, directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await files.readAll(join(directory, name));
    } catch (error) {
      if (!isNoFile(error)) throw error;
      await putAside(files, directory, name);
    }
  }
}
