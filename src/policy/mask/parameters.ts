/**
 * Lists of parameters: what stands under "value" has the name that stands under "name" beside it.
 *
 *   {"name":"User Password","value":"x"}    <Name>/prod/db/password</Name><Value>x</Value>    {k: "pin", v: "x"}
 *
 * A name with blanks may be a title as well. It counts when it ends in what has a rule: "User Password" and "Credit Card
 * Number (new)" do, "Password manager" does not.
 *
 * Bounds: names of LABEL_BYTES_MAX bytes; of those with blanks the last LABEL_WORDS_MAX words.
 */
import { bytes } from '../../base/arena.ts';
import { nameRuleIn } from './inspect.ts';

const B = bytes;
const LABEL_BYTES_MAX = 1024;
const LABEL_WORDS_MAX = 6;
const OPEN_PARENTHESIS = 40;

/** `name`, `key`, `k` or `field`, and `path` as patches have it (RFC 6902), whatever its case. */
export function isKeyName(at: number, end: number): boolean {
  const first = B[at] | 32;
  switch (end - at) {
    case 1:
      return first === 107;
    case 3:
      return first === 107 && (B[at + 1] | 32) === 101 && (B[at + 2] | 32) === 121;
    case 4:
      if (first === 112) return (B[at + 1] | 32) === 97 && (B[at + 2] | 32) === 116 && (B[at + 3] | 32) === 104;
      return first === 110 && (B[at + 1] | 32) === 97 && (B[at + 2] | 32) === 109 && (B[at + 3] | 32) === 101;
    case 5:
      return first === 102 && (B[at + 1] | 32) === 105 && (B[at + 2] | 32) === 101 && (B[at + 3] | 32) === 108 && (B[at + 4] | 32) === 100;
    default:
      return false;
  }
}

const valueNames: readonly Buffer[] = ['value', 'values', 'val', 'v', 'content'].map((w) => Buffer.from(w));

/** What the value of a parameter stands under, whatever its case. */
export function isValueName(at: number, end: number): boolean {
  const first = B[at] | 32;
  if (end - at > 7 || (first !== 118 && first !== 99)) return false;
  for (const name of valueNames) {
    if (name.length !== end - at) continue;
    let i = 1;
    while (i < name.length && name[i] === (B[at + i] | 32)) i++;
    if (i === name.length && name[0] === first) return true;
  }
  return false;
}

/** The rule of what the parameter of this name holds, 0 for none; the name stands in a form. */
export function parameterRule(at: number, end: number, form: number): number {
  let from = at;
  let to = end;
  while (from < to && B[from] <= 32) from++;
  while (to > from && B[to - 1] <= 32) to--;
  if (from === to || to - from > LABEL_BYTES_MAX) return 0;
  for (let p = from; p < to; p++) if (B[p] <= 32) return nameRuleIn(from, to, form) === 0 ? 0 : labelRule(from, to, form);
  return nameRuleIn(from, to, form);
}

/** The rule of what a name with blanks ends in: of its last words, when they have none without the very last. */
function labelRule(at: number, end: number, form: number): number {
  const to = labelEnd(at, end);
  const last = wordStart(at, to);
  let beforeLast = last;
  while (beforeLast > at && B[beforeLast - 1] <= 32) beforeLast--;
  let p = last;
  for (let n = 0; n < LABEL_WORDS_MAX && p < to; n++) {
    const rule = nameRuleIn(p, to, form);
    if (rule !== 0 && (p === last || nameRuleIn(p, beforeLast, form) === 0)) return rule;
    if (p === at) return 0;
    p--;
    while (p > at && B[p] <= 32) p--;
    p = wordStart(at, p + 1);
  }
  return 0;
}

/** Without a remark in parentheses, and signs: `Password (again): *`. */
function labelEnd(at: number, end: number): number {
  let to = at + 1;
  while (to < end && !(B[to] === OPEN_PARENTHESIS && B[to - 1] <= 32)) to++;
  while (to > at && !isWordByte(B[to - 1])) to--;
  return to;
}

function wordStart(at: number, end: number): number {
  let p = end;
  while (p > at && B[p - 1] > 32) p--;
  return p;
}

function isWordByte(c: number): boolean {
  const lower = c | 32;
  return (lower >= 97 && lower <= 122) || (c >= 48 && c <= 57) || c >= 128;
}
