/**
 * Pushing metrics: every interval one report to each place. A place that is slow or cannot be reached holds nobody up:
 * what it cannot take within the interval is dropped and counted, and the next interval is tried anew. The log has a
 * line when that begins and one when it is over.
 */
import { codeOf, errnoReason, SensorError } from '../../base/errors.ts';
import type { Log } from '../log.ts';
import type { Family, PushReport } from './table.ts';

/** What is pushed: the metrics of one moment. */
export interface Snapshot {
  readonly prefix: string;
  readonly sensorId: string;
  readonly version: string;
  readonly poolId: string;
  readonly startedAtMs: number;
  readonly atMs: number;
  readonly families: readonly Family[];
}

/** A place that metrics are pushed to. */
export interface Target {
  /** "graphite", "statsd", "otlp" */
  readonly name: string;
  /** Where it is, for the log; without secrets. */
  readonly place: string;
  /** Hands one snapshot over. Rejects when it could not be within `timeoutMs`. */
  send(snapshot: Snapshot, timeoutMs: number): Promise<void>;
  close(): void;
}

const SEND_TIMEOUT_MS_MAX = 10_000;
const LAST_SEND_MS = 1_000;

export class Pusher {
  readonly target: Target;
  #sent = 0;
  #dropped = 0;
  #busy: Promise<void> | undefined;
  #failing = false;
  readonly #log: Log;
  readonly #timeoutMs: number;

  constructor(target: Target, intervalMs: number, log: Log) {
    this.target = target;
    this.#log = log;
    this.#timeoutMs = Math.min(intervalMs, SEND_TIMEOUT_MS_MAX);
  }

  get report(): PushReport {
    return { target: this.target.name, sent: this.#sent, dropped: this.#dropped };
  }

  /** Starts to send; the interval is dropped when the one before is still under way. */
  push(snapshot: Snapshot): void {
    if (this.#busy !== undefined) {
      this.#drop(new Error('it has not yet taken the metrics of the interval before'));
      return;
    }
    this.#busy = this.#send(snapshot, this.#timeoutMs).finally(() => {
      this.#busy = undefined;
    });
  }

  /** Hands over a last snapshot, within a second, and closes the target. */
  async close(snapshot: Snapshot | null): Promise<void> {
    if (snapshot !== null && this.#busy === undefined && !this.#failing) await this.#send(snapshot, LAST_SEND_MS);
    this.target.close();
    await this.#busy;
  }

  async #send(snapshot: Snapshot, timeoutMs: number): Promise<void> {
    try {
      await this.target.send(snapshot, timeoutMs);
      this.#sent++;
      if (this.#failing)
        this.#log.info(`metrics are pushed to ${this.target.name} again`, { place: this.target.place, dropped: this.#dropped });
      this.#failing = false;
    } catch (error) {
      this.#drop(error);
    }
  }

  #drop(error: unknown): void {
    this.#dropped++;
    if (this.#failing) return;
    this.#failing = true;
    this.#log.warn(`metrics cannot be pushed to ${this.target.name}; each interval is tried anew`, {
      place: this.target.place,
      why: whyOf(error),
    });
  }
}

/** Why a push failed, as a clause. */
function whyOf(error: unknown): string {
  if (error instanceof SensorError) return error.message;
  const code = codeOf(error);
  if (code === 'ETIMEDOUT') return 'it does not answer in time';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not known';
  return /^E[A-Z]+$/.test(code) ? errnoReason(code) : error instanceof Error ? error.message : String(error);
}

/** An error that says that somebody was too slow. */
export function tooSlow(): Error {
  return Object.assign(new Error('it does not answer in time'), { code: 'ETIMEDOUT' });
}

/** A part of a dotted name: what Graphite and StatsD give a meaning to becomes "_". */
export function dottedPart(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, PART_CHARACTERS_MAX) || '_';
}

const PART_CHARACTERS_MAX = 80;

/** prefix.sensor.metric, then label.value for each label. */
export function dottedName(snapshot: Snapshot, { metric }: Family, labels: readonly string[]): string {
  let name = `${dottedPart(snapshot.prefix)}.${dottedPart(snapshot.sensorId)}.${metric.name}`;
  labels.forEach((label, i) => {
    name += `.${metric.labels[i]}.${dottedPart(label)}`;
  });
  return name;
}
