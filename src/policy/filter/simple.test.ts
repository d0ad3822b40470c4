import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LookOptions, lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { CallView } from '../call-view.ts';
import { simpleRule } from '../default-filters.ts';
import type { SimpleRule } from '../spec.ts';
import { assetExtensions, healthPaths, probeAgents } from './presets.ts';
import { compileSimple } from './simple.ts';

interface Asked {
  readonly request?: Buffer;
  readonly response?: Buffer | null;
  readonly look?: LookOptions;
}

const GET = message('GET /api/orders/17?x=1 HTTP/1.1|Host: API.shop.example:8080|X-Debug: 1|User-Agent: probe/2.1 (x)');
const JSON_200 = message('HTTP/1.1 200 OK|Content-Type: application/json; charset=utf-8', '{"a":1}');

/** Whether the conditions hold for the call. */
function fits(conditions: Partial<SimpleRule>, { request = GET, response = JSON_200, look = {} }: Asked = {}): boolean {
  const decide = compileSimple({ rules: [simpleRule(conditions)] });
  const view = new CallView();
  return lookAtCall(
    { request, ...(response === null ? {} : { response }) },
    (call) => {
      view.set(call);
      return decide(view) === 0;
    },
    look,
  );
}

test('operations by their names; of a batch one of the first eight is enough', () => {
  const body = (value: unknown): Asked => ({ request: message('POST /api HTTP/1.1|Host: a', JSON.stringify(value)) });
  const find = body({ query: 'query FindUser { a }' });
  assert.ok(fits({ operation: ['Other', 'finduser'] }, find));
  assert.ok(fits({ operation: ['Find*'], paths: ['/api'] }, find));
  assert.ok(!fits({ operation: ['Find'] }, find));
  assert.ok(!fits({ operation: ['*'] }, body({ query: '{ a }' })), 'it has no name');
  assert.ok(!fits({ operation: ['*'] }));
  const batch = body([1, 2, 3].map((n) => ({ jsonrpc: '2.0', method: `m${n}`, id: n })));
  assert.ok(fits({ operation: ['m3'] }, batch));
  assert.ok(!fits({ operation: ['m4'] }, batch));
});

test('statuses of gRPC, of gRPC calls only', () => {
  const request = message('POST /shop.Cart/Add HTTP/1.1|Host: a|Content-Type: application/grpc');
  const answered = (status: string): Asked => ({ request, response: message(`HTTP/1.1 200 OK|Content-Type: application/grpc${status}`) });
  const notFound = answered('|grpc-status: 5');
  assert.ok(fits({ grpcStatuses: ['13', '5'] }, notFound));
  assert.ok(fits({ grpcStatuses: ['1-16'], paths: ['/shop.Cart/*'] }, notFound));
  assert.ok(!fits({ grpcStatuses: ['0', 'none', '6-99'] }, notFound));
  assert.ok(fits({ grpcStatuses: ['none'] }, answered('')));
  assert.ok(!fits({ grpcStatuses: ['none', '0-99'] }), 'it is no gRPC');
});

test('every condition, of which one value is enough', () => {
  const yes: Partial<SimpleRule>[] = [
    { hosts: ['x', 'api.SHOP.example'] },
    { hosts: ['*.example'] },
    { paths: ['/x', '/api/**'] },
    { methods: ['POST', 'get'] },
    { statuses: ['404', '2xx'] },
    { statuses: ['200-204'] },
    { contentTypes: ['text/*', 'APPLICATION/json'] },
    { contentTypes: ['application/*'] },
    { headers: ['X-DEBUG'] },
    { headers: ['x-no', 'user-agent: Probe/*'] },
    { clients: ['10.1.0.0/16'] },
    { servers: ['10.2.2.2'] },
    { ports: [80, 8080] },
  ];
  const no: Partial<SimpleRule>[] = [
    { hosts: ['api.shop.example:8080'] },
    { hosts: ['shop.example'] },
    { paths: ['/API/**'] },
    { paths: ['/api/orders/17?x=1'] },
    { methods: ['POST'] },
    { statuses: ['4xx', 'none'] },
    { contentTypes: ['none'] },
    { contentTypes: ['application'] },
    { headers: ['x-no'] },
    { headers: ['user-agent: probe'] },
    { clients: ['10.2.0.0/16'] },
    { servers: ['10.1.1.1', '::/0'].slice(0, 1) },
    { ports: [40000] },
    { vnis: [5] },
  ];
  for (const conditions of yes) assert.ok(fits(conditions), JSON.stringify(conditions));
  for (const conditions of no) assert.ok(!fits(conditions), JSON.stringify(conditions));
});

