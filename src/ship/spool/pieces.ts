/** Cuts a batch into what goes into one frame: usually all of it. */
import { INDEX_WORDS } from '../../policy/masked-call.ts';
import { CONTENT_BYTES_MAX, FRAME_BYTES_AIM, TALLIES_MAX, tallyOf } from './frame.ts';

export interface Piece {
  readonly bytes: Uint8Array;
  readonly index: Int32Array;
  readonly tallies: Int32Array;
}

/** A record that fits no frame ends the list: it and what is behind it is lost. */
export function* piecesOf({ bytes, index }: { readonly bytes: Uint8Array; readonly index: Int32Array }): Generator<Piece> {
  const tallies = tallyOf(index);
  if (bytes.length <= FRAME_BYTES_AIM && tallies.length <= 3 * TALLIES_MAX) {
    if (index.length > 0) yield { bytes, index, tallies };
    return;
  }
  let at = 0;
  let end = 0;
  let from = 0;
  for (let i = 0; i <= index.length; i += INDEX_WORDS) {
    const isLast = i === index.length || index[i] + INDEX_WORDS * 4 > CONTENT_BYTES_MAX;
    const isFull = end > at && (end - at + index[i] > FRAME_BYTES_AIM || i - from === TALLIES_MAX * INDEX_WORDS);
    if (i > from && (isLast || isFull)) {
      const own = index.slice(from, i);
      yield { bytes: bytes.subarray(at, end), index: own, tallies: tallyOf(own) };
      from = i;
      at = end;
    }
    if (isLast) return;
    end += index[i];
  }
}
