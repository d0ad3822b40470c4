/**
 * Whose is what is made. What root makes in the directory of another user, as `sudo earshot spool purge` does in the spool of
 * a service, belongs to that user: its sensor could not start otherwise.
 */
import { closeSync, constants, fchownSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from './errors.ts';

const DIRECTORY_MODE = 0o700;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Who what is made in that directory is for; null: who makes it. Throws as stat does. */
export function ownerOf(directory: string): Owner | null {
  if (process.geteuid?.() !== 0) return null;
  const { uid, gid } = statSync(directory);
  return uid === 0 ? null : { uid, gid };
}

/** Gives an open file away; null: it stays whose it is. */
export function give(fd: number, owner: Owner | null): void {
  if (owner === null) return;
  try {
    fchownSync(fd, owner.uid, owner.gid);
  } catch {
    // A filesystem that has no owners, or root of a namespace only.
  }
}

/**
 * With its parents, for its user only; nothing when it is there. Not by `recursive`: that never ends where a filesystem says
 * ENOENT to everything, as /proc does. Throws as mkdir does.
 */
export function makeDirectory(path: string): void {
  const parent = dirname(path);
  try {
    mkdirSync(path, DIRECTORY_MODE);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error;
    makeDirectory(parent);
    mkdirSync(path, DIRECTORY_MODE);
  }
  const owner = ownerOf(parent);
  if (owner !== null) {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    give(fd, owner);
    closeSync(fd);
  }
  try {
    // What is made must not be gone after a crash, with all that was put into it.
    syncDirectory(parent);
  } catch {
    // The parent may be one that this user may not read.
  }
}

/** Names that were made, changed or removed in it survive a crash from then on. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
