import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { bytes, outputRegion } from '../../base/arena.ts';
import { defaultSettings, type Settings } from '../../base/settings.ts';
import { weirdCount } from '../../base/weird.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import { maskingRule } from '../default-masking.ts';
import { Policy } from '../policy.ts';
import type { MaskingRule, PolicySpec } from '../spec.ts';

const pipeline: PolicySpec['pipelines'][number] = {
  name: 'all',
  simple: { otherwise: 'include', rules: [] },
  advanced: { otherwise: 'include', rules: [] },
  sampling: { share: 1, key: 'call' },
};
const rules: readonly MaskingRule[] = [
  maskingRule({ name: 'email', detector: 'email' }),
  maskingRule({ name: 'userinfo', detector: 'basic-credentials' }),
  maskingRule({ name: 'password', fields: ['password'] }),
  maskingRule({ name: 'pin', fields: ['=pin'] }),
  maskingRule({ name: 'code', pattern: 'KEY[0-9]{4}' }),
];

interface Given {
  readonly request: string | Buffer;
  readonly response?: string | Buffer;
  readonly shed?: number;
  readonly settings?: Settings;
}

function masked({ request, response = message('HTTP/1.1 200 OK'), shed = 0, settings = defaultSettings }: Given): ApiCall {
  const policy = new Policy({ pipelines: [pipeline], masking: { rules, binaryBodies: 'remove' }, maskingKey: Buffer.alloc(32) });
  policy.shed = shed;
  const look = (call: number): ApiCall => {
    policy.route(call);
    const first = policy.encode(call, outputRegion.at);
    const text = bytes.toString('utf8', outputRegion.at, first);
    // The row is as it was: encoded again it gives the same.
    policy.route(call);
    const again = bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at));
    assert.equal(again.replace(/"id":"[^"]*"/, ''), text.replace(/"id":"[^"]*"/, ''));
    return JSON.parse(text) as ApiCall;
  };
  return lookAtCall({ request, response }, look, { settings });
}

/** Each place of the report as "in field: text". */
function reported(record: ApiCall): string[] {
  return (record.masked?.places ?? []).map(({ in: where, field, at, end }) => {
    const [sideName, place] = where.split('.');
    const side = record[sideName as 'request' | 'response'];
    assert.ok(side !== null);
    const fields = [...side.headers, ...(side.trailers ?? [])];
    const texts =
      place === 'method'
        ? [(side as NonNullable<ApiCall['request']>).method]
        : place === 'reason'
          ? [(side as NonNullable<ApiCall['response']>).reason]
          : ['host', 'path', 'query'].includes(place)
            ? [(side as NonNullable<ApiCall['request']>).target]
            : fields.flat();
    const found = texts.map((text) => text.slice(at, end)).filter((text) => /^\*[\w-]+\*$/.test(text));
    return `${where} ${field ?? ''}: ${found[0] ?? `nothing at ${at}`}`;
  });
}

test('the start line is masked, and the report points at what stands there now', () => {
  const record = masked({
    request: message('GET /users/ann@a.example/x?pin=1234&n=2#bob@b.example HTTP/1.1|Host: a|X-Note: to cy@c.example now'),
    response: message('HTTP/1.1 404 No dan@d.example|X-Note: eve@e.example'),
  });
  assert.equal(record.request?.target, '/users/*email*/x?pin=*pin*&n=2#*email*');
  assert.equal(record.request?.path, '/users/*email*/x');
  assert.equal(record.request?.query, 'pin=*pin*&n=2');
  assert.equal(record.pathTemplate, '/users/{email}/x');
  assert.equal(record.host, 'a');
  assert.equal(record.response?.reason, 'No *email*');
  assert.deepEqual(reported(record), [
    'request.path : *email*',
    'request.query pin: *pin*',
    'request.query : *email*',
    'request.header X-Note: *email*',
    'response.reason : *email*',
    'response.header X-Note: *email*',
  ]);
});

test('a method, a name of a field and a trailer can hold a secret too', () => {
  const record = masked({
    request: 'KEY1234 / HTTP/1.1\r\nHost: a\r\nX-KEY5678: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: KEY9999\r\n\r\n',
  });
  assert.equal(record.request?.method, '*code*');
  assert.equal(record.request?.target, '/');
  assert.ok(record.request?.headers.some(([name, value]) => name.includes('*code*') && value === 'b'));
  assert.deepEqual(record.request?.trailers, [['X-Sum', '*code*']]);
  assert.doesNotMatch(JSON.stringify(record), /KEY\d/);
  const places = record.masked?.places ?? [];
  assert.deepEqual(
    places.map(({ in: where, at, end }) => [where, at, end]),
    [
      ['request.method', 0, 6],
      ['request.header', 2, 8],
      ['request.trailer', 0, 6],
    ],
  );
});

