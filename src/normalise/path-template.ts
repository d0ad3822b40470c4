/**
 * The template of a path: segments that are identifiers give way to their type, so that calls of one endpoint have
 * one template. Works in the arena, on the bytes as on the wire; nothing is percent-decoded.
 *
 *   /users/4711/orders/550e8400-e29b-41d4-a716-446655440000  ->  /users/{int}/orders/{uuid}
 *
 *   {int}    digits only                        4711
 *   {uuid}   8-4-4-4-12 hexadecimal digits      550e8400-e29b-41d4-a716-446655440000
 *   {date}   ISO 8601 date, with or without     2024-05-17, 2024-05-17T09:30:00Z, 2024-05-17T09%3A30%3A00Z
 *            a time of day behind it
 *   {hex}    16 or more hexadecimal digits      507f1f77bcf86cd799439011
 *   {email}  something@something.something,     ann@example.com, ann%40example.com
 *            the sign plain or as %40
 *   {token}  20 or more letters, digits, - and  pi_3MtwBwLkdIwHu7ix28a3tqPa, eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl
 *            _ that look random; a JWT
 *
 *   {name}   what masking has put in place of   *card*, *card:0f343b0931126a20*
 *            a segment: a name between asterisks
 *
 * "Looks random" means that a letter and a digit stand side by side at three places at least, and that - and _ make
 * up an eighth at most: words joined by hyphens, with a year or a model number in them, stay as they are.
 *
 * Bounds: reads [at, end) and up to three bytes beyond, which do not count; writes at most 3 * (end - at) + 4 bytes at
 * `to` (a segment of one digit becomes five bytes, the slash before it stays); the two must not overlap. Raises nothing.
 * Left out: types that need a list of words or more than one path (names, countries, slugs): the survey's matter.
 */
import { bytes, view } from '../base/arena.ts';

const B = bytes;
const V = view;

const SLASH = 0;
const DIGIT = 1;
const HEX_LETTER = 2;
const LETTER = 4;
const HYPHEN = 8;
const UNDERSCORE = 16;
const DOT = 32;
const AT_SIGN = 64;
const OTHER = 128;
const ASTERISK = 256;
const classOf = new Uint16Array(256).fill(OTHER);
for (let c = 0x30; c <= 0x39; c++) classOf[c] = DIGIT;
for (let c = 0x41; c <= 0x5a; c++) classOf[c] = classOf[c | 0x20] = c <= 0x46 ? HEX_LETTER : LETTER;
classOf[0x2f] = SLASH;
classOf[0x2d] = HYPHEN;
classOf[0x5f] = UNDERSCORE;
classOf[0x2e] = DOT;
classOf[0x40] = AT_SIGN;
classOf[0x25] = AT_SIGN; // may be %40
classOf[0x2a] = ASTERISK;

const NOTHING = -1;
const names = Buffer.from('{int}{uuid}{date}{hex}{email}{token}');
/** Places in `names`: offset << 4 | length. */
const INT = (0 << 4) | 5;
const UUID = (5 << 4) | 6;
const DATE = (11 << 4) | 6;
const HEX = (17 << 4) | 5;
const EMAIL = (22 << 4) | 7;
const TOKEN = (29 << 4) | 7;

const HEX_MIN = 16;
const TOKEN_MIN = 20;

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

/** `YYYY-MM-DD`, alone or with `T` and a time behind it. */
function isDate(at: number, end: number): boolean {
  if (end - at < 10 || B[at + 4] !== 0x2d || B[at + 7] !== 0x2d) return false;
  if (!(isDigit(B[at]) && isDigit(B[at + 1]) && isDigit(B[at + 2]) && isDigit(B[at + 3]))) return false;
  if (!(isDigit(B[at + 5]) && isDigit(B[at + 6]) && isDigit(B[at + 8]) && isDigit(B[at + 9]))) return false;
  const month = B[at + 5] * 10 + B[at + 6] - 0x30 * 11;
  const day = B[at + 8] * 10 + B[at + 9] - 0x30 * 11;
  if (month < 1 || month > 12 || day < 1 || day > 31) return false;
  if (end - at === 10) return true;
  if ((B[at + 10] | 0x20) !== 0x74 || end - at < 13 || !isDigit(B[at + 11]) || !isDigit(B[at + 12])) return false;
  for (let i = at + 13; i < end; i++) {
    const c = B[i];
    if (isDigit(c) || c === 0x3a || c === 0x2e || c === 0x2d || c === 0x2b || c === 0x2c) continue;
    if ((c | 0x20) === 0x7a && i === end - 1) continue;
    // %3A is a colon, %2B a plus.
    if (
      c === 0x25 &&
      i + 2 < end &&
      ((B[i + 1] === 0x33 && (B[i + 2] | 0x20) === 0x61) || (B[i + 1] === 0x32 && (B[i + 2] | 0x20) === 0x62))
    ) {
      i += 2;
      continue;
    }
    return false;
  }
  return true;
}

