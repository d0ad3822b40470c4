import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LookOptions, lookAtCall, message } from '../../../../test/support/look-at-calls.ts';
import { lawSeed } from '../../../../test/support/run-pipeline.ts';
import { CallView } from '../../call-view.ts';
import { compileExpression } from './compile.ts';
import { holds } from './search.ts';
import { ExpressionError } from './syntax.ts';

const REQUEST = message(
  'POST /api/v2/Orders/17?page=2&q=abc HTTP/1.1|Host: API.shop.example:8080|X-Debug: yes|User-Agent: probe/2.1|X-Empty: |X-Forwarded-For: 203.0.113.9|Content-Type: application/json',
  '{"card":"4111111111111111"}',
);
const RESPONSE = message('HTTP/1.1 503 Later|Content-Type: Text/HTML; charset=utf-8|Retry-After: 30', '<p>no</p>');
const view = new CallView();

function holdsFor(source: string, request = REQUEST, response: Buffer | null = RESPONSE, o: LookOptions = {}): boolean {
  const condition = compileExpression(source);
  return lookAtCall(
    { request, ...(response === null ? {} : { response }) },
    (call) => {
      view.set(call);
      return condition(view);
    },
    o,
  );
}

test('operations', () => {
  const post = (value: unknown): Buffer => message('POST /api HTTP/1.1|Host: a', JSON.stringify(value));
  const pay = post({ operationName: 'Pay', query: 'mutation Pay { pay }' });
  assert.ok(holdsFor('operation.protocol == "graphql" && operation.type == "mutation" && operation.name == "Pay"', pay));
  assert.ok(holdsFor('operation.name.startsWith("P") && operation.name.glob("p*") && operation.name in ["Pay"]', pay));
  assert.ok(holdsFor('operation.name == "m" && operation.type == "notification"', post({ jsonrpc: '2.0', method: 'm' })));
  assert.ok(holdsFor('operation.name == "" && operation.type == "query"', post({ query: '{a}' })));
  assert.ok(holdsFor('operation.name == "" && operation.type == "" && operation.protocol == ""'));
  // What was found for one call is not said of the next.
  assert.ok(holdsFor('operation.protocol == ""', post({ a: 1 })));
});

test('gRPC', () => {
  const call = message('POST /v1/shop.Cart/Add HTTP/1.1|Host: a|Content-Type: application/grpc-web+proto');
  assert.ok(holdsFor('grpc.service == "shop.Cart" && grpc.method.glob("a*") && grpc.method in ["Add"] && grpc.status == -1', call));
  assert.ok(holdsFor('grpc.service == "" && grpc.method == "" && grpc.status == -1'));
});

test('variables', () => {
  for (const source of [
    'request.method == "POST" && "POST" == request.method',
    'request.path == "/api/v2/Orders/17"',
    'request.query == "page=2&q=abc"',
    'request.host == "api.shop.example"',
    'request.scheme == "http" && request.version == "1.1"',
    'request.headers["x-DEBUG"] == "yes" && request.headers["x-no"] == ""',
    'request.contentType == "application/json" && response.contentType == "text/html"',
    'request.bodyBytes == 27 && response.bodyBytes == 9',
    'request.body == "{\\"card\\":\\"4111111111111111\\"}"',
    'response.body.contains("<p>")',
    'response.status == 503 && response.headers["retry-after"] == "30"',
    'client.ip == "10.1.1.1" && client.port == 40000 && server.ip == "10.2.2.2" && server.port == 8080',
    'source.ip == "203.0.113.9"',
    'call.complete && call.latencyMs > 0 && call.latencyMs < 1e6',
    'call.template == "/api/v2/Orders/{int}"',
    'size(tunnel.vni) == 0 && interface == 0',
  ]) {
    assert.ok(holdsFor(source), source);
  }
  assert.ok(holdsFor('4242 in tunnel.vni && 17 in tunnel.vlan && tunnel.vni.size() == 1', REQUEST, RESPONSE, { vni: 4242, vlan: 17 }));
});

