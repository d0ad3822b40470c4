/** A progress bar on standard error, when that is a terminal: share of the bytes, packets, time left. */
import type { Capture } from '../capture/capture.ts';
import { say } from './output.ts';
import { coloursOf } from './terminal.ts';

const REDRAW_MS = 100;
const BAR_CHARS = 30;

export class Progress {
  readonly #capture: Capture;
  readonly #isOn = process.stderr.isTTY === true;
  readonly #colours = coloursOf(process.stderr);
  readonly #startedMs = performance.now();
  #drawnMs = 0;

  constructor(capture: Capture) {
    this.#capture = capture;
  }

  /** Called now and then with the packets so far. */
  update(packets: number): void {
    if (!this.#isOn) return;
    const now = performance.now();
    if (now - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = now;
    const { bytesTotal, bytesRead } = this.#capture;
    const seconds = (now - this.#startedMs) / 1000;
    const rate = `${(packets / seconds / 1000).toFixed(0)} k packets/s`;
    let line: string;
    if (bytesTotal > 0) {
      const share = Math.min(1, bytesRead / bytesTotal);
      const done = Math.round(share * BAR_CHARS);
      const left = share > 0 ? Math.ceil((seconds / share) * (1 - share)) : 0;
      line = `${this.#colours.green('█'.repeat(done))}${this.#colours.dim('░'.repeat(BAR_CHARS - done))} ${(share * 100).toFixed(0).padStart(3)} %  ${rate}  ${left} s left`;
    } else line = `${packets} packets  ${rate}`;
    say(`\r\x1b[2K${line}`);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isOn && this.#drawnMs > 0) say('\r\x1b[2K');
  }
}
