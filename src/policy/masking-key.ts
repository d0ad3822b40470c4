/**
 * The key of the actions `hash` and `format-preserving`: 32 bytes. With the same key equal values stay equal after a
 * restart, and on all sensors that share it. Without one in the settings the sensor makes one and keeps it in a file:
 *
 *   DIRECTORY/masking.key    64 hexadecimal digits and a line feed, mode 0600
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { codeOf, reasonOf, SensorError } from '../base/errors.ts';
import { give, makeDirectory, ownerOf, syncDirectory } from '../base/owner.ts';
import { readSecret, secretReference } from '../base/secret.ts';
import type { Secret } from '../base/settings.ts';

export const MASKING_KEY_BYTES = 32;
const FILE = 'masking.key';
const FILE_BYTES_MAX = 256;
const HOW = 'Make one with: openssl rand -hex 32';

/**
 * The key that the settings refer to; without one that of the file in `directory`, which is made when it is not there; without
 * a directory a random one for this process. Throws a SensorError when there should be a key and is none.
 */
export function maskingKey(secret: Secret | null, directory: string | null): Uint8Array {
  if (secret !== null) {
    const key = keyIn(readSecret(secret));
    if (key !== null) return key;
    throw invalidKey(secretReference(secret), HOW);
  }
  return directory === null ? randomBytes(MASKING_KEY_BYTES) : keptKey(directory);
}

/** The key in a text: 64 hexadecimal digits, or base64 in either alphabet. */
function keyIn(text: string): Uint8Array | null {
  const clean = text.trim();
  if (/^[0-9a-f]{64}$/i.test(clean)) return Buffer.from(clean, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(clean)) return null;
  const key = Buffer.from(clean, 'base64');
  return key.length === MASKING_KEY_BYTES ? key : null;
}

function invalidKey(where: string, next: string): SensorError {
  return new SensorError(
    'masking-key-invalid',
    `Cannot use the masking key in ${where}`,
    'it is not 32 bytes in hexadecimal (64 digits) or base64 (44 characters)',
    `${next}.`,
  );
}

function keptKey(directory: string): Uint8Array {
  const path = join(directory, FILE);
  try {
    return readKey(path) ?? makeKey(directory, path);
  } catch (error) {
    if (error instanceof SensorError) throw error;
    throw new SensorError(
      'masking-key-failed',
      `Cannot keep the masking key in ${resolve(path)}`,
      reasonOf(error),
      'Let the sensor write there, or give it a key: policy.maskingKey.',
      error,
    );
  }
}

function readKey(path: string): Uint8Array | null {
  const buffer = Buffer.alloc(FILE_BYTES_MAX);
  let length = 0;
  try {
    const fd = openSync(path, 'r');
    try {
      length = readSync(fd, buffer, 0, FILE_BYTES_MAX, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  const key = keyIn(buffer.toString('latin1', 0, length));
  if (key === null)
    throw invalidKey(path, 'Put back the file as it was, or remove it: a new key is made, and values get other hashes than before');
  return key;
}

/** Whole or not at all, also when the power goes; when two sensors make one at the same moment, the first is kept. */
function makeKey(directory: string, path: string): Uint8Array {
  makeDirectory(directory);
  const key = randomBytes(MASKING_KEY_BYTES);
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, `${key.toString('hex')}\n`);
      fsyncSync(fd);
      give(fd, ownerOf(directory));
    } finally {
      closeSync(fd);
    }
    try {
      linkSync(temporary, path);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return readKey(path) ?? key;
      // A file system without links.
      renameSync(temporary, path);
    }
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectory(directory);
  return key;
}
