/** Time as delivery needs it; tests put a clock of their own in its place. */
export interface Timers {
  /** Milliseconds that only ever grow: for waits and ages. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970: for people. */
  dateMs(): number;
  /** Runs something later, once; the answer calls it off. */
  after(ms: number, then: () => void): () => void;
}

export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  dateMs: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
