/**
 * Kernels of quick.ts (base/simd.ts says what a kernel is): what can hold nothing sensitive is passed at sixteen bytes a
 * step, and only what may be something is given back to the walkers. Each answers "no" where it is not sure.
 *
 * Tables and cells lie in `tablesPart`:
 *
 *   cells    where a walk stopped and why; types of its levels
 *   names    slots of 64 bytes: hash (its lower half: row of the value that stood there last), length, place and the slot
 *            that came next, what is known of it, the name
 *   values   rows of 16 bytes: hash, length, place and form; and 256 bytes of the value for each
 *   lasts    for each slot of a name, 64 bytes: length of the value of a field of that name that was clean the last time, the value
 */
import { bytes, memory, PAGES } from '../../base/arena.ts';
import { lanes, TOP, UP } from '../../base/lanes.ts';
import type { Code, Fn } from '../../base/wasm.ts';
import * as w from '../../base/wasm.ts';
import { keyPairs } from './detectors/api-key.ts';
import { tablesPart } from './layout.ts';

const { get, set, i32, add, sub, and, or, xor, mul, shl, shr, eq, ne, lt, gt, ge, below, clz, ctz, popcnt, advance, br, brIf } = w;
const { block, loop, when, ret, call, load8, load16, load32, store8, store16, store32, load128, store128, splat, v128, swizzle } = w;
const { equal8, below8, sub8, and128, splatOf, or128, xor128, mul32x4, shr16x8, add8, less8, bitmask } = w;

/** `copy` may write a little beyond the part before. */
const T = (tablesPart.at + 79) & ~15;
// Cells.
export const AT: number = T;
export const FROM: number = T + 4;
export const TO: number = T + 8;
export const LEVEL: number = T + 12;
export const STATE: number = T + 16;
export const HASH: number = T + 20;
/** Of the name before the next value: 1 when it has a rule, 2 when it is "name" or "key". */
export const FORCED: number = T + 24;
/** 1: rules look for IP addresses. */
export const FINDS_IP: number = T + 28;
/** 1: a number may be a name that has a rule. */
export const NUMBERS_ARE_NAMES: number = T + 56;
/** Rule of that name. */
export const RULE: number = T + 48;
/** Slot of the name of the field that `head` stopped at; 0: it is not known. */
export const SLOT: number = T + 52;
const LANES = T + 32;
/** Sixteen zero bytes. */
const NONE = T + 240;
/** One byte a level: 1 is an object. */
export const TYPES: number = T + 64;
const LEVELS_MAX = 56;
/** Eight bytes a level: name at and end, or index and -1 (field.ts). */
export const PATH: number = T + 256;
/** Of detectors/numbers.ts: sizes of the first two groups of digits. */
export const GROUPS: number = T + 1024;
/** Of detectors/iban.ts: lengths by country. */
export const COUNTRIES: number = T + 2048;
/** Of detectors/api-key.ts: how keys begin. */
export const PAIRS: number = T + 4096;
export const NAMES: number = T + (32 << 10);
export const NAME_SLOTS = 2048;
export const NAME_BYTES_MAX = 48;
export const VALUES: number = NAMES + NAME_SLOTS * 64;
export const VALUE_SLOTS = 2048;
const VALUE_BYTES_MAX = 256;
export const VALUE_TEXTS: number = VALUES + VALUE_SLOTS * 16;
export const LASTS: number = VALUE_TEXTS + VALUE_SLOTS * VALUE_BYTES_MAX;
export const LASTS_END: number = LASTS + NAME_SLOTS * 64;
const LAST_BYTES_MAX = 48;
if (LASTS_END + 64 > tablesPart.end) throw new RangeError('no room for the tables of the kernels');

// What `walk` gives back.
export const DONE = 0;
/** It is not plain JSON: json.ts has to walk it from its start. */
export const GIVEN_UP = 1;
export const STRING = 2;
export const NAME = 3;
export const BARE = 4;
/** A string under "name" or "key": the name of what stands under "value". */
export const KEY = 5;
/** Beside the place, in the key of values: in JSON strings; in that and in the place of names: in pairs of a form, in cookies, in a path. */
export const IN_JSON = 256;
export const IN_FORM = 512;
export const IN_COOKIES = 1024;
export const IN_PATH = 2048;
/** Segments of a path from this length on may be tokens. */
export const TOKEN_BYTES_MIN = 16;
/** Of detectors/numbers.ts: with which digits long numbers begin. */
export const FIRSTS: number = T + 2880;
// What is known of a name: flags, then kind of field (header-value.ts), rule, and what counts for values (names.ts).
/** "name" or "key". */
export const IS_KEY = 1;
/** It has a rule, or its values are not looked at as they stand. */
export const IS_SPECIAL = 2;
/** Always set. */
export const IS_KNOWN = 4;
export const KIND_SHIFT = 8;
export const RULE_SHIFT = 16;
export const DENIED_SHIFT = 24;
/** Where the kind stands in the key of a value. */
export const KIND_OF_KEY_SHIFT = 10;

/** For each low nibble, the bits of the high nibbles that go with it. */
function nibbles(text: string): number[] {
  const all = new Array<number>(16).fill(0);
  for (const c of Buffer.from(text, 'latin1')) all[c & 15] |= 1 << (c >> 4);
  return all;
}
const highBits = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
/** Something may begin or end at these, or they are escapes, or documents begin with them. */
let signs = '@:=+(<{[%&\\';
for (let c = 0; c < 32; c++) signs += String.fromCharCode(c);
const SIGNS = nibbles(signs);
const SHORT_SIGNS = nibbles(`${signs} `);
const KEY_BYTES_MIN = 15;

/**
 * Words that may be more than words begin with one of some sixty pairs of letters: keys, tokens, schemes. Nibbles of the first
 * and of the second letter, by groups, a bit each. The groups are those of first letters that let the fewest other words of
 * calls through: 13 % of them, where 10 % do begin like that.
 */
