/**
 * The ship thread over all its lives: starts it, hands batches on, starts it again when it dies, and puts one with other
 * sinks or pipelines in its place. What it had accepted lies in the spool; what comes while a dead one is away is lost and
 * counted; what comes while one takes over from another waits here.
 *
 * A change, all of it or nothing:
 *
 *   the next one makes its sinks     what cannot be used is found here, and nothing has happened yet
 *   batches wait here                bounded as what is under way; beyond it they are lost and counted
 *   the old one settles              all that it took over is on the disk; sinks that lose a pipeline have its records
 *   the old one ends                 what was under way to a sink and not answered is sent again by the next one
 *   the next one opens the spool     each sink goes on at its cursor; if that fails, the old one is started again
 *   what waited is handed on         with the routes as they are now (routing.ts)
 */
import { SensorError } from '../base/errors.ts';
import { INDEX_WORDS, type MaskedBatch } from '../policy/masked-call.ts';
import type { LetterFilter, LetterHead } from '../ship/dead-letters.ts';
import { type Routing, reroute, sinksThatLosePipelines } from './routing.ts';
import { type ShipEvents, ShipLife, shipAway } from './ship-life.ts';
import type { ShipReport, ShipStart } from './ship-link.ts';

const RESTART_MS_MIN = 200;
const RESTART_MS_MAX = 30_000;
/** What the old thread has to get everything to the disk, and to drain sinks. */
const SETTLE_MS = 5000;
/** What it has to wait for the receivers of what is under way. */
const HAND_OVER_MS = 5000;
/** Tables whose batches may still be on their way. */
const ROUTINGS_MAX = 16;

/** With what the thread is started. */
export type ShippingStart = Omit<ShipStart, 'underWay' | 'isHeld'>;

interface Waiting {
  readonly batch: MaskedBatch;
  readonly routing: number;
}

