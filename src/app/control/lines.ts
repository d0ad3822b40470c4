/** Lines out of a byte stream, with a bound. */

const LINE_FEED = 0x0a;

export class LineReader {
  readonly #bytesMax: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of the line that has not ended yet. */
  get pending(): number {
    return this.#bytes;
  }

  /** The lines that end in this piece, without their line feeds; null when one is longer than the bound. */
  take(piece: Buffer): string[] | null {
    const lines: string[] = [];
    let at = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, at)) {
      if (this.#bytes + end - at > this.#bytesMax) return null;
      lines.push(Buffer.concat([...this.#pieces, piece.subarray(at, end)]).toString('utf8'));
      this.#pieces = [];
      this.#bytes = 0;
      at = end + 1;
    }
    if (this.#bytes + piece.length - at > this.#bytesMax) return null;
    if (at < piece.length) {
      this.#pieces.push(piece.subarray(at));
      this.#bytes += piece.length - at;
    }
    return lines;
  }
}
