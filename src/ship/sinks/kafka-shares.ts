/** One try for the shares of a batch that are not written yet: packed once, one produce request to each leader. */
import type { KafkaSinkSettings } from '../../base/settings.ts';
import type { Batch } from '../batch.ts';
import type { KafkaClient, Topic } from './kafka-client.ts';
import { compressRecords } from './kafka-compress.ts';
import type { Plan, Share } from './kafka-lane.ts';
import type { Missed } from './kafka-missed.ts';
import { errorOutcome, type KafkaWords, type NotDelivered, oversized } from './kafka-problems.ts';
import type { Part } from './kafka-produce.ts';
import { encodeRecordBatch, encodeRecords, NO_PRODUCER, NO_SEQUENCE, type Producer, type SharedHeaders } from './kafka-records.ts';

export interface Attempt {
  readonly client: KafkaClient;
  readonly topic: Topic;
  readonly producer: Producer;
  readonly batch: Batch;
  readonly plan: Plan;
  readonly shared: SharedHeaders;
  /** Records that were packed by a try before. */
  readonly packed: WeakMap<Share, Buffer>;
  readonly compression: KafkaSinkSettings['compression'];
  readonly messageBytesMax: number;
  readonly words: KafkaWords;
  readonly explain: (error: unknown) => Promise<{ readonly outcome: NotDelivered; readonly error: string }>;
}

const UNANSWERED = { place: '', error: 'NETWORK_EXCEPTION', records: [] };

/** What is written is taken out of the plan; the others are given back. */
export async function sendShares(attempt: Attempt): Promise<Missed[]> {
  const { client, topic, plan, words, explain } = attempt;
  const missed: Missed[] = [];
  const byLeader = new Map<number, Part[]>();
  for (const share of plan.shares.values()) {
    const leader = topic.leaders[share.partition];
    if (leader < 0) {
      missed.push({ share, outcome: errorOutcome('LEADER_NOT_AVAILABLE', words, ''), error: 'LEADER_NOT_AVAILABLE', records: [] });
      continue;
    }
    const part = await pack(attempt, share);
    if ('outcome' in part) missed.push(part);
    else if (!byLeader.get(leader)?.push(part)) byLeader.set(leader, [part]);
  }
  const miss = (partition: number, outcome: NotDelivered, error: string, records: readonly number[]): void => {
    const share = plan.shares.get(partition);
    if (share !== undefined) missed.push({ share, outcome, error, records });
  };
  await Promise.all(
    [...byLeader].map(async ([leader, parts]) => {
      try {
        const results = await client.produce(leader, parts);
        for (const { partition } of parts) {
          const { place, error, records } = results.find((result) => result.partition === partition) ?? UNANSWERED;
          // Numbers that the broker knows are records that it has.
          if (error === '' || error === 'DUPLICATE_SEQUENCE_NUMBER') plan.shares.delete(partition);
          else miss(partition, errorOutcome(error, words, place), error, records);
        }
      } catch (thrown) {
        const { outcome, error } = await explain(thrown);
        for (const { partition } of parts) miss(partition, outcome, error || 'NETWORK_EXCEPTION', []);
      }
    }),
  );
  return missed;
}

async function pack(
  { client, producer, batch, plan, shared, packed, compression, messageBytesMax }: Attempt,
  share: Share,
): Promise<Part | Missed> {
  const { partition, indices } = share;
  let records = packed.get(share);
  if (records === undefined) {
    records = await compressRecords(encodeRecords(batch.records, indices, plan.keys, shared), compression);
    packed.set(share, records);
  }
  if (records.length > messageBytesMax) {
    return { share, outcome: oversized(records.length, messageBytesMax), error: 'MESSAGE_TOO_LARGE', records: [] };
  }
  const sequence = producer === NO_PRODUCER ? NO_SEQUENCE : share.sequence;
  const encoded = { records, count: indices.length, compression, timeMs: Date.now(), producer, sequence };
  return { partition, batch: encodeRecordBatch(encoded, client.crc32c) };
}
