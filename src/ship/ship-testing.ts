/** Help for the tests of ship/: calls, frames, a spool in memory, a clock that the test moves, a sink with a script. */
import { setImmediate as turn } from 'node:timers/promises';
import { defaultSettings } from '../base/settings.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import type { ClosingRecord } from '../normalise/closing-record.ts';
import { INDEX_WORDS, type MaskedBatch } from '../policy/masked-call.ts';
import type { Batch } from './batch.ts';
import type { DeadLetter } from './dead-letters.ts';
import { RecordEncoder } from './encode-batch.ts';
import type { FormatContext, FormatName } from './formats/encoder.ts';
import { formats } from './formats/format.ts';
import { type Framing, openFraming } from './framing.ts';
import type { Frame, RecordSource } from './record-source.ts';
import { goesTo, type Routes, routesOf } from './routes.ts';
import type { Outcome, ProbeStep, Problem, Sink } from './sink.ts';
import type { ReaderState } from './spool/state.ts';
import type { Timers } from './timers.ts';

export const context: FormatContext = { settings: defaultSettings, version: '1.2.3', now: () => 1_700_000_000_000 };

export function framingOf(name: FormatName): Framing {
  return openFraming(formats[name](), context);
}

/** A call with a body of that many bytes. */
export function callOf(n: number, bodyBytes = 10): ApiCall {
  const body = { bytes: bodyBytes, kept: bodyBytes, text: 'x'.repeat(bodyBytes), contentType: 'text/plain' };
  return {
    schema: 'earshot.api-call/1',
    id: `sensor.abc.0.${n}`,
    complete: true,
    client: { address: `10.0.0.${n % 250}`, port: 1000 + (n % 60_000) },
    server: { address: '10.1.0.1', port: 80 },
    clientIp: { address: '192.0.2.7', source: 'x-forwarded-for' },
    scheme: 'http',
    host: 'shop.example',
    pathTemplate: '/orders/{int}',
    request: {
      firstByteUs: 1_700_000_000_000_000 + n,
      lastByteUs: 1_700_000_000_000_000 + n,
      method: 'POST',
      target: `/orders/${n}?q=1`,
      path: `/orders/${n}`,
      query: 'q=1',
      version: '1.1',
      headers: [
        ['Host', 'shop.example'],
        ['User-Agent', 'test'],
      ],
      body,
    },
    response: null,
    connection: { depth: 1, interface: 0 },
    encapsulation: [],
  };
}

export function lineOf(n: number, bodyBytes = 10): Buffer {
  return Buffer.from(`${JSON.stringify(callOf(n, bodyBytes))}\n`);
}

/** A gap record. */
export function gapLineOf(n: number): Buffer {
  const shed = { bodies: n, headers: 0, packets: 1 };
  return Buffer.from(`${JSON.stringify({ schema: 'earshot.gap/1', id: `sensor.abc.0.g${n}`, fromUs: 1, toUs: 2, shed })}\n`);
}

/** The closing record of a call. */
export function closingLineOf(n: number): Buffer {
  const { client, server, id } = callOf(n);
  const side = { firstByteUs: 1, lastByteUs: 2, bytes: 3 };
  const closing: ClosingRecord = {
    schema: 'earshot.closing/1',
    id: `sensor.abc.0.c${n}`,
    call: id,
    complete: true,
    client,
    server,
    timeUs: 3,
    durationUs: 1,
    request: side,
    response: { ...side, status: 200 },
  };
  return Buffer.from(`${JSON.stringify(closing)}\n`);
}

/** Number of the call that a record, a line or an id is of. */
export function numberOf(text: string): number {
  const found = /sensor\.abc\.0\.(\d+)/.exec(text);
  if (found === null) throw new Error(`no call in ${text}`);
  return Number(found[1]);
}

export function frameOf(firstSequence: number, lines: readonly Buffer[], routes: readonly number[], acceptedAtMs = 1): Frame {
  const index = new Int32Array(lines.length * INDEX_WORDS);
  for (let i = 0; i < lines.length; i++) {
    index[i * INDEX_WORDS] = lines[i].length;
    index[i * INDEX_WORDS + 1] = routes[i];
  }
  return { firstSequence, count: lines.length, acceptedAtMs, bytes: Buffer.concat(lines), index };
}

export function encoderOf(format: FormatName = 'jsonl', pipelines = 1, sink = 'edge'): RecordEncoder {
  return new RecordEncoder({ sink, framing: framingOf(format), routes: routesOf(sink, pipelines), key: 'client' });
}

/** A spool in memory with one reader, which counts as the real one does. */
export class MemorySpool implements RecordSource {
  frames: Frame[] = [];
  accepted = 0;
  acks: number[] = [];
  readonly #to: Routes;
  #waiters: (() => void)[] = [];
  #next = 0;
  #lastSequence = 0;
  #acked = 0;
  #expired = 0;

  constructor(to: Routes = routesOf('edge', 1)) {
    this.#to = to;
  }

