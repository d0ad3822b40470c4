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
  'secret-missing': 'A file or environment variable that should hold a secret is missing, empty or cannot be read.',
  'descriptor-invalid': 'A file holds no descriptors of Protocol Buffers.',
  'masking-invalid': 'A file of masking rules does not fit its schema.',
  'masking-key-invalid': 'The key for masking is not 32 bytes in hexadecimal or base64.',
  'masking-key-failed': 'The key for masking cannot be kept in its file.',
  'output-failed': 'The output cannot be written.',
  'not-running': 'No sensor runs here, or its control socket is another one.',
  'already-running': 'Another sensor runs here with the same control socket.',
  'no-permission': 'This user may not use, or not make, the control socket.',
  'sensor-stopped': 'The sensor stopped while a command listened to it.',
  'control-failed': 'The control socket cannot be made, or the sensor did not do what was asked over it.',
  'log-failed': 'The log file cannot be opened.',
  'listen-failed': 'A port cannot be listened on.',
  'no-rights': 'The process lacks the rights to listen.',
  'ring-failed': 'The kernel refuses to set up the packet ring.',
  'system-unsupported': 'The system lacks something that live capture needs.',
  'nothing-to-listen-to': 'The configuration names neither an interface nor a tunnel end-point.',
  'no-calls': 'Nothing that could be judged came while a command listened.',
  'endpoint-invalid': 'The URL of a tunnel end-point is wrong.',
  'endpoint-refused': 'The kernel refuses to open a tunnel end-point.',
  'port-held': 'The port of a tunnel end-point is held by another process, or by the kernel.',
  'filters-invalid': 'A file of filter rules does not fit its schema.',
  'filter-invalid': 'A capture filter cannot be compiled, or is too long for the kernel.',
  'libpcap-missing': 'capture.filter needs libpcap, which is not installed.',
  'spool-locked': 'Another process uses the directory of the spool.',
  'spool-newer': 'The spool was written by a later version of Earshot.',
  'spool-key': 'A key of the spool is missing, or is no key.',
  'spool-unwritable': 'The directory of the spool cannot be written.',
  'spool-missing': 'There is no spool in that directory.',
  'spool-unreadable': 'A file of the spool cannot be read now; it is left as it is.',
  'delivery-failed': 'Not all could be delivered, or the dead letters cannot be used.',
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
  ENOTFOUND: 'there is no such name',
  EHOSTUNREACH: 'there is no way to that machine',
  ECONNRESET: 'the other side broke the connection off',
  ECONNREFUSED: 'nobody listens there',
  ENOMEM: 'there is not enough memory',
  EINVAL: 'the kernel does not know it',
  ENODEV: 'there is no such interface',
  EADDRINUSE: 'it is in use already',
  EADDRNOTAVAIL: 'no interface has that address',
};

/** The code of an error of the system, as "ENOENT"; "" when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Why the system refused something, as a clause: "permission denied". */
export function reasonOf(error: unknown): string {
  return errnoReason(codeOf(error));
}

/** The same for the name of an error: "EPERM". */
export function errnoReason(code: string): string {
  return reasons[code] ?? (code || 'the system gives no reason');
}

/** The same of a file that was to be made or written: what does not exist then is its folder. */
export function writeReasonOf(error: unknown): string {
  return codeOf(error) === 'ENOENT' ? 'its folder does not exist' : reasonOf(error);
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
