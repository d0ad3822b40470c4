/**
 * The ship thread, seen from the main one: starts it, hands batches on, keeps what it last said of itself, and starts it
 * again when it dies. What it had accepted lies in the spool; what comes while it is away is lost and counted.
 */
import { Worker } from 'node:worker_threads';
import { SensorError } from '../base/errors.ts';
import type { LogLevel } from '../base/settings.ts';
import { INDEX_WORDS, type MaskedBatch } from '../policy/masked-call.ts';
import type { LetterFilter, LetterHead } from '../ship/dead-letters.ts';
import type { FromShip, ShipReport, ShipStart, ToShip } from './ship-link.ts';
import { UnderWay } from './under-way.ts';

const RESTART_MS_MIN = 200;
const RESTART_MS_MAX = 30_000;
/** It ends by itself; this is for one that hangs. */
const STOP_GRACE_MS = 3000;

export interface ShippingEvents {
  readonly onLog: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly onOwn: (host: string, port: number, open: boolean) => void;
}

function shipAway(): SensorError {
  return new SensorError(
    'delivery-failed',
    'Cannot use the dead letters',
    'the delivery thread is not running at this moment',
    'Look into the log of the sensor, and try again.',
  );
}

export class Shipping {
  /** Records handed to it, and those of them that never reached the thread. */
  received = 0;
  lost = 0;
  /** Records that threads which died had taken over, and those that were on their way to them. */
  #offeredBefore = 0;
  #lostInSpoolBefore = 0;
  withDead = 0;
  /** What it last said. */
  report: ShipReport | null = null;
  restarts = 0;
  readonly #startOf: () => Omit<ShipStart, 'underWay'>;
  readonly #bytesMax: number;
  readonly #events: ShippingEvents;
  #thread: Worker | null = null;
  #underWay: UnderWay | null = null;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  #onStopped: () => void = () => {};
  #questions = 0;
  readonly #asked = new Map<number, PromiseWithResolvers<FromShip>>();

  constructor(startOf: () => Omit<ShipStart, 'underWay'>, bytesMax: number, events: ShippingEvents) {
    this.#startOf = startOf;
    this.#bytesMax = bytesMax;
    this.#events = events;
  }

  /** Starts the thread; resolves when the spool is open. Rejects with the SensorError of what cannot be used. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#begin(resolve, reject));
  }

  get isRunning(): boolean {
    return this.#thread !== null && this.report !== null;
  }

  #begin(onRunning: () => void, onFailed?: (error: Error) => void): void {
    const underWay = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.#underWay = new UnderWay(underWay, this.#bytesMax);
    const workerData: ShipStart = { ...this.#startOf(), underWay };
    const thread = new Worker(new URL('./ship-thread.ts', import.meta.url), { workerData });
    this.#thread = thread;
    let failure: Error | null = null;
    thread.on('message', (message: FromShip) => {
      switch (message.type) {
        case 'running':
          this.report = message.report;
          onRunning();
          break;
        case 'pulse':
        case 'stopped':
          this.report = message.report;
          break;
        case 'log':
          this.#events.onLog(message.level, message.message, message.fields);
          break;
        case 'own':
          this.#events.onOwn(message.host, message.port, message.open);
          break;
        case 'letters':
        case 'replayed':
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
      if (this.#thread !== thread) return;
      this.#thread = null;
      for (const { reject } of this.#asked.values()) reject(shipAway());
      this.#asked.clear();
      if (this.#stopping) {
        this.#onStopped();
        return;
      }
      const error = failure ?? new Error(`the ship thread ended with code ${code}`);
      if (onFailed !== undefined && this.report === null) {
        onFailed(error);
        return;
      }
      this.restarts++;
      this.#offeredBefore += this.report?.spool.offered ?? 0;
      this.#lostInSpoolBefore += this.report?.spool.lost ?? 0;
      this.withDead = this.received - this.lost - this.#offeredBefore;
      this.report = null;
      const restartInMs = Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** Math.min(10, this.restarts - 1));
      const reason = error instanceof SensorError ? error.message : (error.stack ?? error.message);
      this.#events.onLog('error', 'the delivery thread died and is started again; what it had accepted is in the spool', {
        restarts: this.restarts,
        restartInMs,
        reason,
      });
      this.#timer = setTimeout(() => {
        if (!this.#stopping) this.#begin(() => {});
      }, restartInMs);
    });
  }

  /** Hands a batch on; its buffers are the thread's afterwards. */
  add({ bytes, index }: MaskedBatch): void {
    const records = index.length / INDEX_WORDS;
    this.received += records;
    if (this.#thread === null || this.#underWay === null || !this.#underWay.send(bytes.byteLength)) {
      this.lost += records;
      return;
    }
    const buffer = bytes.buffer as ArrayBuffer;
    this.#say({ type: 'batch', bytes: buffer, index }, [buffer, index.buffer as ArrayBuffer]);
  }

  /** Waits until the thread can take so many bytes; false when that took too long. Blocks this thread. */
  waitForRoom(bytes: number, limitMs: number): boolean {
    return this.#underWay?.waitForRoom(bytes, limitMs) ?? false;
  }

  /** Records that were meant for it and did not come so far. */
  lose(records: number): void {
    this.received += records;
    this.lost += records;
  }

  reload(): void {
    this.#say({ type: 'reload' });
  }

  /** Dead letters that fit, the oldest first. Throws SensorError: delivery-failed. */
  async letters(filter: LetterFilter): Promise<readonly LetterHead[]> {
    const answer = await this.#ask('letters', filter);
    return answer.type === 'letters' ? answer.letters : [];
  }

  /** Puts their records back into the spool; how many. Throws SensorError: delivery-failed. */
  async replay(filter: LetterFilter): Promise<number> {
    const answer = await this.#ask('replay', filter);
    return answer.type === 'replayed' ? answer.records : 0;
  }

  async #ask(type: 'letters' | 'replay', filter: LetterFilter): Promise<FromShip> {
    if (!this.isRunning) throw shipAway();
    const id = ++this.#questions;
    const asked = Promise.withResolvers<FromShip>();
    this.#asked.set(id, asked);
    this.#say({ type, id, filter });
    const answer = await asked.promise;
    if (answer.type !== 'refused') return answer;
    throw new SensorError('delivery-failed', 'Cannot use the dead letters', answer.reason, 'See what earshot doctor says of the spool.');
  }

  #say(message: ToShip, transfer: ArrayBuffer[] = []): void {
    this.#thread?.postMessage(message, transfer);
  }

  /** Records that the thread has taken over, and those that are on their way. */
  get offered(): number {
    return this.#offeredBefore + (this.report?.spool.offered ?? 0);
  }

  /** Records that a thread took over and had no room for. */
  get lostInSpool(): number {
    return this.#lostInSpoolBefore + (this.report?.spool.lost ?? 0);
  }

  get underWay(): number {
    return this.received - this.lost - this.withDead - this.offered;
  }

  /**
   * Ends it: what was handed on is in the spool then; with `drain` it also delivers, until the time is over. What is not
   * delivered stays for the next start.
   */
  async stop(untilAtMs: number, drain = false): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const thread = this.#thread;
    if (thread === null) return;
    const ended = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    this.#say({ type: 'stop', untilAtMs, drain });
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      ended,
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, Math.max(0, untilAtMs - Date.now()) + STOP_GRACE_MS);
      }),
    ]);
    clearTimeout(timer);
    await thread.terminate();
  }
}
