/**
 * Names and values in text: what stands behind the name of a field that is to be masked.
 *
 *   password=hunter2   "apiKey": "..."   Authorization: Bearer x   user[password]=x   :token => 'x'   <password>x</password>
 *
 *   password: |                token:                  secret = """         lines that are indented more, as YAML has them;
 *     hunter2                    - hunter2              hunter2"""           up to the three quotes, as in TOML and Python
 *
 *   export DB_PASSWORD=Xk9,a b      where the name begins its line, or stands behind a quote: all up to the end of either
 *   at 10:02 password=Xk9;ab end    elsewhere: up to a blank, or to separators behind which no more of a value can stand
 *
 * A quoted value ends where its quote closes, and a doubled quote does not close it; a list or an object is taken up to its
 * bracket; of Authorization and Cookie the rest of the line is the value. Tags, anchors and comments of YAML are taken with it.
 * true, false, null and the like are no values, and short numbers are none under names like max_tokens.
 * Bounds: NAME_BYTES_MAX; BLANKS_MAX before the sign, VALUE_BLANKS_MAX behind it; INDENT_BYTES_MAX of a line before the name;
 * LINE_BYTES_MAX are looked at for a quote that was opened before, and for the end of a comment.
 */
import { bytes } from '../../../base/arena.ts';
import { countRule, ruleOfName } from '../names.ts';
import { classes, DIGIT, hit, looked, STOP, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const H = hit;
const L = looked;
const NAME_BYTES_MAX = 64;
const BLANKS_MAX = 64;
const VALUE_BLANKS_MAX = 256;
const MARKS_MAX = 8;
const INDENT_BYTES_MAX = 128;
const LINE_BYTES_MAX = 512;
const TAG_BYTES_MAX = 32;
/** Numbers of things have no more digits. */
const COUNT_DIGITS_MAX = 9;
/** So many signs alone are no value. */
const SIGNS_MAX = 2;
const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const BLANK = 32;
const EXCLAMATION = 33;
const QUOTE = 34;
const HASH = 35;
const AMPERSAND = 38;
const APOSTROPHE = 39;
const STAR = 42;
const HYPHEN = 45;
const SLASH = 47;
const COLON = 58;
const LESS = 60;
const EQUALS = 61;
const GREATER = 62;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const UNDERSCORE = 95;
const GRAVE = 96;
const OPEN_BRACE = 123;
const BAR = 124;
const CLOSE_BRACE = 125;

/** Where the name and the value of the sign that was looked at last lie, where the text begins, and how many backslashes its quote has; the name is empty when there is none. */
export const pair: Int32Array = new Int32Array(5);
const P = pair;

function isNameByte(c: number): boolean {
  return (K[c] & WORD) !== 0 || c === 95 || c === 45 || c === 46 || c === 36 || c >= 128;
}

/** How many bytes the blank or tab before p takes, also one that no keyboard has; 0: none is there. */
function blankBefore(p: number, from: number): number {
  const c = p > from ? B[p - 1] : 0;
  if (c === BLANK || c === TAB) return 1;
  if (c < 128) return 0;
  if (p - 2 >= from && isOddBlank(p - 2, p) === 2) return 2;
  return p - 3 >= from && isOddBlank(p - 3, p) === 3 ? 3 : 0;
}

/** The same of one at p. */
function blankAt(p: number, end: number): number {
  const c = p < end ? B[p] : 0;
  return c === BLANK || c === TAB ? 1 : c < 128 ? 0 : isOddBlank(p, end);
}

/** U+00A0, U+2000 to U+200F, U+202F, U+3000, U+FEFF */
function isOddBlank(p: number, end: number): number {
  if (B[p] === 0xc2) return p + 1 < end && B[p + 1] === 0xa0 ? 2 : 0;
  if (p + 2 >= end) return 0;
  const low = B[p + 2];
  if (B[p] === 0xe2) return B[p + 1] === 0x80 && (low <= 0x8f || low === 0xaf) ? 3 : 0;
  return (B[p] === 0xe3 && B[p + 1] === 0x80 && low === 0x80) || (B[p] === 0xef && B[p + 1] === 0xbb && low === 0xbf) ? 3 : 0;
}

function behindBlanks(p: number, end: number): number {
  let v = p;
  for (let n = blankAt(v, end); n > 0 && v - p < VALUE_BLANKS_MAX; n = blankAt(v, end)) v += n;
  return v;
}

/** Finds the name before the = or : at p and the place of its value: in `pair` the name's start and end, and the value's start. */
export function findPair(p: number, end: number, from: number): boolean {
  let q = p;
  for (let n = blankBefore(q, from); n > 0 && p - q < BLANKS_MAX; n = blankBefore(q, from)) q -= n;
  for (let n = 0; q > from && n < MARKS_MAX && isMark(B[q - 1]); n++) q--;
  const nameEnd = q;
  const stop = q - NAME_BYTES_MAX > from ? q - NAME_BYTES_MAX : from;
  while (q > stop && isNameByte(B[q - 1])) q--;
  L[0] += p - q;
  // A time of day is no name.
  if (q === nameEnd || (nameEnd === p && (K[B[q]] & K[B[p - 1]] & DIGIT) !== 0)) return false;
  P[0] = q;
  P[1] = nameEnd;
  P[3] = from;
  let v = p + 1;
  // ":=", "==", "=>"
  while (v < end && v - p < 3 && (B[v] === EQUALS || (B[v] === GREATER && B[p] === EQUALS))) v++;
  // **Password:** hunter2
  if (v < end && (B[v] === STAR || B[v] === UNDERSCORE)) v = behindEmphasis(v, end, from);
  v = behindBlanks(v, end);
  P[2] = v;
  return v < end;
}

/** Quotes and brackets around a name, and what Markdown puts there. */
function isMark(c: number): boolean {
  return c === QUOTE || c === APOSTROPHE || c === BACKSLASH || c === CLOSE || c === STAR || c === GRAVE;
}

/** Behind the end of what Markdown emphasises, when it began before the name; else v. */
function behindEmphasis(v: number, end: number, from: number): number {
  if (B[P[0]] !== B[v] && (P[0] === from || B[P[0] - 1] !== B[v])) return v;
  let q = v;
  while (q < end && q - v < 3 && B[q] === B[v]) q++;
  return blankAt(q, end) > 0 ? q : v;
}

/** After `findPair`: whether the value is to be masked. Start in hit[0], rule in hit[2]; the end, or 0. */
export function namedSecret(p: number, end: number): number {
  const v = P[2];
  if (B[p] === COLON && v === p + 1 && v + 1 < end && B[v] === SLASH && B[v + 1] === SLASH) return 0;
  const rule = ruleOfName(P[0], P[1]);
  if (rule === 0) return 0;
  H[2] = rule;
  if (B[p] !== COLON) return valueEnd(v, end);
  const behind = v === p + 1 ? v : behindTags(v, end);
  const e = blockOrValueEnd(behind, end);
  if (behind === v) return e;
  if (e === 0) return valueEnd(v, end);
  H[0] = v;
  return e;
}

function blockOrValueEnd(v: number, end: number): number {
  const e = blockEnd(v, end);
  if (e !== 0) return e;
  const behind = behindElementEnd(v, end);
  return behind < end ? valueEnd(behind, end) : 0;
}

/** Behind `!!str` and `&anchor`, as YAML has them before a value; else v. */
function behindTags(v: number, end: number): number {
  let q = v;
  for (let n = 0; n < 2 && q < end && (B[q] === EXCLAMATION || B[q] === AMPERSAND); n++) {
    let to = q + 1;
    while (to < end && to - q < NAME_BYTES_MAX && B[to] > BLANK) to++;
    const next = behindBlanks(to, end);
    if (to === q + 1 || next >= end || (next === to && B[to] > BLANK)) return q;
    q = next;
  }
  return q;
}

/** Behind `</b>`, `</td><td>`: what a name stood in; else v. */
function behindElementEnd(v: number, end: number): number {
  if (v + 1 >= end || B[v] !== LESS || B[v + 1] !== SLASH) return v;
  let q = v;
  for (let n = 0; n < 4 && q < end && B[q] === LESS; n++) {
    let to = q + 1;
    while (to < end && to - q < TAG_BYTES_MAX && B[to] !== GREATER && B[to] !== LESS) to++;
    if (to >= end || B[to] !== GREATER) return q;
    q = behindBlanks(to + 1, end);
  }
  return q;
}

/** Where the value at `at` ends: start in hit[0]; 0 for none. */
function valueEnd(at: number, end: number): number {
  let v = at;
  // b'...', rb"..."
  let q = v;
  while (q < v + 2 && q < end && isPrefix(B[q])) q++;
  if (q < end && (B[q] === QUOTE || B[q] === APOSTROPHE)) v = q;
  const depth = backslashes(v, end);
  const quote = v + depth < end ? B[v + depth] : 0;
  if (depth === 0 && (quote === QUOTE || quote === APOSTROPHE) && v + 3 < end && B[v + 1] === quote && B[v + 2] === quote) {
    H[0] = v + 3;
    return notEmpty(v + 3, threeQuotesEnd(v + 3, end, quote));
  }
  if (quote === QUOTE || quote === APOSTROPHE || (quote === GRAVE && depth === 0)) {
    H[0] = v += depth + 1;
    const e = quoteEnd(v, end, quote, depth);
    // "ab"cd, as shells have it
    return e + 1 >= end || (K[B[e + 1]] & WORD) === 0 ? notEmpty(v, e) : bareEnd(e + 1, end);
  }
  H[0] = at;
  const curly = curlyEnd(at, end);
  if (curly !== 0) return curly;
  const opened = lineQuote();
  if (quote === OPEN || quote === OPEN_BRACE) {
    const close = bracketEnd(at, end, quote === OPEN ? CLOSE : CLOSE_BRACE);
    return opened < 0 ? close : Math.max(close, lineEnd(at, end, opened, P[4]));
  }
  if (isLine(P[0], P[1])) return notEmpty(at, lineEnd(at, end, openQuote(), P[4]));
  if (opened >= 0) return lineValueEnd(at, end, opened);
  const e = bareEnd(at, end);
  if (e < end && B[e] === BLANK && isScheme(at, e)) {
    const next = e + 1 < end && (K[B[e + 1]] & STOP) === 0 ? bareEnd(e + 1, end) : 0;
    return next > e ? next : e;
  }
  return e === at || isNothing(at, e) || isCount(at, e) ? 0 : e;
}

/** What may stand before the quote of a string in Python, Rust or C: b, f, r, u. */
function isPrefix(c: number): boolean {
  const lower = c | BLANK;
  return lower === 98 || lower === 102 || lower === 114 || lower === 117;
}

/** How many backslashes stand at v, MARKS_MAX at most. */
function backslashes(v: number, end: number): number {
  let q = v;
  while (q < end && q - v < MARKS_MAX && B[q] === BACKSLASH) q++;
  return q - v;
}

/** The value of a name that begins its line: all up to the end of the line, or to the quote. */
function lineValueEnd(v: number, end: number, quote: number): number {
  let word = v;
  while (word < end && (K[B[word]] & STOP) === 0) word++;
  const e = lineEnd(v, end, quote, P[4]);
  if ((isNothing(v, word) || isCount(v, word)) && isNoMore(word, e)) return 0;
  let to = e;
  while (to > v && (B[to - 1] <= BLANK || B[to - 1] === 44 || B[to - 1] === 59)) to--;
  return notEmpty(v, to);
}

/** Whether only signs, or a comment, follow on the line. */
function isNoMore(at: number, end: number): boolean {
  let q = at;
  while (q < end && (K[B[q]] & STOP) !== 0) q++;
  return q === end || (q > at && (B[q] === HASH || (B[q] === SLASH && q + 1 < end && B[q + 1] === SLASH)));
}

/** A number of things: max_tokens=100 */
function isCount(at: number, end: number): boolean {
  if (end - at > COUNT_DIGITS_MAX) return false;
  for (let q = at; q < end; q++) if ((K[B[q]] & DIGIT) === 0) return false;
  return end > at && countRule(P[0], P[1]) !== 0;
}

const assigning = ['export', 'set', 'setenv', 'env', 'arg'].map((text) => Buffer.from(text, 'latin1'));

/**
 * Whether the name begins its line, behind an indent, `- `, `# `, `export `; or stands behind a quote that it does not stand in
 * alone. The quote, with the backslashes before it in pair[4]; 0 for none; -1 when neither holds.
 */
function lineQuote(): number {
  P[4] = 0;
  const from = P[3];
  const mark = B[P[1]];
  if (mark === QUOTE || mark === APOSTROPHE || mark === BACKSLASH || mark === GRAVE || mark === CLOSE) return -1;
  if (B[P[0]] === HYPHEN && B[P[0] + 1] === HYPHEN) return -1;
  let q = indentBefore(P[0], from);
  for (let i = 0; i < assigning.length; i++) {
    const n = assigning[i].length;
    if (q < P[0] && q - n >= from && isSame(q - n, q, assigning[i]) && (q - n === from || (K[B[q - n - 1]] & WORD) === 0)) {
      q = indentBefore(q - n, from);
      break;
    }
  }
  if (q === from || B[q - 1] === NEWLINE || B[q - 1] === RETURN) return 0;
  const c = B[q - 1];
  if (c !== QUOTE && c !== APOSTROPHE) return -1;
  for (q--; q > from && P[4] < MARKS_MAX && B[q - 1] === BACKSLASH; q--) P[4]++;
  return c;
}

/** Where what may stand before the first name of a line begins: blanks, signs of lists, comments and citations, bullets. */
function indentBefore(p: number, from: number): number {
  let q = p;
  while (q > from && p - q < INDENT_BYTES_MAX && (isIndentSign(B[q - 1]) || B[q - 1] >= 128)) q--;
  L[0] += p - q;
  return q;
}

function isIndentSign(c: number): boolean {
  return c === BLANK || c === TAB || c === HYPHEN || c === STAR || c === HASH || c === 59 || c === GREATER;
}

/** The quote that is open where the name of `pair` stands, as far as its line tells; 0 for none. Its backslashes in pair[4]. */
function openQuote(): number {
  const name = P[0];
  const low = name - LINE_BYTES_MAX > P[3] ? name - LINE_BYTES_MAX : P[3];
  let q = name;
  P[4] = 0;
  while (q > low && B[q - 1] !== NEWLINE && B[q - 1] !== RETURN) q--;
  L[0] += name - q;
  if (q === low && low > P[3]) return 0;
  let open = 0;
  let depth = 0;
  for (; q < name; q++) {
    const c = B[q];
    if (c === BACKSLASH) {
      const n = backslashes(q, name);
      if (q + n >= name) break;
      q += n;
      if (B[q] !== QUOTE && B[q] !== APOSTROPHE) continue;
      if (open === 0) {
        open = B[q];
        depth = n;
      } else if (B[q] === open && n === depth) open = 0;
    } else if (open === 0 && (c === QUOTE || (c === APOSTROPHE && (q === P[3] || (K[B[q - 1]] & WORD) === 0)))) {
      open = c;
      depth = 0;
    } else if (c === open && depth === 0) open = 0;
  }
  P[4] = depth;
  return open;
}

/** Where a value in “typographic” quotes ends, if it is one that closes on its line; start in hit[0]; else 0. */
function curlyEnd(v: number, end: number): number {
  if (!isCurly(v, end)) return 0;
  let q = v + 3;
  while (q < end && B[q] !== NEWLINE && !isCurly(q, end)) q++;
  L[0] += q - v;
  if (q >= end || B[q] === NEWLINE || q === v + 3) return 0;
  H[0] = v + 3;
  return q;
}

/** U+2018 to U+201F */
function isCurly(p: number, end: number): boolean {
  return p + 2 < end && B[p] === 0xe2 && B[p + 1] === 0x80 && B[p + 2] >= 0x98 && B[p + 2] <= 0x9f;
}

/**
 * Where a value without quotes ends that does not have its line alone: at a blank; before signs that a blank follows, or another
 * pair. Signs that it begins with belong to it, but SIGNS_MAX and nothing else are no value.
 */
function bareEnd(v: number, end: number): number {
  let q = v;
  for (;;) {
    while (q < end && (K[B[q]] & STOP) === 0) q++;
    let r = q;
    while (r < end && (K[B[r]] & STOP) !== 0 && B[r] > BLANK) r++;
    const isLast = r >= end || B[r] <= BLANK;
    if (q === v && isLast && r - v <= SIGNS_MAX) r = v;
    if (r === q || isLast || (q > v && isOther(r, end))) {
      L[0] += r - v;
      return q > v || r === v ? q : r;
    }
    q = r;
  }
}

/** Whether another pair begins at `at`, or, behind a <, a tag. */
function isOther(at: number, end: number): boolean {
  if (B[at - 1] === LESS) return isTag(at, end);
  let r = at;
  while (r < end && r - at < MARKS_MAX && (B[r] === OPEN || B[r] === OPEN_BRACE || B[r] === QUOTE || B[r] === BACKSLASH)) r++;
  let q = r;
  const stop = end < r + NAME_BYTES_MAX ? end : r + NAME_BYTES_MAX;
  while (q < stop && (isNameByte(B[q]) || B[q] === OPEN || B[q] === CLOSE)) q++;
  L[0] += q - r;
  const nameEnd = q;
  while (q < end && q - nameEnd < MARKS_MAX && (B[q] === QUOTE || B[q] === APOSTROPHE || B[q] === BACKSLASH)) q++;
  if (nameEnd === r || q + 1 >= end) return false;
  if (B[q] === COLON) return q > nameEnd;
  // An equals sign at the end is padding.
  return B[q] === EQUALS && B[q + 1] > BLANK && B[q + 1] !== EQUALS;
}

function isTag(r: number, end: number): boolean {
  let q = r;
  while (q < end && q - r < TAG_BYTES_MAX && ((K[B[q]] & WORD) !== 0 || B[q] === SLASH)) q++;
  return q > r && q < end && (B[q] === GREATER || B[r] === SLASH);
}

/**
 * The name stands before P[0], and behind its colon nothing else in this line but a comment, or | or >: the lines below it that
 * are indented more, or begin with "- ", are its value. Start in hit[0]; the end, or 0.
 */
function blockEnd(v: number, end: number): number {
  let q = v;
  if (q < end && (B[q] === BAR || B[q] === GREATER)) while (q < end && B[q] > BLANK) q++;
  while (q < end && (B[q] === BLANK || B[q] === TAB || B[q] === RETURN)) q++;
  const isComment = q < end && B[q] === HASH && B[q - 1] <= BLANK;
  if (isComment) for (const at = q; q < end && B[q] !== NEWLINE && q - at < LINE_BYTES_MAX; ) q++;
  if (q >= end || B[q] !== NEWLINE) return 0;
  let nameIndent = 0;
  for (let p = P[0]; p > P[3] && nameIndent < NAME_BYTES_MAX && isIndent(B[p - 1]); p--) nameIndent++;
  let at = 0;
  let to = 0;
  while (q < end) {
    const lineAt = ++q;
    while (q < end && B[q] === BLANK) q++;
    const indent = q - lineAt;
    const isItem = q + 1 < end && B[q] === HYPHEN && B[q + 1] === BLANK;
    const from = q;
    while (q < end && B[q] !== NEWLINE) q++;
    let stop = q;
    while (stop > from && B[stop - 1] <= BLANK) stop--;
    if (stop === from) continue;
    if (indent <= nameIndent && !(isItem && indent === nameIndent)) break;
    if (at === 0) at = from;
    to = stop;
  }
  L[0] += (to === 0 ? q : to) - v;
  // What looks like a comment may be a value.
  H[0] = isComment ? v : at;
  return to;
}

function isIndent(c: number): boolean {
  return c === BLANK || c === QUOTE || c === HYPHEN;
}

function threeQuotesEnd(v: number, end: number, quote: number): number {
  let q = v;
  while (q + 2 < end && (B[q] !== quote || B[q + 1] !== quote || B[q + 2] !== quote)) q++;
  L[0] += q - v;
  return q + 2 < end ? q : end;
}

/** `--password hunter2` as on a command line: "--" stands at p. Start in hit[0], rule in hit[2]; the end, or 0. */
export function optionSecret(p: number, end: number): number {
  let q = p + 2;
  const stop = end < q + NAME_BYTES_MAX ? end : q + NAME_BYTES_MAX;
  while (q < stop && B[q] < 128 && isNameByte(B[q])) q++;
  L[0] += q - p;
  if (q === p + 2 || q + 1 >= end || blankAt(q, end) === 0 || B[p + 2] === HYPHEN) return 0;
  const rule = ruleOfName(p + 2, q);
  if (rule === 0) return 0;
  let v = behindBlanks(q, end);
  // The line goes on in the next one.
  if (v + 1 < end && B[v] === BACKSLASH && (B[v + 1] === NEWLINE || B[v + 1] === RETURN)) {
    v += B[v + 1] === RETURN ? 3 : 2;
    v = behindBlanks(v, end);
  }
  if (v >= end) return 0;
  const quote = B[v];
  H[2] = rule;
  if (quote === QUOTE || quote === APOSTROPHE) {
    H[0] = ++v;
    return notEmpty(v, quoteEnd(v, end, quote, 0));
  }
  H[0] = v;
  return B[v] === HYPHEN ? 0 : notEmpty(v, bareEnd(v, end));
}

function notEmpty(at: number, end: number): number {
  return end > at ? end : 0;
}

/** Where the quote closes that `depth` backslashes stand before; with none of them, a doubled quote does not close. */
function quoteEnd(v: number, end: number, quote: number, depth: number): number {
  let q = v;
  while (q < end) {
    if (B[q] === BACKSLASH) {
      const n = backslashes(q, end);
      if (q + n < end && B[q + n] === quote && n <= depth) break;
      q += depth > 0 || n % 2 === 1 ? n + 1 : n;
    } else if (B[q] !== quote) q++;
    else if (depth === 0 && q > v && q + 1 < end && B[q + 1] === quote) q += 2;
    else break;
  }
  L[0] += q - v;
  return q < end ? q : end;
}

function bracketEnd(v: number, end: number, close: number): number {
  let q = v;
  while (q < end && B[q] !== close) q++;
  L[0] += q - v;
  return q < end ? q + 1 : end;
}

/** The end of the line; or the quote, unless that is 0, with `depth` backslashes before it. */
function lineEnd(v: number, end: number, quote: number, depth: number): number {
  let q = v;
  while (q < end && B[q] !== NEWLINE && B[q] !== RETURN) {
    if (quote !== 0 && B[q] === BACKSLASH) {
      const n = backslashes(q, end);
      if (q + n < end && B[q + n] === quote && n <= depth) break;
      q += n;
      if (q < end && B[q] === quote) q++;
    } else if (B[q] === quote) break;
    else q++;
  }
  L[0] += q - v;
  return q;
}

/** Whether the name ends in "authorization" or "cookie". */
function isLine(at: number, end: number): boolean {
  return endsWith(at, end, AUTHORIZATION) || endsWith(at, end, COOKIE);
}

const AUTHORIZATION = Buffer.from('authorization', 'latin1');
const COOKIE = Buffer.from('cookie', 'latin1');

function isSame(at: number, end: number, text: Uint8Array): boolean {
  return text.length === end - at && endsWith(at, end, text);
}

function endsWith(at: number, end: number, text: Uint8Array): boolean {
  const from = end - text.length;
  if (from < at) return false;
  for (let i = 0; i < text.length; i++) if ((B[from + i] | 32) !== text[i]) return false;
  return true;
}

const schemes = ['bearer', 'basic', 'token', 'apikey', 'digest', 'negotiate', 'ntlm', 'hawk'].map((text) => Buffer.from(text, 'latin1'));
const nothings = ['true', 'false', 'null', 'none', 'nil', 'undefined'].map((text) => Buffer.from(text, 'latin1'));

function isOneOf(list: readonly Uint8Array[], at: number, end: number): boolean {
  for (let i = 0; i < list.length; i++) if (isSame(at, end, list[i])) return true;
  return false;
}

function isScheme(at: number, end: number): boolean {
  return isOneOf(schemes, at, end);
}

function isNothing(at: number, end: number): boolean {
  return isOneOf(nothings, at, end);
}

/** An element at p, "<password>x": its content is the value. Start in hit[0], rule in hit[2]; the end, or 0. */
export function elementSecret(p: number, end: number): number {
  let q = p + 1;
  const stop = end < q + NAME_BYTES_MAX ? end : q + NAME_BYTES_MAX;
  while (q < stop && (isNameByte(B[q]) || B[q] === COLON)) q++;
  if (q === p + 1 || q >= end || (B[q] !== GREATER && B[q] !== BLANK)) return 0;
  let nameAt = p + 1;
  for (let i = nameAt; i < q; i++) if (B[i] === COLON) nameAt = i + 1;
  const nameEnd = q;
  while (q < end && q - nameEnd < 4 * NAME_BYTES_MAX && B[q] !== GREATER && B[q] !== LESS) q++;
  L[0] += q - p;
  if (q >= end || B[q] !== GREATER || B[q - 1] === SLASH || nameAt === nameEnd) return 0;
  const rule = ruleOfName(nameAt, nameEnd);
  if (rule === 0) return 0;
  const v = ++q;
  while (q < end && B[q] !== LESS) q++;
  L[0] += q - v;
  H[0] = v;
  H[2] = rule;
  return notEmpty(v, q);
}
