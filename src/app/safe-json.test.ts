import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { safeJson } from './safe-json.ts';

test('nothing that could steer a terminal, and the same meaning', () => {
  assert.equal(
    safeJson({ path: '/a\x1b[2J\x9b31m\x7f\u202e\u2028é茶\u{e0001}' }),
    '{"path":"/a\\u001b[2J\\u009b31m\\u007f\\u202e\\u2028é茶\\udb40\\udc01"}',
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = safeJson([text]);
      assert.doesNotMatch(json, /[\p{C}\p{Zl}\p{Zp}]/u);
      assert.deepEqual(JSON.parse(json), [text]);
    }),
  );
});
