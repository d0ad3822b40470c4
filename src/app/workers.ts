/**
 * The workers: starts a thread for each ring, takes what they say, and starts those again that die. The sockets
 * belong to the main thread, so a new worker goes on with the ring of the dead one: the flows of the others are not
 * touched, and nothing waits in a ring that nobody reads.
 */
import { Worker } from 'node:worker_threads';
import { SensorError } from '../base/errors.ts';
import type { LogLevel } from '../base/settings.ts';
import type { KernelCounts } from '../capture/packet-socket.ts';
import type { TlsSeen } from '../http/tls-facts.ts';
import { type MaskedBatch, maskedBatch } from '../policy/masked-call.ts';
import type { WorkerState } from './report.ts';
import { noTls, sumTls } from './tls-report.ts';
import { UnderWay } from './under-way.ts';
import type { Watched } from './watches.ts';
import type { FromWorker, Pulse, ToWorker, WorkerStart } from './worker-link.ts';

const STUCK_MS = 5000;
/** Rates are taken over so long at least. */
const RATE_MS = 950;
const HOPELESS_MS = 60_000;
const RESTART_MS_MIN = 200;
const RESTART_MS_MAX = 30_000;
/** A worker that ran for so long is not one that dies at once. */
const STEADY_MS = 60_000;

export interface WorkersEvents {
  /** A life begins to read; what the kernel counted until then, and what of it waits in the ring. */
  readonly onRunning: (life: WorkerLife, waitingPackets: number, kernel: KernelCounts) => void;
  /** Its routes are by the table of that number (routing.ts). */
  readonly onBatch: (batch: MaskedBatch, routing: number) => void;
  /** Records of batches that a worker could not send. */
  readonly onLost: (records: number) => void;
  readonly onWatched: (watched: Watched) => void;
  readonly onLog: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** One worker, over all its lives. */
export class WorkerLife {
  readonly worker: number;
  state: WorkerState = 'starting';
  restarts = 0;
  pulse: Pulse | null = null;
  /** An earlier pulse, for rates: at least a second older, as soon as there is one. */
  before: Pulse | null = null;
  #mark: Pulse | null = null;
  flowsOpen = 0;
  /** Why it could not begin. */
  failure: SensorError | null = null;
  /** Counters and weirds of its former lives. */
  readonly pastCounters = new Map<string, number>();
  readonly pastWeirds = new Map<string, number>();
  readonly pastInterfaces = new Map<number, { packets: number; bytes: number }>();
  readonly pastEndpoints: { packets: number; bytes: number }[] = [];
  /** Packets that former lives took out of the ring and did not report. */
  packetsWithDead = 0;
  /** Up to that number it has confirmed what it was told (Workers.confirm). */
  confirmed = 0;
  /** Resolves the start. */
  onStarted: () => void = () => {};
  thread: Worker | null = null;
  underWay: UnderWay | null = null;
  /** It was ended because it gave no sign of life for so long, milliseconds; 0 when it was not. */
  silentMs = 0;
  startedAtMs = 0;
  pulseAtMs = 0;
  /** TLS that this life saw, and all former lives. */
  tls: TlsSeen | null = null;
  pastTls: TlsSeen = noTls;

  constructor(worker: number) {
    this.worker = worker;
  }

  take(pulse: Pulse): void {
    this.pulse = pulse;
    if (this.#mark !== null && pulse.atMs >= this.#mark.atMs && pulse.atMs - this.#mark.atMs < RATE_MS) return;
    this.before = this.#mark;
    this.#mark = pulse;
  }

  /** Its counts are of the past now. */
  forget(): void {
    if (this.tls !== null) this.pastTls = sumTls([this.pastTls, this.tls]);
    this.tls = null;
    this.pulse = null;
    this.before = null;
    this.#mark = null;
  }

  counter(name: string): number {
    const now = this.pulse?.counters.find(([key]) => key === name)?.[1] ?? 0;
    return now + (this.pastCounters.get(name) ?? 0);
  }
}

export class Workers {
  readonly lives: readonly WorkerLife[];
  readonly #startOf: (worker: number, life: number) => WorkerStart;
  readonly #events: WorkersEvents;
  #stopping = false;
  /** No worker was missing when all were told to read what is there. */
  #whole = true;
  #onAllStopped: () => void = () => {};
  #confirmations = 0;
  #onConfirmed: () => void = () => {};
  readonly #timers = new Set<NodeJS.Timeout>();
  #checkedAtMs = performance.now();

