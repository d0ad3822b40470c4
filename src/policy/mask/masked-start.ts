/**
 * Method and host of a call as its masked record has them, for those who count calls without recording them.
 *
 *   row of the call -> masked head of the request -> method, host -> the row as it was
 */
import { bytes } from '../../base/arena.ts';
import * as t from '../../http/transaction.ts';
import { resetEdits } from './edits.ts';
import { maskHead } from './head.ts';
import { maskedPart } from './layout.ts';
import { restoreRow, saveRow } from './saved-row.ts';

const B = bytes;
const K = t.calls;

export interface Start {
  readonly method: string;
  /** In small letters; "" when no field has it. */
  readonly host: string;
}

/** As masking leaves them, `bytesMax` bytes of each at most. For a call with a request. */
export function maskedStart(call: number, bytesMax: number): Start {
  const k = call << t.CALL_SHIFT;
  const first = k + t.REQUEST;
  saveRow(k);
  try {
    resetEdits();
    maskHead(k, t.REQUEST, maskedPart.at, maskedPart.end);
    const block = K[first + t.S_HEAD];
    const method = text(block, block + K[first + t.S_FIRST], bytesMax);
    const i = K[first + t.S_HOST] - 1;
    if (i < 0) return { method, host: '' };
    const table = t.fieldTable(block, K[first + t.S_HEAD_BYTES]);
    return { method, host: text(t.valueAt(block, table, i), t.valueEnd(block, table, i), bytesMax).toLowerCase() };
  } finally {
    restoreRow(k);
  }
}

function text(at: number, end: number, bytesMax: number): string {
  return B.toString('latin1', at, Math.min(end, at + bytesMax));
}
