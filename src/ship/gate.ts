/**
 * Gate: when a sink may be tried again, and what keeps it shut.
 *
 *   open       nothing failed since something got through last
 *   failing    pauses of a random time up to 0.5 s, 1 s, 2 s ... 60 s (full jitter), at least as long as the receiver asked
 *              for (at most an hour); then one batch alone
 *   blocked    somebody has to mend something: one batch after 30 s, 1 min, 2 min ... 5 min, or when told
 *
 * Something got through when the receiver delivered a batch or judged its content: the way to it and the right to use it
 * are there. Content that is refused whatever it is also blocks (`isContentRefused`), until something is delivered.
 */
import type { DatedProblem } from './delivery-state.ts';

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;
const AFTER_MS_MAX = 3_600_000;
/** Spreads those whom the receiver told the same time. */
const AFTER_SPREAD_MS = 500;
const PROBE_MS_MIN = 30_000;
const PROBE_MS_MAX = 300_000;
const NEVER = Number.NEGATIVE_INFINITY;

export class Gate {
  blocked: DatedProblem | null = null;
  isContentRefused = false;
  /** Before that nothing is sent. */
  holdUntilMs: number = NEVER;
  readonly #random: () => number;
  /** One after the other, without anything that got through. */
  #failures = 0;
  #failedAtMs: number = NEVER;
  #probeMs = PROBE_MS_MIN;

  /** `random`: from 0 up to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** One batch at a time, to see. */
  get isProbing(): boolean {
    return this.blocked !== null || this.#failures > 0;
  }

  /** An attempt failed that may work later. The answer is when this batch, tried so often, may go again. */
  failed(attempts: number, afterMs: number, startedAtMs: number, nowMs: number): number {
    // Batches that were under way together fail together: that is one failure.
    if (this.#failures === 0 || startedAtMs > this.#failedAtMs) this.#failures++;
    this.#failedAtMs = nowMs;
    const random = this.#random();
    const askedMs = afterMs > 0 ? Math.min(afterMs, AFTER_MS_MAX) + random * AFTER_SPREAD_MS : 0;
    this.holdUntilMs = Math.max(this.holdUntilMs, nowMs + Math.max(askedMs, random * retryMsMax(this.#failures)));
    return nowMs + Math.max(askedMs, random * retryMsMax(attempts));
  }

  block(problem: DatedProblem, isContentRefused: boolean, startedAtMs: number, nowMs: number): void {
    if (this.blocked === null) this.holdUntilMs = nowMs + this.#probeMs;
    else if (startedAtMs > this.#failedAtMs) {
      this.#probeMs = Math.min(PROBE_MS_MAX, this.#probeMs * 2);
      this.holdUntilMs = nowMs + this.#probeMs;
    }
    this.#failedAtMs = nowMs;
    this.#failures = 0;
    this.blocked = problem;
    this.isContentRefused = isContentRefused;
  }

  /** True: it was blocked, and is open now. */
  gotThrough(): boolean {
    if (this.isContentRefused) return false;
    const wasBlocked = this.blocked !== null;
    if (this.isProbing) this.holdUntilMs = NEVER;
    this.blocked = null;
    this.#failures = 0;
    this.#probeMs = PROBE_MS_MIN;
    return wasBlocked;
  }

  delivered(): boolean {
    this.isContentRefused = false;
    return this.gotThrough();
  }

  /** The next attempt may be made at once. */
  unblock(): void {
    this.holdUntilMs = NEVER;
    this.#probeMs = PROBE_MS_MIN;
  }
}

/** The longest pause after that many failures. */
export function retryMsMax(failures: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures - 1, 16));
}