const firstLetters = ['ExB', 'dh', 'ACNPS', 'kyb', 'rs', 'Gt', 'fglnw'];
const pairTables: number[][] = [0, 1, 2, 3].map(() => new Array<number>(16).fill(0));
function addPair(first: number, second: number): void {
  const group = firstLetters.findIndex((letters) => letters.includes(String.fromCharCode(first)));
  const bit = 1 << (group < 0 ? firstLetters.length : group);
  pairTables[0][first & 15] |= bit;
  pairTables[1][first >> 4] |= bit;
  pairTables[2][second & 15] |= bit;
  pairTables[3][second >> 4] |= bit;
}
keyPairs.forEach((candidate, pair) => {
  if (candidate !== 0) addPair(pair >> 7, pair & 127);
});
for (const pair of ['ey', 'ew', 'ba', 'be', 'Ba', 'Be', 'bA', 'bE', 'BA', 'BE']) addPair(pair.charCodeAt(0), pair.charCodeAt(1));
const NULLS = lanes(0);
const BLANKS = lanes(32);
const HYPHENS = lanes(45);
const lowNibbles = (v: Code): Code => and128(v, lanes(15));
const highNibbles = (v: Code): Code => and128(shr16x8(v, i32(4)), lanes(15));
const pairNibbles = (v: Code, i: 0 | 1): Code =>
  and128(swizzle(lanes(pairTables[2 * i]), lowNibbles(v)), swizzle(lanes(pairTables[2 * i + 1]), highNibbles(v)));

const isDigit = (c: Code): Code => below(sub(c, i32(48)), i32(10));
const isLetter = (c: Code): Code => below(sub(or(c, i32(32)), i32(97)), i32(26));

const CLEAN = 0;
const KNOWN = 1;
const NAMED = 2;

/**
 * clean(at, end): 1 when no detector, whatever it is on the lookout for, can find anything in these bytes, and no document
 * can lie in them. It is the pass of detect.ts with every detector replaced by what must be there for it.
 */
