/**
 * A Kafka cluster, as far as a sink needs it: who leads which partition, ids for producers, and produce requests. What
 * speaks the protocol is @platformatic/kafka: connections, versions of requests, SCRAM (kafka-sasl.ts), lz4 and snappy
 * (kafka-compress.ts). It is loaded when the first client is made, because it is large.
 *
 *   bootstrap -> any broker that answers -> its view of the topic: leaders, and what address each broker advertises
 *                                        -> a connection to each leader, over the advertised address
 *
 * Every version of the protocol that is spoken is one that brokers from Kafka 2.4 up to 4.x know.
 *
 * Its producer is not used: it resets the sequence numbers of all batches under way when one of them fails, with which a
 * broker can take a new batch for one that it has; it can throw inside of socket events when a topic was made anew with
 * fewer partitions; and what it says of a failure does not tell which records are written.
 */
import { isIP } from 'node:net';
import type { API, Connection, ConnectionPool, Reader, Writer } from '@platformatic/kafka';
import { formatHostPort, type HostPort } from '../../base/listen-address.ts';
import type { TlsMaterial } from '../tls-options.ts';
import { apiErrorOf, codeBelow, KafkaFault } from './kafka-fault.ts';
import { type FrameFault, guardFrames } from './kafka-frames.ts';
import { type Part, type PartResult, producePayload } from './kafka-produce.ts';
import type { Producer } from './kafka-records.ts';
import type { Sasl } from './kafka-sasl.ts';
import { namedTls } from './kafka-tls.ts';

type Library = typeof import('@platformatic/kafka');
type ProduceResponse = ReturnType<Library['produceV8']['parseResponse']>;

export interface KafkaClientOptions {
  readonly bootstrap: readonly HostPort[];
  readonly topic: string;
  readonly clientId: string;
  /** null: not by TLS. */
  readonly tls: TlsMaterial | null;
  readonly sasl: Sasl | null;
  readonly requestTimeoutMs: number;
  /** Produce requests that may be under way over one connection. */
  readonly concurrencyMax: number;
}

export interface Topic {
  /** By partition: the broker that leads it, -1 for none at present. */
  readonly leaders: readonly number[];
}

/** A topic, for somebody who wants to know how it stands with it. */
export interface TopicDescription extends Topic {
  /** Bits of the operations that this user may do with it (KIP-430); -2^31: the cluster does not say. */
  readonly operations: number;
  /** Where the leaders of its partitions are. */
  readonly leaderPlaces: readonly string[];
}

const CONNECT_TIMEOUT_MS_MAX = 10_000;
const TOPIC_AGE_MS_MAX = 60_000;
/** A broker answers before it is given up. */
const BROKER_TIME_SHARE = 0.8;
const PRODUCE = 0;
const METADATA = 3;
const INIT_PRODUCER_ID = 22;
const needed = [
  [PRODUCE, 8],
  [METADATA, 8],
  [INIT_PRODUCER_ID, 1],
] as const;

let library: Promise<Library> | undefined;

export function loadKafka(): Promise<Library> {
  library ??= import('@platformatic/kafka');
  return library;
}

export class KafkaClient {
  readonly #kafka: Library;
  readonly #options: KafkaClientOptions;
  readonly #pools: Readonly<Record<'names' | 'addresses', ConnectionPool>>;
  readonly #checked = new WeakSet<Connection>();
  /** What went wrong in a connection last: its requests only hear that it was closed. */
  readonly #faults = new WeakMap<Connection, unknown>();
  readonly #frames = new WeakMap<Connection, FrameFault>();
  /** The connection to a place that was opened last. */
  readonly #latest = new Map<string, Connection>();
  #brokers = new Map<number, HostPort>();
  #turn = 0;
  #topic: (Topic & { readonly atMs: number }) | null = null;
  #asking: Promise<Topic> | null = null;
  #underWay = 0;
  #isClosing = false;

  static async open(options: KafkaClientOptions): Promise<KafkaClient> {
    return new KafkaClient(await loadKafka(), options);
  }

  private constructor(kafka: Library, options: KafkaClientOptions) {
    this.#kafka = kafka;
    this.#options = options;
    this.#pools = { names: this.#openPool(true), addresses: this.#openPool(false) };
  }

