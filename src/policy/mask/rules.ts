/**
 * The masking rules at work, by number: 1 to N in the order of the file, 0 for none. What reads names and values keeps its
 * own tables (names.ts, detect.ts); all are made here, from one specification, at once.
 */
import { type ActionName, type DetectorName, type MaskingRule, type MaskingSpec, placeNames } from '../spec.ts';
import { resetDetect } from './detect.ts';
import { resetNames } from './names.ts';
import { OF_RESPONSE } from './place.ts';
import { RULES_MAX } from './unreadable.ts';

let rules: readonly MaskingRule[] = [];
/** By rule: one bit for each place of either side. */
const placesOf = new Int32Array(RULES_MAX + 1);

/** Takes new rules for all calls from now on. Throws, and keeps what was, when a pattern is none or there are too many rules. */
export function resetRules(spec: MaskingSpec): void {
  if (spec.rules.length > RULES_MAX) throw new Error(`${spec.rules.length} masking rules; at most ${RULES_MAX} are possible`);
  const places = new Int32Array(RULES_MAX + 1);
  for (const [i, rule] of spec.rules.entries()) {
    for (const [p, name] of placeNames.entries())
      if (rule.places.length === 0 || rule.places.includes(name)) places[i + 1] |= (1 << p) | (1 << (p + OF_RESPONSE));
  }
  resetDetect(spec.rules, placesOf);
  rules = spec.rules;
  placesOf.set(places);
  resetNames(spec.rules, placesOf);
}

/** As it stands in the report; "" for 0. */
export function ruleName(n: number): string {
  return n === 0 ? '' : rules[n - 1].name;
}

export function ruleAction(n: number): ActionName {
  return rules[n - 1].action;
}

/** What `replace` writes; "" for the name between asterisks. */
export function ruleReplacement(n: number): string {
  return rules[n - 1].replacement;
}

/** How it finds values: by a detector, a pattern, or only by names. */
export function ruleKind(n: number): DetectorName | 'pattern' | 'field' {
  const rule = rules[n - 1];
  if (rule.detector !== '') return rule.detector;
  return rule.pattern === '' ? 'field' : 'pattern';
}

export function ruleAppliesAt(n: number, place: number): boolean {
  return ((placesOf[n] >>> place) & 1) !== 0;
}
