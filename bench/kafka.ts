/**
 * The Kafka sink beside Kafka's own ProducerPerformance: the same broker, payload file, size of batches, linger and
 * compression, acks=all, idempotent, one partition; in turn, medians. The sink does more for a record: a key, its hash,
 * and three headers.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { KafkaCluster } from '../test/support/kafka.ts';
import { KafkaAdmin } from '../test/support/kafka-admin.ts';
import { Random } from '../test/support/random.ts';
import { median } from './measure.ts';

export interface KafkaResult {
  readonly records: number;
  readonly compression: string;
  /** Records a second, medians. */
  readonly own: number;
  readonly kafka: number;
  readonly ratio: number;
  /** Processor time of the sink, microseconds a record. */
  readonly cpuMicros: number;
}

const RECORDS = 300_000;
const RECORD_BYTES = 1024;
const DISTINCT_RECORDS = 1000;
const BATCH_BYTES = 512 * 1024;
const LINGER_MS = 100;
const RATIO_MIN = 0.5;
const LIMIT_MS = 180_000;

/** Why it cannot run here; false when it can. */
export function cannotRunKafka(): string | false {
  const missing = ['java', 'mvn', 'kcat', 'setpriv'].filter((program) => !isOnPath(program));
  return missing.length > 0 && `not installed here: ${missing.join(', ')}`;
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export async function runKafka(divisor: number, rounds: number): Promise<KafkaResult[]> {
  const records = RECORDS / divisor;
  process.stdout.write(`\nkafka (${records} records of ${RECORD_BYTES} bytes, batches of ${BATCH_BYTES >> 10} KiB)\n`);
  const cluster = await KafkaCluster.start({ heapMiB: 1024, isFast: true });
  const admin = new KafkaAdmin(cluster);
  try {
    const payload = cluster.file('payload', payloadOf(DISTINCT_RECORDS));
    const results: KafkaResult[] = [];
    for (const compression of ['lz4', 'none']) {
      const own: { readonly rate: number; readonly cpuMicros: number }[] = [];
      const kafka: number[] = [];
      for (let round = 0; round < rounds; round++) {
        // A topic for each run, removed after it: the disk is not measured twice.
        for (const kind of ['kafka', 'own'] as const) {
          const topic = `${kind}-${compression}-${round}`;
          await admin.createTopic(topic);
          if (kind === 'kafka') kafka.push(runKafkasOwn(cluster, topic, payload, records, compression));
          else own.push(runOwn(cluster, topic, payload, records, compression));
          await admin.deleteTopic(topic);
        }
      }
      const rate = median(own.map((run) => run.rate));
      const theirs = median(kafka);
      const result = {
        records,
        compression,
        own: rate,
        kafka: theirs,
        ratio: rate / theirs,
        cpuMicros: median(own.map((run) => run.cpuMicros)),
      };
      results.push(result);
      const verdict = result.ratio >= RATIO_MIN ? 'held' : 'MISSED';
      process.stdout.write(
        `  ${compression.padEnd(5)} ${thousands(rate)} records/s, ProducerPerformance ${thousands(theirs)}: ${result.ratio.toFixed(2)} of at least ${RATIO_MIN}: ${verdict}; ${result.cpuMicros.toFixed(1)} us CPU a record\n`,
      );
    }
    return results;
  } finally {
    await admin.close();
    await cluster.stop();
  }
}

function thousands(rate: number): string {
  return `${Math.round(rate / 1000)} thousand`;
}

/** Calls as JSON lines, about as compressible as real ones. */
function payloadOf(count: number): string {
  const random = new Random(1);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const call = {
      id: `sensor.1.0.${i}`,
      client: { address: `10.0.${random.integer(0, 255)}.${random.integer(0, 255)}`, port: random.integer(1024, 65_535) },
      method: random.pick(['GET', 'POST', 'PUT']),
      host: 'shop.example.com',
      path: `/api/v1/${['users', 'orders', 'carts', 'payments'][random.integer(0, 3)]}/${random.integer(0, 999_999)}`,
      headers: [
        ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'],
        ['x-request-id', randomUUID()],
        ['etag', randomUUID()],
      ],
      status: [200, 201, 404, 500][random.integer(0, 3)],
      body: Array.from({ length: 60 }, () => random.integer(0, 0x3fffffff).toString(36)).join(' '),
    };
    lines.push(JSON.stringify(call).slice(0, RECORD_BYTES).padEnd(RECORD_BYTES, ' '));
  }
  return `${lines.join('\n')}\n`;
}

/** Records a second, as Kafka's own bench reports them. */
function runKafkasOwn(cluster: KafkaCluster, topic: string, payload: string, records: number, compression: string): number {
  const properties = [
    `bootstrap.servers=${cluster.brokers()[0]}`,
    'acks=all',
    `compression.type=${compression}`,
    `batch.size=${BATCH_BYTES}`,
    `linger.ms=${LINGER_MS}`,
  ];
  const options = ['--topic', topic, '--num-records', String(records), '--throughput', '-1', '--payload-file', payload];
  const command = [
    '-Xmx512m',
    '-cp',
    cluster.classPath,
    'org.apache.kafka.tools.ProducerPerformance',
    ...options,
    '--producer-props',
    ...properties,
  ];
  const text = run('java', command);
  const rate = /^\d+ records sent, ([\d.]+) records\/sec/m.exec(text.trim().split('\n').at(-1) ?? '')?.[1];
  if (rate === undefined) throw new Error(`ProducerPerformance gave no figure:\n${text}`);
  return Number(rate);
}

function runOwn(
  cluster: KafkaCluster,
  topic: string,
  payload: string,
  records: number,
  compression: string,
): { rate: number; cpuMicros: number } {
  const script = join(import.meta.dirname, 'kafka-sink.ts');
  const text = run(process.execPath, [script, cluster.brokers()[0], topic, payload, String(records), String(BATCH_BYTES), compression]);
  const { seconds, cpuSeconds } = JSON.parse(text) as { seconds: number; cpuSeconds: number };
  return { rate: records / seconds, cpuMicros: (cpuSeconds * 1e6) / records };
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: LIMIT_MS });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`);
  return stdout;
}
