/** How many a second, over the last ten whole seconds or, before, since the first one. */
const BUCKETS = 10;

export class Rate {
  readonly #counts = new Float64Array(BUCKETS);
  #second = Number.NEGATIVE_INFINITY;
  #firstSecond = Number.POSITIVE_INFINITY;
  #current = 0;

  add(n: number, nowMs: number): void {
    this.#moveTo(nowMs);
    this.#current += n;
  }

  perSecond(nowMs: number): number {
    this.#moveTo(nowMs);
    const seconds = Math.min(BUCKETS, this.#second - this.#firstSecond);
    return seconds <= 0 ? 0 : this.#counts.reduce((sum, n) => sum + n, 0) / seconds;
  }

  #moveTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second <= this.#second) return;
    if (this.#firstSecond === Number.POSITIVE_INFINITY) this.#firstSecond = second;
    // What was counted so far belongs to the second that is over; seconds without any have none.
    for (let s = Math.max(this.#second, second - BUCKETS); s < second; s++) {
      this.#counts[s % BUCKETS] = s === this.#second ? this.#current : 0;
    }
    this.#second = second;
    this.#current = 0;
  }
}
