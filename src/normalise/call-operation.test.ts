import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { lookAtCall, message, recordOf } from '../../test/support/look-at-calls.ts';
import { settingsWith } from '../../test/support/run-pipeline.ts';
import { type ApiCall, apiCallSchema } from './api-call.ts';

test('the record: behind the path template, for bodies that were compressed too, and absent for other calls', () => {
  const ok = message('HTTP/1.1 200 OK');
  const of = (request: Buffer, bodyBytes?: number): ApiCall =>
    lookAtCall({ request, response: ok }, recordOf, bodyBytes === undefined ? {} : { settings: settingsWith({ http: { bodyBytes } }) });
  const body = JSON.stringify([{ query: 'query A { a }' }, { query: 'mutation B { b }' }]);
  const operation = { protocol: 'graphql', type: 'query', name: 'A', batch: 2, others: [{ type: 'mutation', name: 'B' }] };
  const plain = of(message('POST /g HTTP/1.1|Host: a', body));
  assert.deepEqual(apiCallSchema.parse(plain).operation, operation);
  assert.deepEqual(Object.keys(plain).slice(Object.keys(plain).indexOf('pathTemplate')).slice(0, 3), [
    'pathTemplate',
    'operation',
    'request',
  ]);
  assert.deepEqual(of(message('POST /g HTTP/1.1|Host: a|Content-Encoding: gzip', gzipSync(body))).operation, operation);
  assert.deepEqual(of(message('POST /g HTTP/1.1|Host: a|Content-Encoding: br', brotliCompressSync(body))).operation, operation);
  assert.deepEqual(of(message('POST /g HTTP/1.1|Host: a', body), 40).operation, {
    protocol: 'graphql',
    type: 'query',
    name: 'A',
    batch: 2,
    others: [{}],
  });
  assert.ok(!('operation' in of(message('POST /orders HTTP/1.1|Host: a', '{"a":1}'))));
  assert.ok(!('operation' in of(message('GET /orders?page=1 HTTP/1.1|Host: a'))));
});

test('names of any bytes are JSON: valid UTF-8 as it is, all else as Latin-1', () => {
  const name = (raw: Buffer): unknown => {
    const body = Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"'), raw, Buffer.from('","id":1}')]);
    const request = message('POST /rpc HTTP/1.1|Host: a', body);
    return lookAtCall({ request, response: message('HTTP/1.1 200 OK') }, recordOf).operation?.name;
  };
  assert.equal(name(Buffer.from('caf\u00e9 \\" \\u0000 \\n')), 'caf\u00e9 " \u0000 \n');
  assert.equal(name(Buffer.from([0x61, 0xff])), 'a\u00ff');
});
