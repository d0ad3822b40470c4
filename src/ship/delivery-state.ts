/** State of one sink's delivery, as status, stats, metrics and the ledger read it. Plain data. */
import type { Balance } from '../base/ledger.ts';
import type { Problem } from './sink.ts';

export interface DatedProblem extends Problem {
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

export interface DeliveryState {
  readonly name: string;
  readonly type: string;
  /** Records taken from the spool since this start. */
  readonly received: number;
  /** Of these the receiver has for good. */
  readonly written: number;
  readonly deadLettered: number;
  /** Gap records and closing records: the format of the sink has no place for them, so they are done with unsent. */
  readonly skipped: number;
  /** Attempts that did not deliver all of a batch. */
  readonly errors: number;
  /** Attempts that were not the first of their batch. */
  readonly retries: number;
  /** Records written a second, over the last ten seconds. */
  readonly ratePerS: number;
  /** Of the records that were written, in the sink's format. */
  readonly bytes: number;
  /** The last attempt got through to the receiver, and it is not blocked. Means nothing before the first (`isTried`). */
  readonly valid: boolean;
  /** Why all is held; null: it is not. */
  readonly blocked: DatedProblem | null;
  readonly lastProblem: DatedProblem | null;
  /** Batches that may be under way now, and that are. */
  readonly concurrency: number;
  readonly underWay: number;
  /** What a batch may have now: less than configured when the receiver took less. */
  readonly batchBytesMax: number;
  /** Records in hand: gathered, under way, waiting to be sent again, on their way to the dead letters. */
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** Records that wait in the spool and are not in hand. */
  readonly queued: number;
  /** Of all that is not acked. */
  readonly queuedBytes: number;
  /** When the oldest record that is not acked was accepted; 0: there is none. */
  readonly oldestWaitingAtMs: number;
  /** Went unsent with the oldest data, for quota or age. */
  readonly expired: number;
  /** Lay in frames that were damaged. */
  readonly corrupt: number;
}

/** An attempt has come to its end since this start: before that nobody knows whether the sink can deliver. */
export function isTried({ written, errors, deadLettered, valid }: DeliveryState): boolean {
  return written > 0 || errors > 0 || deadLettered > 0 || !valid;
}

/**
 * The equation of one sink, at any moment:
 *
 *   queued at the start + accepted = acked + skipped + dead letters + expired + corrupt + in flight + queued
 *
 * `accepted`: records for this sink that the spool accepted since this start. Acked is what the receiver has: also records
 * that the cursor of the spool could not pass yet, because one before them is still in flight; after a crash these are
 * sent again.
 */
export function deliveryBalance(queuedAtStart: number, accepted: number, state: DeliveryState): Balance {
  const parts: [string, number][] = [
    ['acked', state.written],
    ['skipped', state.skipped],
    ['dead letters', state.deadLettered],
    ['expired', state.expired],
    ['corrupt', state.corrupt],
    ['in flight', state.inFlight],
    ['queued', state.queued],
  ];
  const total = queuedAtStart + accepted;
  const sum = parts.reduce((n, [, value]) => n + value, 0);
  return {
    name: `records of sink ${state.name}`,
    total,
    parts: parts.filter(([, value]) => value !== 0),
    balances: sum === total,
  };
}
