/**
 * Which rule masks whatever stands under a name, and which rules do not look for values there.
 *
 * A name is taken apart into words: at everything that is no letter or digit, and where the case says so.
 *
 *   billingCardNumber -> billing card number      USER-PASSWORD -> user password      APIKey2 -> api key2
 *
 * A field of a rule (policy/spec.ts), `card-number`, fits a name when
 *   1. words that follow each other are "cardnumber" when written together: card_number, CardNumber, billing-cardnumber;
 *      digits at the end of the last do not count: cardNumber2. Where digits and letters meet, a word may end too, and the
 *      digits may be left out: my2faCode fits `2fa-code`, card2Number `card-number`;
 *   2. it has several words and at least TOGETHER_CHARS_MIN letters, and a word begins or ends with it: billingcardnumber;
 *   3. it has one word or fewer letters than that, and a word is this with one of `companions` before or behind it:
 *      userpassword, newpin, oldccnum, phoneno;
 *   4. it has no "=", and so fits when the last word is read without the s of a plural: tokens, cardNumbers, addresses. Not in
 *      paths, where a plural names a collection, and what follows is the id of one of its things: /phones/iphone-15.
 * So `pin` does not fit shipping, nor `token` tokenizer. It does not count under a name that the rule keeps off from
 * (`notFields`, which fit in the same way), and it does not fit where the last word of the name speaks about the
 * thing instead of holding it (`abouts`): tokenType, password_policy, emailVerified. Where only the plural of `token` fits, as
 * language models count them, a number may stand for how many there are (`countRule`).
 *
 * Letters beyond ASCII are letters; all other characters separate words, so that nothing glued to a name hides it: “password”.
 *
 * Strings are made at first sight of a name that may fit; from then on it is found by its bytes. Bounds: NAMES_MAX names of up to
 * NAME_BYTES_MAX bytes are remembered, then it starts anew; names that are longer are worked out each time, from their
 * last LONG_NAME_BYTES_MAX bytes. DENIED_SETS_MAX combinations of rules that keep off; beyond, none does.
 */
import { randomBytes } from 'node:crypto';
import { bytes, view } from '../../base/arena.ts';
import type { MaskingRule } from '../spec.ts';
import { buildAutomaton, mayFit } from './name-automaton.ts';
import { PATH, place } from './place.ts';

const B = bytes;
const V = view;
const P = place;
const NAMES_MAX = 2048;
const SLOTS = 2 * NAMES_MAX;
const PROBES_MAX = 16;
const NAME_BYTES_MAX = 64;
const LONG_NAME_BYTES_MAX = 1024;
const TOGETHER_CHARS_MIN = 6;
const WORD_CHARS_MAX = 64;
const RUNS_MAX = 16;
export const DENIED_SETS_MAX = 64;

/** Stands before or behind a field of one word, or a short one, when the two are written together. */
const companions = new Set(
  (
    'access account admin api app auth backup bank bearer billing bot card client confirm confirmation confirmed contact cookie csrf current ' +
    'customer database db default device email enc encrypted ftp guest hashed home http id initial jwt ldap login mail main master member ' +
    'mobile my mysql new oauth old owner password personal phone plain primary private proxy push reenter refresh register repeat reset ' +
    'retype root secret security server service session shared shipping signing site smtp sms ssh sso system temp temporary user username ' +
    'value verify web webhook wifi work xsrf consumer'
  ).split(' '),
);
/** Stands only behind. */
const followers = new Set([...companions, 'number', 'no', 'code', 'again']);

/** The last word of names that speak about a thing: nothing of it stands under them. */
const abouts = new Set(
  (
    'type types count length size expiry expires expired expiration ttl verified valid validated enabled disabled required changed updated ' +
    'created at policy strength status supported format label placeholder'
  ).split(' '),
);

interface Field {
  readonly rule: number;
  readonly isDenial: boolean;
  /** It fits a plural that may stand for a number of things. */
  readonly isCount?: boolean;
}

/** The field whose plural may stand for a number of things. */
const COUNTED = 'token';
const IS_COUNT = 1 << 30;

const wholes = new Map<string, Field[]>();
const parts = new Map<string, Field[]>();
const singles = new Map<string, Field[]>();
const together = new Map<string, Field[]>();
let singleLengths: number[] = [];
let togetherLengths: number[] = [];
let partCharsMax = 0;

