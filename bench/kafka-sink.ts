/**
 * Sends records to Kafka through our own sink, and prints how long that took:
 *
 *   node kafka-sink.ts BROKER TOPIC PAYLOAD RECORDS BATCH_BYTES COMPRESSION      -> { "seconds": ..., "cpuSeconds": ... }
 *
 * PAYLOAD: one record a line. What is started once (the library, the connection) is not measured, as in Kafka's own bench.
 */
import { readFileSync } from 'node:fs';
import type { KafkaSinkSettings } from '../src/base/settings.ts';
import type { Batch, BatchRecord } from '../src/ship/batch.ts';
import { createKafkaSink } from '../src/ship/sinks/kafka.ts';

const [broker, topic, payload, recordsText, batchBytesText, compression] = process.argv.slice(2);
const total = Number(recordsText);
const bytesMax = Number(batchBytesText);
const lines = readFileSync(payload)
  .toString('latin1')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => Buffer.from(line, 'latin1'));
const settings: KafkaSinkSettings = {
  type: 'kafka',
  brokers: [broker],
  topic,
  format: 'jsonl',
  clientId: 'bench',
  useTls: false,
  tls: { caFile: '', systemCa: true, certificateFile: '', keyFile: '', serverName: '' },
  sasl: { mechanism: 'none' },
  key: 'client',
  headers: {},
  compression: compression as KafkaSinkSettings['compression'],
  idempotent: 'auto',
  messageBytesMax: 1_000_000,
  requestTimeoutMs: 30_000,
  concurrencyMax: 5,
  batch: { recordsMax: 2000, bytesMax, ageMsMax: 100 },
};
const sink = createKafkaSink('bench', settings, { sensorId: 'bench', version: '0', log: { info: () => undefined, warn: () => undefined } });
const never = new AbortController().signal;
let sequence = 0;

function nextBatch(wanted: number): Batch {
  const records: BatchRecord[] = [];
  let bytes = 0;
  while (records.length < wanted && (records.length === 0 || bytes < bytesMax)) {
    const line = lines[sequence % lines.length];
    sequence++;
    bytes += line.length;
    records.push({ sequence, id: `bench.1.0.${sequence}`, key: `10.0.0.${sequence % 250}`, bytes: line });
  }
  return { id: `batch-${sequence}`, records, body: () => Buffer.alloc(0), mediaType: 'application/x-ndjson', bytes, acceptedAtMs: 0 };
}

async function send(batch: Batch): Promise<void> {
  const outcome = await sink.send(batch, never);
  if (outcome.type !== 'delivered') throw new Error(JSON.stringify(outcome));
}

await send(nextBatch(1));
const endsAt = sequence + total;
const started = process.cpuUsage();
const startedMs = performance.now();
await Promise.all(
  Array.from({ length: sink.concurrencyMax }, async () => {
    while (sequence < endsAt) await send(nextBatch(endsAt - sequence));
  }),
);
const { user, system } = process.cpuUsage(started);
process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - startedMs) / 1000, cpuSeconds: (user + system) / 1e6 })}\n`);
await sink.close();
