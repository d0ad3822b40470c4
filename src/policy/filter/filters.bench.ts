/**
 * Filters, ns a call: the shipped ones, a few rules of each kind, and sampling by session, on an API call with fifteen
 * request headers that everything has to be asked about. Prints `name value unit` lines.
 */
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { CallView } from '../call-view.ts';
import { defaultAdvancedFilters, defaultSimpleFilters, simpleRule } from '../default-filters.ts';
import { compileSampling } from '../sampling.ts';
import type { AdvancedRule, PipelineSpec, SimpleRule } from '../spec.ts';
import { compileFilters } from './filters.ts';

const CALLS = 10_000;
/** The best of so many: what else the machine does then counts least. */
const ROUNDS = 60;
const request = message(
  [
    'GET /api/v2/users/123456?page=3&limit=50&q=abcdef HTTP/1.1',
    'Host: api-12.prod.example.com',
    'Connection: keep-alive',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    'Accept: application/json, text/plain, */*',
    'Accept-Encoding: gzip, deflate, br',
    'Accept-Language: en-US,en;q=0.9,de;q=0.8',
    `Authorization: Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.${'a'.repeat(300)}.${'b'.repeat(86)}`,
    'X-Request-Id: 12345678-1234-4234-8234-123456789012',
    `Cookie: sid=${'c'.repeat(32)}; theme=dark; csrftoken=${'d'.repeat(40)}; locale=en-US`,
    'Origin: https://shop.example.com',
    'Referer: https://shop.example.com/app/dashboard',
    `traceparent: 00-${'e'.repeat(32)}-${'f'.repeat(16)}-01`,
    'Sec-Fetch-Mode: cors',
    'X-Forwarded-For: 10.1.2.3',
  ].join('|'),
);
const response = message('HTTP/1.1 200 OK|Server: nginx|Content-Type: application/json; charset=utf-8', `{"data":"${'x'.repeat(1000)}"}`);

const pipeline = (simple: readonly SimpleRule[], advanced: readonly AdvancedRule[] = []): PipelineSpec => ({
  name: 'bench',
  simple: { otherwise: 'include', rules: simple },
  advanced: { ...defaultAdvancedFilters, rules: advanced },
  sampling: { share: 0.5, key: 'session' },
});

const view = new CallView();

function measure(name: string, call: number, work: () => unknown): void {
  const run = (n: number): void => {
    for (let i = 0; i < n; i++) {
      view.set(call);
      work();
    }
  };
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const started = process.hrtime.bigint();
    run(CALLS);
    least = Math.min(least, Number(process.hrtime.bigint() - started) / CALLS);
  }
  console.log(`${name} ${least.toFixed(0)} ns/call`);
}

lookAtCall({ request, response }, (call) => {
  measure('filters.view_alone', call, () => view.findPath());
  const shipped = compileFilters(pipeline(defaultSimpleFilters.rules));
  measure('filters.shipped', call, () => shipped.decide(view));
  const simple = compileFilters(
    pipeline([
      simpleRule({ name: 'a', hosts: ['*.test', 'old.*.example'], paths: ['/x/**'] }),
      simpleRule({ name: 'b', paths: ['/api/v1/**', '/admin/*/users'], methods: ['GET'] }),
      simpleRule({ name: 'c', clients: ['192.168.0.0/16', '172.16.0.0/12'], statuses: ['2xx'] }),
      simpleRule({ name: 'd', paths: ['/**/v*/**/orders'] }),
      simpleRule({ name: 'e', headers: ['x-debug'] }),
    ]),
  );
  measure('filters.five_simple_rules', call, () => simple.decide(view));
  const when = [
    'response.status >= 500 || call.latencyMs > 60000',
    'request.path.startsWith("/admin/") && request.method in ["PUT", "POST"]',
    'request.headers["x-tenant"] == "17"',
  ];
  const advanced = compileFilters(
    pipeline(
      [],
      when.map((text, i) => ({ name: `r${i}`, action: 'exclude', when: text })),
    ),
  );
  measure('filters.three_expressions', call, () => advanced.decide(view));
  const regex = compileFilters(pipeline([], [{ name: 'r', action: 'exclude', when: 'request.path.matches("^/(login|token)/")' }]));
  measure('filters.one_regular_expression', call, () => regex.decide(view));
  const takes = compileSampling(pipeline([]), new Uint8Array(32).fill(7));
  measure('sampling.by_session', call, () => takes(view));
});
