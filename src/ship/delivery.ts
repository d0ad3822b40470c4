/**
 * Delivery: takes records of one sink from the spool, makes batches, sends them, and decides what follows.
 *
 *   spool -> gather -> [batch] -> send --> delivered    acked, as far as all before it is done with
 *             ^         ^  ^             | retry        the same batch again, after a pause; without end
 *             |         |  +-- halves ---| too-large    a single record: dead letter
 *             |         +----- halves ---| refused      a single record: dead letter
 *             |                          | in-part      each record by its own outcome
 *             +--- nothing more taken ---+ blocked      all is held; one probe at a time
 *
 * At least once: a record is acked when the receiver has it, or when it is a durable dead letter; a gap record for which the
 * format has no place, at once. Within one run a batch that is sent again has the same id and the same bytes; halves are
 * new batches. No order is promised, also not for records with the same key: batches overtake each other, and one that
 * failed comes later than those behind it.
 *
 * When a sink may be tried again is gate.ts's, which batch is tried pieces.ts's. While it is blocked nothing is dropped and,
 * unless it is its own judgement of the content, nothing more taken.
 *
 * Refused content. Batches are halved down to the records at fault: twice log2(n) requests for one of n. Halves take turns
 * with whole batches and only one of them is under way at a time, so that many bad records do not keep the good ones.
 * When 16 single records are refused, or are too large, and nothing was delivered in between, it is not these records but all
 * content that the receiver does not want (a wrong format, a new schema, a gateway that takes nothing): the sink counts as
 * blocked ("content-refused", "too-large-always"), is probed with a single record at a time, and no more dead letters are
 * made until one is delivered.
 *
 * Too large: batches become smaller, and grow again by and by (batch-size.ts). A batch that never goes through while others
 * do is halved as well, and its last record a dead letter (stuck.ts).
 *
 * Memory: at most (concurrencyMax + 2) batches by bytes and by records, with the frames of the spool that they lie in, one
 * frame more, and the bodies of the batches under way. Up to 262,144 records may be done with behind one that is not; of
 * these only the sequences are kept (taken.ts, spool/books.ts).
 *
 * What is taken and not done with when the process ends is in the spool, and is sent by the next one.
 */
import type { BatchSettings } from '../base/settings.ts';
import { BatchSize } from './batch-size.ts';
import { Burial, type LetterTaker } from './burial.ts';
import { Concurrency } from './concurrency.ts';
import type { DatedProblem, DeliveryState } from './delivery-state.ts';
import type { EncodedRecord, RecordEncoder } from './encode-batch.ts';
import { Gate } from './gate.ts';
import { Gathering } from './gathering.ts';
import { bytesOf, type Piece, Pieces } from './pieces.ts';
import { Rate } from './rate.ts';
import type { RecordSource } from './record-source.ts';
import type { Outcome, Problem, Sink } from './sink.ts';
import { isStuck, neverTaken } from './stuck.ts';
import { Taken } from './taken.ts';
import { systemTimers, type Timers } from './timers.ts';

const REFUSED_IN_A_ROW_MAX = 16;
/** Batches that are gathered while all that may be under way is. */
const READY_BATCHES_MAX = 2;
/** Records taken and not acked: what a crash sends twice at most. */
const TAKEN_RECORDS_MAX = 1 << 18;
/** How often it is looked at whether the spool is empty, before the end. */
const POLL_MS = 100;
/** What sinks get to end after their signal was aborted. */
const ABORT_MS_MAX = 2000;

type InPart = Extract<Outcome, { type: 'in-part' }>;

export interface DeliveryOptions {
  readonly name: string;
  readonly type: string;
  readonly sink: Sink;
  readonly source: RecordSource;
  readonly encode: RecordEncoder;
  readonly batch: BatchSettings;
  readonly deadLetters: LetterTaker;
  /** From 0 up to 1. */
  readonly random?: () => number;
  readonly timers?: Timers;
}

export class Delivery {
  readonly name: string;
  readonly #type: string;
  readonly #sink: Sink;
  readonly #source: RecordSource;
  readonly #encode: RecordEncoder;
  readonly #batch: BatchSettings;
  readonly #timers: Timers;
  readonly #concurrency: Concurrency;
  readonly #gate: Gate;
  readonly #size: BatchSize;
  readonly #taken: Taken;
  readonly #gathering: Gathering;
  readonly #pieces = new Pieces();
  readonly #burial: Burial;
  readonly #rate = new Rate();
  readonly #abort = new AbortController();

