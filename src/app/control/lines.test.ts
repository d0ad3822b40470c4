import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from './lines.ts';

test('the same lines, however the bytes are cut', () => {
  const text = 'one\n\nthrée\nfour\nrest';
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const reader = new LineReader(100);
      const lines: string[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
        lines.push(...(reader.take(bytes.subarray(at, cut)) ?? assert.fail('too long')));
        at = cut;
      }
      assert.deepEqual(lines, ['one', '', 'thrée', 'four']);
      assert.equal(reader.pending, 4);
    }),
  );
});

test('the bound holds for ended and for unended lines', () => {
  assert.deepEqual(new LineReader(3).take(Buffer.from('abc\nab\n')), ['abc', 'ab']);
  assert.equal(new LineReader(3).take(Buffer.from('abcd\n')), null);
  assert.equal(new LineReader(3).take(Buffer.from('ab\nabcd')), null);
  const reader = new LineReader(3);
  assert.deepEqual(reader.take(Buffer.from('ab')), []);
  assert.equal(reader.take(Buffer.from('cd')), null);
});
