import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Outcome } from '../sink.ts';
import { createHttpSink } from './http.ts';
import { makeBatch, never, plainTls, problemOf, shortly, sinkContext, sinkSettings } from './http-testing.ts';

type Answer = readonly [status: number, headers: OutgoingHttpHeaders, body: string | Buffer];

const JSON_TYPE = { 'content-type': 'application/json' };
const ALL_REFUSED = '{"errors":true,"items":[{"status":400},{"status":400}]}';
const ALL_TAKEN = '{"errors":false,"items":[{"status":200},{"status":200}]}';
const PAGE = '<html><head><title>Sign in</title></head></html>';

const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Sends batches of two records to a receiver that gives these answers, one each. */
async function outcomesOf(answers: readonly Answer[]): Promise<Outcome[]> {
  const left = [...answers];
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const [status, headers, body] = left.shift() ?? [500, {}, ''];
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  open.push(() => new Promise((resolve) => server.close(() => resolve())));
  const url = `http://localhost:${(server.address() as AddressInfo).port}/records`;
  const sink = createHttpSink('platform', sinkSettings(url, '', { type: 'http', format: 'jsonl', tls: plainTls }), sinkContext());
  open.push(() => sink.close());
  const outcomes: Outcome[] = [];
  for (const _answer of answers) outcomes.push(await sink.send(makeBatch('two', 2), never));
  return outcomes;
}

/** "delivered", "retry reply-unclear", or the outcome of each record that is not delivered: "0 refused, 1 retry". */
function told(outcome: Outcome): string {
  if (outcome.type !== 'in-part') return shortly(outcome);
  return outcome.failed.map(({ index, outcome: how }) => `${index} ${how}`).join(', ');
}

async function assertAll(answers: readonly Answer[], expected: string): Promise<void> {
  for (const [i, outcome] of (await outcomesOf(answers)).entries()) {
    const [status, headers, body] = answers[i];
    assert.equal(told(outcome), expected, `${status} ${JSON.stringify(headers)} ${String(body).slice(0, 100)}`);
  }
}

function coded(coding: string, body: Buffer, status = 200): Answer {
  return [status, { ...JSON_TYPE, 'content-encoding': coding }, body];
}

test('a reply that refuses is heard, whatever it is labelled as or packed in', async () => {
  await assertAll(
    [
      [200, {}, ALL_REFUSED],
      [200, {}, `\r\n ${ALL_REFUSED}`],
      [200, {}, '[{"status":400},{"status":422}]'],
      [200, { 'content-type': 'text/plain' }, ALL_REFUSED],
      [200, { 'content-type': 'text/html' }, ALL_REFUSED],
      [202, { 'content-type': 'application/octet-stream' }, ALL_REFUSED],
      [200, JSON_TYPE, `\ufeff${ALL_REFUSED}`],
      [200, { 'content-encoding': 'gzip' }, gzipSync(ALL_REFUSED)],
      coded('identity', Buffer.from(ALL_REFUSED)),
      coded('GZIP', gzipSync(ALL_REFUSED)),
      coded('x-gzip', gzipSync(`\ufeff${ALL_REFUSED}`)),
      coded('deflate', deflateSync(ALL_REFUSED)),
      coded('deflate', deflateRawSync(ALL_REFUSED)),
      coded('br', brotliCompressSync(ALL_REFUSED)),
      coded('zstd', zstdCompressSync(ALL_REFUSED)),
      coded('gzip, br', brotliCompressSync(gzipSync(ALL_REFUSED))),
      // Something on the way unpacked it, or never packed it.
      coded('gzip', Buffer.from(ALL_REFUSED)),
      coded('utf-8', Buffer.from(ALL_REFUSED)),
    ],
    '0 refused, 1 refused',
  );
});

test('a reply that takes everything, or says nothing of records, is delivered', async () => {
  await assertAll(
    [
      [200, {}, ''],
      [204, {}, ''],
      [200, { 'content-encoding': 'gzip' }, ''],
      [200, { 'content-encoding': 'no-such-coding' }, ''],
      coded('gzip', gzipSync('')),
      [200, {}, 'ok'],
      [200, { 'content-type': 'text/plain' }, '[ok] 2 records'],
      [200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }, gzipSync('ok')],
      [200, {}, '{ok}'],
      coded('gzip', gzipSync(ALL_TAKEN)),
      coded('gzip', gzipSync('[{"status":200},{"status":201}]'), 207),
      coded('zstd', zstdCompressSync('{"items":[{"status":200},{"status":201}]}'), 207),
      coded('gzip', Buffer.from(ALL_TAKEN)),
    ],
    'delivered',
  );
});