test('all conditions of a rule must hold', () => {
  assert.ok(fits({ hosts: ['*.example'], paths: ['/api/**'], methods: ['GET'], statuses: ['200'], ports: [8080] }));
  assert.ok(!fits({ hosts: ['*.example'], paths: ['/api/**'], methods: ['GET'], statuses: ['200'], ports: [80] }));
  assert.ok(fits({}), 'a rule without conditions');
});

test('what a call lacks', () => {
  assert.ok(fits({ statuses: ['none'], contentTypes: ['none'] }, { response: null }));
  assert.ok(!fits({ statuses: ['2xx', '4xx'] }, { response: null }));
  const bare = message('GET / HTTP/1.0');
  assert.ok(!fits({ hosts: ['*'] }, { request: bare }));
});

test('tunnels, and IPv6', () => {
  const look = { vni: 4242, place: { client: '2001:db8::5', server: '2001:db8::6' } };
  assert.ok(fits({ vnis: [1, 4242], clients: ['2001:db8::/64'], servers: ['2001:db8::6'] }, { look }));
  assert.ok(!fits({ vnis: [4243] }, { look }));
  assert.ok(!fits({ clients: ['10.0.0.0/8'] }, { look }));
});

test('the first rule that fits decides; what no rule fits has the number behind the last', () => {
  const decide = compileSimple({
    rules: [simpleRule({ paths: ['/a/*'] }), simpleRule({ paths: ['/a/**', '/b'] }), simpleRule({ methods: ['PUT'] })],
  });
  const view = new CallView();
  const ruleOf = (head: string): number =>
    lookAtCall({ request: message(`${head} HTTP/1.1|Host: a`), response: JSON_200 }, (call) => {
      view.set(call);
      return decide(view);
    });
  assert.deepEqual(['GET /a/x', 'PUT /a/x/y', 'PUT /b', 'PUT /c', 'GET /c'].map(ruleOf), [0, 1, 1, 2, 3]);
});

// ---------------------------------------------------------------- presets

const answer = (head: string, body = 'x'): Buffer => message(`HTTP/1.1 ${head}`, body);
const asks = (head: string, body = ''): Buffer => message(`${head}|Host: a`, body);
const isPreset = (preset: string, request: Buffer, response: Buffer | null = JSON_200): boolean => fits({ preset }, { request, response });

test('static-assets: by extension, or by what came', () => {
  const html = answer('200 OK|Content-Type: text/html');
  for (const extension of assetExtensions) {
    assert.ok(isPreset('static-assets', asks(`GET /assets/a.${extension}?v=1 HTTP/1.1`), html), extension);
    assert.ok(isPreset('static-assets', asks(`HEAD /A.${extension.toUpperCase()} HTTP/1.1`), html), extension);
  }
  for (const type of ['image/png', 'IMAGE/webp', 'font/woff2', 'text/css; charset=utf-8', 'application/javascript', 'text/javascript']) {
    assert.ok(isPreset('static-assets', asks('GET /any/thing HTTP/1.1'), answer(`200 OK|Content-Type: ${type}`)), type);
  }
  assert.ok(isPreset('static-assets', asks('GET /a.png HTTP/1.1'), message('HTTP/1.1 304 Not Modified')));
  assert.ok(isPreset('static-assets', asks('GET /a.js.map HTTP/1.1'), JSON_200), 'source maps are JSON');
});

test('static-assets: calls of APIs are none', () => {
  const html = answer('200 OK|Content-Type: text/html');
  assert.ok(!isPreset('static-assets', asks('POST /a.png HTTP/1.1', 'x'), html), 'another method');
  assert.ok(!isPreset('static-assets', asks('GET /account/me.css HTTP/1.1'), JSON_200), 'JSON in disguise');
  assert.ok(!isPreset('static-assets', asks('GET /a.js HTTP/1.1'), answer('404 No|Content-Type: application/problem+json')));
  for (const path of ['/a.json', '/a.xml', '/a.css/b', '/css', '/a.', '/.x/js', '/download?file=a.png', '/']) {
    assert.ok(!isPreset('static-assets', asks(`GET ${path} HTTP/1.1`), html), path);
  }
  assert.ok(!isPreset('static-assets', asks('GET /x HTTP/1.1'), answer('200 OK|Content-Type: application/pdf')));
});

