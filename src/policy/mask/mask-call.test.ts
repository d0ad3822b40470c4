import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { settingsWith } from '../../../test/support/run-pipeline.ts';
import { bytes, outputRegion } from '../../base/arena.ts';
import { countOf } from '../../base/counters.ts';
import { defaultSettings, type Settings } from '../../base/settings.ts';
import { CALL_SHIFT, calls } from '../../http/transaction.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import type { Literal } from '../../normalise/json.ts';
import { maskingRule } from '../default-masking.ts';
import { Policy } from '../policy.ts';
import { encodeMasked } from './mask-call.ts';

const rules = [
  maskingRule({ name: 'email', detector: 'email' }),
  maskingRule({ name: 'seen', pattern: 'SEEN[0-9]', action: 'report' }),
  maskingRule({ name: 'pin', fields: ['=pin'] }),
  maskingRule({ name: 'coding', fields: ['content-encoding', 'content-type'], places: ['header'] }),
];

function masked(request: Buffer, settings: Settings = defaultSettings, response = message('HTTP/1.1 200 OK')): ApiCall {
  const policy = new Policy({
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: { rules, binaryBodies: 'remove' },
    maskingKey: Buffer.alloc(32),
  });
  const look = (call: number): ApiCall => {
    policy.route(call);
    return JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall;
  };
  return lookAtCall({ request, response }, look, { settings });
}

const json = (head: string, body: string | Buffer): Buffer => message(`POST / HTTP/1.1|Host: a|${head}`, body);

test('a body that was coded is undone first, also where the fields that say so are masked themselves', () => {
  const body = zlib.gzipSync('{"to":"ann@a.example","n":1}');
  const record = masked(json('Content-Type: application/json|Content-Encoding: gzip', body));
  assert.equal(record.request?.body.text, '{"to":"*email*","n":1}');
  assert.equal(record.request?.body.decoded, true);
  assert.equal(record.request?.body.bytes, body.length);
  assert.equal(record.request?.body.coding, '*coding*');
  assert.equal(record.request?.body.contentType, '*coding*');
});

test('the report points at what stands in the body, and tells apart what was only reported', () => {
  const record = masked(json('Accept: a/b', '{"a":["x",{"to":"ann@a.example"}],"b":"SEEN7 is here","pin":1234}'));
  const text = record.request?.body.text ?? '';
  assert.deepEqual(JSON.parse(text), { a: ['x', { to: '*email*' }], b: 'SEEN7 is here', pin: '*pin*' });
  assert.deepEqual([record.masked?.found, record.masked?.reported], [3, 1]);
  assert.deepEqual(
    record.masked?.places?.map(({ rule, kind, in: where, field, at, end }) => [rule, kind, where, field, text.slice(at, end)]),
    [
      ['email', 'email', 'request.body', 'a.1.to', '*email*'],
      ['seen', 'pattern', 'request.body', 'b', 'SEEN7'],
      ['pin', 'field', 'request.body', 'pin', '"*pin*"'],
    ],
  );
  assert.deepEqual([countOf('calls.masked'), countOf('values.masked'), countOf('values.reported')], [1, 2, 1]);
});

test('a body that is cut in the middle of a value, and one that grows beyond all room', () => {
  const cut = masked(json('Accept: a/b', '{"to":"ann@a.example"}'), settingsWith({ http: { bodyBytes: 14 } }));
  assert.doesNotMatch(JSON.stringify(cut), /ann@/);
  assert.equal(cut.request?.body.cut, true);
  const many = masked(json('Accept: a/b', `[${'{"pin":1},'.repeat(6000)}0]`), settingsWith({ http: { bodyBytes: 1 << 17 } }));
  assert.match(many.request?.body.text ?? '', /\*unreadable\*$/);
  assert.doesNotMatch(JSON.stringify(many), /"pin\\":1/);
  assert.equal(many.masked?.found, 4097);
  assert.equal(many.masked?.places?.length, 256);
});

test('a form that begins like JSON and holds more than can be noted: nothing of its beginning stays', () => {
  const body = `[${'{"pin":1},'.repeat(5000)}&to=ann@a.example`;
  const record = masked(json('Content-Type: application/x-www-form-urlencoded', body), settingsWith({ http: { bodyBytes: 1 << 17 } }));
  assert.doesNotMatch(JSON.stringify(record), /ann@/);
});

test('nothing found: the member says so, and no place', () => {
  assert.deepEqual(masked(json('Accept: a/b', '{"a":1}')).masked, { found: 0 });
});

test('what throws while a call is encoded leaves its row as it was', () => {
  masked(json('Accept: a/b', '{}'));
  lookAtCall({ request: json('X-Note: ann@a.example', '{"to":"ann@a.example"}'), response: message('HTTP/1.1 200 OK') }, (call) => {
    const row = calls.slice(call << CALL_SHIFT, (call + 1) << CALL_SHIFT);
    const broken: Literal = {
      length: 4,
      get words(): Int32Array {
        throw new Error('a fault');
      },
    };
    assert.throws(() => encodeMasked(call, outputRegion.at, broken, 0), /a fault/);
    assert.deepEqual(calls.slice(call << CALL_SHIFT, (call + 1) << CALL_SHIFT), row);
  });
});
