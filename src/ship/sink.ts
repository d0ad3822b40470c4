/**
 * A sink: one place that batches are sent to. It sends once and says how that went; what follows from it (again, split,
 * dead letter, hold) is ship/delivery.ts's, the same for all sinks.
 */
import type { Batch } from './batch.ts';

export type Outcome =
  /** All records are with the receiver, for good. */
  | { readonly type: 'delivered' }
  /**
   * May work later: network, 408, 409, 421, 423, 424, 425, 429, 5xx, replicas that are missing. `afterMs`: the receiver said when; else 0.
   * `inHalves`: as far as there is more than one record, and at once.
   */
  | { readonly type: 'retry'; readonly problem: Problem; readonly afterMs: number; readonly inHalves?: boolean }
  /** Will not work until somebody mends something: 401 with a fresh token, 403, 404, TLS, topic or ACL missing. */
  | { readonly type: 'blocked'; readonly problem: Problem }
  /** The receiver takes less at once: 413, MESSAGE_TOO_LARGE. A single record that is too large is a dead letter. */
  | { readonly type: 'too-large'; readonly problem: Problem }
  /** The receiver does not want this content: 400, 422. One of the records is at fault, or all. */
  | { readonly type: 'refused'; readonly problem: Problem }
  /** Some are delivered; `failed` says which are not (by index) and how it went with each. */
  | {
      readonly type: 'in-part';
      readonly failed: readonly { readonly index: number; readonly outcome: 'retry' | 'refused'; readonly problem: Problem }[];
      /** For those that are sent again, as above. */
      readonly afterMs: number;
    };

export interface Problem {
  /** Kebab-case: "connection-refused", "name-unknown", "certificate-expired", "token-refused", "topic-missing" ... */
  readonly code: string;
  /** What happened, for an operator; never a secret, never content of a call. */
  readonly what: string;
  /** What to do. */
  readonly next: string;
}

/** One step of the way to the receiver, as a probe found it. */
export interface ProbeStep {
  readonly name:
    | 'name'
    | 'tcp'
    | 'proxy'
    | 'tls'
    | 'token'
    | 'delivery'
    | 'brokers'
    | 'protocol'
    | 'credentials'
    | 'topic'
    | 'leaders'
    | 'rights'
    | 'file'
    | 'space'
    | 'output';
  readonly ok: boolean;
  /** What was seen, as a clause; of a step that failed the problem says it. */
  readonly detail: string;
  /** Why it failed; of a step that did not, what will be wrong soon or is wrong beside it. */
  readonly problem: Problem | null;
}

export interface Sink {
  /** Sends once. Never throws; ends soon after `signal` is aborted. Several may be under way, up to `concurrencyMax`. */
  send(batch: Batch, signal: AbortSignal): Promise<Outcome>;
  /**
   * Walks the way to the receiver without sending a record, up to the first step that fails. Each step has a time limit,
   * that of a request. Never throws; ends soon after `signal` is aborted.
   */
  probe(signal: AbortSignal): Promise<readonly ProbeStep[]>;
  readonly concurrencyMax: number;
  /** Largest batch that makes sense, bytes of all records. */
  readonly batchBytesMax: number;
  /** Certificates, keys or secrets on disk have changed: take them over. Keeps the old ones when the new are no good, and says why. */
  reload(): Promise<Problem | null>;
  close(): Promise<void>;
}
