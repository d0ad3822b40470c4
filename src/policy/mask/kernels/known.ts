/** The kernels that know names and values again, and pass the fields of a head. */
import { lanes } from '../../../base/lanes.ts';
import type { Code, Fn } from '../../../base/wasm.ts';
import * as w from '../../../base/wasm.ts';
import {
  CLEAN,
  FIELD_SLOT,
  HASH,
  IS_SPECIAL,
  KIND_OF_KEY_SHIFT,
  KIND_SHIFT,
  KNOWN,
  LANES,
  LAST_BYTES_MAX,
  LASTS,
  NAME_BYTES_MAX,
  NAME_SLOTS,
  NAMED,
  NAMES,
  NONE,
  RULE_SHIFT,
  SLOT,
  VALUE_BYTES_MAX,
  VALUE_SLOTS,
  VALUE_TEXTS,
  VALUES,
} from './tables.ts';
import { compare, sameBytes } from './vectors.ts';

const { get, set, i32, add, sub, and, or, xor, mul, shl, shr, eq, ne, lt, gt, ge, below } = w;
const { advance, br, brIf, block, loop, when, ret, call, load16, load32, store16, store32, load128, store128, below8, and128, splatOf } = w;
const { xor128, mul32x4 } = w;

/** known(at, end, key): 1 when a value was looked at before under this key and held nothing. The hash is in HASH; 0: it is not kept. */
export function known(): Fn {
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
export function named(): Fn {
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
export function head(): Fn {
  const [at, table, i, n, place, v, a, e, slot, f, w1, w2] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  return {
    name: 'head',
    parameters: 5,
    ints: 7,
    vectors: 0,
    body: [
      set(slot, load32(i32(FIELD_SLOT))),
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
        store32(i32(FIELD_SLOT), get(slot)),
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
