/**
 * Counters: named cells of one Float64Array. A stage asks once, at load, for the index of a name and then
 * increments an array element. Names are `<noun>.<what>` or `<noun>.<what>{<reason>}`; base/ledger.ts says
 * which of them must balance.
 */
const CELLS_MAX = 4096;
/** The values, by index. Exact up to 2^53. */
export const counts: Float64Array = new Float64Array(CELLS_MAX);
const names: string[] = [];

/** The index of the counter of that name, made when it is new. Not for the hot path. */
export function counter(name: string): number {
  let i = names.indexOf(name);
  if (i < 0) {
    i = names.length;
    if (i === CELLS_MAX) throw new Error(`counters: more than ${CELLS_MAX} names`);
    names.push(name);
  }
  return i;
}

/** The value of the counter of that name; 0 when nobody made it. */
export function countOf(name: string): number {
  const i = names.indexOf(name);
  return i < 0 ? 0 : counts[i];
}

/** Sum of a counter over all its reasons: `name` itself and every `name{reason}`. */
export function sumOf(name: string): number {
  let sum = 0;
  for (let i = 0; i < names.length; i++) if (names[i] === name || names[i].startsWith(`${name}{`)) sum += counts[i];
  return sum;
}

/** Name and value of every counter that is not zero, in order of making. */
export function countsByName(): [string, number][] {
  return names.map((name, i): [string, number] => [name, counts[i]]).filter(([, n]) => n !== 0);
}

export function resetCounters(): void {
  counts.fill(0);
}
