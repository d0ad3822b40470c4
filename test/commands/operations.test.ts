/**
 * Operations inside one URL, through `earshot read`: what the records say of them, masked and unmasked, what filters do with them,
 * and that the report of a read shows nothing of what was masked.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { formatNames } from '../../src/ship/formats/format.ts';
import { type Ended, earshot } from '../support/command.ts';
import { type Conversation, partsOf, type Turn, wires } from '../support/conversation.ts';
import { message } from '../support/look-at-calls.ts';
import { PcapWriter } from '../support/pcap-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-operations-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const EMAIL = 'ann.smith@mail.example';
const CARD = '4539578763621486';
const HASH = 'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38';
const post = (path: string, type: string, body: unknown): Buffer =>
  message(`POST ${path} HTTP/1.1|Host: shop.example|${type}`, typeof body === 'string' ? body : JSON.stringify(body));
const json = (path: string, body: unknown): Buffer => post(path, 'Content-Type: application/json', body);

const requests: readonly Buffer[] = [
  json('/graphql', { operationName: 'FindUser', query: `query FindUser { user(email: "${EMAIL}") { id } }`, variables: {} }),
  json('/graphql', [{ query: `mutation Pay { pay(card: "${CARD}") { id } }` }, { query: 'query Cart { cart { id } }' }]),
  message(
    `GET /graphql?extensions=${encodeURIComponent(JSON.stringify({ persistedQuery: { version: 1, sha256Hash: HASH } }))} HTTP/1.1|Host: shop.example`,
  ),
  json('/rpc', { jsonrpc: '2.0', method: 'order.cancel', params: [17], id: 1 }),
  json('/rpc', { jsonrpc: '2.0', method: EMAIL, params: [], id: 2 }),
  post('/soap', 'Content-Type: text/xml|SOAPAction: "urn:orders#Cancel"', '<Envelope><Body><Cancel/></Body></Envelope>'),
  json('/v1/orders', { id: 17, note: 'query Find { a }' }),
];

function captureOf(name: string): string {
  const turns = requests.flatMap((bytes): Turn[] => [
    { fromServer: false, bytes },
    { fromServer: true, bytes: message('HTTP/1.1 200 OK|Content-Type: application/json', '{"ok":true}') },
  ]);
  const conversation: Conversation = { turns, calls: [], end: 'client-fin' };
  const writer = new PcapWriter();
  for (const { data, timeUs } of wires(partsOf(conversation))) {
    writer.bytes.set(data, writer.reserve(data.length));
    writer.commit(data.length, timeUs);
  }
  return file(name, writer.close());
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function callsOf({ code, out, err }: Ended): ApiCall[] {
  assert.equal(code, 0, err);
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => apiCallSchema.parse(JSON.parse(line)));
}

const capture = captureOf('operations.pcap');

const expected = [
  { protocol: 'graphql', type: 'query', name: 'FindUser' },
  { protocol: 'graphql', type: 'mutation', name: 'Pay', batch: 2, others: [{ type: 'query', name: 'Cart' }] },
  { protocol: 'graphql', hash: HASH },
  { protocol: 'json-rpc', name: 'order.cancel' },
  { protocol: 'json-rpc', name: EMAIL },
  { protocol: 'soap', name: 'urn:orders#Cancel' },
  undefined,
];

test('records say which operation a call is; masking leaves its name, and takes out what is sensitive in one', async () => {
  const plain = callsOf(await earshot(['read', capture, '--unmasked']));
  assert.deepEqual(
    plain.map(({ operation }) => operation),
    expected,
  );
  const ended = await earshot(['read', capture]);
  assert.deepEqual(
    callsOf(ended).map(({ operation }) => operation),
    expected.map((operation) => (operation?.name === EMAIL ? { ...operation, name: '*email*' } : operation)),
  );
  for (const format of formatNames) {
    const { out } = await earshot(['read', capture, '--format', format]);
    for (const secret of [EMAIL, CARD]) assert.ok(!out.includes(secret), `${format} shows ${secret}`);
  }
});

test('filters by operation: simple ones by name, advanced ones by type and protocol', async () => {
  const simple = file('simple.yaml', 'otherwise: include\nrules: [{ name: no-cart, action: exclude, operation: [cart, "urn:*"] }]\n');
  const advanced = file(
    'advanced.yaml',
    'otherwise: exclude\nrules:\n  - { name: rpc, action: include, when: \'operation.protocol == "json-rpc"\' }\n' +
      '  - { name: find, action: include, when: \'operation.type == "query" && operation.name.startsWith("Find")\' }\n',
  );
  const config = file('filters.yaml', `pipelines: { shop: { filtersSimpleFile: ${simple}, filtersAdvancedFile: ${advanced} } }\n`);
  const calls = callsOf(await earshot(['read', capture, '--config', config]));
  assert.deepEqual(
    calls.map(({ operation, filters }) => [operation?.name, filters?.[0].rule]),
    [
      ['FindUser', 'find'],
      ['order.cancel', 'rpc'],
      ['*email*', 'rpc'],
    ],
  );
});

test('--summary counts these calls as all others, and shows nothing of what they hold', async () => {
  const { code, out, err } = await earshot(['read', capture, '--summary']);
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /calls +7: complete 7/);
  assert.match(out, /methods +POST 6 +GET 1|methods +POST 6, +GET 1/);
  assert.match(out, /^weirds +none$/m);
  assert.match(out, /^ +operations +[*]email[*] 1, +mutation Pay \+1 1|^ +operations /m);
  for (const secret of [EMAIL, CARD]) assert.ok(!out.includes(secret));
});
