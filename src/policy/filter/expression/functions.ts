/** Functions of texts and lists, written behind what they look at: request.path.startsWith("/api/"). docs/filters.md has the same table. */
import { bytes } from '../../../base/arena.ts';
import { type Cidr, isInAny, parseAddress, parseCidr } from '../../../base/cidr.ts';
import { patternFault } from '../../pattern.ts';
import { re2 } from '../../re2.ts';
import { bytesBegin, bytesEnd, textBytes } from '../byte-text.ts';
import { GLOB_BYTES_MAX, Glob } from '../glob.ts';
import { failuresOf, holds } from './search.ts';
import { ExpressionError } from './syntax.ts';
import { isList, nameOf, type Typed, type TypedBool, type TypedString } from './typed.ts';

const B = bytes;

/** What stands between the parentheses, and where; inside of a literal text, where its first character does. */
export interface Argument {
  readonly typed: Typed;
  readonly at: number;
  readonly textAt: number;
}

export interface TextFunction {
  readonly meaning: string;
  /** What the argument is, in words; "" for none. */
  readonly wanted: string;
  readonly compile: (object: TypedString, argument: Argument | null) => Typed;
}

function wrong(wanted: string, { typed, at }: Argument): ExpressionError {
  return new ExpressionError(`wanted: ${wanted}; this is ${nameOf(typed.type)}`, at);
}

function textOf(argument: Argument): TypedString {
  if (argument.typed.type !== 'string') throw wrong('a string', argument);
  return argument.typed;
}

function literalOf(argument: Argument, wanted: string): string {
  const { literal } = textOf(argument);
  if (literal === undefined) throw new ExpressionError(`wanted: ${wanted}, written here as a text in quotes`, argument.at);
  return literal;
}

/** A text in small letters never has a capital one: somebody meant something else. */
export function checkCase(variable: TypedString, literal: TypedString, at: number): void {
  if (variable.isLower && literal.literal !== undefined && /[A-Z]/.test(literal.literal)) {
    throw new ExpressionError(`wanted: small letters: ${variable.name ?? 'this text'} is always in small letters`, at);
  }
}

const bool = (get: TypedBool['get']): TypedBool => ({ type: 'bool', get });

function contains(object: TypedString, argument: Argument): Typed {
  const part = textOf(argument);
  checkCase(object, part, argument.at);
  const { get } = object;
  if (part.literal !== undefined) {
    const { literal } = part;
    const failures = failuresOf(literal);
    return bool((view) => holds(get(view), literal, failures));
  }
  return bool((view) => holds(get(view), part.get(view), null));
}

/** `startsWith` or `endsWith`. */
const edge =
  (atEnd: boolean) =>
  (object: TypedString, argument: Argument): Typed => {
    const part = textOf(argument);
    checkCase(object, part, argument.at);
    const { get, find, isLower = false } = object;
    if (find !== undefined && part.literal !== undefined) {
      const literal = textBytes(part.literal);
      const fits = atEnd ? bytesEnd : bytesBegin;
      return bool((view) => {
        find(view);
        return fits(view.at, view.end, literal, isLower);
      });
    }
    return bool(atEnd ? (view) => get(view).endsWith(part.get(view)) : (view) => get(view).startsWith(part.get(view)));
  };

function matches(object: TypedString, argument: Argument): Typed {
  const pattern = literalOf(argument, 'a regular expression of RE2');
  const fault = patternFault(pattern);
  if (fault !== null) throw new ExpressionError(fault.what, argument.textAt + fault.at);
  const compiled = re2().RE2JS.compile(pattern);
  const { get } = object;
  return bool((view) => compiled.test(get(view)));
}

function glob(object: TypedString, argument: Argument): Typed {
  const pattern = literalOf(argument, 'a pattern with asterisks');
  if (Buffer.byteLength(pattern) > GLOB_BYTES_MAX) throw new ExpressionError(`wanted: at most ${GLOB_BYTES_MAX} bytes`, argument.at);
  const isPath = object.name === 'request.path' || object.name === 'call.template';
  const compiled = new Glob(pattern, isPath ? 'path' : 'name');
  const { get, find } = object;
  if (find !== undefined) {
    return bool((view) => {
      find(view);
      return compiled.fits(B, view.at, view.end);
    });
  }
  return bool((view) => {
    const text = Buffer.from(get(view));
    return compiled.fits(text, 0, text.length);
  });
}

function inNetwork(object: TypedString, argument: Argument): Typed {
  const { typed } = argument;
  const texts = isList(typed) ? typed.literals : typed.type === 'string' && typed.literal !== undefined ? [typed.literal] : undefined;
  if (texts === undefined || texts.length === 0) throw wrong('"10.0.0.0/8", or a list of such texts', argument);
  const blocks = texts.map((text): Cidr => {
    const block = parseCidr(String(text));
    if (block === null) throw new ExpressionError(`${JSON.stringify(text)} is no address block; wanted: one as "10.0.0.0/8"`, argument.at);
    return block;
  });
  const { get, load } = object;
  if (load !== undefined) {
    return bool((view) => {
      load(view);
      return isInAny(blocks);
    });
  }
  return bool((view) => parseAddress(get(view)) && isInAny(blocks));
}

export const textFunctions: ReadonlyMap<string, TextFunction> = new Map(
  (
    [
      ['contains', 'Whether the other text stands in it.', 'a string', contains],
      ['startsWith', 'Whether it begins with the other text.', 'a string', edge(false)],
      ['endsWith', 'Whether it ends with the other text.', 'a string', edge(true)],
      [
        'matches',
        'Whether the regular expression fits any part of it. Syntax of RE2; ^ and $ for the whole.',
        'a regular expression',
        matches,
      ],
      [
        'glob',
        'Whether the pattern fits all of it: of request.path and call.template as in `paths`, of others as in `hosts`.',
        'a pattern',
        glob,
      ],
      ['inNetwork', 'Whether it is an address of that block, or of one of a list of blocks.', 'an address block', inNetwork],
    ] as const
  ).map(([name, meaning, wanted, compile]): [string, TextFunction] => [
    name,
    {
      meaning,
      wanted,
      compile: (object, argument) => compile(object, argument as Argument),
    },
  ]),
);

/** Of texts and lists, without an argument. */
export const plainFunctions: ReadonlyMap<string, { readonly meaning: string; readonly compile: (object: Typed) => Typed | null }> = new Map(
  [
    [
      'size',
      {
        meaning: 'Characters of a text (UTF-16 units), items of a list.',
        compile: (object: Typed): Typed | null => {
          if (object.type !== 'string' && !isList(object)) return null;
          const { get } = object;
          return { type: 'int', get: (view) => get(view).length };
        },
      },
    ],
    [
      'lower',
      {
        meaning: 'The text in small letters.',
        compile: (object: Typed): Typed | null => {
          if (object.type !== 'string') return null;
          const { get } = object;
          return { type: 'string', get: (view) => get(view).toLowerCase(), isLower: true };
        },
      },
    ],
  ],
);
