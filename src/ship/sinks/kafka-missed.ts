/** What follows for a batch when some of its shares, or all, were not written. */
import type { Outcome } from '../sink.ts';
import type { Share } from './kafka-lane.ts';
import type { NotDelivered } from './kafka-problems.ts';

/** A share that was not written, and why. */
export interface Missed {
  readonly share: Share;
  readonly outcome: NotDelivered;
  /** Name of Kafka's error; "" when it was no broker that said so. */
  readonly error: string;
  /** Places in the share of the records at fault, where the broker said so. */
  readonly records: readonly number[];
}

/** `total`: records of the batch. At least one share was missed. */
export function outcomeOf(missed: readonly Missed[], total: number): Outcome {
  const first = missed[0].outcome;
  const left = missed.reduce((sum, { share }) => sum + share.indices.length, 0);
  if (left === total) {
    const isNamed = missed.some(({ records }) => records.length > 0);
    if (!isNamed && missed.every(({ outcome }) => outcome.type === first.type)) return first;
    const blocking = missed.find(({ outcome }) => outcome.type === 'blocked');
    if (blocking !== undefined) return blocking.outcome;
  }
  // Of several of which none is named, one may be at fault: they come again alone then, and are halved.
  const isFound = ({ share, outcome, records }: Missed, place: number): boolean =>
    outcome.type === 'refused' && (records.length === 0 ? share.indices.length === 1 : records.includes(place));
  return {
    type: 'in-part',
    afterMs: 0,
    failed: missed.flatMap((one) =>
      one.share.indices.map((index, place) => ({
        index,
        // A broker that names some records refuses the others only along with them.
        outcome: isFound(one, place) ? ('refused' as const) : ('retry' as const),
        problem: one.outcome.problem,
      })),
    ),
  };
}
