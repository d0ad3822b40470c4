import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiCall } from '../../../test/support/api-call-arbitrary.ts';
import { fullCall, sampleContext, unansweredCall, unaskedCall } from '../../../test/support/sample-calls.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import { har } from './har.ts';

function encode(calls: readonly ApiCall[]) {
  const format = har();
  const text = format.begin(sampleContext) + calls.map((call, index) => format.record(call, index)).join('') + format.end();
  return JSON.parse(text);
}

const expected = {
  log: {
    version: '1.2',
    creator: { name: 'Earshot', version: '1.2.3' },
    entries: [
      {
        startedDateTime: '2023-11-14T22:13:20.000001Z',
        time: 13.4,
        request: {
          method: 'POST',
          url: 'http://shop.example:8080/carts/17/items?note=a%20b&dry&x=1+2',
          httpVersion: 'HTTP/1.1',
          cookies: [
            { name: 'sid', value: 'abc' },
            { name: 'theme', value: 'dark' },
          ],
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
          queryString: [
            { name: 'note', value: 'a b' },
            { name: 'dry', value: '' },
            { name: 'x', value: '1 2' },
          ],
          postData: { mimeType: 'application/json; charset=utf-8', params: [], text: '{"sku":"a\tb"}' },
          headersSize: -1,
          bodySize: 13,
        },
        response: {
          status: 201,
          statusText: 'Created',
          httpVersion: 'HTTP/1.1',
          cookies: [
            {
              name: 'sid',
              value: 'def',
              path: '/',
              domain: 'shop.example',
              expires: '2023-11-14T23:00:00.000Z',
              httpOnly: true,
              secure: true,
            },
            { name: 'seen', value: '1' },
          ],
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
          content: { size: 5, compression: -20, mimeType: 'application/octet-stream', text: 'AP8QIDA=', encoding: 'base64' },
          redirectURL: '/carts/17/items/3',
          headersSize: -1,
          bodySize: 25,
        },
        cache: {},
        timings: { send: 0.4, wait: 12, receive: 1 },
        serverIPAddress: '10.0.1.9',
        connection: '51234',
        _id: 'earshot.7.0.42',
        _complete: true,
        _pathTemplate: '/carts/{int}/items',
        _clientIp: '203.0.113.9',
        _encapsulation: [
          { type: 'vlan', vlan: 100 },
          { type: 'vxlan', source: '172.16.0.1', destination: '172.16.0.2', vni: 77 },
          { type: 'vlan', vlan: 200 },
        ],
      },
      {
        startedDateTime: '2023-11-14T22:13:21.000000Z',
        time: 0,
        request: {
          method: 'GET',
          url: 'http://[2001:db8::9]:80/a\\b%0a%ff,c',
          httpVersion: 'HTTP/1.0',
          cookies: [],
          headers: [
            { name: 'User-Agent', value: '-' },
            { name: 'Via', value: 'a,b\tc' },
            { name: 'Via', value: '' },
          ],
          queryString: [],
          headersSize: -1,
          bodySize: 0,
        },
        response: {
          status: 0,
          statusText: '',
          httpVersion: '',
          cookies: [],
          headers: [],
          content: { size: 0, mimeType: '' },
          redirectURL: '',
          headersSize: -1,
          bodySize: -1,
        },
        cache: {},
        timings: { send: 0, wait: 0, receive: 0 },
        serverIPAddress: '2001:db8::9',
        connection: '40000',
        _id: 'earshot.7.0.43',
        _complete: false,
        _causes: ['no-response', 'capture-end'],
        _pathTemplate: '/a\\b',
        _clientIp: '2001:db8::5',
      },
      {
        startedDateTime: '2023-11-14T22:13:22.500000Z',
        time: 0,
        request: {
          method: '',
          url: '',
          httpVersion: '',
          cookies: [],
          headers: [],
          queryString: [],
          headersSize: -1,
          bodySize: -1,
        },
        response: {
          status: 404,
          statusText: '',
          httpVersion: 'HTTP/1.1',
          cookies: [],
          headers: [{ name: 'Content-Type', value: 'text/plain' }],
          content: { size: 5000, mimeType: 'text/plain', text: 'gone', comment: 'The body is longer than what was kept.' },
          redirectURL: '',
          headersSize: -1,
          bodySize: 5000,
        },
        cache: {},
        timings: { send: 0, wait: 0, receive: 0 },
        serverIPAddress: '10.0.1.9',
        connection: '50000',
        _id: 'earshot.7.0.44',
        _complete: false,
        _causes: ['no-request', 'cut-at-limit'],
        _clientIp: '10.0.0.6',
      },
    ],
  },
};

test('the whole output', () => {
  assert.deepEqual(encode([fullCall, unansweredCall, unaskedCall]), expected);
});

