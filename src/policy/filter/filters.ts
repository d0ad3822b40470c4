/**
 * The filters of a pipeline: which rule lets a call through, or keeps it out. The simple rules come first; what they let
 * through goes on to the advanced ones, and the first of these whose expression is true decides.
 *
 *   simple rules --exclude--> out
 *        | include, or otherwise
 *   advanced rules --exclude--> out
 *        | include                     the record names this rule,
 *        | otherwise: include          or else the simple one
 *
 * Rules have numbers: the simple ones from 0, then "otherwise" of the simple ones, the advanced ones, and "otherwise" of
 * these. Each has a counter: calls.included{pipeline/rule} or calls.excluded{pipeline/rule}. A counter belongs to the
 * name, so it goes on when the rules are read anew.
 *
 * Bound: RULE_COUNTERS_MAX names of a process; the calls of further ones are counted together as "pipeline/(more)".
 */
import { counter, counts } from '../../base/counters.ts';
import type { CallView } from '../call-view.ts';
import type { PipelineSpec } from '../spec.ts';
import { compileExpression } from './expression/compile.ts';
import { compileSimple } from './simple.ts';

const C = counts;
export const RULE_COUNTERS_MAX = 2048;
export const OTHERWISE = 'otherwise';

export interface FilterRule {
  readonly name: string;
  readonly action: 'include' | 'exclude';
}

export interface Filters {
  /** By number. */
  readonly rules: readonly FilterRule[];
  /** Number of the rule that lets the call through; below 0 when one keeps it out: -1 is number 0, -2 number 1. Counts it. */
  readonly decide: (view: CallView) => number;
}

/** Number of the rule of a decision. */
export function ruleOf(decision: number): number {
  return decision < 0 ? -1 - decision : decision;
}

/** Name of the rule of a decision. */
export function ruleName({ rules }: Filters, decision: number): string {
  return rules[ruleOf(decision)].name;
}

const known = new Set<string>();

function ruleCounter(pipeline: string, { name, action }: FilterRule): number {
  const own = `calls.${action}d{${pipeline}/${name}}`;
  if (!known.has(own) && known.size >= RULE_COUNTERS_MAX) return counter(`calls.${action}d{${pipeline}/(more)}`);
  known.add(own);
  return counter(own);
}

/** Throws when a rule was not checked before (filter-files.ts). */
export function compileFilters({ name, simple, advanced }: PipelineSpec): Filters {
  const rules: FilterRule[] = [
    ...simple.rules,
    { name: OTHERWISE, action: simple.otherwise },
    ...advanced.rules,
    { name: OTHERWISE, action: advanced.otherwise },
  ].map(({ name: rule, action }) => ({ name: rule, action }));
  const cells = Int32Array.from(rules, (rule) => ruleCounter(name, rule));
  const includes = Uint8Array.from(rules, ({ action }) => (action === 'include' ? 1 : 0));
  const first = compileSimple(simple);
  const conditions = advanced.rules.map(({ when }) => compileExpression(when));
  const from = simple.rules.length + 1;
  const isLastIncluding = advanced.otherwise === 'include';
  return {
    rules,
    decide: (view) => {
      let rule = first(view);
      if (includes[rule] === 1) {
        let i = 0;
        while (i < conditions.length && !conditions[i](view)) i++;
        if (i < conditions.length || !isLastIncluding) rule = from + i;
      }
      C[cells[rule]]++;
      return includes[rule] === 1 ? rule : -1 - rule;
    },
  };
}
