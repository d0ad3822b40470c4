/**
 * Words of an expression. One walk over its characters; white space and what stands behind // up to the end of the line
 * means nothing.
 *
 *   request.status >= 500 && !request.path.startsWith("/internal")
 *   name   . name  op int op op name ...                string
 */
import { ExpressionError } from './syntax.ts';

export type TokenKind = 'name' | 'int' | 'double' | 'string' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Of names and operators: as they stand. Of strings: without quotes, escapes undone. */
  readonly text: string;
  readonly value: number;
  readonly at: number;
  readonly end: number;
}

const operators = [
  '||',
  '&&',
  '==',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
  '!',
  '+',
  '-',
  '*',
  '/',
  '%',
  '?',
  ':',
  '(',
  ')',
  '[',
  ']',
  '.',
  ',',
] as const;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', '"': '"', "'": "'" };

/** All words, "end" last. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at = behindBlanks(source, at);
    if (at === source.length) {
      tokens.push({ kind: 'end', text: '', value: 0, at, end: at });
      return tokens;
    }
    const token = tokenAt(source, at);
    tokens.push(token);
    at = token.end;
  }
}

function behindBlanks(source: string, from: number): number {
  let at = from;
  for (;;) {
    while (at < source.length && ' \t\r\n'.includes(source[at])) at++;
    if (!source.startsWith('//', at)) return at;
    while (at < source.length && source[at] !== '\n') at++;
  }
}

function tokenAt(source: string, at: number): Token {
  const c = source[at];
  if (c === '"' || c === "'") return stringAt(source, at, at, false);
  if ((c === 'r' || c === 'R') && (source[at + 1] === '"' || source[at + 1] === "'")) return stringAt(source, at, at + 1, true);
  if (/[A-Za-z_]/.test(c)) {
    let end = at + 1;
    while (end < source.length && /[A-Za-z0-9_]/.test(source[end])) end++;
    return { kind: 'name', text: source.slice(at, end), value: 0, at, end };
  }
  if (/[0-9]/.test(c)) return numberAt(source, at);
  for (const text of operators) if (source.startsWith(text, at)) return { kind: 'operator', text, value: 0, at, end: at + text.length };
  if (c === '=') throw new ExpressionError('wanted: == to compare; there is no assignment', at);
  if (c === '&' || c === '|') throw new ExpressionError(`wanted: ${c}${c}`, at);
  throw new ExpressionError(`${JSON.stringify(String.fromCodePoint(source.codePointAt(at) ?? 0))} has no meaning here`, at);
}

const numbers = /0[xX][0-9a-fA-F]+|[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;

function numberAt(source: string, at: number): Token {
  numbers.lastIndex = at;
  const [text, fraction, exponent] = numbers.exec(source) ?? [''];
  const end = at + text.length;
  if (end < source.length && /[A-Za-z0-9_]/.test(source[end])) {
    throw new ExpressionError('wanted: a number as 17, 0x11, 2.5 or 1e3', at);
  }
  const value = Number(text);
  const kind = fraction === undefined && exponent === undefined ? 'int' : 'double';
  if (!Number.isFinite(value) || (kind === 'int' && !Number.isSafeInteger(value))) throw new ExpressionError('the number is too large', at);
  return { kind, text, value, at, end };
}

function stringAt(source: string, at: number, quoteAt: number, raw: boolean): Token {
  const quote = source[quoteAt];
  let text = '';
  let p = quoteAt + 1;
  for (;;) {
    if (p >= source.length || source[p] === '\n') throw new ExpressionError(`the text that begins here has no ${quote} at its end`, at);
    const c = source[p];
    if (c === quote) return { kind: 'string', text, value: 0, at, end: p + 1 };
    if (c !== '\\' || raw) {
      text += c;
      p++;
      continue;
    }
    const plain = escapes[source[p + 1] ?? ''];
    if (plain !== undefined) {
      text += plain;
      p += 2;
      continue;
    }
    const code = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(source.slice(p, p + 6));
    if (code === null) {
      throw new ExpressionError('wanted: \\\\ \\" \\\' \\n \\r \\t \\xHH or \\uHHHH; in r"..." a backslash stands for itself', p);
    }
    text += String.fromCharCode(Number.parseInt(code[1] ?? code[2], 16));
    p += code[0].length;
  }
}
