/**
 * Expressions: text -> words -> tree -> types -> closures, once; then a call costs what its comparisons cost, linear in the
 * length of what they look at. A subset of the Common Expression Language (CEL), described in docs/filters.md.
 *
 * Different from CEL: ints and doubles may be compared and calculated with each other; nothing fails while it runs
 * (expression/typed.ts); regular expressions, patterns and header names must stand in the expression.
 *
 * Bounds: those of the parser, and TEXTS_ADDED_MAX additions of texts, so that what is made stays in proportion to the call.
 */
import { nearest } from '../../../base/nearest.ts';
import { type CallView, fieldName } from '../../call-view.ts';
import { bytesAre, TextSet, textBytes } from '../byte-text.ts';
import { type Argument, checkCase, plainFunctions, textFunctions } from './functions.ts';
import { parseExpression } from './parser.ts';
import { type Arithmetic, ExpressionError, type Node, type Relation } from './syntax.ts';
import {
  isList,
  isNumber,
  nameOf,
  type Typed,
  type TypedBool,
  type TypedHeaders,
  type TypedList,
  type TypedNumber,
  type TypedString,
} from './typed.ts';
import { variables } from './variables.ts';

const TEXTS_ADDED_MAX = 16;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

type Of<K extends Node['kind']> = Extract<Node, { kind: K }>;

const bool = (get: TypedBool['get']): TypedBool => ({ type: 'bool', get });

/** The condition that an expression is. Throws an ExpressionError that says where and what is wanted. */
export function compileExpression(source: string): (view: CallView) => boolean {
  const tree = parseExpression(source);
  return new Compiler(source).condition(tree, 'the whole expression');
}

class Compiler {
  readonly #source: string;
  #textsAdded = 0;

  constructor(source: string) {
    this.#source = source;
  }

  condition(node: Node, what: string): TypedBool['get'] {
    const typed = this.#typed(node);
    if (typed.type === 'bool') return typed.get;
    const hint = typed.type === 'string' ? ': compare it, as with != ""' : isNumber(typed) ? ': compare it, as with > 0' : '';
    throw new ExpressionError(`wanted: true or false for ${what}; this is ${nameOf(typed.type)}${hint}`, node.at);
  }

