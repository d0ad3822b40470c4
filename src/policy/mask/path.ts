/**
 * Segments of a path (RFC 3986, 3.3), each looked at with its escapes undone.
 *
 *   /users/ann%40example.com/cart;jsessionid=0BF63C/token/9f86d081884c7d65
 *          value                  name       value   name  value
 *
 * Matrix parameters are pairs of name and value. A segment whose own name has a rule gives it to the next one, unless that is
 * an ordinary word of paths (/password/reset). Behind words such as /reset/ and /verify/ a long random segment is a token.
 *
 * Bounds: linear. Replacements hold no slash.
 */
import { bytes } from '../../base/arena.ts';
import { popField, pushName } from './field.ts';
import { inspectName, inspectValue, nameRule, nameRuleIn, noName } from './inspect.ts';
import { IN_PATH, TOKEN_BYTES_MIN } from './kernels/tables.ts';
import { nestingNow } from './put.ts';
import { keepName, nextSegment } from './quick.ts';
import { HIDDEN_NAME, TOKEN_NAME } from './stack.ts';
import { URL_PATH } from './value.ts';

const B = bytes;
const SLASH = 47;
const SEMICOLON = 59;
const EQUALS = 61;
const WORD_BYTES_MAX = 24;

interface WordList {
  readonly texts: ReadonlySet<string>;
  /** So that no string is made of a segment that is none of them. */
  readonly hashes: ReadonlySet<number>;
}

function wordList(text: string): WordList {
  const texts = text.split(' ');
  const hash = (word: string): number => [...Buffer.from(word)].reduce((h, c) => Math.imul(h ^ c, 0x01000193), 0x811c9dc5 | 0);
  return { texts: new Set(texts), hashes: new Set(texts.map(hash)) };
}

/** What stands behind the name of a secret in paths of APIs without being one. */
const ordinary = wordList(
  'accept activate active add all archive available batch block bulk cancel change changes check clear clone close complete config ' +
    'configuration confirm count create current decode default delete deny disable edit enable encode exchange exists export find ' +
    'forgot forgotten generate get health history import index info init initiate inspect introspect issue latest list login logout ' +
    'lookup me metadata modify new next obtain open options policies policy preview previous primary public query reactivate recover ' +
    'recovery refresh register reject release remove renew replace request requests resend reset restore revoke rotate rules schema ' +
    'search self send settings setup sign signin signout signup start state stats status stop strength submit summary suspend ' +
    'templates test token tokens types unblock unlock update upload usage validate validation verification verify view',
);
/** Behind these a random segment is a token. */
const leading = wordList(
  'activate activation accept auth confirm confirmation invitation invitations invite invites join link magic magic-link optout ' +
    'password-reset recover recovery reset reset-password resetpassword share shared signed unsubscribe verification verify',
);

export function maskPath(at: number, end: number): void {
  let p = at;
  /** Of the segment before. */
  let rule = 0;
  let beforeAt = 0;
  let beforeEnd = 0;
  while (p < end) {
    if (rule === 0) {
      const next = nextSegment(p, end);
      if (next > p) {
        if (next >= end) return;
        let to = next - 1;
        while (to > p && B[to - 1] === SLASH) to--;
        if (to > p) {
          beforeEnd = beforeAt = to;
          while (beforeAt > p && B[beforeAt - 1] !== SLASH) beforeAt--;
        }
        p = next;
      }
    }
    let q = p;
    let semicolon = -1;
    for (; q < end && B[q] !== SLASH; q++) if (B[q] === SEMICOLON && semicolon < 0) semicolon = q;
    const to = semicolon < 0 ? q : semicolon;
    if (to > p) {
      let here = 0;
      if (rule !== 0) here = isWordOf(ordinary, p, to) ? 0 : rule;
      else if (looksRandom(p, to) && isWordOf(leading, beforeAt, beforeEnd)) here = nameRule(TOKEN_NAME.at, TOKEN_NAME.end);
      // A segment that is a secret itself is no name for the next.
      rule = here === 0 && q < end ? nameRuleIn(p, to, URL_PATH) : 0;
      if (here === 0 && rule === 0 && q < end && isWord(p, to)) keepName(p, to, 0, IN_PATH);
      noName();
      inspectValue(p, to, URL_PATH, here);
      beforeAt = p;
      beforeEnd = to;
    }
    if (semicolon >= 0) maskParameters(semicolon + 1, q);
    p = q + 1;
  }
}

/** Without digits, or as short as v2: ids are no names, and each comes once. */
function isWord(at: number, end: number): boolean {
  if (end - at >= TOKEN_BYTES_MIN || nestingNow() > 0) return false;
  if (end - at < 3) return true;
  for (let p = at; p < end; p++) if (B[p] >= 48 && B[p] <= 57) return false;
  return true;
}

/** `a=1;b=2` behind a segment. */
function maskParameters(at: number, end: number): void {
  let p = at;
  while (p < end) {
    let q = p;
    let equals = -1;
    for (; q < end && B[q] !== SEMICOLON; q++) if (B[q] === EQUALS && equals < 0) equals = q;
    if (equals < 0) {
      noName();
      inspectValue(p, q, URL_PATH, 0);
    } else {
      const rule = nameRuleIn(p, equals, URL_PATH);
      if (inspectName(p, equals, URL_PATH)) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
      else pushName(p, equals);
      inspectValue(equals + 1, q, URL_PATH, rule);
      popField();
    }
    p = q + 1;
  }
}

/** FNV-1a of a word, letters in lower case. */
function hashOf(at: number, end: number): number {
  let h = 0x811c9dc5 | 0;
  for (let p = at; p < end; p++) {
    const c = B[p];
    h = Math.imul(h ^ (c >= 65 && c <= 90 ? c | 32 : c), 0x01000193);
  }
  return h;
}

function isWordOf(words: WordList, at: number, end: number): boolean {
  return (
    end > at &&
    end - at <= WORD_BYTES_MAX &&
    words.hashes.has(hashOf(at, end)) &&
    words.texts.has(B.toString('latin1', at, end).toLowerCase())
  );
}

/** Long, with letters and digits in it, and no words joined by hyphens; or a UUID. */
function looksRandom(at: number, end: number): boolean {
  if (end - at < TOKEN_BYTES_MIN) return false;
  let digits = 0;
  let letters = 0;
  for (let p = at; p < end; p++) {
    const c = B[p];
    if (c >= 48 && c <= 57) digits++;
    else if ((c | 32) >= 97 && (c | 32) <= 122) letters++;
  }
  return digits >= 3 && digits + letters >= (3 * (end - at)) >> 2;
}
