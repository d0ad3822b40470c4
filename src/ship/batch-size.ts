/**
 * How many bytes a batch may have: what is configured, and less for a while when the receiver took less.
 *
 *   too large       half of what it was
 *   16 full ones    a quarter more, up to what is configured; after each rise that was too much it takes twice as many,
 *                   up to 1,024, so that one who takes little is rarely asked for more
 */
const ROUND_MIN = 16;
const ROUND_MAX = 1024;
const RISE = 1.25;

export class BatchSize {
  bytesMax: number;
  #configured: number;
  /** Full batches that were delivered, of those that a rise takes. */
  #delivered = 0;
  #round = ROUND_MIN;
  #hasRisen = false;

  constructor(configured: number) {
    this.#configured = configured;
    this.bytesMax = configured;
  }

  /** Begins anew. */
  reset(configured: number): void {
    this.#configured = configured;
    this.bytesMax = configured;
    this.#round = ROUND_MIN;
    this.#delivered = 0;
    this.#hasRisen = false;
  }

  /** A batch of so many bytes was too large. */
  tooLarge(bytes: number): void {
    this.bytesMax = Math.max(1, Math.min(this.bytesMax, Math.ceil(bytes / 2)));
    if (this.#hasRisen) this.#round = Math.min(ROUND_MAX, this.#round * 2);
    this.#hasRisen = false;
    this.#delivered = 0;
  }

  /** A batch of so many bytes was delivered. One that is far from full says nothing. */
  succeeded(bytes: number): void {
    if (this.bytesMax >= this.#configured || bytes * 2 < this.bytesMax || ++this.#delivered < this.#round) return;
    this.bytesMax = Math.min(this.#configured, Math.ceil(this.bytesMax * RISE));
    this.#delivered = 0;
    this.#hasRisen = true;
  }
}
