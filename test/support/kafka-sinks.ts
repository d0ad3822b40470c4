/** Kafka sinks, batches and listeners for tests. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaSinkSettings, TlsSettings } from '../../src/base/settings.ts';
import type { Batch, BatchRecord } from '../../src/ship/batch.ts';
import type { Outcome, Problem, Sink } from '../../src/ship/sink.ts';
import { createKafkaSink } from '../../src/ship/sinks/kafka.ts';
import type { ListenerOptions } from './kafka.ts';
import type { StoredRecord } from './kafka-admin.ts';

const noTls: TlsSettings = { caFile: '', systemCa: false, certificateFile: '', keyFile: '', serverName: '' };

export type KafkaChanges = Partial<Omit<KafkaSinkSettings, 'tls'>> & { readonly tls?: Partial<TlsSettings> };

export function kafkaSettings(brokers: readonly string[], topic: string, changes: KafkaChanges = {}): KafkaSinkSettings {
  return {
    type: 'kafka',
    brokers,
    topic,
    format: 'jsonl',
    clientId: 'earshot-test',
    useTls: false,
    sasl: { mechanism: 'none' },
    key: 'client',
    headers: {},
    compression: 'lz4',
    idempotent: 'auto',
    messageBytesMax: 1_000_000,
    requestTimeoutMs: 10_000,
    concurrencyMax: 4,
    batch: { recordsMax: 1000, bytesMax: 1 << 20, ageMsMax: 100 },
    ...changes,
    tls: { ...noTls, ...changes.tls },
  };
}

export interface Logged {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function kafkaSink(settings: KafkaSinkSettings, logged: Logged[] = []): Sink {
  const note = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => void logged.push({ message, fields });
  return createKafkaSink('calls', settings, { sensorId: 'sensor-7', version: '1.2.3', log: { info: note, warn: note } });
}

let batches = 0;
let sequences = 0;

/** A batch of new records: { key, value }, or so many with keys of twenty clients. */
export function makeBatch(of: number | readonly { readonly key: string; readonly value: string }[], valueBytes = 200): Batch {
  const id = `batch-${++batches}`;
  const given =
    typeof of === 'number'
      ? Array.from({ length: of }, (_none, i) => ({ key: `10.0.0.${i % 20}`, value: `{"n":${i},"pad":"${'x'.repeat(valueBytes)}"}` }))
      : of;
  const records: BatchRecord[] = given.map(({ key, value }) => {
    const sequence = ++sequences;
    return { sequence, id: `sensor-7.1.0.${sequence}`, key, bytes: Buffer.from(value) };
  });
  const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
  return {
    id,
    records,
    body: () => Buffer.concat(records.map((record) => record.bytes)),
    mediaType: 'application/x-ndjson',
    bytes,
    acceptedAtMs: 0,
  };
}

export const never: AbortSignal = new AbortController().signal;

/** "delivered", "blocked topic-missing" */
export function shortly(outcome: Outcome): string {
  return 'problem' in outcome ? `${outcome.type} ${outcome.problem.code}` : outcome.type;
}

export function problemOf(outcome: Outcome): Problem {
  return 'problem' in outcome ? outcome.problem : { code: outcome.type, what: JSON.stringify(outcome), next: '' };
}

/** A listener that authenticates by SCRAM and by PLAIN; with `sessionMs` only so long, then it wants it again. */
export function saslListener(
  protocol: 'SASL_SSL' | 'SASL_PLAINTEXT',
  passwords: Readonly<Record<string, string>>,
  sessionMs = 0,
): ListenerOptions {
  const users = Object.entries(passwords).map(([user, password]) => `user_${user}="${password}"`);
  const modules = 'org.apache.kafka.common.security';
  return {
    protocol,
    properties: {
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512,SCRAM-SHA-256,PLAIN',
      'plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required ${users.join(' ')};`,
      'scram-sha-256.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
      'scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
      'scram-sha-512.connections.max.reauth.ms': String(sessionMs),
    },
  };
}

/** A listener that takes tokens, which nobody signs: header and claims as base64url, joined by dots. */
export function tokenListener(protocol: 'SASL_SSL' | 'SASL_PLAINTEXT'): ListenerOptions {
  return {
    protocol,
    properties: {
      'sasl.enabled.mechanisms': 'OAUTHBEARER',
      'oauthbearer.sasl.jaas.config':
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
    },
  };
}

export function unsignedToken(subject: string, lifeSeconds: number): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: nowSeconds - 1, exp: nowSeconds + lifeSeconds })}.`;
}

/** What became of the batches that were sent, again and again, until they were delivered. */
export interface Sent {
  /** By id of the record: its bytes. */
  readonly delivered: Map<string, string>;
  /** Outcomes that were not "delivered", by their short form. */
  readonly failures: Map<string, number>;
}

/** Sends until `isDone`, which sees what was sent so far, several batches at a time, each until it is delivered; as delivery.ts does, with shorter pauses. */
export async function sendUntil(sink: Sink, lanes: number, recordsMax: number, isDone: (sent: Sent) => boolean): Promise<Sent> {
  const delivered = new Map<string, string>();
  const failures = new Map<string, number>();
  const lane = async (): Promise<void> => {
    while (!isDone({ delivered, failures })) {
      let waiting = [makeBatch(recordsMax)];
      while (waiting.length > 0) {
        const batch = waiting[0];
        const outcome = await sink.send(batch, never);
        if (outcome.type === 'delivered') {
          for (const { id, bytes } of batch.records) delivered.set(id, Buffer.from(bytes).toString('utf8'));
          waiting = waiting.slice(1);
          continue;
        }
        const short = shortly(outcome);
        failures.set(short, (failures.get(short) ?? 0) + 1);
        if (outcome.type === 'in-part') {
          const failed = new Set(outcome.failed.map(({ index }) => index));
          batch.records.forEach(({ id, bytes }, index) => {
            if (!failed.has(index)) delivered.set(id, Buffer.from(bytes).toString('utf8'));
          });
          waiting = [partOf(batch, [...failed]), ...waiting.slice(1)];
        }
        await sleep(20 + Math.random() * 200);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { delivered, failures };
}

function partOf(batch: Batch, indices: readonly number[]): Batch {
  const records = [...indices].sort((a, b) => a - b).map((index) => batch.records[index]);
  const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
  return { ...batch, id: `batch-${++batches}`, records, bytes, body: () => Buffer.concat(records.map((record) => record.bytes)) };
}

/** Everything delivered is stored, unchanged; what is stored twice bears the same id. Gives back how many are. */
export function checkStored(sent: Sent, stored: readonly StoredRecord[]): { readonly records: number; readonly twice: number } {
  const seen = new Map<string, string>();
  let twice = 0;
  for (const { value, headers } of stored) {
    const id = headers['earshot-id'];
    const before = seen.get(id);
    if (before !== undefined) {
      twice++;
      assert.equal(value, before, `two different records have the id ${id}`);
    }
    seen.set(id, value);
  }
  const lost = [...sent.delivered].filter(([id, value]) => seen.get(id) !== value);
  assert.equal(lost.length, 0, `${lost.length} of ${sent.delivered.size} delivered records are not stored, as ${lost[0]?.[0]}`);
  return { records: sent.delivered.size, twice };
}
