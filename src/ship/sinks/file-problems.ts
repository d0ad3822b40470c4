/** What an error of the filesystem means for a sink that writes there. */
import { codeOf, reasonOf } from '../../base/errors.ts';
import { blocked, type Failure, retry } from '../failure.ts';

/** It is there, and is something that records cannot be appended to. */
export class NoRegularFile extends Error {}

export function fileFailure(path: string, error: unknown): Failure {
  const code = codeOf(error);
  if (error instanceof NoRegularFile) {
    return blocked('not-a-file', `${path} is no regular file`, 'Name a file in the path of the sink, or use a sink of type stdout.');
  }
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return retry(
        'disk-full',
        `${path} cannot be written: ${reasonOf(error)}`,
        'Free some space there; it goes on by itself. The records wait in the spool.',
      );
    case 'ENOENT':
    case 'ENOTDIR':
      return blocked(
        'folder-missing',
        `The folder of ${path} does not exist`,
        'Make it, writable for the user of the sensor, or name another path.',
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return blocked(
        'no-permission',
        `${path} cannot be written: ${reasonOf(error)}`,
        'Let the user of the sensor write that file and its folder.',
      );
    case 'EISDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return blocked('path-unusable', `${path} cannot be written: ${reasonOf(error)}`, 'Name another path for the sink.');
    default:
      return retry('file-failed', `${path} cannot be written: ${reasonOf(error)}`, 'Look at that disk. It is tried again by itself.');
  }
}
