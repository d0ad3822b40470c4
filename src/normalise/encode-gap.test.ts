import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, outputRegion } from '../base/arena.ts';
import { encodeGap, type Gap, gapPrefix } from './encode-gap.ts';
import { gapRecordSchema } from './gap-record.ts';

const prefix = gapPrefix('eu-1', 'hgn9njzqsw', 3);

function lineOf(gap: Gap, n: number): string {
  return bytes.toString('utf8', outputRegion.at, encodeGap(outputRegion.at, prefix, n, gap));
}

test('a gap record is one line of canonical JSON, as the schema says, whatever the numbers', () => {
  const numbers = [0, 1, 999_999, 1_000_000, 1_700_000_000_000_001, 2 ** 31, 2 ** 32 + 7, 2 ** 53 - 1];
  for (const [i, n] of numbers.entries()) {
    const shed = { bodies: n, headers: numbers[(i + 1) % numbers.length], packets: numbers[(i + 2) % numbers.length] };
    const [fromUs, toUs] = [n, numbers[numbers.length - 1 - i]];
    const line = lineOf({ fromUs, toUs, ...shed }, i + 1);
    const wanted = { schema: 'earshot.gap/1', id: `eu-1.hgn9njzqsw.3.g${i + 1}`, fromUs, toUs, shed };
    assert.equal(line, `${JSON.stringify(wanted)}\n`);
    assert.deepEqual(gapRecordSchema.parse(JSON.parse(line)), wanted);
  }
});
