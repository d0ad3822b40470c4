import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { arbitraryPlan, makeConversation, partsOf, wires } from '../../test/support/conversation.ts';
import { type LookOptions, lookAtCall, lookAtPackets, message, recordOf } from '../../test/support/look-at-calls.ts';
import { lawSeed, settingsWith } from '../../test/support/run-pipeline.ts';
import { isInAny, parseCidr } from '../base/cidr.ts';
import { REQUEST, RESPONSE } from '../http/transaction.ts';
import { CallView, fieldName } from './call-view.ts';

const OK = message('HTTP/1.1 200 OK');

/** What a look at a request sees. */
function seen<T>(request: string | Buffer, look: (view: CallView) => T, o: LookOptions & { response?: Buffer } = {}): T {
  const view = new CallView();
  const bytes = typeof request === 'string' ? message(request) : request;
  return lookAtCall(
    { request: bytes, response: o.response ?? OK },
    (call) => {
      view.set(call);
      return look(view);
    },
    o,
  );
}

test('host, path and query of every form of target', () => {
  const parts = (head: string): readonly string[] =>
    seen(head, (view) => [view.method(), view.scheme(), view.host(), view.path(), view.query()]);
  assert.deepEqual(parts('GET /a/b?x=1&y=/ HTTP/1.1|Host: API.Example.com:8080'), ['GET', 'http', 'api.example.com', '/a/b', 'x=1&y=/']);
  assert.deepEqual(parts('GET /a#b?x HTTP/1.1|Host: a'), ['GET', 'http', 'a', '/a', '']);
  assert.deepEqual(parts('GET /a?x#b HTTP/1.1|Host: a'), ['GET', 'http', 'a', '/a', 'x']);
  assert.deepEqual(parts('GET https://u:p@Shop.example/x HTTP/1.1|Host: b'), ['GET', 'https', 'shop.example', '/x', '']);
  assert.deepEqual(parts('GET http://shop.example?q HTTP/1.1|Host: b'), ['GET', 'http', 'shop.example', '/', 'q']);
  assert.deepEqual(parts('OPTIONS * HTTP/1.1|Host: [2001:db8::1]:80'), ['OPTIONS', 'http', '[2001:db8::1]', '*', '']);
  assert.deepEqual(parts('GET /caf\u00e9 HTTP/1.1|Host: [2001:db8::1]'), ['GET', 'http', '[2001:db8::1]', '/caf\u00e9', '']);
  assert.deepEqual(parts('GET / HTTP/1.1|Host: 2001:db8::17'), ['GET', 'http', '2001:db8::17', '/', '']);
  assert.deepEqual(parts('GET / HTTP/1.1|Host: a:'), ['GET', 'http', 'a', '/', '']);
});

test('header fields by name, in any case, several as one list', () => {
  const name = fieldName('X-Tag');
  const head = 'GET / HTTP/1.1|Host: a|x-tag: one|X-Tagg: no|X-TAG: two, three';
  assert.equal(
    seen(head, (view) => view.header(REQUEST, name)),
    'one, two, three',
  );
  assert.deepEqual(
    seen(head, (view) => view.headers(REQUEST, name)),
    ['one', 'two, three'],
  );
  assert.equal(
    seen(head, (view) => view.header(RESPONSE, name)),
    '',
  );
  assert.equal(
    seen(head, (view) => view.findField(REQUEST, fieldName('x'))),
    -1,
  );
});

test('media types without parameters, statuses, sizes, times', () => {
  const response = message('HTTP/1.1 503 Later|Content-Type: Application/JSON ; charset=utf-8', '{"a":1}');
  const request = message('POST /x HTTP/1.1|Host: a|Content-Type: text/plain;x', 'hello');
  const of = seen(
    request,
    (view) => [
      ...[view.contentType(REQUEST), view.contentType(RESPONSE), view.status(), view.bodyBytes(REQUEST), view.bodyBytes(RESPONSE)],
      ...[view.body(REQUEST), view.body(RESPONSE), view.latencyUs() > 0, view.isComplete(), view.version()],
    ],
    { response },
  );
  assert.deepEqual(of, ['text/plain', 'application/json', 503, 5, 7, 'hello', '{"a":1}', true, true, '1.1']);
});

test('a call without a response', () => {
  const view = new CallView();
  const of = lookAtCall({ request: message('GET /x HTTP/1.0|Host: a') }, (call) => {
    view.set(call);
    return [view.status(), view.latencyUs(), view.isComplete(), view.contentType(RESPONSE), view.body(RESPONSE), view.version()];
  });
  assert.deepEqual(of, [0, Number.NaN, false, '', '', '1.0']);
});

test('bodies are decompressed, up to what is kept', () => {
  const text = JSON.stringify({ card: '4111', note: 'é'.repeat(4000) });
  for (const [coding, pack] of [['gzip', gzipSync] as const, ['br', brotliCompressSync] as const]) {
    const response = message(`HTTP/1.1 200 OK|Content-Encoding: ${coding}`, pack(text));
    assert.equal(
      seen('GET / HTTP/1.1|Host: a', (view) => view.body(RESPONSE), { response }),
      text,
    );
    const settings = settingsWith({ http: { bodyBytes: 100 } });
    const body = seen('GET / HTTP/1.1|Host: a', (view) => view.body(RESPONSE), { response, settings });
    assert.ok(Buffer.byteLength(body) <= 102 && text.startsWith(body.slice(0, 50)), body);
  }
});

