import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiCall } from '../../../test/support/api-call-arbitrary.ts';
import { fullCall, sampleContext, unansweredCall, unaskedCall } from '../../../test/support/sample-calls.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import { ecs } from './ecs.ts';

function encode(call: ApiCall) {
  const format = ecs();
  assert.equal(format.begin(sampleContext), '');
  assert.equal(format.end(), '');
  return JSON.parse(format.record(call, 0));
}

const expected = [
  {
    '@timestamp': '2023-11-14T22:13:20.000001Z',
    ecs: { version: '8.17.0' },
    event: {
      id: 'earshot.7.0.42',
      kind: 'event',
      category: ['web', 'network'],
      type: ['access', 'protocol'],
      module: 'earshot',
      dataset: 'earshot.api_call',
      outcome: 'success',
      start: '2023-11-14T22:13:20.000001Z',
      end: '2023-11-14T22:13:20.013401Z',
      duration: 13400000,
    },
    observer: { vendor: 'Earshot', product: 'Earshot', type: 'sensor', version: '1.2.3', name: 'earshot' },
    source: { address: '10.0.0.5', ip: '10.0.0.5', port: 51234 },
    client: { address: '10.0.0.5', ip: '10.0.0.5', port: 51234 },
    destination: { address: '10.0.1.9', ip: '10.0.1.9', port: 8080 },
    server: { address: '10.0.1.9', ip: '10.0.1.9', port: 8080 },
    network: {
      transport: 'tcp',
      iana_number: '6',
      type: 'ipv4',
      protocol: 'http',
      forwarded_ip: '203.0.113.9',
      vlan: { id: '100' },
      inner: { vlan: { id: '200' } },
    },
    url: {
      original: '/carts/17/items?note=a%20b&dry&x=1+2',
      full: 'http://shop.example:8080/carts/17/items?note=a%20b&dry&x=1+2',
      scheme: 'http',
      domain: 'shop.example',
      port: 8080,
      path: '/carts/17/items',
      query: 'note=a%20b&dry&x=1+2',
    },
    http: {
      version: '1.1',
      request: { method: 'POST', referrer: 'http://shop.example/', body: { bytes: 13, content: '{"sku":"a\tb"}' } },
      response: { status_code: 201, body: { bytes: 25 } },
    },
    user_agent: { original: 'curl/8.1' },
    related: { ip: ['10.0.0.5', '10.0.1.9', '203.0.113.9'], hosts: ['shop.example'] },
    earshot: {
      complete: true,
      client_ip_source: 'x-forwarded-for',
      path_template: '/carts/{int}/items',
      latency_us: 12000,
      connection: { depth: 2, interface: 0 },
      encapsulation: [
        { type: 'vlan', vlan: 100 },
        { type: 'vxlan', source: '172.16.0.1', destination: '172.16.0.2', vni: 77 },
        { type: 'vlan', vlan: 200 },
      ],
      request: {
        headers: [
          'Host: Shop.example:8080',
          'User-Agent: curl/8.1',
          'Referer: http://shop.example/',
          'Origin: http://shop.example',
          'Authorization: Basic YW5uOnNlY3JldA==',
          'X-Forwarded-For: 203.0.113.9, 10.0.0.5',
          'Via: 1.1 proxy',
          'Cookie: sid=abc; theme=dark',
          'Content-Type: application/json; charset=utf-8',
        ],
        body: { kept_bytes: 13 },
      },
      response: {
        reason: 'Created',
        headers: [
          'Content-Type: application/octet-stream',
          'Content-Encoding: gzip',
          'Location: /carts/17/items/3',
          'Set-Cookie: sid=def; Path=/; Domain=shop.example; Expires=Tue, 14 Nov 2023 23:00:00 GMT; HttpOnly; Secure',
          'Set-Cookie: seen=1',
        ],
        body: { kept_bytes: 5, base64: 'AP8QIDA=', decoded: true },
      },
    },
  },
  {
    '@timestamp': '2023-11-14T22:13:21.000000Z',
    ecs: { version: '8.17.0' },
    event: {
      id: 'earshot.7.0.43',
      kind: 'event',
      category: ['web', 'network'],
      type: ['access', 'protocol'],
      module: 'earshot',
      dataset: 'earshot.api_call',
      outcome: 'unknown',
      start: '2023-11-14T22:13:21.000000Z',
      end: '2023-11-14T22:13:21.000000Z',
    },
    observer: { vendor: 'Earshot', product: 'Earshot', type: 'sensor', version: '1.2.3', name: 'earshot' },
    source: { address: '2001:db8::5', ip: '2001:db8::5', port: 40000 },
    client: { address: '2001:db8::5', ip: '2001:db8::5', port: 40000 },
    destination: { address: '2001:db8::9', ip: '2001:db8::9', port: 80 },
    server: { address: '2001:db8::9', ip: '2001:db8::9', port: 80 },
    network: { transport: 'tcp', iana_number: '6', type: 'ipv6', protocol: 'http' },
    url: { original: '/a\\b%0a%ff,c', full: 'http://[2001:db8::9]:80/a\\b%0a%ff,c', scheme: 'http', path: '/a\\b%0a%ff,c' },
    http: { version: '1.0', request: { method: 'GET', body: { bytes: 0 } } },
    user_agent: { original: '-' },
    related: { ip: ['2001:db8::5', '2001:db8::9'] },
    earshot: {
      complete: false,
      causes: ['no-response', 'capture-end'],
      client_ip_source: 'connection',
      path_template: '/a\\b',
      connection: { depth: 1, interface: 1, midstream: true },
      encapsulation: [],
      weirds: ['http.http1.space_in_target'],
      request: { headers: ['User-Agent: -', 'Via: a,b\tc', 'Via: '], body: { kept_bytes: 0 } },
    },
  },
  {
    '@timestamp': '2023-11-14T22:13:22.500000Z',
    ecs: { version: '8.17.0' },
    event: {
      id: 'earshot.7.0.44',
      kind: 'event',
      category: ['web', 'network'],
      type: ['access', 'protocol'],
      module: 'earshot',
      dataset: 'earshot.api_call',
      outcome: 'failure',
      start: '2023-11-14T22:13:22.500000Z',
      end: '2023-11-14T22:13:22.500000Z',
    },
    observer: { vendor: 'Earshot', product: 'Earshot', type: 'sensor', version: '1.2.3', name: 'earshot' },
    source: { address: '10.0.0.6', ip: '10.0.0.6', port: 50000 },
    client: { address: '10.0.0.6', ip: '10.0.0.6', port: 50000 },
    destination: { address: '10.0.1.9', ip: '10.0.1.9', port: 80 },
    server: { address: '10.0.1.9', ip: '10.0.1.9', port: 80 },
    network: { transport: 'tcp', iana_number: '6', type: 'ipv4', protocol: 'http' },
    http: { version: '1.1', response: { status_code: 404, body: { bytes: 5000, content: 'gone' } } },
    related: { ip: ['10.0.0.6', '10.0.1.9'] },
    earshot: {
      complete: false,
      causes: ['no-request', 'cut-at-limit'],
      client_ip_source: 'connection',
      connection: { depth: 1, interface: 0 },
      encapsulation: [],
      response: { reason: '', headers: ['Content-Type: text/plain'], body: { kept_bytes: 4, cut: true, gap_bytes: 1448 } },
    },
  },
];

