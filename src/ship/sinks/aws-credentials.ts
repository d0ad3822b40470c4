/**
 * Credentials of AWS, from the first place that has them:
 *
 *   environment   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   web identity  AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: aws-web-identity.ts (EKS, IAM roles for service accounts)
 *   file          aws-profile.ts
 *   container     AWS_CONTAINER_CREDENTIALS_RELATIVE_URI at 169.254.170.2, or ..._FULL_URI (ECS, EKS Pod Identity)
 *   instance      metadata service, version 2: a token by PUT, the name of the role, its credentials (EC2);
 *                 AWS_EC2_METADATA_SERVICE_ENDPOINT names another address, AWS_EC2_METADATA_DISABLED=true: not asked
 *
 * Those that end are kept until five minutes before.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { codeOf, reasonOf } from '../../base/errors.ts';
import { blocked, FailureError, retry } from '../failure.ts';
import { askAws } from './aws-ask.ts';
import { profileCredentials } from './aws-profile.ts';
import type { AwsCredentials } from './aws-signature.ts';
import { assumeRole, webIdentityOf } from './aws-web-identity.ts';

interface Held {
  readonly credentials: AwsCredentials;
  readonly from: string;
  readonly endsAtMs: number;
}

const MARGIN_MS = 300_000;
const CONTAINER_HOST = 'http://169.254.170.2';
const INSTANCE_HOST = 'http://169.254.169.254';
const TOKEN_SECONDS = 21_600;
const ROLES = '/latest/meta-data/iam/security-credentials/';

let held: Held | undefined;

/** `region`: whose STS is asked. Rejects with FailureError. */
export async function awsCredentials(
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
  region: string = environment.AWS_REGION || 'us-east-1',
): Promise<AwsCredentials> {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', AWS_SESSION_TOKEN = '' } = environment;
  if (AWS_ACCESS_KEY_ID !== '' && AWS_SECRET_ACCESS_KEY !== '') {
    return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN };
  }
  const identity = webIdentityOf(environment, region);
  if (identity !== null) {
    const by = `${identity.endpoint} ${identity.roleArn} ${identity.tokenFile}`;
    const known = heldFrom(by) ?? { ...(await assumeRole(identity, signal)), from: by };
    held = known;
    return known.credentials;
  }
  const profile = profileCredentials(environment);
  if (profile !== null) return profile;
  const container = containerUrl(environment);
  const instance = environment.AWS_EC2_METADATA_SERVICE_ENDPOINT || INSTANCE_HOST;
  const from = container ?? instance;
  const known = heldFrom(from);
  if (known !== null) return known.credentials;
  if (container === null && environment.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') throw new FailureError(none());
  let text: string;
  try {
    text = container === null ? await ofInstance(instance, signal) : await ask('GET', container, containerHeaders(environment), signal);
  } catch (error) {
    if (error instanceof FailureError) throw error;
    throw new FailureError(container === null && codeOf(error) !== '' ? none() : unreachable(from, error));
  }
  held = parse(text, from);
  return held.credentials;
}

/** Null: none, or they are about to end. */
function heldFrom(from: string): Held | null {
  return held !== undefined && held.from === from && Date.now() < held.endsAtMs - MARGIN_MS ? held : null;
}

function containerUrl({
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative,
  AWS_CONTAINER_CREDENTIALS_FULL_URI: full,
}: NodeJS.ProcessEnv): string | null {
  if (relative) return `${CONTAINER_HOST}${relative.startsWith('/') ? '' : '/'}${relative}`;
  if (!full) return null;
  const url = URL.parse(full);
  // Credentials are asked for on this machine only: loopback, and the link-local addresses of ECS and EKS.
  const host = url?.hostname ?? '';
  const isNear =
    host === 'localhost' ||
    host === '[::1]' ||
    (isIP(host) === 4 && /^(127\.|169\.254\.170\.(2|23)$)/.test(host)) ||
    host === '[fd00:ec2::23]';
  if (url?.protocol === 'http:' && isNear) return url.href;
  throw new FailureError(
    blocked(
      'credentials-invalid',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI does not lead to this machine',
      'Unset it, or set it to an http:// URL of a loopback address, 169.254.170.2 or 169.254.170.23.',
    ),
  );
}

function containerHeaders(environment: NodeJS.ProcessEnv): Record<string, string> {
  const file = environment.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  let token = environment.AWS_CONTAINER_AUTHORIZATION_TOKEN ?? '';
  if (file) {
    try {
      token = readFileSync(file, 'utf8').trim();
    } catch (error) {
      const what = `Cannot read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ${reasonOf(error)}`;
      throw new FailureError(blocked('credentials-missing', what, 'Let the user of the sensor read that file.'));
    }
  }
  return token === '' ? {} : { authorization: token };
}

async function ofInstance(endpoint: string, signal: AbortSignal): Promise<string> {
  const token = await ask('PUT', `${endpoint}/latest/api/token`, { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) }, signal);
  const headers = { 'x-aws-ec2-metadata-token': token };
  const role = (await ask('GET', `${endpoint}${ROLES}`, headers, signal)).split('\n')[0].trim();
  if (role === '') throw new FailureError(none());
  return await ask('GET', `${endpoint}${ROLES}${encodeURIComponent(role)}`, headers, signal);
}

function parse(text: string, from: string): Held {
  let given: Record<string, unknown> = {};
  try {
    given = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // Told below.
  }
  const { AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: end } = given;
  if (typeof id !== 'string' || typeof secret !== 'string') throw new FailureError(unreachable(from, null));
  const endsAtMs = typeof end === 'string' ? Date.parse(end) : Number.NaN;
  return {
    credentials: { accessKeyId: id, secretAccessKey: secret, sessionToken: typeof token === 'string' ? token : '' },
    from,
    endsAtMs: Number.isNaN(endsAtMs) ? Number.NEGATIVE_INFINITY : endsAtMs,
  };
}

function none(): ReturnType<typeof blocked> {
  return blocked(
    'credentials-missing',
    'There are no credentials of AWS: none in the environment or a file, no container or instance has a role',
    'Give the instance, task or pod a role with kafka-cluster:Connect and kafka-cluster:WriteData, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
  );
}

function unreachable(from: string, error: unknown): ReturnType<typeof retry> {
  const place = URL.parse(from)?.host ?? from;
  const why = error === null ? 'its answer is none' : codeOf(error) === '' ? 'it refuses or does not answer in time' : reasonOf(error);
  return retry(
    'credentials-unreachable',
    `Cannot get credentials of AWS from ${place}: ${why}`,
    'Look at the role of this instance, task or pod. It is tried again by itself.',
  );
}

async function ask(method: string, url: string, headers: Record<string, string>, signal: AbortSignal): Promise<string> {
  const { status, text } = await askAws(url, { method, headers, signal });
  if (status !== 200) throw new Error(`status ${status}`);
  return text;
}
