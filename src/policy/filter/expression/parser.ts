/**
 * Words to a tree, by recursive descent. What binds tighter stands lower:
 *
 *   choice      logic ? choice : choice
 *   or          and || and ...
 *   and         relation && relation ...
 *   relation    sum (== != < <= > >= in) sum
 *   sum         product (+ -) product ...
 *   product     unary (* / %) unary ...
 *   unary       ! unary, - unary, member
 *   member      primary .name .name(args) [index] ...
 *   primary     literal, name, name(args), (choice), [list]
 *
 * Bounds: EXPRESSION_CHARACTERS_MAX characters; DEPTH_MAX of everything that stands within something, so that neither the
 * parser nor what walks the tree can run out of stack.
 */
import { type Token, tokensOf } from './lexer.ts';
import { type Arithmetic, DEPTH_MAX, EXPRESSION_CHARACTERS_MAX, ExpressionError, type Node, type Relation } from './syntax.ts';

const relations: readonly string[] = ['==', '!=', '<', '<=', '>', '>=', 'in'];
/** Words of CEL that mean nothing here. */
const foreign: Readonly<Record<string, string>> = {
  null: 'there is no null: a header that is not there is ""',
  and: 'wanted: &&',
  or: 'wanted: ||',
  not: 'wanted: !',
};

/** The tree of an expression. Throws an ExpressionError at the first mistake. */
export function parseExpression(source: string): Node {
  if (source.length > EXPRESSION_CHARACTERS_MAX) {
    throw new ExpressionError(`wanted: at most ${EXPRESSION_CHARACTERS_MAX} characters`, EXPRESSION_CHARACTERS_MAX);
  }
  return new Parser(tokensOf(source)).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #i = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get #token(): Token {
    return this.#tokens[this.#i];
  }

  whole(): Node {
    const [first] = this.#tokens;
    if (first.kind === 'end') throw new ExpressionError('wanted: an expression', first.at);
    const node = this.#choice();
    if (this.#i < this.#tokens.length - 1) throw this.#unexpected('an operator or the end');
    return node;
  }

  #is(...texts: string[]): boolean {
    const { kind, text } = this.#token;
    return (kind === 'operator' || (kind === 'name' && text === 'in')) && texts.includes(text);
  }

  #take(text: string): boolean {
    const taken = this.#is(text);
    if (taken) this.#i++;
    return taken;
  }

  #expect(text: string, why: string): Token {
    const token = this.#token;
    if (!this.#take(text)) throw this.#unexpected(`${text} ${why}`);
    return token;
  }

  #unexpected(wanted: string): ExpressionError {
    const { kind, text, at } = this.#token;
    if (kind === 'end') return new ExpressionError(`the expression ends here; wanted: ${wanted}`, at);
    const own = kind === 'name' ? foreign[text] : undefined;
    if (own !== undefined) return new ExpressionError(own, at);
    return new ExpressionError(`${kind === 'string' ? 'a text' : text} cannot stand here; wanted: ${wanted}`, at);
  }

  #enter(at: number): void {
    if (++this.#depth > DEPTH_MAX) throw new ExpressionError(`more than ${DEPTH_MAX} parts within each other`, at);
  }

  #choice(): Node {
    this.#enter(this.#token.at);
    const condition = this.#logic('||');
    let node = condition;
    if (this.#take('?')) {
      const yes = this.#choice();
      this.#expect(':', 'between the two values of ?');
      const no = this.#choice();
      node = { kind: 'choice', condition, yes, no, at: condition.at, end: no.end };
    }
    this.#depth--;
    return node;
  }

  #logic(operator: '&&' | '||'): Node {
    const items = [operator === '||' ? this.#logic('&&') : this.#relation()];
    while (this.#take(operator)) items.push(operator === '||' ? this.#logic('&&') : this.#relation());
    if (items.length === 1) return items[0];
    return { kind: 'logic', operator, items, at: items[0].at, end: items[items.length - 1].end };
  }

  #relation(): Node {
    const left = this.#sum();
    const { text, at } = this.#token;
    if (!this.#is(...relations)) return left;
    this.#i++;
    const right = this.#sum();
    if (this.#is(...relations)) throw new ExpressionError('wanted: && between two comparisons', this.#token.at);
    return { kind: 'binary', operator: text as Relation, operatorAt: at, left, right, at: left.at, end: right.end };
  }

  #sum(): Node {
    return this.#chain(['+', '-'], () => this.#chain(['*', '/', '%'], () => this.#unary()));
  }

  /** a - b - c: the tree grows with each, so each counts as one deeper. */
  #chain(operators: string[], next: () => Node): Node {
    const before = this.#depth;
    let left = next();
    while (this.#is(...operators)) {
      const { text, at } = this.#token;
      this.#enter(at);
      this.#i++;
      const right = next();
      left = { kind: 'binary', operator: text as Arithmetic, operatorAt: at, left, right, at: left.at, end: right.end };
    }
    this.#depth = before;
    return left;
  }

  #unary(): Node {
    const { text, at } = this.#token;
    if (!this.#is('!', '-')) return this.#member();
    this.#enter(at);
    this.#i++;
    const operand = this.#unary();
    this.#depth--;
    return { kind: 'unary', operator: text as '!' | '-', operand, at, end: operand.end };
  }

  #member(): Node {
    const before = this.#depth;
    let object = this.#primary();
    for (;;) {
      const { at } = this.#token;
      if (this.#take('.')) {
        this.#enter(at);
        const { kind, text, at: nameAt, end } = this.#token;
        if (kind !== 'name') throw this.#unexpected('a name behind the dot');
        this.#i++;
        if (this.#take('(')) {
          const args = this.#items(')');
          object = { kind: 'call', object, name: text, nameAt, args, at: object.at, end: this.#endBefore() };
        } else object = { kind: 'member', object, name: text, nameAt, at: object.at, end };
      } else if (this.#take('[')) {
        this.#enter(at);
        const index = this.#choice();
        const { end } = this.#expect(']', 'behind the index');
        object = { kind: 'index', object, index, at: object.at, end };
      } else break;
    }
    this.#depth = before;
    return object;
  }

  #endBefore(): number {
    return this.#tokens[this.#i - 1].end;
  }

  /** What stands between commas, up to the closing sign. */
  #items(closing: ')' | ']'): Node[] {
    const items: Node[] = [];
    while (!this.#take(closing)) {
      if (items.length > 0) this.#expect(',', `or ${closing}`);
      items.push(this.#choice());
    }
    return items;
  }

  #primary(): Node {
    const { kind, text, value, at, end } = this.#token;
    if (kind === 'name' && foreign[text] === undefined && text !== 'in') {
      this.#i++;
      if (text === 'true' || text === 'false') return { kind: 'bool', value: text === 'true', at, end };
      if (!this.#take('(')) return { kind: 'name', name: text, at, end };
      const args = this.#items(')');
      return { kind: 'call', object: null, name: text, nameAt: at, args, at, end: this.#endBefore() };
    }
    if (kind === 'int' || kind === 'double') {
      this.#i++;
      return { kind, value, at, end };
    }
    if (kind === 'string') {
      this.#i++;
      return { kind, value: text, at, end };
    }
    if (this.#take('(')) {
      const node = this.#choice();
      this.#expect(')', 'for the ( before');
      return node;
    }
    if (this.#take('[')) {
      const items = this.#items(']');
      return { kind: 'list', items, at, end: this.#endBefore() };
    }
    throw this.#unexpected('a value');
  }
}
