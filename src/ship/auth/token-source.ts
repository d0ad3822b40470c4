/**
 * Tokens for whoever needs them: kept, fetched once for all who ask at the same time, and renewed when four fifths of
 * their life are over, while the old one still serves. A renewal that fails is tried again a little later, until the
 * token ends; only then those who ask are told.
 *
 * Times are those of a clock that nobody sets, so that a jump of the wall clock neither ends a token nor keeps it.
 */

import { readSecret } from '../../base/secret.ts';
import type { AuthSettings, TlsSettings } from '../../base/settings.ts';
import { blocked, FailureError } from '../failure.ts';
import { Clocks, HttpClient } from '../http-client.ts';
import { aborted, connectionFailure } from '../problems.ts';
import type { ProxySettings } from '../proxy.ts';
import type { Problem } from '../sink.ts';
import { type OAuth2Settings, requestToken, type Token } from './oauth2.ts';

export interface TokenSource {
  /** A token that is good now. Rejects with FailureError, whose `failure` is an Outcome: retry or blocked. */
  token(signal: AbortSignal): Promise<string>;
  /** The next token is a fresh one; with `refused`, only when that is the one that is held. */
  refresh(refused?: string): void;
  /** How many requests to the token end-point brought a token. */
  readonly fetched: number;
  /** What the token that is held lasts in all, from when it was asked for; 0: it is not known. */
  readonly lifeMs: number;
  /** Whether certificates on disk changed since they were read. */
  hasChanged(): boolean;
  reload(): Problem | null;
  close(): Promise<void>;
}

export interface TokenSourceOptions {
  /** What a token lasts whose answer does not say it. */
  readonly defaultLifeMs?: number;
  readonly requestTimeoutMs?: number;
  /** A name for certificates of the token end-point; tls.serverName is the sink's and is not used. */
  readonly serverName?: string;
  readonly clocks?: Clocks;
  /** Milliseconds of a clock that only goes forward. */
  readonly monotonicMs?: () => number;
}

const DEFAULT_LIFE_MS = 300_000;
const REQUEST_TIMEOUT_MS = 30_000;
const RENEW_AT = 0.8;
const RETRY_SHARE = 0.02;
const RETRY_MS_MIN = 500;
/** A token is not sent in its last moments: it has to arrive. */
const MARGIN_MS_MAX = 5_000;
const MARGIN_SHARE = 0.05;

/** For OAuth2, and for a token that lies in a file or variable. */
export function tokenSource(auth: AuthSettings, tls: TlsSettings, proxy: ProxySettings, options: TokenSourceOptions = {}): TokenSource {
  if (auth.type === 'oauth2') return new OAuth2Source(auth, tls, proxy, options);
  return {
    async token(): Promise<string> {
      if (auth.type !== 'token') {
        const next = 'Set auth.type to oauth2 or token.';
        throw new FailureError(blocked('credentials-missing', `auth.type ${auth.type} gives no token`, next));
      }
      try {
        return readSecret(auth.token);
      } catch (error) {
        throw new FailureError(connectionFailure(error, { place: '', name: '', Name: '' }));
      }
    },
    refresh: () => undefined,
    fetched: 0,
    lifeMs: 0,
    hasChanged: () => false,
    reload: () => null,
    close: async () => undefined,
  };
}

interface Held extends Token {
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

class OAuth2Source implements TokenSource {
  fetched = 0;
  readonly #settings: OAuth2Settings;
  readonly #http: HttpClient;
  readonly #clocks: Clocks;
  readonly #defaultLifeMs: number;
  readonly #monotonicMs: () => number;
  readonly #ended = new AbortController();
  #held: Held | null = null;
  #flight: Promise<Held> | null = null;
  #notBeforeMs = 0;
  /** Goes up when the held token is put away: a flight that began before does not bring it back. */
  #generation = 0;

  constructor(settings: OAuth2Settings, tls: TlsSettings, proxy: ProxySettings, options: TokenSourceOptions) {
    this.#settings = settings;
    this.#clocks = options.clocks ?? new Clocks();
    this.#defaultLifeMs = options.defaultLifeMs ?? DEFAULT_LIFE_MS;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    this.#http = new HttpClient({
      url: new URL(settings.tokenUrl),
      role: 'the token end-point',
      tls: { ...tls, serverName: options.serverName ?? '' },
      proxy,
      http2: false,
      connectionsMax: 1,
      requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      clocks: this.#clocks,
    });
  }

  get lifeMs(): number {
    return this.#held?.lifeMs ?? 0;
  }

  async token(signal: AbortSignal): Promise<string> {
    const nowMs = this.#monotonicMs();
    const held = this.#held;
    if (held !== null && nowMs < held.endsAtMs) {
      if (nowMs >= held.renewAtMs && nowMs >= this.#notBeforeMs) this.#renew(held);
      return held.value;
    }
    if (signal.aborted) throw new FailureError(aborted());
    return (await untilAborted(this.#fly(), signal)).value;
  }

  refresh(refused?: string): void {
    if (refused !== undefined && this.#held !== null && this.#held.value !== refused) return;
    if (refused !== undefined && this.#held === null) return;
    this.#held = null;
    this.#flight = null;
    this.#generation++;
  }

  hasChanged(): boolean {
    return this.#http.hasChanged();
  }

  reload(): Problem | null {
    return this.#http.reload();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#http.close();
  }

  /** In the background: the old one serves meanwhile. */
  #renew(held: Held): void {
    this.#fly().catch(() => {
      this.#notBeforeMs = this.#monotonicMs() + Math.max(RETRY_MS_MIN, held.lifeMs * RETRY_SHARE);
    });
  }

  /** One at a time; whoever comes meanwhile waits for the same. It belongs to no caller, so none can break it off. */
  #fly(): Promise<Held> {
    if (this.#flight !== null) return this.#flight;
    const generation = this.#generation;
    const flight = this.#fetch()
      .then((held) => {
        if (generation === this.#generation) this.#held = held;
        return held;
      })
      .finally(() => {
        if (this.#flight === flight) this.#flight = null;
      });
    // It may fail when all who waited have left.
    flight.catch(() => undefined);
    this.#flight = flight;
    return flight;
  }

  async #fetch(): Promise<Held> {
    const askedAtMs = this.#monotonicMs();
    const token = await requestToken(this.#settings, this.#http, this.#clocks, this.#ended.signal);
    this.fetched++;
    const lifeMs = token.lifeMs > 0 ? token.lifeMs : this.#defaultLifeMs;
    return {
      value: token.value,
      lifeMs,
      renewAtMs: askedAtMs + lifeMs * RENEW_AT,
      endsAtMs: askedAtMs + lifeMs - Math.min(MARGIN_MS_MAX, lifeMs * MARGIN_SHARE),
    };
  }
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const end = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(new FailureError(aborted()));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
