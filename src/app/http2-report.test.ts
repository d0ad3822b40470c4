import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http2Lines, http2Rows } from './http2-report.ts';
import { sampleReport } from './report-testing.ts';

const colours = { bold: (text: string): string => text } as Parameters<typeof http2Lines>[1]['colours'];
const counters = {
  'http2.frames{headers}': 20,
  'http2.frames{data}': 3000,
  'http2.frames{ping}': 0,
  'http2.frames_late': 1,
  'http2.resets': 4,
  'http2.skipped_bytes': 12_000,
};

test('frames by type, streams, and what could not be used', () => {
  assert.deepEqual(http2Lines({ ...sampleReport(), counters }, { columns: 80, colours }), [
    'http/2',
    '  frames   data 3,000, headers 20',
    '  streams  reset 4',
    '  unused   1 frame of streams that were over, 12.0 kB in search of a frame',
  ]);
});

test('it fits the columns that there are', () => {
  for (let columns = 60; columns < 100; columns++) {
    for (const line of http2Lines({ ...sampleReport(), counters }, { columns, colours })) assert.ok(line.length <= columns, line);
  }
});

test('nothing is said where there was none', () => {
  assert.deepEqual(http2Rows({}), []);
  assert.deepEqual(http2Lines({ ...sampleReport(), counters: {} }, { columns: 80, colours }), []);
});