test('a reply that cannot be read, or breaks off, is not taken for delivered', async () => {
  const packed = gzipSync(ALL_TAKEN);
  await assertAll(
    [
      coded('no-such-coding', Buffer.from('taken')),
      coded('gzip', Buffer.from('taken')),
      coded('gzip', packed.subarray(0, -9)),
      coded('deflate', deflateSync(ALL_TAKEN).subarray(0, -9)),
      coded('br', brotliCompressSync(ALL_TAKEN).subarray(0, -9)),
      coded('zstd', zstdCompressSync(ALL_TAKEN).subarray(0, -9)),
      coded('gzip, gzip, gzip, gzip, gzip', packed),
      coded('no-such-coding', Buffer.from('taken'), 207),
      [200, JSON_TYPE, '{"errors":true,"items":[{"status":400},{"sta'],
      [200, {}, '{"errors":true,"it'],
      [200, {}, '{"errors":tr'],
      [200, {}, '{"success":fal'],
      [200, {}, '[{"status":400},'],
      coded('gzip', gzipSync('{"items":[{"status":400}')),
    ],
    'retry reply-unclear',
  );
});

test('why a reply cannot be read is said', async () => {
  const [coding, end] = await outcomesOf([coded('gzip', Buffer.from('taken')), [200, JSON_TYPE, '{"items":[{"sta']]);
  assert.match(problemOf(coding).what, /Content-Encoding/);
  assert.match(problemOf(end).what, /breaks off/);
});

test('a login page is found in a body that is packed', async () => {
  const headers = { 'content-type': 'text/html', 'content-encoding': 'gzip' };
  const [outcome] = await outcomesOf([[200, headers, gzipSync(PAGE)]]);
  assert.equal(shortly(outcome), 'blocked not-an-api');
  assert.match(problemOf(outcome).what, /Sign in/);
});

test('a few bytes that unpack to very many cost no more than a long reply', async () => {
  const filler = Buffer.alloc(8 << 20, ' ');
  const bomb = Buffer.concat([Buffer.from('{"items":[{"status":200},'), filler]);
  const zstd = zstdCompressSync(bomb);
  await assertAll(
    [coded('zstd', zstd), coded('br', brotliCompressSync(bomb)), coded('zstd, gzip', gzipSync(zstd))],
    'retry reply-too-long',
  );
});

test('a long reply that is packed is sent for again in halves, however little of it can be unpacked', async () => {
  const long = `{"items":[{"status":400,"note":"${randomBytes(300_000).toString('base64')}"},{}]}`;
  await assertAll(
    [coded('gzip', gzipSync(long)), coded('br', brotliCompressSync(long)), coded('zstd', zstdCompressSync(long))],
    'retry reply-too-long',
  );
});

test('an item of a reply that says something failed is delivered only by a clear word', async () => {
  const items = (first: object, second: object): string => JSON.stringify({ items: [first, second] });
  const failing = (first: object, second: object): string => JSON.stringify({ errors: true, items: [first, second] });
  const clear = { status: 200 };
  const unclear: readonly object[] = [
    { status: 'rejected' },
    { status: 'ERROR' },
    { status: 0 },
    { status: 1000 },
    { status: false },
    { status: { code: 5 } },
    { code: 'E_BAD' },
    { code: 0 },
    { status: 'ok', code: 'E_BAD' },
    { index: { error: { type: 'mapper_parsing_exception' } } },
    { status: '500 Internal' },
    { status: 'HTTP/1.1 503 Service Unavailable' },
  ];
  const answers = unclear.flatMap((item): Answer[] => [
    [207, JSON_TYPE, items(clear, item)],
    [200, JSON_TYPE, failing({ index: { status: 201 } }, item)],
  ]);
  await assertAll(answers, '1 retry');
  const good: readonly object[] = [
    { status: 'ok' },
    { status: 'Created' },
    { status: true },
    { code: 'SUCCESS' },
    { status: '200 OK' },
    { status: 'HTTP/1.1 201 Created' },
    { status: 'stored', code: 200 },
    { id: 'a' },
  ];
  await assertAll(
    good.map((item): Answer => [207, JSON_TYPE, items(item, clear)]),
    'delivered',
  );
  await assertAll([[207, JSON_TYPE, items({ status: '400 Bad Request' }, { status: 'failed' })]], '0 refused, 1 refused');
});

test('an item of a reply that complains of nothing may have any word, but no error', async () => {
  await assertAll(
    [
      [200, JSON_TYPE, '{"items":[{"status":"queued"},{"code":"A7"}]}'],
      [200, JSON_TYPE, '{"items":[{"index":{"error":null}},{"index":{}}]}'],
    ],
    'delivered',
  );
  await assertAll([[200, JSON_TYPE, '{"items":[{"index":{"error":{"type":"x"}}},{"index":{"status":200}}]}']], '0 retry');
});
