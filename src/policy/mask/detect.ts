/**
 * Finds sensitive values in plain bytes by what they look like. One pass over the value, word by word (detectors/classes.ts);
 * a word, or a sign between words, that something can begin or end at goes to the detectors that know it:
 *
 *   digits            cards, telephone numbers, numbers of persons, IPv4        numbers.ts
 *   digits, letters   IBAN, numbers of persons, keys, tokens, IPv6
 *   @                 mail          ://   credentials in a URL                  + (   telephone numbers
 *   = : <             names and values in text                                  -     private keys
 *
 * Every detector looks at a bounded number of bytes, or at bytes that none looks at again, or at what then is found: the time
 * for a value is linear in its length. A clean value costs the one pass, and when it comes again and again, less (clean.ts).
 */
import { bytes } from '../../base/arena.ts';
import { detectorNames, type MaskingRule } from '../spec.ts';
import { CLEAN_BYTES_MAX, CLEAN_BYTES_MIN, isClean, noteClean, resetClean } from './clean.ts';
import { apiKey, awsId, discordToken, keyPairs, namedKey, resetApiKeys, telegramToken } from './detectors/api-key.ts';
import {
  ANCHOR,
  API_KEY,
  BASIC,
  BEARER,
  classes,
  DIGIT,
  EMAIL,
  hit,
  IBAN,
  IP,
  JOIN,
  JWT,
  LOWER,
  NATIONAL_ID,
  PATTERN,
  PHONE,
  PRIVATE_KEY,
  SECRET,
  SPECIAL,
  UPPER,
  WORD,
} from './detectors/classes.ts';
import { basicCredentials, bearerToken, isBasic, isBearer, userInfo } from './detectors/credentials.ts';
import { email } from './detectors/email.ts';
import { iban } from './detectors/iban.ts';
import { ipv6, isHex } from './detectors/ip-address.ts';
import { jwt, resetJwt } from './detectors/jwt.ts';
import { letteredId, spacedId } from './detectors/lettered-id.ts';
import { numbers } from './detectors/numbers.ts';
import { oddIban, oddNumber, oddPhone, oddSeparators } from './detectors/odd-separators.ts';
import { bracketedPhone, internationalPhone } from './detectors/phone.ts';
import { privateKey } from './detectors/private-key.ts';
import { elementSecret, findPair, namedSecret, optionSecret, pair } from './detectors/secret-in-text.ts';
import { isUuid, UUID_BYTES } from './detectors/uuid.ts';
import { DENIED_SETS_MAX, denied, isDenied } from './names.ts';
import { findMatches, matchAt, matchEnd, matchRule, nextMatch, resetPatterns } from './patterns.ts';
import { place } from './place.ts';

const B = bytes;
const K = classes;
const H = hit;
const P = place;
const X = denied;
const N = pair;
const W = awsId;
const G = keyPairs;
const T = oddSeparators;
const BLANK = 32;
const OPEN = 40;
const PLUS = 43;
const HYPHEN = 45;
const DOT = 46;
const SLASH = 47;
const COLON = 58;
const LESS = 60;
const EQUALS = 61;
const AT_SIGN = 64;
const SMALL_B = 98;
/** Of the first part of a UUID. */
const UUID_WORD_CHARS = 8;
const LONG_WORD_CHARS = 20;
/** Cards and ids have no fewer digits when they stand alone. */
const LONG_NUMBER_DIGITS = 11;
const PAIR_MASK = (1 << 14) - 1;
/** How long numbers of persons with letters are, as bits. */
const LETTERED_CHARS = (1 << 8) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 15) | (1 << 16) | (1 << 18);

/** What `detect` found: at, end, rule. */
export const found: Int32Array = new Int32Array(3);
const F = found;

