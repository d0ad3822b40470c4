/**
 * A name that contains, joined, the letters and digits of no field fits none: an automaton over all fields (Aho and Corasick,
 * 1975) finds that out in one pass over its bytes. Most names that were never seen before end here, and no string is made.
 *
 *   X-Forwarded-Host  ->  xforwardedhost      contains no "password", "apikey", ...
 *   card2Number       ->  card2number, and cardnumber: digits between words may be left out
 */
import { bytes } from '../../base/arena.ts';

const B = bytes;
const SYMBOLS = 36;
const FIRST_DIGIT = 26;
const SEPARATOR = 254;
/** Beyond ASCII: case is not a matter of one byte there. */
const BEYOND = 255;
const symbolOf = new Uint8Array(256).fill(SEPARATOR);
for (let i = 0; i < 26; i++) symbolOf[65 + i] = symbolOf[97 + i] = i;
for (let i = 0; i < 10; i++) symbolOf[48 + i] = 26 + i;
for (let c = 128; c < 256; c++) symbolOf[c] = BEYOND;
let automaton = new Int32Array(SYMBOLS);
let isEnd = new Uint8Array(1);

/** Takes the fields: words joined, in lower case. */
export function buildAutomaton(texts: readonly string[]): void {
  const rows: Int32Array[] = [new Int32Array(SYMBOLS)];
  const ends: number[] = [0];
  for (const text of texts) {
    let state = 0;
    for (const c of Buffer.from(text)) {
      const symbol = symbolOf[c];
      // Of a field beyond ASCII the part before stands for it.
      if (symbol >= SYMBOLS) break;
      if (rows[state][symbol] === 0) {
        rows[state][symbol] = rows.push(new Int32Array(SYMBOLS)) - 1;
        ends.push(0);
      }
      state = rows[state][symbol];
    }
    if (state !== 0) ends[state] = 1;
  }
  // Breadth first: where a state has no way on, that of its longest proper suffix is its own.
  const suffix = new Int32Array(rows.length);
  const queue = [0];
  for (const state of queue)
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      const next = rows[state][symbol];
      const other = state === 0 ? 0 : rows[suffix[state]][symbol];
      if (next === 0) {
        rows[state][symbol] = other;
        continue;
      }
      suffix[next] = other;
      ends[next] |= ends[other];
      queue.push(next);
    }
  automaton = new Int32Array(SYMBOLS * rows.length);
  for (const [i, row] of rows.entries()) automaton.set(row, SYMBOLS * i);
  isEnd = Uint8Array.from(ends);
}

/** Whether a field may fit the name. */
export function mayFit(at: number, end: number): boolean {
  let state = 0;
  let hasDigits = false;
  for (let i = at; i < end; i++) {
    const symbol = symbolOf[B[i]];
    if (symbol === SEPARATOR) continue;
    if (symbol === BEYOND) return true;
    if (symbol >= FIRST_DIGIT) hasDigits = true;
    state = automaton[state * SYMBOLS + symbol];
    if (isEnd[state] !== 0) return true;
  }
  return hasDigits && mayFitWithoutDigits(at, end);
}

function mayFitWithoutDigits(at: number, end: number): boolean {
  let state = 0;
  for (let i = at; i < end; i++) {
    const symbol = symbolOf[B[i]];
    if (symbol >= FIRST_DIGIT) continue;
    state = automaton[state * SYMBOLS + symbol];
    if (isEnd[state] !== 0) return true;
  }
  return false;
}
