/** What an expression consists of (docs/filters.md): the nodes of its tree, and what is wrong with one. */

/** Longest expression, in characters. */
export const EXPRESSION_CHARACTERS_MAX = 8192;
/** Operators, calls and parentheses within each other. */
export const DEPTH_MAX = 64;

export type Relation = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in';
export type Arithmetic = '+' | '-' | '*' | '/' | '%';

interface Place {
  /** Characters of the expression. */
  readonly at: number;
  readonly end: number;
}

export type Node = Place &
  (
    | { readonly kind: 'bool'; readonly value: boolean }
    | { readonly kind: 'int' | 'double'; readonly value: number }
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'list'; readonly items: readonly Node[] }
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'member'; readonly object: Node; readonly name: string; readonly nameAt: number }
    | { readonly kind: 'index'; readonly object: Node; readonly index: Node }
    | {
        readonly kind: 'call';
        readonly object: Node | null;
        readonly name: string;
        readonly nameAt: number;
        readonly args: readonly Node[];
      }
    | { readonly kind: 'unary'; readonly operator: '!' | '-'; readonly operand: Node }
    | {
        readonly kind: 'binary';
        readonly operator: Relation | Arithmetic;
        readonly operatorAt: number;
        readonly left: Node;
        readonly right: Node;
      }
    | { readonly kind: 'logic'; readonly operator: '&&' | '||'; readonly items: readonly Node[] }
    | { readonly kind: 'choice'; readonly condition: Node; readonly yes: Node; readonly no: Node }
  );

/** What is wrong with an expression, and where. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
  /** Character of the expression, from 0. */
  readonly at: number;

  constructor(what: string, at: number) {
    super(what);
    this.at = at;
  }
}
