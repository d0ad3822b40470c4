/** What the probes of sinks (Sink.probe) are put together from. */
import { isSkewed, SET_CLOCK, type Skew, skewClause } from './problem-words.ts';
import type { ProbeStep, Problem } from './sink.ts';

/** It works; `problem`: what is not well all the same. */
export function passed(name: ProbeStep['name'], detail: string, problem: Problem | null = null): ProbeStep {
  return { name, ok: true, detail, problem };
}

export function failed(name: ProbeStep['name'], problem: Problem): ProbeStep {
  return { name, ok: false, detail: problem.what, problem };
}

/** Their clock and ours; null: they agree, or theirs is not known. */
export function clockProblem(skew: Skew): Problem | null {
  if (!isSkewed(skew)) return null;
  const clause = skewClause(skew);
  return { code: 'clock-skewed', what: `${clause.charAt(0).toUpperCase()}${clause.slice(1)}`, next: SET_CLOCK };
}
