import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeAuthority, makeServerCertificate } from '../../../test/support/certificates.ts';
import { FailureError } from '../failure.ts';
import { awsCredentials } from './aws-credentials.ts';
import { profileIn } from './aws-profile.ts';
import { webIdentityOf } from './aws-web-identity.ts';

const ROLE = 'arn:aws:iam::123456789012:role/earshot';

/** STS as it answers: XML, credentials for the token that counts. */
class Sts {
  readonly asked: URLSearchParams[] = [];
  token = 'token-1';
  lifeMs = 3_600_000;
  /** In the place of credentials. */
  answer: readonly [status: number, body: string] | null = null;

  readonly serve: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += String(piece);
    });
    request.on('end', () => {
      const form = new URLSearchParams(body);
      this.asked.push(form);
      const isGood = request.method === 'POST' && form.get('WebIdentityToken') === this.token && form.get('RoleArn') === ROLE;
      const [status, text] = this.answer ?? (isGood ? [200, this.#given()] : errorOf(400, 'InvalidIdentityToken'));
      response.writeHead(status, { 'content-type': 'text/xml' }).end(text);
    });
  };

  #given(): string {
    const n = this.asked.length;
    return (
      '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>' +
      `<Credentials><SessionToken>session/${n}+==</SessionToken><SecretAccessKey>secret-${n}</SecretAccessKey>` +
      `<Expiration>${new Date(Date.now() + this.lifeMs).toISOString()}</Expiration><AccessKeyId>ASIA${n}</AccessKeyId></Credentials>` +
      '</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>'
    );
  }
}

