/** Delivery over HTTP, as far as it is the same for every kind: one POST a batch, and what the answer means for it. */
import { randomUUID } from 'node:crypto';
import { SensorError } from '../../base/errors.ts';
import type { HttpSinkSettings } from '../../base/settings.ts';
import { type Auth, authOf } from '../auth/auth.ts';
import type { Batch } from '../batch.ts';
import { type Failure, FailureError } from '../failure.ts';
import type { Framing } from '../framing.ts';
import { Clocks, compress, HttpClient, type HttpReply, REPLY_BYTES_MAX } from '../http-client.ts';
import { clockProblem, failed, passed } from '../probe.ts';
import { duration } from '../problem-words.ts';
import { connectionFailure } from '../problems.ts';
import type { Outcome, ProbeStep, Problem, Sink } from '../sink.ts';
import { type Answer, type NotDelivered, namedStatus, statusOutcome } from '../status-problems.ts';
import { FileWatch } from './file-watch.ts';
import { successOutcome } from './http-reply.ts';
import { filledHeaders, type SinkContext } from './sink-context.ts';

/** What one kind of sink has of its own. */
export interface HttpSinkKind {
  /** What is wrong with the settings, as a clause, and what to do; null when nothing is. */
  check(settings: HttpSinkSettings, url: URL): readonly [why: string, next: string] | null;
  /** What a token lasts whose answer does not say it. */
  readonly tokenLifeMs: number;
}

/** What a test delivery is made of. */
export type EmptyBatchFraming = Pick<Framing, 'mediaType' | 'begin' | 'end'>;

const jsonLines: EmptyBatchFraming = { mediaType: 'application/x-ndjson', begin: () => Buffer.alloc(0), end: () => Buffer.alloc(0) };

/**
 * Answers to a batch without records that come from behind the door: it was found, and let in. What they do not like is
 * that it is empty.
 */
const emptyRefused = new Set([400, 411, 413, 415, 422]);

/** Replies that say how it went with each record are longer; so much more is read for each. */
const REPLY_BYTES_PER_RECORD = 512;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Fields that say how the message is framed or routed: not for the configuration. */
const ownFields = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A URL that a sink can post to. Throws SensorError (config-invalid). */
function urlOf(name: string, settings: HttpSinkSettings, kind: HttpSinkKind): URL {
  const what = `Cannot use the sink ${name}`;
  const url = URL.parse(settings.url);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new SensorError('config-invalid', what, 'its url is none of https:// or http://', 'Write it as https://HOST/PATH.');
  }
  if (url.username !== '' || url.password !== '') {
    throw new SensorError('config-invalid', what, 'its url holds a user or a password', 'Put them into auth: { type: basic, ... }.');
  }
  for (const [field, value] of Object.entries(settings.headers)) {
    if (ownFields.has(field.toLowerCase()) || !FIELD_NAME.test(field) || !FIELD_VALUE.test(value)) {
      const why = `the header field ${JSON.stringify(field)} cannot be set, or its value has characters that none may have`;
      throw new SensorError('config-invalid', what, why, 'Take it out of headers, or correct it.');
    }
  }
  const fault = kind.check(settings, url);
  if (fault !== null) throw new SensorError('config-invalid', what, fault[0], fault[1]);
  url.hash = '';
  return url;
}

export class HttpSink implements Sink {
  readonly concurrencyMax: number;
  readonly batchBytesMax: number;
  readonly #name: string;
  readonly #settings: HttpSinkSettings;
  readonly #context: SinkContext;
  readonly #framing: EmptyBatchFraming;
  readonly #url: URL;
  readonly #http: HttpClient;
  readonly #auth: Auth;
  readonly #clocks = new Clocks();
  readonly #watch: FileWatch;

