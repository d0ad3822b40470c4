/** What is shown again and again: in place on a terminal, one block behind the other in a pipe or file. */
import type { WriteStream } from 'node:tty';
import { writeText } from './output.ts';

const CLEAR = '\x1b[2J';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const ROWS_ELSEWHERE = 50;

export class LiveScreen {
  readonly #stream: WriteStream;
  #blocks = 0;

  constructor(stream: WriteStream = process.stdout) {
    this.#stream = stream;
  }

  /** Whether blocks replace each other. */
  get isInPlace(): boolean {
    return this.#stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** Lines that fit on it. */
  get rows(): number {
    return this.isInPlace ? Math.max(4, this.#stream.rows || ROWS_ELSEWHERE) - 1 : ROWS_ELSEWHERE;
  }

  /** Shows a block: lines, each ended by a line feed. What does not fit below is cut. */
  draw(text: string): void {
    writeText(1, this.isInPlace ? this.#replacement(text) : `${this.#blocks > 0 ? '\n' : ''}${text}`);
    this.#blocks++;
  }

  #replacement(text: string): string {
    const lines = text.split('\n').slice(0, -1);
    const kept = lines.length > this.rows ? [...lines.slice(0, this.rows - 1), '…'] : lines;
    return `${this.#blocks === 0 ? HIDE_CURSOR + CLEAR : ''}${HOME}${kept.map((line) => `${line}${REST_OF_LINE}\n`).join('')}${REST_OF_SCREEN}`;
  }

  /** Leaves the last block where it is. */
  end(): void {
    if (this.isInPlace && this.#blocks > 0) writeText(1, SHOW_CURSOR);
  }
}

export interface Interruption {
  /** Aborted by Ctrl-C, or by what ends a program politely. */
  readonly signal: AbortSignal;
  /** Signals do again what they did before. */
  release(): void;
}

/** From now on Ctrl-C ends what listens to the signal, not the program. A second one does. */
export function untilInterrupted(): Interruption {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const abort = (): void => {
    release();
    controller.abort();
  };
  const release = (): void => {
    for (const name of names) process.off(name, abort);
  };
  for (const name of names) process.on(name, abort);
  return { signal: controller.signal, release };
}

/** Waits; true after that time, false as soon as the signal says so. Rejects when `other` does. */
export async function pause(ms: number, signal: AbortSignal, other?: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => {};
  const waited = new Promise<boolean>((resolve) => {
    onAbort = () => resolve(false);
    if (signal.aborted) resolve(false);
    signal.addEventListener('abort', onAbort);
    timer = setTimeout(() => resolve(true), ms);
  });
  try {
    return await (other === undefined ? waited : Promise.race([waited, other.then(() => false)]));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
