import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lawSeed } from '../../../../test/support/run-pipeline.ts';
import { compileExpression } from './compile.ts';
import { parseExpression } from './parser.ts';
import { DEPTH_MAX, EXPRESSION_CHARACTERS_MAX, ExpressionError, type Node } from './syntax.ts';

/** What stands before a dot or a bracket. */
function owner(node: Node): string {
  return node.kind === 'unary' ? `(${written(node)})` : written(node);
}

/** The tree as text again, with every parenthesis. */
function written(node: Node): string {
  switch (node.kind) {
    case 'bool':
      return String(node.value);
    case 'int':
      return String(node.value);
    case 'double':
      return /[.e]/.test(String(node.value)) ? String(node.value) : `${node.value}.0`;
    case 'string':
      return JSON.stringify(node.value).replaceAll(/\\[bf]/g, (escaped) => (escaped === '\\b' ? '\\x08' : '\\x0c'));
    case 'list':
      return `[${node.items.map(written).join(', ')}]`;
    case 'name':
      return node.name;
    case 'member':
      return `${owner(node.object)}.${node.name}`;
    case 'index':
      return `${owner(node.object)}[${written(node.index)}]`;
    case 'call':
      return `${node.object === null ? '' : `${owner(node.object)}.`}${node.name}(${node.args.map(written).join(', ')})`;
    case 'unary':
      return `${node.operator}(${written(node.operand)})`;
    case 'binary':
      return `(${written(node.left)} ${node.operator} ${written(node.right)})`;
    case 'logic':
      return `(${node.items.map(written).join(` ${node.operator} `)})`;
    default:
      return `(${written(node.condition)} ? ${written(node.yes)} : ${written(node.no)})`;
  }
}

const read = (source: string): string => written(parseExpression(source));

test('what binds tighter', () => {
  assert.equal(read('a || b && c || !d'), '(a || (b && c) || !(d))');
  assert.equal(read('a + b * c - d % 2 == -1'), '(((a + (b * c)) - (d % 2)) == -(1))');
  assert.equal(read('a ? b : c ? d : e'), '(a ? b : (c ? d : e))');
  assert.equal(read('a in [1, 2] && b.c["x"].f(1).g() != ""'), '((a in [1, 2]) && (b.c["x"].f(1).g() != ""))');
  assert.equal(read('!a.b == c'), '(!(a.b) == c)');
  assert.equal(read('(a || b) && c'), '((a || b) && c)');
  assert.equal(read('a // says nothing\n  && b'), '(a && b)');
});

test('literals', () => {
  assert.equal(read(`"a\\"b\\\\c\\n\\x41\\u00e9" == 'it\\'s'`), '("a\\"b\\\\c\\nAé" == "it\'s")');
  assert.equal(read(String.raw`r"\d+\." == r'a"b'`), String.raw`("\\d+\\." == "a\"b")`);
  assert.equal(read('0x1f + 2.5 + 1e3 + 007'), '(((31 + 2.5) + 1000.0) + 7)');
});

/** The place that the arrow in the second line points at. */
function pointsAt(source: string, arrow: string, message: RegExp, act: (source: string) => unknown = parseExpression): void {
  assert.throws(
    () => act(source),
    (error) => {
      assert.ok(error instanceof ExpressionError, String(error));
      assert.equal(error.at, arrow.indexOf('^'), `${error.message}\n${source}\n${' '.repeat(error.at)}^`);
      assert.match(error.message, message);
      return true;
    },
  );
}

test('mistakes are told with their place', () => {
  pointsAt('', '^', /wanted: an expression/);
  pointsAt('a = b', '  ^', /wanted: ==/);
  pointsAt('a & b', '  ^', /wanted: &&/);
  pointsAt('a and b', '  ^', /wanted: &&/);
  pointsAt('a == null', '     ^', /no null/);
  pointsAt('(a || b', '       ^', /ends here; wanted: \) for the \( before/);
  pointsAt('a || b)', '      ^', /\) cannot stand here/);
  pointsAt('f(a b)', '    ^', /b cannot stand here; wanted: , or \)/);
  pointsAt('a < b < c', '      ^', /wanted: && between/);
  pointsAt('a == "x', '     ^', /no " at its end/);
  pointsAt('a == "x\\q"', '       ^', /wanted: \\\\/);
  pointsAt('a == 12ab', '     ^', /wanted: a number/);
  pointsAt('a == 99999999999999999', '     ^', /too large/);
  pointsAt('a ? b', '     ^', /wanted: : between/);
  pointsAt('a.', '  ^', /a name behind the dot/);
  pointsAt('a $ b', '  ^', /"\$" has no meaning/);
});