function clean(): Fn {
  const [p, end, m, d, wd, k, n, g, s, e, c, q, l, from, all, x, y] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
  const no = ret(i32(0));
  const letters = (v: number): Code => bitmask(less8(lanes(127 - 26), add8(or128(get(v), BLANKS), lanes(127 - 122))));
  const digits = (v: number): Code => bitmask(less8(lanes(TOP), add8(get(v), lanes(UP))));
  const hyphens = (v: Code): Code => bitmask(equal8(v, HYPHENS));
  const hexDigits = (v: Code): Code =>
    bitmask(or128(less8(lanes(TOP), add8(v, lanes(UP))), less8(lanes(127 - 6), add8(or128(v, BLANKS), lanes(127 - 102)))));
  /** Place of the first sign in sixteen bytes; 16: none. */
  const firstSign = (v: number): Code =>
    ctz(
      xor(
        bitmask(equal8(and128(swizzle(lanes(SIGNS), lowNibbles(get(v))), swizzle(lanes(highBits), highNibbles(get(v)))), NULLS)),
        i32(-1),
      ),
    );
  return {
    name: 'clean',
    parameters: 2,
    ints: 13,
    vectors: 2,
    body: [
      set(from, get(p)),
      set(n, sub(get(end), get(p))),
      block(
        // Most values: so short, and with so few digits, that only a scheme can stand in them.
        when(
          lt(get(n), i32(15)),
          set(x, load128(get(p))),
          when(lt(firstSign(x), get(n)), no),
          set(m, bitmask(equal8(get(x), HYPHENS))),
          when(lt(ctz(and(get(m), shl(get(m), i32(1)))), get(n)), no),
          set(all, popcnt(and(shl(digits(x), sub(i32(16), get(n))), i32(0xffff)))),
          brIf(1, ge(get(all), i32(4))),
          when(ge(ctz(bitmask(equal8(get(x), BLANKS))), get(n)), ret(i32(1))),
          when(ge(ctz(bitmask(equal8(or128(get(x), BLANKS), lanes(98)))), get(n)), ret(i32(1))),
          br(1),
        ),
        // JSON in base64 may begin with W, or behind blanks.
        set(c, load8(get(p))),
        when(eq(get(c), i32(32)), when(ge(get(n), i32(16)), no)),
        // An entity tag is none: W/"
        when(eq(get(c), i32(87)), when(ne(load8(get(p), 2), i32(34)), when(ge(get(n), i32(16)), no))),
        // Signs, in all of it; and how many digits there are.
        set(q, get(p)),
        loop(
          set(n, sub(get(end), get(q))),
          when(gt(get(n), i32(16)), set(n, i32(16))),
          set(x, load128(get(q))),
          when(lt(firstSign(x), get(n)), no),
          when(lt(ctz(bitmask(and128(equal8(get(x), HYPHENS), equal8(load128(add(get(q), i32(1))), HYPHENS)))), get(n)), no),
          advance(all, popcnt(and(shl(digits(x), sub(i32(16), get(n))), i32(0xffff)))),
          advance(q, i32(16)),
          brIf(0, lt(get(q), get(end))),
        ),
      ),
      loop(
        when(ge(get(p), get(end)), ret(i32(1))),
        set(x, load128(get(p))),
        set(l, i32(0xffff)),
        when(lt(sub(get(end), get(p)), i32(16)), set(l, sub(shl(i32(1), sub(get(end), get(p))), i32(1)))),
        set(d, and(digits(x), get(l))),
        set(m, or(get(d), and(letters(x), get(l)))),
        set(wd, get(m)),
        when(
          lt(get(l), i32(0x7fff)),
          when(
            lt(popcnt(get(d)), i32(4)),
            when(eq(and(get(l), bitmask(equal8(get(x), BLANKS))), i32(0)), ret(i32(1))),
            when(eq(and(get(l), bitmask(equal8(or128(get(x), BLANKS), lanes(98)))), i32(0)), ret(i32(1))),
          ),
        ),
        // With so few digits that no number or id can be there, or none here, and with no word that begins like something: only
        // the last word matters, with what comes behind it.
        block(
          block(brIf(0, lt(get(all), i32(4))), brIf(1, get(d))),
          set(k, and(get(m), xor(shl(get(m), i32(1)), i32(-1)))),
          set(y, and128(pairNibbles(get(x), 0), pairNibbles(load128(add(get(p), i32(1))), 1))),
          // An IBAN may have no other digits than the two behind its country.
          brIf(0, and(get(k), or(xor(bitmask(equal8(get(y), NULLS)), i32(0xffff)), and(shr(get(d), i32(2)), shr(get(d), i32(3)))))),
          when(ne(get(l), i32(0xffff)), ret(i32(1))),
          when(eq(and(get(m), i32(0xc000)), i32(0)), advance(p, i32(16)), br(2)),
          set(n, sub(i32(31), clz(get(k)))),
          when(gt(get(n), i32(0)), advance(p, get(n)), br(2)),
        ),
        loop(
          when(eq(get(wd), i32(0)), advance(p, i32(16)), br(2)),
          set(k, ctz(get(wd))),
          set(n, ctz(xor(shr(get(m), get(k)), i32(-1)))),
          set(s, add(get(p), get(k))),
          set(e, add(get(s), get(n))),
          set(g, popcnt(and(shr(get(d), get(k)), sub(shl(i32(1), get(n)), i32(1))))),
          when(
            and(ge(add(get(k), get(n)), i32(16)), lt(get(e), get(end))),
            when(gt(get(k), i32(0)), set(p, get(s)), br(3)),
            // A word of sixteen or more.
            loop(
              set(x, load128(get(e))),
              set(q, digits(x)),
              set(c, ctz(xor(or(get(q), letters(x)), i32(-1)))),
              when(gt(get(c), sub(get(end), get(e))), set(c, sub(get(end), get(e)))),
              advance(g, popcnt(and(get(q), sub(shl(i32(1), get(c)), i32(1))))),
              advance(e, get(c)),
              brIf(0, and(eq(get(c), i32(16)), lt(get(e), get(end)))),
            ),
            set(n, sub(get(e), get(s))),
          ),
          // A UUID (detectors/uuid.ts) is stepped over.
          when(
            and(eq(get(n), i32(8)), ge(sub(get(end), get(s)), i32(36))),
            set(q, or(hyphens(load128(get(s))), shl(hyphens(load128(add(get(s), i32(16)))), i32(16)))),
            when(
              and(
                and(eq(get(q), i32(0x00842100)), eq(hexDigits(load128(get(s))), i32(0xffff ^ 0x2100))),
                and(
                  eq(hexDigits(load128(add(get(s), i32(16)))), i32(0xffff ^ 0x84)),
                  eq(hexDigits(load128(add(get(s), i32(20)))), i32(0xffff ^ 8)),
                ),
              ),
              set(q, i32(0)),
              when(gt(get(s), get(from)), set(q, load8(sub(get(s), i32(1))))),
              set(c, i32(0)),
              when(gt(sub(get(end), get(s)), i32(36)), set(c, load8(get(s), 36))),
              when(
                eq(or(or(eq(get(q), i32(45)), eq(get(c), i32(45))), or(isDigit(get(c)), isLetter(get(c)))), i32(0)),
                set(p, add(get(s), i32(36))),
                br(4),
              ),
            ),
          ),
          set(c, load16(get(s))),
          // Keys of services: a known beginning, and then nothing that no key has.
          when(
            and(
              and(ge(get(n), i32(2)), ge(sub(get(end), get(s)), i32(KEY_BYTES_MIN))),
              ne(load8(add(i32(PAIRS), and(or(shl(get(c), i32(7)), shr(get(c), i32(8))), i32(0x3fff)))), i32(0)),
            ),
            when(eq(and(bitmask(below8(load128(get(s)), lanes(43))), i32((1 << KEY_BYTES_MIN) - 1)), i32(0)), no),
          ),
          when(or(eq(get(c), i32(0x7965)), eq(get(c), i32(0x7765))), when(ge(sub(get(end), get(s)), i32(16)), no)),
          // "basic", "bearer" and a blank
          when(
            and(eq(and(or(get(c), i32(32)), i32(255)), i32(98)), or(eq(get(n), i32(5)), eq(get(n), i32(6)))),
            when(lt(get(e), get(end)), when(eq(load8(get(e)), i32(32)), no)),
          ),
          when(and(ge(get(n), i32(20)), below(sub(and(get(c), i32(255)), i32(77)), i32(3))), no),
          when(eq(get(g), i32(0)), when(and(lt(get(n), i32(3)), lt(add(get(e), i32(9)), get(end))), when(isDigit(load8(get(e), 1)), no))),
          when(
            gt(get(g), i32(0)),
            when(
              lt(get(g), get(n)),
              // Ids with letters: where their digits are. A word of sixteen or more begins at k = 0.
              set(q, and(shr(get(d), get(k)), sub(shl(i32(1), get(n)), i32(1)))),
              when(and(eq(get(n), i32(8)), eq(get(q), i32(0xfe))), no),
              when(and(eq(get(n), i32(9)), or(or(eq(get(q), i32(0xfe)), eq(get(q), i32(0xff))), eq(get(q), i32(0xfc)))), no),
              when(and(eq(get(n), i32(10)), eq(get(q), i32(0x1e0))), no),
              when(and(eq(get(n), i32(11)), ge(get(g), i32(9))), no),
              when(and(eq(get(n), i32(15)), ge(get(g), i32(14))), no),
              when(and(eq(get(n), i32(16)), eq(and(get(d), i32(0x893f)), i32(0))), no),
              when(and(eq(get(n), i32(18)), or(eq(get(d), i32(0x03f0)), eq(get(d), i32(0xffff)))), no),
              when(
                and(ge(get(n), i32(4)), ge(sub(get(end), get(s)), i32(15))),
                when(
                  and(
                    and(isLetter(and(get(c), i32(255))), isLetter(shr(get(c), i32(8)))),
                    and(isDigit(load8(get(s), 2)), isDigit(load8(get(s), 3))),
                  ),
                  set(c, and(get(c), i32(0xdfdf))),
                  when(
                    load8(add(i32(COUNTRIES), add(mul(sub(and(get(c), i32(255)), i32(65)), i32(26)), sub(shr(get(c), i32(8)), i32(65))))),
                    no,
                  ),
                ),
              ),
            ),
            when(
              eq(get(g), get(n)),
              when(
                below(sub(get(n), i32(11)), i32(9)),
                when(and(shr(load32(add(i32(FIRSTS), shl(get(n), i32(2)))), sub(and(get(c), i32(255)), i32(48))), i32(1)), no),
              ),
              when(or(eq(get(n), i32(6)), eq(get(n), i32(8))), when(lt(get(e), get(end)), no)),
              when(
                lt(add(get(e), i32(1)), get(end)),
                set(k, load8(get(e))),
                // Blanks and dashes of Unicode, and several blanks, between digits: detectors/odd-separators.ts.
                when(or(eq(get(k), i32(0xc2)), eq(get(k), i32(0xe2))), no),
                when(
                  eq(get(k), i32(32)),
                  set(q, load8(get(e), 1)),
                  when(or(or(eq(get(q), i32(32)), eq(get(q), i32(45))), or(eq(get(q), i32(0xc2)), eq(get(q), i32(0xe2)))), no),
                ),
                when(
                  or(or(eq(get(k), i32(32)), eq(get(k), i32(45))), or(eq(get(k), i32(46)), eq(get(k), i32(47)))),
                  // A part of something longer, such as a date: numbers.ts leaves it.
                  set(l, i32(0)),
                  when(
                    gt(sub(get(s), i32(1)), get(from)),
                    set(q, load8(sub(get(s), i32(1)))),
                    when(and(or(eq(get(q), i32(45)), eq(get(q), i32(46))), isDigit(load8(sub(get(s), i32(2))))), set(l, i32(1))),
                  ),
                  when(get(l), set(k, i32(0))),
                  set(q, add(get(e), i32(1))),
                  block(
                    loop(
                      brIf(1, ge(get(q), get(end))),
                      brIf(1, ge(sub(get(q), get(e)), i32(17))),
                      brIf(1, eq(isDigit(load8(get(q))), i32(0))),
                      advance(q, i32(1)),
                      br(0),
                    ),
                  ),
                  set(l, sub(sub(get(q), get(e)), i32(1))),
                  // A second group of digits, and no letters in it.
                  when(
                    and(
                      and(gt(get(l), i32(0)), ne(get(k), i32(0))),
                      or(or(ge(get(q), get(end)), ge(get(l), i32(16))), eq(or(isDigit(load8(get(q))), isLetter(load8(get(q)))), i32(0))),
                    ),
                    when(and(eq(and(get(c), i32(0xffff)), i32(0x3030)), gt(get(n), i32(1))), no),
                    when(and(and(eq(get(k), i32(46)), lt(get(n), i32(4))), load32(i32(FINDS_IP))), no),
                    when(
                      and(shr(load32(add(i32(GROUPS), shl(or(shl(sub(get(k), i32(32)), i32(4)), get(n)), i32(2)))), get(l)), i32(1)),
                      no,
                    ),
                  ),
                ),
              ),
            ),
          ),
          when(ge(sub(get(e), get(p)), i32(16)), set(p, get(e)), br(2)),
          set(wd, and(get(m), shl(i32(-1), sub(get(e), get(p))))),
          br(0),
        ),
      ),
      i32(0),
    ],
  };
}

