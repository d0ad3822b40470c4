import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FailureError } from '../failure.ts';
import { awsCredentials } from './aws-credentials.ts';

const signal = (): AbortSignal => AbortSignal.timeout(2000);

async function serve(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function codeOf(error: unknown): string {
  return error instanceof FailureError ? `${error.failure.type} ${error.problem.code}` : String(error);
}

async function failure(environment: NodeJS.ProcessEnv): Promise<string> {
  return await awsCredentials(environment, signal()).then(() => 'none', codeOf);
}

const given = (life: number): string =>
  JSON.stringify({ AccessKeyId: 'ID', SecretAccessKey: 'SECRET', Token: 'TOKEN', Expiration: new Date(Date.now() + life).toISOString() });

test('from the environment', async () => {
  const environment = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_SESSION_TOKEN: 'c' };
  assert.deepEqual(await awsCredentials(environment, signal()), { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c' });
});

test('from the container, which wants its token, and again when they are about to end', async (t) => {
  let asked = 0;
  let life = 3_600_000;
  const url = await serve(t, ({ headers }, response) => {
    asked++;
    response.statusCode = headers.authorization === 'pass' ? 200 : 401;
    response.end(given(life));
  });
  const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/credentials`, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'pass' };
  life = 60_000;
  await awsCredentials(environment, signal());
  life = 3_600_000;
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await awsCredentials(environment, signal()), { accessKeyId: 'ID', secretAccessKey: 'SECRET', sessionToken: 'TOKEN' });
  }
  assert.equal(asked, 2);
  const other = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/other`, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'wrong' };
  assert.equal(await failure(other), 'retry credentials-unreachable');
});

test('from the instance, by a token of the metadata service', async (t) => {
  const url = await serve(t, ({ method, url: path, headers }, response) => {
    const may = headers['x-aws-ec2-metadata-token'] === 'metadata-token';
    if (method === 'PUT' && path === '/latest/api/token') response.end('metadata-token');
    else if (may && path === '/latest/meta-data/iam/security-credentials/') response.end('the role\n');
    else if (may && path === '/latest/meta-data/iam/security-credentials/the%20role') response.end(given(3_600_000));
    else {
      response.statusCode = 401;
      response.end();
    }
  });
  assert.equal((await awsCredentials({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url }, signal())).accessKeyId, 'ID');
});

test('none: said so; an answer that is none, and a URL that leads away: too', async (t) => {
  assert.equal(await failure({ AWS_EC2_METADATA_DISABLED: 'true' }), 'blocked credentials-missing');
  assert.equal(await failure({ AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:9' }), 'blocked credentials-missing');
  const page = await serve(t, (_request, response) => response.end('<html>login</html>'));
  assert.equal(await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: page }), 'retry credentials-unreachable');
  const endless = await serve(t, (_request, response) => {
    const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
    response.on('close', () => clearInterval(timer));
  });
  assert.equal(await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: endless }), 'retry credentials-unreachable');
  for (const far of ['http://10.0.0.1/x', 'https://127.0.0.1/x', 'http://169.254.169.254/x', 'nonsense', 'http://127.0.0.1.example/x']) {
    assert.equal(await failure({ AWS_CONTAINER_CREDENTIALS_FULL_URI: far }), 'blocked credentials-invalid', far);
  }
});
