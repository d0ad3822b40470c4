/**
 * One pair of a form, a query or of cookies: what is known of its name is kept, so that `nextPair` passes it from then on.
 *
 *   piece, where nextPair stopped -> enterPair: rule of the name -> the value is looked at -> leavePair
 */
import { editsAsked } from './edits.ts';
import { popField, pushName } from './field.ts';
import { inspectName, nameAtHand, setNameAtHand } from './inspect.ts';
import { DENIED_SHIFT, IS_SPECIAL, RULE_SHIFT } from './kernels/tables.ts';
import { nestingNow } from './put.ts';
import { keepName, keepValue } from './quick.ts';
import { HIDDEN_NAME } from './stack.ts';

let asked = 0;
let isOrdinary = false;

type RuleOf = (at: number, end: number, form: number) => number;

/**
 * The rule of a name, which is then the last one of the field. `facts` are those of `factsOfPair`; without them `ruleOf` looks
 * the name up. `more` is IN_FORM or IN_COOKIES.
 */
export function enterPair(at: number, end: number, form: number, more: number, facts: number, ruleOf: RuleOf): number {
  let rule = (facts >> RULE_SHIFT) & 255;
  if (facts !== 0) {
    setNameAtHand(facts >>> DENIED_SHIFT);
    pushName(at, end);
  } else {
    rule = ruleOf(at, end, form);
    const name = nameAtHand();
    const before = editsAsked();
    if (inspectName(at, end, form)) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
    else {
      pushName(at, end);
      // Inside of a value nothing is asked of the edits, whatever is found.
      if (nestingNow() === 0 && editsAsked() === before)
        keepName(at, end, (rule !== 0 ? IS_SPECIAL : 0) | (rule << RULE_SHIFT) | (name << DENIED_SHIFT), more);
    }
  }
  isOrdinary = rule === 0 && nameAtHand() === 0 && nestingNow() === 0;
  asked = editsAsked();
  return rule;
}

/** The value has been looked at. */
export function leavePair(valueAt: number, valueEnd: number, more: number): void {
  if (isOrdinary && editsAsked() === asked) keepValue(valueAt, valueEnd, more);
  popField();
}
