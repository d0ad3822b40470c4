/**
 * Gate: when a sink may be tried again, and what keeps it shut.
 *
 *   open       nothing failed since something got through last
 *   failing    pauses of a random time up to 0.5 s, 1 s, 2 s ... 60 s (full jitter); then one batch alone
 *   blocked    somebody has to mend something: one batch after 30 s, 1 min, 2 min ... 5 min, or when told
 *
 * Something got through when the receiver delivered a batch or judged its content: the way to it and the right to use it
 * are there. That counts for a batch which was sent after the last failure; one that was under way before says nothing of
 * it. Content that is refused whatever it is also blocks (`isContentRefused`), until something is delivered.
 *
 * Beside all of that nothing is sent before the time that the receiver asked for (at most an hour), whatever gets through.
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
  #pauseUntilMs: number = NEVER;
  /** As the receiver said: only time ends it, or somebody who says so. */
  #askedUntilMs: number = NEVER;
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

  /** Before that nothing is sent. */
  get holdUntilMs(): number {
    return Math.max(this.#pauseUntilMs, this.#askedUntilMs);
  }

  /**
   * An attempt failed that may work later. The answer is when this batch, tried so often, may go again. `problem`: what is
   * shown from now on where it is blocked; null: what was.
   */
  failed(problem: DatedProblem | null, attempts: number, afterMs: number, startedAtMs: number, nowMs: number): number {
    // Batches that were under way together fail together: that is one failure.
    if (this.#failures === 0 || startedAtMs > this.#failedAtMs) this.#failures++;
    this.#failedAtMs = nowMs;
    if (this.blocked !== null && problem !== null) this.blocked = problem;
    const random = this.#random();
    this.#pauseUntilMs = Math.max(this.#pauseUntilMs, nowMs + random * retryMsMax(this.#failures));
    return this.#after(random, attempts, afterMs, nowMs);
  }

  /** A part of a batch is to come again, and the rest got through: only that part waits, but for what the receiver asked for. */
  putOff(attempts: number, afterMs: number, nowMs: number): number {
    return this.#after(this.#random(), attempts, afterMs, nowMs);
  }

  #after(random: number, attempts: number, afterMs: number, nowMs: number): number {
    const askedMs = afterMs > 0 ? Math.min(afterMs, AFTER_MS_MAX) + random * AFTER_SPREAD_MS : 0;
    if (askedMs > 0) this.#askedUntilMs = Math.max(this.#askedUntilMs, nowMs + askedMs);
    return nowMs + Math.max(askedMs, random * retryMsMax(attempts));
  }

  block(problem: DatedProblem, isContentRefused: boolean, startedAtMs: number, nowMs: number): void {
    if (this.blocked === null) this.#pauseUntilMs = nowMs + this.#probeMs;
    else if (startedAtMs > this.#failedAtMs) {
      this.#probeMs = Math.min(PROBE_MS_MAX, this.#probeMs * 2);
      this.#pauseUntilMs = nowMs + this.#probeMs;
    }
    this.#failedAtMs = nowMs;
    this.#failures = 0;
    this.blocked = problem;
    this.isContentRefused = isContentRefused;
  }

  /** An attempt that began then got through. True: it was blocked, and is open now. */
  gotThrough(startedAtMs: number): boolean {
    if (this.isContentRefused || startedAtMs <= this.#failedAtMs) return false;
    return this.#open();
  }

  /** The same, and records were taken: that also ends the refusal of all content. */
  delivered(startedAtMs: number): boolean {
    if (!this.isContentRefused) return this.gotThrough(startedAtMs);
    this.isContentRefused = false;
    return this.#open();
  }

  /** The next attempt may be made at once. */
  unblock(): void {
    this.#pauseUntilMs = NEVER;
    this.#askedUntilMs = NEVER;
    this.#failedAtMs = NEVER;
    this.#probeMs = PROBE_MS_MIN;
  }

  #open(): boolean {
    const wasBlocked = this.blocked !== null;
    this.#pauseUntilMs = NEVER;
    this.blocked = null;
    this.#failures = 0;
    this.#probeMs = PROBE_MS_MIN;
    return wasBlocked;
  }
}

/** The longest pause after that many failures. */
export function retryMsMax(failures: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures - 1, 16));
}
