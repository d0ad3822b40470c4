/**
 * The operations of a GraphQL document (specification of October 2021, 2): which one is executed, its type and its name.
 *
 *   # comment
 *   fragment F on User { name }   query Find($id: ID! = "}") @live { user(id: $id) { ...F } }   mutation Drop { drop }
 *   left out                      type  name                                                    type     name
 *
 *   { user { name } }             a query without a name
 *
 * With a wanted name it is the operation of that name; without one the only operation, and of several none. A text is a
 * document when its first definition begins as one; behind the place where the grammar breaks nothing more is known.
 *
 * Bounds: linear; levels are counted, not kept. Left out: whether the document is valid beyond its tokens and brackets.
 */
import { bytes } from '../base/arena.ts';
import { MUTATION, NO_TYPE, QUERY, SUBSCRIPTION } from './operation.ts';

const B = bytes;

// What a byte begins.
const BROKEN = 0;
const IGNORED = 1;
const COMMENT = 2;
const STRING = 3;
const LETTER = 4;
const DIGIT = 5;
const OPEN = 6;
const CLOSE = 7;
const SIGN = 8;
const classOf = new Uint8Array(256).fill(BROKEN);
for (const [text, c] of [
  [' \t\r\n,\xef\xbb\xbf', IGNORED],
  ['#', COMMENT],
  ['"', STRING],
  ['abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_', LETTER],
  ['0123456789', DIGIT],
  ['({[', OPEN],
  [')}]', CLOSE],
  ['!$&.:=@|-+', SIGN],
] as const)
  for (const b of Buffer.from(text, 'latin1')) classOf[b] = c;
const C = classOf;

const LF = 10;
const CR = 13;
const QUOTE = 34;
const OPEN_PARENTHESIS = 40;
const DOT = 46;
const AT = 64;
const BACKSLASH = 92;
const OPEN_BRACE = 123;

const keyword = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const K_QUERY = keyword('query');
const K_MUTATION = keyword('mutation');
const K_SUBSCRIPTION = keyword('subscription');
const K_FRAGMENT = keyword('fragment');

/** What `readDocument` found: the operation that is executed. */
export const chosen = {
  /** NO_TYPE: it is not known which. */
  type: NO_TYPE,
  /** An empty range: it has no name. */
  nameAt: 0,
  nameEnd: 0,
};

/** Reads the document in [at, end), which is cut there or not. Returns whether it is one. [wantedAt, wantedEnd): operationName, or empty. */
export function readDocument(at: number, end: number, isCut: boolean, wantedAt: number, wantedEnd: number): boolean {
  chosen.type = NO_TYPE;
  chosen.nameAt = chosen.nameEnd = 0;
  let definitions = 0;
  let operations = 0;
  let p = behindIgnored(at, end);
  while (p < end) {
    if (C[B[p]] === STRING) {
      // A description.
      p = behindIgnored(behindString(p, end), end);
      continue;
    }
    let type = NO_TYPE;
    let nameAt = 0;
    let nameEnd = 0;
    if (B[p] === OPEN_BRACE) {
      if (!beginsSelection(p + 1, end, isCut)) break;
      type = QUERY;
    } else {
      const word = p;
      while (p < end && C[B[p]] === LETTER) p++;
      if (p === word || (p < end && C[B[p]] === DIGIT)) break;
      if (!isFragment(word, p)) {
        type = typeOf(word, p);
        if (type === NO_TYPE) break;
      }
      p = behindIgnored(p, end);
      nameAt = p;
      p = behindName(p, end);
      nameEnd = p;
      // A name that the end of the bytes cuts is no name.
      if (p >= end && isCut) nameAt = nameEnd;
      p = behindIgnored(p, end);
      if (p >= end ? !isCut : type === NO_TYPE ? C[B[p]] !== LETTER : !beginsBody(B[p])) break;
    }
    definitions++;
    if (type !== NO_TYPE) {
      operations++;
      const isWanted = wantedEnd === wantedAt ? operations === 1 : sameBytes(nameAt, nameEnd, wantedAt, wantedEnd);
      if (isWanted) {
        chosen.type = type;
        chosen.nameAt = nameAt;
        chosen.nameEnd = nameEnd;
        if (wantedEnd > wantedAt) return true;
      }
    }
    p = behindIgnored(behindSelection(p, end), end);
  }
  if (wantedEnd === wantedAt && operations > 1) {
    chosen.type = NO_TYPE;
    chosen.nameAt = chosen.nameEnd = 0;
  }
  return definitions > 0;
}

