/**
 * The delivery of `earshot read --deliver`: the same ship thread as that of a running sensor, which reading waits for, so
 * that nothing is lost however slow the sinks are. What is not delivered in time stays in the spool, and `earshot spool
 * deliver` goes on with it: the same without anything to read.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes } from '../base/arena.ts';
import { SensorError } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import { INDEX_WORDS, maskedBatch } from '../policy/masked-call.ts';
import type { DeliveryState } from '../ship/delivery-state.ts';
import { onceOnly } from '../ship/problem-words.ts';
import { say } from './output.ts';
import { pipelinesOf } from './pipelines.ts';
import { Shipping } from './shipping.ts';
import { refuseSharedFiles, refuseSinkFiles } from './sink-files.ts';
import { spoolDirectory } from './state-directory.ts';
import { sentence, shown } from './terminal.ts';
import { unencrypted } from './unencrypted.ts';
import { count } from './units.ts';
import { version } from './version.ts';

/** Bytes that are read ahead of the spool. */
const AHEAD_BYTES = 16 << 20;
/** How long it is waited for the sinks, when nothing else is said. */
export const DELIVER_S = 60;
const LOOK_MS = 20;
const CLOSE_MS = 5000;
const TEXT_MAX = 500;

export class ReadDelivery {
  readonly #shipping: Shipping;
  readonly #directory: string;
  readonly #timeoutMs: number;
  #isFinished = false;
  isComplete = false;

  private constructor(shipping: Shipping, directory: string, timeoutMs: number) {
    this.#shipping = shipping;
    this.#directory = directory;
    this.#timeoutMs = timeoutMs;
  }

  /** Opens the spool and the sinks. Throws the SensorError of what cannot be used. */
  static async start(settings: Settings, timeoutMs: number): Promise<ReadDelivery> {
    refuseSharedFiles(settings);
    refuseSinkFiles(settings);
    for (const text of unencrypted(settings)) say(`earshot: warning: ${text}.\n`);
    const directory = spoolDirectory(settings);
    const shipping = new Shipping(
      { settings, pipelines: pipelinesOf(settings), routing: 0, directory, version: version(), isPatient: true },
      Math.min(AHEAD_BYTES, settings.spool.memoryBytesMax / 2),
      {
        onLog: (level, message, fields) => {
          if (level === 'error') say(`earshot: ${shown(`${message} ${JSON.stringify(fields)}`, TEXT_MAX)}\n`);
        },
        // Nothing is listened to.
        onOwn: () => {},
      },
    );
    await shipping.start();
    return new ReadDelivery(shipping, directory, timeoutMs);
  }

  /** Hands on records of the arena; waits as long as there is no room. Throws SensorError: delivery-failed. */
  add(at: number, end: number, records: number, index: Int32Array): void {
    if (records === 0) return;
    if (!this.#shipping.waitForRoom(end - at, this.#timeoutMs)) {
      throw new SensorError(
        'delivery-failed',
        'Cannot go on reading',
        `the spool ${this.#directory} took nothing for ${this.#timeoutMs / 1000} s: its disk is full or slow, or it is full and a sink takes nothing`,
        'Look at it with earshot spool status; what it has taken stays there, and reading again gives the same record ids.',
      );
    }
    this.#shipping.add(maskedBatch(new Uint8Array(bytes.buffer.slice(at, end)), index.slice(0, INDEX_WORDS * records)));
  }

  /** Waits until all is delivered, or the time is over; says what came of it. `hasRead`: calls came from captures. */
  async finish(hasRead: boolean): Promise<void> {
    const endMs = performance.now() + this.#timeoutMs;
    while (!this.#isEmpty() && performance.now() < endMs) await sleep(LOOK_MS);
    await this.close();
    const sinks = this.#shipping.report?.sinks ?? [];
    for (const sink of sinks) say(`earshot: ${resultOf(sink)}\n`);
    const lost = this.#shipping.lost + this.#shipping.underWay + (this.#shipping.report?.spool.lost ?? 0);
    if (lost > 0) say(`earshot: ${count(lost)} records did not reach the spool.\n`);
    const left = sinks.filter((sink) => leftFor(sink) > 0);
    if (left.length > 0) {
      say(`earshot: what is left waits in the spool ${this.#directory}: earshot spool deliver, or earshot run, goes on with it.\n`);
      if (hasRead) say('earshot: reading the captures again would put their calls there a second time, with the same ids.\n');
    }
    this.isComplete = lost === 0 && sinks.every((sink) => leftFor(sink) + sink.deadLettered + sink.expired + sink.corrupt === 0);
  }

  #isEmpty(): boolean {
    const { report, underWay } = this.#shipping;
    if (report === null || underWay > 0) return false;
    // A sink waits for a record once it is accepted.
    const { offered, accepted, lost } = report.spool;
    return accepted + lost === offered && report.sinks.every((sink) => leftFor(sink) === 0);
  }

  async close(): Promise<void> {
    if (this.#isFinished) return;
    this.#isFinished = true;
    await this.#shipping.stop(Date.now() + CLOSE_MS);
  }
}

function leftFor({ queued, inFlight }: DeliveryState): number {
  return queued + inFlight;
}

function resultOf(sink: DeliveryState): string {
  const parts = [`${count(sink.written)} calls were delivered to ${sink.name}`];
  if (sink.deadLettered > 0) parts.push(`${count(sink.deadLettered)} it refused (earshot spool dead-letters list)`);
  if (sink.expired > 0) parts.push(`${count(sink.expired)} expired in the spool`);
  if (sink.corrupt > 0) parts.push(`${count(sink.corrupt)} were damaged or missing in the spool`);
  const left = leftFor(sink);
  if (left > 0) parts.push(`${count(left)} are left`);
  const problem = left > 0 ? (sink.blocked ?? sink.lastProblem) : null;
  return `${parts.join(', ')}.${problem === null ? '' : ` ${shown(`${sentence(problem.what)} ${onceOnly(problem.next)}`.trimEnd(), TEXT_MAX)}`}`;
}
