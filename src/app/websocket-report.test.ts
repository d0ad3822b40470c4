import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleReport } from './report-testing.ts';
import { webSocketLines, webSocketRows } from './websocket-report.ts';

const colours = { bold: (text: string): string => text } as Parameters<typeof webSocketLines>[1]['colours'];
const counters = {
  'websocket.connections': 1234,
  'websocket.messages{client-text}': 12_000,
  'websocket.bytes{client-text}': 1_200_000,
  'websocket.messages{server-binary}': 3,
  'websocket.compressed{client}': 11_000,
  'websocket.incomplete{server}': 2,
  'websocket.control{server-ping}': 40,
  'websocket.closes{1001}': 5,
  'websocket.closes{1000}': 1200,
  'websocket.closes{4000-4999}': 0,
  'websocket.unread_bytes': 5000,
};

test('messages by sender and kind, and codes, most frequent first', () => {
  assert.equal(
    webSocketLines({ ...sampleReport(), counters }, { columns: 80, colours }).join('\n'),
    [
      'websocket',
      '           1,234 connections, 5.00 kB not read',
      '  clients  text 12,000 (1.20 MB), compressed 11,000',
      '  servers  binary 3 (0 B), incomplete 2, ping 40',
      '  closes   1000 1,200, 1001 5',
    ].join('\n'),
  );
});

test('it fits the columns that there are', () => {
  for (let columns = 60; columns < 100; columns++) {
    for (const line of webSocketLines({ ...sampleReport(), counters }, { columns, colours })) assert.ok(line.length <= columns, line);
  }
});

test('nothing is said where there was none', () => {
  assert.deepEqual(webSocketRows({}), []);
  assert.deepEqual(webSocketLines({ ...sampleReport(), counters: {} }, { columns: 80, colours }), []);
});
