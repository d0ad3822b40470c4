/**
 * Credentials of a role for a token of another identity provider: IAM roles for service accounts (EKS).
 *
 *   AWS_WEB_IDENTITY_TOKEN_FILE   holds the token; Kubernetes writes it anew before it ends
 *   AWS_ROLE_ARN                  the role; AWS_ROLE_SESSION_NAME: what CloudTrail shows, else earshot
 *
 *   POST / at sts.REGION.amazonaws.com, not signed: Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=...
 *     <Credentials><AccessKeyId/><SecretAccessKey/><SessionToken/><Expiration/></Credentials>
 *     <Error><Code>ExpiredTokenException</Code><Message/></Error>
 *
 * AWS_ENDPOINT_URL_STS, else AWS_ENDPOINT_URL, names another place to ask; AWS_CA_BUNDLE a file of those who are trusted.
 */
import { readFileSync } from 'node:fs';
import { reasonOf } from '../../base/errors.ts';
import { blocked, type Failure, FailureError, retry } from '../failure.ts';
import { shown } from '../problem-words.ts';
import { type AwsAnswer, askAws } from './aws-ask.ts';
import type { AwsCredentials } from './aws-signature.ts';

/** Of the errors that STS tells, those that pass by themselves: the token is about to be written anew, STS is busy. */
const passing: readonly string[] = ['ExpiredTokenException', 'IDPCommunicationError', 'Throttling', 'ThrottlingException'];

export interface WebIdentity {
  readonly tokenFile: string;
  readonly roleArn: string;
  readonly sessionName: string;
  /** URL of STS. */
  readonly endpoint: string;
  /** "" for the authorities that Node knows. */
  readonly caFile: string;
}

/** Null: the environment names none. */
export function webIdentityOf(environment: NodeJS.ProcessEnv, region: string): WebIdentity | null {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: roleArn, AWS_ROLE_SESSION_NAME, AWS_CA_BUNDLE } = environment;
  if (!tokenFile || !roleArn) return null;
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const endpoint = environment.AWS_ENDPOINT_URL_STS || environment.AWS_ENDPOINT_URL || `https://sts.${region}.${domain}`;
  return { tokenFile, roleArn, endpoint, sessionName: AWS_ROLE_SESSION_NAME || 'earshot', caFile: AWS_CA_BUNDLE ?? '' };
}

/** Rejects with FailureError. */
export async function assumeRole(identity: WebIdentity, signal: AbortSignal): Promise<{ credentials: AwsCredentials; endsAtMs: number }> {
  const { roleArn, sessionName, endpoint, tokenFile, caFile } = identity;
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    const what = 'AWS_ENDPOINT_URL_STS is no http:// or https:// URL';
    throw new FailureError(blocked('credentials-invalid', what, 'Set it to the URL of STS, or unset it.'));
  }
  const token = contentOf(tokenFile, 'AWS_WEB_IDENTITY_TOKEN_FILE').trim();
  const ca = caFile === '' ? {} : { ca: contentOf(caFile, 'AWS_CA_BUNDLE') };
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: roleArn,
    RoleSessionName: sessionName,
    WebIdentityToken: token,
  }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(Buffer.byteLength(body)) };
  let answer: AwsAnswer;
  try {
    answer = await askAws(url.href, { method: 'POST', headers, body, signal, ...ca });
  } catch (error) {
    throw new FailureError(unreachable(url.host, reasonOf(error)));
  }
  if (answer.status !== 200) throw new FailureError(refusal(identity, url.host, answer));
  const [id, secret, session, end] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map((tag) =>
    textOf(answer.text, tag),
  );
  const endsAtMs = Date.parse(end);
  if (id === '' || secret === '' || Number.isNaN(endsAtMs))
    throw new FailureError(unreachable(url.host, 'its answer holds no credentials'));
  return { credentials: { accessKeyId: id, secretAccessKey: secret, sessionToken: session }, endsAtMs };
}

function contentOf(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const what = `Cannot read ${variable}, ${path}: ${reasonOf(error)}`;
    throw new FailureError(blocked('credentials-missing', what, 'Let the user of the sensor read that file.'));
  }
}

function refusal({ roleArn }: WebIdentity, host: string, { status, text }: AwsAnswer): Failure {
  const code = textOf(text, 'Code');
  if (status >= 500 || passing.includes(code)) return unreachable(host, `it answered ${status} ${shown(code)}`);
  return blocked(
    'credentials-refused',
    `STS at ${host} does not give the role ${roleArn} for the token of this pod: ${status} ${shown(code)}`,
    'Look whether the trust policy of the role names the identity provider of the cluster, this namespace and this service account.',
  );
}

function unreachable(host: string, why: string): Failure {
  const next = 'Look whether this pod reaches STS (a VPC end-point, or the internet). It is tried again by itself.';
  return retry('credentials-unreachable', `Cannot get credentials of AWS from STS at ${host}: ${why}`, next);
}

/** What stands in the first element of that name; "" when there is none. */
function textOf(xml: string, tag: string): string {
  const from = xml.indexOf(`<${tag}>`);
  const to = from < 0 ? -1 : xml.indexOf(`</${tag}>`, from);
  return to < 0 ? '' : xml.slice(from + tag.length + 2, to).trim();
}