/** How many of sixteen bytes at two places are the same, from the first on. */
const sameBytes = (a: Code, b: Code): Code => ctz(xor(bitmask(equal8(load128(a), load128(b))), i32(-1)));

/** Whether [at, end) and [stored, ...) are the same: `no` where they are not. */
function compare(at: number, end: number, stored: Code, i: number, n: number, no: Code): Code {
  return [
    set(i, i32(0)),
    loop(
      set(n, sameBytes(add(get(at), get(i)), add(stored, get(i)))),
      when(eq(get(n), i32(16)), advance(i, i32(16)), brIf(1, lt(add(get(at), get(i)), get(end)))),
      when(lt(get(n), sub(sub(get(end), get(at)), get(i))), no),
    ),
  ];
}

/** known(at, end, key): 1 when a value was looked at before under this key and held nothing. The hash is in HASH; 0: it is not kept. */
function known(): Fn {
  const [at, end, key, h, i, n, slot, x] = [0, 1, 2, 3, 4, 5, 6, 7];
  const step = (from: Code): Code =>
    set(
      x,
      mul32x4(
        xor128(get(x), load128(from)),
        lanes([0x3d, 0x6d, 0x2b, 0x2d, 0x6d, 0x2b, 0x79, 0x4d, 0x21, 0x5d, 0x35, 0x7f, 0x13, 0x47, 0x6f, 0x5b]),
      ),
    );
  return {
    name: 'known',
    parameters: 3,
    ints: 4,
    vectors: 1,
    body: [
      store32(i32(HASH), i32(0)),
      set(n, sub(get(end), get(at))),
      when(eq(below(sub(get(n), i32(1)), i32(VALUE_BYTES_MAX)), i32(0)), ret(i32(0))),
      set(x, lanes(1)),
      set(i, get(at)),
      when(
        lt(get(n), i32(16)),
        set(
          x,
          xor128(get(x), and128(load128(get(at)), below8(lanes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]), splatOf(get(n))))),
        ),
        step(i32(NONE)),
      ),
      when(
        ge(get(n), i32(16)),
        loop(step(get(i)), advance(i, i32(16)), brIf(0, lt(add(get(i), i32(16)), get(end)))),
        step(sub(get(end), i32(16))),
      ),
      store128(i32(LANES), get(x)),
      set(h, xor(mul(xor(load32(i32(LANES)), get(key)), i32(0x2c1b3c6d)), load32(i32(LANES), 4))),
      set(h, xor(mul(xor(get(h), shr(get(h), i32(15))), i32(0x297a2d39)), load32(i32(LANES), 8))),
      set(h, xor(mul(xor(get(h), shr(get(h), i32(15))), i32(0x2c1b3c6d)), load32(i32(LANES), 12))),
      set(h, mul(xor(xor(get(h), shr(get(h), i32(13))), get(n)), i32(0x297a2d39))),
      set(h, or(xor(get(h), shr(get(h), i32(16))), i32(1 << 30))),
      store32(i32(HASH), get(h)),
      set(slot, and(get(h), i32(VALUE_SLOTS - 1))),
      set(i, add(i32(VALUES), shl(get(slot), i32(4)))),
      when(ne(load32(get(i)), get(h)), ret(i32(0))),
      when(ne(load32(get(i), 4), get(n)), ret(i32(0))),
      when(ne(load32(get(i), 8), get(key)), ret(i32(0))),
      set(slot, add(i32(VALUE_TEXTS), shl(get(slot), i32(8)))),
      compare(at, end, get(slot), i, n, ret(i32(0))),
      i32(1),
    ],
  };
}

/**
 * named(at, end, place, last): the slot of a name that is known there, or 0. The name that followed the last one before is
 * tried first: messages of one kind have the same names in the same order. HASH is for `keepName`.
 *
 *   place and next   16 bits each
 */
