import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiCall } from '../../../test/support/api-call-arbitrary.ts';
import { fullCall, sampleContext, unansweredCall, unaskedCall } from '../../../test/support/sample-calls.ts';
import { type ApiCall, apiCallSchema } from '../../normalise/api-call.ts';
import { type FormatName, formatNames, formats } from './format.ts';

/** Formats whose records are lines. */
const lines = formatNames.filter((name) => name !== 'har');

function recordsOf(name: FormatName, calls: readonly ApiCall[]): string[] {
  const format = formats[name]();
  format.begin(sampleContext);
  return calls.map((call, index) => format.record(call, index));
}

test('the table names each format by its own name', () => {
  assert.deepEqual(Object.keys(formats), formatNames);
  for (const name of formatNames) {
    assert.equal(formats[name]().name, name);
    assert.match(formats[name]().mediaType, /^[a-z]+\/[a-z0-9.+-]+$/);
  }
});

test('the records that tests are made of are records', () => {
  for (const call of [fullCall, unansweredCall, unaskedCall]) apiCallSchema.parse(call);
  fc.assert(
    fc.property(apiCall, (call) => {
      apiCallSchema.parse(call);
    }),
  );
});

for (const name of lines) {
  test(`${name}: a record is one line without control bytes`, () => {
    fc.assert(
      fc.property(fc.array(apiCall, { maxLength: 4 }), (calls) => {
        for (const record of recordsOf(name, calls)) {
          assert.ok(record.endsWith('\n'));
          const line = record.slice(0, -1);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
          assert.doesNotMatch(line, name === 'zeek-http' ? /[\x00-\x08\x0a-\x1f\x7f]/ : /[\x00-\x1f]/);
          assert.ok(Buffer.from(line).toString() === line, 'lone surrogate');
          if (name !== 'zeek-http') JSON.parse(line);
        }
      }),
    );
  });
}

test('two outputs of one format do not disturb each other', () => {
  for (const name of formatNames) {
    const a = formats[name]();
    const b = formats[name]();
    a.begin(sampleContext);
    b.begin({
      ...sampleContext,
      version: '9.9.9',
      now: () => 0,
      settings: { ...sampleContext.settings, sensor: { id: 'other', poolId: 'p' } },
    });
    assert.equal(a.record(fullCall, 0), recordsOf(name, [fullCall])[0]);
  }
});
