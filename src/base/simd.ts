/**
 * Kernels: the loops that touch every byte of a record, as WebAssembly SIMD over the arena, sixteen bytes at once.
 * Where the processor has no SIMD, plain TypeScript serves (normalise/json.ts, normalise/encode.ts, http/head.ts).
 *
 * They may read up to 15 bytes beyond their input and write up to 16 beyond their output; the arena has room for both.
 */
import { bytes, kernelRegion, memory, PAGES, words } from './arena.ts';
import { inSet, lanes, setOf } from './lanes.ts';
import type { Code, Fn } from './wasm.ts';
import * as w from './wasm.ts';

const { get, set, i32, add, sub, and, or, shl, shr, eq, ne, lt, gt, ge, ctz, advance, br, brIf, block, loop, when, ret, call } = w;
const {
  load8,
  load16,
  load32,
  store8,
  store16,
  store32,
  load128,
  store128,
  splat,
  swizzle,
  equal8,
  less8,
  or128,
  subSaturated8,
  below8,
  bitmask,
  popcnt,
} = w;

/** Fields that one call may find; four int32 each: name at, name end, value at, value end. */
export const FIELDS_MAX = 4096;

// Tables and cells of the kernels in the arena.
const ESCAPES = kernelRegion.at;
const HEX = ESCAPES + 256;
const COUNT = HEX + 16;
export const FIELDS_AT: number = kernelRegion.at + 512;
/** For each set of eight places, the sixteen indexes that put a byte before each of them; ESCAPE where it stands. */
const SPREAD = FIELDS_AT + FIELDS_MAX * 16;
const ESCAPE = 0xff;
/** Index in `words` of the number of fields that `scanFieldLines` found. */
export const COUNT_WORD: number = COUNT >> 2;

for (let c = 0; c < 32; c++) bytes[ESCAPES + c] = 1;
for (const [c, letter] of [
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [12, 'f'],
  [13, 'r'],
  [34, '"'],
  [92, '\\'],
] as const)
  bytes[ESCAPES + c] = letter.charCodeAt(0);
bytes.write('0123456789abcdef', HEX, 'latin1');
for (let marks = 0; marks < 256; marks++) {
  let o = SPREAD + 16 * marks;
  bytes.fill(ESCAPE, o, o + 16);
  for (let place = 0; place < 8; place++) {
    if (((marks >> place) & 1) !== 0) o++;
    bytes[o++] = place;
  }
}

const two = (s: string): Code => i32(s.charCodeAt(0) | (s.charCodeAt(1) << 8));
const four = (s: string): Code => i32(s.charCodeAt(0) | (s.charCodeAt(1) << 8) | (s.charCodeAt(2) << 16) | (s.charCodeAt(3) << 24));

/** As signed bytes, those below 0x20 are the control bytes and everything that is not ASCII. */
const controls = (x: Code): Code => bitmask(less8(x, lanes(0x20)));
const quotes = (x: Code): Code => bitmask(or128(equal8(x, lanes(0x22)), equal8(x, lanes(0x5c))));

/**
 * writeText(at, end, to): the inside of a JSON string from bytes that should be UTF-8; the offset after it, or -1.
 *
 *   while at < end:
 *     find the bytes of the next 16 that are below 0x20, a quote, a backslash or not ASCII
 *     only quotes and backslashes, and 16 bytes: spread them, eight at a time, with backslashes between
 *     else for each of them: copy what lies before it, then escape it, or check and copy one UTF-8 character
 *     copy the rest of the 16
 *
 * All marks of a block are taken from one mask, so that the next place does not wait for the bytes before it.
 */