function named(): Fn {
  const [at, end, place, last, n, h, i, slot] = [0, 1, 2, 3, 4, 5, 6, 7];
  /** Leaves the block around it when the name in the slot is another. */
  const leaveIfOther: Code = [
    brIf(0, ne(load32(get(slot), 4), get(n))),
    brIf(0, ne(load16(get(slot), 8), get(place))),
    compare(at, end, add(get(slot), i32(16)), i, h, br(2)),
  ];
  const remember = when(get(last), store16(get(last), shr(sub(get(slot), i32(NAMES)), i32(6)), 10));
  return {
    name: 'named',
    parameters: 4,
    ints: 4,
    vectors: 0,
    body: [
      store32(i32(HASH), i32(0)),
      set(n, sub(get(end), get(at))),
      when(eq(below(sub(get(n), i32(1)), i32(NAME_BYTES_MAX)), i32(0)), ret(i32(0))),
      when(get(last), set(slot, add(i32(NAMES), shl(load16(get(last), 10), i32(6)))), block(leaveIfOther, ret(get(slot)))),
      set(h, load32(get(at))),
      when(lt(get(n), i32(4)), set(h, and(get(h), sub(shl(i32(1), shl(get(n), i32(3))), i32(1))))),
      when(ge(get(n), i32(4)), set(h, xor(mul(get(h), i32(0x2c1b3c6d)), load32(sub(get(end), i32(4)))))),
      when(
        ge(get(n), i32(8)),
        set(h, xor(mul(xor(get(h), shr(get(h), i32(15))), i32(0x297a2d39)), load32(add(get(at), shr(get(n), i32(1)))))),
      ),
      set(h, mul(xor(xor(get(h), shr(get(h), i32(15))), get(n)), i32(0x2c1b3c6d))),
      set(h, or(xor(xor(get(h), shr(get(h), i32(15))), mul(get(place), i32(0x9e3779))), i32(1 << 30))),
      store32(i32(HASH), get(h)),
      set(slot, add(i32(NAMES), shl(and(get(h), i32(NAME_SLOTS - 1)), i32(6)))),
      block(leaveIfOther, remember, ret(get(slot))),
      set(slot, add(i32(NAMES), shl(and(xor(load32(i32(HASH)), i32(1)), i32(NAME_SLOTS - 1)), i32(6)))),
      block(leaveIfOther, remember, ret(get(slot))),
      i32(0),
    ],
  };
}

/**
 * head(block, table, i, n, place): number of the first field from i on whose name is not known, or whose value may hold
 * something; n: none. The slot of its name is in SLOT.
 */
function head(): Fn {
  const [at, table, i, n, place, v, a, e, slot, f, w1, w2] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  return {
    name: 'head',
    parameters: 5,
    ints: 7,
    vectors: 0,
    body: [
      loop(
        when(ge(get(i), get(n)), ret(get(n))),
        set(v, load32(add(get(table), shl(get(i), i32(3))))),
        set(a, add(get(at), shr(get(v), i32(16)))),
        set(e, add(get(at), and(get(v), i32(0xffff)))),
        // The name that came next the last time, without a call.
        block(
          block(
            brIf(0, eq(get(slot), i32(0))),
            set(w1, add(i32(NAMES), shl(load16(get(slot), 10), i32(6)))),
            set(v, sub(get(e), get(a))),
            brIf(0, ne(load32(get(w1), 4), get(v))),
            brIf(0, ne(load16(get(w1), 8), get(place))),
            brIf(0, gt(get(v), i32(32))),
            set(w2, sameBytes(get(a), add(get(w1), i32(16)))),
            when(
              eq(get(w2), i32(16)),
              set(v, sub(get(v), i32(16))),
              brIf(1, lt(sameBytes(add(get(a), i32(16)), add(get(w1), i32(32))), get(v))),
              set(v, i32(0)),
            ),
            brIf(0, lt(get(w2), get(v))),
            set(slot, get(w1)),
            br(1),
          ),
          set(slot, call(NAMED, get(a), get(e), get(place), get(slot))),
        ),
        store32(i32(SLOT), get(slot)),
        when(eq(get(slot), i32(0)), ret(get(i))),
        set(f, load32(get(slot), 12)),
        when(and(get(f), i32(255 << RULE_SHIFT)), ret(get(i))),
        set(v, load32(add(get(table), shl(get(i), i32(3))), 4)),
        set(a, add(get(at), shr(get(v), i32(16)))),
        set(e, add(get(at), and(get(v), i32(0xffff)))),
        advance(i, i32(1)),
        when(
          eq(and(get(f), i32(IS_SPECIAL)), i32(0)),
          set(w1, add(get(slot), i32(LASTS - NAMES))),
          block(
            brIf(0, ne(load32(get(w1)), sub(get(e), get(a)))),
            brIf(0, ge(get(a), get(e))),
            compare(a, e, add(get(w1), i32(4)), v, w2, br(2)),
            br(2),
          ),
          when(
            call(CLEAN, get(a), get(e)),
            brIf(2, gt(sub(get(e), get(a)), i32(LAST_BYTES_MAX))),
            store32(get(w1), sub(get(e), get(a))),
            store128(add(get(w1), i32(4)), load128(get(a))),
            store128(add(get(w1), i32(20)), load128(add(get(a), i32(16)))),
            store128(add(get(w1), i32(36)), load128(add(get(a), i32(32)))),
            br(2),
          ),
        ),
        // The same value as the last time?
        set(f, or(get(place), shl(and(get(f), i32(255 << KIND_SHIFT)), i32(KIND_OF_KEY_SHIFT - KIND_SHIFT)))),
        set(v, load16(get(slot))),
        set(w1, add(i32(VALUES), shl(get(v), i32(4)))),
        block(
          brIf(0, ne(load32(get(w1), 4), sub(get(e), get(a)))),
          brIf(0, ne(load32(get(w1), 8), get(f))),
          brIf(0, ge(get(a), get(e))),
          set(w1, add(i32(VALUE_TEXTS), shl(get(v), i32(8)))),
          compare(a, e, get(w1), v, w2, br(2)),
          br(1),
        ),
        when(call(KNOWN, get(a), get(e), get(f)), store16(get(slot), and(load32(i32(HASH)), i32(VALUE_SLOTS - 1))), br(1)),
        ret(sub(get(i), i32(1))),
      ),
      get(n),
    ],
  };
}

/**
 * pairs(at, end, place, separator): where the first of the pieces name=value begins whose name is not known, or has a rule,
 * or whose value may hold something; `end` when there is none. The slot of its name is in SLOT. What is unusual is such a
 * piece too: quotes, no equals sign, blanks around a cookie's value, a semicolon in a form.
 */
