/** Tables of text for a terminal or a pipe. */
import { shown } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand on the right. */
  readonly right?: boolean;
  /** Left out when the table is too wide; of several the highest goes first. */
  readonly spare?: number;
  /** Cut when the table is too wide, down to so many columns before any spare one goes; one column at most. */
  readonly elasticMin?: number;
  readonly paint?: (text: string, row: Row) => string;
}

const BETWEEN = '  ';
const CELL_MAX = 4096;

/**
 * The lines of a table with its titles, of at most `width` columns where that is possible. Cells may come off the wire:
 * control characters are replaced.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  title = (text: string): string => text,
): string[] {
  const cells = columns.map((column) => rows.map((row) => shown(column.cell(row), CELL_MAX)));
  const widths = columns.map((column, c) => Math.max(column.title.length, ...cells[c].map((cell) => cell.length)));
  let kept = columns.map((_, c) => c);
  const total = (): number => kept.reduce((sum, c) => sum + widths[c] + BETWEEN.length, -BETWEEN.length);
  const spares = kept.filter((c) => columns[c].spare !== undefined).sort((a, b) => (columns[b].spare ?? 0) - (columns[a].spare ?? 0));
  const elastic = columns.findIndex((column) => column.elasticMin !== undefined);
  const elasticMin = columns[elastic]?.elasticMin ?? 0;
  const tooMuch = (): number => total() - width - (elastic < 0 ? 0 : Math.max(0, widths[elastic] - elasticMin));
  for (const spare of spares) if (tooMuch() > 0) kept = kept.filter((c) => c !== spare);
  if (elastic >= 0 && total() > width) {
    widths[elastic] = Math.max(elasticMin, widths[elastic] - (total() - width));
  }
  const line = (text: (c: number) => string, paint: (text: string, c: number) => string): string =>
    kept
      .map((c) => {
        const cut = shown(text(c), widths[c]);
        // Nothing is filled up behind the last column, and no blank is painted.
        const space = ' '.repeat(widths[c] - cut.length);
        if (columns[c].right) return space + paint(cut, c);
        return paint(cut, c) + (c === kept.at(-1) ? '' : space);
      })
      .join(BETWEEN);
  return [
    line(
      (c) => columns[c].title,
      (text) => title(text),
    ),
    ...rows.map((row, r) =>
      line(
        (c) => cells[c][r],
        (text, c) => columns[c].paint?.(text, row) ?? text,
      ),
    ),
  ];
}