test('operators and functions', () => {
  const yes = [
    'response.status >= 500 && response.status < 600 || false',
    'response.status in [404, 503] && request.method in ["PUT", "POST"] && request.host in ["x", "api.shop.example"]',
    'request.method != "GET" && !(request.method == "GET")',
    'response.status / 100 == 5 && response.status % 100 == 3 && 7 / 2 == 3 && -7 / 2 == -3 && 7.0 / 2 == 3.5',
    '1 + 2 * 3 - 4 == 3 && (1 + 2) * 3 == 9 && 1.5 + 1 == 2.5',
    '"a" + "b" == "ab" && "a" < "b"',
    'response.status == 503 ? request.method == "POST" : false',
    '(call.complete ? "whole" : "part") == "whole"',
    'request.path.startsWith("/api/") && request.path.endsWith("/17") && request.path.contains("Orders")',
    'request.host.startsWith("api.") && request.host.endsWith(".example") && request.host.contains("shop")',
    'request.path.lower().contains("orders") && request.path.lower() == "/api/v2/orders/17"',
    'request.path.matches("^/api/v[0-9]+/") && request.path.matches(r"\\d+$") && !request.path.matches("^orders")',
    'request.path.glob("/api/**") && !request.path.glob("/api/*") && request.host.glob("*.example")',
    'request.headers["user-agent"].glob("Probe/*")',
    'size(request.method) == 4 && request.method.size() == 4 && size([1, 2]) == 2',
    'client.ip.inNetwork("10.0.0.0/8") && !server.ip.inNetwork(["10.1.0.0/16", "::1"]) && source.ip.inNetwork("203.0.113.0/24")',
    'request.headers["x-forwarded-for"].inNetwork("203.0.113.9")',
    'has(request.headers["x-empty"]) && !has(request.headers["x-no"]) && "X-Debug" in request.headers && !("a" in response.headers)',
    '(request.method == "POST") == true && call.complete != false',
    'request.method + request.path == "POST/api/v2/Orders/17"',
    '3 in [1.5, 3] && request.method + "" in ["POST"]',
    'response.body.contains(response.body) && !request.method.contains(request.path)',
  ];
  for (const source of yes) assert.ok(holdsFor(source), source);
});

test('numbers that cannot be had equal nothing and are neither smaller nor larger', () => {
  const lonely = message('GET / HTTP/1.1|Host: a');
  for (const source of [
    'call.latencyMs >= 0',
    'call.latencyMs < 0',
    'call.latencyMs == call.latencyMs',
    '1 / response.status == 0',
    '1 % response.status < 9',
  ]) {
    assert.ok(!holdsFor(source, lonely, null), source);
  }
  assert.ok(holdsFor('response.status == 0 && response.body == "" && !call.complete', lonely, null));
});

/** The mistake stands where the arrow points. */
function mistake(source: string, arrow: string, message: RegExp): void {
  assert.throws(
    () => compileExpression(source),
    (error) => {
      assert.ok(error instanceof ExpressionError, String(error));
      assert.equal(error.at, arrow.indexOf('^'), `${error.message}\n${source}\n${' '.repeat(error.at)}^`);
      assert.match(error.message, message);
      return true;
    },
  );
}

