/**
 * Where a character of a value stands in the YAML that it was written in: quotes, escapes, folded lines and indentation
 * lie between the two. Of an expression in a rule file, the column of a mistake is found so.
 *
 *   when: "path == \"/a\" &&        character 13 of the value  path == "/a" && )
 *     )"                            stands in the second line
 */

type Style = 'PLAIN' | 'QUOTE_SINGLE' | 'QUOTE_DOUBLE' | 'BLOCK_LITERAL' | 'BLOCK_FOLDED';

/** Digits behind \x, \u and \U (YAML 1.2, 5.7). */
const escapeDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

const isBlank = (c: string): boolean => c === ' ' || c === '\t';
const isBreak = (c: string): boolean => c === '\n' || c === '\r';

/**
 * Offset in `text` of character `at` of the scalar that begins at `start` and means `value`. In a block whose indentation
 * cannot be told it is that of the line.
 */
export function offsetInScalar(text: string, start: number, style: string, value: string, at: number): number {
  const wanted = Math.min(at, value.length);
  switch (style as Style) {
    case 'QUOTE_SINGLE':
    case 'QUOTE_DOUBLE':
      return inFlow(text, start + 1, style === 'QUOTE_DOUBLE', style === 'QUOTE_SINGLE', wanted);
    case 'BLOCK_LITERAL':
    case 'BLOCK_FOLDED':
      return inBlock(text, start, value, wanted);
    default:
      return inFlow(text, start, false, false, wanted);
  }
}

/** A line break between two lines is one blank, each further one a line feed; blanks around it are nothing (YAML 1.2, 6.5). */
function inFlow(text: string, start: number, isDouble: boolean, isSingle: boolean, at: number): number {
  let s = start;
  let v = 0;
  while (v < at && s < text.length) {
    const c = text[s];
    if (isBlank(c) || isBreak(c)) {
      let end = s;
      let breaks = 0;
      for (; end < text.length && (isBlank(text[end]) || isBreak(text[end])); end++) if (text[end] === '\n') breaks++;
      if (breaks === 0) {
        s++;
        v++;
      } else {
        v += breaks === 1 ? 1 : breaks - 1;
        if (v > at) return s;
        s = end;
      }
    } else if (isDouble && c === '\\') {
      const letter = text[s + 1];
      if (isBreak(letter)) {
        // An escaped line break stands for nothing, with the blanks behind it.
        for (s += 1; s < text.length && (isBlank(text[s]) || isBreak(text[s])); ) s++;
      } else {
        const digits = escapeDigits[letter] ?? 0;
        v += digits === 8 && Number.parseInt(text.slice(s + 2, s + 10), 16) > 0xffff ? 2 : 1;
        s += 2 + digits;
      }
    } else {
      s += isSingle && c === "'" ? 2 : 1;
      v++;
    }
  }
  return s;
}

function inBlock(text: string, start: number, value: string, at: number): number {
  let s = nextLine(text, start);
  const indent = indentOf(text, s, value);
  let v = 0;
  s = skipBlanks(text, s, indent);
  while (v < at && s < text.length) {
    if (!isBreak(text[s])) {
      s++;
      v++;
      continue;
    }
    // Breaks in the source, against what is left of them in the value.
    let kept = 0;
    if (value[v] === ' ') kept = 1;
    else while (value[v + kept] === '\n') kept++;
    const lineEnd = s;
    while (s < text.length && isBreak(text[s])) {
      s = nextLine(text, s);
      s = skipBlanks(text, s, indent);
    }
    if (kept === 0 || v + kept > at) return lineEnd;
    v += kept;
  }
  return s;
}

function nextLine(text: string, at: number): number {
  const feed = text.indexOf('\n', at);
  return feed < 0 ? text.length : feed + 1;
}

function skipBlanks(text: string, at: number, most: number): number {
  let s = at;
  while (s < text.length && s - at < most && text[s] === ' ') s++;
  return s;
}

/** The first line with something in it has this many blanks more than in the value. */
function indentOf(text: string, at: number, value: string): number {
  let s = at;
  while (s < text.length) {
    const end = nextLine(text, s);
    const line = text.slice(s, end).trimEnd();
    if (line !== '') {
      const first = value.split('\n').find((own) => own.trim() !== '') ?? '';
      return Math.max(0, leading(line) - leading(first));
    }
    s = end;
  }
  return 0;
}

function leading(line: string): number {
  return line.length - line.trimStart().length;
}
