/**
 * A lane: one batch at a time on its way to Kafka, under a producer id of its own. So the sequence numbers of a batch that
 * failed leave no hole in those of others, and the same batch, when it comes again, bears the same numbers: what a broker
 * has of it already, it does not write a second time.
 *
 * Another batch must not bear them: a broker would take it for the first one and not write it. A lane that gives up a
 * batch gives up its producer id as well.
 */
import type { BatchRecord } from '../batch.ts';
import { partitionOfKey } from './kafka-partition.ts';
import type { Producer } from './kafka-records.ts';

const SEQUENCES = 2 ** 31;

/** The records of a batch that go to one partition. */
export interface Share {
  readonly partition: number;
  /** Places in the batch. */
  readonly indices: readonly number[];
  /** Sequence number of the first one. */
  sequence: number;
}

/** How a batch is spread over the partitions. */
export interface Plan {
  readonly batchId: string;
  /** Partitions of the topic when it was made. */
  readonly partitions: number;
  readonly keys: ReadonlyMap<string, Uint8Array>;
  /** By partition; what is written is taken out. */
  readonly shares: Map<number, Share>;
}

export class Lane {
  isTaken = false;
  producer: Producer | null = null;
  plan: Plan | null = null;
  readonly #sequences = new Map<number, number>();

  /** Numbers for all that is not written yet. The producer is known. */
  number(plan: Plan): void {
    for (const share of plan.shares.values()) {
      const sequence = this.#sequences.get(share.partition) ?? 0;
      share.sequence = sequence;
      this.#sequences.set(share.partition, (sequence + share.indices.length) % SEQUENCES);
    }
  }

  /** The numbers given so far count no more. */
  forget(): void {
    this.producer = null;
    this.#sequences.clear();
  }

  /** The batch will not come again under these numbers. */
  giveUp(): void {
    if (this.plan !== null && this.plan.shares.size > 0) this.forget();
    this.plan = null;
  }
}

/** By the hash of the key; what has none goes to `keyless`, as one piece. */
export function planOf(batchId: string, records: readonly BatchRecord[], partitions: number, keyless: number): Plan {
  const keys = new Map<string, Uint8Array>();
  const partitionOf = new Map<string, number>([['', keyless]]);
  const chosen = new Map<number, number[]>();
  for (let i = 0; i < records.length; i++) {
    const { key } = records[i];
    let partition = partitionOf.get(key);
    if (partition === undefined) {
      const bytes = Buffer.from(key);
      keys.set(key, bytes);
      partition = partitionOfKey(bytes, partitions);
      partitionOf.set(key, partition);
    }
    const indices = chosen.get(partition);
    if (indices === undefined) chosen.set(partition, [i]);
    else indices.push(i);
  }
  const shares = new Map<number, Share>();
  for (const [partition, indices] of chosen) shares.set(partition, { partition, indices, sequence: 0 });
  return { batchId, partitions, keys, shares };
}