  #typed(node: Node): Typed {
    switch (node.kind) {
      case 'bool': {
        const { value } = node;
        return bool(() => value);
      }
      case 'int':
      case 'double': {
        const { kind, value } = node;
        return { type: kind, get: () => value, literal: value };
      }
      case 'string': {
        const { value } = node;
        return { type: 'string', get: () => value, literal: value };
      }
      case 'list':
        return this.#list(node);
      case 'name':
      case 'member':
        return this.#variable(node);
      case 'index':
        return this.#header(node);
      case 'call':
        return this.#call(node);
      case 'unary':
        return this.#unary(node);
      case 'logic':
        return this.#logic(node);
      case 'choice':
        return this.#choice(node);
      default:
        return this.#binary(node);
    }
  }

  #list({ items, at }: Of<'list'>): Typed {
    if (items.length === 0) throw new ExpressionError('wanted: at least one item in the list', at);
    const all = items.map((item) => this.#typed(item));
    const [first] = all;
    const isNumbers = all.every(isNumber);
    all.forEach((typed, i) => {
      if (typed.type === 'headers' || isList(typed)) throw new ExpressionError('wanted: an item that is no list', items[i].at);
      if (typed.type !== first.type && !isNumbers) {
        throw new ExpressionError(`wanted: ${nameOf(first.type)} as the items before; this is ${nameOf(typed.type)}`, items[i].at);
      }
    });
    const type = isNumbers && all.some((typed) => typed.type === 'double') ? 'double' : first.type;
    const gets = all.map((typed) => (typed as TypedString | TypedNumber | TypedBool).get);
    const literals = all.map((typed) => ('literal' in typed ? typed.literal : undefined)).filter((literal) => literal !== undefined);
    return {
      type: `list of ${type}` as TypedList['type'],
      get: (view) => gets.map((get) => get(view)),
      ...(literals.length === all.length ? { literals } : {}),
    };
  }

  #variable(node: Of<'name' | 'member'>): Typed {
    const name = dotted(node);
    const known = name === null ? undefined : variables.get(name);
    if (known !== undefined) return known.typed;
    const at = node.kind === 'name' ? node.at : node.nameAt;
    if (name === null) return this.#noMember(node as Of<'member'>);
    const owner = node.kind === 'member' ? dotted(node.object) : null;
    const ownerType = owner === null ? undefined : variables.get(owner)?.typed;
    if (ownerType?.type === 'headers') throw new ExpressionError(`wanted: ${owner}["${name.slice(name.lastIndexOf('.') + 1)}"]`, at);
    if (ownerType !== undefined) return this.#noMember(node as Of<'member'>);
    const names = [...variables.keys()];
    const below = names.filter((other) => other.startsWith(`${name}.`));
    if (below.length > 0) throw new ExpressionError(`${name} is no value; wanted: one of its members, as ${below[0]}`, node.at);
    // The right member of the wrong message is nearer than any misspelling.
    const near = names.find((other) => other.endsWith(`.${name.slice(name.lastIndexOf('.') + 1)}`)) ?? nearest(name, names);
    const isOwned = owner !== null && names.some((other) => other.startsWith(`${owner}.`));
    throw new ExpressionError(
      `there is no variable ${name}${near === null ? '' : `. Did you mean ${near}?`}`,
      node.kind === 'member' && !isOwned ? node.at : at,
    );
  }

  #noMember(node: Of<'member'>): never {
    const typed = this.#typed(node.object);
    const isFunction = textFunctions.has(node.name) || plainFunctions.has(node.name);
    throw new ExpressionError(
      isFunction ? `wanted: parentheses behind ${node.name}` : `${nameOf(typed.type)} has no member ${node.name}`,
      node.nameAt,
    );
  }

  /** request.headers["x"] */
  #header(node: Of<'index'>): Typed {
    const [headers, name] = this.#field(node);
    const { side } = headers;
    return { type: 'string', get: (view) => view.header(side, name) };
  }

  #field({ object, index }: Of<'index'>): [TypedHeaders, ReturnType<typeof fieldName>] {
    const typed = this.#typed(object);
    if (typed.type !== 'headers') {
      throw new ExpressionError(
        `only headers have members by name, as request.headers["accept"]; this is ${nameOf(typed.type)}`,
        object.at,
      );
    }
    return [typed, fieldName(this.#headerName(index))];
  }

  #headerName(node: Node): string {
    if (node.kind !== 'string') throw new ExpressionError('wanted: the name of a header, written here in quotes', node.at);
    if (!HEADER_NAME.test(node.value)) throw new ExpressionError('this is no name of a header', node.at);
    return node.value;
  }

  #call(node: Of<'call'>): Typed {
    const { object, name, args, nameAt } = node;
    if (object === null) {
      if (name === 'has') return this.#has(node);
      if (name !== 'size') throw this.#noFunction(name, nameAt, ['has', 'size'], textFunctions.has(name) || plainFunctions.has(name));
      if (args.length !== 1) throw new ExpressionError('wanted: size(x), with one text or list', nameAt);
      return this.#plain('size', args[0], nameAt);
    }
    const plain = plainFunctions.get(name);
    if (plain !== undefined) {
      if (args.length > 0) throw new ExpressionError(`wanted: nothing between the parentheses of ${name}`, args[0].at);
      return this.#plain(name, object, nameAt);
    }
    const own = textFunctions.get(name);
    if (own === undefined) throw this.#noFunction(name, nameAt, [...textFunctions.keys(), ...plainFunctions.keys()], false);
    const typed = this.#typed(object);
    if (typed.type !== 'string') throw new ExpressionError(`${name} looks at a string; this is ${nameOf(typed.type)}`, object.at);
    if (args.length !== 1) throw new ExpressionError(`wanted: ${own.wanted} between the parentheses of ${name}`, nameAt);
    return own.compile(typed, this.#argument(args[0]));
  }

  #noFunction(name: string, at: number, names: readonly string[], isMember: boolean): ExpressionError {
    if (isMember) return new ExpressionError(`wanted: x.${name}(...): it stands behind what it looks at`, at);
    const near = nearest(name, names);
    return new ExpressionError(`there is no function ${name}${near === null ? '' : `. Did you mean ${near}?`}`, at);
  }

  #argument(node: Node): Argument {
    // Escapes make a text longer than what it says; then a place in it is not known.
    const inside = this.#source.indexOf(node.kind === 'string' ? node.value : '', node.at + 1);
    const isPlain = node.kind === 'string' && inside >= 0 && inside + node.value.length < node.end;
    return { typed: this.#typed(node), at: node.at, textAt: isPlain ? inside : node.at };
  }

  #plain(name: string, node: Node, nameAt: number): Typed {
    const typed = this.#typed(node);
    const compiled = plainFunctions.get(name)?.compile(typed) ?? null;
    if (compiled === null) throw new ExpressionError(`${name} does not look at ${nameOf(typed.type)}`, nameAt);
    return compiled;
  }

  #has({ args, nameAt }: Of<'call'>): Typed {
    const [arg] = args;
    if (args.length !== 1 || arg.kind !== 'index')
      throw new ExpressionError('wanted: a header, as has(request.headers["x-debug"])', nameAt);
    const [{ side }, name] = this.#field(arg);
    return bool((view) => view.findField(side, name) >= 0);
  }

  #unary({ operator, operand, at }: Of<'unary'>): Typed {
    if (operator === '!') {
      const get = this.condition(operand, '!');
      return bool((view) => !get(view));
    }
    const typed = this.#typed(operand);
    if (!isNumber(typed)) throw new ExpressionError(`wanted: a number behind -; this is ${nameOf(typed.type)}`, at);
    const { get, literal } = typed;
    return { type: typed.type, get: (view) => -get(view), ...(literal === undefined ? {} : { literal: -literal }) };
  }

  #logic({ operator, items }: Of<'logic'>): Typed {
    const gets = items.map((item) => this.condition(item, operator));
    const [a, b] = gets;
    if (gets.length === 2) return bool(operator === '&&' ? (view) => a(view) && b(view) : (view) => a(view) || b(view));
    const stop = operator === '||';
    return bool((view) => {
      for (let i = 0; i < gets.length; i++) if (gets[i](view) === stop) return stop;
      return !stop;
    });
  }

  #choice({ condition, yes, no }: Of<'choice'>): Typed {
    const when = this.condition(condition, 'what stands before ?');
    const a = this.#typed(yes);
    const b = this.#typed(no);
    if (isNumber(a) && isNumber(b)) {
      return { type: a.type === b.type ? a.type : 'double', get: (view) => (when(view) ? a.get(view) : b.get(view)) };
    }
    if (a.type === 'bool' && b.type === 'bool') return bool((view) => (when(view) ? a.get(view) : b.get(view)));
    if (a.type === 'string' && b.type === 'string') return { type: 'string', get: (view) => (when(view) ? a.get(view) : b.get(view)) };
    throw new ExpressionError(
      a.type === b.type
        ? `wanted: single values, not ${nameOf(a.type)}`
        : `wanted: ${nameOf(a.type)} as before the colon; this is ${nameOf(b.type)}`,
      no.at,
    );
  }

  #binary(node: Of<'binary'>): Typed {
    const { operator, left, right } = node;
    if (operator === 'in') return this.#in(node);
    const a = this.#typed(left);
    const b = this.#typed(right);
    if (operator === '==' || operator === '!=') return this.#equal(node, a, b);
    if (operator === '<' || operator === '<=' || operator === '>' || operator === '>=') return this.#compare(node, a, b);
    return this.#calculate(node, a, b, operator);
  }

  #mismatch({ operator, right }: Of<'binary'>, a: Typed, b: Typed): ExpressionError {
    return new ExpressionError(
      `${operator} wants the same on both sides: ${nameOf(a.type)} stands before it, ${nameOf(b.type)} behind it`,
      right.at,
    );
  }

  #equal(node: Of<'binary'>, a: Typed, b: Typed): Typed {
    const isSame = node.operator === '==';
    if (isNumber(a) && isNumber(b)) {
      return bool(isSame ? (view) => a.get(view) === b.get(view) : (view) => a.get(view) !== b.get(view));
    }
    if (a.type === 'bool' && b.type === 'bool') return bool((view) => (a.get(view) === b.get(view)) === isSame);
    if (a.type !== 'string' || b.type !== 'string') {
      if (a.type !== b.type) throw this.#mismatch(node, a, b);
      throw new ExpressionError(
        `${node.operator} does not compare ${a.type === 'headers' ? 'headers' : 'lists'}; wanted: in`,
        node.operatorAt,
      );
    }
    checkCase(a, b, node.right.at);
    checkCase(b, a, node.left.at);
    const [variable, literal] = a.literal === undefined ? [a, b.literal] : [b, a.literal];
    const { find, isLower = false } = variable;
    if (find !== undefined && literal !== undefined) {
      const wanted = textBytes(literal);
      return bool((view) => {
        find(view);
        return bytesAre(view.at, view.end, wanted, isLower) === isSame;
      });
    }
    return bool((view) => (a.get(view) === b.get(view)) === isSame);
  }

  #compare(node: Of<'binary'>, a: Typed, b: Typed): Typed {
    if (a.type === 'string' && b.type === 'string') return ordered(node.operator as Relation, a.get, b.get);
    if (isNumber(a) && isNumber(b)) return ordered(node.operator as Relation, a.get, b.get);
    if (isNumber(a) || a.type === 'string') throw this.#mismatch(node, a, b);
    throw new ExpressionError(`${node.operator} wants numbers or strings; this is ${nameOf(a.type)}`, node.left.at);
  }

  #calculate(node: Of<'binary'>, a: Typed, b: Typed, operator: Arithmetic): Typed {
    if (operator === '+' && a.type === 'string' && b.type === 'string') {
      if (++this.#textsAdded > TEXTS_ADDED_MAX)
        throw new ExpressionError(`wanted: at most ${TEXTS_ADDED_MAX} additions of texts`, node.operatorAt);
      return { type: 'string', get: (view) => a.get(view) + b.get(view) };
    }
    const wanted = operator === '+' ? 'numbers or strings' : 'numbers';
    if (!isNumber(a)) {
      if (operator === '+' && a.type === 'string') throw this.#mismatch(node, a, b);
      throw new ExpressionError(`${operator} wants ${wanted}; this is ${nameOf(a.type)}`, node.left.at);
    }
    if (!isNumber(b)) throw new ExpressionError(`${operator} wants ${wanted}; this is ${nameOf(b.type)}`, node.right.at);
    if ((operator === '/' || operator === '%') && b.literal === 0)
      throw new ExpressionError('wanted: another number than 0', node.right.at);
    const type = a.type === 'int' && b.type === 'int' ? 'int' : 'double';
    if (operator === '%' && type === 'double') throw new ExpressionError('% wants two ints', node.operatorAt);
    const { get: x } = a;
    const { get: y } = b;
    switch (operator) {
      case '+':
        return { type, get: (view) => x(view) + y(view) };
      case '-':
        return { type, get: (view) => x(view) - y(view) };
      case '*':
        return { type, get: (view) => x(view) * y(view) };
      case '%':
        return { type, get: (view) => x(view) % y(view) };
      default:
        return { type, get: (view) => quotient(x(view), y(view), type === 'int') };
    }
  }

  #in(node: Of<'binary'>): Typed {
    const { left, right } = node;
    const b = this.#typed(right);
    if (b.type === 'headers') {
      const name = fieldName(this.#headerName(left));
      const { side } = b;
      return bool((view) => view.findField(side, name) >= 0);
    }
    const a = this.#typed(left);
    if (!isList(b)) {
      const hint = b.type === 'string' ? ': x.contains(y) looks into a text' : '';
      throw new ExpressionError(`in wants a list or headers behind it; this is ${nameOf(b.type)}${hint}`, right.at);
    }
    const isFit = isNumber(a) ? b.type === 'list of int' || b.type === 'list of double' : b.type === `list of ${a.type}`;
    if (!isFit || a.type === 'headers' || isList(a)) {
      throw new ExpressionError(`in wants what the list has: ${nameOf(a.type)} stands before it, ${nameOf(b.type)} behind it`, left.at);
    }
    const { literals } = b;
    if (literals === undefined) {
      const { get } = a;
      return bool((view) => b.get(view).includes(get(view)));
    }
    if (a.type === 'string') {
      const own = right as Of<'list'>;
      literals.forEach((literal, i) => {
        checkCase(a, { type: 'string', get: () => '', literal: String(literal) }, own.items[i]?.at ?? right.at);
      });
      const { find, isLower = false } = a;
      if (find !== undefined) {
        const texts = new TextSet(literals.map(String), isLower);
        return bool((view) => {
          find(view);
          return texts.has(view.at, view.end);
        });
      }
    }
    const set = new Set<string | number | boolean>(literals);
    const { get } = a;
    return bool((view) => set.has(get(view)));
  }
}

/** "request.path" of names joined by dots; null for anything else. */
function dotted(node: Node): string | null {
  if (node.kind === 'name') return node.name;
  if (node.kind !== 'member') return null;
  const object = dotted(node.object);
  return object === null ? null : `${object}.${node.name}`;
}

function ordered<T extends string | number>(operator: Relation, x: (view: CallView) => T, y: (view: CallView) => T): TypedBool {
  switch (operator) {
    case '<':
      return bool((view) => x(view) < y(view));
    case '<=':
      return bool((view) => x(view) <= y(view));
    case '>':
      return bool((view) => x(view) > y(view));
    default:
      return bool((view) => x(view) >= y(view));
  }
}

function quotient(x: number, y: number, whole: boolean): number {
  if (y === 0) return Number.NaN;
  return whole ? Math.trunc(x / y) : x / y;
}