// By set of rules that keep off and by place: the detectors that are on, as bits, and the rule of each.
const PLACES = 32;
const KINDS = 16;
const KNOWN = 1 << 30;
const detectorsOn = new Int32Array(DENIED_SETS_MAX * PLACES);
const rulesOf = new Uint8Array(DENIED_SETS_MAX * PLACES * KINDS);
const O = detectorsOn;
const R = rulesOf;
let rulesNow: readonly MaskingRule[] = [];
let appliesAt: Int32Array = new Int32Array(1);

export function resetDetect(rules: readonly MaskingRule[], placesOfRules: Int32Array): void {
  resetPatterns(rules);
  rulesNow = rules;
  appliesAt = placesOfRules;
  O.fill(0);
  R.fill(0);
  resetClean();
}

function applies(rule: number): boolean {
  return ((appliesAt[rule] >>> P[0]) & 1) !== 0 && !isDenied(X[0], rule);
}

/** Which detectors are on where we are; the first rule that has a detector counts. */
function prepare(t: number): number {
  let on = KNOWN;
  for (let i = rulesNow.length - 1; i >= 0; i--) {
    const rule = rulesNow[i];
    if (!applies(i + 1)) continue;
    if (rule.pattern !== '') on |= 1 << PATTERN;
    if (rule.detector === '') continue;
    const kind = detectorNames.indexOf(rule.detector);
    on |= 1 << kind;
    R[t * KINDS + kind] = i + 1;
  }
  O[t] = on;
  return on;
}

/** The rule of a detector (detectors/classes.ts) for `place[0]` that the name at hand does not keep off; 0 for none. */
export function ruleOfDetector(kind: number): number {
  const t = X[0] * PLACES + P[0];
  const on = O[t] === 0 ? prepare(t) : O[t];
  return (on & (1 << kind)) === 0 ? 0 : R[t * KINDS + kind];
}

/**
 * The first finding in [at, end), by the rules for `place[0]` that `denied[0]` does not keep off: sets `found`. `from` is
 * where the whole value begins: to go on behind a finding, ask again with `at` at its end and the same `from` and `end`. The
 * first question about a value has `at` equal to `from`.
 */
export function detect(at: number, end: number, from: number = at): boolean {
  const t = X[0] * PLACES + P[0];
  let on = O[t];
  if (on === 0) on = prepare(t);
  if (on === KNOWN || at >= end) return false;
  if (at !== from) return detectNext(at, end, from, on, t);
  const isCommon = end - at <= CLEAN_BYTES_MAX && end - at >= CLEAN_BYTES_MIN;
  if (isCommon && isClean(t, at, end)) return false;
  resetJwt();
  resetApiKeys();
  if (detectNext(at, end, from, on, t)) return true;
  if (isCommon) noteClean(t, at, end);
  return false;
}

function detectNext(at: number, end: number, from: number, on: number, t: number): boolean {
  if ((on & (1 << PATTERN)) !== 0) return detectWithPatterns(at, end, from, on, t);
  const stop = scan(at, end, from, end, on);
  if (stop === 0) return false;
  F[0] = H[0];
  F[1] = stop;
  F[2] = H[1] === SECRET ? H[2] : R[t * KINDS + H[1]];
  return true;
}

function detectWithPatterns(at: number, end: number, from: number, on: number, t: number): boolean {
  if (at === from) findMatches(at, end, applies);
  const match = nextMatch(at);
  const matchStart = match < 0 ? end : matchAt(match) < at ? at : matchAt(match);
  const stop = scan(at, end, from, match < 0 ? end : matchStart + 1, on);
  if (stop !== 0 && H[0] <= matchStart) {
    F[0] = H[0];
    F[1] = stop;
    F[2] = H[1] === SECRET ? H[2] : R[t * KINDS + H[1]];
    return true;
  }
  if (match < 0) return false;
  F[0] = matchStart;
  F[1] = matchEnd(match);
  F[2] = matchRule(match);
  return true;
}

/**
 * The pass: words and signs that begin before `stop`. It halts only at anchors; of a word in small letters that is at the
 * sign behind it. Start in hit[0], kind in hit[1]; returns the end, or 0.
 */
