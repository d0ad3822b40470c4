import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Edge, type EdgeAnswer, type EdgeOptions } from '../../../test/support/edge.ts';
import type { AuthSettings } from '../../base/settings.ts';
import { FailureError } from '../failure.ts';
import { NO_PROXY } from '../proxy.ts';
import { never, plainTls } from '../sinks/http-testing.ts';
import { type TokenSource, type TokenSourceOptions, tokenSource } from './token-source.ts';

const open: { close(): Promise<void> }[] = [];
let nowMs = 0;

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

type OAuth2 = Extract<AuthSettings, { type: 'oauth2' }>;

async function openBoth(
  edgeOptions: EdgeOptions = {},
  changes: Partial<OAuth2> = {},
  options: TokenSourceOptions = {},
): Promise<readonly [Edge, TokenSource]> {
  const edge = await Edge.open(edgeOptions);
  open.push(edge);
  nowMs = 0;
  const auth: OAuth2 = {
    type: 'oauth2',
    tokenUrl: edge.tokenUrl,
    clientId: edge.clientId,
    clientSecret: { file: edge.secretFile },
    scope: '',
    audience: '',
    clientAuthentication: 'basic',
    ...changes,
  };
  const source = tokenSource(auth, { ...plainTls, caFile: edge.caFile }, NO_PROXY, {
    monotonicMs: () => nowMs,
    requestTimeoutMs: 1000,
    ...options,
  });
  open.push(source);
  return [edge, source];
}

/** "blocked token-refused", or the word for a token. */
async function shortlyToken(source: TokenSource, signal: AbortSignal = never): Promise<string> {
  try {
    await source.token(signal);
    return 'token';
  } catch (error) {
    assert.ok(error instanceof FailureError);
    assert.doesNotMatch(JSON.stringify(error.failure) + error.message, /s3cret|token-[0-9a-f]{4}/);
    return `${error.failure.type} ${error.problem.code}`;
  }
}

/** Until what was begun in the background is over. */
async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isSo());
}

for (const clientAuthentication of ['basic', 'post'] as const) {
  test(`client credentials by ${clientAuthentication}, with a secret that needs encoding`, async () => {
    const [edge, source] = await openBoth({}, { clientAuthentication, scope: 'a b' });
    assert.match(await source.token(never), /^token-/);
    assert.equal(edge.tokenRequests[0].grant_type, 'client_credentials');
    assert.equal(edge.tokenRequests[0].scope, 'a b');
    assert.equal('client_secret' in edge.tokenRequests[0], clientAuthentication === 'post');
  });
}

test('one flight for all who ask, one token for its life', async () => {
  const [edge, source] = await openBoth();
  const tokens = await Promise.all(Array.from({ length: 20 }, () => source.token(never)));
  assert.equal(new Set(tokens).size, 1);
  nowMs = 200_000;
  assert.equal(await source.token(never), tokens[0]);
  assert.equal(edge.tokenRequests.length, 1);
});

test('at four fifths of its life a token is renewed while the old one serves', async () => {
  const [edge, source] = await openBoth({ tokenLifeSeconds: 100 });
  const first = await source.token(never);
  nowMs = 79_999;
  assert.equal(await source.token(never), first);
  assert.equal(edge.tokenRequests.length, 1);
  nowMs = 80_000;
  const during = await Promise.all([source.token(never), source.token(never)]);
  assert.deepEqual(during, [first, first]);
  await until(() => source.fetched === 2);
  assert.notEqual(await source.token(never), first);
  assert.equal(edge.tokenRequests.length, 2);
});

