/** The row of the call that is being masked, as it was on the wire: masking points it to copies for a while. One call at a time. */
import * as t from '../../http/transaction.ts';

const K = t.calls;
/** Both sides of the call, REQUEST first. */
const SIDES_WORDS = 32;
const FORWARDED_FOR = SIDES_WORDS;

/** A word of a side lies where it does in the row, counted from REQUEST. */
export const savedRow: Int32Array = new Int32Array(SIDES_WORDS + 1);
const S = savedRow;

/** `k` is the row of the call in `calls`. */
export function saveRow(k: number): void {
  const first = k + t.REQUEST;
  for (let i = 0; i < SIDES_WORDS; i++) S[i] = K[first + i];
  S[FORWARDED_FOR] = K[k + t.C_FORWARDED_FOR];
}

export function restoreRow(k: number): void {
  const first = k + t.REQUEST;
  for (let i = 0; i < SIDES_WORDS; i++) K[first + i] = S[i];
  K[k + t.C_FORWARDED_FOR] = S[FORWARDED_FOR];
}
