/** The lock on the directory of a spool: one process uses it. */
import { join } from 'node:path';
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { FileLock, Files } from '../files.ts';
import { systemTimers, type Timers } from '../timers.ts';

export const LOCK = 'lock';
/** A command that only looks has the lock for a moment. */
const TIMES = 5;
const AGAIN_MS = 100;

/** Makes the directory and takes its lock. Throws SensorError: spool-locked, spool-unwritable. */
export async function lockSpool(files: Files, directory: string, timers: Timers = systemTimers): Promise<FileLock> {
  let heldBy = 0;
  for (let time = 0; time < TIMES; time++) {
    if (time > 0) await new Promise<void>((resolve) => timers.after(AGAIN_MS, resolve));
    const lock = await tryLock(files, directory);
    if ('release' in lock) return lock;
    heldBy = lock.heldBy;
  }
  throw new SensorError(
    'spool-locked',
    `Cannot use the spool ${directory}`,
    heldBy > 0 ? `process ${heldBy} uses it` : 'another process uses it',
    'Stop that one, or name another directory in spool.directory.',
  );
}

async function tryLock(files: Files, directory: string): ReturnType<Files['lock']> {
  try {
    await files.makeDirectory(directory);
    return await files.lock(join(directory, LOCK));
  } catch (error) {
    throw error instanceof SensorError ? error : spoolUnwritable(directory, error);
  }
}

export function spoolUnwritable(directory: string, error: unknown): SensorError {
  return new SensorError(
    'spool-unwritable',
    `Cannot write the spool ${directory}`,
    `${reasonOf(error)}${fileOf(directory, error)}`,
    nextOf(error),
    error,
  );
}

function nextOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOSPC':
      return 'Free some space on its filesystem, or name another directory in spool.directory.';
    case 'EROFS':
      return 'Mount its filesystem to be written, or name another directory in spool.directory; a command takes a copy of it with --directory.';
    default:
      return 'Give the user of the sensor that directory with all that is in it (chown -R), or name another one in spool.directory.';
  }
}

/** The file that an error is about, behind a reason: " (/var/lib/earshot/spool/state)"; "" for the directory itself. */
export function fileOf(directory: string, error: unknown): string {
  const path = error instanceof Error && 'path' in error ? String(error.path) : '';
  return path.startsWith(`${directory}/`) ? ` (${path})` : '';
}
