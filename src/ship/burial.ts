/**
 * Burial: records on their way to the dead letters. One is done with when its letter is durable; until then it stays in
 * hand; when the letters cannot be written they are tried again, and when they only wait for the disk, that is said.
 */
import type { DeadLetter } from './dead-letters.ts';
import type { EncodedRecord } from './encode-batch.ts';
import { retryMsMax } from './gate.ts';
import type { Problem } from './sink.ts';
import type { Timers } from './timers.ts';

/** Takes dead letters; done when they are durable, throws when they cannot be. */
export interface LetterTaker {
  add(letters: readonly DeadLetter[]): Promise<void>;
}

export interface BurialEvents {
  readonly onBuried: (records: readonly EncodedRecord[]) => void;
  readonly onProblem: (problem: Problem) => void;
  /** Nothing is under way any more. */
  readonly onIdle: () => void;
}

/** Letters that are not durable after that long are spoken of. */
const LATE_MS = 5000;

export class Burial {
  readonly #sink: string;
  readonly #taker: LetterTaker;
  readonly #timers: Timers;
  readonly #events: BurialEvents;
  #waiting: { readonly record: EncodedRecord; readonly letter: DeadLetter }[] = [];
  #failures = 0;
  #isStopped = false;
  isBusy = false;

  constructor(sink: string, taker: LetterTaker, timers: Timers, events: BurialEvents) {
    this.#sink = sink;
    this.#taker = taker;
    this.#timers = timers;
    this.#events = events;
  }

  add(records: readonly EncodedRecord[], problem: Problem): void {
    const atMs = this.#timers.dateMs();
    for (const record of records) {
      const { sequence, line } = record;
      this.#waiting.push({ record, letter: { sink: this.#sink, atMs, problem, sequence, line } });
    }
    if (!this.isBusy) void this.#work();
  }

  /** What is not durable yet is not tried again. */
  stop(): void {
    this.#isStopped = true;
  }

  async #work(): Promise<void> {
    this.isBusy = true;
    while (this.#waiting.length > 0 && !this.#isStopped) {
      const these = this.#waiting;
      this.#waiting = [];
      const callOff = this.#timers.after(LATE_MS, () =>
        this.#events.onProblem({
          code: 'dead-letters-waiting',
          what: 'Records that the receiver refuses wait to be put aside: their letters do not get to the disk',
          next: 'Look at the disk of the spool: the records are held until there is room for them.',
        }),
      );
      try {
        await this.#taker.add(these.map(({ letter }) => letter)).finally(callOff);
        this.#failures = 0;
        this.#events.onBuried(these.map(({ record }) => record));
      } catch (error) {
        this.#waiting = [...these, ...this.#waiting];
        this.#events.onProblem({
          code: 'dead-letters-failed',
          what: `A record that the receiver refuses cannot be put aside: ${error instanceof Error ? error.message : 'no reason given'}`,
          next: 'Look at the disk of the spool: the record is held until there is room for it.',
        });
        if (this.#isStopped) break;
        this.#failures++;
        await new Promise<void>((resolve) => this.#timers.after(retryMsMax(this.#failures), resolve));
      }
    }
    this.isBusy = false;
    this.#events.onIdle();
  }
}
