/**
 * The sink for Apache Kafka: each call is a record of one topic, its partition chosen by the key, acks=all.
 *
 *   batch -> shares, one a partition -> record batches, compressed -> one produce request to each leader
 *
 * Records bear headers: earshot-id (of the call), earshot-sequence (place in the spool), earshot-batch, and those of the
 * configuration. Consumers tell by the id what they have seen: after a crash, or a broker that died, records may come twice.
 *
 * Where the cluster allows it, the producer is idempotent, which makes that rarer. Leaders that moved are asked for and
 * tried again within `send`; everything that takes longer is left to delivery.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SensorError } from '../../base/errors.ts';
import { type HostPort, parsePeerAddress } from '../../base/listen-address.ts';
import type { KafkaSinkSettings } from '../../base/settings.ts';
import type { Batch } from '../batch.ts';
import { FailureError } from '../failure.ts';
import { aborted } from '../problems.ts';
import type { Outcome, ProbeStep, Problem, Sink } from '../sink.ts';
import { TlsFiles } from '../tls-options.ts';
import { FileWatch } from './file-watch.ts';
import { KafkaClient, type Topic } from './kafka-client.ts';
import { KafkaFault } from './kafka-fault.ts';
import { Lane, type Plan, planOf, type Share } from './kafka-lane.ts';
import { type Missed, outcomeOf } from './kafka-missed.ts';
import { probeKafka } from './kafka-probe.ts';
import { faultOutcome, isMoving, isProducerForgotten, type KafkaWords, type NotDelivered, oversized } from './kafka-problems.ts';
import { NO_PRODUCER, type Producer, type SharedHeaders, sharedHeaders } from './kafka-records.ts';
import { type Sasl, saslOf } from './kafka-sasl.ts';
import { sendShares } from './kafka-shares.ts';
import { tlsFailure } from './kafka-tls.ts';
import { filledHeaders, type SinkContext } from './sink-context.ts';

/** Tries within one `send`, and the pauses between them: long enough for a leader that moves as planned. */
const PAUSES_MS = [100, 300, 900];
/** Headers and lengths around a record: its part of a batch that must not be larger than messageBytesMax. */
const OVERHEAD_SHARE = 0.9;

interface Explained {
  readonly outcome: NotDelivered;
  /** Name of Kafka's error; "" for none. */
  readonly error: string;
  readonly isWorthAnother: boolean;
}

export function createKafkaSink(name: string, settings: KafkaSinkSettings, context: SinkContext): Sink {
  return new KafkaSink(name, settings, context);
}

class KafkaSink implements Sink {
  readonly concurrencyMax: number;
  readonly batchBytesMax: number;
  readonly #name: string;
  readonly #settings: KafkaSinkSettings;
  readonly #context: SinkContext;
  readonly #bootstrap: readonly HostPort[];
  readonly #words: KafkaWords;
  readonly #tls: TlsFiles | null;
  readonly #sasl: Sasl | null;
  readonly #watch: FileWatch;
  readonly #lanes: Lane[] = [];
  #client: Promise<KafkaClient> | null = null;
  #isIdempotent: boolean;
  #isToBeTold = false;
  #nextKeyless = 0;
  #hasWorked = false;
  #isClosed = false;