  #openPool(isOfNames: boolean): ConnectionPool {
    const { tls, sasl, requestTimeoutMs, concurrencyMax, clientId } = this.#options;
    const pool = new this.#kafka.ConnectionPool(clientId, {
      connectTimeout: Math.min(requestTimeoutMs, CONNECT_TIMEOUT_MS_MAX),
      requestTimeout: requestTimeoutMs,
      maxInflights: concurrencyMax + 1,
      ...(tls === null ? {} : namedTls(tls, isOfNames)),
      ...(sasl === null ? {} : { sasl: sasl.options(this.#kafka) }),
    });
    pool.on('connecting', ({ broker, connection }) => this.#watch(formatHostPort(broker), connection));
    return pool;
  }

  get crc32c(): (bytes: Buffer) => number {
    return this.#kafka.crc32c;
  }

  get hasSasl(): boolean {
    return this.#options.sasl !== null;
  }

  /** Addresses that the cluster has advertised. */
  get advertised(): readonly string[] {
    return [...this.#brokers.values()].map(formatHostPort);
  }

  /** The topic as some broker sees it; `fresh`: as it is now. Rejects with KafkaFault. */
  topic(fresh: boolean): Promise<Topic> {
    const known = this.#topic;
    if (!fresh && known !== null && performance.now() - known.atMs < TOPIC_AGE_MS_MAX) return Promise.resolve(known);
    this.#asking ??= this.#askForTopic().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** An id under which the brokers tell batches apart that they have already. Rejects with KafkaFault. */
  async producerId(): Promise<Producer> {
    const [place, connection] = await this.#anyBroker();
    try {
      const { producerId, producerEpoch } = await call(this.#kafka.initProducerIdV1.api, connection, null, 0, -1n, -1);
      return { id: producerId, epoch: producerEpoch };
    } catch (error) {
      throw this.#fault('producer-id', place, connection, error);
    }
  }

  /** One request to one broker. Rejects with KafkaFault. */
  async produce(broker: number, parts: readonly Part[]): Promise<PartResult[]> {
    const address = this.#brokers.get(broker);
    if (address === undefined) throw new KafkaFault('advertised', `broker ${broker}`, null, { error: 'BROKER_NOT_AVAILABLE' });
    const place = formatHostPort(address);
    const connection = await this.#connect('advertised', address);
    this.#underWay++;
    try {
      return await this.#request(place, connection, parts);
    } catch (error) {
      throw this.#fault('produce', place, connection, error);
    } finally {
      if (--this.#underWay === 0 && this.#isClosing) this.#end();
    }
  }

  /** Closes when nothing is under way any more. */
  close(): void {
    this.#isClosing = true;
    if (this.#underWay === 0) this.#end();
  }

  #end(): void {
    for (const pool of Object.values(this.#pools)) pool.close(() => undefined);
    for (const connection of this.#latest.values()) connection.socket?.destroy();
    this.#latest.clear();
  }

  async #request(place: string, connection: Connection, parts: readonly Part[]): Promise<PartResult[]> {
    const { topic, requestTimeoutMs } = this.#options;
    const pieces = producePayload(topic, Math.round(requestTimeoutMs * BROKER_TIME_SHARE), parts);
    const payload = (): Writer => {
      const writer = this.#kafka.Writer.create();
      for (const piece of pieces) writer.append(piece);
      return writer;
    };
    const parse = (correlation: number, key: number, version: number, reader: Reader): ProduceResponse => {
      try {
        return this.#kafka.produceV8.parseResponse(correlation, key, version, reader);
      } catch (error) {
        return responseOf<ProduceResponse>(error);
      }
    };
    const response = await new Promise<ProduceResponse>((resolve, reject) => {
      connection.send(PRODUCE, 8, payload, parse, false, false, (error, answer) => {
        if (error) reject(error);
        else if (answer === undefined) reject(new Error('no answer'));
        else resolve(answer);
      });
    });
    return response.responses.flatMap(({ partitionResponses }) =>
      partitionResponses.map(({ index, errorCode, recordErrors }) => ({
        partition: index,
        place,
        error: this.#errorName(errorCode),
        records: recordErrors.map(({ batchIndex }) => batchIndex),
      })),
    );
  }

  /** The topic as it is now, with the rights to it. Rejects with KafkaFault. */
  describe(): Promise<TopicDescription> {
    return this.#askForTopic(true);
  }

  async #askForTopic(withRights = false): Promise<TopicDescription> {
    const [place, connection] = await this.#anyBroker();
    const { metadataV8 } = this.#kafka;
    const name = this.#options.topic;
    let response: Awaited<ReturnType<typeof metadataV8.api.async>>;
    try {
      response = await call(metadataV8.api, connection, [name], false, withRights, false);
    } catch (error) {
      try {
        // One partition without a leader is no reason to know nothing of the others.
        response = responseOf(error);
      } catch {
        throw this.#fault('metadata', place, connection, error);
      }
    }
    if (response.brokers.length > 0) {
      this.#brokers = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    }
    const found = response.topics.find((one) => one.name === name);
    const error = found === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : this.#errorName(found.errorCode);
    const partitions = found?.partitions ?? [];
    if (error !== '' || partitions.length === 0) {
      throw new KafkaFault('metadata', place, null, { error: error || 'UNKNOWN_TOPIC_OR_PARTITION' });
    }
    const leaders = new Array<number>(partitions.length).fill(-1);
    for (const { partitionIndex, leaderId } of partitions) {
      if (partitionIndex < leaders.length) leaders[partitionIndex] = leaderId;
    }
    this.#topic = { leaders, atMs: performance.now() };
    const leading = [...new Set(leaders)].map((id) => this.#brokers.get(id)).filter((address) => address !== undefined);
    return { leaders, operations: found?.topicAuthorizedOperations ?? 0, leaderPlaces: leading.map(formatHostPort) };
  }

  /** A connection to a broker: those of the configuration first, in turn, then those that the cluster has named. */
  async #anyBroker(): Promise<readonly [place: string, connection: Connection]> {
    const { bootstrap } = this.#options;
    const first = this.#turn;
    const candidates = [...bootstrap.map((_, i) => bootstrap[(first + i) % bootstrap.length]), ...this.#brokers.values()];
    const faults: KafkaFault[] = [];
    const tried = new Set<string>();
    for (const address of candidates) {
      const place = formatHostPort(address);
      if (tried.has(place)) continue;
      tried.add(place);
      try {
        return [place, await this.#connect('bootstrap', address)];
      } catch (error) {
        if (!(error instanceof KafkaFault)) throw error;
        this.#turn++;
        faults.push(error);
      }
    }
    throw new KafkaFault('bootstrap', faults[0]?.place ?? '', faults[0]?.cause, { ...faults[0], others: faults });
  }

  async #connect(stage: 'bootstrap' | 'advertised', address: HostPort): Promise<Connection> {
    const place = formatHostPort(address);
    let connection: Connection;
    try {
      connection = await new Promise<Connection>((resolve, reject) => {
        this.#pools[isIP(address.host) === 0 ? 'names' : 'addresses'].get(address, (error, opened) => {
          if (error) reject(error);
          else if (opened === undefined) reject(new Error('no connection'));
          else resolve(opened);
        });
      });
    } catch (error) {
      throw this.#fault(stage, place, this.#latest.get(place), error);
    }
    if (this.#checked.has(connection)) return connection;
    try {
      const { apiKeys } = await call(this.#kafka.apiVersionsV0.api, connection, '', '');
      const isOld = needed.some(([key, version]) => {
        const range = apiKeys.find(({ apiKey }) => apiKey === key);
        return range === undefined || range.minVersion > version || range.maxVersion < version;
      });
      if (isOld) throw new KafkaFault(stage, place, null, { error: 'UNSUPPORTED_VERSION' });
    } catch (error) {
      if (error instanceof KafkaFault) throw error;
      throw this.#fault(stage, place, connection, error, 'silent');
    }
    this.#checked.add(connection);
    return connection;
  }

  #watch(place: string, connection: Connection): void {
    this.#latest.set(place, connection);
    // It may say so more than once, and an error that nobody listens to would end the process.
    connection.on('error', (error) => {
      if (!this.#faults.has(connection) || codeBelow(error) !== '') this.#faults.set(connection, error);
    });
    // The socket is there right after this.
    connection.once('connecting', () => {
      queueMicrotask(() => {
        if (connection.socket) guardFrames(connection.socket, (fault) => this.#frames.set(connection, fault));
      });
    });
  }

  /** `unless`: what a connection that was just closed means, when nothing better is known. */
  #fault(
    stage: KafkaFault['stage'],
    place: string,
    connection: Connection | undefined,
    error: unknown,
    unless: FrameFault = '',
  ): KafkaFault {
    const frame = (connection && this.#frames.get(connection)) || '';
    const known = connection && this.#faults.get(connection);
    const wasClosed = codeBelow(error) === '' && apiErrorOf(error) === '';
    const cause = wasClosed && known !== undefined ? known : error;
    const isSilent = wasClosed && codeBelow(cause) === '' && error instanceof Error && error.message.includes('Connection closed');
    return new KafkaFault(stage, place, cause, { frame: frame || (isSilent ? unless : '') });
  }

  #errorName(code: number): string {
    if (code === 0) return '';
    const names: Readonly<Record<number, string>> = this.#kafka.protocolErrorsCodesById;
    return names[code] ?? `error ${code}`;
  }
}

/** An API of the library as a promise, which does not mind being answered twice. */
function call<Arguments extends unknown[], Response>(
  api: API<Arguments, Response>,
  connection: Connection,
  ...given: Arguments
): Promise<Response> {
  return new Promise<Response>((resolve, reject) => {
    const answer = (error: Error | null, response?: Response): void => {
      if (error) reject(error);
      else resolve(response as Response);
    };
    (api as unknown as (connection: Connection, ...rest: unknown[]) => void)(connection, ...given, answer);
  });
}

/** The library throws answers that hold an error code of Kafka's; the answer itself is in there. */
function responseOf<Response>(error: unknown): Response {
  if (error instanceof Error && 'response' in error && error.response !== undefined) return error.response as Response;
  throw error;
}
