/**
 * What is under way from a worker to the main thread: bytes of batches that the one has sent and the other has not taken
 * yet. The main thread takes them at once, unless the system holds it up: a disk that answers nothing while a line of the
 * log is written, for example. What waits then is bounded as what waits for the output is; the rest is lost and counted.
 */

/** How often whoever waits looks again, milliseconds. */
const LOOK_MS = 2;

export class UnderWay {
  /** One word, shared by both ends. */
  readonly #bytes: Int32Array;
  readonly #bytesMax: number;

  constructor(shared: SharedArrayBuffer, bytesMax: number) {
    this.#bytes = new Int32Array(shared);
    this.#bytesMax = bytesMax;
  }

  /** False when there is no room for a batch of so many bytes; it must not be sent then. */
  send(bytes: number): boolean {
    if (Atomics.load(this.#bytes, 0) + bytes > this.#bytesMax) return false;
    Atomics.add(this.#bytes, 0, bytes);
    return true;
  }

  /** Waits until there is room for so many bytes, however long one batch is; false when that took too long. Blocks the thread. */
  waitForRoom(bytes: number, limitMs: number): boolean {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const now = Atomics.load(this.#bytes, 0);
      if (now === 0 || now + bytes <= this.#bytesMax) return true;
      if (performance.now() > endMs) return false;
      Atomics.wait(this.#bytes, 0, now, LOOK_MS);
    }
  }

  take(bytes: number): void {
    Atomics.sub(this.#bytes, 0, bytes);
  }
}