test('an output without entries is a document, too', () => {
  assert.deepEqual(encode([]), { log: { version: '1.2', creator: { name: 'Earshot', version: '1.2.3' }, entries: [] } });
});

/** Required keys with their types, and optional ones, as the HAR 1.2 specification lists them by object. */
interface Shape {
  readonly required: Readonly<Record<string, string>>;
  readonly optional: readonly string[];
}
const shapes: Readonly<Record<string, Shape>> = {
  log: { required: { version: 'string', creator: 'object', entries: 'array' }, optional: ['browser', 'pages', 'comment'] },
  creator: { required: { name: 'string', version: 'string' }, optional: ['comment'] },
  entry: {
    required: { startedDateTime: 'string', time: 'number', request: 'object', response: 'object', cache: 'object', timings: 'object' },
    optional: ['pageref', 'serverIPAddress', 'connection', 'comment'],
  },
  request: {
    required: {
      method: 'string',
      url: 'string',
      httpVersion: 'string',
      cookies: 'array',
      headers: 'array',
      queryString: 'array',
      headersSize: 'number',
      bodySize: 'number',
    },
    optional: ['postData', 'comment'],
  },
  response: {
    required: {
      status: 'number',
      statusText: 'string',
      httpVersion: 'string',
      cookies: 'array',
      headers: 'array',
      content: 'object',
      redirectURL: 'string',
      headersSize: 'number',
      bodySize: 'number',
    },
    optional: ['comment'],
  },
  nameValue: { required: { name: 'string', value: 'string' }, optional: ['comment'] },
  cookie: { required: { name: 'string', value: 'string' }, optional: ['path', 'domain', 'expires', 'httpOnly', 'secure', 'comment'] },
  postData: { required: { mimeType: 'string', params: 'array', text: 'string' }, optional: ['comment'] },
  content: { required: { size: 'number', mimeType: 'string' }, optional: ['compression', 'text', 'encoding', 'comment'] },
  timings: { required: { send: 'number', wait: 'number', receive: 'number' }, optional: ['blocked', 'dns', 'connect', 'ssl', 'comment'] },
};

function check(name: string, value: Record<string, unknown>): void {
  const { required, optional } = shapes[name];
  for (const [key, type] of Object.entries(required))
    assert.equal(Array.isArray(value[key]) ? 'array' : typeof value[key], type, `${name}.${key}`);
  for (const key of Object.keys(value))
    assert.ok(Object.hasOwn(required, key) || optional.includes(key) || key.startsWith('_'), `${name}.${key} is no key of HAR`);
}

test('every output has what HAR 1.2 requires, and no other key', () => {
  fc.assert(
    fc.property(fc.array(apiCall, { maxLength: 3 }), (calls) => {
      const { log, ...others } = encode(calls);
      assert.deepEqual(others, {});
      check('log', log);
      check('creator', log.creator);
      assert.equal(log.entries.length, calls.length);
      for (const [i, entry] of log.entries.entries()) {
        const call = calls[i];
        check('entry', entry);
        check('request', entry.request);
        check('response', entry.response);
        check('content', entry.response.content);
        check('timings', entry.timings);
        for (const pair of [...entry.request.headers, ...entry.response.headers, ...entry.request.queryString]) check('nameValue', pair);
        for (const cookie of [...entry.request.cookies, ...entry.response.cookies]) check('cookie', cookie);
        if (entry.request.postData !== undefined) check('postData', entry.request.postData);
        assert.match(entry.startedDateTime, /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/);
        const { send, wait, receive } = entry.timings;
        assert.ok(Math.abs(entry.time - (send + wait + receive)) < 0.01 && send >= 0 && wait >= 0 && receive >= 0);

        // What can be read back is what was written.
        assert.deepEqual(
          entry.request.headers,
          (call.request?.headers ?? []).map(([name, value]) => ({ name, value })),
        );
        assert.deepEqual(
          entry.response.headers,
          (call.response?.headers ?? []).map(([name, value]) => ({ name, value })),
        );
        const { text, encoding } = entry.response.content;
        const body = call.response?.body;
        if (encoding === 'base64') assert.equal(text, body?.base64);
        else assert.equal(text, body?.text);
      }
    }),
  );
});

test('a record is one line', () => {
  const format = har();
  fc.assert(
    fc.property(apiCall, fc.nat(3), (call, index) => {
      const record = format.record(call, index);
      assert.equal(record.lastIndexOf('\n'), index === 0 ? 0 : 1);
    }),
  );
});

test('the operation of a call', () => {
  const operation: ApiCall['operation'] = { protocol: 'graphql', type: 'query', name: 'Find', batch: 2, others: [{ type: 'mutation' }] };
  assert.deepEqual(encode([{ ...fullCall, operation }]).log.entries[0]._operation, operation);
});
