/**
 * Secrets: the configuration names the file or the environment variable that holds one, never the secret itself. What
 * is read here must not be logged, shown or put into an error.
 */
import { readFileSync, statSync } from 'node:fs';
import { codeOf, reasonOf, SensorError } from './errors.ts';
import type { Secret } from './settings.ts';

const SECRET_BYTES_MAX = 64 * 1024;
const READABLE_BY_ALL = 0o004;
const LINE_ENDS = /[\r\n]+$/;

/** How a secret may be shown: "file /run/secrets/token", "environment TOKEN". */
export function secretReference(secret: Secret): string {
  return 'file' in secret ? `file ${secret.file}` : `environment ${secret.environment}`;
}

function missing(secret: Secret, why: string, cause?: unknown): SensorError {
  const next =
    'file' in secret
      ? 'Put the secret into that file, readable by the user of the sensor only, or name another one.'
      : 'Set that variable for the sensor (systemd: EnvironmentFile=; a container: env), or name a file with { file: PATH }.';
  return new SensorError('secret-missing', `Cannot read the secret in ${secretReference(secret)}`, why, next, cause);
}

/** The secret, without the line end behind it. Throws a SensorError (secret-missing) when there is none. */
export function readSecret(secret: Secret): string {
  let text: string;
  if ('file' in secret) {
    try {
      const stat = statSync(secret.file);
      if (stat.isDirectory()) throw missing(secret, 'it is a directory');
      // A pipe would be waited for, a device never ends.
      if (!stat.isFile()) throw missing(secret, 'it is no ordinary file');
      if (stat.size > SECRET_BYTES_MAX) throw missing(secret, `it is larger than ${SECRET_BYTES_MAX} bytes`);
      text = readFileSync(secret.file, 'utf8');
    } catch (error) {
      if (error instanceof SensorError) throw error;
      throw missing(secret, codeOf(error) === 'ENOENT' ? 'there is no such file' : reasonOf(error), error);
    }
  } else {
    const value = process.env[secret.environment];
    if (value === undefined) throw missing(secret, 'the variable is not set');
    text = value;
  }
  text = text.replace(LINE_ENDS, '');
  if (text === '') throw missing(secret, 'it is empty');
  return text;
}

/** What the operator should know about where a secret lies: a sentence, or null when all is well. */
export function secretWarning(secret: Secret): string | null {
  if (!('file' in secret)) return null;
  const mode = statSync(secret.file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & READABLE_BY_ALL) === 0) return null;
  return `Every user of this machine may read the secret in ${secretReference(secret)}: chmod 600 ${secret.file}, as its owner.`;
}