  constructor(name: string, settings: HttpSinkSettings, context: SinkContext, kind: HttpSinkKind, framing: EmptyBatchFraming = jsonLines) {
    this.#name = name;
    this.#framing = framing;
    this.#settings = settings;
    this.#context = context;
    this.#url = urlOf(name, settings, kind);
    this.concurrencyMax = settings.concurrencyMax;
    this.batchBytesMax = settings.batch.bytesMax;
    const proxy = { url: settings.proxy, user: settings.proxyUser, password: settings.proxyPassword };
    this.#http = new HttpClient({
      url: this.#url,
      role: '',
      tls: settings.tls,
      proxy,
      http2: settings.http2,
      connectionsMax: settings.concurrencyMax,
      requestTimeoutMs: settings.requestTimeoutMs,
      clocks: this.#clocks,
    });
    const tokenHost = settings.auth.type === 'oauth2' ? URL.parse(settings.auth.tokenUrl)?.hostname : undefined;
    this.#auth = authOf(settings.auth, settings.tls, proxy, {
      defaultLifeMs: kind.tokenLifeMs,
      requestTimeoutMs: settings.requestTimeoutMs,
      clocks: this.#clocks,
      // tls.serverName is for the host of the sink; where that gives the tokens too, for both.
      serverName: tokenHost === this.#url.hostname ? settings.tls.serverName : '',
    });
    this.#watch = new FileWatch(name, context.log, {
      hasChanged: () => this.#http.hasChanged() || this.#auth.hasChanged(),
      reload: () => this.reload(),
    });
    if (this.#http.tlsProblem !== null) this.#watch.warnAtStart(this.#http.tlsProblem);
  }

  /** Ends of the certificates of both sides, milliseconds since 1970; null for none, or not seen yet. */
  get expiry(): { readonly clientMs: number | null; readonly peerMs: number | null } {
    return this.#http.expiry;
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    const reply = await this.#exchange(batch, signal);
    return reply.type === 'reply' ? this.#outcome(reply, batch) : reply;
  }

  /** Name, TCP, proxy and TLS of a connection of its own; a token; and a batch without records by the usual way. */
  async probe(signal: AbortSignal): Promise<readonly ProbeStep[]> {
    const steps = await this.#http.probe();
    if (steps.at(-1)?.ok !== true || signal.aborted) return steps;
    if (this.#auth.credentials !== '') {
      const token = await this.#probeToken(signal);
      steps.push(token);
      if (!token.ok || signal.aborted) return steps;
    }
    const isTold = steps.at(-1)?.problem?.code === 'clock-skewed';
    steps.push(await this.#probeDelivery(signal, isTold));
    return steps;
  }

  async #probeToken(signal: AbortSignal): Promise<ProbeStep> {
    try {
      await this.#auth.authorization(signal);
    } catch (error) {
      return failed('token', connectionFailure(error, this.#http.whom, this.#clocks.skew).problem);
    }
    const { credentials } = this.#auth;
    const lifeMs = this.#auth.lifeMs();
    const { auth } = this.#settings;
    const detail =
      auth.type !== 'oauth2'
        ? `${credentials} can be read`
        : `${URL.parse(auth.tokenUrl)?.host ?? 'the token end-point'} gave one${lifeMs > 0 ? ` for ${duration(lifeMs)}` : ''}`;
    return passed('token', detail, clockProblem(this.#clocks.skew));
  }

  async #probeDelivery(signal: AbortSignal, isClockTold: boolean): Promise<ProbeStep> {
    const { mediaType, begin, end } = this.#framing;
    const body = Buffer.concat([begin(), end()]);
    const batch: Batch = { id: `probe-${randomUUID()}`, records: [], body: () => body, mediaType, bytes: 0, acceptedAtMs: Date.now() };
    const reply = await this.#exchange(batch, signal);
    if (reply.type !== 'reply') return failed('delivery', reply.problem);
    const outcome = this.#outcome(reply, batch);
    // 400 may mean that TLS is missing: then it is no matter of content.
    const isIn = outcome.type === 'delivered' || (outcome.type !== 'retry' && emptyRefused.has(reply.status) && !isMisplaced(outcome));
    if (!isIn) return failed('delivery', 'problem' in outcome ? outcome.problem : unclearReply(this.#http.whom.name));
    const said = outcome.type === 'delivered' ? 'taken' : 'reached and let in; it only wants no batch without records';
    return passed(
      'delivery',
      `a batch without records: ${namedStatus(reply.status)}, ${said}`,
      isClockTold ? null : clockProblem(this.#clocks.skew),
    );
  }

  /** Posts a batch, and once more with a fresh token when the first is refused. */
  async #exchange(batch: Batch, signal: AbortSignal): Promise<HttpReply | Failure> {
    try {
      const isGzip = this.#settings.compression === 'gzip';
      const body = isGzip ? await compress(batch.body()) : batch.body();
      const headers = this.#headers(batch, isGzip);
      const authorization = await this.#auth.authorization(signal);
      const reply = await this.#post(batch, headers, body, authorization, signal);
      // 401: one fresh token. What is refused with that too needs somebody's hand.
      if (reply.type !== 'reply' || reply.status !== 401 || !this.#auth.refused(authorization)) return reply;
      const fresh = await this.#auth.authorization(signal);
      return await this.#post(batch, headers, body, fresh, signal);
    } catch (error) {
      return error instanceof FailureError ? error.failure : connectionFailure(error, this.#http.whom, this.#clocks.skew);
    }
  }

  async reload(): Promise<Problem | null> {
    const problems = [this.#http.reload(), this.#auth.reload()];
    return problems.find((problem) => problem !== null) ?? null;
  }

  async close(): Promise<void> {
    this.#watch.close();
    await Promise.all([this.#http.close(), this.#auth.close()]);
  }

  async #post(
    batch: Batch,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    authorization: string,
    signal: AbortSignal,
  ): Promise<HttpReply | Failure> {
    return await this.#http.request({
      method: 'POST',
      url: this.#url,
      headers: authorization === '' ? headers : { ...headers, authorization },
      body,
      signal,
      replyBytesMax: REPLY_BYTES_MAX + batch.records.length * REPLY_BYTES_PER_RECORD,
    });
  }

  #outcome(reply: HttpReply, batch: Batch): Outcome {
    const { whom } = this.#http;
    const nowMs = Date.now();
    const judge = (answer: Answer): NotDelivered =>
      statusOutcome(answer, this.#url, whom, this.#auth.credentials, this.#clocks.skew, nowMs);
    if (reply.status < 200 || reply.status >= 300) return judge(reply);
    return successOutcome(reply, batch.records.length, { url: this.#url, whom, nowMs, judge });
  }

  #headers(batch: Batch, isGzip: boolean): Record<string, string> {
    const headers: Record<string, string> = {
      'content-type': batch.mediaType,
      accept: 'application/json',
      'user-agent': `earshot/${this.#context.version}`,
      'idempotency-key': batch.id,
    };
    for (const [field, value] of filledHeaders(this.#settings.headers, batch, this.#name, this.#context)) {
      headers[field.toLowerCase()] = value;
    }
    if (isGzip) headers['content-encoding'] = 'gzip';
    return headers;
  }
}

/** The set-up is wrong, whatever is sent. */
function isMisplaced(outcome: Outcome): boolean {
  return outcome.type === 'blocked' && outcome.problem.code !== 'media-type-refused' && outcome.problem.code !== 'status-unexpected';
}

function unclearReply(name: string): Problem {
  return {
    code: 'reply-unclear',
    what: `${name} says of records that were not sent how it went with them`,
    next: 'Look at what listens there.',
  };
}
