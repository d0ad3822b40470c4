/**
 * AWS Signature Version 4 in the query string of a URL ("presigned"):
 *
 *   canonical request = method, path, sorted query, headers, names of headers, hash of the body; one a line
 *   string to sign    = AWS4-HMAC-SHA256, time, scope (date/region/service/aws4_request), hash of the canonical request
 *   key               = HMAC chain over date, region, service, "aws4_request", begun with "AWS4" + secret
 */
import { createHash, createHmac } from 'node:crypto';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** "" for those that last. */
  readonly sessionToken: string;
}

export interface Presigned {
  readonly method: 'GET';
  readonly host: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly region: string;
  readonly service: string;
  readonly expiresSeconds: number;
  readonly atMs: number;
  /** Hash of the body where it is not that of an empty one: UNSIGNED-PAYLOAD. */
  readonly payloadHash?: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The whole URL, signed. */
export function presign(request: Presigned, { accessKeyId, secretAccessKey, sessionToken }: AwsCredentials): string {
  const { method, host, path, region, service, expiresSeconds, atMs, payloadHash = sha256('') } = request;
  const time = new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/${service}/aws4_request`;
  const query: Record<string, string> = {
    ...request.query,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(expiresSeconds),
    ...(sessionToken === '' ? {} : { 'X-Amz-Security-Token': sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  };
  const sorted = Object.entries(query)
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const canonical = [method, path, sorted, `host:${host}\n`, 'host', payloadHash].join('\n');
  const toSign = [ALGORITHM, time, scope, sha256(canonical)].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return `https://${host}${path}?${sorted}&X-Amz-Signature=${hmac(key, toSign).toString('hex')}`;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** RFC 3986: all but letters, digits and - _ . ~ */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