function isUuid(at: number): boolean {
  for (let i = 0; i < 36; i++) {
    const k = classOf[B[at + i]];
    if (i === 8 || i === 13 || i === 18 || i === 23 ? k !== HYPHEN : k > (DIGIT | HEX_LETTER)) return false;
  }
  return true;
}

function isEmail(at: number, end: number): boolean {
  let sign = at;
  while (sign < end && B[sign] !== 0x40 && !(B[sign] === 0x25 && sign + 2 < end && B[sign + 1] === 0x34 && B[sign + 2] === 0x30)) sign++;
  if (sign === at || sign === end) return false;
  const domain = B[sign] === 0x40 ? sign + 1 : sign + 3;
  let dot = 0;
  for (let i = domain; i < end; i++) {
    const k = classOf[B[i]];
    if (k === DOT) dot = i;
    else if (k > HYPHEN) return false;
  }
  return dot > domain && dot < end - 1;
}

/** Random-looking, by the places where a letter and a digit meet. `dots`: a JWT's parts are joined by two. */
function isToken(at: number, end: number, dots: number): boolean {
  let meets = 0;
  let joints = 0;
  let before = 0;
  for (let i = at; i < end; i++) {
    const k = classOf[B[i]];
    if (k <= LETTER) {
      const kind = k === DIGIT ? 1 : 2;
      if ((kind ^ before) === 3) meets++;
      before = kind;
    } else {
      if (k !== DOT) joints++;
      before = 0;
    }
  }
  if (dots !== 0) return B[at] === 0x65 && B[at + 1] === 0x79 && B[at + 2] === 0x4a; // eyJ, which is {"
  return meets >= 3 && joints * 8 <= end - at;
}

/** Where the name of a masking rule between asterisks ends (letters, digits, hyphens), alone or with a hash behind a colon; 0 when it is none. */
function maskedNameEnd(at: number, end: number): number {
  if (end - at < 3 || B[at] !== 0x2a || B[end - 1] !== 0x2a) return 0;
  let p = at + 1;
  while (classOf[B[p]] <= HYPHEN && classOf[B[p]] !== SLASH) p++;
  if (p === at + 1) return 0;
  if (p === end - 1) return p;
  if (B[p] !== 0x3a) return 0;
  for (let i = p + 1; i < end - 1; i++) if (classOf[B[i]] > (DIGIT | HEX_LETTER)) return 0;
  return p;
}

/** The type of the segment `[at, end)`, whose bytes are of the classes `seen`; NOTHING when it stays. */
function typeOf(at: number, end: number, seen: number): number {
  if (seen === DIGIT) return INT;
  const length = end - at;
  if ((seen & DIGIT) !== 0) {
    if (B[at + 4] === 0x2d && isDate(at, end)) return DATE;
    if (length < HEX_MIN) return seen & AT_SIGN && isEmail(at, end) ? EMAIL : NOTHING;
    if (length === 36 && (seen & ~(DIGIT | HEX_LETTER)) === HYPHEN && isUuid(at)) return UUID;
  }
  if (seen & AT_SIGN) return isEmail(at, end) ? EMAIL : NOTHING;
  if (seen & OTHER) return NOTHING;
  if (length >= HEX_MIN && (seen & ~(DIGIT | HEX_LETTER)) === 0) return HEX;
  if (length >= TOKEN_MIN && seen & DIGIT && seen & (LETTER | HEX_LETTER) && isToken(at, end, seen & DOT)) return TOKEN;
  return NOTHING;
}

/** Copies `[at, end)` to `to`, up to three bytes too far, which is faster than to be exact; gives one past the last byte. */
function copyRaw(at: number, end: number, to: number): number {
  const stop = to + end - at;
  for (; to < stop; to += 4, at += 4) V.setInt32(to, V.getInt32(at, true), true);
  return stop;
}

/** Writes the template of the path `[at, end)` (without its query) at `to`; gives one past its last byte. */
export function writePathTemplate(at: number, end: number, to: number): number {
  let raw = at;
  let i = at;
  for (;;) {
    const from = i;
    let seen = 0;
    for (; i < end; i++) {
      const k = classOf[B[i]];
      if (k === SLASH) break;
      seen |= k;
    }
    if ((seen & ASTERISK) !== 0) {
      const nameEnd = maskedNameEnd(from, i);
      if (nameEnd !== 0) {
        to = copyRaw(raw, from, to);
        B[to++] = 0x7b;
        to = copyRaw(from + 1, nameEnd, to);
        B[to++] = 0x7d;
        raw = i;
        if (i >= end) return to;
        i++;
        continue;
      }
      seen = (seen & ~ASTERISK) | OTHER;
    }
    // A segment ends. Without a digit, and neither long nor an e-mail address, it stays: that is the usual case.
    if (seen & (DIGIT | AT_SIGN) || i - from >= HEX_MIN) {
      const type = typeOf(from, i, seen);
      if (type !== NOTHING) {
        to = copyRaw(raw, from, to);
        const stop = (type >> 4) + (type & 15);
        for (let k = type >> 4; k < stop; k++) B[to++] = names[k];
        raw = i;
      }
    }
    if (i >= end) return copyRaw(raw, end, to);
    i++;
  }
}
