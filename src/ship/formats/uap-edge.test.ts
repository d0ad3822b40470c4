import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiCall } from '../../../test/support/api-call-arbitrary.ts';
import { fullCall, sampleContext, unansweredCall, unaskedCall } from '../../../test/support/sample-calls.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import { type UapEdgeOptions, uapEdge, uapEdgeDefaults } from './uap-edge.ts';

function encode(call: ApiCall, options: Partial<UapEdgeOptions> = {}) {
  const format = uapEdge({ ...uapEdgeDefaults, ...options });
  assert.equal(format.begin(sampleContext), '');
  assert.equal(format.end(), '');
  return JSON.parse(format.record(call, 0));
}

const expected = [
  {
    timestamp: '1700000000',
    version: '1.0',
    'transaction-id': 'earshot.7.0.42',
    request: {
      'client-ip': '203.0.113.9',
      'http-scheme': 'http',
      'http-version': '1.1',
      'http-method': 'POST',
      'uri-query-fragment': '/carts/17/items?note=a%20b&dry&x=1+2',
      host: 'shop.example:8080',
      connection: {
        'connection-ip': '10.0.0.5',
        'connection-port': 51234,
        'server-ip': '10.0.1.9',
        'server-port': 8080,
        'transaction-depth': 2,
      },
      headers: [
        { name: 'Host', value: 'Shop.example:8080' },
        { name: 'User-Agent', value: 'curl/8.1' },
        { name: 'Referer', value: 'http://shop.example/' },
        { name: 'Origin', value: 'http://shop.example' },
        { name: 'Authorization', value: 'Basic YW5uOnNlY3JldA==' },
        { name: 'X-Forwarded-For', value: '203.0.113.9, 10.0.0.5' },
        { name: 'Via', value: '1.1 proxy' },
        { name: 'Cookie', value: 'sid=abc; theme=dark' },
        { name: 'Content-Type', value: 'application/json; charset=utf-8' },
      ],
      body: '{"sku":"a\tb"}',
    },
    response: {
      status: 201,
      headers: [
        { name: 'Content-Type', value: 'application/octet-stream' },
        { name: 'Content-Encoding', value: 'gzip' },
        { name: 'Location', value: '/carts/17/items/3' },
        {
          name: 'Set-Cookie',
          value: 'sid=def; Path=/; Domain=shop.example; Expires=Tue, 14 Nov 2023 23:00:00 GMT; HttpOnly; Secure',
        },
        { name: 'Set-Cookie', value: 'seen=1' },
      ],
      body: '\x00ÿ\x10 0',
    },
    'txn-meta-data': {
      source_info: { version: '1.2.3', type: 'sensor', pool_id: 'default', instance_id: 'earshot' },
      sdp_info: { skipped: true, found: 0, transformed: 0, locations: [] },
    },
  },
  {
    timestamp: '1700000001',
    version: '1.0',
    'transaction-id': 'earshot.7.0.43',
    request: {
      'client-ip': '2001:db8::5',
      'http-scheme': 'http',
      'http-version': '1.0',
      'http-method': 'GET',
      'uri-query-fragment': '/a\\b%0a%ff,c',
      connection: {
        'connection-ip': '2001:db8::5',
        'connection-port': 40000,
        'server-ip': '2001:db8::9',
        'server-port': 80,
        'transaction-depth': 1,
      },
      headers: [
        { name: 'User-Agent', value: '-' },
        { name: 'Via', value: 'a,b\tc' },
        { name: 'Via', value: '' },
      ],
    },
    'txn-meta-data': {
      source_info: { version: '1.2.3', type: 'sensor', pool_id: 'default', instance_id: 'earshot' },
      sdp_info: { skipped: true, found: 0, transformed: 0, locations: [] },
    },
  },
  {
    timestamp: '1700000002',
    version: '1.0',
    'transaction-id': 'earshot.7.0.44',
    request: {
      'client-ip': '10.0.0.6',
      'http-scheme': 'http',
      'http-method': '',
      'uri-query-fragment': '',
      connection: {
        'connection-ip': '10.0.0.6',
        'connection-port': 50000,
        'server-ip': '10.0.1.9',
        'server-port': 80,
        'transaction-depth': 1,
      },
    },
    response: { status: 404, headers: [{ name: 'Content-Type', value: 'text/plain' }], body: 'gone' },
    'txn-meta-data': {
      source_info: { version: '1.2.3', type: 'sensor', pool_id: 'default', instance_id: 'earshot' },
      sdp_info: { skipped: true, found: 0, transformed: 0, locations: [] },
    },
  },
];

test('the whole output', () => {
  assert.deepEqual(
    [fullCall, unansweredCall, unaskedCall].map((call) => encode(call)),
    expected,
  );
});

test('the version is a setting', () => {
  const format = uapEdge();
  format.begin({ ...sampleContext, settings: { ...sampleContext.settings, formats: { uapEdgeVersion: '2.1' } } });
  assert.equal(JSON.parse(format.record(fullCall, 0)).version, '2.1');
});

test('units of the timestamp', () => {
  assert.equal(encode(fullCall, { timestamp: 'milliseconds' }).timestamp, '1700000000000');
  assert.equal(encode(fullCall, { timestamp: 'microseconds' }).timestamp, '1700000000000001');
});

test('headers as a map: lower case, repeats joined', () => {
  assert.deepEqual(encode(unansweredCall, { headers: 'map' }).request.headers, { 'user-agent': '-', via: 'a,b\tc, ' });
});

test('framing as an array gives one JSON document, with no records, too', () => {
  for (const calls of [[], [fullCall], [fullCall, unaskedCall]]) {
    const format = uapEdge({ ...uapEdgeDefaults, framing: 'array' });
    assert.equal(format.mediaType, 'application/json');
    const text = format.begin(sampleContext) + calls.map((call, index) => format.record(call, index)).join('') + format.end();
    assert.deepEqual(
      JSON.parse(text),
      calls.map((call) => encode(call)),
    );
  }
});

test('headers and bodies can be read back under every option', () => {
  const options = fc.record({ headers: fc.constantFrom('list', 'list-base64'), body: fc.constantFrom('text', 'base64') } as const);
  fc.assert(
    fc.property(apiCall, options, (call, choice) => {
      const out = encode(call, choice);
      for (const side of ['request', 'response'] as const) {
        const want = call[side];
        if (want === null) {
          assert.equal(out[side]?.headers, undefined);
          continue;
        }
        const headers = out[side].headers.map(({ name, value }: { name: string; value: string }) => [
          name,
          choice.headers === 'list' ? value : Buffer.from(value, 'base64').toString(),
        ]);
        assert.deepEqual(headers, want.headers);
        const kept =
          want.body.text !== undefined
            ? Buffer.from(want.body.text)
            : want.body.base64 !== undefined
              ? Buffer.from(want.body.base64, 'base64')
              : undefined;
        if (kept === undefined) assert.equal(out[side].body, undefined);
        else if (choice.body === 'base64') assert.deepEqual(Buffer.from(out[side].body, 'base64'), kept);
        else assert.deepEqual(Buffer.from(out[side].body, want.body.text !== undefined ? 'utf8' : 'latin1'), kept);
      }
      for (const key of ['http-method', 'uri-query-fragment', 'client-ip', 'http-scheme']) assert.equal(typeof out.request[key], 'string');
      assert.equal(typeof out.request.connection['connection-ip'], 'string');
      assert.equal(typeof out.request.connection['server-ip'], 'string');
      assert.ok(out.request.connection['transaction-depth'] <= 65535);
      assert.match(out.timestamp, /^[0-9]+$/);
    }),
  );
});