  #underWay = 0;
  #inHand = 0;
  #inHandBytes = 0;
  /** Single records, with nothing delivered in between. */
  #refusedInARow = 0;
  #received = 0;
  #written = 0;
  #deadLettered = 0;
  #skipped = 0;
  #errors = 0;
  #retries = 0;
  #bytes = 0;
  #lastProblem: DatedProblem | null = null;

  #isStarted = false;
  #isStopping = false;
  #isDraining = false;
  #isStopped = false;
  #onEnd: (() => void) | null = null;
  #callOff: (() => void) | null = null;
  #wakesAtMs = Number.POSITIVE_INFINITY;

  constructor({ name, type, sink, source, encode, batch, deadLetters, random = Math.random, timers = systemTimers }: DeliveryOptions) {
    this.name = name;
    this.#type = type;
    this.#sink = sink;
    this.#source = source;
    this.#encode = encode;
    this.#batch = batch;
    this.#timers = timers;
    this.#concurrency = new Concurrency(sink.concurrencyMax);
    this.#gate = new Gate(random);
    this.#size = new BatchSize(Math.min(batch.bytesMax, sink.batchBytesMax));
    this.#taken = new Taken(source.state().ackedSequence);
    const onProblem = (problem: Problem): void => {
      this.#note(problem);
    };
    this.#gathering = new Gathering({
      source,
      encode,
      taken: this.#taken,
      batch,
      size: this.#size,
      timers,
      mayTake: () => this.#mayTake(),
      onTaken: (record) => this.#take(record),
      onBatch: (records) => this.#pieces.add(records, false),
      onFrameEnd: () => this.#ack(),
      onFrame: () => this.#pump(),
      onProblem,
    });
    this.#burial = new Burial(name, deadLetters, timers, {
      onBuried: (records) => {
        this.#deadLettered += records.length;
        this.#done(records);
      },
      onProblem,
      onIdle: () => this.#pump(),
    });
  }

  start(): void {
    this.#isStarted = true;
    this.#pump();
  }

  /** What blocked it was mended, or a pause is not worth waiting for: tries again at once. */
  unblock(): void {
    this.#gate.unblock();
    this.#pieces.hurry();
    this.#refusedInARow = 0;
    this.#pump();
  }

  /** Certificates, keys or secrets have changed: the sink takes them over, and it is tried again at once. */
  async reload(): Promise<Problem | null> {
    const problem = await this.#sink.reload();
    this.#size.reset(Math.min(this.#batch.bytesMax, this.#sink.batchBytesMax));
    if (problem !== null) this.#note(problem);
    this.unblock();
    return problem;
  }

  state(): DeliveryState {
    const reader = this.#source.state();
    const taken = this.#taken;
    taken.note(reader.ackedSequence);
    const inFlight = this.#isStopped ? 0 : this.#inHand;
    return {
      name: this.name,
      type: this.#type,
      received: this.#received,
      written: this.#written,
      deadLettered: this.#deadLettered,
      skipped: this.#skipped,
      errors: this.#errors,
      retries: this.#retries,
      ratePerS: this.#rate.perSecond(this.#timers.nowMs()),
      bytes: this.#bytes,
      valid: !this.#gate.isProbing,
      blocked: this.#gate.blocked,
      lastProblem: this.#lastProblem,
      concurrency: this.#allowed,
      underWay: this.#underWay,
      batchBytesMax: this.#size.bytesMax,
      inFlight,
      inFlightBytes: this.#isStopped ? 0 : this.#inHandBytes,
      // After the end, what was in hand is what the next start begins with.
      queued: reader.queued - taken.count + (this.#inHand - inFlight),
      queuedBytes: reader.queuedBytes,
      oldestWaitingAtMs: reader.oldestAtMs,
      expired: reader.expiredByQuota + reader.expiredByAge - taken.expired,
      corrupt: reader.corrupt,
    };
  }

  /**
   * Waits for what is under way, and with `drain` delivers what is in the spool, until nothing is left, the time is over
   * (milliseconds since 1970) or the sink is blocked; then breaks off what is still under way, and closes the sink. What
   * was not delivered stays in the spool.
   */
  async stop(untilAtMs: number, drain: boolean): Promise<void> {
    this.#isStopping = true;
    this.#isDraining = drain;
    if (this.#isStarted) {
      await this.#untilEnd(Math.max(0, untilAtMs - this.#timers.dateMs()), () => this.#pump());
      this.#isStarted = false;
    }
    this.#callOff?.();
    this.#callOff = null;
    this.#burial.stop();
    if (this.#isBusy) await this.#untilEnd(ABORT_MS_MAX, () => this.#abort.abort());
    this.#isStopped = true;
    await this.#sink.close();
  }

  /** Waits until the work says that it ended, or the time is over. */
  async #untilEnd(ms: number, begin: () => void): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
    const callOff = this.#timers.after(ms, () => this.#onEnd?.());
    begin();
    await ended;
    callOff();
    this.#onEnd = null;
  }

  get #isBusy(): boolean {
    return this.#underWay > 0 || this.#burial.isBusy;
  }

  /** Batches that may be under way now. */
  get #allowed(): number {
    return this.#gate.isProbing ? 1 : this.#concurrency.limit;
  }

  // What happens next

  #pump(): void {
    if (!this.#isStarted) {
      if (!this.#isBusy) this.#onEnd?.();
      return;
    }
    this.#gather();
    this.#sendAll();
    if (this.#isStopping && this.#isAtEnd()) this.#onEnd?.();
    else this.#setTimer();
  }

  #isAtEnd(): boolean {
    if (this.#isBusy) return false;
    return !this.#isDraining || this.#gate.blocked !== null || (this.#inHand === 0 && this.#gathering.isAllTaken());
  }

  /** For the next moment at which something is due without anything else happening. */
  #setTimer(): void {
    const nowMs = this.#timers.nowMs();
    let atMs = Number.POSITIVE_INFINITY;
    if (this.#underWay < this.#allowed) {
      atMs = this.#pieces.nextMs();
      if (this.#gate.blocked === null || this.#pieces.isEmpty) atMs = Math.min(atMs, this.#gathering.dueMs);
      atMs = Math.max(atMs, this.#gate.holdUntilMs);
    }
    if (this.#isStopping) atMs = Math.min(atMs, nowMs + POLL_MS);
    if (atMs === Number.POSITIVE_INFINITY) return;
    atMs = Math.max(atMs, nowMs);
    if (this.#callOff !== null && this.#wakesAtMs <= atMs) return;
    this.#callOff?.();
    this.#wakesAtMs = atMs;
    this.#callOff = this.#timers.after(atMs - nowMs, () => {
      this.#callOff = null;
      this.#pump();
    });
  }

  #gather(): void {
    this.#gathering.gather();
    if (this.#isOpenDue()) this.#gathering.close();
  }

  /** Whether the batch that is open goes: its time is over, and it would be sent now. */
  #isOpenDue(): boolean {
    const { blocked, holdUntilMs } = this.#gate;
    const nowMs = this.#timers.nowMs();
    if (this.#underWay >= this.#allowed || blocked !== null || nowMs < holdUntilMs || this.#pieces.isDue(nowMs)) return false;
    return nowMs >= this.#gathering.dueMs || (this.#isStopping && this.#gathering.isAllTaken());
  }

  #mayTake(): boolean {
    if (this.#isStopping && !this.#isDraining) return false;
    if (this.#gate.blocked !== null && !this.#gate.isContentRefused) return false;
    const batches = this.#sink.concurrencyMax + READY_BATCHES_MAX;
    if (this.#inHand >= batches * this.#batch.recordsMax || this.#taken.count >= TAKEN_RECORDS_MAX) return false;
    // One record must always fit.
    if (this.#inHand > 0 && this.#inHandBytes >= batches * this.#batch.bytesMax) return false;
    return this.#pieces.ready < READY_BATCHES_MAX;
  }

  #take(record: EncodedRecord): void {
    this.#received++;
    this.#inHand++;
    this.#inHandBytes += record.heldBytes;
    if (record.problem !== null) this.#bury([record], record.problem);
    if (!record.isSkipped) return;
    this.#skipped++;
    this.#done([record]);
  }

  #sendAll(): void {
    if (this.#isStopping && !this.#isDraining) return;
    while (this.#underWay < this.#allowed) {
      const { blocked, holdUntilMs, isContentRefused } = this.#gate;
      const nowMs = this.#timers.nowMs();
      if (nowMs < holdUntilMs) return;
      if (this.#pieces.isEmpty && blocked !== null) this.#gathering.close();
      const piece = this.#pieces.take(nowMs, this.#size.bytesMax, isContentRefused);
      if (piece === null) return;
      void this.#send(piece);
      this.#gather();
    }
  }

  async #send(piece: Piece): Promise<void> {
    piece.batch ??= this.#encode.batch(piece.records);
    if (piece.attempts > 0) this.#retries++;
    piece.attempts++;
    this.#underWay++;
    this.#pieces.started(piece);
    const startedAtMs = this.#timers.nowMs();
    let outcome: Outcome;
    try {
      outcome = await this.#sink.send(piece.batch, this.#abort.signal);
    } catch (error) {
      outcome = { type: 'retry', problem: sinkFault(error), afterMs: 0 };
    }
    if (this.#isStopped) return;
    const underWay = this.#underWay--;
    this.#pieces.ended(piece);
    this.#settle(piece, outcome, startedAtMs, underWay);
    this.#pump();
  }

  // What follows from an outcome

  #settle(piece: Piece, outcome: Outcome, startedAtMs: number, underWay: number): void {
    const { records } = piece;
    if (outcome.type === 'delivered') {
      this.#concurrency.succeeded(startedAtMs, this.#timers.nowMs(), underWay);
      this.#size.succeeded(bytesOf(records));
      this.#delivered(records, startedAtMs);
      return;
    }
    this.#errors++;
    switch (outcome.type) {
      case 'retry':
        if (outcome.inHalves === true && records.length > 1) {
          this.#note(outcome.problem);
          this.#gotThrough(startedAtMs);
          this.#pieces.addHalves(piece, piece.isSuspect);
        } else this.#again(piece, outcome.problem, outcome.afterMs, startedAtMs);
        break;
      case 'blocked':
        this.#block(piece, outcome.problem, startedAtMs, false);
        break;
      case 'too-large':
        this.#tooLarge(piece, outcome.problem, startedAtMs);
        break;
      case 'refused':
        this.#refused(piece, outcome.problem, startedAtMs);
        break;
      case 'in-part':
        this.#inPart(piece, outcome, startedAtMs, underWay);
        break;
    }
  }

  #delivered(records: readonly EncodedRecord[], startedAtMs: number): void {
    this.#written += records.length;
    this.#bytes += bytesOf(records);
    this.#rate.add(records.length, this.#timers.nowMs());
    this.#refusedInARow = 0;
    if (this.#gate.delivered(startedAtMs)) this.#concurrency.reset();
    this.#done(records);
  }

  #gotThrough(startedAtMs: number): void {
    if (this.#gate.gotThrough(startedAtMs)) this.#concurrency.reset();
  }

  #again(piece: Piece, problem: Problem, afterMs: number, startedAtMs: number): void {
    const dated = this.#note(problem);
    const nowMs = this.#timers.nowMs();
    this.#concurrency.failed(startedAtMs, nowMs);
    // What the sensor broke off itself says nothing of the sink.
    const shown = this.#abort.signal.aborted ? null : dated;
    piece.notBeforeMs = this.#gate.failed(shown, piece.attempts, afterMs, startedAtMs, nowMs);
    this.#putBack(piece, [problem]);
  }

  /** It waits to be sent again; one that is stuck in halves, or no more. */
  #putBack(piece: Piece, problems: readonly Problem[]): void {
    const { records } = piece;
    const isInTheWay = this.#taken.count >= TAKEN_RECORDS_MAX && this.#taken.isFirst(records[0].place);
    if (!isStuck(piece, problems, this.#written, isInTheWay)) this.#pieces.putBack(piece);
    else if (records.length > 1) this.#pieces.addHalves(piece, true);
    else this.#bury(records, neverTaken(problems[0]));
  }

  #block(piece: Piece, problem: Problem, startedAtMs: number, isContentRefused: boolean): void {
    this.#gate.block(this.#note(problem), isContentRefused, startedAtMs, this.#timers.nowMs());
    piece.notBeforeMs = Number.NEGATIVE_INFINITY;
    this.#pieces.putBack(piece);
  }

  /** One more single record was refused; true: it is not the record. */
  #isContentRefused(): boolean {
    return this.#gate.isContentRefused || ++this.#refusedInARow >= REFUSED_IN_A_ROW_MAX;
  }

  #refused(piece: Piece, problem: Problem, startedAtMs: number): void {
    if (piece.records.length > 1 && !this.#gate.isContentRefused) {
      this.#note(problem);
      this.#gotThrough(startedAtMs);
      this.#pieces.addHalves(piece, true);
    } else this.#refusedAlone(piece, problem, contentRefused, startedAtMs);
  }

  #tooLarge(piece: Piece, problem: Problem, startedAtMs: number): void {
    const { records } = piece;
    if (records.length === 1) {
      this.#refusedAlone(piece, problem, tooLargeAlways, startedAtMs);
      return;
    }
    this.#note(problem);
    this.#gotThrough(startedAtMs);
    this.#size.tooLarge(bytesOf(records));
    this.#pieces.addHalves(piece, piece.isSuspect);
  }

  /** A dead letter, unless all are refused: `always` says that. */
  #refusedAlone(piece: Piece, problem: Problem, always: (problem: Problem) => Problem, startedAtMs: number): void {
    if (this.#isContentRefused()) this.#block({ ...piece, isSuspect: true }, always(problem), startedAtMs, true);
    else {
      this.#note(problem);
      this.#gotThrough(startedAtMs);
      this.#bury(piece.records, problem);
    }
  }

  #inPart(piece: Piece, { failed, afterMs }: InPart, startedAtMs: number, underWay: number): void {
    const { records } = piece;
    const byIndex = new Map(failed.map((item) => [item.index, item]));
    const delivered = records.filter((_, i) => !byIndex.has(i));
    if (delivered.length > 0) this.#delivered(delivered, startedAtMs);
    const again: EncodedRecord[] = [];
    const problems: Problem[] = [];
    const kept: EncodedRecord[] = [];
    let refusal: Problem | null = null;
    for (const [i, record] of records.entries()) {
      const item = byIndex.get(i);
      if (item === undefined) continue;
      this.#note(item.problem);
      if (item.outcome === 'retry') {
        again.push(record.apart());
        problems.push(item.problem);
      } else if (delivered.length > 0 || !this.#isContentRefused()) this.#bury([record], item.problem);
      else {
        kept.push(record.apart());
        refusal = item.problem;
      }
    }
    const nowMs = this.#timers.nowMs();
    const isThrough = delivered.length > 0 || again.length === 0;
    if (again.length > 0) {
      const part = partOf(piece, again);
      this.#concurrency.failed(startedAtMs, nowMs);
      // Where others got through, what should come again is a matter of these records alone.
      part.notBeforeMs = isThrough
        ? this.#gate.putOff(part.attempts, afterMs, nowMs)
        : this.#gate.failed(this.#lastProblem, part.attempts, afterMs, startedAtMs, nowMs);
      this.#putBack(part, problems);
    } else if (delivered.length > 0) this.#concurrency.succeeded(startedAtMs, nowMs, underWay);
    if (refusal !== null) this.#block({ ...partOf(piece, kept), isSuspect: true }, contentRefused(refusal), startedAtMs, true);
    else if (isThrough) this.#gotThrough(startedAtMs);
  }

  #note(problem: Problem): DatedProblem {
    const dated = { ...problem, atMs: this.#timers.dateMs() };
    this.#lastProblem = dated;
    return dated;
  }

  // The end of a record

  #bury(records: readonly EncodedRecord[], problem: Problem): void {
    this.#burial.add(
      records.map((record) => record.apart()),
      problem,
    );
  }

  #done(records: readonly EncodedRecord[]): void {
    this.#gathering.noteExpired();
    for (const record of records) {
      this.#inHandBytes -= record.heldBytes;
      this.#taken.done(record.place);
    }
    this.#inHand -= records.length;
    this.#ack();
  }

  #ack(): void {
    this.#gathering.noteExpired();
    const sequence = this.#taken.toAck();
    if (sequence >= 0) this.#source.ack(sequence);
  }
}

/** All of it is the same batch again, with its id; a part of it is another one. */
function partOf(piece: Piece, records: readonly EncodedRecord[]): Piece {
  return records.length === piece.records.length ? piece : { ...piece, records, batch: null };
}

function sinkFault(error: unknown): Problem {
  return {
    code: 'sink-fault',
    what: `The sink failed in an unexpected way: ${error instanceof Error ? error.name : 'no reason given'}`,
    next: 'This is a fault of Earshot: report it with the log. The batch is tried again.',
  };
}

function contentRefused({ what }: Problem): Problem {
  return {
    code: 'content-refused',
    what: `${REFUSED_IN_A_ROW_MAX} records one after the other were refused, and none was taken (${what}): nothing more is put aside`,
    next: 'Compare the format of the sink with what the receiver expects. A record is tried from time to time.',
  };
}

function tooLargeAlways({ what }: Problem): Problem {
  return {
    code: 'too-large-always',
    what: `${REFUSED_IN_A_ROW_MAX} records one after the other were too large alone, and none was taken (${what}): nothing more is put aside`,
    next: 'Have the limit of the receiver, or of a gateway before it, raised; or keep less of the bodies. A record is tried from time to time.',
  };
}
