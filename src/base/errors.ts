/**
 * Errors at the edges (commands, configuration, files): what happened, why, and what to do next.
 * The hot path throws nothing; odd traffic is a weird (base/weird.ts).
 */
const codes = {
  usage: 'The command line is wrong.',
  'file-missing': 'A file does not exist.',
  'file-unreadable': 'A file cannot be opened or read.',
  'file-empty': 'A file holds no bytes.',
  'file-foreign': 'A file is no capture that Earshot reads.',
  'link-unsupported': 'A capture has a link type that Earshot does not read.',
  'config-invalid': 'The configuration does not fit its schema.',
  'output-failed': 'The output cannot be written.',
} as const;

export type ErrorCode = keyof typeof codes;
/** Every code with its meaning; docs/errors.md is generated from it. */
export const errorCodes: Readonly<Record<ErrorCode, string>> = codes;

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'it does not exist',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is no directory',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENXIO: 'it is a socket or a device without a driver',
  EIO: 'the disk or the file system reports an error',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'it would become larger than a file may be',
  EROFS: 'the file system is read-only',
  ETXTBSY: 'it is a program that is running',
  ETIMEDOUT: 'the thread that decompresses it did not start',
  EBADF: 'it is not open for that',
};

/** The code of an error of the system, as "ENOENT"; "" when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Why the system refused something, as a clause: "permission denied". */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return reasons[code] ?? (code || 'the system gives no reason');
}

export class SensorError extends Error {
  override readonly name = 'SensorError';
  readonly code: ErrorCode;
  /** What happened, as a clause: "Cannot read x.pcap". */
  readonly what: string;
  /** Why, as a clause: "the file is empty". */
  readonly why: string;
  /** What the operator can do, as an imperative sentence. */
  readonly next: string;
  /** When there are several faults: one line each. */
  readonly details: readonly string[];

  constructor(code: ErrorCode, what: string, why: string, next: string, cause?: unknown, details: readonly string[] = []) {
    super(`${what}: ${why}. ${next}`, { cause });
    this.code = code;
    this.what = what;
    this.why = why;
    this.next = next;
    this.details = details;
  }
}
