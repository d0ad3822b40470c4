/**
 * JSON (RFC 8259) as a stream of tokens over the kept bytes: every name is looked up, every value looked at, at any depth.
 *
 *   {"user":{"emails":["ann@example.com"],"card":4111111111111111}}
 *    name    name      string              name  bare token             field: user.emails.0, user.card
 *
 * A rule that an object or array stands under masks every leaf in it, and the names in it stay. `"name":"x","value":"y"`, as
 * lists of parameters write it (parameters.ts), gives y the name x, in either order: where the value came first, the walk goes
 * back to it.
 *
 * Read as servers read: several documents one after the other (NDJSON, RFC 7464), a byte order mark, the prefixes )]}',
 * for(;;); and while(1); against inclusion, name( ); around it, commas too many, NaN, Infinity and undefined, control bytes in
 * strings. Single quotes, names without quotes and comments break the grammar. From where it breaks, the rest is masked as
 * one `unreadable` edit. Where the kept bytes end early, the token that they cut is masked whole; and from the value on
 * everything, when the name of a parameter had not come yet.
 *
 * Bounds: linear: it goes back over as many bytes as the document has, and what more would need it is `unreadable` from the
 * value on; LEVELS_MAX levels, one byte each, deeper is broken grammar; indexes and names for a field path are kept
 * for the first PATH_LEVELS. Left out: which of two members of one name counts (both are looked at), numbers' grammar.
 */
import { bytes } from '../../base/arena.ts';
import { cutEdits, editCount } from './edits.ts';
import { cutField, fieldDepth, nextNumber, pushName, pushNumber } from './field.ts';
import { inspectBare, inspectNameOf, inspectValueOf, nameAtHand, nameRule, nameRuleIn, noName, setNameAtHand } from './inspect.ts';
import { BACKSLASH, kindOf, STOP, walked } from './kinds.ts';
import { maskOpaque, NO_OPAQUE, opaqueNext, seekOpaque } from './opaque.ts';
import { isKeyName, isValueName, parameterRule } from './parameters.ts';
import { nestingNow, onlyReports, putUnreadable } from './put.ts';
import { walkQuickly } from './quick-json.ts';
import { HIDDEN_NAME, hasRoom, stackTop } from './stack.ts';
import { undoEscapes } from './undo.ts';
import { JSON_BARE, JSON_STRING } from './value.ts';

const B = bytes;
const K = kindOf;
const X = opaqueNext;
const LEVELS_MAX = 1 << 20;
const PATH_LEVELS = 64;

// What a byte begins.
const BROKEN = 0;
const BLANK = 1;
const QUOTE = 2;
const BARE = 3;
const OPEN = 4;
const CLOSE = 5;
const COMMA = 6;
const classOf = new Uint8Array(256).fill(BROKEN);
for (const [text, c] of [
  [' \t\r\n\x1e', BLANK],
  ['"', QUOTE],
  ['-+0123456789tfnNIu', BARE],
  ['{[', OPEN],
  ['}]', CLOSE],
  [',', COMMA],
] as const)
  for (const b of Buffer.from(text, 'latin1')) classOf[b] = c;
const C = classOf;

