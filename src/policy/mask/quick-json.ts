/**
 * JSON the quick way: a kernel walks the document, and stops at names that it does not know and at values that may hold
 * something. These are looked at here, with the same levels, names and rules as in json.ts.
 *
 *   {"id":7,"title":"A cup","mail":"ann@example.com","tags":["blue"]}
 *                                  ^ the only stop, when the names are known
 *
 * Documents that are cut, broken or unusual, names with escapes, rules for whole objects and parameters with a rule are given
 * up: json.ts walks these from their start. So both give the same edits.
 */
import { bytes, words } from '../../base/arena.ts';
import { cutEdits, editCount, editsAsked } from './edits.ts';
import { cutField, fieldDepth } from './field.ts';
import { inspectBare, inspectName, inspectValue, nameAtHand, nameRule, noName } from './inspect.ts';
import { quickKernels } from './kernels/kernels.ts';
import * as q from './kernels/tables.ts';
import { walked } from './kinds.ts';
import { isKeyName, parameterRule } from './parameters.ts';
import { place } from './place.ts';
import { nestingNow } from './put.ts';
import { isQuick, keepName, keepValue } from './quick.ts';
import { JSON_STRING } from './value.ts';

const B = bytes;
const W = words;
const P = place;
const kernels = quickKernels;
const { TYPES, DONE, GIVEN_UP, STRING, NAME, BARE, IN_JSON, IS_SPECIAL, RULE_SHIFT } = q;
const AT = q.AT >> 2;
const FROM = q.FROM >> 2;
const TO = q.TO >> 2;
const LEVEL = q.LEVEL >> 2;
const STATE = q.STATE >> 2;
const FORCED = q.FORCED >> 2;
const RULE = q.RULE >> 2;
const SLOT = q.SLOT >> 2;
const PATH = q.PATH >> 2;

/** What counts for a value at this level: the name that it stands under, through arrays. */
function setName(level: number): void {
  let l = level;
  while (l > 0 && B[TYPES + l] === 0) l--;
  if (l === 0) noName();
  else nameRule(W[PATH + 2 * l - 2], W[PATH + 2 * l - 1]);
}

/** Walks a whole document of plain JSON. False: it is not that, and nothing has changed. */
export function walkQuickly(at: number, end: number): boolean {
  if (kernels === null || !isQuick() || nestingNow() > 0 || fieldDepth() > 0) return false;
  const before = editCount();
  let p = at;
  W[LEVEL] = W[STATE] = W[FORCED] = W[SLOT] = 0;
  for (;;) {
    const why = kernels.walk(p, end, P[0]);
    if (why === DONE) {
      walked[0] += end - at;
      cutField(0);
      return true;
    }
    if (why === GIVEN_UP) break;
    p = W[AT];
    const from = W[FROM];
    const to = W[TO];
    const level = W[LEVEL];
    const rule = W[FORCED] === 0 ? 0 : W[RULE];
    W[FORCED] = 0;
    if (why === NAME) {
      const own = nameRule(from, to);
      const asked = editsAsked();
      cutField(level);
      if (inspectName(from, to, JSON_STRING) || editsAsked() !== asked) break;
      W[RULE] = own;
      W[FORCED] = own !== 0 ? 1 : 0;
      // A name of a parameter is not kept: the walk stops at each.
      if (!isKeyName(from, to)) keepName(from, to, own !== 0 ? IS_SPECIAL | (own << RULE_SHIFT) : 0);
      else if (own !== 0 || namesParameter(p, end)) break;
      continue;
    }
    cutField(level);
    setName(level);
    const isOrdinary = why === STRING && rule === 0 && nameAtHand() === 0;
    const asked = editsAsked();
    if (why === BARE) inspectBare(from, to, rule);
    else {
      inspectValue(from, to, JSON_STRING, rule);
      if (isOrdinary && editsAsked() === asked) keepValue(from, to, IN_JSON);
    }
  }
  cutEdits(before);
  cutField(0);
  return false;
}

const BLANK = 32;
const QUOTE = 34;
const BACKSLASH = 92;

/** Whether the value at p is a string that has a rule as the name of a parameter, or that does not end. */
function namesParameter(at: number, end: number): boolean {
  let p = at;
  while (p < end && B[p] <= BLANK) p++;
  if (p >= end || B[p] !== QUOTE) return false;
  const from = ++p;
  while (p < end && B[p] !== QUOTE) p += B[p] === BACKSLASH ? 2 : 1;
  return p >= end || parameterRule(from, p, JSON_STRING) !== 0;
}
