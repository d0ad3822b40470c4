import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytes, packetRegion, words } from './arena.ts';
import { COUNT_WORD, FIELDS_AT, fieldWords, kernels } from './simd.ts';

const AT = packetRegion.at + 64;

function place(text: string): number {
  const data = Buffer.from(text, 'latin1');
  // Whatever stands behind the input must not matter.
  bytes.fill(0x3a, AT, AT + data.length + 64);
  bytes.set(data, AT);
  return AT + data.length;
}

/** The fields of plain lines at the start of the text, as offsets, and where the first other line begins. */
function naive(text: string, max: number): { fields: number[]; stop: number } {
  const fields: number[] = [];
  let at = 0;
  while (fields.length < max * 4) {
    const line = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):( *)([\x20-\x7f]*)\r\n/.exec(text.slice(at));
    if (line === null) break;
    const value = at + line[1].length + 1 + line[2].length;
    fields.push(at, at + line[1].length, value, value + line[3].replace(/ +$/, '').length);
    at += line[0].length;
  }
  return { fields, stop: at };
}

const piece = fc.oneof(
  fc.constantFrom(
    'Host',
    'X-Request-Id',
    'a',
    ': ',
    ':',
    ':   ',
    '\r\n',
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    '\0',
    'é',
    '(',
    'x'.repeat(15),
    'y'.repeat(33),
  ),
  fc.string({ maxLength: 20 }),
);
const plainLine = fc
  .tuple(fc.stringMatching(/^[A-Za-z0-9-]{1,40}$/), fc.stringMatching(/^ {0,3}$/), fc.stringMatching(/^[ -~]{0,60}$/))
  .map(([name, blanks, value]) => `${name}:${blanks}${value}\r\n`);

test('scanFieldLines finds what a regular expression finds', { skip: kernels === null && 'no SIMD here' }, () => {
  assert.ok(kernels !== null);
  const { scanFieldLines } = kernels;
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: plainLine }, piece), { maxLength: 12 }),
      fc.integer({ min: 1, max: 8 }),
      (parts, max) => {
        const text = parts.join('');
        const end = place(text);
        const stop = scanFieldLines(AT, end, max) - AT;
        const count = words[COUNT_WORD];
        const fields = [...fieldWords.subarray(0, count * 4)].map((offset) => offset - AT);
        assert.deepEqual({ fields, stop }, naive(Buffer.from(text, 'latin1').toString('latin1'), max));
      },
    ),
    { numRuns: 5000 },
  );
  assert.ok(FIELDS_AT > 0);
});

test('findOdd finds the first blank, control byte or byte outside ASCII; countControls counts control bytes', {
  skip: kernels === null && 'no SIMD here',
}, () => {
  assert.ok(kernels !== null);
  const { countControls, findOdd } = kernels;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (parts) => {
      const text = Buffer.from(parts.join(''), 'latin1').toString('latin1');
      const end = place(text);
      const odd = text.search(/[^\x21-\x7f]/);
      assert.equal(findOdd(AT, end, 0) - AT, odd < 0 ? text.length : odd);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is counted.
      assert.equal(countControls(AT, end, 0), text.match(/[\x00-\x1f]/g)?.length ?? 0);
    }),
    { numRuns: 5000 },
  );
});