/** Bytes that a bare token may hold: 1 for those of numbers, 2 for those of words only. */
const bareBytes = new Uint8Array(256);
for (const b of Buffer.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_')) bareBytes[b] = 2;
for (const b of Buffer.from('0123456789+-.eE')) bareBytes[b] = 1;
const R = bareBytes;
const words: readonly Buffer[] = ['true', 'false', 'null', 'NaN', 'Infinity', '-Infinity', '+Infinity', 'undefined'].map((w) =>
  Buffer.from(w),
);

const QUOTE_BYTE = 34;
const PARENTHESIS = 40;
const CLOSE_PARENTHESIS = 41;
const COLON_BYTE = 58;
const SEMICOLON = 59;
const BRACKET = 91;
const CLOSE_BRACE = 125;

// What may come next: a value; a value or the end of the array; a name or the end of the object; a comma or the end.
const VALUE = 0;
const ELEMENT = 1;
const NAME = 2;
const NEXT = 3;

/** 1 for each level that is an object. A walk inside of a value uses what lies above the levels of the walk around it. */
const levels = new Uint8Array(LEVELS_MAX + 1);
const S = levels;
let top = 0;
/** For the first levels: what counts of the name that the array stands under, and its index. Deeper ones have none. */
const LEVELS_NAMED = 256;
const arrays = new Int32Array(2 * LEVELS_NAMED);
const A = arrays;
/** For the same levels, of a list of parameters: the rule that "name" gives, where the first name "value" begins, the edits before it; 1: a name came; the member that is open. */
const PAIR_ROW = 5;
const pairs = new Int32Array(PAIR_ROW * LEVELS_NAMED);
const G = pairs;
/** An object or array that is longer, and has not ended where the kept bytes end, is no value of a parameter. */
const OPEN_VALUE_BYTES_MAX = 1024;

let brokenAt = 0;
let brokenUnderRule = false;
let isWrapped = false;

export function maskJson(at: number, end: number, isCut: boolean): void {
  if (!walkJson(at, end, isCut)) putUnreadable(brokenAt, end, JSON_BARE);
}

/** Where the walk that ended last met broken grammar. */
export function jsonBrokenAt(): number {
  return brokenAt;
}

/** Whether that was below a name that has a rule. */
export function jsonBrokenUnderRule(): boolean {
  return brokenUnderRule;
}

/** Returns whether the grammar held; if not, everything from `jsonBrokenAt()` on was not looked at. */
export function walkJson(at: number, end: number, isCut: boolean): boolean {
  if (X[0] === NO_OPAQUE && walkQuickly(at, end)) return true;
  const base = nestingNow() === 0 ? 0 : top;
  const fieldBase = fieldDepth();
  const paths = nestingNow() === 0 ? PATH_LEVELS : 0;
  let sp = base;
  let p = behindPrefix(at, end);
  const wrapped = isWrapped;
  let state = VALUE;
  let rule = 0;
  let forced = 0;
  let forcedAt = 0;
  let memberAt = 0;
  let sort = 0;
  let isWhole = false;
  let isClosed = false;
  let goneBack = 0;
  noName();
  let broken = -1;

  scan: while (p < end) {
    const c = B[p];
    switch (C[c]) {
      case BLANK:
        p++;
        break;

      case QUOTE: {
        const from = p + 1;
        let kinds = 0;
        let q = from;
        for (;;) {
          let k = 0;
          while (q < end && ((k = K[B[q]]) & STOP) === 0) {
            kinds |= k;
            q++;
          }
          if (q >= end || B[q] === QUOTE_BYTE) break;
          kinds |= BACKSLASH;
          q += 2;
        }
        if (q >= end) {
          if (isCut) putUnreadable(from, end, JSON_STRING);
          else broken = p;
          break scan;
        }
        if (state === NAME) {
          let colon = q + 1;
          while (colon < end && C[B[colon]] === BLANK) colon++;
          if (colon < end && B[colon] !== COLON_BYTE) {
            broken = p;
            break scan;
          }
          p = colon + 1;
          memberAt = from - 1;
          if (forced === 0) {
            rule = (kinds & BACKSLASH) === 0 ? nameRule(from, q) : nameRuleIn(from, q, JSON_STRING);
            sort = sortOf(from, q, kinds);
            if (rule === 0 && sort === IS_VALUE) {
              const g = pairOf(sp);
              rule = G[g];
              if (rule === 0 && G[g + 1] === 0) {
                G[g + 1] = from - 1;
                G[g + 2] = editCount();
              }
            }
          }
          const isHidden = inspectNameOf(from, q, JSON_STRING, kinds);
          if (sp - base <= paths) {
            cutField(fieldBase + sp - base - 1);
            if (isHidden) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
            else pushName(from, q);
          }
          state = VALUE;
          if (colon >= end) break scan;
          break;
        }
        if (state === NEXT) {
          broken = p;
          break scan;
        }
        p = q + 1;
        const isMember = sp > base && S[sp] === 1;
        if (!isMember) setNameAtHand(sp > base && sp < LEVELS_NAMED ? A[2 * sp] : 0);
        const own = forced === 0 ? rule : forced;
        if (from < X[0] || !maskOpaque(from, q, own !== 0 && !onlyReports(own))) inspectValueOf(from, q, JSON_STRING, own, kinds);
        if (sp === base) {
          state = VALUE;
          isWhole = true;
        } else {
          state = NEXT;
          if (isMember && forced === 0 && sort === IS_KEY) {
            const g = pairOf(sp);
            const valueAt = G[g + 1];
            const named = parameterRule(from, q, JSON_STRING);
            G[g + 3] = 1;
            if (named !== 0) G[g] = named;
            if (named !== 0 && valueAt !== 0) {
              cutEdits(G[g + 2]);
              G[g + 1] = 0;
              goneBack += p - valueAt;
              if (goneBack > end - at || sp >= LEVELS_NAMED) {
                putUnreadable(valueAt, end, JSON_BARE);
                isClosed = true;
                break scan;
              }
              p = valueAt;
              seekOpaque(p);
              state = NAME;
            }
          }
        }
        rule = 0;
        break;
      }

      case BARE: {
        let q = p + 1;
        let k = R[c];
        let r = 0;
        while (q < end && (r = R[B[q]]) !== 0) {
          k |= r;
          q++;
        }
        if (state > ELEMENT || (k !== 1 && !isWord(p, q) && !(q === end && isCut))) {
          broken = p;
          break scan;
        }
        if (q === end && (isCut || sp > base)) {
          if (isCut) putUnreadable(p, end, JSON_BARE);
          else broken = p;
          break scan;
        }
        if (sp === base) noName();
        else if (S[sp] === 0) setNameAtHand(sp < LEVELS_NAMED ? A[2 * sp] : 0);
        inspectBare(p, q, forced === 0 ? rule : forced);
        p = q;
        rule = 0;
        if (sp === base) {
          state = VALUE;
          isWhole = true;
        } else state = NEXT;
        break;
      }

      case OPEN: {
        if (state > ELEMENT || sp >= LEVELS_MAX) {
          broken = p;
          break scan;
        }
        const isMember = sp > base && S[sp] === 1;
        if (rule !== 0 && forced === 0 && !onlyReports(rule)) {
          forced = rule;
          forcedAt = sp + 1;
        }
        if (isMember) G[pairOf(sp) + 4] = memberAt;
        top = ++sp;
        G.fill(0, pairOf(sp), pairOf(sp) + PAIR_ROW);
        if (c === BRACKET) {
          S[sp] = 0;
          state = ELEMENT;
          if (sp < LEVELS_NAMED) {
            A[2 * sp] = isMember ? nameAtHand() : sp - 1 > base ? A[2 * sp - 2] : 0;
            A[2 * sp + 1] = 0;
          }
          if (sp - base <= paths) {
            cutField(fieldBase + sp - base - 1);
            pushNumber(0);
          }
        } else {
          S[sp] = 1;
          state = NAME;
        }
        rule = 0;
        p++;
        break;
      }

      case CLOSE: {
        const isObject = c === CLOSE_BRACE ? 1 : 0;
        if (sp === base || S[sp] !== isObject || state === VALUE) {
          broken = p;
          break scan;
        }
        if (forcedAt === sp) forced = forcedAt = 0;
        top = --sp;
        if (sp - base < paths) cutField(fieldBase + sp - base);
        if (sp === base) {
          state = VALUE;
          isWhole = true;
        } else state = NEXT;
        p++;
        break;
      }

      case COMMA:
        p++;
        if (sp === base) {
          if (isWhole) break;
        } else if (state !== VALUE) {
          if (S[sp] === 1) state = NAME;
          else {
            state = ELEMENT;
            if (sp < LEVELS_NAMED && sp - base <= paths) nextNumber(++A[2 * sp + 1]);
          }
          break;
        }
        broken = p - 1;
        break scan;

      default:
        if (wrapped && sp === base && isWhole && (c === CLOSE_PARENTHESIS || c === SEMICOLON)) {
          p++;
          break;
        }
        broken = p;
        break scan;
    }
  }

  if (isCut && !isClosed && broken < 0) maskUnnamed(base, sp, end);
  walked[0] += p - at + goneBack;
  top = base;
  brokenUnderRule = forced !== 0 || rule !== 0;
  brokenAt = broken < 0 ? end : broken;
  cutField(fieldBase);
  return broken < 0 && (isCut || isClosed || (sp === base && isWhole));
}

/** Deeper levels share one. */
function pairOf(level: number): number {
  return PAIR_ROW * (level < LEVELS_NAMED ? level : LEVELS_NAMED - 1);
}

const IS_KEY = 1;
const IS_VALUE = 2;
/** With its escapes, no name of a parameter's parts is longer. */
const CODED_NAME_BYTES_MAX = 6 * 6;

/** Whether a member is the name or the value of a parameter. */
function sortOf(at: number, end: number, kinds: number): number {
  let from = at;
  let to = end;
  if ((kinds & BACKSLASH) !== 0) {
    if (end - at > CODED_NAME_BYTES_MAX || !hasRoom(end - at)) return 0;
    from = stackTop();
    to = undoEscapes(at, end, JSON_STRING, from);
  }
  if (isKeyName(from, to)) return IS_KEY;
  return isValueName(from, to) ? IS_VALUE : 0;
}

/** Where the kept bytes end: a value whose name has not come is masked, with all behind it. */
function maskUnnamed(base: number, sp: number, end: number): void {
  for (let level = base + 1; level <= sp && level < LEVELS_NAMED; level++) {
    const g = pairOf(level);
    if (G[g + 1] === 0 || G[g + 3] !== 0) continue;
    if (level < sp && G[g + 4] === G[g + 1] && end - G[g + 1] > OPEN_VALUE_BYTES_MAX) continue;
    cutEdits(G[g + 2]);
    putUnreadable(G[g + 1], end, JSON_BARE);
    return;
  }
}

function isWord(at: number, end: number): boolean {
  for (const word of words) {
    if (word.length !== end - at) continue;
    let i = 0;
    while (i < word.length && word[i] === B[at + i]) i++;
    if (i === word.length) return true;
  }
  return false;
}

const prefixes: readonly Buffer[] = [")]}',", ")]}'", 'for(;;);', 'for (;;);', 'while(1);', 'while (1);', '/**/'].map((s) =>
  Buffer.from(s),
);
const CALL_NAME_BYTES_MAX = 128;

/** Behind what servers put before a document so that it cannot be included as a script, or so that it can. Sets `isWrapped`. */
function behindPrefix(at: number, end: number): number {
  let p = at;
  isWrapped = false;
  if (p + 3 <= end && B[p] === 0xef && B[p + 1] === 0xbb && B[p + 2] === 0xbf) p += 3;
  while (p < end && C[B[p]] === BLANK) p++;
  if (p >= end || C[B[p]] === OPEN || C[B[p]] === QUOTE) return p;
  for (const prefix of prefixes) {
    let i = 0;
    while (i < prefix.length && p + i < end && B[p + i] === prefix[i]) i++;
    if (i === prefix.length) p += i;
  }
  while (p < end && C[B[p]] === BLANK) p++;
  let q = p;
  while (q < end && q - p < CALL_NAME_BYTES_MAX && (R[B[q]] !== 0 || B[q] === 36)) q++;
  if (q > p && q < end && B[q] === PARENTHESIS) {
    isWrapped = true;
    return q + 1;
  }
  return p;
}
