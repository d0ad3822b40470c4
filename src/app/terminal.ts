/** How to write for the reader of a stream: colours on a terminal only, lines as wide as it is. */
import type { WriteStream } from 'node:tty';
import { createColors } from 'picocolors';

export type Colours = ReturnType<typeof createColors>;

const WIDTH_ELSEWHERE = 100;
const WIDTH_MIN = 60;
const WIDTH_MAX = 140;

/** Colours for that stream: none in a pipe or file, with NO_COLOR set, or on a terminal without them. */
export function coloursOf(stream: WriteStream): Colours {
  return createColors(stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb');
}

/** Columns to fill: those of the terminal within reason, 100 elsewhere. */
export function widthOf(stream: WriteStream): number {
  const columns = stream.isTTY === true ? stream.columns : WIDTH_ELSEWHERE;
  return Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, columns || WIDTH_ELSEWHERE));
}

/** What may be shown on a terminal, `width` characters of it at most: control characters replaced, a cut marked. */
export function shown(text: string, width: number): string {
  const out = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return out.length > width ? `${out.slice(0, width - 1)}…` : out;
}

/** A clause as a sentence: "the interface eth0 is switched off" gets its capital and its stop. */
export function sentence(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}${/[.!?]$/.test(clause) ? '' : '.'}`;
}

/** The items in lines of at most `width` columns, with commas between them. */
export function wrapped(items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  items.forEach((item, i) => {
    const piece = i < items.length - 1 ? `${item},` : item;
    if (line !== '' && line.length + 1 + piece.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? piece : `${line} ${piece}`;
  });
  if (line !== '') lines.push(line);
  return lines;
}

/** A text in lines of at most `width` columns, broken between words. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (last >= 0 && lines[last].length + 1 + word.length <= width) lines[last] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}
