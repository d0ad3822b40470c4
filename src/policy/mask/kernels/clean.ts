/** The kernel that says of a value that it can hold nothing sensitive. */
import { digits, highNibbles, inSet, lanes, lowNibbles } from '../../../base/lanes.ts';
import type { Code, Fn } from '../../../base/wasm.ts';
import * as w from '../../../base/wasm.ts';
import { keyPairs } from '../detectors/api-key.ts';
import { COUNTRIES, FINDS_IP, FIRSTS, GROUPS, PAIRS } from './tables.ts';
import { BLANKS, HYPHENS, isDigit, isLetter, NULLS, SIGNS } from './vectors.ts';

const { get, set, i32, add, sub, and, or, xor, mul, shl, shr, eq, ne, lt, gt, ge, below } = w;
const { clz, ctz, popcnt, advance, br, brIf, block, loop, when, ret, load8, load16, load32, load128, swizzle, equal8, below8 } = w;
const { and128, or128, add8, less8, bitmask } = w;

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
const pairNibbles = (v: Code, i: 0 | 1): Code =>
  and128(swizzle(lanes(pairTables[2 * i]), lowNibbles(v)), swizzle(lanes(pairTables[2 * i + 1]), highNibbles(v)));

/**
 * clean(at, end): 1 when no detector, whatever it is on the lookout for, can find anything in these bytes, and no document
 * can lie in them. It is the pass of detect.ts with every detector replaced by what must be there for it.
 */
export function clean(): Fn {
  const [p, end, m, d, wd, k, n, g, s, e, c, q, l, from, all, x, y] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
  const no = ret(i32(0));
  const letters = (v: number): Code => bitmask(less8(lanes(127 - 26), add8(or128(get(v), BLANKS), lanes(127 - 122))));
  const hyphens = (v: Code): Code => bitmask(equal8(v, HYPHENS));
  const hexDigits = (v: Code): Code => or(digits(v), bitmask(less8(lanes(127 - 6), add8(or128(v, BLANKS), lanes(127 - 102)))));
  /** Place of the first sign in sixteen bytes; 16: none. */
  const firstSign = (v: number): Code => ctz(xor(bitmask(equal8(inSet(get(v), SIGNS), NULLS)), i32(-1)));
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
          set(all, popcnt(and(shl(digits(get(x)), sub(i32(16), get(n))), i32(0xffff)))),
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
          advance(all, popcnt(and(shl(digits(get(x)), sub(i32(16), get(n))), i32(0xffff)))),
          advance(q, i32(16)),
          brIf(0, lt(get(q), get(end))),
        ),
      ),
      loop(
        when(ge(get(p), get(end)), ret(i32(1))),
        set(x, load128(get(p))),
        set(l, i32(0xffff)),
        when(lt(sub(get(end), get(p)), i32(16)), set(l, sub(shl(i32(1), sub(get(end), get(p))), i32(1)))),
        set(d, and(digits(get(x)), get(l))),
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
              set(q, digits(get(x))),
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