test('passwords in an absolute target and in a Location', () => {
  const record = masked({
    request: message('GET http://ann:hunter2hunter2@shop.example:81/a?b=1 HTTP/1.1|Host: shop.example'),
    response: message('HTTP/1.1 302 Found|Location: http://ann:hunter2hunter2@shop.example/'),
  });
  assert.doesNotMatch(JSON.stringify(record), /hunter2/);
  assert.equal(record.host, 'shop.example:81');
  assert.equal(record.request?.path, '/a');
  assert.equal(record.request?.query, 'b=1');
});

test('a folded value is masked as one', () => {
  const record = masked({ request: 'GET / HTTP/1.1\r\nHost: a\r\nX-Note: dear\r\n ann@a.example\r\n\tbye\r\nX-Z: 1\r\n\r\n' });
  assert.deepEqual(record.request?.headers, [
    ['Host', 'a'],
    ['X-Note', 'dear   *email*  \tbye'],
    ['X-Z', '1'],
  ]);
});

test('a head that grows beyond 65,000 bytes loses its last fields, and the rest stands', () => {
  const cookies = Array.from({ length: 3900 }, () => 'pin=1').join(';');
  const pins = Array.from({ length: 3900 }, () => 'pin=1').join(';');
  const before = weirdCount('limit.policy.head_bytes');
  const record = masked({
    request: `GET /ann@a.example HTTP/1.1\r\nA: b\r\nCookie: ${cookies}\r\nCookie: ${pins}\r\nX-${'y'.repeat(16_000)}: z\r\nHost: behind\r\n\r\n`,
    settings: { ...defaultSettings, http: { ...defaultSettings.http, headBytesMax: 65_535 } },
  });
  assert.ok(weirdCount('limit.policy.head_bytes') + weirdCount('limit.policy.edits') > before);
  assert.doesNotMatch(JSON.stringify(record), /pin=1/);
  assert.deepEqual(record.request?.headers[0], ['A', 'b']);
  assert.equal(record.request?.target, '/*email*');
  assert.equal(record.host, null, 'the field has gone');
});

test('more findings than can be noted: the rest of the head is one, and nothing of it stays', () => {
  const cookies = Array.from({ length: 5000 }, () => 'pin=1').join(';');
  const record = masked({
    request: `GET / HTTP/1.1\r\nA: b\r\nCookie: ${cookies}\r\nX-Note: ann@a.example\r\nHost: behind\r\n\r\n`,
    settings: { ...defaultSettings, http: { ...defaultSettings.http, headBytesMax: 65_535 } },
  });
  const [a, cookie, ...others] = record.request?.headers ?? [];
  assert.deepEqual(a, ['A', 'b']);
  assert.match(cookie[1], /^pin=\*pin\*;pin=\*pin\*;/);
  assert.match(cookie[1], /pin=\*unreadable\*$/);
  assert.doesNotMatch(JSON.stringify(record), /pin=1|ann@|behind/);
  assert.deepEqual(others, []);
  assert.equal(record.host, null);
  assert.equal(record.masked?.found, 4097);
});

test('the same in a target: offsets stay within the line', () => {
  const query = Array.from({ length: 5000 }, () => 'pin=1').join('&');
  const record = masked({
    request: `GET /a?${query} HTTP/1.1\r\nHost: a\r\n\r\n`,
    settings: { ...defaultSettings, http: { ...defaultSettings.http, headBytesMax: 65_535 } },
  });
  assert.equal(record.request?.method, 'GET');
  assert.equal(record.request?.path, '/a');
  assert.match(record.request?.query ?? '', /pin=\*pin\*&pin=\*unreadable\*$/);
  assert.deepEqual(record.request?.headers, []);
  assert.doesNotMatch(JSON.stringify(record), /pin=1/);
});

test('without headers, host and media types are masked all the same', () => {
  const request = message('POST /ann@a.example HTTP/1.1|Host: KEY1234.example|Content-Type: text/plain; x=KEY5678|X-Note: a', 'hello');
  const record = masked({ request, shed: 2 });
  assert.deepEqual(record.shed, ['bodies', 'headers']);
  assert.deepEqual(record.request?.headers, []);
  assert.deepEqual(record.request?.body, { bytes: 5, kept: 0, cut: true, contentType: 'text/plain; x=*code*' });
  assert.equal(record.host, '*code*.example');
  assert.equal(record.request?.path, '/*email*');
  assert.doesNotMatch(JSON.stringify(record), /KEY\d|ann@/);
});

test('HTTP/0.9, and a response whose request was not seen', () => {
  const old = masked({ request: 'GET /ann@a.example\r\n', response: 'mail bob@b.example now' });
  assert.equal(old.request?.target, '/*email*');
  assert.equal(old.response?.body.text, 'mail *email* now');
  assert.doesNotMatch(JSON.stringify(old), /ann@|bob@/);
});
