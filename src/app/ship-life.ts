/** One life of the ship thread, seen from the main one: from its start to its end. */
import { Worker } from 'node:worker_threads';
import { SensorError } from '../base/errors.ts';
import type { LogLevel } from '../base/settings.ts';
import type { LetterFilter } from '../ship/dead-letters.ts';
import type { FromShip, ShipReport, ShipStart, ToShip } from './ship-link.ts';
import { UnderWay } from './under-way.ts';

/** It ends by itself; this is for one that hangs. */
const STOP_GRACE_MS = 3000;

export interface ShipEvents {
  readonly onLog: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly onOwn: (host: string, port: number, open: boolean) => void;
}

type Question =
  | { readonly type: 'letters' | 'replay'; readonly filter: LetterFilter }
  | { readonly type: 'settle'; readonly sinks: readonly string[]; readonly untilAtMs: number };

export class ShipLife {
  /** Its sinks are made; it waits to be told to open the spool. Only of one that is started so. */
  readonly ready: Promise<void>;
  /** The spool is open. */
  readonly running: Promise<void>;
  /** It is over, and why; `ready` and `running` reject with the same when they had not come. */
  readonly ended: Promise<Error>;
  /** What it last said of itself. */
  report: ShipReport | null = null;
  readonly underWay: UnderWay;
  readonly #thread: Worker;
  #questions = 0;
  readonly #asked = new Map<number, PromiseWithResolvers<FromShip>>();

  /** `onReport`: it has said something of itself. */
  constructor(start: Omit<ShipStart, 'underWay'>, bytesMax: number, events: ShipEvents, onReport: (life: ShipLife) => void) {
    const underWay = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.underWay = new UnderWay(underWay, bytesMax);
    const workerData: ShipStart = { ...start, underWay };
    const thread = new Worker(new URL('./ship-thread.ts', import.meta.url), { workerData });
    this.#thread = thread;
    const ready = Promise.withResolvers<void>();
    const running = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<Error>();
    this.ready = ready.promise;
    this.running = running.promise;
    this.ended = ended.promise;
    // Not everybody waits for both.
    this.ready.catch(() => {});
    this.running.catch(() => {});
    let failure: Error | null = null;
    thread.on('message', (message: FromShip) => {
      switch (message.type) {
        case 'ready':
          ready.resolve();
          break;
        case 'running':
        case 'pulse':
        case 'stopped':
          this.report = message.report;
          onReport(this);
          if (message.type === 'running') running.resolve();
          break;
        case 'log':
          events.onLog(message.level, message.message, message.fields);
          break;
        case 'own':
          events.onOwn(message.host, message.port, message.open);
          break;
        case 'letters':
        case 'replayed':
        case 'settled':
        case 'refused':
          this.#asked.get(message.id)?.resolve(message);
          this.#asked.delete(message.id);
          break;
        case 'failed':
          failure = new SensorError(message.code, message.what, message.why, message.next);
      }
    });
    thread.on('error', (cause: unknown) => {
      failure ??= cause instanceof Error ? cause : new Error(String(cause));
    });
    thread.on('exit', (code) => {
      const error = failure ?? new Error(`the ship thread ended with code ${code}`);
      for (const { reject } of this.#asked.values()) reject(shipAway());
      this.#asked.clear();
      ready.reject(error);
      running.reject(error);
      ended.resolve(error);
    });
  }

  say(message: ToShip, transfer: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }

  /** Rejects with a SensorError (delivery-failed) when it ends before it has answered. */
  async ask(question: Question): Promise<FromShip> {
    const id = ++this.#questions;
    const asked = Promise.withResolvers<FromShip>();
    this.#asked.set(id, asked);
    this.say({ ...question, id });
    return await asked.promise;
  }

  /** Ends it, at the latest a little after that time. */
  async stop(untilAtMs: number, drain: boolean): Promise<void> {
    this.say({ type: 'stop', untilAtMs, drain });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, untilAtMs - Date.now()) + STOP_GRACE_MS);
    });
    await Promise.race([this.ended, late]);
    clearTimeout(timer);
    await this.kill();
  }

  async kill(): Promise<void> {
    await this.#thread.terminate();
  }
}

export function shipAway(): SensorError {
  return new SensorError(
    'delivery-failed',
    'Cannot use delivery',
    'the delivery thread is not running at this moment',
    'Look into the log of the sensor, and try again.',
  );
}
