/**
 * From frames of the spool to batches: records a second, and microseconds a record, for records of about 1 KB. `jsonl` is
 * the way of Kafka and of plain lines: nothing is parsed. With and without the body, and with id and key of each record,
 * as Kafka asks for them. Best of the rounds.
 *
 *   node src/ship/encode-batch.bench.ts
 */
import type { EncodedRecord } from './encode-batch.ts';
import type { FormatName } from './formats/encoder.ts';
import { encoderOf, frameOf, lineOf } from './ship-testing.ts';

const RECORDS = 500;
const FRAMES = 8;
const ROUNDS = 25;

const frames = Array.from({ length: FRAMES }, (_, f) => {
  const lines = Array.from({ length: RECORDS }, (_, i) => lineOf(f * RECORDS + i, 330));
  return frameOf(f * RECORDS + 1, lines, Array(RECORDS).fill(1));
});
const recordBytes = Math.round(frames[0].bytes.length / RECORDS);

function measure(format: FormatName, use: 'bytes' | 'body' | 'id and key'): number {
  const encoder = encoderOf(format);
  let best = Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (const frame of frames) {
      const cursor = encoder.open(frame, 0);
      const records: EncodedRecord[] = [];
      for (let record = cursor.next(); record !== null; record = cursor.next()) records.push(record);
      const batch = encoder.batch(records);
      if (use === 'body') sum += batch.body().length;
      else if (use === 'id and key') for (const { id, key } of batch.records) sum += id.length + key.length;
      else sum += batch.bytes;
    }
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000 / (RECORDS * FRAMES));
  }
  if (sum === 0) throw new Error('nothing was made');
  return best;
}

console.log(`records of ${recordBytes} bytes`);
for (const [format, use] of [
  ['jsonl', 'bytes'],
  ['jsonl', 'body'],
  ['jsonl', 'id and key'],
  ['uap-edge', 'bytes'],
  ['uap-edge', 'body'],
  ['zeek-http', 'body'],
  ['ecs', 'body'],
] as const) {
  const us = measure(format, use);
  const name = `${format}, ${use}`;
  console.log(`${name.padEnd(22)} ${us.toFixed(2).padStart(7)} us a record ${Math.round(1e6 / us)} records/s`);
}