function scan(at: number, end: number, from: number, stop: number, on: number): number {
  let p = at;
  // In the middle of a word nothing begins.
  if (p > from && (K[B[p - 1]] & WORD) !== 0) while (p < end && (K[B[p]] & WORD) !== 0) p++;
  else if (p === from && (B[p] | 32) === SMALL_B) {
    // A header field that is a scheme and credentials, all in small letters.
    const e = scheme(p, end, from, on);
    if (e !== 0) return e;
  }
  // Words do not reach back before this.
  let low = p;
  for (;;) {
    let k = 0;
    while (p < stop) {
      k = K[B[p]];
      if ((k & ANCHOR) !== 0) break;
      p++;
    }
    if (p >= stop) return 0;
    let s = p;
    while (s > low && (K[B[s - 1]] & WORD) !== 0) s--;
    if ((k & WORD) !== 0) {
      let seen = s < p ? LOWER | k : k;
      for (p++; p < end; p++) {
        k = K[B[p]];
        if ((k & WORD) === 0) break;
        seen |= k;
      }
      if (p - s === UUID_WORD_CHARS && isUuid(s, end, from)) {
        p = s + UUID_BYTES;
      } else if ((seen & (DIGIT | LOWER | UPPER)) === DIGIT && p - s < LONG_NUMBER_DIGITS && W[0] === 0 && !goesOn(p, end)) {
        // A short number alone.
      } else if ((seen & DIGIT) !== 0) {
        const e = (seen & (LOWER | UPPER)) === 0 ? number(s, p, end, from, on) : word(s, p, end, from, on, seen);
        if (e !== 0) return e;
      } else if (mayBegin(s, p, end)) {
        const e = word(s, p, end, from, on, seen);
        if (e !== 0) return e;
      }
      low = p;
      if (s - 6 >= from && B[s - 1] === BLANK && isAfterScheme(B[s - 2])) {
        const e = schemeBefore(s, end, from, at, on);
        if (e !== 0) return e;
      }
      continue;
    }
    if (s < p && ((k & JOIN) !== 0 ? G[((B[s] << 7) | B[s + 1]) & PAIR_MASK] !== 0 : B[p] === COLON && p - s <= 4)) {
      const e = word(s, p, end, from, on, LOWER);
      if (e !== 0) return e;
    }
    if ((k & SPECIAL) !== 0 && (B[p] !== HYPHEN || (p + 1 < end && B[p + 1] === HYPHEN))) {
      const e = sign(p, at, end, from, on);
      if (e !== 0) return e;
    }
    low = ++p;
  }
}

/** Whether digits before p are joined to what follows them. */
function goesOn(p: number, end: number): boolean {
  if (p + 1 >= end) return false;
  const c = B[p];
  if (c === COLON || T[c] !== 0) return true;
  if (c === BLANK) return (K[B[p + 1]] & WORD) !== 0 || B[p + 1] === BLANK || B[p + 1] === HYPHEN || T[B[p + 1]] !== 0;
  return (c === HYPHEN || c === DOT || c === SLASH) && (K[B[p + 1]] & WORD) !== 0;
}

/** Whether something can begin with a word of letters, some of them capitals: a prefix of a key, a token, a scheme, an id. */
function mayBegin(s: number, p: number, end: number): boolean {
  const first = B[s];
  const n = p - s;
  if (n <= 2) return p + 1 < end && ((K[B[p + 1]] & DIGIT) !== 0 || G[((first << 7) | B[s + 1]) & PAIR_MASK] !== 0);
  if (n >= LONG_WORD_CHARS || (first === 101 && (B[s + 1] === 121 || B[s + 1] === 119))) return true;
  if (G[((first << 7) | B[s + 1]) & PAIR_MASK] !== 0 || W[0] !== 0) return true;
  return p < end && (((first | 32) === SMALL_B && B[p] === BLANK && (n === 6 || n === 5)) || (B[p] === COLON && n <= 4));
}