  constructor(count: number, startOf: (worker: number, life: number) => WorkerStart, events: WorkersEvents) {
    this.lives = Array.from({ length: count }, (_, worker) => new WorkerLife(worker));
    this.#startOf = startOf;
    this.#events = events;
  }

  /** Starts all; resolves when all read. Rejects with what the first said that could not. */
  async start(): Promise<void> {
    await Promise.all(
      this.lives.map(
        (life) =>
          new Promise<void>((resolve, reject) => {
            life.onStarted = resolve;
            this.#begin(life, reject);
          }),
      ),
    );
  }

  #begin(life: WorkerLife, onFirstError?: (error: Error) => void): void {
    life.state = 'starting';
    life.startedAtMs = Date.now();
    life.pulseAtMs = performance.now();
    life.silentMs = 0;
    // It starts with all that the others were told.
    life.confirmed = this.#confirmations;
    let thread: Worker;
    try {
      const start = this.#startOf(life.worker, life.restarts);
      life.underWay = new UnderWay(start.underWay, start.settings.output.queueBytesMax);
      thread = new Worker(new URL('./worker.ts', import.meta.url), { workerData: start });
    } catch (cause) {
      // The system has no thread to spare: perhaps later.
      if (onFirstError !== undefined) throw cause;
      this.#died(life, cause instanceof Error ? cause : new Error(String(cause)), 1);
      return;
    }
    life.thread = thread;
    let error: Error | null = null;
    thread.on('message', (message: FromWorker) => this.#take(life, message));
    thread.on('error', (cause: unknown) => {
      error = cause instanceof Error ? cause : new Error(String(cause));
    });
    thread.on('exit', (code) => {
      if (life.thread !== thread) return;
      life.thread = null;
      this.#onConfirmed();
      if (life.state === 'stopped' || this.#stopping) {
        if (life.state !== 'stopped') this.#whole = false;
        life.state = 'stopped';
        if (this.lives.every(({ state }) => state === 'stopped')) this.#onAllStopped();
        return;
      }
      if (onFirstError !== undefined && life.pulse === null && life.state === 'starting') {
        onFirstError(life.failure ?? error ?? new Error(`worker ${life.worker} ended with code ${code}`));
        return;
      }
      this.#died(life, error, code);
    });
  }

