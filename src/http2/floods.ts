/**
 * Floods of frames that say nothing: each costs its receiver more than its sender, and the sensor next to nothing. Counted for
 * each direction in windows of a second of packet time; the frame that is one too many raises the weird, once a direction.
 *
 *   frames of a kind   ...............|..................!
 *                      1 s            1 s               above the limit
 *
 * A window begins with the first frame behind the last one: nothing is done for frames of other kinds. What is raised goes by
 * SETTINGS (6.5), PING (6.7), PRIORITY (6.3); DATA, HEADERS and CONTINUATION frames with nothing in them (but padding) that end neither
 * stream nor header block; RST_STREAM of a server for an error (6.4), which a client can provoke; and WINDOW_UPDATE (6.9) beyond what
 * is due: a busy receiver answers each DATA frame with two of them, one for the stream and one for the connection.
 */
import { raise, weird } from '../base/weird.ts';

export const SETTINGS_FLOOD = 0;
export const PING_FLOOD = 1;
export const EMPTY_FLOOD = 2;
export const PRIORITY_FLOOD = 3;
export const WINDOW_FLOOD = 4;
export const RESET_FLOOD = 5;

const W_KINDS = [
  weird('http.http2.settings_flood'),
  weird('http.http2.ping_flood'),
  weird('http.http2.empty_frames_flood'),
  weird('http.http2.priority_flood'),
  weird('http.http2.window_update_flood'),
  weird('http.http2.reset_flood'),
];
/** Frames a second. */
const MAX = [100, 1000, 100, 1000, 1000, 100];
/** WINDOW_UPDATE frames for one DATA frame, and for how many of these they may come late. */
const UPDATES_PER_DATA = 2;
const UPDATES_DUE_MAX = 10_000;
const WINDOW_US = 1_000_000;
const TOLD = -1;
const NONE: number[] = [];

export class Floods {
  /** Frames of the window; TOLD when the flood was told. Empty until there is one. */
  #counts: number[] = NONE;
  #sinceUs: number[] = NONE;
  /** WINDOW_UPDATE frames that the other side has paid for with DATA. */
  #updatesDue = 0;

  /** A frame of that kind came. */
  note(kind: number, nowUs: number): void {
    if (this.#counts === NONE) {
      this.#counts = MAX.map(() => 0);
      this.#sinceUs = MAX.map(() => 0);
    }
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

  /** A DATA frame of the other side came. */
  noteDataAcross(): void {
    if (this.#updatesDue < UPDATES_DUE_MAX) this.#updatesDue += UPDATES_PER_DATA;
  }

  noteWindowUpdate(nowUs: number): void {
    if (this.#updatesDue > 0) this.#updatesDue--;
    else this.note(WINDOW_FLOOD, nowUs);
  }
}
