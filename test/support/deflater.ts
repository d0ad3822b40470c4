/** Compresses WebSocket messages as permessage-deflate does (RFC 7692, 7.2.1), with and without context takeover. */
import assert from 'node:assert/strict';
import zlib from 'node:zlib';

const FLUSH = Buffer.from([0, 0, 0xff, 0xff]);
const WINDOW_BYTES = 32_768;

export class Deflater {
  #past = Buffer.alloc(0);
  readonly #takesOver: boolean;

  constructor(takesOver = true) {
    this.#takesOver = takesOver;
  }

  message(content: string | Buffer): Buffer {
    const plain = Buffer.from(content);
    const packed = zlib.deflateRawSync(plain, {
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      ...(this.#past.length > 0 && { dictionary: this.#past }),
    });
    if (this.#takesOver) this.#past = Buffer.from(Buffer.concat([this.#past, plain]).subarray(-WINDOW_BYTES));
    assert.ok(packed.subarray(-4).equals(FLUSH));
    return packed.subarray(0, -4);
  }
}
