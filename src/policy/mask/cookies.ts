/**
 * Cookies (RFC 6265bis, 4): each name is looked up, each value looked at, in the place COOKIE.
 *
 *   Cookie:      sid=31d4d96e; theme=dark; user=%7B%22email%22%3A%22ann%40example.com%22%7D
 *                name value    name  value
 *   Set-Cookie:  sid=31d4d96e; Path=/; Domain=shop.example; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly
 *                name value    attributes: their names are not looked up
 *
 * Values may stand in double quotes and be percent-coded. Some servers take a semicolon in quotes for part of the value and
 * some do not: the pieces up to the closing quote are masked with the value, or looked at like others when it is not. HTTP/2
 * may carry each piece in a field of its own (RFC 9113, 8.2.3), so the closing quote may stand in another Cookie field. A piece
 * without an equals sign is a value without a name. An attribute that is not known is looked at like a cookie. Bounds: linear.
 */
import { bytes } from '../../base/arena.ts';
import { inspectValue, nameRuleIn, noName } from './inspect.ts';
import { IN_COOKIES } from './kernels/tables.ts';
import { enterPair, leavePair } from './pair.ts';
import { maskPath } from './path.ts';
import { COOKIE, OF_RESPONSE, place } from './place.ts';
import { factsOfPair, nextPair } from './quick.ts';
import { URL_PATH } from './value.ts';

const B = bytes;
const P = place;
const SEMICOLON = 59;
const EQUALS = 61;
const QUOTE = 34;

/** The rule of a value whose opening quote was not closed yet. */
let quotedRule = 0;
/** The same at the end of the Cookie field before. */
let openRule = 0;

/** Fields of another message follow. */
export function startCookies(): void {
  openRule = 0;
}

/** Whether the next Cookie field may begin in the middle of a value that is masked. */
export function hasOpenCookie(): boolean {
  return openRule !== 0;
}

/** Value of a Cookie field. */
export function maskCookies(at: number, end: number): void {
  const outer = P[0];
  P[0] = COOKIE | (outer & OF_RESPONSE);
  quotedRule = openRule;
  for (let p = at; ; ) {
    if (quotedRule === 0) p = nextPair(p, end, IN_COOKIES);
    if (p >= end) break;
    const facts = quotedRule === 0 ? factsOfPair() : 0;
    const q = pieceEnd(p, end);
    maskCookie(p, q, facts);
    p = q + 1;
  }
  openRule = quotedRule;
  P[0] = outer;
}

/** Value of a Set-Cookie field. */
export function maskSetCookie(at: number, end: number): void {
  const outer = P[0];
  P[0] = COOKIE | (outer & OF_RESPONSE);
  quotedRule = 0;
  let p = pieceEnd(at, end);
  maskCookie(at, p, 0);
  while (p < end) {
    const q = pieceEnd(p + 1, end);
    maskAttribute(p + 1, q);
    p = q;
  }
  P[0] = outer;
}

function pieceEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== SEMICOLON) p++;
  return p;
}

function maskCookie(at: number, end: number, facts: number): void {
  let nameAt = at;
  while (nameAt < end && B[nameAt] <= 32) nameAt++;
  let to = end;
  while (to > nameAt && B[to - 1] <= 32) to--;
  if (nameAt >= to) return;
  if (quotedRule !== 0) {
    const isLast = B[to - 1] === QUOTE;
    inspectValue(nameAt, isLast ? to - 1 : to, URL_PATH, quotedRule);
    if (isLast) quotedRule = 0;
    return;
  }
  let equals = nameAt;
  while (equals < to && B[equals] !== EQUALS) equals++;
  if (equals >= to) {
    noName();
    inspectValue(nameAt, to, URL_PATH, 0);
    return;
  }
  let nameEnd = equals;
  while (nameEnd > nameAt && B[nameEnd - 1] <= 32) nameEnd--;
  const rule = enterPair(nameAt, nameEnd, URL_PATH, IN_COOKIES, facts, nameRuleIn);
  let valueAt = equals + 1;
  while (valueAt < to && B[valueAt] <= 32) valueAt++;
  if (valueAt < to && B[valueAt] === QUOTE) {
    valueAt++;
    if (valueAt < to && B[to - 1] === QUOTE) to--;
    else quotedRule = rule;
  }
  inspectValue(valueAt, to, URL_PATH, rule);
  leavePair(valueAt, to, IN_COOKIES);
}

const attributes: readonly Buffer[] = [
  'domain',
  'expires',
  'max-age',
  'samesite',
  'priority',
  'version',
  'secure',
  'httponly',
  'partitioned',
].map((s) => Buffer.from(s));
const PATH = Buffer.from('path');

function maskAttribute(at: number, end: number): void {
  let nameAt = at;
  while (nameAt < end && B[nameAt] <= 32) nameAt++;
  let equals = nameAt;
  while (equals < end && B[equals] !== EQUALS) equals++;
  if (quotedRule === 0) {
    if (isWord(PATH, nameAt, equals)) {
      maskPath(equals + 1, end);
      return;
    }
    for (const word of attributes) {
      if (!isWord(word, nameAt, equals)) continue;
      noName();
      inspectValue(equals + 1, end, URL_PATH, 0);
      return;
    }
  }
  maskCookie(at, end, 0);
}

function isWord(word: Buffer, at: number, end: number): boolean {
  if (word.length !== end - at) return false;
  let i = 0;
  while (i < word.length && word[i] === (B[at + i] | 32)) i++;
  return i === word.length;
}
