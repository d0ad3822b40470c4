/** Finds what somebody meant who misspelt a name. */

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Letters to change, add, remove, or swap with the next one, to make one text of the other (optimal string alignment). */
export function distanceBetween(a: string, b: string): number {
  let before = [0];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    before = row;
    row = next;
  }
  return row[b.length];
}

/** The name that is nearest to `given`, or null when none is near. Case, hyphens and underscores do not count. */
export function nearest(given: string, names: readonly string[]): string | null {
  if (given.length > 64) return null;
  const wanted = plain(given);
  let best: string | null = null;
  let least = Math.floor(wanted.length / 3) + 1;
  for (const name of names) {
    const distance = distanceBetween(wanted, plain(name));
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}
