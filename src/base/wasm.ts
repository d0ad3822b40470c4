/**
 * A small assembler for WebAssembly (core specification 2.0, chapter 5): enough for the kernels of base/simd.ts,
 * so that they need no build and no other language. Code is a nested list of bytes; helpers give it names.
 */
export type Code = readonly (number | Code)[];

function unsigned(n: number): number[] {
  const out: number[] = [];
  let rest = n;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return out;
}

function signed(n: number): number[] {
  const out: number[] = [];
  let rest = n;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      out.push(low);
      return out;
    }
    out.push(low | 0x80);
  }
}

function flat(code: Code): number[] {
  const out: number[] = [];
  append(out, code);
  return out;
}

function append(out: number[], code: Code): void {
  for (const c of code) {
    if (typeof c === 'number') out.push(c);
    else append(out, c);
  }
}

const EMPTY = 0x40;
const I32 = 0x7f;
const V128 = 0x7b;

// Control.
export const block = (...body: Code): Code => [0x02, EMPTY, body, 0x0b];
export const loop = (...body: Code): Code => [0x03, EMPTY, body, 0x0b];
export const when = (condition: Code, ...body: Code): Code => [condition, 0x04, EMPTY, body, 0x0b];
/** Branches out of (or, for a loop, back to the start of) the block that lies `depth` levels around. */
export const br = (depth: number): Code => [0x0c, depth];
export const brIf = (depth: number, condition: Code): Code => [condition, 0x0d, depth];
export const ret = (value: Code): Code => [value, 0x0f];
export const call = (fn: number, ...args: Code): Code => [args, 0x10, ...unsigned(fn)];

// Values.
export const get = (local: number): Code => [0x20, local];
export const set = (local: number, value: Code): Code => [value, 0x21, local];
export const i32 = (n: number): Code => [0x41, ...signed(n)];

const binary =
  (op: number) =>
  (a: Code, b: Code): Code => [a, b, op];
export const add = binary(0x6a);
export const sub = binary(0x6b);
export const and = binary(0x71);
export const or = binary(0x72);
export const xor = binary(0x73);
export const mul = binary(0x6c);
export const shl = binary(0x74);
export const shr = binary(0x76);
export const eq = binary(0x46);
export const ne = binary(0x47);
/** Signed comparisons: offsets in the arena are below 2^31. */
export const lt = binary(0x48);
export const gt = binary(0x4a);
export const ge = binary(0x4e);
/** Unsigned: `below(sub(c, i32(48)), i32(10))` asks for a range. */
export const below = binary(0x49);
export const ctz = (a: Code): Code => [a, 0x68];
/** Zero bits above the highest one. */
export const clz = (a: Code): Code => [a, 0x67];
/** Number of bits that are set. */
export const popcnt = (a: Code): Code => [a, 0x69];

/** Adds to a local. */
export const advance = (local: number, by: Code): Code => set(local, add(get(local), by));

const memory =
  (op: number) =>
  (at: Code, offset = 0): Code => [at, op, 0, ...unsigned(offset)];
export const load8 = memory(0x2d);
export const load16 = memory(0x2f);
export const load32 = memory(0x28);
export const store8 = (at: Code, value: Code, offset = 0): Code => [at, value, 0x3a, 0, ...unsigned(offset)];
export const store16 = (at: Code, value: Code, offset = 0): Code => [at, value, 0x3b, 0, ...unsigned(offset)];
export const store32 = (at: Code, value: Code, offset = 0): Code => [at, value, 0x36, 0, ...unsigned(offset)];

// Sixteen bytes at once.
const simd =
  (op: number) =>
  (a: Code, b: Code): Code => [a, b, 0xfd, op];
export const load128 = (at: Code): Code => [at, 0xfd, 0x00, 0, 0];
export const store128 = (at: Code, value: Code): Code => [at, value, 0xfd, 0x0b, 0, 0];
export const v128 = (sixteen: readonly number[]): Code => [0xfd, 0x0c, ...sixteen];
/** All sixteen bytes the same. */
export const splat = (byte: number): Code => v128(new Array<number>(16).fill(byte));
/** The same with a byte that is computed. */
export const splatOf = (byte: Code): Code => [byte, 0xfd, 0x0f];
/** Picks bytes of `a` by the indexes in `b`; 0 for an index beyond 15. */
export const swizzle = simd(0x0e);
export const equal8 = simd(0x23);
/** Signed. */
export const less8 = simd(0x25);
/** Unsigned. */
export const below8 = simd(0x26);
export const add8 = simd(0x6e);
export const sub8 = simd(0x71);
/** 0 where it would be below 0. */
export const subSaturated8 = simd(0x73);
/** Four words. */
export const mul32x4 = (a: Code, b: Code): Code => [a, b, 0xfd, 0xb5, 0x01];
export const and128 = simd(0x4e);
export const or128 = simd(0x50);
export const xor128 = simd(0x51);
/** Of words of 16 bits: one instruction on x86, where that of bytes is several. */
export const shr16x8 = (a: Code, bits: Code): Code => [a, bits, 0xfd, 0x8d, 0x01];
/** One bit for each byte whose top bit is set. */
export const bitmask = (a: Code): Code => [a, 0xfd, 0x64];

export interface Fn {
  readonly name: string;
  /** Number of i32 parameters: locals 0 and on. */
  readonly parameters: number;
  /** Further i32 locals, then v128 locals. */
  readonly ints: number;
  readonly vectors: number;
  readonly body: Code;
}

function section(id: number, content: Code): Code {
  const bytes = flat(content);
  return [id, ...unsigned(bytes.length), ...bytes];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items];
}

const text = (s: string): Code => [...unsigned(s.length), ...Buffer.from(s, 'latin1')];

/** A module whose functions all take i32 and give one i32, over an imported memory `env.memory` of exactly `pages`. */
export function assemble(pages: number, fns: readonly Fn[]): Uint8Array {
  return Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, vector(fns.map((fn) => [0x60, vector(new Array<Code>(fn.parameters).fill([I32])), 1, I32]))),
      section(2, vector([[text('env'), text('memory'), 0x02, 0x01, ...unsigned(pages), ...unsigned(pages)]])),
      section(3, vector(fns.map((_, i) => unsigned(i)))),
      section(7, vector(fns.map((fn, i) => [text(fn.name), 0x00, ...unsigned(i)]))),
      section(
        10,
        vector(
          fns.map((fn) => {
            const code = flat([
              vector([
                [...unsigned(fn.ints), I32],
                [...unsigned(fn.vectors), V128],
              ]),
              fn.body,
              0x0b,
            ]);
            return [...unsigned(code.length), ...code];
          }),
        ),
      ),
    ]),
  );
}
