import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grpcLines, grpcStatusItems } from './grpc-report.ts';
import { sampleReport } from './report-testing.ts';

const colours = { bold: (text: string): string => text } as Parameters<typeof grpcLines>[1]['colours'];

test('calls by status, most frequent first, with what is no standard status', () => {
  const counters = { 'grpc.calls{0}': 1200, 'grpc.calls{16}': 7, 'grpc.calls{other}': 3, 'grpc.calls{none}': 2, 'grpc.calls{5}': 0 };
  assert.deepEqual(grpcLines({ ...sampleReport(), counters }, { columns: 80, colours }), [
    'grpc',
    '  calls    OK (0) 1,200, UNAUTHENTICATED (16) 7, other 3, not seen 2',
  ]);
});

test('it fits the columns that there are', () => {
  const counters = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`grpc.calls{${i}}`, 1e6 + i]));
  for (let columns = 60; columns < 100; columns++) {
    for (const line of grpcLines({ ...sampleReport(), counters }, { columns, colours })) assert.ok(line.length <= columns, line);
  }
});

test('nothing is said where there was none', () => {
  assert.deepEqual(grpcStatusItems({}), []);
  assert.deepEqual(grpcLines({ ...sampleReport(), counters: {} }, { columns: 80, colours }), []);
});
