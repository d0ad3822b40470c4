import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeServerCertificate } from '../../../test/support/certificates.ts';
import { Edge, type EdgeAnswer, type EdgeOptions } from '../../../test/support/edge.ts';
import { SensorError } from '../../base/errors.ts';
import type { HttpSinkSettings } from '../../base/settings.ts';
import type { Outcome } from '../sink.ts';
import { createHttpSink } from './http.ts';
import type { HttpSink } from './http-sink.ts';
import { type Logged, makeBatch, never, problemOf, shortly, sinkContext, sinkSettings } from './http-testing.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function openEdge(options: EdgeOptions = {}): Promise<Edge> {
  const edge = await Edge.open({ authorization: 'none', ...options });
  open.push(edge);
  return edge;
}

function openSink(edge: Edge, changes: Partial<HttpSinkSettings> = {}, logged: Logged[] = []): HttpSink {
  const sink = createHttpSink('platform', sinkSettings(edge.url, edge.caFile, changes), sinkContext(logged));
  open.push(sink);
  return sink;
}

function oauth2(edge: Edge): HttpSinkSettings['auth'] {
  return {
    type: 'oauth2',
    tokenUrl: edge.tokenUrl,
    clientId: edge.clientId,
    clientSecret: { file: edge.secretFile },
    scope: 'calls:write',
    audience: 'edge',
    clientAuthentication: 'basic',
  };
}

for (const [http2, version] of [
  [false, '1.1'],
  [true, '2.0'],
] as const) {
  for (const compression of ['none', 'gzip'] as const) {
    test(`a batch arrives whole: HTTP ${version}, compression ${compression}`, async () => {
      const edge = await openEdge();
      const sink = openSink(edge, { http2, compression });
      const batches = Array.from({ length: 8 }, (_none, i) => makeBatch(`batch${i}`, 50, 2000));
      const outcomes = await Promise.all(batches.map((batch) => sink.send(batch, never)));
      assert.deepEqual(outcomes.map(shortly), Array(8).fill('delivered'));
      const sent = batches.flatMap(({ records }) => records.map(({ id }) => id));
      assert.deepEqual([...edge.received()].sort(), sent.sort());
      assert.ok(edge.deliveries.every(({ httpVersion, bytes }) => httpVersion === version && bytes === batches[0].bytes));
    });
  }

  test(`answers that break off are sent again: HTTP ${version}`, async () => {
    const edge = await openEdge();
    const sink = openSink(edge, { http2, requestTimeoutMs: 400 });
    for (const answer of ['close', 'half', 'reset'] as const) {
      edge.script(answer);
      assert.equal(shortly(await sink.send(makeBatch(answer), never)), 'retry broken-off');
      assert.equal(shortly(await sink.send(makeBatch(answer), never)), 'delivered');
    }
    edge.script('silent');
    assert.equal(shortly(await sink.send(makeBatch('silent'), never)), 'retry answer-timeout');
    assert.equal(shortly(await sink.send(makeBatch('silent'), never)), 'delivered');
  });

  test(`an answer before the whole request was taken is heard: HTTP ${version}`, async () => {
    const edge = await openEdge();
    const sink = openSink(edge, { http2 });
    edge.script({ status: 413, isEarly: true });
    assert.equal(shortly(await sink.send(makeBatch('large', 100, 50_000), never)), 'too-large too-large');
    assert.equal(shortly(await sink.send(makeBatch('small'), never)), 'delivered');
  });
}

test('header fields: those of the delivery, and templates', async () => {
  const edge = await openEdge();
  const headers = { 'X-Source': '{sensor}/{sink}', 'X-Batch': '{batch}:{records} {other}' };
  const sink = openSink(edge, { type: 'http', format: 'jsonl', headers, compression: 'gzip' });
  await sink.send(makeBatch('b-17', 3), never);
  const sent = edge.deliveries[0].headers;
  assert.equal(sent['x-source'], 'sensor-7/platform');
  assert.equal(sent['x-batch'], 'b-17:3 {other}');
  assert.equal(sent['idempotency-key'], 'b-17');
  assert.equal(sent['content-type'], 'application/x-ndjson');
  assert.equal(sent['content-encoding'], 'gzip');
  assert.equal(sent['user-agent'], 'earshot/1.2.3');
  assert.equal(sent['accept-encoding'], 'identity');
  assert.equal(sent.authorization, undefined);
});

