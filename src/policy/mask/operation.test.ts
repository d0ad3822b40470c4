/** Names of operations in masked records: names stay, what is sensitive in them does not, whatever becomes of the body. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { settingsWith } from '../../../test/support/run-pipeline.ts';
import { bytes, outputRegion } from '../../base/arena.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import { defaultMasking, maskingRule } from '../default-masking.ts';
import { Policy } from '../policy.ts';
import type { MaskingRule } from '../spec.ts';
import { SHED_BODIES } from './mask-call.ts';

const CARD = '4111111111111111';
const EMAIL = 'ann.smith@mail.example';
const TOKEN = 'vF9dft4qmTcNw0Zr1bXk7yGh';
const HASH = 'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38';

interface Options {
  readonly rules?: readonly MaskingRule[];
  readonly bodyBytes?: number;
  readonly shed?: number;
}

function masked(request: Buffer, { rules = [], bodyBytes = 65_536, shed = 0 }: Options = {}): ApiCall {
  const policy = new Policy({
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: { ...defaultMasking, rules: [...defaultMasking.rules, ...rules] },
    maskingKey: Buffer.alloc(32),
  });
  policy.shed = shed;
  const look = (call: number): ApiCall => {
    policy.route(call);
    return JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall;
  };
  return lookAtCall({ request, response: message('HTTP/1.1 200 OK') }, look, { settings: settingsWith({ http: { bodyBytes } }) });
}

const post = (body: unknown, head = 'Content-Type: application/json'): Buffer =>
  message(`POST /api HTTP/1.1|Host: a|${head}`, typeof body === 'string' ? body : JSON.stringify(body));

test('the operation stays known where a literal in its document masks the document as a whole', () => {
  const record = masked(post({ query: `query Find { user(email: "${EMAIL}", card: ${CARD}) { id } }`, variables: { password: TOKEN } }));
  assert.deepEqual(record.operation, { protocol: 'graphql', type: 'query', name: 'Find' });
  const text = JSON.stringify(record);
  for (const secret of [CARD, EMAIL, TOKEN]) assert.ok(!text.includes(secret), secret);
  assert.ok((record.masked?.found ?? 0) > 0);
});

test('the operation of a body that cannot be read, or is cut, shows no value of it', () => {
  const cut = masked(post({ query: `query Find { user(email: "${EMAIL}") { id } }`, variables: { a: 'x'.repeat(100) } }), {
    bodyBytes: 40,
  });
  assert.deepEqual(cut.operation, { protocol: 'graphql', type: 'query', name: 'Find' });
  assert.ok(!JSON.stringify(cut).includes('ann.smith'));
  for (let bodyBytes = 1; bodyBytes < 60; bodyBytes++) {
    const record = masked(post({ jsonrpc: '2.0', method: `m ${CARD}`, params: [], id: 1 }), { bodyBytes });
    assert.ok(!JSON.stringify(record.operation ?? '').includes('4111'), JSON.stringify(record.operation));
  }
});

test('a name in which something is found is masked there', () => {
  const rpc = (method: string, rules?: readonly MaskingRule[]): unknown =>
    masked(post({ jsonrpc: '2.0', method, params: [], id: 1 }), rules === undefined ? {} : { rules }).operation;
  assert.deepEqual(rpc('user.get'), { protocol: 'json-rpc', name: 'user.get' });
  for (const secret of [CARD, EMAIL, `get/${EMAIL}`, `Bearer ${TOKEN}`]) {
    const found = JSON.stringify(rpc(secret));
    assert.ok(!found.includes(secret) && !found.includes(TOKEN) && !found.includes(EMAIL) && found.includes('*'), found);
  }
  assert.deepEqual(rpc('order SEEN7', [maskingRule({ name: 'own', pattern: 'SEEN[0-9]' })]), { protocol: 'json-rpc', name: 'order *own*' });
  assert.deepEqual(rpc('order SEEN7', [maskingRule({ name: 'own', pattern: 'SEEN[0-9]', action: 'report' })]), {
    protocol: 'json-rpc',
    name: 'order SEEN7',
  });
  assert.deepEqual(rpc('user.get', [maskingRule({ name: 'own', fields: ['=method'] })]), { protocol: 'json-rpc', name: '*own*' });
  const graphql = masked(post({ query: `query Find_${CARD} { a }` }));
  assert.ok(!JSON.stringify(graphql.operation).includes(CARD), JSON.stringify(graphql.operation));
  const soap = masked(post('<a/>', `Content-Type: text/xml|SOAPAction: "https://a.example/x?access_token=${TOKEN}"`));
  assert.equal(soap.operation?.protocol, 'soap');
  assert.ok(!JSON.stringify(soap).includes(TOKEN), JSON.stringify(soap.operation));
  const query = masked(message(`GET /g?operationName=Find&query=query%20Find_${CARD}%7Ba%7D HTTP/1.1|Host: a`));
  assert.ok(!JSON.stringify(query.operation).includes(CARD));
});

test('each operation of a batch, and the report counts none of them twice', () => {
  const record = masked(
    post([
      { jsonrpc: '2.0', method: EMAIL, id: 1 },
      { jsonrpc: '2.0', method: 'b', id: 2 },
      { jsonrpc: '2.0', method: CARD, id: 3 },
    ]),
  );
  assert.equal(record.operation?.batch, 3);
  assert.equal(record.operation?.others?.[0].name, 'b');
  assert.ok(!/ann|4111/.test(JSON.stringify(record)));
  assert.equal(record.masked?.found, 2);
  assert.deepEqual(
    record.masked?.places?.map((place) => place.in),
    ['request.body', 'request.body'],
  );
});

test('the hash of a persisted query is kept', () => {
  const record = masked(post({ operationName: 'Find', variables: {}, extensions: { persistedQuery: { version: 1, sha256Hash: HASH } } }));
  assert.deepEqual(record.operation, { protocol: 'graphql', name: 'Find', hash: HASH });
});

test('where bodies are left out because of overload, what stands in the head is still known', () => {
  const body = post({ query: 'query Find { a }' });
  assert.equal(masked(body, { shed: SHED_BODIES }).operation, undefined);
  const soap = post('<a/>', 'Content-Type: application/soap+xml; action="urn:a"');
  assert.equal(masked(soap, { shed: SHED_BODIES }).operation, undefined);
  const get = message('GET /g?query=query%20Find%7Ba%7D HTTP/1.1|Host: a');
  assert.deepEqual(masked(get, { shed: SHED_BODIES }).operation, { protocol: 'graphql', type: 'query', name: 'Find' });
});
