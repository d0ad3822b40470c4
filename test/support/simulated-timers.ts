/** Time that stands still until it is moved. */
import type { Timers } from '../../src/ship/timers.ts';

const START_MS = 1_750_000_000_000;

export class SimulatedTimers implements Timers {
  #nowMs = 0;
  #jumpMs = 0;
  #due: { readonly atMs: number; readonly then: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  dateMs(): number {
    return START_MS + this.#nowMs + this.#jumpMs;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, then };
    this.#due.push(timer);
    return () => {
      this.#due = this.#due.filter((other) => other !== timer);
    };
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#jumpMs += ms;
  }

  /** Lets time pass, timer by timer, and after each all that follows from it. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#due.reduce((first, timer) => Math.min(first, timer.atMs), Number.POSITIVE_INFINITY);
      if (next > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next);
      const due = this.#due.filter(({ atMs }) => atMs <= next);
      this.#due = this.#due.filter(({ atMs }) => atMs > next);
      for (const { then } of due) then();
    }
    this.#nowMs = untilMs;
    await settled();
  }

  /** The process ends. */
  forget(): void {
    this.#due = [];
  }
}

/** When all promises that can be kept are kept. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
