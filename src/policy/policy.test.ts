import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCall, message } from '../../test/support/look-at-calls.ts';
import { bytes, outputRegion } from '../base/arena.ts';
import { countOf } from '../base/counters.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { maskingRule } from './default-masking.ts';
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
