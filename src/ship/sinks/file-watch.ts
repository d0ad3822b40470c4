/**
 * Certificates and keys that are replaced while the sensor runs: taken over without being told. They come as whole files, by
 * rename or by a link set anew: looking is surer than being told.
 */
import type { Problem } from '../sink.ts';
import type { SinkLog } from './sink-context.ts';

const INTERVAL_MS = 5_000;

export interface WatchedFiles {
  /** One of them is another than the one that was read. */
  hasChanged(): boolean;
  /** Takes them over, or keeps those of before and says why. */
  reload(): Promise<Problem | null>;
}

export class FileWatch {
  readonly #sink: string;
  readonly #log: SinkLog;
  readonly #files: WatchedFiles;
  readonly #timer: NodeJS.Timeout;

  constructor(sink: string, log: SinkLog, files: WatchedFiles) {
    this.#sink = sink;
    this.#log = log;
    this.#files = files;
    this.#timer = setInterval(() => void this.#look(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Those that were read at the start cannot be used. */
  warnAtStart(problem: Problem): void {
    this.#warn('its certificates cannot be used', problem);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (!this.#files.hasChanged()) return;
    const problem = await this.#files.reload();
    if (problem === null) this.#log.info('certificates were read anew', { sink: this.#sink });
    else this.#warn('new certificates cannot be used; those of before stay', problem);
  }

  #warn(message: string, { code, what, next }: Problem): void {
    this.#log.warn(message, { sink: this.#sink, code, what, next });
  }
}
