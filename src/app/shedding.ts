/**
 * Shedding: what a worker leaves out while it cannot keep up, in this order: bodies of calls, then their headers too, then
 * whole flows, a share of them. Counts are never left out. Looked at some dozen times a second:
 *
 *   ring filled   0 % ... 10 %        30 %     40 %      50 % ...
 *                 comes back, slowly  bodies   headers   a share of the flows, which grows
 *
 * It acts before the ring is full, because what the kernel drops tears holes into all flows. What was left out comes back in
 * the reverse order, bit by bit.
 */
import { SHED_BODIES, SHED_HEADERS, SHED_NOTHING } from '../policy/mask/mask-call.ts';
import { SHARES } from './guard.ts';

const BODIES_FULL = 0.3;
const HEADERS_FULL = 0.4;
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
  /** What records leave out: SHED_NOTHING, SHED_BODIES or SHED_HEADERS. */
  level: number = SHED_NOTHING;
  #changedMs = Number.NEGATIVE_INFINITY;

  /** The share from now on, from the filled part of the ring (0 to 1) and a time in milliseconds. */
  next(fill: number, nowMs: number): number {
    if (fill > HEADERS_FULL) this.level = SHED_HEADERS;
    else if (fill > BODIES_FULL && this.level < SHED_BODIES) this.level = SHED_BODIES;
    if (fill > FULL && nowMs - this.#changedMs >= UP_MS && this.share < SHARE_MAX) {
      // The fuller, the faster.
      this.share = Math.min(SHARE_MAX, this.share + (fill > 0.8 ? 2 * STEP_UP : STEP_UP));
      this.#changedMs = nowMs;
    } else if (fill < EMPTY && this.share > 0 && nowMs - this.#changedMs >= DOWN_MS) {
      this.share = Math.max(0, this.share - STEP_DOWN);
      this.#changedMs = nowMs;
    } else if (fill < EMPTY && this.level > SHED_NOTHING && nowMs - this.#changedMs >= DOWN_MS) {
      this.level--;
      this.#changedMs = nowMs;
    }
    return this.share;
  }

  off(): number {
    this.share = 0;
    this.level = SHED_NOTHING;
    return 0;
  }
}
