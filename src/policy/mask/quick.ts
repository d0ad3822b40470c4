/**
 * The quick way through a call in which little or nothing is found: kernels (kernels/) pass what can hold nothing,
 * and what was seen before, and give only the rest to the walkers.
 *
 *   head   name known as ordinary? value clean, or known?   else the field is looked at as ever
 *   pairs  of forms, queries and cookies: the same, piece by piece
 *   path   the same, segment by segment
 *   JSON   the same, token by token; what is unusual in it, or a rule for an object: walked as ever, from its start
 *
 * A name is known when no rule stands for it and nothing was found in it. A value is known when it was looked at twice in the
 * same place with no rule kept off by its name, and held nothing. A value is clean when what detectors need is not there; which rules apply does not matter to
 * that, but none may have a pattern of its own: with such a rule, or without SIMD, nothing is quick.
 *
 * Bounds: NAME_SLOTS names, VALUE_SLOTS values; a newer one takes the slot of an older one.
 */
import { bytes, words } from '../../base/arena.ts';
import type { MaskingSpec } from '../spec.ts';
import { keyPairs } from './detectors/api-key.ts';
import { ibanLengths } from './detectors/iban.ts';
import { beginnings, firsts } from './detectors/numbers.ts';
import { quickKernels } from './kernels/kernels.ts';
import * as q from './kernels/tables.ts';
import { place } from './place.ts';

const B = bytes;
const W = words;
const P = place;
const kernels = quickKernels;
const { LASTS, LASTS_END, NAME_BYTES_MAX, NAME_SLOTS, NAMES, VALUE_SLOTS, VALUE_TEXTS, VALUES } = q;
const HASH = q.HASH >> 2;
const SLOT = q.SLOT >> 2;
const AMPERSAND = 38;
const SEMICOLON = 59;

/** Hashes of values that were looked at once. */
const noted = new Int32Array(VALUE_SLOTS);
let isOn = false;

/** New rules. */
export function resetQuick(spec: MaskingSpec): void {
  isOn = kernels !== null && spec.rules.every(({ pattern }) => pattern === '');
  B.fill(0, NAMES, VALUE_TEXTS);
  B.fill(0, LASTS, LASTS_END);
  noted.fill(0);
  W[q.FINDS_IP >> 2] = spec.rules.some(({ detector }) => detector === 'ip-address') ? 1 : 0;
  W[q.NUMBERS_ARE_NAMES >> 2] = spec.rules.some(({ fields }) => fields.some((field) => !/\p{L}/u.test(field))) ? 1 : 0;
  B.set(keyPairs, q.PAIRS);
  B.set(ibanLengths, q.COUNTRIES);
  W.set(beginnings, q.GROUPS >> 2);
  W.set(firsts, q.FIRSTS >> 2);
}

/** Whether [at, end), as it stands and without escapes, can hold nothing that any detector finds. */
export function isQuicklyClean(at: number, end: number): boolean {
  return isOn && kernels !== null && kernels.clean(at, end) === 1;
}

/** Whether the kernels are in use. */
export function isQuick(): boolean {
  return isOn;
}

/** The first of the fields from i on that has to be looked at; n when there is none. */
export function nextField(block: number, table: number, i: number, n: number): number {
  return isOn && kernels !== null && i < n ? kernels.head(block, table << 2, i, n, P[0]) : i;
}

/**
 * The first piece name=value of [at, end) that has to be looked at; `end` when there is none. `more` of the place: IN_FORM,
 * or IN_COOKIES.
 */
export function nextPair(at: number, end: number, more: number): number {
  W[SLOT] = 0;
  if (!isOn || kernels === null) return at;
  return kernels.pairs(at, end, P[0] | more, more === q.IN_COOKIES ? SEMICOLON : AMPERSAND);
}

/** The first segment of the path [at, end) that has to be looked at; `end` when there is none. Names in it have the place IN_PATH. */
export function nextSegment(at: number, end: number): number {
  return isOn && kernels !== null ? kernels.segments(at, end, P[0] | q.IN_PATH) : at;
}

/** What is known of the name of the pair at which `nextPair` stopped; 0: nothing. */
export function factsOfPair(): number {
  const slot = W[SLOT];
  return slot === 0 ? 0 : W[(slot >> 2) + 3];
}

/** What is known of a name: flags, kind of field and rule, as kernels/tables.ts has them. `more` of the place: of pairs. */
export function keepName(at: number, end: number, facts: number, more = 0): void {
  if (!isOn || kernels === null || end - at > NAME_BYTES_MAX || kernels.named(at, end, P[0] | more, 0) !== 0) return;
  const hash = W[HASH];
  if (hash === 0) return;
  let slot = hash & (NAME_SLOTS - 1);
  // The other one of two, when this one is in use; when both are, the hash says which goes.
  if (W[(NAMES >> 2) + 16 * slot] !== 0 && (W[(NAMES >> 2) + 16 * (slot ^ 1)] === 0 || (hash & (1 << 20)) !== 0)) slot ^= 1;
  const w = (NAMES >> 2) + 16 * slot;
  W[w] = hash;
  W[w + 1] = end - at;
  W[w + 2] = P[0] | more;
  W[w + 3] = facts | q.IS_KNOWN;
  B.copy(B, 4 * w + 16, at, end);
}

/** What is known of the name of field i, at which `nextField` stopped; 0: nothing. */
export function factsOfName(i: number, n: number): number {
  const slot = isOn && i < n ? W[SLOT] : 0;
  return slot === 0 ? 0 : W[(slot >> 2) + 3];
}

/** Nothing was found in the value: seen for the second time, it is passed from now on. `more` of the key: IN_JSON, IN_FORM, IN_COOKIES, or the kind of field. */
export function keepValue(at: number, end: number, more: number): void {
  if (!isOn || kernels === null) return;
  const key = P[0] | more;
  if (kernels.known(at, end, key) === 1) return;
  const hash = W[HASH];
  if (hash === 0) return;
  const i = hash & (VALUE_SLOTS - 1);
  if (noted[i] !== hash) {
    noted[i] = hash;
    return;
  }
  const w = (VALUES >> 2) + 4 * i;
  W[w] = hash;
  W[w + 1] = end - at;
  W[w + 2] = key;
  B.copy(B, VALUE_TEXTS + 256 * i, at, end);
}

/** Turns the quick way off, or on where it can be: what is found is the same. Tests compare. */
export function setQuick(on: boolean): void {
  isOn = on && kernels !== null;
}
