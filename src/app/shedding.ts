/**
 * Shedding: how large a share of the flows a worker drops while it cannot keep up. Looked at some dozen times a
 * second: a ring more than half full raises the share, one nearly empty lowers it, slowly, so that what was dropped
 * comes back bit by bit. It acts before the ring is full, because what the kernel drops tears holes into all flows.
 */
import { SHARES } from './guard.ts';

const FULL = 0.5;
const EMPTY = 0.1;
const STEP_UP = 16;
const STEP_DOWN = 4;
const UP_MS = 50;
const DOWN_MS = 500;
/** Never all: what is left says that there is traffic. */
const SHARE_MAX = SHARES - 8;

export class Shedding {
  /** Parts of SHARES that are dropped. */
  share = 0;
  #changedMs = Number.NEGATIVE_INFINITY;

  /** The share from now on, from the filled part of the ring (0 to 1) and a time in milliseconds. */
  next(fill: number, nowMs: number): number {
    if (fill > FULL && nowMs - this.#changedMs >= UP_MS && this.share < SHARE_MAX) {
      // The fuller, the faster.
      this.share = Math.min(SHARE_MAX, this.share + (fill > 0.8 ? 2 * STEP_UP : STEP_UP));
      this.#changedMs = nowMs;
    } else if (fill < EMPTY && this.share > 0 && nowMs - this.#changedMs >= DOWN_MS) {
      this.share = Math.max(0, this.share - STEP_DOWN);
      this.#changedMs = nowMs;
    }
    return this.share;
  }

  off(): number {
    this.share = 0;
    return 0;
  }
}
