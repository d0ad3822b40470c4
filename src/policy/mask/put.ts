/**
 * Where walkers put what they find: into the edits of the source; or, inside of a value, into the one rule that will mask the
 * value as a whole, because places in there are no places of the source.
 */
import { mask } from './actions.ts';
import { addEdit } from './edits.ts';
import { ruleAction } from './rules.ts';
import { UNNAMED_TEXT, UNREADABLE_TEXT } from './stack.ts';
import { BINARY, UNNAMED, UNREADABLE } from './unreadable.ts';
import { JSON_BARE } from './value.ts';

/** Documents inside of values inside of documents ... */
export const NESTING_MAX = 4;
let nesting = 0;
let innerRule = 0;

/** Whether a rule only notes what it finds. */
export function onlyReports(rule: number): boolean {
  return rule < UNNAMED && ruleAction(rule) === 'report';
}

/**
 * [at, end) is masked by `rule`; [valueAt, valueEnd) is the value with its escapes undone. Must not lie before what was put
 * already. Of rules inside of a value the first one counts that masks.
 */
export function put(at: number, end: number, rule: number, valueAt: number, valueEnd: number, form: number): void {
  if (nesting > 0) {
    if (innerRule === 0 || (onlyReports(innerRule) && !onlyReports(rule))) innerRule = rule;
  } else if (rule === UNNAMED) addEdit(at, end, UNNAMED, UNNAMED_TEXT.at, UNNAMED_TEXT.end);
  else if (rule === BINARY) addEdit(at, end, BINARY, UNREADABLE_TEXT.at, UNREADABLE_TEXT.at);
  else if (rule === UNREADABLE) {
    const quote = form === JSON_BARE ? 0 : 1;
    addEdit(at, end, UNREADABLE, UNREADABLE_TEXT.at + quote, UNREADABLE_TEXT.end - quote);
  } else mask(at, end, rule, valueAt, valueEnd, form);
}

/** What cannot be read, or was cut off in the middle: masked whole. */
export function putUnreadable(at: number, end: number, form: number): void {
  if (at < end) put(at, end, UNREADABLE, at, end, form);
}

/** How deep inside of values the walk is. */
export function nestingNow(): number {
  return nesting;
}

/** From now on what is put is inside of a value. Returns what `leaveValue` wants back. */
export function enterValue(): number {
  const outer = innerRule;
  innerRule = 0;
  nesting++;
  return outer;
}

/** Back outside; returns the rule that was found inside, 0 for none. */
export function leaveValue(outer: number): number {
  const rule = innerRule;
  innerRule = outer;
  nesting--;
  return rule;
}

/** Whether something was found inside of the value at hand that masks it. */
export function foundInside(): boolean {
  return innerRule !== 0;
}
