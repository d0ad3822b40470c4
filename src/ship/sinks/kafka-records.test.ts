/** What is written here is read by another implementation, that of @platformatic/kafka. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c, Reader, readRecordsBatch } from '@platformatic/kafka';
import type { BatchRecord } from '../batch.ts';
import { compressRecords } from './kafka-compress.ts';
import { planOf } from './kafka-lane.ts';
import {
  BATCH_HEAD_BYTES,
  compressionBits,
  encodeRecordBatch,
  encodeRecords,
  NO_PRODUCER,
  NO_SEQUENCE,
  sharedHeaders,
} from './kafka-records.ts';

function records(values: readonly string[], keys: readonly string[] = ['']): BatchRecord[] {
  return values.map((value, i) => ({ sequence: 10 ** (i % 16), id: `é-${i}`, key: keys[i % keys.length], bytes: Buffer.from(value) }));
}

const lengths = [0, 1, 63, 64, 127, 128, 8191, 8192, 70_000];

test('a record batch reads as what was put in: empty and long values, keys and headers, in every compression', async () => {
  const all = records(
    lengths.map((length) => 'v'.repeat(length)),
    ['', 'k', 'ключ', 'x'.repeat(200)],
  );
  const chosen = all.map((_none, i) => i);
  const shared = sharedHeaders([
    ['earshot-batch', 'batch-1'],
    ['empty', ''],
    ['größe', 'y'.repeat(300)],
  ]);
  const { keys } = planOf('batch-1', all, 1, 0);
  for (const compression of Object.keys(compressionBits) as (keyof typeof compressionBits)[]) {
    const packed = await compressRecords(encodeRecords(all, chosen, keys, shared), compression);
    const bytes = encodeRecordBatch(
      {
        records: packed,
        count: all.length,
        compression,
        timeMs: 1_700_000_000_123,
        producer: { id: 77n, epoch: 3 },
        sequence: 2 ** 31 - 1,
      },
      crc32c,
    );
    assert.equal(bytes.length, BATCH_HEAD_BYTES + packed.length);
    assert.equal(bytes.readUInt32BE(17), crc32c(bytes.subarray(21)) >>> 0);
    const read = readRecordsBatch(Reader.from(bytes));
    assert.equal(read.attributes, compressionBits[compression]);
    assert.equal(read.length, bytes.length - 12);
    assert.equal(read.producerId, 77n);
    assert.equal(read.producerEpoch, 3);
    assert.equal(read.firstSequence, 2 ** 31 - 1);
    assert.equal(read.firstTimestamp, 1_700_000_000_123n);
    assert.equal(read.lastOffsetDelta, all.length - 1);
    assert.equal(read.records.length, all.length, compression);
    read.records.forEach((record, i) => {
      const { key, bytes: value, id, sequence } = all[i];
      assert.equal(record.offsetDelta, i);
      assert.equal(record.key?.toString() ?? '', key);
      assert.deepEqual(Buffer.from(record.value ?? []), value);
      assert.deepEqual(
        record.headers.map(([name, text]) => [String(name), String(text)]),
        [
          ['earshot-id', id],
          ['earshot-sequence', String(sequence)],
          ['earshot-batch', 'batch-1'],
          ['empty', ''],
          ['größe', 'y'.repeat(300)],
        ],
      );
    });
  }
});

test('only the records that are chosen are in it, and without a producer there are no numbers', () => {
  const all = records(['a', 'b', 'c', 'd'], ['k']);
  const { keys } = planOf('batch-1', all, 1, 0);
  const encoded = encodeRecords(all, [1, 3], keys, sharedHeaders([]));
  const bytes = encodeRecordBatch(
    { records: encoded, count: 2, compression: 'none', timeMs: 0, producer: NO_PRODUCER, sequence: NO_SEQUENCE },
    crc32c,
  );
  const read = readRecordsBatch(Reader.from(bytes));
  assert.deepEqual(
    read.records.map(({ value }) => String(value)),
    ['b', 'd'],
  );
  assert.equal(read.producerId, -1n);
  assert.equal(read.producerEpoch, -1);
  assert.equal(read.firstSequence, -1);
});
