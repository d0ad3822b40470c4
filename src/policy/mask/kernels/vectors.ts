/** Code that kernels share: signs, and comparing. */
import { lanes, setOf } from '../../../base/lanes.ts';
import type { Code } from '../../../base/wasm.ts';
import * as w from '../../../base/wasm.ts';

const { get, set, i32, add, sub, or, xor, eq, lt, below, ctz, advance, brIf, loop, when, load128, equal8, bitmask } = w;

/** Something may begin or end at these, or they are escapes, or documents begin with them. */
let signs = '@:=+(<{[%&\\';
for (let c = 0; c < 32; c++) signs += String.fromCharCode(c);
export const SIGNS: readonly number[] = setOf(signs);
/** And a blank. */
export const SHORT_SIGNS: readonly number[] = setOf(`${signs} `);
export const NULLS: Code = lanes(0);
export const BLANKS: Code = lanes(32);
export const HYPHENS: Code = lanes(45);

export const isDigit = (c: Code): Code => below(sub(c, i32(48)), i32(10));
export const isLetter = (c: Code): Code => below(sub(or(c, i32(32)), i32(97)), i32(26));

/** How many of sixteen bytes at two places are the same, from the first on. */
export const sameBytes = (a: Code, b: Code): Code => ctz(xor(bitmask(equal8(load128(a), load128(b))), i32(-1)));

/** Whether [at, end) and [stored, ...) are the same: `no` where they are not. */
export function compare(at: number, end: number, stored: Code, i: number, n: number, no: Code): Code {
  return [
    set(i, i32(0)),
    loop(
      set(n, sameBytes(add(get(at), get(i)), add(stored, get(i)))),
      when(eq(get(n), i32(16)), advance(i, i32(16)), brIf(1, lt(add(get(at), get(i)), get(end)))),
      when(lt(get(n), sub(sub(get(end), get(at)), get(i))), no),
    ),
  ];
}
