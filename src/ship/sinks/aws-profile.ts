/**
 * Credentials from the file that the AWS command line keeps: AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials; of the
 * profile that AWS_PROFILE names, else of `default`.
 *
 *   [default]
 *   aws_access_key_id = ...
 *   aws_secret_access_key = ...
 *   aws_session_token = ...
 *
 * Left out: roles, sign-on and programs that a profile may name in ~/.aws/config.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, reasonOf } from '../../base/errors.ts';
import { blocked, FailureError } from '../failure.ts';
import type { AwsCredentials } from './aws-signature.ts';

const FILE_BYTES_MAX = 1 << 20;

/** Null: there is no such file, or nothing of use in it, and nobody named it. Throws FailureError. */
export function profileCredentials({ AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE, HOME }: NodeJS.ProcessEnv): AwsCredentials | null {
  const path = AWS_SHARED_CREDENTIALS_FILE || (HOME ? join(HOME, '.aws/credentials') : '');
  if (path === '') return null;
  const name = AWS_PROFILE || 'default';
  const isNamed = Boolean(AWS_SHARED_CREDENTIALS_FILE || AWS_PROFILE);
  let why = `it has no whole keys for the profile ${name}`;
  try {
    const found = statSync(path);
    if (!found.isFile() || found.size > FILE_BYTES_MAX) why = 'it is no file of credentials';
    else {
      const {
        aws_access_key_id: id,
        aws_secret_access_key: secret,
        aws_session_token: token = '',
      } = profileIn(readFileSync(path, 'utf8'), name);
      if (id && secret) return { accessKeyId: id, secretAccessKey: secret, sessionToken: token };
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
    why = reasonOf(error);
  }
  if (!isNamed) return null;
  throw new FailureError(
    blocked(
      'credentials-missing',
      `Cannot take credentials of AWS from ${path}: ${why}`,
      'Put aws_access_key_id and aws_secret_access_key there, readable by the user of the sensor only, or unset AWS_PROFILE and AWS_SHARED_CREDENTIALS_FILE.',
    ),
  );
}

/** The settings of one profile. */
export function profileIn(text: string, name: string): Record<string, string | undefined> {
  const settings: Record<string, string> = {};
  let isIn = false;
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed.startsWith('[') && trimmed.endsWith(']')) isIn = trimmed.slice(1, -1).trim() === name;
    const at = trimmed.indexOf('=');
    if (isIn && at > 0 && !/^[#;]/.test(trimmed)) settings[trimmed.slice(0, at).trim().toLowerCase()] = trimmed.slice(at + 1).trim();
  }
  return settings;
}
