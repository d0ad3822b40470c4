/**
 * Who watches the calls of a worker, and what each wants to see. A filter is applied here, to every call, so that a
 * rare one is found among many; only what fits is handed on. All of it is bounded: so many calls a second for each
 * watcher, so many that are looked at for all. What a watcher misses by that is counted for it.
 */
import { type CallFilter, compileCallFilter } from './call-filter.ts';
import type { CallLine } from './call-line.ts';

/** Calls a second that are looked at: some per cent of a processor. */
const LOOKS_PER_S_MAX = 10_000;

/** One watcher; plain data. */
export interface Watch {
  readonly id: number;
  readonly filter: CallFilter;
  /** It wants the whole masked records too. */
  readonly whole?: boolean;
}

/** What a watcher gets. */
export interface Watched {
  readonly id: number;
  readonly calls: readonly CallLine[];
  readonly skipped: number;
}

interface Watcher {
  readonly id: number;
  /** null: all calls. */
  readonly fits: ((call: CallLine) => boolean) | null;
  readonly whole: boolean;
  calls: CallLine[];
  skipped: number;
  inSecond: number;
}

function withoutRecord({ record: _, ...line }: CallLine): CallLine {
  return line;
}

export class Watches {
  #watchers: Watcher[] = [];
  #looks = 0;
  #callsPerSecondMax: number;

  constructor(callsPerSecondMax: number) {
    this.#callsPerSecondMax = callsPerSecondMax;
  }

  set callsPerSecondMax(max: number) {
    this.#callsPerSecondMax = max;
  }

  /** Who watches from now on. Those that go on keep what waits for them. */
  set(watches: readonly Watch[]): void {
    this.#watchers = watches.map(
      ({ id, filter, whole = false }) =>
        this.#watchers.find((one) => one.id === id) ?? {
          id,
          fits: Object.keys(filter).length === 0 ? null : compileCallFilter(filter),
          whole,
          calls: [],
          skipped: 0,
          inSecond: 0,
        },
    );
  }

  get areThere(): boolean {
    return this.#watchers.length > 0;
  }

  /** Sees a finished call; `read` makes it, when somebody wants it. */
  see(read: () => CallLine): void {
    let call: CallLine | null = null;
    for (const watcher of this.#watchers) {
      const isFull = watcher.inSecond >= this.#callsPerSecondMax;
      if ((isFull && watcher.fits === null) || (call === null && this.#looks >= LOOKS_PER_S_MAX)) {
        watcher.skipped++;
        continue;
      }
      if (call === null) {
        call = read();
        this.#looks++;
      }
      if (watcher.fits !== null && !watcher.fits(call)) continue;
      if (isFull) {
        watcher.skipped++;
        continue;
      }
      watcher.inSecond++;
      watcher.calls.push(watcher.whole ? call : withoutRecord(call));
    }
  }

  /** A new second begins. */
  tick(): void {
    this.#looks = 0;
    for (const watcher of this.#watchers) watcher.inSecond = 0;
  }

  /** What waits for each watcher, which is then theirs. */
  take(): Watched[] {
    const all: Watched[] = [];
    for (const watcher of this.#watchers) {
      if (watcher.calls.length === 0 && watcher.skipped === 0) continue;
      all.push({ id: watcher.id, calls: watcher.calls, skipped: watcher.skipped });
      watcher.calls = [];
      watcher.skipped = 0;
    }
    return all;
  }
}
