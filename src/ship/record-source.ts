/** What delivery reads: the spool with the cursor of one sink. */
import type { ReaderState } from './spool/state.ts';

export interface Frame {
  readonly firstSequence: number;
  readonly count: number;
  readonly acceptedAtMs: number;
  /** Records as lines of JSON, of all pipelines. */
  readonly bytes: Uint8Array;
  /** Length and routes of each (policy/masked-call.ts). */
  readonly index: Int32Array;
}

export interface RecordSource {
  /** The next frame that is accepted; waits until there is one. Null: there will be none any more. */
  next(): Promise<Frame | null>;
  /** All records up to it are done with. */
  ack(sequence: number): void;
  state(): ReaderState;
}
