/** The way to a file, as far as it can be seen without opening it: folder, kind of file, rights, room. */
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../base/errors.ts';
import { failed, passed } from '../probe.ts';
import type { ProbeStep } from '../sink.ts';
import { fileFailure, NoRegularFile } from './file-problems.ts';

const MIB = 1 << 20;

export async function probeFile(path: string): Promise<ProbeStep[]> {
  let isThere = true;
  try {
    if (!(await stat(path)).isFile()) throw new NoRegularFile();
    await access(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return [failed('file', fileFailure(path, error).problem)];
    isThere = false;
  }
  try {
    // It is rotated there as well.
    await access(dirname(path), constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(dirname(path));
    const freeBytes = bavail * bsize;
    const file = passed('file', isThere ? `${path} can be written` : `${path} can be made`);
    if (freeBytes >= MIB) return [file, passed('space', `${Math.floor(freeBytes / MIB).toLocaleString('en')} MiB are free there`)];
    return [file, failed('space', fileFailure(path, Object.assign(new Error('full'), { code: 'ENOSPC' })).problem)];
  } catch (error) {
    return [failed('file', fileFailure(path, error).problem)];
  }
}
