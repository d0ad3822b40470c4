/** Calls of gRPC through the hot path: what their records say of them, and their messages as JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { message as http, lookAtCall, recordOf } from '../../test/support/look-at-calls.ts';
import { field, framed, proto, trailerFrame, zipped } from '../../test/support/protobuf.ts';
import { settingsWith } from '../../test/support/run-pipeline.ts';
import type { ApiCall } from './api-call.ts';

const ok = http('HTTP/1.1 200 OK|Content-Type: application/grpc+proto|grpc-status: 0');
const post = (type: string, body: Buffer, more = ''): Buffer =>
  http(`POST /shop.Cart/Add HTTP/1.1|Host: a|Content-Type: ${type}${more}`, body);
const call = (request: Buffer, response = ok, bodyBytes = 16_384): ApiCall =>
  lookAtCall({ request, response }, recordOf, { settings: settingsWith({ http: { bodyBytes } }) });
const lines = (text: string | undefined): unknown[] => (text ?? '').split('\n').map((line) => JSON.parse(line) as unknown);

test('what gRPC says of a call', () => {
  const record = call(
    post('application/grpc', Buffer.concat([framed(field(1, 'a')), framed(field(1, 'b'))]), '|grpc-timeout: 2S|grpc-encoding: gzip'),
    Buffer.concat([
      http('HTTP/1.1 200 OK|Content-Type: application/grpc|Transfer-Encoding: chunked').subarray(0, -'Content-Length: 0\r\n\r\n'.length),
      Buffer.from('\r\n8\r\n'),
      framed(Buffer.from([8, 7, 8])),
      Buffer.from('\r\n0\r\ngrpc-status: 9\r\ngrpc-message: no%20caf%C3%A9\r\n\r\n'),
    ]),
  );
  assert.deepEqual(record.grpc, {
    flavour: 'grpc',
    service: 'shop.Cart',
    method: 'Add',
    status: 9,
    message: 'no café',
    deadlineMs: 2000,
    request: { messages: 2, bytes: 6, encoding: 'gzip' },
    response: { messages: 1, bytes: 3 },
  });
  assert.equal(record.request?.body.rendered, 'protobuf');
  assert.deepEqual(lines(record.request?.body.text), [{ 1: 'a' }, { 1: 'b' }]);
  assert.equal(record.operation, undefined);
});

test('status of a response that is nothing but a head, and of the last frame of gRPC-Web', () => {
  const trailersOnly = http('HTTP/1.1 200 OK|Content-Type: application/grpc|grpc-status: 12|grpc-message: no');
  assert.deepEqual(
    [call(post('application/grpc', framed(proto())), trailersOnly).grpc].map((g) => [g?.status, g?.message]),
    [[12, 'no']],
  );
  const frame = trailerFrame('grpc-status:5', 'grpc-message:none%20here');
  const web = http('HTTP/1.1 200 OK|Content-Type: application/grpc-web+proto', Buffer.concat([framed(field(1, 'x'.repeat(500))), frame]));
  for (const bodyBytes of [16_384, 100]) {
    const record = call(post('application/grpc-web+proto', framed(proto())), web, bodyBytes);
    assert.deepEqual([record.grpc?.flavour, record.grpc?.status, record.grpc?.message], ['grpc-web', 5, 'none here']);
    assert.deepEqual(record.grpc?.response, { messages: 1, bytes: 503 });
    assert.equal(record.response?.body.cut, bodyBytes === 100 ? true : undefined);
  }
});

test('calls that are no gRPC have nothing of it', () => {
  for (const type of [
    'application/json',
    'application/grpcx',
    'application/graphql',
    'text/plain; x=application/grpc',
    'application/grpc-webx',
    '',
  ]) {
    const record = call(post(type, Buffer.from('{}')), http('HTTP/1.1 200 OK|grpc-status: 5'));
    assert.equal(record.grpc, undefined, type);
    assert.equal(record.request?.body.rendered, undefined, type);
  }
});

test('flavours, whatever the case and parameters', () => {
  const flavour = (type: string): unknown => call(post(type, framed(proto()))).grpc?.flavour;
  assert.equal(flavour('application/grpc'), 'grpc');
  assert.equal(flavour('Application/GRPC+proto; charset=utf-8'), 'grpc');
  assert.equal(flavour('application/grpc;x=1'), 'grpc');
  assert.equal(flavour('application/grpc-web'), 'grpc-web');
  assert.equal(flavour('application/grpc-web-text+proto'), 'grpc-web-text');
});

test('deadlines in every unit', () => {
  const deadline = (text: string): unknown => call(post('application/grpc', framed(proto()), `|grpc-timeout: ${text}`)).grpc?.deadlineMs;
  assert.deepEqual(['1H', '2M', '3S', '4m', '5000u', '6000001n', '99999999H', '1', 'm', '123456789m', '-1m', '1x'].map(deadline), [
    3_600_000,
    120_000,
    3000,
    4,
    5,
    7,
    359_999_996_400_000,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('compressed messages are opened, as far as bodies are kept; others are bytes', () => {
  const text = 'x'.repeat(5000);
  const one = call(post('application/grpc', Buffer.concat([zipped(field(1, text)), framed(field(1, 'b'))]), '|grpc-encoding: gzip'));
  assert.deepEqual(lines(one.request?.body.text), [{ 1: text }, { 1: 'b' }]);
  assert.deepEqual(one.grpc?.request?.compressed, 1);
  const zlib = call(post('application/grpc', framed(deflateSync(field(1, 'a')), 1), '|grpc-encoding: deflate'));
  assert.deepEqual(lines(zlib.request?.body.text), [{ 1: 'a' }]);
  const cut = call(post('application/grpc', zipped(field(1, text)), '|grpc-encoding: gzip'), ok, 1000);
  assert.ok((lines(cut.request?.body.text)[0] as { 1: string })[1].length < 1000);
  for (const [flags, encoding] of [
    [1, '|grpc-encoding: snappy'],
    [1, ''],
    [1, '|grpc-encoding: gzip'],
  ] as const) {
    const record = call(post('application/grpc', framed(field(1, 'ab'), flags), encoding));
    const [line] = lines(record.request?.body.text);
    assert.equal(typeof line, 'string', JSON.stringify(line));
  }
});

test('a body that does not begin as a message does stands as it came', () => {
  for (const [type, body] of [
    ['application/grpc', 'answer'],
    ['application/grpc-web-text', 'no base64 at all!'],
    ['application/grpc', framed(field(1, 'ab'), 3)],
  ] as const) {
    const record = call(post(type, Buffer.from(body)));
    assert.deepEqual([record.request?.body.text, record.request?.body.rendered], [body.toString(), undefined]);
    assert.deepEqual(record.grpc?.request, { messages: 0, bytes: 0, incomplete: true });
  }
});

test('a bomb in a message is cut', () => {
  const bomb = Buffer.concat(Array.from({ length: 20 }, () => zipped(field(1, Buffer.alloc(1 << 20, 97)))));
  const record = call(post('application/grpc', bomb, '|grpc-encoding: gzip'));
  assert.ok((record.request?.body.text?.length ?? 0) < 200_000);
  assert.equal(record.grpc?.request?.messages, 20);
});

test('messages that break off cost what they give: after some of them no more are opened', () => {
  const good = zipped(field(1, 'a'));
  const zip = gzipSync(Buffer.alloc(1 << 20, 97));
  const broken = framed(zip.subarray(0, 40), 1).fill(0xff, 30);
  const jump = framed(brotliCompressSync(Buffer.alloc(1 << 24, 97)), 1);
  const opened = (bad: Buffer, n: number, encoding: string): number => {
    const body = Buffer.concat([
      ...Array.from({ length: n }, () => bad),
      encoding === 'br' ? framed(brotliCompressSync(field(1, 'a')), 1) : good,
    ]);
    const { request } = call(post('application/grpc', body, `|grpc-encoding: ${encoding}`));
    return lines(request?.body.text).filter((line) => JSON.stringify(line) === '{"1":"a"}').length;
  };
  assert.deepEqual(
    [0, 3, 100].map((n) => opened(broken, n, 'gzip')),
    [1, 1, 0],
  );
  assert.deepEqual(
    [0, 1, 100].map((n) => opened(jump, n, 'br')),
    [1, 0, 0],
  );
});

test('Protocol Buffers without gRPC; and what is only labelled so', () => {
  for (const type of ['application/x-protobuf', 'application/protobuf; a=b', 'application/vnd.google.protobuf']) {
    const record = call(post(type, proto(field(1, 'a'), field(2, 7))), http('HTTP/1.1 200 OK'));
    assert.deepEqual(lines(record.request?.body.text), [{ 1: 'a', 2: 7 }]);
    assert.equal(record.grpc, undefined);
  }
  const label = call(post('application/x-protobuf', Buffer.from('{"a":"b"}')), http('HTTP/1.1 200 OK'));
  assert.deepEqual([label.request?.body.text, label.request?.body.rendered], ['{"a":"b"}', undefined]);
  const coded = call(post('application/x-protobuf', field(1, 'a'), '|Content-Encoding: snappy'), http('HTTP/1.1 200 OK'));
  assert.equal(coded.request?.body.rendered, undefined);
});

test('other codecs: JSON as it is, the rest as bytes', () => {
  const json = call(post('application/grpc+json', Buffer.concat([framed(Buffer.from('{"a":1}')), framed(Buffer.from('[2]'))])));
  assert.deepEqual([json.request?.body.text, json.request?.body.rendered], ['{"a":1}\n[2]', 'json']);
  const thrift = call(post('application/grpc+thrift', framed(Buffer.from('abc'))));
  assert.deepEqual([thrift.request?.body.text, thrift.request?.body.rendered], ['"YWJj"', 'base64']);
});

test('a body that is kept in its first bytes: each length gives whole JSON, and the counts are the same', () => {
  const body = Buffer.concat([framed(proto(field(1, 'ab'), field(2, field(3, 'cd')))), zipped(field(1, 'ef')), framed(field(9, 'gh'))]);
  for (let bodyBytes = 1; bodyBytes <= body.length; bodyBytes++) {
    const { request, grpc } = call(post('application/grpc', body, '|grpc-encoding: gzip'), ok, bodyBytes);
    assert.equal(grpc?.request?.messages, 3);
    if (request?.body.text !== undefined) lines(request.body.text);
    assert.equal(request?.body.cut, bodyBytes < body.length ? true : undefined);
  }
});
