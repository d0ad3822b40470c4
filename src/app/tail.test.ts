import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteStream } from 'node:tty';
import { lineOf } from './call-line.ts';
import { sampleCall, sampleRecord } from './control/control-testing.ts';
import { TailLines } from './tail.ts';
import { coloursOf } from './terminal.ts';

const plain = coloursOf({} as WriteStream);

test('lines are aligned and fit 80 columns', () => {
  const lines = new TailLines(80, plain);
  const { latencyUs: _, ...unanswered } = sampleCall({ status: null, responseBytes: null });
  assert.deepEqual(
    [
      lines.titles().trimEnd(),
      lines.line(sampleCall()),
      lines.line(
        sampleCall({
          client: '203.100.200.250',
          method: 'DELETE',
          status: 503,
          latencyUs: 999_400,
          requestBytes: 34_999,
          responseBytes: 9_960,
        }),
      ),
      lines.line(unanswered),
      lines.line(sampleCall({ method: null, host: null, path: null, requestBytes: null, latencyUs: 120e6, responseBytes: 5.67e9 })),
      lines.line(sampleCall({ client: '2001:db8:1111:2222:3333:4444:5555:6666' })),
    ],
    [
      'time (UTC)   client          method sta  after sent  got host and path',
      '10:00:00.123 10.0.0.9        GET    200 12.3ms    0 1.2k shop.example/orders/17',
      '10:00:00.123 203.100.200.250 DELETE 503  999ms  34k   9k shop.example/orders/17',
      '10:00:00.123 10.0.0.9        GET    -        -    0    - shop.example/orders/17',
      '10:00:00.123 10.0.0.9        -      200 2.00min    - 5.7G -',
      '10:00:00.123 2001:db8:1111:… GET    200 12.3ms    0 1.2k shop.example/orders/17',
    ],
  );
  const operation = lines.line(sampleCall({ host: 'a.example', path: '/g', operation: 'query Find' }));
  assert.equal(operation, '10:00:00.123 10.0.0.9        GET    200 12.3ms    0 1.2k a.example/g query Find');
  assert.equal(lines.line(sampleCall({ path: `/${'x'.repeat(100)}` })).length, 80);
});

test('the status of gRPC stands before the path, by name where there is room, and stands out', () => {
  const call = { method: 'POST', host: 'a.example', path: '/shop.Cart/Add' };
  const start = '10:00:00.123 10.0.0.9        POST   200 12.3ms    0 1.2k ';
  const wide = new TailLines(120, plain);
  assert.equal(wide.line(sampleCall({ ...call, grpcStatus: 5 })), `${start}grpc 5 NOT_FOUND a.example/shop.Cart/Add`);
  assert.equal(wide.line(sampleCall({ ...call, grpcStatus: 0 })), `${start}grpc 0 OK a.example/shop.Cart/Add`);
  assert.equal(wide.line(sampleCall({ ...call, grpcStatus: 99 })), `${start}grpc 99 a.example/shop.Cart/Add`);
  assert.equal(new TailLines(80, plain).line(sampleCall({ ...call, grpcStatus: 5 })), `${start}grpc 5 a.example/shop.…`);
  const grpc = { flavour: 'grpc', status: 5 } as const;
  assert.equal(lineOf({ ...sampleRecord(), grpc }).grpcStatus, 5);
  assert.equal(lineOf({ ...sampleRecord(), grpc: { flavour: 'grpc' } }).grpcStatus, undefined, 'not seen');
  const named: typeof plain = { ...plain, red: (text) => `red ${text}`, yellow: (text) => `yellow ${text}` };
  const colour = (grpcStatus: number): string => new TailLines(120, named).line(sampleCall({ grpcStatus })).split(' ')[0];
  assert.deepEqual([0, 5, 13, 99].map(colour), ['10:00:00.123', 'yellow', 'red', 'red']);
});

test('in a pipe nothing is cut but what is endless, and long addresses make room for themselves', () => {
  const lines = new TailLines(Number.POSITIVE_INFINITY, plain);
  const path = `/${'x'.repeat(1_000)}`;
  assert.ok(lines.line(sampleCall({ path })).endsWith(` shop.example${path}`));
  assert.ok(lines.line(sampleCall({ path: `/${'x'.repeat(60_000)}` })).length < 4_300);
  const client = '2001:db8:1111:2222:3333:4444:5555:6666';
  assert.ok(lines.line(sampleCall({ client })).includes(` ${client} GET `));
  assert.ok(lines.line(sampleCall({ clientIp: client })).includes(` ${client} GET `), 'who asked, not the proxy');
  assert.ok(lines.line(sampleCall()).includes(` ${'10.0.0.9'.padEnd(client.length)} GET `));
});

test('no byte of a call can steer the terminal', () => {
  const hostile = '\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\x00\x7f';
  const lines = new TailLines(200, plain);
  const line = lines.line(
    sampleCall({ host: hostile, path: `/${hostile}`, method: hostile, client: hostile, clientIp: hostile, time: hostile }),
  );
  assert.doesNotMatch(line, /[\p{C}\p{Zl}\p{Zp}]/u);
});
