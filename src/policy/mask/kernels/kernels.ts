/**
 * Kernels of quick.ts (base/simd.ts says what a kernel is): what can hold nothing sensitive is passed at sixteen bytes a
 * step, and only what may be something is given back to the walkers. Each answers "no" where it is not sure.
 *
 *   clean   can a value hold anything?           known, named   was it looked at before?
 *   head    fields   pairs, segments   pieces of forms, cookies and paths   walk   JSON
 */
import { bytes, memory, PAGES } from '../../../base/arena.ts';
import type { Fn } from '../../../base/wasm.ts';
import * as w from '../../../base/wasm.ts';
import { clean } from './clean.ts';
import { head, known, named } from './known.ts';
import { pairs, segments } from './pieces.ts';
import { walk } from './walk.ts';

const { get, i32, ge, advance, br, loop, when, ret, load128, store128 } = w;

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
    const module = new WebAssembly.Module(w.assemble(PAGES, fns));
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
