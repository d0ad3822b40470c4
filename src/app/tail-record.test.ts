import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteStream } from 'node:tty';
import type { ApiCall } from '../normalise/api-call.ts';
import { sampleRecord } from './control/control-testing.ts';
import { type RecordStyle, recordLines } from './tail-record.ts';
import { coloursOf } from './terminal.ts';

const plain = coloursOf({} as WriteStream);
const shownIn = (record: ApiCall, style: Partial<RecordStyle> = {}): string[] =>
  recordLines(record, { columns: 80, colours: plain, bodyLines: 8, ...style });

const request = (changes: Partial<NonNullable<ApiCall['request']>>): ApiCall => {
  const record = sampleRecord();
  return { ...record, response: null, request: { ...(record.request as NonNullable<ApiCall['request']>), ...changes } };
};

test('heads and bodies of both sides, and what was masked by which rule', () => {
  assert.deepEqual(shownIn(sampleRecord()), [
    '  > POST /login?next=%2F HTTP/1.1',
    '  > Host: shop.example',
    '  > Authorization: Bearer ***',
    '  > Content-Type: application/json',
    '  > {"user":"anna",',
    '  > "password":"***","pin":"***"}',
    '  < HTTP/1.1 401 Unauthorized',
    '  < Content-Type: application/octet-stream',
    '  < (1,234 bytes that are no text)',
    '  masked: bearer (request.header Authorization),',
    '    password (request.body password), password (request.body pin)',
  ]);
});

test('bodies: so many lines, long ones go on in the next, and how much there was', () => {
  const body = { bytes: 9_000, kept: 500, text: `${'x'.repeat(100)}\r\nsecond\nthird`, cut: true as const };
  assert.deepEqual(shownIn(request({ headers: [], body }), { bodyLines: 3 }).slice(1, 5), [
    `  > ${'x'.repeat(76)}`,
    `  > ${'x'.repeat(24)}`,
    '  > second',
    '  > … (9,000 bytes in all)',
  ]);
  assert.deepEqual(shownIn(request({ headers: [], body })).slice(4, 6), ['  > third', '  > … (9,000 bytes in all, 500 kept)']);
  assert.deepEqual(shownIn(request({ headers: [], body }), { bodyLines: 0 })[1], '  > … (9,000 bytes in all)');
  assert.equal(shownIn(request({ headers: [], body: { bytes: 70, kept: 0 } }))[1], '  > (70 bytes, none kept)');
  const holed = { bytes: 50, kept: 4, text: 'abcd', gapBytes: 46 };
  assert.deepEqual(shownIn(request({ headers: [], body: holed })).slice(1, 3), [
    '  > abcd',
    '  > … (50 bytes in all, 4 kept, 46 never captured)',
  ]);
});

test('halves, causes and what overload left out are said', () => {
  const record = sampleRecord();
  const half: ApiCall = { ...record, request: null, complete: false, causes: ['no-request'], shed: ['bodies'], masked: { found: 0 } };
  const lines = shownIn(half);
  assert.ok(lines[0].startsWith('  < HTTP/1.1 401'));
  assert.deepEqual(lines.slice(-2), ['  incomplete: no-request', '  left out because the sensor was overloaded: bodies']);
});

test('equal places once; more than are listed are counted', () => {
  const place = { rule: 'card', kind: 'card', in: 'request.body', field: 'cards.0', at: 0, end: 4 };
  const places = [place, place, ...Array.from({ length: 60 }, (_, i) => ({ ...place, field: `f${i}` }))];
  const text = shownIn({ ...request({ headers: [] }), masked: { found: 300, reported: 2, places } }).join('\n');
  assert.match(text, /masked [(]2 only reported[)]: card [(]request[.]body cards[.]0[)] x2,\n {4}card [(]request[.]body f0[)],/);
  assert.match(text, /259 more$/);
});

test('no byte of a record can steer the terminal, and no line is wider than it', () => {
  const hostile = '\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\x00\x7f\u2028'.repeat(20);
  const headers: [string, string][] = Array.from({ length: 300 }, () => [hostile, hostile]);
  const place = { rule: hostile, kind: hostile, in: hostile, field: hostile, at: 0, end: 1 };
  const body = { bytes: 5, kept: 5, text: `${hostile}\n${'\u{1f600}'.repeat(500)}` };
  const record = {
    ...request({ method: hostile, target: hostile, version: hostile, headers, trailers: headers, body }),
    masked: { found: 1, places: [place] },
  };
  for (const columns of [40, 80, 110, Number.POSITIVE_INFINITY]) {
    const lines = shownIn(record, { columns });
    assert.ok(lines.length < 130, `${lines.length} lines`);
    for (const line of lines) {
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.ok(line.length <= columns, line);
    }
  }
});