function writeText(): Fn {
  const [p, end, o, m, c, d, s, stop, x, y] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const continuation = (offset: number): Code => eq(and(load8(get(s), offset), i32(0xc0)), i32(0x80));
  /** Copies a checked character and goes on behind it with a new block: `depth` leads to the outer loop. */
  const copyCharacter = (length: number, depth: number): Code => [
    store32(get(o), load32(get(s))),
    set(p, add(get(s), i32(length))),
    advance(o, i32(length)),
    br(depth),
  ];
  const outside = (low: Code, high: Code): Code => or(lt(get(d), low), gt(get(d), high));
  const pick = (condition: Code, yes: number, no: number): Code => [i32(yes), i32(no), condition, 0x1b];
  /** Writes eight bytes of x with a backslash before each that is marked, and up to eight bytes more. */
  const escapeEight = (marks: Code): Code => [
    set(s, marks),
    set(y, load128(add(i32(SPREAD), shl(get(s), i32(4))))),
    store128(get(o), or128(swizzle(get(x), get(y)), subSaturated8(get(y), lanes(ESCAPE - 0x5c)))),
    advance(o, popcnt(get(s))),
  ];
  return {
    name: 'writeText',
    parameters: 3,
    ints: 5,
    vectors: 2,
    body: [
      loop(
        when(ge(get(p), get(end)), ret(get(o))),
        set(x, load128(get(p))),
        set(c, controls(get(x))),
        set(m, quotes(get(x))),
        set(d, sub(get(end), get(p))),
        when(
          gt(get(d), i32(15)),
          when(
            eq(get(c), i32(0)),
            advance(p, i32(16)),
            when(eq(get(m), i32(0)), store128(get(o), get(x)), advance(o, i32(16)), br(3)),
            escapeEight(and(get(m), i32(255))),
            advance(o, i32(8)),
            set(m, shr(get(m), i32(8))),
            set(x, load128(sub(get(p), i32(8)))),
            escapeEight(get(m)),
            advance(o, i32(8)),
            br(2),
          ),
          set(d, i32(16)),
        ),
        set(stop, add(get(p), get(d))),
        set(m, and(or(get(m), get(c)), sub(shl(i32(1), get(d)), i32(1)))),
        set(d, get(p)),
        block(
          loop(
            brIf(1, eq(get(m), i32(0))),
            set(s, add(get(d), ctz(get(m)))),
            store128(get(o), load128(get(p))),
            advance(o, sub(get(s), get(p))),
            set(c, load8(get(s))),
            when(
              lt(get(c), i32(0x80)),
              set(p, add(get(s), i32(1))),
              set(c, load8(add(i32(ESCAPES), get(c)))),
              set(m, and(get(m), sub(get(m), i32(1)))),
              store16(get(o), or(i32(0x5c), shl(get(c), i32(8)))),
              advance(o, i32(2)),
              brIf(1, ne(get(c), i32(1))),
              set(c, load8(get(s))),
              store32(sub(get(o), i32(2)), four('\\u00')),
              store8(get(o), load8(add(i32(HEX), shr(get(c), i32(4)))), 2),
              store8(get(o), load8(add(i32(HEX), and(get(c), i32(15)))), 3),
              advance(o, i32(4)),
              br(1),
            ),
            // RFC 3629, 4.
            when(lt(get(c), i32(0xc2)), ret(i32(-1))),
            when(ge(add(get(s), i32(1)), get(end)), ret(i32(-1))),
            set(d, load8(get(s), 1)),
            when(lt(get(c), i32(0xe0)), when(ne(and(get(d), i32(0xc0)), i32(0x80)), ret(i32(-1))), copyCharacter(2, 3)),
            when(
              lt(get(c), i32(0xf0)),
              when(outside(pick(eq(get(c), i32(0xe0)), 0xa0, 0x80), pick(eq(get(c), i32(0xed)), 0x9f, 0xbf)), ret(i32(-1))),
              when(ge(add(get(s), i32(2)), get(end)), ret(i32(-1))),
              when(eq(continuation(2), i32(0)), ret(i32(-1))),
              copyCharacter(3, 3),
            ),
            when(gt(get(c), i32(0xf4)), ret(i32(-1))),
            when(outside(pick(eq(get(c), i32(0xf0)), 0x90, 0x80), pick(eq(get(c), i32(0xf4)), 0x8f, 0xbf)), ret(i32(-1))),
            when(ge(add(get(s), i32(3)), get(end)), ret(i32(-1))),
            when(eq(and(continuation(2), continuation(3)), i32(0)), ret(i32(-1))),
            copyCharacter(4, 2),
          ),
        ),
        store128(get(o), load128(get(p))),
        advance(o, sub(get(stop), get(p))),
        set(p, get(stop)),
        br(0),
      ),
      i32(-1),
    ],
  };
}

/**
 * writeFields(block, table, n, to): `["name","value"],...` for the n fields of a field table at byte offset `table`
 * (http/transaction.ts); the offset after it, or -1 when a name or value is not UTF-8.
 */
function writeFields(): Fn {
  const [at, table, n, o, v, p, end, x] = [0, 1, 2, 3, 4, 5, 6, 7];
  /** Most names and values need no escape: these go without a call. */
  const range = (offset: number): Code => [
    set(v, load32(get(table), offset)),
    set(p, add(get(at), shr(get(v), i32(16)))),
    set(end, add(get(at), and(get(v), i32(0xffff)))),
    block(
      loop(
        set(x, load128(get(p))),
        store128(get(o), get(x)),
        set(v, ctz(or(or(controls(get(x)), quotes(get(x))), i32(0x10000)))),
        when(eq(get(v), i32(16)), when(gt(sub(get(end), get(p)), i32(16)), advance(p, i32(16)), advance(o, i32(16)), br(2))),
        when(ge(get(v), sub(get(end), get(p))), advance(o, sub(get(end), get(p))), br(2)),
      ),
      set(o, call(0, get(p), get(end), get(o))),
      when(lt(get(o), i32(0)), ret(i32(-1))),
    ),
  ];
  return {
    name: 'writeFields',
    parameters: 4,
    ints: 3,
    vectors: 1,
    body: [
      when(eq(get(n), i32(0)), ret(get(o))),
      loop(
        store16(get(o), two('["')),
        advance(o, i32(2)),
        range(0),
        store32(get(o), four('","\0')),
        advance(o, i32(3)),
        range(4),
        store32(get(o), four('"],\0')),
        advance(o, i32(3)),
        advance(table, i32(8)),
        set(n, sub(get(n), i32(1))),
        brIf(0, get(n)),
      ),
      sub(get(o), i32(1)),
    ],
  };
}

