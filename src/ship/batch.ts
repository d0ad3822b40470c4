/**
 * Batch: what a sink is given: records of one pipeline in the sink's format, ready to send. It keeps its id and its
 * bytes when it is sent again.
 */
export interface Batch {
  /** Unique; the same when the batch is sent again. A part of a batch that was split has an id of its own. */
  readonly id: string;
  /** In order. */
  readonly records: readonly BatchRecord[];
  /** Body as a whole: begin, records, end of the format. Not compressed. Sinks that send record by record do not ask. */
  body(): Uint8Array;
  readonly mediaType: string;
  /** Of all records in their format. */
  readonly bytes: number;
  /** When the oldest record was accepted, milliseconds since 1970. */
  readonly acceptedAtMs: number;
}

export interface BatchRecord {
  /** Place in the spool: unique, ascending, never used again. */
  readonly sequence: number;
  /** Id of the call, of the gap record, or of the closing record. */
  readonly id: string;
  /** In the sink's format. */
  readonly bytes: Uint8Array;
  /** "client" or "connection" of the call, for sinks that have partitions; "" otherwise, and for a gap record. */
  readonly key: string;
}
