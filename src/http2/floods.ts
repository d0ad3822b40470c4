/**
 * Floods of frames that say nothing: each costs its receiver more than its sender, and the sensor next to nothing. Counted for
 * each direction in windows of a second of packet time; the frame that is one too many raises the weird, once a direction.
 *
 *   frames of a kind   ...............|..................!
 *                      1 s            1 s               above the limit
 *
 * A window begins with the first frame behind the last one: nothing is done for frames of other kinds. What is raised goes by
 * SETTINGS (6.5), PING (6.7), and DATA, HEADERS and CONTINUATION frames without a payload that end neither stream nor header block.
 */
import { raise, weird } from '../base/weird.ts';

export const SETTINGS_FLOOD = 0;
export const PING_FLOOD = 1;
export const EMPTY_FLOOD = 2;

const W_KINDS = [weird('http.http2.settings_flood'), weird('http.http2.ping_flood'), weird('http.http2.empty_frames_flood')];
/** Frames a second. */
const MAX = [100, 1000, 100];
const WINDOW_US = 1_000_000;
const TOLD = -1;

export class Floods {
  /** Frames of the window; TOLD when the flood was told. */
  readonly #counts: number[] = [0, 0, 0];
  readonly #sinceUs: number[] = [0, 0, 0];

  /** A frame of that kind came. */
  note(kind: number, nowUs: number): void {
    if (this.#counts[kind] === TOLD) return;
    const age = nowUs - this.#sinceUs[kind];
    if (age >= WINDOW_US || age < 0) {
      this.#sinceUs[kind] = nowUs;
      this.#counts[kind] = 0;
    }
    if (++this.#counts[kind] <= MAX[kind]) return;
    this.#counts[kind] = TOLD;
    raise(W_KINDS[kind]);
  }
}
