/**
 * How a step on the way to Kafka failed: at which broker, and below what the library says, the error of Kafka's or of the
 * system. What that means for a delivery is in kafka-problems.ts.
 */
import type { FrameFault } from './kafka-frames.ts';

/** Something did not work, and where. */
export class KafkaFault extends Error {
  override readonly name = 'KafkaFault';
  /** bootstrap: none of the brokers that the configuration names; advertised: one that the cluster names. */
  readonly stage: 'bootstrap' | 'advertised' | 'metadata' | 'producer-id' | 'produce';
  /** host:port of the broker. */
  readonly place: string;
  /** What Kafka calls it: "TOPIC_AUTHORIZATION_FAILED"; "" when no broker said anything. */
  readonly error: string;
  readonly frame: FrameFault;
  /** bootstrap: how each of them failed. */
  readonly others: readonly KafkaFault[];

  constructor(
    stage: KafkaFault['stage'],
    place: string,
    cause: unknown,
    { error = '', frame = '', others = [] }: Partial<Pick<KafkaFault, 'error' | 'frame' | 'others'>> = {},
  ) {
    super(`${stage} ${place} ${error}`, { cause });
    this.stage = stage;
    this.place = place;
    this.error = error || apiErrorOf(cause);
    this.frame = frame;
    this.others = others;
  }
}

/** Name of Kafka's error code in an error of the library, however deep; "" for none. */
export function apiErrorOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 6) return '';
  if ('apiId' in error && typeof error.apiId === 'string') return error.apiId;
  const below: readonly unknown[] = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  for (const one of [...below, error.cause]) {
    const found = apiErrorOf(one, depth + 1);
    if (found !== '') return found;
  }
  return '';
}

/** Code of the system's or OpenSSL's error below one of the library; "" for none. */
export function codeBelow(error: unknown): string {
  let inner = error;
  for (let depth = 0; inner instanceof Error && depth < 6; depth++) {
    if ('code' in inner && typeof inner.code === 'string' && !inner.code.startsWith('PLT_KFK_')) return inner.code;
    inner = inner instanceof AggregateError && inner.errors.length > 0 ? inner.errors[0] : inner.cause;
  }
  return '';
}