function errorOf(status: number, code: string): [number, string] {
  return [status, `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`];
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-aws-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function setUp(t: TestContext): Promise<{ sts: Sts; environment: NodeJS.ProcessEnv; folder: string; tokenFile: string }> {
  const folder = newFolder(t);
  const sts = new Sts();
  const server = createServer(sts.serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'token-1\n');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { sts, folder, tokenFile, environment: { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: ROLE, AWS_ENDPOINT_URL_STS: url } };
}

const get = (environment: NodeJS.ProcessEnv): ReturnType<typeof awsCredentials> => awsCredentials(environment, AbortSignal.timeout(2000));

async function failure(environment: NodeJS.ProcessEnv): Promise<string> {
  return await get(environment).then(
    () => 'none',
    (error: unknown) => (error instanceof FailureError ? `${error.failure.type} ${error.message}` : String(error)),
  );
}

test('a role for the token of a pod, kept until it is about to end; the token is read anew each time', async (t) => {
  const { sts, environment, tokenFile } = await setUp(t);
  sts.lifeMs = 60_000;
  assert.deepEqual(await get(environment), { accessKeyId: 'ASIA1', secretAccessKey: 'secret-1', sessionToken: 'session/1+==' });
  const [form] = sts.asked;
  assert.deepEqual(
    [form.get('Action'), form.get('Version'), form.get('RoleSessionName')],
    ['AssumeRoleWithWebIdentity', '2011-06-15', 'earshot'],
  );
  sts.token = 'token-2';
  sts.lifeMs = 3_600_000;
  writeFileSync(tokenFile, 'token-2');
  for (let i = 0; i < 3; i++) assert.equal((await get({ ...environment, AWS_ROLE_SESSION_NAME: 'pod' })).accessKeyId, 'ASIA2');
  assert.equal(sts.asked.length, 2);
  assert.equal(sts.asked[1].get('RoleSessionName'), 'pod');
});

test('over TLS with the authority that AWS_CA_BUNDLE names, and not without it', async (t) => {
  const folder = newFolder(t);
  const authority = makeAuthority('STS Test CA');
  const { certificate, key } = makeServerCertificate('good', authority);
  const sts = new Sts();
  const server = createSecureServer({ cert: certificate, key }, sts.serve).listen(0, 'localhost');
  await once(server, 'listening');
  t.after(() => server.close());
  const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.pem')];
  writeFileSync(tokenFile, 'token-1');
  writeFileSync(caFile, authority.certificate);
  const AWS_ENDPOINT_URL_STS = `https://localhost:${(server.address() as AddressInfo).port}`;
  const environment = { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: ROLE, AWS_ENDPOINT_URL_STS };
  assert.match(await failure(environment), /^retry Cannot get credentials of AWS from STS at localhost/);
  assert.equal(sts.asked.length, 0, 'the token was not shown');
  assert.equal((await get({ ...environment, AWS_CA_BUNDLE: caFile })).accessKeyId, 'ASIA1');
});

test('what STS refuses is told with the role, what passes by itself is tried again; the token is never shown', async (t) => {
  const { sts, environment, tokenFile } = await setUp(t);
  const said: string[] = [];
  const fails = async (answer: readonly [number, string] | null, wanted: RegExp): Promise<void> => {
    sts.answer = answer;
    const text = await failure(environment);
    assert.match(text, wanted);
    said.push(text);
  };
  await fails(
    errorOf(403, 'AccessDenied'),
    /^blocked STS at 127.* role arn:aws:iam::123456789012:role\/earshot .*403 AccessDenied.*trust policy/,
  );
  await fails(errorOf(400, 'ExpiredTokenException'), /^retry .*ExpiredTokenException/);
  await fails(errorOf(503, 'ServiceUnavailable'), /^retry .*503/);
  await fails([200, '<html>login</html>'], /^retry .*holds no credentials/);
  writeFileSync(tokenFile, 'token-9');
  await fails(null, /^blocked .*InvalidIdentityToken/);
  for (const text of said) assert.doesNotMatch(text, /token-\d/);
  assert.match(await failure({ ...environment, AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:9' }), /^retry /);
  assert.match(await failure({ ...environment, AWS_ENDPOINT_URL_STS: 'nonsense' }), /^blocked AWS_ENDPOINT_URL_STS is no/);
  rmSync(tokenFile);
  assert.match(await failure(environment), /^blocked Cannot read AWS_WEB_IDENTITY_TOKEN_FILE/);
});

test('STS of the region is asked, in China at its own domain', () => {
  const environment = { AWS_WEB_IDENTITY_TOKEN_FILE: '/t', AWS_ROLE_ARN: ROLE };
  assert.equal(webIdentityOf(environment, 'eu-central-1')?.endpoint, 'https://sts.eu-central-1.amazonaws.com');
  assert.equal(webIdentityOf(environment, 'cn-north-1')?.endpoint, 'https://sts.cn-north-1.amazonaws.com.cn');
  assert.equal(webIdentityOf({ ...environment, AWS_ENDPOINT_URL: 'http://a' }, 'eu-central-1')?.endpoint, 'http://a');
  assert.equal(webIdentityOf({ AWS_ROLE_ARN: ROLE }, 'eu-central-1'), null);
});

test('from a file of the AWS command line, by profile', async (t) => {
  const folder = newFolder(t);
  const path = join(folder, 'credentials');
  const keys = (id: string): string => `aws_access_key_id = ${id}\n  aws_secret_access_key=a/b=c\n`;
  writeFileSync(path, `# mine\n[default]\n${keys('AKIA1')}\n[ other ]\r\n${keys('AKIA2')}aws_session_token = s==\n; [third]\n[empty]\n`);
  const environment = { AWS_SHARED_CREDENTIALS_FILE: path, AWS_EC2_METADATA_DISABLED: 'true' };
  assert.deepEqual(await get(environment), { accessKeyId: 'AKIA1', secretAccessKey: 'a/b=c', sessionToken: '' });
  assert.deepEqual(await get({ ...environment, AWS_PROFILE: 'other' }), {
    accessKeyId: 'AKIA2',
    secretAccessKey: 'a/b=c',
    sessionToken: 's==',
  });
  for (const AWS_PROFILE of ['empty', 'third']) {
    assert.match(await failure({ ...environment, AWS_PROFILE }), new RegExp(`^blocked .*no whole keys for the profile ${AWS_PROFILE}`));
  }
  assert.match(await failure({ ...environment, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none') }), /^blocked .*it does not exist/);
  assert.match(await failure({ HOME: folder, AWS_EC2_METADATA_DISABLED: 'true' }), /^blocked There are no credentials/);
  assert.deepEqual(profileIn('[a]\nx = 1\n[b]\nx = 2\n', 'b'), { x: '2' });
});