let appliesAt: Int32Array = new Int32Array(1);
/** By place: which places have the same rules with fields. */
const placeClass = new Int32Array(32);
const C = placeClass;
/** One place of each class. */
const classPlace = new Int32Array(32);

// Row of a slot: hash (0: free), start in `store`, length and class, answer.
const slots = new Int32Array(4 * SLOTS);
const store = Buffer.allocUnsafe(NAMES_MAX * NAME_BYTES_MAX);
const S = slots;
const N = store;
const Y = new DataView(store.buffer, store.byteOffset, store.length);
const seed = randomBytes(4).readInt32LE();
let count = 0;
let storeTop = 0;
let hasFields = false;

/** Bits of the rules that keep off: set 0 is none. */
let deniedSets: Set<number>[] = [new Set()];
const deniedIndexes = new Map<string, number>();

/** Which set of rules keeps off what is looked at now: set by `lookUpName`, heeded by `detect`. Walkers may keep and put it back. */
export const denied: Int32Array = new Int32Array(1);
const X = denied;

export function resetNames(rules: readonly MaskingRule[], placesOfRules: Int32Array): void {
  for (const map of [wholes, parts, singles, together]) map.clear();
  appliesAt = placesOfRules;
  deniedSets = [new Set()];
  deniedIndexes.clear();
  X[0] = 0;
  partCharsMax = 0;
  hasFields = false;
  for (const [i, rule] of rules.entries()) {
    for (const field of rule.fields) addField(field, { rule: i + 1, isDenial: false });
    for (const field of rule.notFields) addField(field, { rule: i + 1, isDenial: true });
  }
  buildAutomaton([...wholes.keys(), ...parts.keys()]);
  singleLengths = lengthsOf(singles);
  togetherLengths = lengthsOf(together);
  const classes = new Map<string, number>();
  for (let p = 0; p < 32; p++) {
    const places = rules.map((rule, i) => (rule.fields.length > 0 ? (placesOfRules[i + 1] >>> p) & 1 : '')).join();
    const key = p === PATH ? `path ${places}` : places;
    let c = classes.get(key);
    if (c === undefined) {
      c = classes.size;
      classes.set(key, c);
      classPlace[c] = p;
    }
    C[p] = c;
  }
  forget();
}

function lengthsOf(map: ReadonlyMap<string, unknown>): number[] {
  return [...new Set([...map.keys()].map((key) => key.length))];
}

function addField(text: string, field: Field): void {
  hasFields = true;
  const isWhole = text.startsWith('=');
  const words = splitName(isWhole ? text.slice(1) : text);
  const joined = words.join('');
  if (joined === '') return;
  put(isWhole ? wholes : parts, joined, field);
  if (isWhole) return;
  partCharsMax = Math.max(partCharsMax, joined.length);
  if (words.length > 1 && joined.length >= TOGETHER_CHARS_MIN) put(together, joined, field);
  else put(singles, joined, field);
}

function put(map: Map<string, Field[]>, key: string, field: Field): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [field]);
  else list.push(field);
}

function forget(): void {
  S.fill(0);
  count = 0;
  storeTop = 0;
}

/** The rule that masks what stands under the name, or 0; and `denied` for what is detected there. An empty name: nothing known. */
export function lookUpName(at: number, end: number): number {
  const answer = hasFields && end > at ? find(at, end) : 0;
  X[0] = (answer & ~IS_COUNT) >> 8;
  return answer & 255;
}

/** The rule alone. */
export function ruleOfName(at: number, end: number): number {
  return hasFields && end > at ? find(at, end) & 255 : 0;
}

/** The rule alone, of a name under which a number may stand for how many there are: max_tokens. 0 for other names. */
export function countRule(at: number, end: number): number {
  const answer = hasFields && end > at ? find(at, end) : 0;
  return (answer & IS_COUNT) === 0 ? 0 : answer & 255;
}