/** Whether [at, end) is a name (2.1.9). */
export function isName(at: number, end: number): boolean {
  return end > at && C[B[at]] === LETTER && behindName(at, end) === end;
}

function behindName(at: number, end: number): number {
  if (at >= end || C[B[at]] !== LETTER) return at;
  let p = at + 1;
  while (p < end && (C[B[p]] === LETTER || C[B[p]] === DIGIT)) p++;
  return p;
}

/** What may follow the name of an operation: variables, directives, the selection. */
function beginsBody(c: number): boolean {
  return c === OPEN_BRACE || c === OPEN_PARENTHESIS || c === AT;
}

/** Behind its brace a field or a spread follows: `{!x}` and `{"a":1}` are something else. */
function beginsSelection(at: number, end: number, isCut: boolean): boolean {
  const p = behindIgnored(at, end);
  if (p >= end) return isCut;
  return C[B[p]] === LETTER || B[p] === DOT;
}

function typeOf(at: number, end: number): number {
  if (isKeyword(at, end, K_QUERY)) return QUERY;
  if (isKeyword(at, end, K_MUTATION)) return MUTATION;
  return isKeyword(at, end, K_SUBSCRIPTION) ? SUBSCRIPTION : NO_TYPE;
}

function isFragment(at: number, end: number): boolean {
  return isKeyword(at, end, K_FRAGMENT);
}

function isKeyword(at: number, end: number, text: Uint8Array): boolean {
  if (end - at !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (B[at + i] !== text[i]) return false;
  return true;
}

function sameBytes(at: number, end: number, otherAt: number, otherEnd: number): boolean {
  if (end - at !== otherEnd - otherAt) return false;
  for (let i = 0; i < end - at; i++) if (B[at + i] !== B[otherAt + i]) return false;
  return true;
}

/** Behind blanks, commas, comments and a byte order mark. */
function behindIgnored(at: number, end: number): number {
  let p = at;
  while (p < end) {
    const c = C[B[p]];
    if (c === IGNORED) p++;
    else if (c === COMMENT) p = behindComment(p, end);
    else break;
  }
  return p;
}

function behindComment(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== LF && B[p] !== CR) p++;
  return p;
}

/** Behind the string, or block string, that begins at `at`; `end` when it does not end. */
function behindString(at: number, end: number): number {
  const isBlock = at + 2 < end && B[at + 1] === QUOTE && B[at + 2] === QUOTE;
  let p = isBlock ? at + 3 : at + 1;
  for (; p < end; p++) {
    if (B[p] === BACKSLASH) {
      // In a block, \""" alone is an escape.
      if (!isBlock) p++;
      else if (p + 3 < end && B[p + 1] === QUOTE && B[p + 2] === QUOTE && B[p + 3] === QUOTE) p += 3;
    } else if (B[p] === QUOTE) {
      if (!isBlock) return p + 1;
      if (p + 2 < end && B[p + 1] === QUOTE && B[p + 2] === QUOTE) return p + 3;
    } else if (!isBlock && (B[p] === LF || B[p] === CR)) return end;
  }
  return end;
}

/** Behind the selection of the definition that goes on at `at`: braces in variables and directives come before it, within brackets. */
function behindSelection(at: number, end: number): number {
  let p = at;
  let depth = 0;
  let isSelection = false;
  while (p < end) {
    const c = B[p];
    switch (C[c]) {
      case COMMENT:
        p = behindComment(p, end);
        break;
      case STRING:
        p = behindString(p, end);
        break;
      case OPEN:
        if (depth === 0 && c === OPEN_BRACE) isSelection = true;
        depth++;
        p++;
        break;
      case CLOSE:
        depth--;
        p++;
        if (depth <= 0 && (isSelection || depth < 0)) return depth < 0 ? end : p;
        break;
      case BROKEN:
        return end;
      default:
        p++;
    }
  }
  return end;
}
