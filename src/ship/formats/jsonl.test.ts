import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiCall } from '../../../test/support/api-call-arbitrary.ts';
import { sampleContext, unaskedCall } from '../../../test/support/sample-calls.ts';
import { jsonl } from './jsonl.ts';

test('the whole output', () => {
  const format = jsonl();
  assert.equal(
    format.begin(sampleContext) + format.record(unaskedCall, 0) + format.record(unaskedCall, 1) + format.end(),
    `${JSON.stringify(unaskedCall)}\n`.repeat(2),
  );
});

test('the line is the record', () => {
  const format = jsonl();
  fc.assert(
    fc.property(apiCall, (call) => {
      // A record comes from JSON, so its objects have the ordinary prototype.
      assert.deepEqual(JSON.parse(format.record(call, 0)), JSON.parse(JSON.stringify(call)));
    }),
  );
});