test('a renewal that fails is tried again, and told only when the token ends', async () => {
  const [edge, source] = await openBoth({ tokenLifeSeconds: 100 });
  const first = await source.token(never);
  edge.scriptTokens(503, 503, 503);
  nowMs = 80_000;
  assert.equal(await source.token(never), first);
  await until(() => edge.tokenRequests.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(await source.token(never), first);
  assert.equal(edge.tokenRequests.length, 2, 'not again at once');
  nowMs = 83_000;
  assert.equal(await source.token(never), first);
  await until(() => edge.tokenRequests.length === 3);
  await new Promise((resolve) => setTimeout(resolve, 30));
  nowMs = 96_000;
  assert.equal(await shortlyToken(source), 'retry unavailable');
  assert.equal(await shortlyToken(source), 'token');
});

test('without expires_in a token has a default life', async () => {
  const [edge, source] = await openBoth({ tokenLifeSeconds: 0 }, {}, { defaultLifeMs: 10_000 });
  await source.token(never);
  nowMs = 7_900;
  await source.token(never);
  assert.equal(edge.tokenRequests.length, 1);
  nowMs = 9_900;
  await source.token(never);
  assert.equal(edge.tokenRequests.length, 2);
});

test('refresh brings a fresh token; for one that was replaced already it does nothing', async () => {
  const [edge, source] = await openBoth();
  const first = await source.token(never);
  source.refresh(first);
  const second = await source.token(never);
  assert.notEqual(second, first);
  source.refresh(first);
  assert.equal(await source.token(never), second);
  source.refresh();
  assert.notEqual(await source.token(never), second);
  assert.equal(edge.tokensIssued, 3);
});

test('the client secret is read again for each token: rotation needs no restart', async () => {
  const [edge, source] = await openBoth();
  await source.token(never);
  edge.rotateSecret(false);
  source.refresh();
  assert.equal(await shortlyToken(source), 'blocked token-refused');
  edge.publishSecret();
  assert.equal(await shortlyToken(source), 'token');
});

test('what a token end-point answers is told apart', async () => {
  const json = { 'content-type': 'application/json' };
  const said = (status: number, error: string): EdgeAnswer => ({
    status,
    headers: json,
    body: JSON.stringify({ error, error_description: 's3cret' }),
  });
  const cases: readonly (readonly [EdgeAnswer, string])[] = [
    [said(401, 'invalid_client'), 'blocked token-refused'],
    [said(400, 'invalid_scope'), 'blocked token-refused'],
    [{ status: 401, headers: { 'www-authenticate': 'Basic realm="s3cret"' } }, 'blocked token-refused'],
    [400, 'blocked token-refused'],
    [403, 'blocked token-refused'],
    [404, 'blocked path-unknown'],
    [{ status: 302, headers: { location: '/login' } }, 'blocked redirected'],
    [429, 'retry too-many-requests'],
    [500, 'retry server-error'],
    [502, 'retry behind-it-silent'],
    ['page', 'blocked not-an-api'],
    [{ status: 200, headers: json, body: '{"access_token":' }, 'blocked token-invalid'],
    [{ status: 200, headers: json, body: '{"access_token":"two words","token_type":"Bearer"}' }, 'blocked token-invalid'],
    [{ status: 200, headers: json, body: '{"token":"s3cret"}' }, 'blocked token-invalid'],
    [{ status: 200, headers: json, body: '{"access_token":"a.b-c","token_type":"bearer","expires_in":"60"}' }, 'token'],
  ];
  const [edge, source] = await openBoth();
  for (const [answer, expected] of cases) {
    source.refresh();
    edge.scriptTokens(answer);
    assert.equal(await shortlyToken(source), expected, JSON.stringify(answer));
  }
  for (const answer of ['close', 'half', 'silent'] as const) {
    source.refresh();
    edge.scriptTokens(answer);
    assert.match(await shortlyToken(source), /^retry (broken-off|answer-timeout)$/);
  }
});

test('a token is taken whatever else its answer says, or leaves out', async () => {
  const answers: readonly (readonly [body: object, renewedAfterMs: number])[] = [
    [{ access_token: 'a' }, 8000],
    [{ access_token: 'a', token_type: null }, 8000],
    [{ access_token: 'a', token_type: 'BEARER', expires_in: 100 }, 80_000],
    [{ access_token: 'a', token_type: 'Bearer', expires_in: '100' }, 80_000],
    ...[null, '', '-1', -1, 'an hour', '2027-01-01T00:00:00Z', [3600], true, 0].map((life): readonly [object, number] => [
      { access_token: 'a', token_type: 'Bearer', expires_in: life },
      8000,
    ]),
    [{ access_token: 'a', token_type: 'Bearer', scope: null, refresh_token: null, id_token: null, expires_in: 100 }, 80_000],
    [{ access_token: 'a', token_type: 'Bearer', scope: ['calls:write'], id_token: 'x', refresh_token: 5, expires_in: 100 }, 80_000],
  ];
  for (const status of [200, 201]) {
    const [edge, source] = await openBoth({}, {}, { defaultLifeMs: 10_000 });
    for (const [body, renewedAfterMs] of answers) {
      source.refresh();
      nowMs = 0;
      edge.scriptTokens({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
      assert.equal(await shortlyToken(source), 'token', JSON.stringify(body));
      assert.equal(source.lifeMs, renewedAfterMs / 0.8, JSON.stringify(body));
    }
  }
});

test('without a token that can be sent there is none', async () => {
  const [edge, source] = await openBoth();
  const bodies = [
    '{}',
    '[]',
    'null',
    '',
    '{"access_token":null,"token_type":"Bearer"}',
    '{"access_token":"","token_type":"Bearer"}',
    '{"access_token":5,"token_type":"Bearer"}',
    '{"access_token":"a","token_type":"mac"}',
    '{"access_token":"a","token_type":7}',
  ];
  for (const body of bodies) {
    edge.scriptTokens({ status: 200, headers: { 'content-type': 'application/json' }, body });
    assert.equal(await shortlyToken(source), 'blocked token-invalid', body);
  }
});

test('refused while the clock is off: the clock is named', async () => {
  const [edge, source] = await openBoth();
  edge.clockAheadMs = -3 * 60_000;
  edge.scriptTokens(401);
  assert.equal(await shortlyToken(source), 'blocked clock-skewed');
});

test('a token end-point that is not there, or whose certificate is not trusted', async () => {
  const [edge, source] = await openBoth();
  await edge.stop();
  assert.equal(await shortlyToken(source), 'retry connection-refused');
  await edge.start('unknown-ca');
  await assert.rejects(
    source.token(never),
    /^FailureError: The certificate of the token end-point localhost:\d+ is signed by CN=Example Inspection CA/,
  );
});

test('whoever waits can leave; the others get their token', async () => {
  const [edge, source] = await openBoth();
  edge.scriptTokens({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"access_token":"x","token_type":"Bearer"}',
    delayMs: 100,
  });
  const controller = new AbortController();
  const both = Promise.all([shortlyToken(source, controller.signal), shortlyToken(source)]);
  controller.abort();
  assert.deepEqual(await both, ['retry aborted', 'token']);
  assert.equal(edge.tokenRequests.length, 1);
});

test('whoever is told to stop asks for no token, and a token that nobody waits for any more ends nothing', async (t) => {
  const unheard: unknown[] = [];
  const onUnheard = (error: unknown): void => void unheard.push(error);
  // The runner would take it for a failure of whichever test runs then.
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onUnheard);
  t.after(() => {
    process.off('unhandledRejection', onUnheard);
    for (const listener of listeners) process.on('unhandledRejection', listener);
  });
  const [edge, source] = await openBoth();
  assert.equal(await shortlyToken(source, AbortSignal.abort()), 'retry aborted');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(edge.tokenRequests.length, 0);
  edge.scriptTokens('silent');
  const leaving = new AbortController();
  const asking = shortlyToken(source, leaving.signal);
  await until(() => edge.tokenRequests.length > 0);
  leaving.abort();
  assert.equal(await asking, 'retry aborted');
  await source.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(unheard, []);
});

test('the client secret never goes over plain HTTP to another machine', async () => {
  const [edge, source] = await openBoth({}, { tokenUrl: 'http://auth.example/token' });
  assert.equal(await shortlyToken(source), 'blocked token-url-insecure');
  assert.equal(edge.tokenRequests.length, 0);
});

test('a token that lies in a file is read each time; other kinds give none', async () => {
  const [edge] = await openBoth();
  const source = tokenSource({ type: 'token', token: { file: edge.file('token', 'one\n') } }, plainTls, NO_PROXY);
  assert.equal(await source.token(never), 'one');
  edge.file('token', 'two\n');
  assert.equal(await source.token(never), 'two');
  assert.equal(await shortlyToken(tokenSource({ type: 'none' }, plainTls, NO_PROXY)), 'blocked credentials-missing');
});
