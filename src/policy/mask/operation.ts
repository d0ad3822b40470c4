/**
 * Names of operations. They are found in bodies, queries and headers as these are on the wire, because where masking takes a
 * whole document out its name may still be known. So each name is looked at by itself, as the value of a member or field that
 * is called so, and is masked where something is found in it.
 *
 * The report has no places for them: what they stand in is in it.
 */
import {
  O_FIRST,
  O_KEPT,
  O_PLACE,
  O_PROTOCOL,
  OPERATION_WORDS,
  operation,
  P_HASH,
  P_HASH_END,
  P_NAME,
  P_NAME_END,
} from '../../operation/operation.ts';
import { applyEdits, beginEdits, cutPlaces, hasEdits, notesOf, placesNoted } from './edits.ts';
import { resetField } from './field.ts';
import { inspectValue, nameRule } from './inspect.ts';
import { BODY, HEADER, place, QUERY } from './place.ts';
import type { FixedText } from './stack.ts';
import { HASH_NAME, HIDDEN_NAME, METHOD_NAME, OPERATION_NAME, SOAP_ACTION_NAME } from './stack.ts';
import { PLAIN } from './value.ts';

const O = operation;
const P = place;
/** By number of the place and of the protocol. */
const places = [BODY, QUERY, HEADER];
const names: readonly FixedText[] = [HIDDEN_NAME, OPERATION_NAME, METHOD_NAME, SOAP_ACTION_NAME];

/** Masks the names of the operation that was found; masked ones are written at `to`, up to `toEnd`. */
export function maskOperation(to: number, toEnd: number): void {
  let o = to;
  for (let i = 0; i < O[O_KEPT]; i++) {
    const w = O_FIRST + i * OPERATION_WORDS;
    o = maskName(w + P_NAME, w + P_NAME_END, names[O[O_PROTOCOL]], o, toEnd);
    o = maskName(w + P_HASH, w + P_HASH_END, HASH_NAME, o, toEnd);
  }
}

/** `first` and `last`: words that say where it lies. Returns the end of what was written. */
function maskName(first: number, last: number, name: FixedText, to: number, toEnd: number): number {
  const at = O[first];
  const end = O[last];
  if (end === at) return to;
  beginEdits();
  resetField();
  P[0] = places[O[O_PLACE]];
  inspectValue(at, end, PLAIN, nameRule(name.at, name.end));
  if (!hasEdits()) return to;
  const noted = placesNoted();
  const found = notesOf().found;
  const newEnd = applyEdits(at, end, to, toEnd);
  cutPlaces(noted, found);
  O[first] = newEnd < 0 ? HIDDEN_NAME.at : to;
  O[last] = newEnd < 0 ? HIDDEN_NAME.end : newEnd;
  return newEnd < 0 ? to : newEnd;
}