test('addresses of the connection and of who asked, ports, tunnels', () => {
  const head = 'GET / HTTP/1.1|Host: a|X-Forwarded-For: 203.0.113.9, 10.1.1.1';
  const blocks = ['10.1.0.0/16', '10.2.0.0/16', '203.0.113.0/24', '2001:db8::/32'].map((text) => {
    const block = parseCidr(text);
    assert.ok(block !== null);
    return block;
  });
  const inBlocks = (load: () => void): number => {
    load();
    return blocks.findIndex((block) => isInAny([block]));
  };
  const look = (view: CallView): unknown[] => [
    ...[view.address(true), view.port(true), view.address(false), view.port(false), view.clientIp(), view.vnis(), view.vlans()],
    ...[inBlocks(() => view.loadAddress(true)), inBlocks(() => view.loadAddress(false)), inBlocks(() => view.loadClientIp())],
  ];
  assert.deepEqual(seen(head, look), ['10.1.1.1', 40000, '10.2.2.2', 8080, '203.0.113.9', [], [], 0, 1, 2]);
  const six = { client: '2001:db8::5', server: '2001:db9::6', clientPort: 5, serverPort: 80 };
  assert.deepEqual(seen('GET / HTTP/1.1|Host: a', look, { place: six, vni: 4242, vlan: 17 }), [
    ...['2001:db8::5', 5, '2001:db9::6', 80, '2001:db8::5', [4242], [17]],
    ...[3, -1, 3],
  ]);
});

test('one view for all calls remembers nothing of the one before', () => {
  const view = new CallView();
  const first = lookAtCall({ request: message('POST /a?b HTTP/1.1|Host: h|X-Real-IP: 9.9.9.9', 'body'), response: OK }, (call) => {
    view.set(call);
    return [view.path(), view.query(), view.clientIp(), view.body(REQUEST)];
  });
  const second = lookAtCall({ request: message('GET /c HTTP/1.1|Host: i'), response: OK }, (call) => {
    view.set(call);
    return [view.path(), view.query(), view.clientIp(), view.body(REQUEST)];
  });
  assert.deepEqual(first, ['/a', 'b', '9.9.9.9', 'body']);
  assert.deepEqual(second, ['/c', '', '10.1.1.1', '']);
});

test('what a view says is what the record says', () => {
  const view = new CallView();
  const path = fc.stringMatching(/^\/[a-z0-9/.%-]{0,30}$/);
  const value = fc.stringMatching(/^[ -~]{0,40}$/).map((text) => text.replaceAll('|', '-').trim());
  fc.assert(
    fc.property(path, value, fc.integer({ min: 200, max: 599 }), value, (target, field, status, type) => {
      const response = message(`HTTP/1.1 ${status} Said|Content-Type: ${type}`, status === 204 || status === 304 ? '' : 'body');
      const request = message(`GET ${target}?q HTTP/1.1|Host: h.example|X-Any: ${field}`);
      lookAtCall({ request, response }, (call) => {
        view.set(call);
        const record = recordOf(call);
        assert.equal(view.path(), record.request?.path);
        assert.equal(view.query(), record.request?.query);
        assert.equal(view.host(), record.host);
        assert.equal(view.template(), record.pathTemplate);
        assert.equal(view.status(), record.response?.status);
        assert.equal(view.header(REQUEST, fieldName('x-any')), record.request?.headers.find(([name]) => name === 'X-Any')?.[1]);
        assert.equal(view.body(RESPONSE), record.response?.body.text ?? '');
        assert.equal(view.clientIp(), record.clientIp.address);
      });
    }),
    { numRuns: 300, seed: lawSeed() },
  );
});

test('whole conversations of any kind can be looked at', () => {
  // Everything is asked of every call, whatever is missing of it.
  const everything = (view: CallView): string =>
    [
      ...[view.method(), view.scheme(), view.host(), view.path(), view.query(), view.version(), view.status(), view.template()],
      ...[view.contentType(REQUEST), view.contentType(RESPONSE), view.body(REQUEST), view.body(RESPONSE), view.clientIp()],
      ...[view.bodyBytes(REQUEST), view.latencyUs(), view.isComplete(), view.vnis(), view.interfaceId()],
    ].join();
  const view = new CallView();
  let asked = 0;
  fc.assert(
    fc.property(arbitraryPlan({ traps: true }), fc.boolean(), (plan, isOneSided) => {
      const packets = partsOf(makeConversation(plan)).filter(({ fromServer }) => !isOneSided || fromServer);
      lookAtPackets(wires(packets), (call) => {
        view.set(call);
        assert.equal(typeof everything(view), 'string');
        asked++;
      });
    }),
    { numRuns: 200, seed: lawSeed() },
  );
  assert.ok(asked > 200, `${asked} calls`);
});
