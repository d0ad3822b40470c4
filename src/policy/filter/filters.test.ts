import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { countOf, countsByName } from '../../base/counters.ts';
import { CallView } from '../call-view.ts';
import { defaultAdvancedFilters, defaultSimpleFilters, simpleRule } from '../default-filters.ts';
import type { PipelineSpec } from '../spec.ts';
import { compileFilters, type Filters, RULE_COUNTERS_MAX, ruleName } from './filters.ts';

const pipeline = (name: string, given: Partial<PipelineSpec>): PipelineSpec => ({
  name,
  simple: { otherwise: 'include', rules: [] },
  advanced: defaultAdvancedFilters,
  sampling: { share: 1, key: 'call' },
  ...given,
});

const view = new CallView();
/** "+rule" or "-rule" for each of the calls; the counters are those of these calls alone. */
function decisions(filters: Filters, targets: readonly string[]): string[] {
  return targets.map((target) =>
    lookAtCall({ request: message(`GET ${target} HTTP/1.1|Host: a`), response: message('HTTP/1.1 200 OK', 'x') }, (call) => {
      view.set(call);
      const decision = filters.decide(view);
      return `${decision < 0 ? '-' : '+'}${ruleName(filters, decision)}`;
    }),
  );
}

test('simple rules first, advanced ones on what these let through', () => {
  const filters = compileFilters(
    pipeline('p', {
      simple: {
        otherwise: 'exclude',
        rules: [
          simpleRule({ name: 'no-admin', action: 'exclude', paths: ['/api/admin/**'] }),
          simpleRule({ name: 'api', action: 'include', paths: ['/api/**'] }),
        ],
      },
      advanced: {
        otherwise: 'include',
        rules: [
          { name: 'pages', action: 'exclude', when: 'request.query.contains("page=")' },
          { name: 'orders', action: 'include', when: 'request.path.startsWith("/api/orders")' },
        ],
      },
    }),
  );
  const targets = ['/api/users', '/api/admin/x', '/x', '/api/orders?page=1', '/api/orders', '/x/orders?page=1'];
  assert.deepEqual(decisions(filters, targets), ['+api', '-no-admin', '-otherwise', '-pages', '+orders', '-otherwise']);
});

test('what no advanced rule wants may be kept out too', () => {
  const filters = compileFilters(
    pipeline('p', { advanced: { otherwise: 'exclude', rules: [{ name: 'orders', action: 'include', when: 'request.path == "/o"' }] } }),
  );
  assert.deepEqual(decisions(filters, ['/o', '/x']), ['+orders', '-otherwise']);
});

test('the shipped filters', () => {
  const filters = compileFilters(pipeline('p', { simple: defaultSimpleFilters }));
  assert.deepEqual(decisions(filters, ['/orders/17', '/app.css', '/healthz', '/status?order=1']), [
    ...['+otherwise', '-static-assets', '-health-checks', '+otherwise'],
  ]);
});

test('every decision is counted once, under the name of its rule, also after the rules were read again', () => {
  const spec = pipeline('audit', { simple: defaultSimpleFilters });
  const before = compileFilters(spec);
  const counted = (): number[] =>
    ['included{audit/otherwise}', 'excluded{audit/static-assets}', 'excluded{audit/health-checks}'].map((name) => countOf(`calls.${name}`));
  const counts: number[][] = [];
  const request = (target: string): { request: Buffer; response: Buffer } => ({
    request: message(`GET ${target} HTTP/1.1|Host: a`),
    response: message('HTTP/1.1 200 OK', 'x'),
  });
  lookAtCall(request('/a.png'), (call) => {
    view.set(call);
    before.decide(view);
    counts.push(counted());
    const others = simpleRule({ name: 'first', action: 'include', paths: ['/never'] });
    const after = compileFilters({ ...spec, simple: { otherwise: 'include', rules: [others, ...defaultSimpleFilters.rules] } });
    after.decide(view);
    after.decide(view);
    counts.push(counted());
  });
  lookAtCall(request('/orders'), (call) => {
    view.set(call);
    before.decide(view);
    counts.push(counted());
  });
  assert.deepEqual(counts, [
    [0, 1, 0],
    [0, 3, 0],
    [1, 0, 0],
  ]);
});

test('names without end take no counters without end', () => {
  const rules = (n: number): PipelineSpec['simple']['rules'] =>
    Array.from({ length: 200 }, (_, i) => simpleRule({ name: `r${n}x${i}`, action: 'exclude', paths: ['/a.png'] }));
  for (let n = 0; n * 200 < RULE_COUNTERS_MAX; n++) compileFilters(pipeline('many', { simple: { otherwise: 'include', rules: rules(n) } }));
  const last = compileFilters(pipeline('many', { simple: { otherwise: 'include', rules: rules(1000) } }));
  assert.deepEqual(decisions(last, ['/a.png']), ['-r1000x0']);
  assert.deepEqual(
    countsByName().filter(([name]) => name.startsWith('calls.excluded{')),
    [['calls.excluded{many/(more)}', 1]],
  );
});
