/**
 * The walk: the path of a packet as a list of steps, from the configuration to the calls and on to the sinks. Each step
 * judges the evidence and looks at nothing else. What comes later on the path is one more step at its place in the list,
 * and one more part of the evidence.
 */
import { deliverySteps } from './delivery-steps.ts';
import type { Evidence } from './evidence.ts';
import { type Finding, severities } from './findings.ts';
import type { Judgement, Step } from './judgement.ts';
import { sensorStep } from './sensor-step.ts';
import { setupSteps } from './setup-steps.ts';
import { trafficSteps } from './traffic-steps.ts';

/** The walk over this evidence: the way to each sink has steps of its own. */
export function stepsOf(e: Evidence): readonly Step[] {
  return [...setupSteps, ...trafficSteps, ...deliverySteps(e), sensorStep];
}

export interface StepResult extends Judgement {
  readonly step: string;
}

export interface Diagnosis {
  /** Nothing is broken. */
  readonly ok: boolean;
  /** The first broken finding on the path; without one the worst; null when there is nothing to say. */
  readonly first: Finding | null;
  readonly steps: readonly StepResult[];
  /** `first`, then the others by severity, and by their place on the path within it. */
  readonly findings: readonly Finding[];
}

/** Walks the steps over the evidence. */
export function diagnose(e: Evidence, list: readonly Step[] = stepsOf(e)): Diagnosis {
  const results = list.map((step) => ({ step: step.name, ...step.judge(e) }));
  const before = new Set(
    results.filter(({ step }) => step !== sensorStep.name).flatMap((result) => result.findings.map(({ code }) => code)),
  );
  // The running sensor reports, last on the path, what a step before it may have found.
  const once = results.flatMap(({ step, findings }) => findings.filter(({ code }) => step !== sensorStep.name || !before.has(code)));
  const findings = severities.flatMap((severity) => once.filter((f) => f.severity === severity));
  return { ok: findings[0]?.severity !== 'broken', first: findings[0] ?? null, steps: results, findings };
}