/** The last letter of "bearer" and "basic". */
function isAfterScheme(c: number): boolean {
  return (c | 32) === 114 || (c | 32) === 99;
}

/** A scheme in small letters may stand before the word at s, where the pass did not halt. */
function schemeBefore(s: number, end: number, from: number, at: number, on: number): number {
  const b = s - ((B[s - 2] | 32) === 114 ? 7 : 6);
  return b < at || (b > from && (K[B[b - 1]] & WORD) !== 0) ? 0 : scheme(b, end, from, on);
}

/** "Bearer" or "Basic", a word that begins at s, and what follows it. */
function scheme(s: number, end: number, from: number, on: number): number {
  if ((on & (1 << BEARER)) !== 0 && s + 7 < end && B[s + 6] === BLANK && isBearer(s)) {
    const e = bearerToken(s, s + 6, end, from);
    if (e === 0) return 0;
    const isJwt = (on & (1 << JWT)) !== 0 && B[H[0]] === 101 && jwt(H[0], end) === e;
    return kind(isJwt ? JWT : BEARER, e);
  }
  if ((on & (1 << BASIC)) !== 0 && s + 6 < end && B[s + 5] === BLANK && isBasic(s)) return kind(BASIC, basicCredentials(s + 5, end));
  return 0;
}

function number(s: number, p: number, end: number, from: number, on: number): number {
  const e = numbers(s, p, end, from, on);
  H[0] = s;
  if (e !== 0) return e;
  if (p < end && (T[B[p]] !== 0 || B[p] === BLANK || B[p] === HYPHEN)) {
    const odd = oddNumber(s, p, end, from, on);
    H[0] = s;
    if (odd !== 0) return odd;
  }
  if (p < end && B[p] === COLON) {
    if (p - s >= 8 && (on & (1 << API_KEY)) !== 0) {
      const key = telegramToken(s, p, end);
      if (key !== 0) return kind(API_KEY, key);
    }
    if ((on & (1 << IP)) !== 0) return address(s, end, from);
  }
  // A secret of AWS may begin with a digit.
  return W[0] === 0 ? 0 : kind(API_KEY, apiKey(s, p, end));
}

/** A word with letters. */
function word(s: number, p: number, end: number, from: number, on: number, seen: number): number {
  const n = p - s;
  const first = B[s];
  H[0] = s;
  if (first === 101 && n > 2 && (on & (1 << JWT)) !== 0 && (B[s + 1] === 121 || B[s + 1] === 119)) {
    const e = jwt(s, end);
    if (e !== 0) return kind(JWT, e);
  }
  if ((first | 32) === SMALL_B && (n === 6 || n === 5)) {
    const e = scheme(s, end, from, on);
    if (e !== 0) return e;
    H[0] = s;
  }
  if ((on & (1 << API_KEY)) !== 0 && (W[0] !== 0 || G[((first << 7) | B[s + 1]) & PAIR_MASK] !== 0)) {
    const e = apiKey(s, p, end);
    if (e !== 0) return kind(API_KEY, e);
  }
  if (n >= LONG_WORD_CHARS && first >= 77 && first <= 79 && (on & (1 << API_KEY)) !== 0) {
    const e = discordToken(s, p, end);
    if (e !== 0) return kind(API_KEY, e);
  }
  if ((seen & DIGIT) !== 0) {
    if (n >= 4 && first >= 65 && (K[B[s + 2]] & K[B[s + 3]] & DIGIT) !== 0 && (on & (1 << IBAN)) !== 0 && (K[B[s + 1]] & DIGIT) === 0) {
      const plain = iban(s, p, end);
      const e = plain !== 0 || n > 4 || p >= end ? plain : oddIban(s, end);
      if (e !== 0) return kind(IBAN, e);
    }
    if (n <= 18 && ((LETTERED_CHARS >> n) & 1) !== 0 && (on & (1 << NATIONAL_ID)) !== 0 && isApart(s, from)) {
      const e = letteredId(s, p, end);
      if (e !== 0) return kind(NATIONAL_ID, e);
    }
  } else if (n <= 2 && (on & (1 << NATIONAL_ID)) !== 0 && p + 9 < end && (K[B[p + 1]] & DIGIT) !== 0) {
    const e = spacedId(s, p, end);
    if (e !== 0) return kind(NATIONAL_ID, e);
  }
  return n <= 4 && (on & (1 << IP)) !== 0 && p < end && B[p] === COLON ? address(s, end, from) : 0;
}

