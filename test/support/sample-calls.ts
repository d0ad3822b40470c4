/** Records for tests of encoders: one with everything, one without response, one without request. */
import { defaultSettings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { SCHEMA } from '../../src/normalise/causes.ts';

/** What formats are opened with in tests: a fixed clock. */
export const sampleContext = { settings: defaultSettings, version: '1.2.3', now: (): number => Date.UTC(2023, 10, 14, 22, 13, 20) };

export const fullCall: ApiCall = {
  schema: SCHEMA,
  id: 'earshot.7.0.42',
  complete: true,
  client: { address: '10.0.0.5', port: 51234 },
  server: { address: '10.0.1.9', port: 8080 },
  clientIp: { address: '203.0.113.9', source: 'x-forwarded-for' },
  scheme: 'http',
  host: 'shop.example:8080',
  pathTemplate: '/carts/{int}/items',
  request: {
    firstByteUs: 1_700_000_000_000_001,
    lastByteUs: 1_700_000_000_000_401,
    method: 'POST',
    target: '/carts/17/items?note=a%20b&dry&x=1+2',
    path: '/carts/17/items',
    query: 'note=a%20b&dry&x=1+2',
    version: '1.1',
    headers: [
      ['Host', 'Shop.example:8080'],
      ['User-Agent', 'curl/8.1'],
      ['Referer', 'http://shop.example/'],
      ['Origin', 'http://shop.example'],
      ['Authorization', 'Basic YW5uOnNlY3JldA=='],
      ['X-Forwarded-For', '203.0.113.9, 10.0.0.5'],
      ['Via', '1.1 proxy'],
      ['Cookie', 'sid=abc; theme=dark'],
      ['Content-Type', 'application/json; charset=utf-8'],
    ],
    body: { bytes: 13, kept: 13, text: '{"sku":"a\tb"}', contentType: 'application/json; charset=utf-8' },
  },
  response: {
    firstByteUs: 1_700_000_000_012_401,
    lastByteUs: 1_700_000_000_013_401,
    status: 201,
    reason: 'Created',
    version: '1.1',
    headers: [
      ['Content-Type', 'application/octet-stream'],
      ['Content-Encoding', 'gzip'],
      ['Location', '/carts/17/items/3'],
      ['Set-Cookie', 'sid=def; Path=/; Domain=shop.example; Expires=Tue, 14 Nov 2023 23:00:00 GMT; HttpOnly; Secure'],
      ['Set-Cookie', 'seen=1'],
    ],
    body: { bytes: 25, kept: 5, base64: 'AP8QIDA=', coding: 'gzip', decoded: true, contentType: 'application/octet-stream' },
  },
  latencyUs: 12_000,
  durationUs: 13_400,
  connection: { depth: 2, interface: 0 },
  encapsulation: [
    { type: 'vlan', vlan: 100 },
    { type: 'vxlan', source: '172.16.0.1', destination: '172.16.0.2', vni: 77 },
    { type: 'vlan', vlan: 200 },
  ],
};

export const unansweredCall: ApiCall = {
  schema: SCHEMA,
  id: 'earshot.7.0.43',
  complete: false,
  causes: ['no-response', 'capture-end'],
  client: { address: '2001:db8::5', port: 40000 },
  server: { address: '2001:db8::9', port: 80 },
  clientIp: { address: '2001:db8::5', source: 'connection' },
  scheme: 'http',
  host: null,
  pathTemplate: '/a\\b',
  request: {
    firstByteUs: 1_700_000_001_000_000,
    lastByteUs: 1_700_000_001_000_000,
    method: 'GET',
    target: '/a\\b%0a%ff,c',
    path: '/a\\b%0a%ff,c',
    version: '1.0',
    headers: [
      ['User-Agent', '-'],
      ['Via', 'a,b\tc'],
      ['Via', ''],
    ],
    body: { bytes: 0, kept: 0 },
  },
  response: null,
  connection: { depth: 1, interface: 1, midstream: true },
  encapsulation: [],
  weirds: ['http.http1.space_in_target'],
};

export const unaskedCall: ApiCall = {
  schema: SCHEMA,
  id: 'earshot.7.0.44',
  complete: false,
  causes: ['no-request', 'cut-at-limit'],
  client: { address: '10.0.0.6', port: 50000 },
  server: { address: '10.0.1.9', port: 80 },
  clientIp: { address: '10.0.0.6', source: 'connection' },
  scheme: 'http',
  host: null,
  pathTemplate: null,
  request: null,
  response: {
    firstByteUs: 1_700_000_002_500_000,
    lastByteUs: 1_700_000_002_500_000,
    status: 404,
    reason: '',
    version: '1.1',
    headers: [['Content-Type', 'text/plain']],
    body: { bytes: 5000, kept: 4, text: 'gone', cut: true, gapBytes: 1448, contentType: 'text/plain' },
  },
  connection: { depth: 1, interface: 0 },
  encapsulation: [],
};