/** Token characters (RFC 9110, 5.6.2). */
const TOKEN = setOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

/**
 * scanFieldLines(at, end, max): plain header lines, `token ":" SP* value CRLF` with a value of printable ASCII, into
 * the field table at FIELDS_AT and their number into COUNT. Stops before the first line that is anything else
 * (the blank line, a line that is not whole, or one that http/head.ts has to look at) and gives its offset.
 */
function scanFieldLines(): Fn {
  const [p, end, max, q, v, r, e, k, out, x] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  return {
    name: 'scanFieldLines',
    parameters: 3,
    ints: 6,
    vectors: 1,
    body: [
      set(out, i32(FIELDS_AT)),
      set(max, add(i32(FIELDS_AT), shl(get(max), i32(4)))),
      block(
        loop(
          brIf(1, ge(get(out), get(max))),
          set(q, get(p)),
          block(
            loop(
              brIf(1, ge(get(q), get(end))),
              set(x, load128(get(q))),
              set(x, inSet(get(x), TOKEN)),
              // Zero bytes are no token characters.
              set(k, ctz(or(bitmask(equal8(get(x), lanes(0))), i32(0x10000)))),
              advance(q, get(k)),
              brIf(0, eq(get(k), i32(16))),
            ),
          ),
          brIf(1, ge(get(q), get(end))),
          brIf(1, eq(get(q), get(p))),
          brIf(1, ne(load8(get(q)), i32(58))),
          set(v, add(get(q), i32(1))),
          loop(when(lt(get(v), get(end)), when(eq(load8(get(v)), i32(32)), advance(v, i32(1)), br(2)))),
          set(r, get(v)),
          block(
            loop(
              brIf(1, ge(get(r), get(end))),
              set(k, ctz(or(controls(load128(get(r))), i32(0x10000)))),
              advance(r, get(k)),
              brIf(0, eq(get(k), i32(16))),
            ),
          ),
          brIf(1, ge(add(get(r), i32(1)), get(end))),
          brIf(1, ne(load16(get(r)), i32(0x0a0d))),
          set(e, get(r)),
          loop(when(gt(get(e), get(v)), when(eq(load8(sub(get(e), i32(1))), i32(32)), set(e, sub(get(e), i32(1))), br(2)))),
          store32(get(out), get(p)),
          store32(get(out), get(q), 4),
          store32(get(out), get(v), 8),
          store32(get(out), get(e), 12),
          advance(out, i32(16)),
          set(p, add(get(r), i32(2))),
          br(0),
        ),
      ),
      store32(i32(COUNT), shr(sub(get(out), i32(FIELDS_AT)), i32(4))),
      get(p),
    ],
  };
}

/** findOdd(at, end, 0): offset of the first byte that is a blank, a control byte or not ASCII; `end` when there is none. */
function findOdd(): Fn {
  const [p, end, k] = [0, 1, 2];
  return {
    name: 'findOdd',
    parameters: 3,
    ints: 0,
    vectors: 0,
    body: [
      loop(
        when(ge(get(p), get(end)), ret(get(end))),
        set(k, ctz(or(bitmask(less8(load128(get(p)), splat(0x21))), i32(0x10000)))),
        advance(p, get(k)),
        brIf(0, eq(get(k), i32(16))),
      ),
      when(gt(get(p), get(end)), ret(get(end))),
      get(p),
    ],
  };
}

/** countControls(at, end, 0): how many bytes in `[at, end)` are below 0x20. */
function countControls(): Fn {
  const [p, end, n] = [0, 1, 2];
  const controls = bitmask(below8(load128(get(p)), splat(0x20)));
  return {
    name: 'countControls',
    parameters: 3,
    ints: 0,
    vectors: 0,
    body: [
      block(loop(brIf(1, gt(add(get(p), i32(16)), get(end))), advance(n, popcnt(controls)), advance(p, i32(16)), br(0))),
      // Of the last sixteen, only those before the end.
      add(get(n), popcnt(and(controls, sub(shl(i32(1), sub(get(end), get(p))), i32(1))))),
    ],
  };
}

type Kernel3 = (a: number, b: number, c: number) => number;
type Kernel4 = (a: number, b: number, c: number, d: number) => number;

function load(): { writeText: Kernel3; writeFields: Kernel4; scanFieldLines: Kernel3; findOdd: Kernel3; countControls: Kernel3 } | null {
  const code = w.assemble(PAGES, [writeText(), writeFields(), scanFieldLines(), findOdd(), countControls()]);
  try {
    const module = new WebAssembly.Module(code);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return exports as { writeText: Kernel3; writeFields: Kernel4; scanFieldLines: Kernel3; findOdd: Kernel3; countControls: Kernel3 };
  } catch {
    // A processor without SIMD: plain TypeScript serves.
    return null;
  }
}

/** The kernels, or null where the processor has no SIMD. */
export const kernels: ReturnType<typeof load> = load();
/** The field table that `scanFieldLines` fills, as int32. */
export const fieldWords: Int32Array = words.subarray(FIELDS_AT >> 2, (FIELDS_AT >> 2) + FIELDS_MAX * 4);