const statuses: readonly (readonly [EdgeAnswer, string])[] = [
  [202, 'delivered'],
  [204, 'delivered'],
  [301, 'blocked redirected'],
  [304, 'blocked redirected'],
  [400, 'refused content-refused'],
  [401, 'blocked credentials-missing'],
  [402, 'blocked status-unexpected'],
  [403, 'blocked forbidden'],
  [404, 'blocked path-unknown'],
  [405, 'blocked method-refused'],
  [408, 'retry come-again'],
  [409, 'retry busy-with-it'],
  [413, 'too-large too-large'],
  [415, 'blocked media-type-refused'],
  [422, 'refused content-refused'],
  [425, 'retry come-again'],
  [429, 'retry too-many-requests'],
  [431, 'blocked header-refused'],
  [451, 'blocked status-unexpected'],
  [500, 'retry server-error'],
  [501, 'retry server-error'],
  [502, 'retry behind-it-silent'],
  [503, 'retry unavailable'],
  ['page', 'blocked not-an-api'],
  [{ status: 200, headers: { 'content-type': 'text/html' }, body: 'OK' }, 'delivered'],
  [{ status: 400, body: '<html>400 The plain HTTP request was sent to HTTPS port</html>' }, 'blocked tls-missing'],
  [{ status: 400, body: '<html>400 No required SSL certificate was sent</html>' }, 'blocked client-certificate-required'],
];

test('every status has its outcome', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  for (const [answer, expected] of statuses) {
    edge.script(answer);
    const outcome = await sink.send(makeBatch('one'), never);
    assert.equal(shortly(outcome), expected, JSON.stringify(answer));
    if (!('problem' in outcome)) continue;
    assert.ok(outcome.problem.what.length > 20 && /[.]$/.test(outcome.problem.next), outcome.problem.what);
  }
});

test('Retry-After: seconds, a date by the clock of the server, nonsense', async () => {
  const edge = await openEdge();
  edge.clockAheadMs = 3_600_000;
  const sink = openSink(edge);
  const later = new Date(Math.floor(Date.now() / 1000) * 1000 + edge.clockAheadMs + 90_000).toUTCString();
  const cases = [
    ['7', 7000, 7000],
    [later, 85_000, 91_000],
    ['soon', 0, 0],
    ['-3', 0, 0],
    ['999999999', 86_400_000, 86_400_000],
  ] as const;
  for (const [value, least, most] of cases) {
    edge.script({ status: 429, headers: { 'retry-after': value } });
    const outcome = await sink.send(makeBatch('one'), never);
    assert.ok(outcome.type === 'retry' && outcome.afterMs >= least && outcome.afterMs <= most, `${value}: ${JSON.stringify(outcome)}`);
  }
});

function failedOf(outcome: Outcome): unknown {
  if (outcome.type === 'in-part') return outcome.failed.map(({ index, outcome: how }) => [index, how]);
  return outcome.type === 'retry' && outcome.inHalves === true ? 'retry in halves' : outcome.type;
}

