import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallWindow } from './call-window.ts';
import { sampleCall } from './control/control-testing.ts';

const MS = 10_000;

test('rates, errors and latencies by host, endpoint and client', () => {
  const window = new CallWindow(MS, 0);
  const { latencyUs: _, ...unanswered } = sampleCall({ status: null, responseBytes: null });
  window.add(
    [
      ...Array.from({ length: 19 }, (_, i) =>
        sampleCall({ latencyUs: (i + 1) * 1000, path: `/orders/${i}`, client: `10.0.0.${i % 2}`, responseBytes: 100 }),
      ),
      sampleCall({ latencyUs: 900_000, status: 503, responseBytes: 100 }),
      sampleCall({ host: 'b.example', template: '/x', status: 404, method: 'POST', responseBytes: 0 }),
      { ...unanswered, host: null, method: null, path: null, template: '' },
    ],
    0,
    1_000,
  );
  const { seconds, calls, skipped, total, by } = window.view(10_000, ['host', 'endpoint', 'client'], 10);
  assert.deepEqual({ seconds, calls, skipped }, { seconds: 10, calls: 22, skipped: 0 });
  assert.equal(total.callsPerS, 2.2);
  assert.equal(total.clientErrors, 1 / 22);
  assert.deepEqual(by.host?.rows[0], {
    key: 'shop.example',
    callsPerS: 2,
    bytesPerS: 200,
    clientErrors: 0,
    serverErrors: 0.05,
    grpcErrors: 0,
    p50Us: 10_000,
    p95Us: 19_000,
  });
  assert.deepEqual(
    by.host?.rows.map(({ key }) => key),
    ['shop.example', '(no host)', 'b.example'],
  );
  assert.equal(by.host?.rows[1].p50Us, null);
  assert.deepEqual(
    by.endpoint?.rows.map(({ key, callsPerS }) => [key, callsPerS]),
    [
      ['GET shop.example/orders/{int}', 2],
      ['(no request)', 0.1],
      ['POST b.example/x', 0.1],
    ],
  );
  assert.deepEqual(
    by.client?.rows.map(({ key, callsPerS }) => [key, callsPerS]),
    [
      ['10.0.0.0', 1],
      ['10.0.0.1', 0.9],
      ['10.0.0.9', 0.3],
    ],
  );
  assert.equal(by.host?.more, null);
});

test('calls of gRPC that failed are errors, once each', () => {
  const window = new CallWindow(MS, 0);
  const calls = [{ grpcStatus: 0 }, { grpcStatus: 5 }, { status: 404, grpcStatus: 12 }, { status: 503 }];
  window.add(calls.map(sampleCall), 0, 1_000);
  const { total } = window.view(1_000, [], 1);
  assert.deepEqual([total.grpcErrors, total.clientErrors, total.serverErrors], [0.25, 0.25, 0.25]);
});

test('operations of one URL are endpoints of their own', () => {
  const window = new CallWindow(MS, 0);
  const { template: _, ...asked } = sampleCall({ method: 'POST', path: '/graphql' });
  window.add([asked, { ...asked, operation: 'query Find' }, { ...asked, operation: 'query Find' }], 0, 1_000);
  assert.deepEqual(
    window.view(10_000, ['endpoint'], 10).by.endpoint?.rows.map(({ key, callsPerS }) => [key, callsPerS]),
    [
      ['POST shop.example/graphql query Find', 0.2],
      ['POST shop.example/graphql', 0.1],
    ],
  );
});

test('a window forgets, and one that is not full yet divides by its age', () => {
  const window = new CallWindow(MS, 0);
  window.add([sampleCall(), sampleCall()], 3, 1_000);
  assert.equal(window.view(2_000, [], 5).seconds, 2);
  window.add([sampleCall()], 0, 9_000);
  assert.deepEqual([window.view(10_999, [], 5).calls, window.view(10_999, [], 5).skipped], [3, 3]);
  assert.deepEqual([window.view(11_000, [], 5).calls, window.view(11_000, [], 5).skipped], [1, 0]);
  const { calls, total, by } = window.view(30_000, ['host'], 5);
  assert.deepEqual([calls, total.callsPerS, total.p50Us, by.host], [0, 0, null, { rows: [], more: null }]);
});

test('of a sample rates are scaled up, shares are not', () => {
  const window = new CallWindow(MS, 0);
  window.add([sampleCall(), sampleCall({ status: 500 })], 6, 5_000);
  const { total, skipped, by } = window.view(10_000, ['host'], 5);
  assert.equal(skipped, 6);
  assert.deepEqual([total.callsPerS, total.serverErrors], [0.8, 0.5]);
  assert.equal(by.host?.rows[0].callsPerS, 0.8);
});

test('keys beyond the rows are one line, keys beyond the bound too, and nothing is lost', () => {
  const window = new CallWindow(MS, 0);
  window.add(
    Array.from({ length: 12_000 }, (_, i) => sampleCall({ host: `${i}.example` })),
    0,
    10_000,
  );
  window.add([sampleCall({ host: '7.example' })], 0, 10_000);
  const view = window.view(10_000, ['host', 'client'], 3);
  assert.equal(view.by.host?.rows[0].key, '7.example');
  assert.equal(view.by.host?.rows.length, 3);
  assert.equal(view.by.host?.more?.keys, -1);
  assert.ok(Math.abs((view.by.host?.more?.callsPerS ?? 0) - (12_001 - 4) / 10) < 1e-6);
  assert.equal(view.by.client?.more, null);
  assert.equal(window.view(10_000, ['host'], 20_000).by.host?.more?.keys, -1);
  const few = new CallWindow(MS, 0);
  few.add(
    ['a', 'b', 'b', 'c'].map((host) => sampleCall({ host })),
    0,
    10_000,
  );
  assert.equal(few.view(10_000, ['host'], 1).by.host?.more?.keys, 2);
});

test('so many calls and no more are remembered; the others count as skipped', () => {
  const window = new CallWindow(MS, 0);
  const calls = Array.from({ length: 10_000 }, () => sampleCall());
  for (let i = 0; i < 11; i++) window.add(calls, 0, 10_000);
  const { calls: seen, skipped, total } = window.view(10_000, [], 1);
  assert.deepEqual([seen, skipped], [100_000, 10_000]);
  assert.equal(Math.round(total.callsPerS), 11_000);
});

test('keys are cut', () => {
  const window = new CallWindow(MS, 0);
  const { template: _, ...call } = sampleCall({ path: `/${'x'.repeat(60_000)}`, host: 'y'.repeat(60_000) });
  window.add([call], 0, 0);
  const { by } = window.view(1, ['host', 'endpoint'], 1);
  assert.equal(by.host?.rows[0].key.length, 200);
  assert.equal(by.endpoint?.rows[0].key.length, 200);
});

test('a client behind a proxy counts by itself', () => {
  const window = new CallWindow(1000, 0);
  window.add([sampleCall(), sampleCall({ clientIp: '203.0.113.9' }), sampleCall({ clientIp: '203.0.113.9' })], 0, 100);
  const keys = window.view(100, ['client'], 10).by.client?.rows.map(({ key }) => key);
  assert.deepEqual(keys, ['203.0.113.9', '10.0.0.9']);
});