test('bounds: length and depth, without running out of stack', () => {
  const deep = (n: number, open: string, close = ''): string => `${open.repeat(n)}a${close.repeat(n)}`;
  for (const [open, close] of [
    ['(', ')'],
    ['!', ''],
    ['-', ''],
    ['[', ']'],
    ['f(', ')'],
    ['a?b:', ''],
    ['a+', ''],
    ['a[', ']'],
  ] as const) {
    assert.doesNotThrow(() => parseExpression(deep(DEPTH_MAX / 2 - 2, open, close)), open);
    assert.throws(() => parseExpression(deep(2000, open, close)), /within each other/, open);
  }
  assert.throws(() => parseExpression(`a${'.b'.repeat(2000)}`), /within each other/);
  assert.doesNotThrow(() => parseExpression(Array(1500).fill('a').join('&&')), 'a long list of conditions is not deep');
  assert.throws(() => parseExpression(`a${' '.repeat(EXPRESSION_CHARACTERS_MAX)}`), /at most 8192 characters/);
});

const leaf = fc.oneof(
  fc.constantFrom('a', 'request.path', 'true', 'response.status', 'request.headers["x"]'),
  fc.nat(10_000).map(String),
  fc.constantFrom('1.5', '2e10', '0x1F'),
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text).replaceAll(/\\[bf]/g, '\\t')),
);
const { expression } = fc.letrec<{ expression: string }>((tie) => {
  const inner = tie('expression');
  return {
    expression: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.tuple(inner, fc.constantFrom('||', '&&', '+', '-', '*', '/', '%'), inner).map(([a, o, b]) => `${a} ${o}${b}`),
      fc.tuple(inner, fc.constantFrom('==', '!=', '<=', '>', ' in '), inner).map(([a, o, b]) => `(${a}${o}${b})`),
      inner.map((a) => `!${a}`),
      fc.tuple(inner, inner, inner).map(([a, b, c]) => `(${a}?${b} : ${c})`),
      fc.array(inner, { minLength: 1, maxLength: 3 }).map((all) => `[${all.join(', ')}]`),
      fc.tuple(inner, inner).map(([a, b]) => `(${a}).contains(${b})`),
    ),
  };
});

test('what was read and is written again reads the same', () => {
  fc.assert(
    fc.property(expression, (source) => {
      const once = read(source);
      assert.equal(read(once), once, source);
    }),
    { numRuns: 2_000, seed: lawSeed() },
  );
});

test('any text is an expression or an ExpressionError within it, never anything else', () => {
  const pieces = fc.constantFrom(
    ...[
      'request',
      '.path',
      '.',
      '(',
      ')',
      '[',
      ']',
      '"',
      "'",
      'r"',
      '\\',
      '==',
      '&&',
      '||',
      '!',
      '-',
      '+',
      '?',
      ':',
      ',',
      ' in ',
      '1',
      '1.5',
    ],
    ...['0x', 'e9', '.matches(', '.glob("*")', 'has(', 'size(', 'request.headers["x"]', 'true', '//', '\n', 'é', '\u{1f600}', 'null', ' '],
  );
  const text = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.array(pieces, { maxLength: 25 }).map((all) => all.join('')),
    expression,
  );
  fc.assert(
    fc.property(text, (source) => {
      try {
        compileExpression(source);
      } catch (error) {
        assert.ok(error instanceof ExpressionError, `${source}: ${String(error)}`);
        assert.ok(error.at >= 0 && error.at <= source.length && error.message !== '', source);
      }
    }),
    { numRuns: 5_000, seed: lawSeed() },
  );
});
