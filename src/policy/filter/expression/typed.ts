/**
 * Parts of an expression whose type is known, as functions of the call. None of them throws, whatever the call: a number
 * that cannot be had (division by zero, the latency of a call without a response) is NaN, which equals nothing and is
 * neither smaller nor larger than anything.
 */
import type { CallView, Side } from '../../call-view.ts';

export type Type = 'bool' | 'int' | 'double' | 'string' | 'list of int' | 'list of double' | 'list of string' | 'list of bool' | 'headers';

export interface TypedString {
  readonly type: 'string';
  readonly get: (view: CallView) => string;
  /** The text when it stands in the expression. */
  readonly literal?: string;
  /** Finds the bytes in the arena where the text can be compared without being made (`at` and `end` of the view). */
  readonly find?: (view: CallView) => void;
  /** It is in small letters, whatever the bytes are. */
  readonly isLower?: boolean;
  /** Of an address: puts it where base/cidr.ts compares it. */
  readonly load?: (view: CallView) => void;
  /** How the variable is called. */
  readonly name?: string;
}

export interface TypedNumber {
  readonly type: 'int' | 'double';
  readonly get: (view: CallView) => number;
  readonly literal?: number;
}

export interface TypedBool {
  readonly type: 'bool';
  readonly get: (view: CallView) => boolean;
}

export interface TypedList {
  readonly type: 'list of int' | 'list of double' | 'list of string' | 'list of bool';
  readonly get: (view: CallView) => readonly (string | number | boolean)[];
  /** When all items stand in the expression. */
  readonly literals?: readonly (string | number)[];
}

export interface TypedHeaders {
  readonly type: 'headers';
  readonly side: Side;
}

export type Typed = TypedString | TypedNumber | TypedBool | TypedList | TypedHeaders;

export function isNumber(typed: Typed): typed is TypedNumber {
  return typed.type === 'int' || typed.type === 'double';
}

export function isList(typed: Typed): typed is TypedList {
  return typed.type.startsWith('list');
}

/** "an int", "a list of string" */
export function nameOf(type: Type): string {
  if (type === 'headers') return 'headers';
  return `${type === 'int' ? 'an' : 'a'} ${type}`;
}
