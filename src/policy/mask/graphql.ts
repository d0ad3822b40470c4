/**
 * Literals in a GraphQL document (specification of October 2021, 2): of arguments, of input objects and lists in them, and
 * defaults of variables. The name before the colon is looked up; of a variable, its own.
 *
 *   query Find($card: String = "4111111111111111") { user(email: "ann@example.com", tags: ["a"]) { id name } }
 *               name           string                     name   string             name          selection: names only
 *
 *   strings   "a\u0041\"b"    """block, in which only \""" is an escape"""
 *   bare      12 -1.5e9 true null ENUM          words only within arguments: elsewhere they are fields and types
 *
 * A rule that a list or an input object stands under masks every literal in it. {name: "pin", value: "0420"} gives the value
 * the name beside it, in either order (parameters.ts): where the value came first, the walk goes back to it. Comments are
 * looked at as text, names of operations and fields as names.
 *
 * Bounds: linear: it goes back over as many bytes as the document has, and what more would need it is `unreadable` from the
 * value on. Levels are counted; parameters are known in the first LEVELS_KEPT of arguments. From where the grammar breaks, a body is masked as `unreadable`; a value that
 * only looks like a document is a text. Left out: whether the document is valid beyond its tokens and brackets.
 */
import { bytes } from '../../base/arena.ts';
import { cutEdits, editCount } from './edits.ts';
import { cutField, fieldDepth, pushName } from './field.ts';
import { inspectBare, inspectName, inspectValue, inspectValueOf, nameAtHand, nameRule, noName, setNameAtHand } from './inspect.ts';
import { BACKSLASH, kindOf, STOP, walked } from './kinds.ts';
import { isKeyName, isValueName, parameterRule } from './parameters.ts';
import { NESTING_MAX, nestingNow, onlyReports, putUnreadable } from './put.ts';
import { JSON_BARE, JSON_STRING, PLAIN } from './value.ts';

const B = bytes;
const K = kindOf;

const BROKEN = 0;
const BLANK = 1;
const QUOTE = 2;
const NUMBER = 3;
const LETTER = 4;
const OPEN = 5;
const CLOSE = 6;
const SIGN = 7;
const COMMENT = 8;
const classOf = new Uint8Array(256).fill(BROKEN);
for (const [text, c] of [
  [' \t\r\n,\xef\xbb\xbf', BLANK],
  ['"', QUOTE],
  ['-0123456789', NUMBER],
  ['abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_', LETTER],
  ['{[(', OPEN],
  ['}])', CLOSE],
  ['!$&.:=@|', SIGN],
  ['#', COMMENT],
] as const)
  for (const b of Buffer.from(text, 'latin1')) classOf[b] = c;
const C = classOf;

const QUOTE_BYTE = 34;
const DOLLAR = 36;
const COLON = 58;
const EQUALS = 61;
const LF = 10;
const OPEN_PARENTHESIS = 40;
const CLOSE_PARENTHESIS = 41;
const LETTER_E = 101;

const keywords: readonly Buffer[] = ['query', 'mutation', 'subscription', 'fragment'].map((s) => Buffer.from(s));

/** By nesting and level of arguments: the rule that "name" gives, where the first name "value" begins, the edits before it, 1: a name came. */
const LEVELS_KEPT = 64;
const PAIR_ROW = 4;
const pairs = new Int32Array(PAIR_ROW * LEVELS_KEPT * (NESTING_MAX + 1));
const G = pairs;
/** Which argument stands before the value. */
const IS_KEY = 1;
const IS_VALUE = 2;

let brokenAt = 0;

export function maskGraphql(at: number, end: number, isCut: boolean): void {
  if (!walkGraphql(at, end, isCut)) putUnreadable(brokenAt, end, PLAIN);
}

/** Whether [at, end) begins as a document does: with a brace, or a keyword and something behind it. */
function beginsGraphql(at: number, end: number): boolean {
  let p = at;
  for (;;) {
    while (p < end && C[B[p]] === BLANK) p++;
    if (p >= end || B[p] !== 35) break;
    while (p < end && B[p] !== LF) p++;
  }
  if (p >= end) return false;
  if (B[p] === 123) return true;
  for (const word of keywords) {
    if (p + word.length >= end) continue;
    let i = 0;
    while (i < word.length && word[i] === B[p + i]) i++;
    if (i === word.length && C[B[p + i]] !== LETTER && C[B[p + i]] !== NUMBER) return true;
  }
  return false;
}

