/**
 * What it costs to see that a call is no operation, and to read one: nanoseconds a call, best of twenty short rounds, the kinds
 * of a round one after the other.
 *
 *   node src/operation/find-operation.bench.ts
 */
import { prepare } from '../../test/support/operations.ts';
import { blockRegion, outputRegion } from '../base/arena.ts';
import { findOperation } from './find-operation.ts';
import { operation } from './operation.ts';

const ROUNDS = 20;
const CALLS = 20_000;

interface Kind {
  readonly what: string;
  readonly target: string;
  readonly type: string;
  readonly body: string;
}

const order = {
  orderId: 17,
  status: 'open',
  items: Array.from({ length: 20 }, (_, i) => ({ sku: `s${i}`, title: 'a cup of tea', price: 4.5 })),
};
const document = `query Order($id: ID!) {\n  order(id: $id) {\n${'    lines { sku title price { amount currency } }\n'.repeat(10)}  }\n}\n`;
const kinds: readonly Kind[] = [
  { what: 'GET without a query', target: '/v1/orders/17/lines', type: '', body: '' },
  { what: 'GET with a query', target: '/v1/orders?page=7&size=50&sort=created&filter=open', type: '', body: '' },
  { what: 'POST of JSON', target: '/v1/orders', type: 'application/json', body: JSON.stringify(order) },
  {
    what: 'POST of JSON that begins with id',
    target: '/v1/orders',
    type: 'application/json',
    body: JSON.stringify({ id: 'o-17', ...order }),
  },
  { what: 'POST of a list', target: '/v1/orders', type: 'application/json', body: JSON.stringify([order, order]) },
  { what: 'POST of a form', target: '/v1/orders', type: 'application/x-www-form-urlencoded', body: 'name=ann&city=York&page=7' },
  { what: 'POST of XML', target: '/v1/orders', type: 'application/xml', body: '<?xml version="1.0"?><order><id>17</id></order>' },
  { what: 'JSON-RPC', target: '/', type: 'application/json', body: '{"jsonrpc":"2.0","method":"order_get","params":[17],"id":1}' },
  {
    what: 'GraphQL, 500 bytes',
    target: '/graphql',
    type: 'application/json',
    body: JSON.stringify({ query: document, variables: { id: 17 } }),
  },
];

const ROW_BYTES = 8192;
const rows = kinds.map((kind, i) => {
  const fields = kind.type === '' ? [] : [['Content-Type', kind.type] as const];
  return { kind, ...prepare({ ...kind, fields }, i + 1, blockRegion.at + (i + 1) * ROW_BYTES), ns: Number.POSITIVE_INFINITY, protocol: 0 };
});
for (let round = 0; round < ROUNDS; round++) {
  for (const row of rows) {
    const { k, bodyAt, bodyEnd } = row;
    const start = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) findOperation(k, bodyAt, bodyEnd, false, outputRegion.at);
    row.ns = Math.min(row.ns, Number(process.hrtime.bigint() - start) / CALLS);
    row.protocol = operation[0];
  }
}
for (const { kind, ns, protocol } of rows) console.log(`${ns.toFixed(1).padStart(8)} ns  ${kind.what}${protocol === 0 ? '' : ' (found)'}`);