test('types are checked, and mistakes told with their place', () => {
  mistake('request.pth == "x"', '        ^', /no variable request.pth. Did you mean request.path\?/);
  mistake('request.status == 500', '        ^', /Did you mean response.status\?/);
  mistake('reqest.path == "x"', '^', /Did you mean request.path\?/);
  mistake('request == "x"', '^', /request is no value; wanted: one of its members/);
  mistake('request.headers.host == "x"', '                ^', /wanted: request.headers\["host"\]/);
  mistake('request.headers == "x"', '                   ^', /wants the same on both sides/);
  mistake('request.headers[request.path] == "x"', '                ^', /written here in quotes/);
  mistake('request.headers["a b"] == "x"', '                ^', /no name of a header/);
  mistake('request.path["x"] == "x"', '^', /only headers have members/);
  mistake('request.path', '^', /wanted: true or false for the whole expression; this is a string: compare it/);
  mistake('call.complete && response.status', '                 ^', /wanted: true or false for &&; this is an int/);
  mistake('response.status == "404"', '                   ^', /an int stands before it, a string behind it/);
  mistake('request.path + 1 == ""', '               ^', /wants the same on both sides/);
  mistake('1 + request.path == ""', '    ^', /wants numbers or strings; this is a string/);
  mistake('call.latencyMs % 2 == 0', '               ^', /two ints/);
  mistake('response.status / 0 == 1', '                  ^', /another number than 0/);
  mistake('!response.status', ' ^', /true or false for !/);
  mistake('-request.path == ""', '^', /a number behind -/);
  mistake('response.status in ["404"]', '^', /in wants what the list has/);
  mistake('[1, "a"].size() == 1', '    ^', /wanted: an int as the items before/);
  mistake('1 in []', '     ^', /at least one item/);
  mistake('"a" in request.path', '       ^', /contains/);
  mistake('[1] == [1]', '    ^', /does not compare lists/);
  mistake('call.complete ? 1 : "a"', '                    ^', /wanted: an int as before the colon/);
  mistake('call.complete < true', '^', /wants numbers or strings/);
  mistake('request.host == "API.example"', '                ^', /request.host is always in small letters/);
  mistake('request.host in ["a", "B"]', '                      ^', /small letters/);
});

test('functions are checked, and mistakes inside a pattern told in the pattern', () => {
  mistake('request.path.startWith("x")', '             ^', /no function startWith. Did you mean startsWith\?/);
  mistake('startsWith(request.path, "x")', '^', /wanted: x.startsWith\(...\)/);
  mistake('request.path.size', '             ^', /wanted: parentheses behind size/);
  mistake('request.path.startsWith() ', '             ^', /wanted: a string between/);
  mistake('request.path.startsWith(5)', '                        ^', /wanted: a string; this is an int/);
  mistake('response.status.contains("5")', '^', /contains looks at a string; this is an int/);
  mistake('request.path.matches("/api/(v1")', '                           ^', /missing closing \)/);
  mistake('request.path.matches(request.query)', '                     ^', /written here as a text in quotes/);
  mistake('request.path.matches("")', '                      ^', /fits the empty text/);
  mistake('request.path.matches("(a{500}){500}")', '                              ^', /invalid repeat count/);
  mistake('client.ip.inNetwork("10.0.0.0/33")', '                    ^', /no address block/);
  mistake('client.ip.inNetwork(5)', '                    ^', /"10.0.0.0\/8", or a list/);
  mistake('has(request.path)', '^', /wanted: a header, as has/);
  mistake('size(5) == 1', '^', /size does not look at an int/);
  mistake('request.path.lower("x") == ""', '                   ^', /nothing between the parentheses/);
  mistake(`${'"a" + '.repeat(17)}"a" == ""`, `${' '.repeat(6 * 17 - 2)}^`, /at most 16 additions/);
});

test('a text that holds another is found in linear time', () => {
  const part = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'aab'), maxLength: 120 });
  fc.assert(
    fc.property(text, part, (whole, own) => {
      assert.equal(holds(whole, own, null), whole.includes(own));
      assert.ok(holds(`${whole}${own}${whole}`, own, null));
    }),
    { numRuns: 2_000, seed: lawSeed() },
  );
  let reads = 0;
  const plain = 'a'.repeat(50_000);
  const counted = new Proxy(new String(plain), {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads++;
      return Reflect.get(target, name, target) as unknown;
    },
  }) as unknown as string;
  assert.equal(holds(counted, `b${'a'.repeat(2_000)}b`.slice(1), null), false);
  assert.ok(reads >= plain.length && reads <= 4 * plain.length, `${reads} steps`);
});

test('a regular expression that explodes elsewhere takes linear time', () => {
  // (a+)+$ on 200,000 letters and one that does not fit: an engine that goes back would not end in this universe.
  const request = message('POST / HTTP/1.1|Host: a', `${'a'.repeat(12_000)}!`);
  assert.ok(!holdsFor('request.body.matches("^(a+)+$") || request.body.matches("^(a|aa)+$") || request.body.matches("(x+x+)+y")', request));
});
