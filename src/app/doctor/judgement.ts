/** What a step of the walk says, and the words that the steps share. */
import { count } from '../units.ts';
import type { Evidence, Refusal } from './evidence.ts';
import { asFindingCode, type Finding, type FindingCode, finding } from './findings.ts';

/** `skipped`: there was nothing to judge, and a step before says why, or nobody looked. */
export type Verdict = 'ok' | 'warn' | 'broken' | 'skipped';

export interface Judgement {
  readonly verdict: Verdict;
  /** One line: what was seen. */
  readonly evidence: string;
  readonly findings: readonly Finding[];
}

export interface Step {
  /** As it is shown: "packets arrive". */
  readonly name: string;
  readonly judge: (e: Evidence) => Judgement;
}

/** Interfaces, tunnels, ports and the like that one line names. */
const NAMES_MAX = 5;

/** The verdict is that of the worst finding. */
export function judged(evidence: string, ...findings: readonly (Finding | null)[]): Judgement {
  const all = findings.filter((f) => f !== null);
  const verdict = all.some((f) => f.severity === 'broken') ? 'broken' : all.some((f) => f.severity === 'warning') ? 'warn' : 'ok';
  return { verdict, evidence, findings: all };
}

export function skipped(why: string): Judgement {
  return { verdict: 'skipped', evidence: why, findings: [] };
}

/** The finding that a refusal is: by its own code when the table has it. */
export function refused(code: FindingCode, refusal: Refusal): Finding {
  const known = asFindingCode(refusal.code) ?? code;
  return finding(known, `${refusal.what}: ${refusal.why}.`, refusal.details.slice(0, NAMES_MAX).join('; '), { next: refusal.next });
}

/** The first names, and how many more there are. */
export function named(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return more > 0 ? `${names.slice(0, NAMES_MAX).join(', ')} and ${more} more` : names.join(', ');
}

/** "1 call", "2 calls" */
export function several(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}