test('replies for single records: what failed is told by index', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  const json = { 'content-type': 'application/json' };
  const bulk = {
    errors: true,
    items: [{ index: { status: 201 } }, { index: { status: 429 } }, { create: { status: 400, error: { type: 'x' } } }],
  };
  const failed = [
    [1, 'retry'],
    [2, 'refused'],
  ];
  const cases: readonly (readonly [EdgeAnswer, unknown])[] = [
    [{ status: 207, items: [200, 503, 422] }, failed],
    [{ status: 200, items: [200, 201, 204] }, 'delivered'],
    [{ status: 200, headers: json, body: JSON.stringify(bulk) }, failed],
    [{ status: 200, headers: json, body: JSON.stringify({ results: [{ success: true }, { status: '408' }, { error: 'no' }] }) }, failed],
    [{ status: 200, headers: json, body: '[{"status":200},{"status":500},{"status":"failed"}]' }, failed],
    // Elsewhere a list may mean anything: only one for each record counts.
    [{ status: 200, items: [500] }, 'delivered'],
    [{ status: 200, headers: json, body: '{"items":["a","b","c"]}' }, 'delivered'],
    [{ status: 200, headers: json, body: '{"status":' }, 'delivered'],
    // What says that something failed is never taken for delivered, and what says that nothing did is.
    [{ status: 200, headers: json, body: '{"errors":true,"items":[{"index":{"status":400}}]}' }, 'retry'],
    [{ status: 200, headers: json, body: '{"errors":true}' }, 'retry'],
    [{ status: 201, headers: json, body: '{"success":false,"message":"no"}' }, 'retry'],
    [{ status: 207, headers: json, body: '{"errors":false,"items":[{"status":201},{"status":201}]}' }, 'delivered'],
    [{ status: 207, headers: json, body: '{"errors":false}' }, 'delivered'],
    [
      { status: 200, headers: json, body: `{"took":3,"errors":false,"items":[${'{"status":200,"note":"long"},'.repeat(5000)}{}]}` },
      'delivered',
    ],
    [{ status: 200, headers: json, body: `{"success":false,"note":"${'x'.repeat(200_000)}"}` }, 'retry in halves'],
    // Only what blames the content is refused.
    [
      { status: 207, items: [422, 424, 409] },
      [
        [0, 'refused'],
        [1, 'retry'],
        [2, 'retry'],
      ],
    ],
    [
      { status: 207, items: [200, 403, 413] },
      [
        [1, 'retry'],
        [2, 'refused'],
      ],
    ],
    [{ status: 207, items: [403, 503, 422] }, 'blocked'],
    [{ status: 207, items: [200] }, 'retry'],
    [{ status: 207, headers: json, body: '' }, 'retry'],
    [{ status: 200, headers: json, body: `{"items":[${'{"status":200,"note":"long"},'.repeat(5000)}{}]}` }, 'retry in halves'],
    [{ status: 200, headers: json, body: `{"errors":false,"note":"${'x'.repeat(200_000)}"}` }, 'delivered'],
  ];
  for (const [answer, expected] of cases) {
    edge.script(answer);
    assert.deepEqual(failedOf(await sink.send(makeBatch('three', 3), never)), expected, JSON.stringify(answer).slice(0, 200));
  }
  assert.ok(edge.received().includes('three-0'));
});

test('replies for single records: each status means what it means for a batch', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  for (const status of [302, 400, 401, 404, 408, 409, 413, 415, 421, 422, 423, 424, 425, 429, 451, 500, 503]) {
    edge.script(status, { status: 207, items: [status, status] });
    const [whole, items] = [await sink.send(makeBatch('one'), never), await sink.send(makeBatch('two'), never)];
    const kind = items.type === 'in-part' ? items.failed[0].outcome : items.type;
    assert.equal(kind, whole.type === 'too-large' ? 'refused' : whole.type, String(status));
    assert.equal(problemOf(items).code === 'in-part' || problemOf(items).code === problemOf(whole).code, true, String(status));
  }
});

test('replies for single records: Retry-After is passed on', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  const headers = { 'retry-after': '70', 'content-type': 'application/json' };
  edge.script({ status: 207, headers, items: [429, 201] }, { status: 200, headers, body: '{"errors":true}' });
  const inPart = await sink.send(makeBatch('one'), never);
  assert.ok(inPart.type === 'in-part' && inPart.afterMs === 70_000);
  const unclear = await sink.send(makeBatch('two'), never);
  assert.ok(unclear.type === 'retry' && unclear.afterMs === 70_000);
});

test('a redirect is named without what may be secret in it, and not followed', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  edge.script({ status: 302, headers: { location: 'https://user:pass@login.example/start?ticket=abc#d' } });
  const { what } = problemOf(await sink.send(makeBatch('one'), never));
  assert.match(what, /redirects to https:\/\/login\.example\/start \(302/);
  assert.doesNotMatch(what, /pass|ticket|abc/);
  assert.equal(edge.deliveries.length, 1);
});

test('text of the other side does not reach the operator as it is', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  edge.script({
    status: 500,
    headers: { 'content-type': 'application/json' },
    body: '{"error":"E_QUEUE","detail":"card 4111111111111111"}',
  });
  const { what } = problemOf(await sink.send(makeBatch('one'), never));
  assert.match(what, /E_QUEUE/);
  assert.doesNotMatch(what, /4111/);
});

