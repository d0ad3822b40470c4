/**
 * Pieces: what waits to be sent, each at once: batches, and what became of parts of them. Which one is next:
 *
 *   1. the one that was tried least often, so that one that is never taken does not keep the others;
 *   2. halves of refused and stuck batches in turn with whole batches, and only one of these halves under way at a time;
 *   3. the oldest.
 */
import type { EncodedBatch, EncodedRecord } from './encode-batch.ts';

export interface Piece {
  readonly records: readonly EncodedRecord[];
  /** Made when it is sent first, and kept. */
  batch: EncodedBatch | null;
  attempts: number;
  notBeforeMs: number;
  /** Part of a batch that was refused, or stuck. */
  readonly isSuspect: boolean;
  /** Failures while others got through, and what the receiver had taken at the last one (stuck.ts). */
  failuresApart: number;
  writtenBefore: number;
}

const AT_ONCE = Number.NEGATIVE_INFINITY;

export class Pieces {
  #waiting: Piece[] = [];
  #suspectsUnderWay = 0;
  #wasSuspect = false;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whole batches that were not tried yet. */
  get ready(): number {
    let n = 0;
    for (const piece of this.#waiting) if (piece.attempts === 0 && !piece.isSuspect) n++;
    return n;
  }

  add(records: readonly EncodedRecord[], isSuspect: boolean, attempts = 0): void {
    this.#waiting.push(pieceOf(records, attempts, isSuspect));
  }

  putBack(piece: Piece): void {
    this.#waiting.push(piece);
  }

  addHalves({ records }: Piece, isSuspect: boolean): void {
    const middle = records.length >> 1;
    this.add(records.slice(0, middle), isSuspect);
    this.add(records.slice(middle), isSuspect);
  }

  /** None has to wait any longer. */
  hurry(): void {
    for (const piece of this.#waiting) piece.notBeforeMs = AT_ONCE;
  }

  isDue(nowMs: number): boolean {
    return this.#waiting.some((piece) => piece.notBeforeMs <= nowMs && !this.#isKept(piece));
  }

  /** When the next one may be sent; Infinity: none waits, or one for another that is under way. */
  nextMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const piece of this.#waiting) if (!this.#isKept(piece)) atMs = Math.min(atMs, piece.notBeforeMs);
    return atMs;
  }

  /**
   * Takes the next one out; null: none is due. `bytesMax`: new batches that are larger are halved first. `alone`: a single
   * record, and rather one of a batch that was not refused yet.
   */
  take(nowMs: number, bytesMax: number, alone: boolean): Piece | null {
    for (;;) {
      let best = -1;
      for (let i = 0; i < this.#waiting.length; i++) {
        const piece = this.#waiting[i];
        if (piece.notBeforeMs > nowMs || this.#isKept(piece)) continue;
        if (best < 0 || this.#isBefore(piece, this.#waiting[best], alone)) best = i;
      }
      if (best < 0) return null;
      const [piece] = this.#waiting.splice(best, 1);
      const { records, attempts, isSuspect } = piece;
      if (records.length > 1 && alone) {
        const [first, ...others] = records;
        this.add(others, isSuspect, attempts);
        return pieceOf([first], attempts, true);
      }
      if (records.length === 1 || attempts > 0 || bytesOf(records) <= bytesMax) return piece;
      this.addHalves(piece, isSuspect);
    }
  }

  started({ isSuspect }: Piece): void {
    if (isSuspect) this.#suspectsUnderWay++;
    this.#wasSuspect = isSuspect;
  }

  ended({ isSuspect }: Piece): void {
    if (isSuspect) this.#suspectsUnderWay--;
  }

  #isKept(piece: Piece): boolean {
    return piece.isSuspect && this.#suspectsUnderWay > 0;
  }

  #isBefore(a: Piece, b: Piece, alone: boolean): boolean {
    if (a.attempts !== b.attempts) return a.attempts < b.attempts;
    if (a.isSuspect !== b.isSuspect) return a.isSuspect !== (this.#wasSuspect || alone);
    return a.records[0].sequence < b.records[0].sequence;
  }
}

function pieceOf(records: readonly EncodedRecord[], attempts: number, isSuspect: boolean): Piece {
  return { records, batch: null, attempts, notBeforeMs: AT_ONCE, isSuspect, failuresApart: 0, writtenBefore: Number.POSITIVE_INFINITY };
}

/** In the sink's format. */
export function bytesOf(records: readonly EncodedRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.bytes.length;
  return bytes;
}
