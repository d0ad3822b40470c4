/**
 * MaskedCall: what policy/ hands on, and the only thing that may leave: a batch of records whose sensitive parts are
 * masked. Types alone keep the promise: a batch is made by `maskedBatch`, which policy/ and those who carry its batches from
 * thread to thread use, and nothing else may (test/house.test.ts has the list). Everything behind it (spool, formats, sinks)
 * takes nothing but batches.
 *
 *   bytes   records as lines of canonical JSON (normalise/api-call.ts), one after the other, each with its line feed
 *   index   two words for each record: its length in bytes with the line feed, and its routes
 *   routes  a bit for each pipeline that it goes to
 */
declare const masked: unique symbol;

export interface MaskedBatch {
  readonly bytes: Uint8Array;
  readonly index: Int32Array;
  readonly [masked]: true;
}

/** Words of `index` for each record. */
export const INDEX_WORDS = 2;

/** Says that the records are masked. */
export function maskedBatch(bytes: Uint8Array, index: Int32Array): MaskedBatch {
  return { bytes, index } as MaskedBatch;
}