function pairs(): Fn {
  const [p, end, place, separator, e, q, m, last, x] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  /** Moves `v` on to the next sign that ends a name or a value, or to the end. */
  const find = (v: number): Code =>
    loop(
      set(x, load128(get(v))),
      set(
        m,
        bitmask(
          or128(or128(equal8(get(x), lanes(61)), equal8(get(x), lanes(59))), or128(equal8(get(x), lanes(38)), equal8(get(x), lanes(34)))),
        ),
      ),
      when(eq(get(m), i32(0)), advance(v, i32(16)), brIf(1, lt(get(v), get(end)))),
      when(get(m), advance(v, ctz(get(m)))),
      when(gt(get(v), get(end)), set(v, get(end))),
    );
  return {
    name: 'pairs',
    parameters: 4,
    ints: 4,
    vectors: 1,
    body: [
      loop(
        store32(i32(SLOT), i32(0)),
        when(eq(get(separator), i32(59)), loop(when(lt(get(p), get(end)), when(lt(load8(get(p)), i32(33)), advance(p, i32(1)), br(2))))),
        when(ge(get(p), get(end)), ret(get(end))),
        set(e, get(p)),
        find(e),
        when(ge(get(e), get(end)), ret(get(p))),
        when(ne(load8(get(e)), i32(61)), ret(get(p))),
        set(last, call(NAMED, get(p), get(e), get(place), get(last))),
        store32(i32(SLOT), get(last)),
        when(eq(get(last), i32(0)), ret(get(p))),
        when(and(load32(get(last), 12), i32(IS_SPECIAL)), ret(get(p))),
        advance(e, i32(1)),
        set(q, get(e)),
        find(q),
        when(lt(get(q), get(end)), when(ne(load8(get(q)), get(separator)), ret(get(p)))),
        when(
          and(eq(get(separator), i32(59)), lt(get(e), get(q))),
          when(or(lt(load8(get(e)), i32(33)), lt(load8(sub(get(q), i32(1))), i32(33))), ret(get(p))),
        ),
        set(m, call(CLEAN, get(e), get(q))),
        when(eq(get(m), i32(0)), set(m, call(KNOWN, get(e), get(q), get(place)))),
        when(eq(get(m), i32(0)), ret(get(p))),
        set(p, add(get(q), i32(1))),
        br(0),
      ),
      get(end),
    ],
  };
}

/**
 * segments(at, end, place): where the first segment of a path begins that has to be looked at; `end` when there is none. The
 * others are short and clean, and known as no name of a secret, or numbers, or the last one.
 */
function segments(): Fn {
  const [p, end, place, q, m, last, x] = [0, 1, 2, 3, 4, 5, 6];
  return {
    name: 'segments',
    parameters: 3,
    ints: 3,
    vectors: 1,
    body: [
      loop(
        when(ge(get(p), get(end)), ret(get(end))),
        set(x, load128(get(p))),
        set(m, bitmask(or128(equal8(get(x), lanes(47)), equal8(get(x), lanes(59))))),
        set(q, add(get(p), ctz(or(get(m), i32(1 << TOKEN_BYTES_MIN))))),
        when(gt(get(q), get(end)), set(q, get(end))),
        when(ge(sub(get(q), get(p)), i32(TOKEN_BYTES_MIN)), ret(get(p))),
        when(
          lt(get(q), get(end)),
          when(ne(load8(get(q)), i32(47)), ret(get(p))),
          when(eq(get(p), get(q)), advance(p, i32(1)), br(2)),
          set(m, and(xor(bitmask(less8(lanes(TOP), add8(get(x), lanes(UP)))), i32(-1)), sub(shl(i32(1), sub(get(q), get(p))), i32(1)))),
          when(
            or(get(m), load32(i32(NUMBERS_ARE_NAMES))),
            set(last, call(NAMED, get(p), get(q), get(place), get(last))),
            when(eq(get(last), i32(0)), ret(get(p))),
          ),
        ),
        set(m, call(CLEAN, get(p), get(q))),
        when(eq(get(m), i32(0)), set(m, call(KNOWN, get(p), get(q), get(place)))),
        when(eq(get(m), i32(0)), ret(get(p))),
        set(p, add(get(q), i32(1))),
        br(0),
      ),
      get(end),
    ],
  };
}

/** copy(at, end, to): bytes to a place where they do not overlap; up to 15 bytes behind them are written as well. */
function copy(): Fn {
  const [p, end, o] = [0, 1, 2];
  return {
    name: 'copy',
    parameters: 3,
    ints: 0,
    vectors: 0,
    body: [
      loop(when(ge(get(p), get(end)), ret(get(o))), store128(get(o), load128(get(p))), advance(p, i32(16)), advance(o, i32(16)), br(0)),
      get(o),
    ],
  };
}

/**
 * walk(at, end, place): a document of plain JSON from where the cells say that the walk is. Gives back what json.ts has to
 * look at, with the cells saying where it is and where to go on; DONE at the end; GIVEN_UP for everything that is unusual.
 */
