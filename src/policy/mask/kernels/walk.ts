/**
 * The kernel that walks documents of JSON.
 *
 *   {"id":7,"sku":"A1","mail":"ann@example.com","tags":["blue"]}
 *     |      |          |                        the state machine: names that it has to look for, arrays, ends
 *     |      |          left with a value that may hold something
 *     names in the order of the last time, plain values: a loop of its own
 */
import { highBits, TOP, UP } from '../../../base/lanes.ts';
import type { Code, Fn } from '../../../base/wasm.ts';
import * as w from '../../../base/wasm.ts';
import {
  AT,
  BARE,
  CLEAN,
  DONE,
  FORCED,
  FROM,
  GIVEN_UP,
  IN_JSON,
  IS_SPECIAL,
  KNOWN,
  LEVEL,
  LEVELS_MAX,
  NAME,
  NAMED,
  NAMES,
  PATH,
  RULE,
  RULE_SHIFT,
  SLOT,
  STATE,
  STRING,
  TO,
  TYPES,
} from './tables.ts';
import { isDigit, SHORT_SIGNS, sameBytes } from './vectors.ts';

const { get, set, i32, add, sub, and, or, xor, shl, shr, eq, ne, lt, gt, ge, below, ctz, popcnt } = w;
const { advance, br, brIf, block, loop, when, ret, call, load8, load16, load32, store8, store32, load128, splat, v128, swizzle } = w;
const { equal8, below8, sub8, and128, or128, shr16x8, add8, less8, bitmask } = w;

/**
 * walk(at, end, place): a document of plain JSON from where the cells say that the walk is. Gives back what json.ts has to
 * look at, with the cells saying where it is and where to go on; DONE at the end; GIVEN_UP for everything that is unusual.
 */
export function walk(): Fn {
  const [p, end, place, c, sp, st, q, from, m, n, forced, hasEscape, t, last, x] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
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
    ints: 11,
    vectors: 1 + names.length,
    body: [
      // Once a walk, not once a use.
      names.map((name, i) => set(x + 1 + i, constants[name])),
      set(sp, load32(i32(LEVEL))),
      set(st, load32(i32(STATE))),
      set(last, load32(i32(SLOT))),
      set(forced, load32(i32(FORCED))),
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
              brIf(1, eq(below(sub(get(n), i32(1)), i32(16)), i32(0))),
              brIf(1, lt(sameBytes(get(from), add(get(m), i32(16))), get(n))),
              set(p, add(get(q), i32(2))),
              set(last, get(m)),
              set(n, load32(get(m), 12)),
              // A name that has a rule.
              when(
                and(get(n), i32(IS_SPECIAL)),
                keepPath(),
                set(st, i32(VALUE)),
                set(forced, i32(1)),
                store32(i32(RULE), and(shr(get(n), i32(RULE_SHIFT)), i32(255))),
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
              br(3),
            ),
          ),
          set(from, add(get(p), i32(1))),
          set(q, get(from)),
          set(hasEscape, i32(0)),
          // Most values: so short, and with so few digits, that only a scheme can stand in them (see `clean`).
          block(
            brIf(0, get(forced)),
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
            when(and(get(n), i32(IS_SPECIAL)), set(forced, i32(1)), store32(i32(RULE), and(shr(get(n), i32(RULE_SHIFT)), i32(255)))),
            br(2),
          ),
          set(p, add(get(q), i32(1))),
          set(st, i32(NEXT)),
          when(get(forced), leave(STRING)),
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
          when(eq(get(c), i32(123)), store8(add(i32(TYPES), get(sp)), i32(1)), set(st, i32(IN_OBJECT)), br(2)),
          store8(add(i32(TYPES), get(sp)), i32(0)),
          set(st, i32(ELEMENT)),
          store32(path(), i32(0)),
          store32(path(), i32(-1), 4),
          br(1),
        ),
        when(isBlank(get(c)), advance(p, i32(1)), br(1)),
        when(gt(get(st), i32(ELEMENT)), giveUp),
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
