/**
 * The value of a header field or trailer: masked by the rule of the field's name, else looked at as what the name says.
 *
 *   Authorization: Bearer eyJhbGciOi...       the scheme stays, what is behind it is masked
 *   Cookie: sid=31d4d96e                      cookies.ts
 *   Referer: https://shop.example/?token=1    url.ts
 *   Link: <https://shop.example/?page=2>; rel="next"
 *   grpc-message: no%20such%20item             with its percent-coding undone
 *   trace-bin: CgNhbm4                         metadata of gRPC that is no text: masked whole
 *   Host: ann:secret@shop.example              user and password, where somebody has sent them
 */
import { bytes } from '../../base/arena.ts';
import { maskCookies, maskSetCookie, startCookies } from './cookies.ts';
import { editCount } from './edits.ts';
import { inspectValue, nameRule, noName } from './inspect.ts';
import { onlyReports, putUnreadable } from './put.ts';
import { maskAuthority, maskUrl } from './url.ts';
import { PLAIN, URL_PATH } from './value.ts';

const B = bytes;
const BLANK = 32;
const LESS = 60;
const GREATER = 62;
const EQUALS = 61;
const AT_SIGN = 64;
const COLON = 58;

export const OTHER = 0;
const COOKIE = 1;
const SET_COOKIE = 2;
const URL = 3;
const LINKS = 4;
const CREDENTIALS = 5;
const REFRESH = 6;
const PERCENT_CODED = 7;
const BYTES = 8;
const AUTHORITY = 9;

const NAME_BYTES_MAX = 20;
const PRIME = 0x01000193;
const FNV = 0x811c9dc5 | 0;
const fields: readonly (readonly [Buffer, number])[] = (
  [
    ['cookie', COOKIE],
    ['set-cookie', SET_COOKIE],
    ['referer', URL],
    ['location', URL],
    ['content-location', URL],
    ['origin', URL],
    ['x-original-url', URL],
    ['x-original-uri', URL],
    ['x-rewrite-url', URL],
    ['x-forwarded-uri', URL],
    ['x-request-uri', URL],
    ['x-envoy-original-path', URL],
    ['destination', URL],
    ['sourcemap', URL],
    ['link', LINKS],
    ['authorization', CREDENTIALS],
    ['proxy-authorization', CREDENTIALS],
    ['refresh', REFRESH],
    ['grpc-message', PERCENT_CODED],
    ['host', AUTHORITY],
    ['x-forwarded-host', AUTHORITY],
    ['x-original-host', AUTHORITY],
  ] as const
).map(([name, kind]) => [Buffer.from(name), kind]);
const byHash = new Map(fields.map((field) => [[...field[0]].reduce((h, c) => Math.imul(h ^ c, PRIME), FNV), field]));

const BIN = Buffer.from('-bin');

const schemes: readonly Buffer[] = (
  'basic bearer digest dpop gnap hoba mutual negotiate ntlm oauth privatetoken vapid hawk token apikey mac signature scram-sha-1 ' +
  'scram-sha-256 aws4-hmac-sha256 sharedkey'
)
  .split(' ')
  .map((s) => Buffer.from(s));

export function maskHeaderValue(nameAt: number, nameEnd: number, at: number, end: number): void {
  startCookies();
  if (at < end) maskValueOf(kindOfField(nameAt, nameEnd), nameRule(nameAt, nameEnd), at, end);
  startCookies();
}

/** The same for a field of that kind and with that rule, whose name was looked up. */
export function maskValueOf(kind: number, rule: number, at: number, end: number): void {
  if (at >= end) return;
  if (rule !== 0 && !onlyReports(rule)) {
    inspectValue(kind === CREDENTIALS ? behindScheme(at, end) : at, end, PLAIN, rule);
    return;
  }
  switch (kind) {
    case COOKIE:
      maskCookies(at, end);
      return;
    case SET_COOKIE:
      maskSetCookie(at, end);
      return;
    case URL:
      maskUrl(at, end, false);
      return;
    case LINKS:
      maskLinks(at, end);
      return;
    case REFRESH:
      maskRefresh(at, end);
      return;
    case PERCENT_CODED:
      inspectValue(at, end, URL_PATH, rule);
      return;
    case BYTES:
      putUnreadable(at, end, PLAIN);
      return;
    case AUTHORITY:
      maskHost(at, end, rule);
      return;
    default:
      inspectValue(at, end, PLAIN, rule);
  }
}

/** A host, with a port, and with what no longer may stand before it (RFC 9110, 4.2.4): user and password, or an address of e-mail. */
function maskHost(at: number, end: number, rule: number): void {
  let sign = at;
  let colon = end;
  for (let p = at; p < end; p++) {
    if (B[p] === AT_SIGN) sign = p;
    else if (B[p] === COLON && p < colon) colon = p;
  }
  if (colon < sign) {
    maskAuthority(at, end, true);
    return;
  }
  const before = editCount();
  inspectValue(at, end, PLAIN, rule);
  if (sign > at && editCount() === before) maskAuthority(at, end, true);
}

/** How the values of this field are read; OTHER: as they stand. */
export function kindOfField(at: number, end: number): number {
  if (end - at > BIN.length && isWord(BIN, end - BIN.length, end)) return BYTES;
  if (end - at > NAME_BYTES_MAX + 1) return OTHER;
  let h = FNV;
  for (let p = at; p < end; p++) {
    const c = B[p];
    h = Math.imul(h ^ (c >= 65 && c <= 90 ? c | 32 : c), PRIME);
  }
  const field = byHash.get(h);
  return field !== undefined && isWord(field[0], at, end) ? field[1] : OTHER;
}

/** Behind a scheme that is known (RFC 9110, 11.4), where credentials follow it; else `at`. */
function behindScheme(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== BLANK) p++;
  if (p + 1 >= end) return at;
  for (const scheme of schemes) if (isWord(scheme, at, p)) return p + 1;
  return at;
}

/** RFC 8288, 3: URLs in angle brackets, parameters behind them. */
function maskLinks(at: number, end: number): void {
  let p = at;
  while (p < end) {
    let q = p;
    while (q < end && B[q] !== LESS) q++;
    let close = q;
    while (close < end && B[close] !== GREATER) close++;
    noName();
    if (close >= end) {
      inspectValue(p, end, PLAIN, 0);
      return;
    }
    inspectValue(p, q, PLAIN, 0);
    maskUrl(q + 1, close, false);
    p = close;
  }
}

/** `5; url=https://shop.example/?token=1` */
function maskRefresh(at: number, end: number): void {
  let p = at;
  while (p < end && B[p] !== EQUALS) p++;
  noName();
  inspectValue(at, p, PLAIN, 0);
  if (p < end) maskUrl(p + 1, end, false);
}

function isWord(word: Buffer, at: number, end: number): boolean {
  if (word.length !== end - at) return false;
  let i = 0;
  while (i < word.length && word[i] === (B[at + i] >= 65 && B[at + i] <= 90 ? B[at + i] | 32 : B[at + i])) i++;
  return i === word.length;
}
