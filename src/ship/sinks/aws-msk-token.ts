/**
 * Tokens for Amazon MSK with IAM, over SASL/OAUTHBEARER: a presigned URL for the action kafka-cluster:Connect, as base64url
 * without padding. The broker asks AWS whether it holds.
 */
import { awsCredentials } from './aws-credentials.ts';
import { type AwsCredentials, presign } from './aws-signature.ts';

const LIFE_SECONDS = 900;
const USER_AGENT = 'earshot';

/** Rejects with FailureError when there are no credentials. */
export async function mskToken(region: string, signal: AbortSignal): Promise<string> {
  return signMskToken(region, await awsCredentials(process.env, signal, region), Date.now());
}

export function signMskToken(region: string, credentials: AwsCredentials, atMs: number): string {
  const url = presign(
    {
      method: 'GET',
      host: `kafka.${region}.amazonaws.com`,
      path: '/',
      query: { Action: 'kafka-cluster:Connect' },
      region,
      service: 'kafka-cluster',
      expiresSeconds: LIFE_SECONDS,
      atMs,
    },
    credentials,
  );
  // Who asks stands behind what is signed.
  return Buffer.from(`${url}&User-Agent=${USER_AGENT}`).toString('base64url');
}
