/**
 * What filters and masking would do to calls, counted and with examples: by rule of the filters, by rule of the masking,
 * and by pair of rules where a second set of filters would decide otherwise. It sees masked records only.
 *
 * Bounds: EXAMPLES_MAX examples of each, PAIRS_MAX pairs; the calls of further ones are counted together.
 */

import type { ApiCall } from '../normalise/api-call.ts';
import { CallView } from '../policy/call-view.ts';
import { compileFilters, type Filters, ruleOf } from '../policy/filter/filters.ts';
import { Policy } from '../policy/policy.ts';
import type { PipelineSpec, PolicySpec } from '../policy/spec.ts';

export const EXAMPLES_MAX = 100;
const PAIRS_MAX = 1000;
/** A word beside each record: rule of the one filters plus one, and of the others. */
const SECOND_SHIFT = 10;
const RULE_MASK = (1 << SECOND_SHIFT) - 1;
const MORE = '(more)';

export interface RuleTrial {
  readonly file: 'simple' | 'advanced';
  readonly rule: string;
  readonly action: 'include' | 'exclude';
  calls: number;
  readonly examples: string[];
}

export interface MaskingTrial {
  readonly rule: string;
  values: number;
  calls: number;
  readonly examples: string[];
}

export interface Change {
  readonly from: string;
  readonly to: string;
  /** What would happen to them now. */
  readonly now: 'let through' | 'left out';
  calls: number;
  readonly examples: string[];
}

export interface TrialResult {
  readonly calls: number;
  readonly letThrough: number;
  readonly rules: readonly RuleTrial[];
  readonly masking: readonly MaskingTrial[];
  /** Values beyond those that a record tells the place of. */
  readonly valuesMore: number;
  /** Null: there was nothing to compare with. */
  readonly changes: readonly Change[] | null;
}

/** Everything is let through to be masked and shown; the filters on trial are asked beside it. */
function passAll(spec: PolicySpec): PolicySpec {
  const [{ name, sampling }] = spec.pipelines;
  const all = { otherwise: 'include', rules: [] } as const;
  return { ...spec, pipelines: [{ name, simple: all, advanced: all, sampling }] };
}

function rulesOf(pipeline: PipelineSpec, { rules }: Filters): RuleTrial[] {
  return rules.map(({ name, action }, i) => ({
    file: i <= pipeline.simple.rules.length ? 'simple' : 'advanced',
    rule: name,
    action,
    calls: 0,
    examples: [],
  }));
}

export class PolicyTrial {
  readonly #masker: Policy;
  readonly #view = new CallView();
  readonly #filters: Filters;
  readonly #others: Filters | null;
  readonly #examplesMax: number;
  readonly #rules: RuleTrial[];
  readonly #otherRules: RuleTrial[];
  readonly #masking = new Map<string, MaskingTrial>();
  readonly #changes = new Map<string, Change>();
  #calls = 0;
  #letThrough = 0;
  #valuesMore = 0;

  /** The first pipeline is on trial; a second one is what it is compared with. */
  constructor(spec: PolicySpec, examplesMax: number) {
    const [pipeline, other] = spec.pipelines;
    this.#masker = new Policy(passAll(spec));
    this.#filters = compileFilters(pipeline);
    this.#others = other === undefined ? null : compileFilters(other);
    this.#examplesMax = Math.min(examplesMax, EXAMPLES_MAX);
    this.#rules = rulesOf(pipeline, this.#filters);
    this.#otherRules = other === undefined || this.#others === null ? [] : rulesOf(other, this.#others);
    for (const { name } of spec.masking.rules) this.#maskingOf(name);
  }

  /** Calls seen. */
  get calls(): number {
    return this.#calls;
  }

  /** A word that says what both filters decide of a call; `see` gets it back with the record. */
  route(call: number): number {
    this.#view.set(call);
    const first = ruleOf(this.#filters.decide(this.#view));
    const second = this.#others === null ? -1 : ruleOf(this.#others.decide(this.#view));
    this.#masker.route(call);
    return (first + 1) | ((second + 1) << SECOND_SHIFT);
  }

  encode(call: number, to: number): number {
    return this.#masker.encode(call, to);
  }

  /** A finished record with its word. */
  see(line: string, word: number): void {
    this.#calls++;
    const rule = this.#rules[(word & RULE_MASK) - 1];
    const second = (word >>> SECOND_SHIFT) - 1;
    rule.calls++;
    const call = JSON.parse(line) as ApiCall;
    const text = lineOf(call);
    this.#keep(rule.examples, text);
    if (rule.action === 'include') {
      this.#letThrough++;
      this.#seeMasked(call);
    }
    if (second < 0) return;
    const other = this.#otherRules[second];
    if (other.action === rule.action) return;
    const change = this.#changeOf(rule, other);
    change.calls++;
    this.#keep(change.examples, text);
  }

  #seeMasked(call: ApiCall): void {
    const places = call.masked?.places ?? [];
    this.#valuesMore += Math.max(0, (call.masked?.found ?? 0) - places.length);
    const seen = new Set<string>();
    for (const { rule, in: where, field } of places) {
      const trial = this.#maskingOf(rule);
      trial.values++;
      if (!seen.has(rule)) trial.calls++;
      seen.add(rule);
      this.#keep(trial.examples, `${lineOf(call)}  ${where}${field === undefined ? '' : ` ${field}`}`);
    }
  }

  #keep(examples: string[], text: string): void {
    if (examples.length < this.#examplesMax && !examples.includes(text)) examples.push(text);
  }

  #maskingOf(rule: string): MaskingTrial {
    let trial = this.#masking.get(rule);
    if (trial === undefined) {
      trial = { rule, values: 0, calls: 0, examples: [] };
      this.#masking.set(rule, trial);
    }
    return trial;
  }

  #changeOf(from: RuleTrial, to: RuleTrial): Change {
    const isFull = this.#changes.size >= PAIRS_MAX;
    const names = (rule: RuleTrial): string => `${rule.file}/${rule.rule}`;
    const key = `${names(from)} ${names(to)}`;
    let change = this.#changes.get(key) ?? (isFull ? this.#changes.get(`${MORE} ${to.action}`) : undefined);
    if (change === undefined) {
      const now = to.action === 'include' ? 'let through' : 'left out';
      change = { from: isFull ? MORE : names(from), to: isFull ? MORE : names(to), now, calls: 0, examples: [] };
      this.#changes.set(isFull ? `${MORE} ${to.action}` : key, change);
    }
    return change;
  }

  result(): TrialResult {
    return {
      calls: this.#calls,
      letThrough: this.#letThrough,
      rules: this.#rules,
      masking: [...this.#masking.values()].sort((a, b) => b.values - a.values),
      valuesMore: this.#valuesMore,
      changes: this.#others === null ? null : [...this.#changes.values()].sort((a, b) => b.calls - a.calls),
    };
  }
}

/** A call in a line, without what could tell one from another. */
function lineOf({ request, response, host, pathTemplate }: ApiCall): string {
  const status = response === null ? 'no response' : (response.status ?? '-');
  return `${request?.method ?? '(no request)'} ${host ?? '-'} ${pathTemplate ?? '-'} ${status}`;
}
