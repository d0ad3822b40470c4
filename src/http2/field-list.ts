/**
 * The fields of the header block at hand, as arena offsets: name at, name end, value at, value end. Where name or value
 * is unknown, both its words are -1. All of it is valid until the next block is decoded.
 *
 *   a literal as it is       lies in the block itself
 *   a literal in Huffman     decoded into the scratch part of the arena's header region
 *   from the static table    lies at the front of that region
 *   from a dynamic table     lies in that table's own block of the arena, until the table has to move its bytes: then
 *                            `keepFields` copies to the scratch part what the list still refers to
 *
 * Bounds: FIELDS_MAX fields and DECODED_BYTES_MAX bytes in one block. Each byte of the list is at most once in the scratch
 * part, so this has room for all of them.
 */
import { bytes, headerRegion } from '../base/arena.ts';
import { STATIC_END } from './static-table.ts';

const B = bytes;

export const FIELDS_MAX = 4096;
export const DECODED_BYTES_MAX: number = 256 << 10;

/** Four words a field. */
export const fieldList: Int32Array = new Int32Array(FIELDS_MAX << 2);
const F = fieldList;
/** How many of them there are: also what an error left before it. */
export const fieldCount: Int32Array = new Int32Array(1);
/** The next free byte of the scratch part. */
export const scratchTop: Int32Array = new Int32Array(1);
const TOP = scratchTop;
/** No string goes beyond this; what follows is room for the steps of a decoder. */
export const SCRATCH_END: number = STATIC_END + DECODED_BYTES_MAX;
if (SCRATCH_END + 64 > headerRegion.end) throw new Error('header region: no room');

/** Fields before this one are not in a dynamic table any more. */
let keptFields = 0;

export function startFields(): void {
  TOP[0] = STATIC_END;
  keptFields = 0;
}

/** Copies what the first `count` fields have in `[at, end)`, which is about to change. Each field is looked at once a block. */
export function keepFields(count: number, at: number, end: number): void {
  for (let f = keptFields << 2; f < count << 2; f += 2) {
    const from = F[f];
    if (from < at || from >= end) continue;
    const length = F[f + 1] - from;
    const to = TOP[0];
    B.copyWithin(to, from, from + length);
    F[f] = to;
    F[f + 1] = to + length;
    TOP[0] = to + length;
  }
  keptFields = count;
}