function find(at: number, end: number): number {
  const n = end - at;
  const kind = C[P[0]];
  if (n > NAME_BYTES_MAX) return workOut(end - at > LONG_NAME_BYTES_MAX ? end - LONG_NAME_BYTES_MAX : at, end, kind);
  let h = seed ^ (n * 31 + kind);
  let i = at;
  for (; i + 4 <= end; i += 4) {
    h = Math.imul(h ^ V.getInt32(i, true), 0x2c1b3c6d);
    h ^= h >>> 15;
  }
  for (; i < end; i++) h = Math.imul(h ^ B[i], 0x01000193);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h = h ^ (h >>> 13) || 1;
  const lengthAndClass = (n << 8) | kind;
  let slot = h & (SLOTS - 1);
  for (let probe = 0; probe < PROBES_MAX; probe++) {
    const r = 4 * slot;
    if (S[r] === 0) {
      if (count >= NAMES_MAX) {
        forget();
        slot = h & (SLOTS - 1);
      }
      const answer = workOut(at, end, kind);
      const w = 4 * slot;
      S[w] = h;
      S[w + 1] = storeTop;
      S[w + 2] = lengthAndClass;
      S[w + 3] = answer;
      B.copy(N, storeTop, at, end);
      storeTop += n;
      count++;
      return answer;
    }
    if (S[r] === h && S[r + 2] === lengthAndClass && isSame(S[r + 1], at, n)) return S[r + 3];
    slot = (slot + 1) & (SLOTS - 1);
  }
  return workOut(at, end, kind);
}

function isSame(stored: number, at: number, n: number): boolean {
  let i = 0;
  for (; i + 4 <= n; i += 4) if (Y.getInt32(stored + i) !== V.getInt32(at + i)) return false;
  for (; i < n; i++) if (N[stored + i] !== B[at + i]) return false;
  return true;
}

/** Rule in the low eight bits, set of those that keep off above, and IS_COUNT. */
function workOut(at: number, end: number, kind: number): number {
  if (!mayFit(at, end)) return 0;
  worked++;
  const found: Field[] = [];
  const words = splitName(B.toString('utf8', at, end));
  collectFields(words, found);
  if (classPlace[kind] !== PATH) collectPlural(words, found);
  const denials = new Set<number>();
  for (const field of found) if (field.isDenial) denials.add(field.rule);
  let rule = 0;
  const bit = classPlace[kind];
  for (const field of found) {
    if (field.isDenial || (rule !== 0 && field.rule >= rule) || denials.has(field.rule)) continue;
    if (((appliesAt[field.rule] >>> bit) & 1) !== 0) rule = field.rule;
  }
  const isCount = rule !== 0 && found.every((field) => field.rule !== rule || field.isDenial || field.isCount === true);
  return rule | (deniedSet(denials) << 8) | (isCount ? IS_COUNT : 0);
}

let worked = 0;

/** How many names were worked out since the start: the others were remembered. */
export function namesWorkedOut(): number {
  return worked;
}

function deniedSet(rules: ReadonlySet<number>): number {
  if (rules.size === 0) return 0;
  const key = [...rules].sort((a, b) => a - b).join();
  let i = deniedIndexes.get(key);
  if (i === undefined) {
    if (deniedSets.length >= DENIED_SETS_MAX) return 0;
    i = deniedSets.push(new Set(rules)) - 1;
    deniedIndexes.set(key, i);
  }
  return i;
}

/** Whether a rule keeps off in this set. */
export function isDenied(set: number, rule: number): boolean {
  return deniedSets[set].has(rule);
}

function collectFields(words: readonly string[], found: Field[]): void {
  if (words.length === 0) return;
  if (wholes.size > 0) take(wholes.get(words.join('')), found, true);
  const isAbout = words.length > 1 && abouts.has(withoutDigits(words[words.length - 1]));
  for (let i = 0; i < words.length; i++) {
    let joined = '';
    for (let j = i; j < words.length; j++) {
      joined += words[j];
      // Up to four digits at the end do not count.
      if (joined.length > partCharsMax + 4) break;
      const isFree = !isAbout || j === words.length - 1;
      take(parts.get(joined), found, isFree);
      const bare = withoutDigits(joined);
      if (bare !== joined) take(parts.get(bare), found, isFree);
    }
    if (words[i].length > WORD_CHARS_MAX) continue;
    const bare = withoutDigits(words[i]);
    collectTogether(bare, found, !isAbout || i === words.length - 1);
    // Fields may end in digits, too: mytrack2.
    if (bare !== words[i]) collectTogether(words[i], found, !isAbout || i === words.length - 1);
  }
  collectRuns(words, found);
}

