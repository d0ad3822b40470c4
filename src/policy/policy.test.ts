import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { lookAtCall, message } from '../../test/support/look-at-calls.ts';
import { bytes, outputRegion } from '../base/arena.ts';
import { countOf } from '../base/counters.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { bodiesDecoded } from '../normalise/open-body.ts';
import { maskingRule } from './default-masking.ts';
import { SHED_BODIES, SHED_HEADERS } from './mask/mask-call.ts';
import { Policy } from './policy.ts';
import type { AdvancedRule, PipelineSpec, PolicySpec } from './spec.ts';

const include = (name: string, when: string): AdvancedRule => ({ name, action: 'include', when });

function pipeline(name: string, rules: readonly AdvancedRule[] = [], share = 1): PipelineSpec {
  return {
    name,
    simple: { otherwise: 'include', rules: [] },
    advanced: { otherwise: rules.length === 0 ? 'include' : 'exclude', rules },
    sampling: { share, key: 'call' },
  };
}

function spec(pipelines: readonly PipelineSpec[], mark = '*email*'): PolicySpec {
  const rules = [maskingRule({ name: 'email', detector: 'email', replacement: mark })];
  return { pipelines, masking: { rules, binaryBodies: 'remove' }, maskingKey: Buffer.alloc(32) };
}

const exchange = { request: message('GET /ann@a.example HTTP/1.1|Host: a'), response: message('HTTP/1.1 404 Not Found') };
const routesOf = (policy: Policy): number => lookAtCall(exchange, (call) => policy.route(call));
const recordOf = (policy: Policy): ApiCall =>
  lookAtCall(exchange, (call) => {
    policy.route(call);
    return JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall;
  });

test('a call goes to every pipeline that lets it through, and the record names the rules', () => {
  const policy = new Policy(
    spec([
      pipeline('all'),
      pipeline('found', [include('ok', 'response.status == 200')]),
      pipeline('missing', [include('not-found', 'response.status == 404')]),
    ]),
  );
  assert.equal(routesOf(policy), 0b101);
  assert.deepEqual(recordOf(policy).filters, [
    { pipeline: 'all', rule: 'otherwise' },
    { pipeline: 'missing', rule: 'not-found' },
  ]);
});

test('a call that goes nowhere is counted once: as filtered, or as left out by sampling', () => {
  const nobody = new Policy(spec([pipeline('a', [include('x', 'response.status == 1')]), pipeline('b', [include('y', 'false')])]));
  assert.equal(routesOf(nobody), 0);
  assert.deepEqual([countOf('calls.filtered{filters}'), countOf('calls.filtered{sampling}')], [1, 0]);
  const sampled = new Policy(spec([pipeline('a', [include('y', 'false')]), pipeline('b', [], 0)]));
  assert.equal(routesOf(sampled), 0);
  assert.deepEqual([countOf('calls.filtered{filters}'), countOf('calls.filtered{sampling}')], [0, 1]);
});

test('a new policy takes over whole; one that is wrong changes nothing', () => {
  const policy = new Policy(spec([pipeline('old')]));
  assert.throws(() => policy.replace(spec([pipeline('new', [include('bad', 'response.status ==')])], '*new*')));
  const before = recordOf(policy);
  assert.equal(before.request?.path, '/*email*');
  assert.deepEqual(before.filters, [{ pipeline: 'old', rule: 'otherwise' }]);
  policy.replace(spec([pipeline('new')], '*gone*'));
  const after = recordOf(policy);
  assert.equal(after.request?.path, '/*gone*');
  assert.deepEqual(after.filters, [{ pipeline: 'new', rule: 'otherwise' }]);
});

test('one that turns out to be wrong when a part of it stands already changes nothing either', () => {
  const policy = new Policy(spec([pipeline('old')]));
  const bad = spec([pipeline('new')], '*new*');
  // Its rules are good and taken over first; the key is none.
  const maskingKey = undefined as unknown as Uint8Array;
  assert.throws(() => policy.replace({ ...bad, maskingKey }));
  const before = recordOf(policy);
  assert.equal(before.request?.path, '/*email*');
  assert.deepEqual(before.filters, [{ pipeline: 'old', rule: 'otherwise' }]);
});

test('overloaded: what is left out of the record is not in its report, nor looked at; what stays of it is masked', () => {
  const full = {
    request: message(
      'POST /ann@a.example HTTP/1.1|Host: ben@b.example|X-Note: cid@c.example|Content-Type: text/plain; by=dan@d.example|X-A: 1',
      'eve@e.example',
    ),
    response: message('HTTP/1.1 404 fay@f.example|X-Note: gus@g.example', 'hal@h.example'),
  };
  const policy = new Policy(spec([pipeline('all')]));
  const record = (): ApiCall =>
    lookAtCall(full, (call) => {
      policy.route(call);
      return JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall;
    });
  const places = ({ masked }: ApiCall): string[] => (masked?.places ?? []).map(({ in: where, field = '' }) => `${where} ${field}`.trim());
  const head = ['request.path', 'request.header Host', 'request.header X-Note', 'request.header Content-Type'];
  assert.deepEqual(places(record()), [...head, 'response.reason', 'response.header X-Note', 'request.body', 'response.body']);
  policy.shed = SHED_BODIES;
  assert.deepEqual(places(record()), [...head, 'response.reason', 'response.header X-Note']);
  policy.shed = SHED_HEADERS;
  const shed = record();
  assert.doesNotMatch(JSON.stringify(shed), /[a-h]\.example/);
  assert.deepEqual(places(shed), ['request.path', 'request.host', 'response.reason']);
  // The media type is masked, and stands nowhere that a place could name.
  assert.equal(shed.masked?.found, 4);
  assert.equal(shed.request?.body.contentType, 'text/plain; by=*email*');
  const host = shed.masked?.places?.[1];
  assert.equal(shed.host?.slice(host?.at, host?.end), '*email*');
});

test('a body that a filter reads and masking opens is decoded once', () => {
  const body = zlib.gzipSync('{"to":"ann@a.example","kind":"order"}');
  const coded = { request: message('POST /a/17 HTTP/1.1|Host: a|Content-Encoding: gzip', body), response: message('HTTP/1.1 200 OK') };
  const when = 'request.body.contains("order") && call.template != ""';
  const policy = new Policy(spec([pipeline('orders', [include('order', when)])]));
  for (let n = 0; n < 2; n++) {
    const before = bodiesDecoded();
    const record = lookAtCall(coded, (call) => {
      assert.equal(policy.route(call), 1);
      return JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall;
    });
    assert.equal(record.request?.body.text, '{"to":"*email*","kind":"order"}');
    assert.equal(bodiesDecoded() - before, 1);
  }
});
