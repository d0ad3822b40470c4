/**
 * Regular expressions that users write: the syntax of RE2, whose matching takes linear time whatever the expression. What
 * cannot be compiled is told with its place; what is very large, or fits the empty text and so everything, is refused.
 *
 * Bounds: PATTERN_CHARACTERS_MAX, and PROGRAM_SIZE_MAX instructions of the compiled program: a{1000} in a few characters
 * would make matching a thousand times slower, though still linear.
 */
import { re2 } from './re2.ts';

export const PATTERN_CHARACTERS_MAX = 1000;
const PROGRAM_SIZE_MAX = 4000;

export interface PatternFault {
  readonly what: string;
  /** Character of the pattern. */
  readonly at: number;
}

/** What is wrong with a pattern; null when nothing is. */
export function patternFault(pattern: string): PatternFault | null {
  if (pattern.length > PATTERN_CHARACTERS_MAX) return { what: `wanted: at most ${PATTERN_CHARACTERS_MAX} characters`, at: 0 };
  try {
    const compiled = re2().RE2JS.compile(pattern);
    if (compiled.programSize() > PROGRAM_SIZE_MAX)
      return { what: 'it repeats too much: wanted: smaller counts in { }', at: countAt(pattern) };
    if (compiled.testExact('')) return { what: 'it fits the empty text, and so everything', at: 0 };
    return null;
  } catch (error) {
    if (!(error instanceof re2().RE2JSSyntaxException)) throw error;
    const what = `not in the syntax of RE2: ${error.error}`;
    if (error.error === 'missing closing )') return { what, at: parenthesisAt(pattern, true) };
    if (error.error === 'unexpected )') return { what, at: parenthesisAt(pattern, false) };
    if (error.input === null) return { what, at: Math.max(0, pattern.length - 1) };
    return { what, at: Math.max(0, pattern.lastIndexOf(error.input)) };
  }
}

/** The first count in braces. */
function countAt(pattern: string): number {
  return Math.max(0, pattern.search(/\{\d/));
}

/** The parenthesis without its other one: the last that was opened, or the first that closes nothing. */
function parenthesisAt(pattern: string, opened: boolean): number {
  const open: number[] = [];
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i];
    if (c === '\\') i++;
    else if (inClass) inClass = c !== ']' || i === 0;
    else if (c === '[') inClass = true;
    else if (c === '(') open.push(i);
    else if (c === ')' && open.pop() === undefined && !opened) return i;
  }
  return open.at(-1) ?? 0;
}