test('OAuth2: one token for all, a fresh one when it is refused, then blocked', async () => {
  const edge = await openEdge({ authorization: 'oauth2' });
  const sink = openSink(edge, { auth: oauth2(edge) });
  const send = async (id: string): Promise<string> => shortly(await sink.send(makeBatch(id), never));
  assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map(send)), Array(4).fill('delivered'));
  assert.equal(edge.tokensIssued, 1);
  assert.equal(edge.tokenRequests[0].scope, 'calls:write');
  assert.equal(edge.tokenRequests[0].audience, 'edge');
  edge.revokeTokens();
  assert.deepEqual(await Promise.all(['e', 'f', 'g', 'h'].map(send)), Array(4).fill('delivered'));
  assert.equal(edge.tokensIssued, 2);
  edge.script(401, 401);
  const outcome = await sink.send(makeBatch('i'), never);
  assert.equal(shortly(outcome), 'blocked token-refused');
  assert.doesNotMatch(JSON.stringify(outcome), /token-[0-9a-f]{4}|s3cret/);
  assert.equal(edge.tokensIssued, 3);
  assert.equal(await send('i'), 'delivered');
});

test('a token and a password are read again when their file changed', async () => {
  const edge = await openEdge({ authorization: 'Bearer new-token' });
  const file = join(edge.folder, 'token');
  writeFileSync(file, 'old-token\n');
  const sink = openSink(edge, { auth: { type: 'token', token: { file } } });
  const refused = await sink.send(makeBatch('a'), never);
  assert.equal(shortly(refused), 'blocked token-refused');
  assert.equal(edge.deliveries.length, 1);
  assert.doesNotMatch(JSON.stringify(refused), /old-token/);
  writeFileSync(file, 'new-token\n');
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
  writeFileSync(file, 'two\nlines');
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'blocked token-invalid');
  writeFileSync(file, '');
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'blocked secret-missing');
});

test('basic: user and password', async () => {
  const edge = await openEdge({ authorization: `Basic ${Buffer.from('me:p\u00e4ss:1').toString('base64')}` });
  const sink = openSink(edge, { auth: { type: 'basic', user: 'me', password: { file: edge.file('pw', 'p\u00e4ss:1\n') } } });
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
});

test('401 with a clock that is off names the clock', async () => {
  const edge = await openEdge();
  edge.clockAheadMs = 10 * 60_000;
  const sink = openSink(edge, { auth: { type: 'token', token: { file: edge.file('token', 'abc') } } });
  edge.script(401);
  const outcome = await sink.send(makeBatch('a'), never);
  assert.equal(shortly(outcome), 'blocked clock-skewed');
  assert.match(problemOf(outcome).what, /10 min behind that of localhost/);
});

test('the edge stops and starts: nothing is taken for delivered in between', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
  await edge.stop();
  assert.match(shortly(await sink.send(makeBatch('b'), never)), /^retry (broken-off|connection-refused)$/);
  assert.equal(shortly(await sink.send(makeBatch('b'), never)), 'retry connection-refused');
  await edge.start();
  assert.equal(shortly(await sink.send(makeBatch('b'), never)), 'delivered');
  assert.deepEqual(edge.received(), ['a-0', 'a-1', 'b-0', 'b-1']);
});

test('mutual TLS: certificates are replaced while it runs; bad ones change nothing', async () => {
  const edge = await openEdge({ clientCertificate: true });
  const first = edge.makeClient('first');
  const certificateFile = edge.file('own.pem', first.certificate);
  const keyFile = edge.file('own.key', first.key);
  const tls = { caFile: edge.caFile, systemCa: false, certificateFile, keyFile, serverName: '' };
  const sink = openSink(edge, { tls, http2: true });
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
  const { clientMs, peerMs } = sink.expiry;
  assert.ok(clientMs !== null && clientMs > Date.now() && peerMs !== null && peerMs > Date.now());
  edge.file('own.pem', edge.makeClient('second').certificate);
  assert.equal((await sink.reload())?.code, 'client-key-foreign');
  assert.equal(shortly(await sink.send(makeBatch('b'), never)), 'delivered');
  const third = edge.makeClient('third');
  edge.file('own.pem', third.certificate);
  edge.file('own.key', third.key);
  assert.equal(await sink.reload(), null);
  assert.equal(shortly(await sink.send(makeBatch('c'), never)), 'delivered');
  assert.deepEqual(
    edge.deliveries.map(({ client }) => client),
    ['first', 'first', 'third'],
  );
});

test('certificates that cannot be used block until they are mended', async () => {
  const edge = await openEdge();
  const logged: Logged[] = [];
  const caFile = edge.file('empty.pem', '# nothing yet\n');
  const sink = openSink(edge, { tls: { caFile, systemCa: false, certificateFile: '', keyFile: '', serverName: '' } }, logged);
  assert.deepEqual(
    logged.map(({ code }) => code),
    ['ca-file-empty'],
  );
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'blocked ca-file-empty');
  edge.file('empty.pem', edge.authority.certificate);
  assert.equal(await sink.reload(), null);
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
});