test('the whole output', () => {
  assert.deepEqual([fullCall, unansweredCall, unaskedCall].map(encode), expected);
});

test('nothing of a record is lost or changed on the way', () => {
  fc.assert(
    fc.property(apiCall, (call) => {
      const out = encode(call);
      assert.equal(out.event.id, call.id);
      assert.deepEqual(
        out.earshot.encapsulation,
        call.encapsulation.map((layer) => ({ ...layer })),
      );
      for (const side of ['request', 'response'] as const) {
        const want = call[side];
        assert.equal(out.http[side] === undefined, want === null);
        if (want === null) continue;
        assert.equal(out.http[side].body.bytes, want.body.bytes);
        assert.equal(out.http[side].body.content, want.body.text);
        assert.equal(out.earshot[side].body.base64, want.body.base64);
        assert.deepEqual(
          out.earshot[side].headers,
          want.headers.map(([name, value]) => `${name}: ${value}`),
        );
      }
      if (call.request !== null) {
        assert.equal(out.url.original, call.request.target);
        assert.equal(out.http.request.method, call.request.method);
      }
    }),
  );
});

test('the operation of a call', () => {
  const operation: ApiCall['operation'] = { protocol: 'graphql', type: 'query', name: 'Find', batch: 2, others: [{ type: 'mutation' }] };
  assert.deepEqual(encode({ ...fullCall, operation }).earshot.operation, operation);
});