  put(lines: readonly Buffer[], routes: readonly number[] = lines.map(() => 1), acceptedAtMs = 1): void {
    this.frames.push(frameOf(this.#lastSequence + 1, lines, routes, acceptedAtMs));
    this.#lastSequence += lines.length;
    for (const word of routes) if (goesTo(word, this.#to)) this.accepted++;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  append({ bytes, index }: MaskedBatch): void {
    const lines: Buffer[] = [];
    const routes: number[] = [];
    for (let i = 0, at = 0; i < index.length; i += INDEX_WORDS) {
      lines.push(Buffer.from(bytes.subarray(at, at + index[i])));
      routes.push(index[i + 1]);
      at += index[i];
    }
    this.put(lines, routes);
  }

  async durable(): Promise<void> {}

  lendRoom(): () => void {
    return () => {};
  }

  async next(): Promise<Frame | null> {
    while (this.#next < this.frames.length && lastOf(this.frames[this.#next]) <= this.#acked) this.#next++;
    if (this.#next >= this.frames.length) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
      return this.next();
    }
    return this.frames[this.#next++];
  }

  seek(sequence: number): void {
    this.#next = this.frames.findIndex((frame) => lastOf(frame) >= sequence);
    if (this.#next < 0) this.#next = this.frames.length;
  }

  ack(sequence: number): void {
    this.acks.push(sequence);
    this.#acked = Math.max(this.#acked, sequence);
  }

  /** The oldest data goes, unsent, up to that sequence. */
  expire(sequence: number): void {
    const before = this.#queued();
    this.#acked = Math.max(this.#acked, sequence);
    this.#expired += before - this.#queued();
  }

  state(): ReaderState & { readonly lost: number; readonly lastSequence: number } {
    return {
      lost: 0,
      lastSequence: this.#lastSequence,
      name: 'edge',
      ackedSequence: this.#acked,
      expiredByQuota: this.#expired,
      expiredByAge: 0,
      corrupt: 0,
      queued: this.#queued(),
      queuedBytes: 0,
      oldestAtMs: 0,
    };
  }

  #queued(): number {
    let queued = 0;
    for (const { firstSequence, count, index } of this.frames) {
      for (let i = 0; i < count; i++) {
        if (firstSequence + i > this.#acked && goesTo(index[i * INDEX_WORDS + 1], this.#to)) queued++;
      }
    }
    return queued;
  }
}

function lastOf({ firstSequence, count }: Frame): number {
  return firstSequence + count - 1;
}

/** More timers than this in one stretch of time are a loop. */
const STEPS_MAX = 10_000;

/** A clock that stands still until the test moves it. */
export class TestTimers implements Timers {
  #nowMs = 1000;
  #due: { atMs: number; then: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  dateMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, then };
    this.#due.push(timer);
    return () => {
      this.#due = this.#due.filter((other) => other !== timer);
    };
  }

  /** Lets time pass, with all that becomes due on the way, and lets what follows happen. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settled();
    for (let steps = 0; ; steps++) {
      if (steps > STEPS_MAX) throw new Error('timers that never end');
      const first = this.#due.reduce<{ atMs: number; then: () => void } | null>((a, b) => (a === null || b.atMs < a.atMs ? b : a), null);
      if (first === null || first.atMs > untilMs) break;
      this.#due = this.#due.filter((other) => other !== first);
      this.#nowMs = Math.max(this.#nowMs, first.atMs);
      first.then();
      await settled();
    }
    this.#nowMs = untilMs;
  }
}

/** All that can go on without time passing has done so. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn();
}

export function problem(code: string): Problem {
  return { code, what: `it said ${code}`, next: 'Wait.' };
}

/** A batch as it arrived. */
export interface Sent {
  readonly id: string;
  readonly numbers: readonly number[];
  readonly body: string;
  readonly batch: Batch;
  readonly atMs: number;
}

/** Answers as the script says: by batch, as often as it is asked. */
export class ScriptedSink implements Sink {
  concurrencyMax: number;
  batchBytesMax = 1 << 30;
  sent: Sent[] = [];
  delivered: number[] = [];
  underWay = 0;
  underWayMax = 0;
  reloads = 0;
  isClosed = false;
  tookMs = 0;
  readonly #timers: TestTimers;
  answer: (sent: Sent) => Outcome | Promise<Outcome>;

  constructor(timers: TestTimers, answer: (sent: Sent) => Outcome | Promise<Outcome>, concurrencyMax = 1) {
    this.#timers = timers;
    this.answer = answer;
    this.concurrencyMax = concurrencyMax;
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    this.underWayMax = Math.max(this.underWayMax, ++this.underWay);
    const sent = {
      id: batch.id,
      numbers: batch.records.map(({ id }) => numberOf(id)),
      body: Buffer.from(batch.body()).toString(),
      batch,
      atMs: this.#timers.nowMs(),
    };
    this.sent.push(sent);
    if (this.tookMs > 0) {
      await new Promise<void>((resolve) => {
        this.#timers.after(this.tookMs, resolve);
        signal.addEventListener('abort', () => resolve());
      });
    }
    const outcome = signal.aborted ? ({ type: 'retry', problem: problem('aborted'), afterMs: 0 } as const) : await this.answer(sent);
    this.underWay--;
    if (outcome.type === 'delivered') this.delivered.push(...sent.numbers);
    if (outcome.type === 'in-part') {
      const failed = new Set(outcome.failed.map(({ index }) => index));
      this.delivered.push(...sent.numbers.filter((_, i) => !failed.has(i)));
    }
    return outcome;
  }

  async probe(): Promise<readonly ProbeStep[]> {
    return [];
  }

  async reload(): Promise<Problem | null> {
    this.reloads++;
    return null;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** Takes dead letters, or does not. */
export class LetterBox {
  letters: DeadLetter[] = [];
  isFull = false;

  async add(letters: readonly DeadLetter[]): Promise<void> {
    if (this.isFull) throw new Error('no space is left on the device');
    this.letters.push(...letters);
  }

  get numbers(): number[] {
    return this.letters.map(({ line }) => numberOf(Buffer.from(line).toString()));
  }
}