export class Shipping {
  /** Records handed to it, and those of them that never reached the thread. */
  #handed = 0;
  lost = 0;
  /** Records that threads of before had taken over, and those that were on their way to dead ones. */
  #offeredBefore = 0;
  #putBackBefore = 0;
  #lostInSpoolBefore = 0;
  withDead = 0;
  /** What it last said. */
  report: ShipReport | null = null;
  restarts = 0;
  #start: ShippingStart;
  #life: ShipLife | null = null;
  readonly #bytesMax: number;
  readonly #events: ShipEvents;
  /** Batches that wait for the next thread; null: none is on its way. */
  #waiting: Waiting[] | null = null;
  #waitingBytes = 0;
  #waitingRecords = 0;
  /** The newest last. */
  #routings: Routing[];
  #changing: Promise<unknown> = Promise.resolve();
  #hasRun = false;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(start: ShippingStart, bytesMax: number, events: ShipEvents) {
    this.#start = start;
    this.#bytesMax = bytesMax;
    this.#events = events;
    this.#routings = [routingOf(start)];
  }

  /** Starts the thread; resolves when the spool is open. Rejects with the SensorError of what cannot be used. */
  async start(): Promise<void> {
    await this.#begin().running;
    this.#hasRun = true;
  }

  /** While one thread takes over from another it counts as running: nothing is lost. */
  get isRunning(): boolean {
    return (this.#life !== null || this.#waiting !== null) && this.report !== null;
  }

  get #routing(): Routing {
    return this.#routings[this.#routings.length - 1];
  }

  #begin(): ShipLife {
    const life = this.#newLife(this.#start, false);
    this.#follow(life);
    return life;
  }

  #newLife(start: ShippingStart, isHeld: boolean): ShipLife {
    return new ShipLife({ ...start, isHeld }, this.#bytesMax, this.#events, (life) => {
      if (life === this.#life) this.report = life.report;
    });
  }

  /** From now on it is the one. */
  #follow(life: ShipLife): void {
    this.#life = life;
    void life.ended.then((error) => this.#died(life, error));
  }

  #died(life: ShipLife, error: Error): void {
    if (life !== this.#life) return;
    this.#life = null;
    if (this.#stopping || !this.#hasRun) return;
    this.restarts++;
    this.#closeBooks();
    const restartInMs = Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** Math.min(10, this.restarts - 1));
    const reason = error instanceof SensorError ? error.message : (error.stack ?? error.message);
    this.#events.onLog('error', 'the delivery thread died and is started again; what it had accepted is in the spool', {
      restarts: this.restarts,
      restartInMs,
      reason,
    });
    this.#timer = setTimeout(() => {
      if (!this.#stopping) this.#begin();
    }, restartInMs);
  }

  /** What was handed to a thread that is no more, and what it said of that. */
  #closeBooks(): void {
    this.#offeredBefore += this.report?.spool.offered ?? 0;
    this.#putBackBefore += this.report?.putBack ?? 0;
    this.#lostInSpoolBefore += this.report?.spool.lost ?? 0;
    this.report = null;
    this.withDead = this.received - this.lost - this.#waitingRecords - this.#offeredBefore;
  }

  /** Hands a batch on, whose routes are by that table; its buffers are the thread's afterwards. */
  add(batch: MaskedBatch, routing: number = this.#routing.number): void {
    this.#handed += batch.index.length / INDEX_WORDS;
    if (this.#waiting === null) {
      this.#hand(batch, routing);
      return;
    }
    const records = batch.index.length / INDEX_WORDS;
    if (this.#waitingBytes + batch.bytes.byteLength > this.#bytesMax) {
      this.lost += records;
      return;
    }
    this.#waiting.push({ batch, routing });
    this.#waitingBytes += batch.bytes.byteLength;
    this.#waitingRecords += records;
  }

  #hand(batch: MaskedBatch, routing: number): void {
    const { bytes, index } = this.#routed(batch, routing);
    const life = this.#life;
    if (life === null || !life.underWay.send(bytes.byteLength)) {
      this.lost += index.length / INDEX_WORDS;
      return;
    }
    const buffer = bytes.buffer as ArrayBuffer;
    life.say({ type: 'batch', bytes: buffer, index }, [buffer, index.buffer as ArrayBuffer]);
  }

  /** The batch by the table that holds now; records that are in it twice then count twice. */
  #routed(batch: MaskedBatch, routing: number): MaskedBatch {
    const now = this.#routing;
    if (routing === now.number) return batch;
    // Of a table before the first one here: there was no sink that the record could be for.
    const from = this.#routings.find(({ number }) => number === routing) ?? { number: routing, pipelines: [], sinks: [] };
    const rerouted = reroute(batch, from, now);
    this.#handed += rerouted.copies;
    return rerouted.batch;
  }

  /** What waited is handed to the thread that there is now. */
  #release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    this.#waitingBytes = 0;
    this.#waitingRecords = 0;
    for (const { batch, routing } of waiting) this.#hand(batch, routing);
  }

  /**
   * Other sinks or pipelines, in the same spool. Throws the SensorError of what cannot be used, or of why it cannot be done at
   * this moment; then all is as before.
   */
  async change(start: ShippingStart): Promise<void> {
    const changing = this.#changing.then(() => this.#change(start));
    this.#changing = changing.catch(() => {});
    await changing;
  }

  async #change(start: ShippingStart): Promise<void> {
    const old = this.#life;
    if (old === null || old.report === null || this.#stopping) throw shipAway();
    const routing = routingOf(start);
    const next = this.#newLife(start, true);
    try {
      await next.ready;
      this.#waiting = [];
      await this.#settle(old, routing);
    } catch (error) {
      await next.kill();
      this.#release();
      throw cannotChange(error);
    }
    // From here on its end is no death.
    this.#life = null;
    await old.stop(Date.now() + HAND_OVER_MS, false);
    this.report = old.report;
    next.say({ type: 'open' });
    try {
      await next.running;
    } catch (error) {
      await this.#goBack();
      throw cannotChange(error);
    }
    this.#start = start;
    this.#routings = [...this.#routings, routing].slice(-ROUTINGS_MAX);
    this.#closeBooks();
    this.report = next.report;
    this.#follow(next);
    this.#release();
  }

  /** The old thread again. */
  async #goBack(): Promise<void> {
    this.#closeBooks();
    try {
      await this.#begin().running;
    } catch {
      // It is tried again and again, as after any death.
    }
    this.#release();
  }

  async #settle(old: ShipLife, to: Routing): Promise<void> {
    const from = this.#routing;
    const kept = to.sinks.filter((sink) => from.sinks.includes(sink));
    // At level memory nothing outlives the thread.
    const sinks = this.#start.settings.spool.level === 'memory' ? kept : sinksThatLosePipelines(from, to);
    const answer = await old.ask({ type: 'settle', sinks, untilAtMs: Date.now() + SETTLE_MS });
    if (answer.type !== 'settled' || answer.why === '') return;
    throw new SensorError('delivery-failed', 'Cannot change sinks or pipelines now', answer.why, answer.next);
  }

  /** Waits until the thread can take so many bytes; false when that took too long. Blocks this thread. */
  waitForRoom(bytes: number, limitMs: number): boolean {
    return this.#life?.underWay.waitForRoom(bytes, limitMs) ?? false;
  }

  /** Records that were meant for it and did not come so far. */
  lose(records: number): void {
    this.#handed += records;
    this.lost += records;
  }

  reload(): void {
    this.#life?.say({ type: 'reload' });
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

  async #ask(type: 'letters' | 'replay', filter: LetterFilter): ReturnType<ShipLife['ask']> {
    const life = this.#life;
    if (life === null || life.report === null) throw shipAway();
    const answer = await life.ask({ type, filter });
    if (answer.type !== 'refused') return answer;
    throw new SensorError('delivery-failed', 'Cannot use the dead letters', answer.reason, 'See what earshot doctor says of the spool.');
  }

  /** Records handed to it, and dead letters that were put back. */
  get received(): number {
    return this.#handed + this.#putBackBefore + (this.report?.putBack ?? 0);
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
    await this.#changing;
    await this.#life?.stop(untilAtMs, drain);
  }
}

function cannotChange(error: unknown): SensorError {
  if (error instanceof SensorError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new SensorError('delivery-failed', 'Cannot change sinks or pipelines', why, 'Report it with the log of the sensor.', error);
}

function routingOf({ routing, pipelines, settings }: ShippingStart): Routing {
  return { number: routing, pipelines, sinks: Object.keys(settings.sinks) };
}