/** The same for the runs of letters and of digits that the words are made of: with the digits between them, and without. */
function collectRuns(words: readonly string[], found: Field[]): void {
  const runs = words.flatMap((word) => word.match(/[0-9]+|[^0-9]+/g) ?? []);
  if (!runs.some((run) => isDigit(run.charCodeAt(0)))) return;
  const last = runs.findLastIndex((run) => !isDigit(run.charCodeAt(0)));
  const isAbout = last > 0 && abouts.has(runs[last]);
  for (let i = 0; i < runs.length; i++) {
    let joined = '';
    let letters = '';
    for (let j = i; j < runs.length && letters.length <= partCharsMax && j - i < RUNS_MAX; j++) {
      joined += runs[j];
      const isNumber = isDigit(runs[j].charCodeAt(0));
      if (!isNumber) letters += runs[j];
      const isFree = !isAbout || j >= last;
      take(parts.get(joined), found, isFree);
      if (!isNumber && letters !== joined) take(parts.get(letters), found, isFree);
    }
    if (runs[i].length <= WORD_CHARS_MAX) collectTogether(runs[i], found, !isAbout || i >= last);
  }
}

/** The same for the last word without the s of a plural. */
function collectPlural(words: readonly string[], found: Field[]): void {
  const runs = words.flatMap((word) => word.match(/[0-9]+|[^0-9]+/g) ?? []);
  const last = runs.findLastIndex((run) => !isDigit(run.charCodeAt(0)));
  const one = last < 0 ? '' : singular(runs[last]);
  if (one === '') return;
  let joined = '';
  let letters = '';
  for (let i = last; i >= 0 && last - i < RUNS_MAX && letters.length <= partCharsMax; i--) {
    const run = i === last ? one : runs[i];
    joined = run + joined;
    if (!isDigit(run.charCodeAt(0))) letters = run + letters;
    const list = parts.get(joined);
    if (joined === COUNTED) for (const field of list ?? []) found.push({ ...field, isCount: true });
    else take(list, found, true);
    if (letters !== joined) take(parts.get(letters), found, true);
  }
  if (one.length <= WORD_CHARS_MAX) collectTogether(one, found, true);
}

function singular(word: string): string {
  if (!word.endsWith('s') || word.endsWith('ss')) return '';
  return word.slice(0, /(?:ss|x)es$/.test(word) ? -2 : -1);
}

function collectTogether(word: string, found: Field[], isFree: boolean): void {
  for (const n of togetherLengths) {
    if (n >= word.length) continue;
    take(together.get(word.slice(0, n)), found, isFree);
    take(together.get(word.slice(-n)), found, isFree);
  }
  for (const n of singleLengths) {
    if (n >= word.length) continue;
    const behind = singles.get(word.slice(-n));
    if (behind !== undefined && companions.has(word.slice(0, -n))) take(behind, found, isFree);
    const before = singles.get(word.slice(0, n));
    if (before !== undefined && followers.has(word.slice(n))) take(before, found, isFree);
  }
}

/** `isFree`: the fit counts for fields; for names that rules keep off from, it always does. */
function take(list: readonly Field[] | undefined, found: Field[], isFree: boolean): void {
  if (list === undefined) return;
  for (const field of list) if (isFree || field.isDenial) found.push(field);
}

function withoutDigits(word: string): string {
  let n = word.length;
  while (n > 1 && isDigit(word.charCodeAt(n - 1))) n--;
  return n === word.length ? word : word.slice(0, n);
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

const OTHER = 0;
const SMALL = 1;
const CAPITAL = 2;
const NUMBER = 3;
/** Beyond ASCII: letters, and marks on them, that can be seen. Characters in two parts (above U+FFFF) are none. */
const LETTER = /(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{Mn}\p{Mc}]/u;

function kindOf(c: number): number {
  if (c >= 97 && c <= 122) return SMALL;
  if (c >= 65 && c <= 90) return CAPITAL;
  if (isDigit(c)) return NUMBER;
  return c >= 128 && LETTER.test(String.fromCharCode(c)) ? SMALL : OTHER;
}

/** The words of a name, in lower case. */
export function splitName(name: string): string[] {
  const words: string[] = [];
  let from = 0;
  let before = OTHER;
  for (let i = 0; i <= name.length; i++) {
    const kind = i < name.length ? kindOf(name.charCodeAt(i)) : OTHER;
    // userId | USERId: a capital begins a word after a small letter or digit, or when a small one follows it.
    const isBreak =
      kind === OTHER ||
      before === OTHER ||
      (kind === CAPITAL && (before !== CAPITAL || (i + 1 < name.length && kindOf(name.charCodeAt(i + 1)) === SMALL)));
    if (isBreak) {
      if (before !== OTHER) words.push(name.slice(from, i).toLowerCase());
      from = i;
    }
    before = kind;
  }
  return words;
}