/** Not a part of something joined by hyphens or dots. */
function isApart(s: number, from: number): boolean {
  if (s - 1 <= from) return true;
  const c = B[s - 1];
  return (c !== HYPHEN && c !== DOT) || (K[B[s - 2]] & DIGIT) === 0;
}

function address(s: number, end: number, from: number): number {
  if (!isHex(B[s]) || (s - 1 > from && B[s - 1] === COLON && (B[s - 2] === COLON || isHex(B[s - 2])))) return 0;
  return kind(IP, ipv6(s, end));
}

function kind(which: number, e: number): number {
  H[1] = which;
  return e;
}

function sign(p: number, at: number, end: number, from: number, on: number): number {
  switch (B[p]) {
    case AT_SIGN:
      return (on & (1 << EMAIL)) === 0 ? 0 : kind(EMAIL, email(p, at, end));
    case COLON: {
      if ((on & (1 << BASIC)) !== 0 && p + 3 < end && B[p + 1] === SLASH && B[p + 2] === SLASH) {
        const e = userInfo(p, end, from);
        if (e !== 0) return kind(BASIC, e);
      }
      if ((on & (1 << IP)) !== 0 && p + 2 < end && B[p + 1] === COLON && (p === from || (K[B[p - 1]] & WORD) === 0)) {
        const e = ipv6(p, end);
        H[0] = p;
        if (e !== 0) return kind(IP, e);
      }
      return pairAt(p, end, from, on);
    }
    case EQUALS:
      return pairAt(p, end, from, on);
    case PLUS:
      if ((on & (1 << PHONE)) === 0 || (p > from && (K[B[p - 1]] & WORD) !== 0)) return 0;
      H[0] = p;
      return kind(PHONE, oddPhone(p, end, from, internationalPhone(p, end, false)));
    case OPEN:
      if ((on & (1 << PHONE)) === 0 || (p > from && (K[B[p - 1]] & WORD) !== 0)) return 0;
      H[0] = p;
      return kind(PHONE, oddPhone(p, end, from, bracketedPhone(p, end)));
    case HYPHEN:
      if (p + 1 >= end || B[p + 1] !== HYPHEN) return 0;
      if ((on & (1 << SECRET)) !== 0 && (p === from || B[p - 1] === BLANK)) {
        const e = optionSecret(p, end);
        if (e !== 0) return kind(SECRET, e);
      }
      H[0] = p;
      return (on & (1 << PRIVATE_KEY)) === 0 ? 0 : kind(PRIVATE_KEY, privateKey(p, end));
    case LESS:
      return (on & (1 << SECRET)) === 0 ? 0 : kind(SECRET, elementSecret(p, end));
    default:
      return 0;
  }
}

function pairAt(p: number, end: number, from: number, on: number): number {
  if ((on & ((1 << SECRET) | (1 << API_KEY))) === 0 || !findPair(p, end, from)) return 0;
  if ((on & (1 << SECRET)) !== 0) {
    const e = namedSecret(p, end);
    if (e !== 0) return kind(SECRET, e);
  }
  return (on & (1 << API_KEY)) === 0 ? 0 : kind(API_KEY, namedKey(N[0], N[1], N[2], end));
}