  #died(life: WorkerLife, error: Error | null, code: number): void {
    const livedMs = Date.now() - life.startedAtMs;
    life.state = 'dead';
    life.restarts++;
    this.#keepCounts(life);
    const waitMs = livedMs > STEADY_MS ? RESTART_MS_MIN : Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** Math.min(10, life.restarts - 1));
    this.#events.onLog('error', 'a worker died and is started again; its open connections are lost, those of the others live on', {
      worker: life.worker,
      restarts: life.restarts,
      livedMs,
      restartInMs: waitMs,
      exitCode: code,
      reason: reasonOf(life, error),
    });
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#stopping) this.#begin(life);
    }, waitMs);
    this.#timers.add(timer);
  }

  /** The books of a dead life are kept. */
  #keepCounts(life: WorkerLife): void {
    const { pulse } = life;
    if (pulse === null) return;
    for (const [name, n] of pulse.counters) life.pastCounters.set(name, (life.pastCounters.get(name) ?? 0) + n);
    for (const [name, n] of pulse.weirds) life.pastWeirds.set(name, (life.pastWeirds.get(name) ?? 0) + n);
    for (const { index, packets, bytes } of pulse.interfaces) {
      const past = life.pastInterfaces.get(index);
      life.pastInterfaces.set(index, { packets: packets + (past?.packets ?? 0), bytes: bytes + (past?.bytes ?? 0) });
    }
    pulse.endpoints.forEach(({ packets, bytes }, i) => {
      const past = life.pastEndpoints[i];
      life.pastEndpoints[i] = { packets: packets + (past?.packets ?? 0), bytes: bytes + (past?.bytes ?? 0) };
    });
    const lost = { held: pulse.heldBytes, calls: pulse.waitingCalls };
    const add = (name: string, n: number): void => void (n > 0 && life.pastCounters.set(name, (life.pastCounters.get(name) ?? 0) + n));
    add('payload.discarded{worker-died}', lost.held);
    add('calls.lost{worker-died}', lost.calls);
    life.forget();
  }

  #take(life: WorkerLife, message: FromWorker): void {
    switch (message.type) {
      case 'running':
        life.state = 'running';
        this.#events.onRunning(life, message.waitingPackets, message.kernel);
        life.onStarted();
        break;
      case 'pulse':
        if (message.pulse.bug !== '' && message.pulse.bug !== life.pulse?.bug) {
          this.#events.onLog('error', 'a packet hit a fault of Earshot itself; it was left out', {
            worker: life.worker,
            fault: message.pulse.bug,
          });
        }
        life.take(message.pulse);
        life.pulseAtMs = performance.now();
        if (life.state === 'stuck') life.state = 'running';
        break;
      case 'batch':
        life.underWay?.take(message.bytes.byteLength);
        this.#events.onBatch(maskedBatch(new Uint8Array(message.bytes), message.index), message.routing);
        break;
      case 'unbound':
        this.#events.onLog('warn', 'a worker cannot be bound to its processor and runs on any; name others in run.affinity', {
          worker: life.worker,
          processor: message.processor,
          reason: message.reason,
        });
        break;
      case 'lost':
        this.#events.onLost(message.records);
        break;
      case 'watched':
        this.#events.onWatched(message.watched);
        break;
      case 'confirmed':
        life.confirmed = message.id;
        this.#onConfirmed();
        break;
      case 'tls':
        life.tls = message.seen;
        break;
      case 'stopped':
        life.take(message.pulse);
        life.flowsOpen = message.flowsOpen;
        life.state = 'stopped';
        break;
      case 'failed':
        life.failure = new SensorError(message.code, message.what, message.why, message.next);
    }
  }

  tell(message: ToWorker): void {
    for (const { thread } of this.lives) thread?.postMessage(message);
  }

  /**
   * Waits until all that run have taken over what they were told: it holds for every packet from then on. Gives those that
   * have not within the time; they do as soon as they can. One after the other only.
   */
  async confirm(limitMs: number): Promise<number[]> {
    const id = ++this.#confirmations;
    const behind = (): WorkerLife[] => this.lives.filter(({ thread, confirmed }) => thread !== null && confirmed < id);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onConfirmed = () => {
      if (behind().length === 0) resolve();
    };
    const timer = setTimeout(resolve, limitMs);
    this.tell({ type: 'confirm', id });
    this.#onConfirmed();
    await promise;
    clearTimeout(timer);
    this.#onConfirmed = () => {};
    return behind().map(({ worker }) => worker);
  }

  /** Marks those that give no sign of life, and ends them after a minute; call it once a second. A clock that is set does not matter. */
  check(): void {
    const nowMs = performance.now();
    const sinceMs = nowMs - this.#checkedAtMs;
    this.#checkedAtMs = nowMs;
    for (const life of this.lives) {
      // This thread stood still itself (a machine or container that was paused): what they said meanwhile is still to be read.
      if (sinceMs > STUCK_MS) life.pulseAtMs = nowMs;
      const silentMs = nowMs - life.pulseAtMs;
      if (life.state === 'running' && silentMs > STUCK_MS) life.state = 'stuck';
      // It will not come back by itself.
      if ((life.state === 'stuck' || life.state === 'starting') && silentMs > HOPELESS_MS) {
        life.silentMs = Math.round(silentMs);
        void life.thread?.terminate();
      }
    }
  }

  /** Has all read what is there, until `untilAtMs` at the latest; then they are ended. True when all came to their end. */
  async stop(untilAtMs: number): Promise<boolean> {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const life of this.lives) {
      if (life.thread !== null) continue;
      life.state = 'stopped';
      this.#whole = false;
    }
    if (this.lives.every(({ state }) => state === 'stopped')) return this.#whole;
    const all = new Promise<boolean>((resolve) => {
      this.#onAllStopped = () => resolve(true);
    });
    this.tell({ type: 'stop', untilAtMs });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), Math.max(0, untilAtMs - Date.now()) + 2000);
    });
    const inTime = await Promise.race([all, late]);
    clearTimeout(timer);
    if (!inTime) await this.kill();
    return inTime && this.#whole;
  }

  /** Ends all threads at once. */
  async kill(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.lives.map(async ({ thread }) => await thread?.terminate()));
  }
}

/** Why a life has ended. */
function reasonOf(life: WorkerLife, error: Error | null): string {
  if (error !== null) return error.stack ?? error.message;
  return life.silentMs === 0 ? 'it was stopped from outside' : `it gave no sign of life for ${life.silentMs} ms and was ended`;
}