function walk(): Fn {
  const [p, end, place, c, sp, st, q, from, m, n, forced, isKey, hasEscape, t, last, x] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  ];
  const constants = {
    zero: splat(0),
    quote: splat(34),
    hyphen: splat(45),
    dot: splat(46),
    low: splat(15),
    signs: v128(SHORT_SIGNS),
    highs: v128(highBits),
    up: splat(UP),
    top: splat(TOP),
  };
  const names = Object.keys(constants) as (keyof typeof constants)[];
  const k = Object.fromEntries(names.map((name, i) => [name, get(x + 1 + i)])) as Record<keyof typeof constants, Code>;
  const VALUE = 0;
  const ELEMENT = 1;
  const IN_OBJECT = 2;
  const NEXT = 3;
  const OVER = 4;
  const leave = (why: number): Code => [
    store32(i32(AT), get(p)),
    store32(i32(FROM), get(from)),
    store32(i32(TO), get(q)),
    store32(i32(LEVEL), get(sp)),
    store32(i32(STATE), get(st)),
    store32(i32(FORCED), get(forced)),
    store32(i32(SLOT), get(last)),
    ret(i32(why)),
  ];
  const giveUp = ret(i32(GIVEN_UP));
  const isBlank = (v: Code): Code => or(or(eq(v, i32(32)), eq(v, i32(10))), or(eq(v, i32(13)), eq(v, i32(9))));
  const path = (): Code => add(i32(PATH - 8), shl(get(sp), i32(3)));
  const keepPath = (): Code => [store32(path(), get(from)), store32(path(), get(q), 4)];
  const isEnd = (v: Code): Code => or(or(eq(v, i32(44)), eq(v, i32(125))), or(eq(v, i32(93)), isBlank(v)));
  /** Of a mask by bytes, those of the first n, at most 16, moved up. */
  const ofFirst = (mask: Code): Code => and(shl(mask, sub(i32(16), get(n))), i32(0xffff));
  const digits = (): Code => bitmask(less8(k.top, add8(get(x), k.up)));
  /** Leaves a block unless the first n bytes of x, fewer than 15, can hold nothing: see `clean`, and no blank. Takes m. */
  const leaveUnlessShortAndClean = (depth: number): Code => [
    brIf(
      depth,
      lt(
        ctz(
          xor(
            bitmask(
              equal8(and128(swizzle(k.signs, and128(get(x), k.low)), swizzle(k.highs, and128(shr16x8(get(x), i32(4)), k.low))), k.zero),
            ),
            i32(-1),
          ),
        ),
        get(n),
      ),
    ),
    set(m, bitmask(equal8(get(x), k.hyphen))),
    brIf(depth, lt(ctz(and(get(m), shl(get(m), i32(1)))), get(n))),
    brIf(depth, ge(popcnt(ofFirst(digits())), i32(4))),
  ];
  return {
    name: 'walk',
    parameters: 3,
    ints: 12,
    vectors: 1 + names.length,
    body: [
      names.map((name, i) => set(x + 1 + i, constants[name])),
      set(sp, load32(i32(LEVEL))),
      set(st, load32(i32(STATE))),
      set(last, load32(i32(SLOT))),
      set(forced, and(load32(i32(FORCED)), i32(1))),
      set(isKey, shr(load32(i32(FORCED)), i32(1))),
      loop(
        when(ge(get(p), get(end)), when(eq(get(st), i32(OVER)), leave(DONE)), giveUp),
        set(c, load8(get(p))),
        when(
          eq(get(c), i32(44)),
          when(ne(get(st), i32(NEXT)), giveUp),
          advance(p, i32(1)),
          when(ge(get(p), get(end)), giveUp),
          set(c, load8(get(p))),
          set(st, i32(IN_OBJECT)),
          when(eq(load8(add(i32(TYPES), get(sp))), i32(0)), set(st, i32(ELEMENT)), store32(path(), add(load32(path()), i32(1)))),
        ),
        when(
          eq(get(c), i32(34)),
          when(ge(get(st), i32(NEXT)), giveUp),
          // Members whose names come in the order of the last time, for as long as their values are plain.
          block(
            brIf(0, ne(get(st), i32(IN_OBJECT))),
            brIf(0, eq(get(last), i32(0))),
            loop(
              set(m, add(i32(NAMES), shl(load16(get(last), 10), i32(6)))),
              set(n, load32(get(m), 4)),
              set(from, add(get(p), i32(1))),
              set(q, add(get(from), get(n))),
              brIf(1, ne(load16(get(q)), i32(0x3a22))),
              brIf(1, ne(load16(get(m), 8), get(place))),
              brIf(1, ge(sub(get(n), i32(1)), i32(16))),
              brIf(1, lt(sameBytes(get(from), add(get(m), i32(16))), get(n))),
              set(p, add(get(q), i32(2))),
              set(last, get(m)),
              set(n, load32(get(m), 12)),
              // A name that has a rule, or names what stands beside it.
              when(
                and(get(n), i32(IS_KEY | IS_SPECIAL)),
                keepPath(),
                set(st, i32(VALUE)),
                set(isKey, and(get(n), i32(IS_KEY))),
                when(and(get(n), i32(IS_SPECIAL)), set(forced, i32(1)), store32(i32(RULE), and(shr(get(n), i32(RULE_SHIFT)), i32(255)))),
                br(4),
              ),
              set(c, load8(get(p))),
              block(
                block(
                  when(
                    eq(get(c), i32(34)),
                    set(x, load128(add(get(p), i32(1)))),
                    set(n, ctz(or(bitmask(equal8(get(x), k.quote)), i32(0x10000)))),
                    brIf(2, ge(get(n), i32(15))),
                    leaveUnlessShortAndClean(2),
                    advance(p, add(get(n), i32(2))),
                    br(1),
                  ),
                  set(n, load32(get(p))),
                  when(eq(get(n), i32(0x6c6c756e)), advance(p, i32(4)), br(1)),
                  when(eq(get(n), i32(0x65757274)), advance(p, i32(4)), br(1)),
                  when(eq(get(n), i32(0x736c6166)), brIf(2, ne(load8(get(p), 4), i32(101))), advance(p, i32(5)), br(1)),
                  when(
                    eq(and(get(n), i32(0xffff)), i32(0x227b)),
                    // An object, and the first name in it.
                    brIf(2, ge(get(sp), i32(LEVELS_MAX))),
                    keepPath(),
                    advance(sp, i32(1)),
                    store8(add(i32(TYPES), get(sp)), i32(1)),
                    advance(p, i32(1)),
                    br(3),
                  ),
                  when(ne(get(c), i32(45)), brIf(2, ge(get(c), i32(58))), brIf(2, lt(get(c), i32(48)))),
                  set(x, load128(get(p))),
                  set(t, bitmask(equal8(get(x), k.dot))),
                  set(n, ctz(xor(or(or(digits(), get(t)), i32(1)), i32(-1)))),
                  // Nothing known has so few digits, in one group or two.
                  brIf(1, gt(get(n), i32(10))),
                  set(t, ofFirst(get(t))),
                  brIf(1, and(get(t), sub(get(t), i32(1)))),
                  when(eq(get(n), i32(10)), brIf(2, get(t))),
                  advance(p, get(n)),
                ),
                when(eq(load16(get(p)), i32(0x222c)), advance(p, i32(1)), brIf(2, lt(get(p), get(end))), giveUp),
                keepPath(),
                set(st, i32(NEXT)),
                br(4),
              ),
              keepPath(),
              set(st, i32(VALUE)),
              set(isKey, i32(0)),
              br(3),
            ),
          ),
          set(from, add(get(p), i32(1))),
          set(q, get(from)),
          set(hasEscape, i32(0)),
          // Most values: so short, and with so few digits, that only a scheme can stand in them (see `clean`).
          block(
            brIf(0, get(forced)),
            brIf(0, get(isKey)),
            brIf(0, eq(get(st), i32(IN_OBJECT))),
            set(x, load128(get(from))),
            set(n, ctz(or(bitmask(equal8(get(x), k.quote)), i32(0x10000)))),
            brIf(0, ge(get(n), i32(15))),
            brIf(0, ge(add(get(from), get(n)), get(end))),
            leaveUnlessShortAndClean(0),
            set(p, add(add(get(from), get(n)), i32(1))),
            set(st, i32(NEXT)),
            br(2),
          ),
          loop(
            when(ge(get(q), get(end)), giveUp),
            set(x, load128(get(q))),
            set(m, bitmask(or128(equal8(get(x), k.quote), equal8(get(x), splat(92))))),
            when(eq(get(m), i32(0)), advance(q, i32(16)), br(1)),
            advance(q, ctz(get(m))),
            when(ge(get(q), get(end)), giveUp),
            when(eq(load8(get(q)), i32(92)), set(hasEscape, i32(1)), advance(q, i32(2)), br(1)),
          ),
          when(
            eq(get(st), i32(IN_OBJECT)),
            when(get(hasEscape), giveUp),
            set(t, add(get(q), i32(1))),
            loop(when(lt(get(t), get(end)), when(isBlank(load8(get(t))), advance(t, i32(1)), br(2)))),
            when(ge(get(t), get(end)), giveUp),
            when(ne(load8(get(t)), i32(58)), giveUp),
            keepPath(),
            set(p, add(get(t), i32(1))),
            set(st, i32(VALUE)),
            set(last, call(NAMED, get(from), get(q), get(place), get(last))),
            when(eq(get(last), i32(0)), leave(NAME)),
            set(n, load32(get(last), 12)),
            set(isKey, and(get(n), i32(IS_KEY))),
            when(and(get(n), i32(IS_SPECIAL)), set(forced, i32(1)), store32(i32(RULE), and(shr(get(n), i32(RULE_SHIFT)), i32(255)))),
            br(2),
          ),
          set(p, add(get(q), i32(1))),
          set(st, i32(NEXT)),
          when(get(forced), leave(STRING)),
          when(
            get(isKey),
            set(isKey, i32(0)),
            // Names of parameters are short and have no blanks.
            set(m, i32(1)),
            set(t, get(from)),
            when(gt(sub(get(q), get(from)), i32(64)), set(m, i32(0))),
            loop(when(lt(get(t), get(q)), when(lt(load8(get(t)), i32(33)), set(m, i32(0))), advance(t, i32(1)), brIf(1, get(m)))),
            when(get(m), leave(KEY)),
          ),
          when(eq(get(hasEscape), i32(0)), brIf(2, call(CLEAN, get(from), get(q)))),
          brIf(1, call(KNOWN, get(from), get(q), or(get(place), i32(IN_JSON)))),
          leave(STRING),
        ),
        when(
          or(eq(get(c), i32(125)), eq(get(c), i32(93))),
          when(or(eq(get(sp), i32(0)), eq(get(st), i32(VALUE))), giveUp),
          when(ne(load8(add(i32(TYPES), get(sp))), eq(get(c), i32(125))), giveUp),
          set(sp, sub(get(sp), i32(1))),
          advance(p, i32(1)),
          set(st, i32(NEXT)),
          when(eq(get(sp), i32(0)), set(st, i32(OVER))),
          br(1),
        ),
        when(
          or(eq(get(c), i32(123)), eq(get(c), i32(91))),
          when(or(or(gt(get(st), i32(ELEMENT)), get(forced)), ge(get(sp), i32(LEVELS_MAX))), giveUp),
          advance(sp, i32(1)),
          advance(p, i32(1)),
          set(isKey, i32(0)),
          when(eq(get(c), i32(123)), store8(add(i32(TYPES), get(sp)), i32(1)), set(st, i32(IN_OBJECT)), br(2)),
          store8(add(i32(TYPES), get(sp)), i32(0)),
          set(st, i32(ELEMENT)),
          store32(path(), i32(0)),
          store32(path(), i32(-1), 4),
          br(1),
        ),
        when(isBlank(get(c)), advance(p, i32(1)), br(1)),
        when(gt(get(st), i32(ELEMENT)), giveUp),
        set(isKey, i32(0)),
        set(from, get(p)),
        // true, false, null
        set(q, i32(0)),
        set(n, load32(get(p))),
        when(or(eq(get(n), i32(0x65757274)), eq(get(n), i32(0x6c6c756e))), set(q, add(get(p), i32(4)))),
        when(and(eq(get(n), i32(0x736c6166)), eq(load8(get(p), 4), i32(101))), set(q, add(get(p), i32(5)))),
        when(
          get(q),
          when(ge(get(q), get(end)), giveUp),
          when(eq(isEnd(load8(get(q))), i32(0)), giveUp),
          set(p, get(q)),
          set(st, i32(NEXT)),
          when(get(forced), leave(BARE)),
          br(1),
        ),
        when(eq(or(isDigit(get(c)), eq(get(c), i32(45))), i32(0)), giveUp),
        set(x, load128(get(p))),
        set(t, bitmask(equal8(get(x), splat(46)))),
        set(m, bitmask(below8(sub8(get(x), splat(48)), splat(10)))),
        set(n, ctz(xor(or(or(get(m), get(t)), eq(get(c), i32(45))), i32(-1)))),
        set(q, add(get(p), get(n))),
        when(ge(get(n), i32(16)), giveUp),
        when(ge(get(q), get(end)), giveUp),
        when(eq(isEnd(load8(get(q))), i32(0)), giveUp),
        set(p, get(q)),
        set(st, i32(NEXT)),
        when(get(forced), leave(BARE)),
        brIf(0, lt(get(n), i32(7))),
        // Nothing known has so few digits, in one group or two.
        set(n, sub(shl(i32(1), get(n)), i32(1))),
        set(m, popcnt(and(get(m), get(n)))),
        set(t, popcnt(and(get(t), get(n)))),
        brIf(0, or(and(eq(get(t), i32(0)), lt(get(m), i32(11))), and(eq(get(t), i32(1)), lt(get(m), i32(9))))),
        leave(BARE),
      ),
      i32(GIVEN_UP),
    ],
  };
}

type Kernel3 = (a: number, b: number, c: number) => number;

interface QuickKernels {
  clean: (at: number, end: number) => number;
  known: Kernel3;
  named: (at: number, end: number, place: number, last: number) => number;
  head: (block: number, table: number, i: number, n: number, place: number) => number;
  walk: Kernel3;
  copy: Kernel3;
  pairs: (at: number, end: number, place: number, separator: number) => number;
  segments: Kernel3;
}

function load(): QuickKernels | null {
  const fns = [clean(), known(), named(), head(), walk(), copy(), pairs(), segments()];
  try {
    const module = new WebAssembly.Module(w.assemble(PAGES, fns) as unknown as Uint8Array<ArrayBuffer>);
    return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as QuickKernels;
  } catch {
    return null;
  }
}

/** The kernels, or null where the processor has no SIMD: then the walkers look at everything. */
export const quickKernels: QuickKernels | null = load();

/** Copies [at, end) to a place where it does not overlap; up to 15 bytes behind may be written as well. */
export function copyBytes(at: number, end: number, to: number): void {
  if (quickKernels === null) bytes.copyWithin(to, at, end);
  else quickKernels.copy(at, end, to);
}