/** Returns whether it was a whole document; what lies behind the place where it broke was not looked at. */
export function walkGraphql(at: number, end: number, isCut: boolean): boolean {
  brokenAt = at;
  if (!beginsGraphql(at, end)) return false;
  const fieldBase = fieldDepth();
  let p = at;
  /** Brackets open in all, and those from the first parenthesis on: arguments. */
  let depth = 0;
  let inArguments = 0;
  let rule = 0;
  let forced = 0;
  let forcedAt = 0;
  /** Behind the colon of a variable stands its type, up to an equals sign or the next variable. */
  /** What counts of the name of an argument for the literals under it. */
  let name = 0;
  let inType = false;
  let variable = false;
  let brackets = false;
  let broken = -1;
  let sort = 0;
  /** The string or word that is the name of a parameter. */
  let keyAt = 0;
  let keyEnd = 0;
  let keyForm = PLAIN;
  let goneBack = 0;
  const rows = PAIR_ROW * LEVELS_KEPT * nestingNow();
  noName();

  while (p < end && broken < 0) {
    const c = B[p];
    switch (C[c]) {
      case BLANK:
        p++;
        break;

      case COMMENT: {
        let q = p + 1;
        while (q < end && B[q] !== LF && B[q] !== 13) q++;
        if (q === end && isCut) putUnreadable(p + 1, end, PLAIN);
        else {
          noName();
          inspectValue(p + 1, q, PLAIN, 0);
        }
        p = q;
        break;
      }

      case QUOTE: {
        const isBlock = p + 2 < end && B[p + 1] === QUOTE_BYTE && B[p + 2] === QUOTE_BYTE;
        const from = isBlock ? p + 3 : p + 1;
        const to = isBlock ? blockEnd(from, end) : stringEnd(from, end);
        if (to < 0) {
          if (isCut) {
            putUnreadable(from, end, JSON_STRING);
            p = end;
          } else broken = p;
          break;
        }
        setNameAtHand(name);
        inspectValueOf(from, to, isBlock ? PLAIN : JSON_STRING, forced === 0 ? rule : forced, stringKinds);
        p = isBlock ? to + 3 : to + 1;
        if (sort === IS_KEY) {
          keyAt = from;
          keyEnd = to;
          keyForm = isBlock ? PLAIN : JSON_STRING;
        }
        break;
      }

      case NUMBER: {
        let q = p + 1;
        while (q < end && (C[B[q]] === NUMBER || B[q] === 46 || (B[q] | 32) === LETTER_E || B[q] === 43)) q++;
        setNameAtHand(name);
        if (q === end && isCut) putUnreadable(p, end, JSON_BARE);
        else if (q === end) {
          broken = p;
          break;
        } else inspectBare(p, q, forced === 0 ? rule : forced);
        p = q;
        break;
      }

      case LETTER: {
        let q = p + 1;
        while (q < end && (C[B[q]] === LETTER || (B[q] >= 48 && B[q] <= 57))) q++;
        let colon = q;
        while (colon < end && C[B[colon]] === BLANK) colon++;
        if (q === end && isCut) putUnreadable(p, end, JSON_BARE);
        else if (inArguments > 0 && colon < end && B[colon] === COLON) {
          if (forced === 0) rule = nameRule(p, q);
          name = nameAtHand();
          sort = variable || forced !== 0 || inArguments >= LEVELS_KEPT ? 0 : isKeyName(p, q) ? IS_KEY : isValueName(p, q) ? IS_VALUE : 0;
          if (sort === IS_VALUE && rule === 0) rule = valueRule(p, rows + PAIR_ROW * inArguments);
          cutField(fieldBase);
          pushName(p, q);
          inType = variable;
          q = colon + 1;
        } else if (inArguments > 0 && !variable && !inType) {
          setNameAtHand(name);
          inspectBare(p, q, forced === 0 ? rule : forced);
          if (sort === IS_KEY) {
            keyAt = p;
            keyEnd = q;
            keyForm = PLAIN;
          }
        } else if (inArguments === 0) {
          // Names of operations, fields and types are chosen freely too.
          noName();
          inspectName(p, q, PLAIN);
        }
        variable = false;
        p = q;
        break;
      }

      case OPEN:
        depth++;
        if (inArguments > 0) inArguments++;
        else if (c === OPEN_PARENTHESIS) inArguments = 1;
        if (rule !== 0 && forced === 0 && !inType && !onlyReports(rule)) {
          forced = rule;
          forcedAt = depth;
        }
        if (c !== 91) rule = 0;
        sort = 0;
        if (inArguments > 0 && inArguments < LEVELS_KEPT) G.fill(0, rows + PAIR_ROW * inArguments, rows + PAIR_ROW * (inArguments + 1));
        p++;
        break;

      case CLOSE:
        if (depth === 0) {
          broken = p;
          break;
        }
        if (forcedAt === depth) forced = forcedAt = 0;
        depth--;
        if (inArguments > 0 && --inArguments === 0) cutField(fieldBase);
        if (c === CLOSE_PARENTHESIS) inType = false;
        rule = name = sort = 0;
        brackets = true;
        p++;
        break;

      case SIGN:
        if (c === DOLLAR) {
          variable = true;
          inType = false;
        } else if (c === EQUALS) inType = false;
        p++;
        break;

      default:
        broken = p;
    }
    if (keyEnd === 0) continue;
    const valueAt = keyRule(keyAt, keyEnd, keyForm, rows + PAIR_ROW * inArguments);
    sort = keyEnd = 0;
    if (valueAt === 0) continue;
    goneBack += p - valueAt;
    if (goneBack > end - at) {
      putUnreadable(valueAt, end, PLAIN);
      walked[0] += p - at + goneBack;
      cutField(fieldBase);
      return true;
    }
    p = valueAt;
    rule = name = 0;
  }
  if (isCut && broken < 0) maskUnnamed(end, rows, inArguments);
  walked[0] += p - at + goneBack;
  cutField(fieldBase);
  brokenAt = broken < 0 ? end : broken;
  return broken < 0 && (isCut || (depth === 0 && brackets));
}

