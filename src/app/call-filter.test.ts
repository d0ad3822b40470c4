import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SensorError } from '../base/errors.ts';
import { type CallFilter, compileCallFilter, compileGlob } from './call-filter.ts';
import type { CallLine } from './call-line.ts';

const call: CallLine = {
  id: 'edge-7.x.0.1',
  time: '2026-03-01T10:00:00.000001Z',
  client: '10.1.2.3',
  clientPort: 40_000,
  server: '2001:db8::7',
  serverPort: 80,
  method: 'GET',
  host: 'API.shop.example',
  path: '/orders/17/items',
  status: 404,
  requestBytes: 0,
  responseBytes: 120,
  latencyUs: 12_500,
  complete: true,
};

const fits = (filter: CallFilter, changes: Partial<CallLine> = {}): boolean => compileCallFilter(filter)({ ...call, ...changes });

test('an empty filter lets every call through', () => {
  assert.ok(fits({}));
  assert.ok(fits({}, { method: null, host: null, path: null, status: null }));
});

test('host and path by glob', () => {
  for (const host of ['api.shop.example', 'API.SHOP.EXAMPLE', '*.example', 'api.*', '*shop*', '*', 'a*i.sh*p.*le'])
    assert.ok(fits({ host }), host);
  for (const host of ['api', '*.test', 'shop*', 'api.shop.example.', '*api.shop.examplexample']) assert.ok(!fits({ host }), host);
  for (const path of ['/orders/17/items', '/orders/*', '*/items', '/orders/*/items', '*17*']) assert.ok(fits({ path }), path);
  for (const path of ['/ORDERS/*', '/orders/', '/orders/17/items/*', '?orders*']) assert.ok(!fits({ path }), path);
  assert.ok(!fits({ host: '*' }, { host: null }), 'a call without a host has none that fits');
  assert.ok(!fits({ path: '*' }, { path: null }));
});

test('method, status, addresses, latency', () => {
  assert.ok(fits({ method: 'get' }) && fits({ method: 'POST, GET' }) && !fits({ method: 'POST' }));
  assert.ok(!fits({ method: 'GET' }, { method: null }));
  for (const status of ['404', '4xx', '4XX', '>=400', '>403', '<=404', '<405', '5xx,404']) assert.ok(fits({ status }), status);
  for (const status of ['403', '5xx', '>404', '>=405', '<404', '<=403', 'none']) assert.ok(!fits({ status }), status);
  assert.ok(fits({ status: 'none' }, { status: null }) && !fits({ status: '<=999' }, { status: null }));
  for (const client of ['10.1.2.3', '10.0.0.0/8', '0.0.0.0/0', '10.1.2.3/32']) assert.ok(fits({ client }), client);
  const behind = { ...call, clientIp: '203.0.113.9' };
  for (const client of ['10.1.2.3', '203.0.113.0/24']) assert.ok(compileCallFilter({ client })(behind), client);
  assert.ok(!compileCallFilter({ client: '198.51.100.0/24' })(behind));
  // Masked, it is no address.
  assert.ok(!compileCallFilter({ client: '0.0.0.0/0' })({ ...behind, client: 'x', clientIp: '*ip*' }));
  for (const client of ['10.1.2.4', '11.0.0.0/8', '2001:db8::/32']) assert.ok(!fits({ client }), client);
  assert.ok(fits({ server: '2001:db8::/32' }) && fits({ server: '2001:db8:0::7' }) && !fits({ server: '2001:db9::/32' }));
  assert.ok(fits({ slowerMs: 12 }) && !fits({ slowerMs: 12.5 }) && fits({ slowerMs: 0 }));
  const { latencyUs: _, ...unanswered } = call;
  assert.ok(!compileCallFilter({ slowerMs: 0 })(unanswered));
});

test('all parts must fit', () => {
  assert.ok(fits({ host: '*.example', status: '4xx', method: 'GET' }));
  assert.ok(!fits({ host: '*.example', status: '4xx', method: 'PUT' }));
});

test('what cannot be meant is refused, with what is wanted', () => {
  const wrong: [CallFilter, RegExp][] = [
    [{ host: '' }, /--host "".*wanted is a host/],
    [{ path: 'x'.repeat(257) }, /--path/],
    [{ method: 'GET,,PUT' }, /--method/],
    [{ status: '4x' }, /--status "4x".*wanted is a status as 404, 5xx/],
    [{ status: '=404' }, /--status/],
    [{ status: '0xx' }, /--status/],
    [{ client: '10.0.0.0/33' }, /--client "10.0.0.0\/33".*wanted is an address or a block/],
    [{ client: '10.0.0' }, /--client/],
    [{ client: '10.0.0.1/' }, /--client/],
    [{ server: 'fe80::1%eth0' }, /--server/],
    [{ slowerMs: -1 }, /--slower/],
    [{ slowerMs: Number.NaN }, /--slower/],
    [{ host: 7 } as unknown as CallFilter, /--host/],
    [{ slowerMs: '7' } as unknown as CallFilter, /--slower/],
  ];
  for (const [filter, message] of wrong) {
    assert.throws(
      () => compileCallFilter(filter),
      (error) => error instanceof SensorError && error.code === 'usage' && message.test(error.message),
      JSON.stringify(filter),
    );
  }
});

test('a glob agrees with the regular expression of the same meaning', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 24 });
  const glob = fc.string({ unit: fc.constantFrom('a', 'b', 'a', 'b', '*'), maxLength: 10 });
  fc.assert(
    fc.property(glob, letters, (pattern, text) => {
      assert.equal(compileGlob(pattern)(text), new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text), `${pattern} ${text}`);
    }),
    { numRuns: 5_000 },
  );
});

test('a hostile path costs no more steps than it has characters', () => {
  // Read through a proxy of the text, so that steps are counted and no clock is needed.
  let reads = 0;
  const plain = `${'a'.repeat(20_000)}c`;
  const counted = new Proxy(new String(plain), {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(plain) : value;
    },
  }) as unknown as string;
  assert.equal(compileGlob(`*${'a'.repeat(120)}b*${'a'.repeat(120)}b*`)(counted), false);
  assert.ok(reads > 20_000 && reads <= 4 * plain.length, `${reads} steps`);
});
