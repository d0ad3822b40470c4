/**
 * How many batches may be under way to one sink: adaptive, by additive increase and multiplicative decrease, as TCP does
 * it. Each success adds a part of one, so that a full round of them adds one; until the first decrease each adds a whole
 * one. What says "too much":
 *
 *   a batch that should be sent again        half of it
 *   answers that come later and later        a tenth less
 *
 * At most one decrease for what was under way at a time: the next one needs a batch that was sent after the last. "Later"
 * is a smoothed latency above twice the least one; the least one forgets slowly, so that a path that got longer for
 * good becomes the measure after a while.
 */
const SMOOTHING = 0.3;
const LEAST_DRIFT = 1.005;
const LATE_FACTOR = 2;
/** Below this a change of latency says nothing. */
const LATE_MS_MIN = 20;
const LATE_DECREASE = 0.9;
const FAILURE_DECREASE = 0.5;

export class Concurrency {
  readonly #max: number;
  #limit = 1;
  #isProbing = true;
  #smoothedMs = 0;
  #leastMs = 0;
  #decreasedAtMs = Number.NEGATIVE_INFINITY;

  constructor(max: number) {
    this.#max = Math.max(1, max);
  }

  /** Batches that may be under way. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** A batch was delivered. `underWay`: with it, when it ended; what was not made use of does not grow. */
  succeeded(startedAtMs: number, nowMs: number, underWay: number): void {
    const tookMs = nowMs - startedAtMs;
    const isFirst = this.#smoothedMs === 0 && this.#leastMs === 0;
    this.#smoothedMs = isFirst ? tookMs : this.#smoothedMs + SMOOTHING * (tookMs - this.#smoothedMs);
    this.#leastMs = isFirst ? tookMs : Math.min(this.#smoothedMs, this.#leastMs * LEAST_DRIFT);
    if (this.#smoothedMs > this.#leastMs * LATE_FACTOR + LATE_MS_MIN) {
      this.#decrease(LATE_DECREASE, startedAtMs, nowMs);
      return;
    }
    if (underWay < this.limit) return;
    this.#limit = Math.min(this.#max, this.#limit + (this.#isProbing ? 1 : 1 / this.#limit));
  }

  /** A batch should be sent again later. */
  failed(startedAtMs: number, nowMs: number): void {
    this.#decrease(FAILURE_DECREASE, startedAtMs, nowMs);
  }

  /** Begins anew: nothing is known any more of the receiver. */
  reset(): void {
    this.#limit = 1;
    this.#isProbing = true;
    this.#smoothedMs = 0;
    this.#leastMs = 0;
  }

  #decrease(factor: number, startedAtMs: number, nowMs: number): void {
    if (startedAtMs <= this.#decreasedAtMs) return;
    this.#limit = Math.max(1, this.#limit * factor);
    this.#isProbing = false;
    this.#decreasedAtMs = nowMs;
  }
}
