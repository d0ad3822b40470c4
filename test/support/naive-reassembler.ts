/**
 * A naive reassembler: the whole list of pieces of a stream, in order of arrival, laid down byte by byte; the first
 * copy of each byte wins. Slow and obviously right.
 */
export interface Piece {
  /** Distance from the first byte of the stream. */
  readonly at: number;
  readonly bytes: Buffer;
}

/** The stream up to its first missing byte. */
export function naiveStream(pieces: readonly Piece[]): Buffer {
  const stream: (number | undefined)[] = [];
  for (const { at, bytes } of pieces) {
    for (let i = 0; i < bytes.length; i++) {
      while (stream.length <= at + i) stream.push(undefined);
      stream[at + i] ??= bytes[i];
    }
  }
  const missing = stream.indexOf(undefined);
  return Buffer.from((missing < 0 ? stream : stream.slice(0, missing)) as number[]);
}
