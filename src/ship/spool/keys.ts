/** Keys of the encryption at rest: 32 bytes each, known in frames by the first 8 bytes of their SHA-256. */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { SensorError } from '../../base/errors.ts';
import { readSecret, secretReference } from '../../base/secret.ts';
import type { Secret, Settings } from '../../base/settings.ts';

export const KEY_BYTES = 32;
export const KEY_ID_BYTES = 8;

export interface SpoolKeys {
  /** Id of the key that encrypts what is written from now on, hexadecimal; "": nothing is encrypted. */
  readonly currentId: string;
  readonly byId: ReadonlyMap<string, KeyObject>;
}

export const noKeys: SpoolKeys = { currentId: '', byId: new Map() };

export function spoolKeys(current: Uint8Array | null, old: readonly Uint8Array[] = []): SpoolKeys {
  const byId = new Map<string, KeyObject>();
  for (const key of current === null ? old : [current, ...old]) byId.set(keyId(key), createSecretKey(key));
  return { currentId: current === null ? '' : keyId(current), byId };
}

export function keyId(key: Uint8Array): string {
  return createHash('sha256').update(key).digest().toString('hex', 0, KEY_ID_BYTES);
}

/** The keys that the settings name. Throws SensorError: secret-missing, spool-key. */
export function readSpoolKeys(settings: Settings['spool']): SpoolKeys {
  const current = settings.encryptionKey === null ? null : readKey(settings.encryptionKey, 'spool.encryptionKey');
  return spoolKeys(
    current,
    settings.oldEncryptionKeys.map((secret) => readKey(secret, 'spool.oldEncryptionKeys')),
  );
}

function readKey(secret: Secret, setting: string): Uint8Array {
  const text = readSecret(secret).trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  const key = /^[A-Za-z0-9+/]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  if (key.length === KEY_BYTES) return key;
  throw new SensorError(
    'spool-key',
    `Cannot use the key of ${setting} in ${secretReference(secret)}`,
    `it is not ${KEY_BYTES} bytes in hexadecimal or base64`,
    'Make one with: openssl rand -hex 32',
  );
}