/** The rule that the name of a parameter gives its value, which begins at p; notes it when the name may still come. */
function valueRule(p: number, g: number): number {
  if (G[g] === 0 && G[g + 1] === 0) {
    G[g + 1] = p;
    G[g + 2] = editCount();
  }
  return G[g];
}

/** The name of a parameter; returns where the value begins that came before it and falls under its rule, 0 for none. */
function keyRule(at: number, end: number, form: number, g: number): number {
  const rule = parameterRule(at, end, form);
  G[g + 3] = 1;
  if (rule === 0) return 0;
  G[g] = rule;
  const valueAt = G[g + 1];
  if (valueAt === 0) return 0;
  cutEdits(G[g + 2]);
  G[g + 1] = 0;
  return valueAt;
}

/** Where the kept bytes end: a value whose name has not come is masked, with all behind it. */
function maskUnnamed(end: number, rows: number, inArguments: number): void {
  for (let level = 1; level <= inArguments && level < LEVELS_KEPT; level++) {
    const g = rows + PAIR_ROW * level;
    if (G[g + 1] === 0 || G[g + 3] !== 0) continue;
    cutEdits(G[g + 2]);
    putUnreadable(G[g + 1], end, PLAIN);
    return;
  }
}

let stringKinds = 0;

/** Where the string ends, -1 when it does not. */
function stringEnd(from: number, end: number): number {
  let kinds = 0;
  let p = from;
  for (; p < end; p++) {
    const k = K[B[p]];
    if ((k & STOP) !== 0) {
      if (B[p] === QUOTE_BYTE) {
        stringKinds = kinds;
        return p;
      }
      kinds |= BACKSLASH;
      p++;
    } else {
      if (B[p] === LF) return -1;
      kinds |= k;
    }
  }
  return -1;
}

function blockEnd(from: number, end: number): number {
  let kinds = 0;
  for (let p = from; p + 2 < end; p++) {
    const c = B[p];
    if (c === 92 && p + 3 < end && B[p + 1] === QUOTE_BYTE && B[p + 2] === QUOTE_BYTE && B[p + 3] === QUOTE_BYTE) p += 3;
    else if (c === QUOTE_BYTE && B[p + 1] === QUOTE_BYTE && B[p + 2] === QUOTE_BYTE) {
      stringKinds = kinds;
      return p;
    }
    kinds |= K[c] & ~STOP;
  }
  return -1;
}