test('certificates that change on disk are taken over without being told', async (context) => {
  const edge = await openEdge();
  const logged: Logged[] = [];
  context.mock.timers.enable({ apis: ['setInterval'] });
  const caFile = edge.file('ca-copy.pem', edge.authority.certificate);
  const sink = openSink(edge, { tls: { caFile, systemCa: false, certificateFile: '', keyFile: '', serverName: '' } }, logged);
  const look = async (): Promise<void> => {
    context.mock.timers.tick(5000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await look();
  assert.deepEqual(logged, []);
  edge.file('ca-copy.pem', 'torn');
  await look();
  await look();
  assert.deepEqual(logged, [{ message: 'new certificates cannot be used; those of before stay', code: 'ca-file-empty' }]);
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
  edge.file('ca-copy.pem', `${edge.authority.certificate}\n`);
  await look();
  assert.deepEqual(logged[1], { message: 'certificates were read anew', code: undefined });
  assert.equal(shortly(await sink.send(makeBatch('a'), never)), 'delivered');
});

test('send ends when it is aborted, and does not throw', async () => {
  const edge = await openEdge();
  const sink = openSink(edge);
  edge.script('silent');
  const controller = new AbortController();
  const sending = sink.send(makeBatch('a'), controller.signal);
  setTimeout(() => controller.abort(), 50);
  assert.equal(shortly(await sending), 'retry aborted');
  assert.equal(shortly(await sink.send(makeBatch('a'), controller.signal)), 'retry aborted');
});

test('a time limit holds while HTTP/2 lets no request through, and also a stop', async () => {
  const edge = await openEdge();
  let streamsMax = 0;
  const { certificate, key } = makeServerCertificate('good', edge.authority);
  const sessions = new Set<ServerHttp2Session>();
  const server = createSecureServer({ cert: certificate, key });
  server.on('session', (session) => {
    sessions.add(session.on('error', () => undefined));
    session.settings({ maxConcurrentStreams: streamsMax });
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.resume().on('end', () => {
      stream.respond({ ':status': 200 });
      stream.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  open.push({
    close: async () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  });
  const url = `https://localhost:${(server.address() as AddressInfo).port}/records`;
  const sink = createHttpSink('platform', sinkSettings(url, edge.caFile, { http2: true, requestTimeoutMs: 400 }), sinkContext());
  open.push(sink);
  const sentAtMs = performance.now();
  const first = sink.send(makeBatch('a'), never);
  await sleep(200);
  const outcomes = await Promise.all([first, ...['b', 'c'].map((id) => sink.send(makeBatch(id), never))]);
  assert.deepEqual(outcomes.map(shortly), Array(3).fill('retry answer-timeout'));
  assert.ok(performance.now() - sentAtMs < 3000);
  const controller = new AbortController();
  const sending = sink.send(makeBatch('d'), controller.signal);
  setTimeout(() => controller.abort(), 50);
  assert.equal(shortly(await sending), 'retry aborted');
  streamsMax = 100;
  const until = performance.now() + 5000;
  while (shortly(await sink.send(makeBatch('e'), never)) !== 'delivered') assert.ok(performance.now() < until, 'it goes on by itself');
});

test('settings that contradict themselves are refused at once', () => {
  const wrong: readonly (readonly [Partial<HttpSinkSettings>, RegExp])[] = [
    [{ url: 'edge.example.com/x' }, /https:\/\//],
    [{ url: 'ftp://edge.example.com/x' }, /https:\/\//],
    [{ url: 'http://edge.example.com/api-transactions' }, /not https/],
    [{ url: 'https://edge.example.com' }, /no path/],
    [{ url: 'https://me:secret@edge.example.com/x' }, /user or a password/],
    [{ format: 'jsonl' }, /format/],
    [{ headers: { 'Content-Length': '1' } }, /Content-Length/],
    [{ headers: { 'X-A': 'a\r\nb' } }, /X-A/],
  ];
  for (const [changes, expected] of wrong) {
    const settings = sinkSettings('https://edge.example.com/api-transactions', '', changes);
    assert.throws(
      () => createHttpSink('platform', settings, sinkContext()),
      (error) => error instanceof SensorError && expected.test(error.message) && !/secret@/.test(error.message),
    );
  }
});