test('health-checks: known probes, wherever they ask', () => {
  const page = answer('200 OK|Content-Type: text/html', 'x'.repeat(5000));
  for (const agent of probeAgents) {
    assert.ok(isPreset('health-checks', asks(`GET /shop/start?x=1 HTTP/1.1|User-Agent: ${agent}/1.0 (etc)`), page), agent);
    assert.ok(isPreset('health-checks', asks(`HEAD / HTTP/1.1|User-Agent: ${agent.toLowerCase()}`), answer('503 No')), agent);
  }
  for (const agent of [
    'kube-probe/1.29+',
    'Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)',
    'Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Site24x7',
    'Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 (StatusCake)',
    'Amazon-Route53-Health-Check-Service (ref 1234; report http://amzn.to/1vsZADi)',
  ]) {
    assert.ok(isPreset('health-checks', asks(`GET /x HTTP/1.1|User-Agent: ${agent}`), null), agent);
  }
  assert.ok(isPreset('health-checks', asks('OPTIONS / HTTP/1.0|User-Agent: HAProxy'), answer('200 OK')));
});

test('health-checks: who signs in or sends something is no probe, whatever it calls itself', () => {
  const probe = 'User-Agent: kube-probe/1.29';
  assert.ok(!isPreset('health-checks', asks(`POST /healthz HTTP/1.1|${probe}`, 'x')));
  assert.ok(!isPreset('health-checks', asks(`GET /users/17 HTTP/1.1|${probe}|Authorization: Bearer x`)));
  assert.ok(!isPreset('health-checks', asks(`GET /users/17 HTTP/1.1|${probe}|Cookie: sid=x`)));
  assert.ok(!isPreset('health-checks', asks(`GET /users/17 HTTP/1.1|${probe}`, 'body')));
  assert.ok(!isPreset('health-checks', asks('GET /users/17 HTTP/1.1|User-Agent: my kube-probe/1.29')));
});

test('health-checks: well-known paths with a small good answer', () => {
  const small = answer('200 OK|Content-Type: application/json', '{"status":"UP"}');
  for (const path of healthPaths) {
    assert.ok(isPreset('health-checks', asks(`GET ${path} HTTP/1.1|User-Agent: Go-http-client/1.1`), small), path);
    assert.ok(isPreset('health-checks', asks(`GET ${path}/ HTTP/1.0`), message('HTTP/1.1 204 No Content')), path);
  }
});

test('health-checks: real calls to /status and the like are kept', () => {
  const small = answer('200 OK', 'ok');
  assert.ok(!isPreset('health-checks', asks('GET /status HTTP/1.1'), answer('200 OK', 'x'.repeat(257))), 'more than a word');
  assert.ok(!isPreset('health-checks', asks('GET /status?order=17 HTTP/1.1'), small), 'asks for something');
  assert.ok(!isPreset('health-checks', asks('GET /status HTTP/1.1|Authorization: Bearer x'), small));
  assert.ok(!isPreset('health-checks', asks('GET /status HTTP/1.1|Cookie: sid=1'), small));
  assert.ok(!isPreset('health-checks', asks('POST /ping HTTP/1.1', 'x'), small));
  assert.ok(!isPreset('health-checks', asks('GET /healthz HTTP/1.1'), answer('503 Bad', 'db down')), 'an outage is worth to know');
  assert.ok(!isPreset('health-checks', asks('GET /healthz HTTP/1.1'), null), 'no answer too');
  assert.ok(!isPreset('health-checks', asks('GET /orders/17/status HTTP/1.1'), small));
  assert.ok(!isPreset('health-checks', asks('GET /Health HTTP/1.1'), small));
});

test('websocket: the handshake', () => {
  const switching = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  assert.ok(isPreset('websocket', asks('GET /live HTTP/1.1|Connection: Upgrade|Upgrade: WebSocket'), switching));
  assert.ok(isPreset('websocket', asks('GET /live HTTP/1.1|Upgrade: h2c, websocket'), answer('403 No')));
  assert.ok(!isPreset('websocket', asks('GET /live HTTP/1.1|Upgrade: h2c')));
  assert.ok(!isPreset('websocket', asks('GET /live HTTP/1.1|Upgrade: websockets')));
  assert.ok(!isPreset('websocket', asks('GET /websocket HTTP/1.1')));
});
