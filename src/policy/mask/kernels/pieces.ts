/** The kernels that pass pieces: name=value of forms and cookies, segments of paths. */
import { digits, lanes } from '../../../base/lanes.ts';
import type { Code, Fn } from '../../../base/wasm.ts';
import * as w from '../../../base/wasm.ts';
import { CLEAN, IS_SPECIAL, KNOWN, NAMED, NUMBERS_ARE_NAMES, PAIR_SLOT, SLOT, TOKEN_BYTES_MIN } from './tables.ts';

const { get, set, i32, add, sub, and, or, xor, shl, eq, ne, lt, gt, ge, ctz, advance, br } = w;
const { brIf, loop, when, ret, call, load8, load32, store32, load128, equal8, or128, bitmask } = w;

/**
 * pairs(at, end, place, separator): where the first of the pieces name=value begins whose name is not known, or has a rule,
 * or whose value may hold something; `end` when there is none. The slot of its name is in SLOT. What is unusual is such a
 * piece too: quotes, no equals sign, blanks around a cookie's value, a semicolon in a form.
 */
export function pairs(): Fn {
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
      set(last, load32(i32(PAIR_SLOT))),
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
        store32(i32(PAIR_SLOT), get(last)),
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
export function segments(): Fn {
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
          set(m, and(xor(digits(get(x)), i32(-1)), sub(shl(i32(1), sub(get(q), get(p))), i32(1)))),
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
