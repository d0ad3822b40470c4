/**
 * Produce, version 8: record batches for some partitions of one topic.
 *
 *   nullable string transactional id (none)   int16 acks (-1: all in sync)   int32 time limit   int32 count of topics
 *     string name   int32 count of partitions        partition: int32 number   int32 length   record batch
 */
export interface Part {
  readonly partition: number;
  readonly batch: Buffer;
}

/** What a broker says about one partition of a produce request. */
export interface PartResult {
  readonly partition: number;
  /** host:port of the broker that said it. */
  readonly place: string;
  /** "" when it was written; as Kafka names it, "NOT_LEADER_OR_FOLLOWER". */
  readonly error: string;
  /** Places in the batch of the records that are at fault, where the broker says so. */
  readonly records: readonly number[];
}

/** The request in pieces, so that batches are not copied for it. */
export function producePayload(topic: string, timeoutMs: number, parts: readonly Part[]): Buffer[] {
  const name = Buffer.from(topic);
  const head = Buffer.alloc(18 + name.length);
  head.writeInt16BE(-1, 0);
  head.writeInt16BE(-1, 2);
  head.writeInt32BE(timeoutMs, 4);
  head.writeInt32BE(1, 8);
  head.writeInt16BE(name.length, 12);
  head.set(name, 14);
  head.writeInt32BE(parts.length, 14 + name.length);
  const pieces: Buffer[] = [head];
  for (const { partition, batch } of parts) {
    const own = Buffer.alloc(8);
    own.writeInt32BE(partition, 0);
    own.writeInt32BE(batch.length, 4);
    pieces.push(own, batch);
  }
  return pieces;
}
