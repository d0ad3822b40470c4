/** Counters in words: rows of items, for the summary of a read and for `earshot stats`. */
import { type Colours, wrapped } from './terminal.ts';

export type Counters = Readonly<Record<string, number>>;
/** A name and its items. */
export type Row = readonly [name: string, items: readonly string[]];

const NAME_COLUMNS = 9;

/** Reason and value of each counter `name{reason}` that is not 0, the largest first. */
export function reasons(counters: Counters, name: string): [string, number][] {
  return Object.entries(counters)
    .filter(([counter, n]) => n > 0 && counter.startsWith(`${name}{`))
    .map(([counter, n]): [string, number] => [counter.slice(name.length + 1, -1), n])
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** Rows under a title, as lines of `earshot stats`; none without rows. */
export function rowLines(title: string, rows: readonly Row[], { columns, colours }: { columns: number; colours: Colours }): string[] {
  const lines: string[] = [];
  for (const [name, items] of rows) {
    wrapped(items, columns - NAME_COLUMNS - 2).forEach((line, i) => {
      lines.push(`  ${(i === 0 ? name : '').padEnd(NAME_COLUMNS)}${line}`);
    });
  }
  return lines.length === 0 ? [] : [colours.bold(title), ...lines];
}
