/**
 * Steps over JSON (RFC 8259) by its brackets and quotes, without checking it: enough to come from one member to the next.
 *
 *   {"query":"...","variables":{"id":[1,2]}}
 *    ^ name  ^ stringEnd        ^ valueEnd: behind the bracket that closes it
 *
 * Bounds: linear; levels are counted, not kept. -1: the bytes end first.
 */
import { bytes } from '../base/arena.ts';

const B = bytes;
const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;

export const BRACE = 123;
export const BRACKET = 91;

// What a byte is for the walk over a value.
const PLAIN = 0;
const OPEN = 1;
const CLOSE = 2;
const STRING = 3;
const END = 4;
const classOf = new Uint8Array(256).fill(PLAIN);
for (const [text, c] of [
  ['{[', OPEN],
  ['}]', CLOSE],
  ['"', STRING],
  [', \t\r\n:', END],
] as const)
  for (const b of Buffer.from(text)) classOf[b] = c;
const C = classOf;

/** Behind the blanks. */
export function behindBlanks(at: number, end: number): number {
  let p = at;
  while (p < end && (B[p] === 32 || (B[p] >= 9 && B[p] <= 13))) p++;
  return p;
}

/** The quote that ends the string whose inside begins at `at`; -1: it does not end. */
export function stringEnd(at: number, end: number): number {
  let p = at;
  while (p < end) {
    const c = B[p];
    if (c === QUOTE) return p;
    p += c === BACKSLASH ? 2 : 1;
  }
  return -1;
}

/** Behind the value that begins at `at`; -1: it does not end. A bare token ends where the bytes do. */
export function valueEnd(at: number, end: number): number {
  if (at >= end) return -1;
  const first = C[B[at]];
  if (first === STRING) {
    const quote = stringEnd(at + 1, end);
    return quote < 0 ? -1 : quote + 1;
  }
  let p = at;
  if (first !== OPEN) {
    while (p < end && (C[B[p]] === PLAIN || C[B[p]] === STRING)) p++;
    return p;
  }
  let depth = 0;
  while (p < end) {
    const c = C[B[p++]];
    if (c === PLAIN || c === END) continue;
    if (c === STRING) {
      const quote = stringEnd(p, end);
      if (quote < 0) return -1;
      p = quote + 1;
    } else if (c === OPEN) depth++;
    else if (--depth === 0) return p;
  }
  return -1;
}

/** Walks an object: name and value of the member at hand. */
export const member = {
  nameAt: 0,
  nameEnd: 0,
  valueAt: 0,
  /** -1: the value does not end. */
  valueEnd: 0,
};

/**
 * Finds the next member; `at` is behind the brace or behind the value before. Returns where the walk goes on: behind its value,
 * `end` when the value does not end; or, when there is no member, minus the place behind the brace that closes the object, or 0
 * where the bytes end or break the grammar.
 */
export function nextMember(at: number, end: number): number {
  const p = nextName(at, end);
  if (p <= 0) return p;
  const valueStop = valueEnd(p, end);
  member.valueEnd = valueStop;
  return valueStop < 0 ? end : valueStop;
}

/** The same up to its value, which is not walked over: `member.valueEnd` is not known. Returns where the value begins. */
export function nextName(at: number, end: number): number {
  let p = at;
  while (p < end && (B[p] === COMMA || B[p] === 32 || (B[p] >= 9 && B[p] <= 13))) p++;
  if (p >= end) return 0;
  if (B[p] === 125) return -(p + 1);
  if (B[p] !== QUOTE) return 0;
  const quote = stringEnd(p + 1, end);
  if (quote < 0) return 0;
  member.nameAt = p + 1;
  member.nameEnd = quote;
  p = behindBlanks(quote + 1, end);
  if (p >= end || B[p] !== COLON) return 0;
  p = behindBlanks(p + 1, end);
  if (p >= end) return 0;
  member.valueAt = p;
  return p;
}

/** Whether the bytes are `text`. */
export function isText(at: number, end: number, text: Uint8Array): boolean {
  if (end - at !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (B[at + i] !== text[i]) return false;
  return true;
}

/** Finds the value of the last whole member of that name in the object that begins at `at` with its brace: in `member`. */
export function findMember(at: number, end: number, name: Uint8Array): boolean {
  if (at >= end || B[at] !== BRACE) return false;
  let foundAt = 0;
  let foundEnd = 0;
  for (let p = nextMember(at + 1, end); p > 0; p = nextMember(p, end)) {
    if (member.valueEnd < 0) break;
    if (!isText(member.nameAt, member.nameEnd, name)) continue;
    foundAt = member.valueAt;
    foundEnd = member.valueEnd;
  }
  member.valueAt = foundAt;
  member.valueEnd = foundEnd;
  return foundAt > 0;
}
