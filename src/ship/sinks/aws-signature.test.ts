import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signMskToken } from './aws-msk-token.ts';
import { presign } from './aws-signature.ts';

/** The example keys of the AWS documentation. */
const example = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: '' };

test('the presigned URL of the AWS documentation (Signature Version 4, query parameters, GET of an object)', () => {
  const url = presign(
    {
      method: 'GET',
      host: 'examplebucket.s3.amazonaws.com',
      path: '/test.txt',
      query: {},
      region: 'us-east-1',
      service: 's3',
      expiresSeconds: 86_400,
      atMs: Date.UTC(2013, 4, 24),
      payloadHash: 'UNSIGNED-PAYLOAD',
    },
    example,
  );
  assert.equal(
    url,
    'https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
      '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
      '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
      '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
});

test('a token for MSK is a URL that is signed for the action, the region and the session', () => {
  const token = signMskToken('eu-central-1', { ...example, sessionToken: 'session/+=' }, Date.UTC(2024, 0, 2, 3, 4, 5, 678));
  assert.match(token, /^[A-Za-z0-9_-]+$/);
  const url = new URL(Buffer.from(token, 'base64url').toString('utf8'));
  assert.equal(url.origin, 'https://kafka.eu-central-1.amazonaws.com');
  const query = url.searchParams;
  assert.equal(query.get('Action'), 'kafka-cluster:Connect');
  assert.equal(query.get('X-Amz-Date'), '20240102T030405Z');
  assert.equal(query.get('X-Amz-Expires'), '900');
  assert.equal(query.get('X-Amz-Credential'), 'AKIAIOSFODNN7EXAMPLE/20240102/eu-central-1/kafka-cluster/aws4_request');
  assert.equal(query.get('X-Amz-Security-Token'), 'session/+=');
  assert.match(query.get('X-Amz-Signature') ?? '', /^[0-9a-f]{64}$/);
  assert.equal(query.get('User-Agent'), 'earshot');
  assert.ok(!token.includes('wJalr') && !url.href.includes('wJalr'));
});
