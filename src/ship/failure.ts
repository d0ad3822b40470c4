/** How a request failed when nothing, or nothing of use, came back: the part of Outcome that every request shares. */
import type { Outcome, Problem } from './sink.ts';

/** Not done: may work later, or will not until somebody acts. */
export type Failure = Extract<Outcome, { readonly type: 'retry' | 'blocked' }>;

export function retry(code: string, what: string, next: string, afterMs = 0): Failure {
  return { type: 'retry', problem: { code, what, next }, afterMs };
}

export function blocked(code: string, what: string, next: string): Failure {
  return { type: 'blocked', problem: { code, what, next } };
}

/** A failure as something that can be thrown, where a promise has to reject. */
export class FailureError extends Error {
  override readonly name = 'FailureError';
  readonly failure: Failure;
  /** For those who know only problems. */
  readonly problem: Problem;

  constructor(failure: Failure) {
    super(`${failure.problem.what}. ${failure.problem.next}`);
    this.failure = failure;
    this.problem = failure.problem;
  }
}