  constructor(name: string, settings: KafkaSinkSettings, context: SinkContext) {
    this.#name = name;
    this.#settings = settings;
    this.#context = context;
    this.#bootstrap = settings.brokers.map((text) => {
      const address = parsePeerAddress(text);
      if (address !== null) return address;
      throw new SensorError(
        'config-invalid',
        `Cannot use the sink ${name}`,
        `${JSON.stringify(text)} is no address of a broker`,
        'Write it as HOST:PORT.',
      );
    });
    this.concurrencyMax = settings.concurrencyMax;
    const { bytesMax } = settings.batch;
    this.batchBytesMax =
      settings.compression === 'none' ? Math.min(bytesMax, Math.floor(settings.messageBytesMax * OVERHEAD_SHARE)) : bytesMax;
    this.#tls = settings.useTls ? new TlsFiles(settings.tls) : null;
    this.#sasl = saslOf(settings);
    this.#isIdempotent = settings.idempotent !== 'no';
    this.#words = {
      topic: settings.topic,
      useTls: settings.useTls,
      hasCertificate: settings.tls.certificateFile !== '',
      mechanism: this.#sasl?.mechanism ?? '',
      credentials: this.#sasl?.credentials ?? '',
      compression: settings.compression,
      bootstrap: settings.brokers,
    };
    this.#watch = new FileWatch(name, context.log, {
      hasChanged: () => this.#tls?.hasChanged() === true || this.#sasl?.hasChanged() === true,
      reload: () => this.reload(),
    });
    if (this.#tls?.problem) this.#watch.warnAtStart(this.#tls.problem);
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return aborted();
    const { messageBytesMax } = this.#settings;
    for (const { bytes } of batch.records) if (bytes.length > messageBytesMax) return oversized(bytes.length, messageBytesMax);
    const lane = this.#take(batch.id);
    let onAbort = (): void => undefined;
    const abort = new Promise<Outcome>((resolve) => {
      onAbort = () => resolve(aborted());
      signal.addEventListener('abort', onAbort, { once: true });
    });
    // What is under way when the signal comes is not waited for; the lane is free again when it has ended.
    const delivery = this.#deliver(lane, batch, signal)
      .catch(async (error: unknown) => (await this.#explain(error)).outcome)
      .finally(() => {
        lane.isTaken = false;
      });
    try {
      return await Promise.race([delivery, abort]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async probe(signal: AbortSignal): Promise<readonly ProbeStep[]> {
    return await probeKafka(
      {
        bootstrap: this.#bootstrap,
        words: this.#words,
        tls: this.#tls,
        limitMs: this.#settings.requestTimeoutMs,
        isIdempotenceWanted: this.#settings.idempotent === 'yes',
        client: () => this.#connected(),
        explain: async (error) => (await this.#explain(error)).outcome.problem,
      },
      signal,
    );
  }

  async reload(): Promise<Problem | null> {
    const problems = [this.#tls?.reload() ?? null, this.#sasl?.reload() ?? null];
    this.#hasWorked = false;
    // Rights may have been given since.
    this.#isIdempotent = this.#settings.idempotent !== 'no';
    this.#dropClient();
    return problems.find((problem) => problem !== null) ?? null;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watch.close();
    this.#dropClient();
    await this.#sasl?.close();
  }

  /** The lane that knows this batch, or one that is free. */
  #take(batchId: string): Lane {
    const free = this.#lanes.filter(({ isTaken }) => !isTaken);
    let lane = free.find(({ plan }) => plan?.batchId === batchId) ?? free.find(({ plan }) => plan === null) ?? free[0];
    if (lane === undefined || (lane.plan !== null && lane.plan.batchId !== batchId && this.#lanes.length < this.concurrencyMax)) {
      lane = new Lane();
      this.#lanes.push(lane);
    }
    if (lane.plan !== null && lane.plan.batchId !== batchId) lane.giveUp();
    lane.isTaken = true;
    return lane;
  }

  async #deliver(lane: Lane, batch: Batch, signal: AbortSignal): Promise<Outcome> {
    const shared = this.#headers(batch);
    const { compression, messageBytesMax } = this.#settings;
    const explain = (error: unknown): Promise<Explained> => this.#explain(error);
    const packed = new WeakMap<Share, Buffer>();
    const endMs = performance.now() + this.#settings.requestTimeoutMs;
    const mayTryAgain = (attempt: number): boolean =>
      attempt < PAUSES_MS.length && performance.now() < endMs && !signal.aborted && !this.#isClosed;
    for (let attempt = 0; ; attempt++) {
      let missed: readonly Missed[];
      let isWorthAnother: boolean;
      let plan: Plan | null = null;
      try {
        const client = await this.#connected();
        const topic = await client.topic(attempt > 0);
        plan = this.#plan(lane, batch, topic);
        const producer = await this.#producer(lane, plan, client);
        missed = await sendShares({
          client,
          topic,
          producer,
          batch,
          plan,
          shared,
          packed,
          compression,
          messageBytesMax,
          words: this.#words,
          explain,
        });
        isWorthAnother = missed.every(({ error }) => isMoving(error) || isProducerForgotten(error) || this.#mayDoWithout(error));
        if (missed.some(({ error }) => isProducerForgotten(error))) lane.forget();
        if (missed.some(({ error }) => this.#mayDoWithout(error))) this.#doWithout(lane);
      } catch (error) {
        const fault = await this.#explain(error);
        missed = [...(plan?.shares.values() ?? [])].map((share) => ({ share, outcome: fault.outcome, error: fault.error, records: [] }));
        isWorthAnother = fault.isWorthAnother;
        if (missed.length === 0 && !(isWorthAnother && mayTryAgain(attempt))) return fault.outcome;
      }
      if (plan !== null && plan.shares.size === 0) {
        lane.plan = null;
        this.#hasWorked = true;
        this.#tell();
        return { type: 'delivered' };
      }
      if (!isWorthAnother || !mayTryAgain(attempt)) {
        const outcome = outcomeOf(missed, batch.records.length);
        // It may come again as it is: under the same numbers then.
        if (outcome.type !== 'retry') lane.giveUp();
        return outcome;
      }
      await sleep(PAUSES_MS[attempt]);
    }
  }

  #plan(lane: Lane, batch: Batch, topic: Topic): Plan {
    const partitions = topic.leaders.length;
    if (lane.plan !== null && lane.plan.batchId === batch.id && lane.plan.partitions === partitions) return lane.plan;
    lane.giveUp();
    lane.plan = planOf(batch.id, batch.records, partitions, this.#keyless(topic));
    if (lane.producer !== null) lane.number(lane.plan);
    return lane.plan;
  }

  /** The partition for what has no key: another one for each batch, with a leader if there is any. */
  #keyless(topic: Topic): number {
    const count = topic.leaders.length;
    for (let i = 0; i < count; i++) {
      const partition = (this.#nextKeyless + i) % count;
      if (topic.leaders[partition] < 0) continue;
      this.#nextKeyless = partition + 1;
      return partition;
    }
    return this.#nextKeyless % count;
  }

  async #producer(lane: Lane, plan: Plan, client: KafkaClient): Promise<Producer> {
    if (!this.#isIdempotent) return NO_PRODUCER;
    if (lane.producer === null) {
      try {
        lane.producer = await client.producerId();
      } catch (error) {
        if (!(error instanceof KafkaFault) || !this.#mayDoWithout(error.error)) throw error;
        this.#doWithout(lane);
        return NO_PRODUCER;
      }
      lane.number(plan);
    }
    return lane.producer;
  }

  #mayDoWithout(error: string): boolean {
    return error === 'CLUSTER_AUTHORIZATION_FAILED' && this.#settings.idempotent === 'auto';
  }

  #doWithout(lane: Lane): void {
    lane.forget();
    if (!this.#isIdempotent) return;
    this.#isIdempotent = false;
    this.#isToBeTold = true;
  }

  /** Only when it works: a user who may not write at all may not be idempotent either, and hears of the former. */
  #tell(): void {
    if (!this.#isToBeTold) return;
    this.#isToBeTold = false;
    this.#context.log.info(
      'the cluster does not let this user be an idempotent producer; it goes on without, and records may come twice more often',
      {
        sink: this.#name,
        next: 'Give it IdempotentWrite on the cluster, then reload; or set idempotent: no.',
      },
    );
  }

  async #explain(error: unknown): Promise<Explained> {
    if (error instanceof FailureError) return { outcome: error.failure, error: '', isWorthAnother: false };
    if (!(error instanceof KafkaFault)) {
      const what = `The sensor cannot deliver to Kafka: ${error instanceof Error ? error.name : 'no reason given'}`;
      const problem = { code: 'sink-fault', what, next: 'Please report it.' };
      return { outcome: { type: 'retry', problem, afterMs: 0 }, error: '', isWorthAnother: false };
    }
    const outcome = await faultOutcome(error, this.#words, {
      advertised: (await this.#client?.catch(() => null))?.advertised ?? [],
      hasWorked: this.#hasWorked,
      look: (whom) => tlsFailure(whom, this.#tls?.material ?? null),
    });
    // A topic that was made a moment ago is not known to every broker yet.
    const isWorthAnother = (outcome.type === 'retry' && error.stage !== 'bootstrap') || isMoving(error.error);
    return { outcome, error: error.error, isWorthAnother };
  }

  #connected(): Promise<KafkaClient> {
    if (this.#isClosed) return Promise.reject(new FailureError(aborted()));
    const tls = this.#tls?.material ?? null;
    if (this.#tls !== null && tls === null) {
      const { problem } = this.#tls;
      if (problem !== null) return Promise.reject(new FailureError({ type: 'blocked', problem }));
    }
    const { topic, clientId, requestTimeoutMs, concurrencyMax } = this.#settings;
    this.#client ??= KafkaClient.open({
      bootstrap: this.#bootstrap,
      topic,
      clientId,
      tls,
      sasl: this.#sasl,
      requestTimeoutMs,
      concurrencyMax,
    });
    return this.#client;
  }

  #dropClient(): void {
    const client = this.#client;
    this.#client = null;
    client?.then((one) => one.close()).catch(() => undefined);
  }

  #headers(batch: Batch): SharedHeaders {
    const own = filledHeaders(this.#settings.headers, batch, this.#name, this.#context);
    return sharedHeaders([['earshot-batch', batch.id], ...own]);
  }
}
