/**
 * The one place that makes HTTP requests to where data is delivered and tokens come from: connections that are kept,
 * HTTP/1.1 or 2 as TLS agrees upon, proxies, time limits. One client speaks to one host.
 *
 * Redirects are never followed: credentials and data go where the configuration says, or nowhere. Of an answer only the
 * first part is read (64 KiB unless told otherwise), the rest is not waited for. No content coding is asked for; one that
 * comes all the same is taken off, and so much of what it gives is read again.
 */
import type { Transform } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Pool } from 'undici';
import { codeOf } from '../base/errors.ts';
import type { TlsSettings } from '../base/settings.ts';
import { Connector } from './connector.ts';
import { blocked, type Failure, FailureError } from './failure.ts';
import { failed } from './probe.ts';
import { probeConnection } from './probe-connection.ts';
import { NO_SKEW, placeOf, type Skew, type Whom, whomOf } from './problem-words.ts';
import { aborted, connectionFailure, TooLate } from './problems.ts';
import { type HttpProxy, type ProxySettings, proxyFor } from './proxy.ts';
import type { ProbeStep, Problem } from './sink.ts';
import { type Answer, proxyRefused } from './status-problems.ts';
import { TlsFiles } from './tls-options.ts';

export interface HttpClientOptions {
  /** Only its origin counts. */
  readonly url: URL;
  /** "the token end-point"; "" where the place alone says it. */
  readonly role: string;
  readonly tls: TlsSettings;
  readonly proxy: ProxySettings;
  readonly http2: boolean;
  readonly connectionsMax: number;
  /** Of a whole request; making the connection has at most ten seconds of it. */
  readonly requestTimeoutMs: number;
  readonly clocks: Clocks;
}

export interface HttpRequest {
  readonly method: 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
  readonly replyBytesMax?: number;
}

export interface HttpReply extends Answer {
  readonly type: 'reply';
  readonly body: Uint8Array;
  /** The body was longer than what was read of it. */
  readonly isCut: boolean;
  /** The body is as it came: its content coding is not known, or it is not whole in it. */
  readonly isCoded: boolean;
}

/** Clocks of others, by the Date fields of their answers; shared by what serves one sink. */
export class Clocks {
  skew: Skew = NO_SKEW;

  note(date: string, by: string, nowMs: number = Date.now()): void {
    const theirMs = Date.parse(date);
    if (!Number.isNaN(theirMs)) this.skew = { aheadMs: nowMs - theirMs, by };
  }
}

export const REPLY_BYTES_MAX: number = 64 << 10;
const CONNECT_TIMEOUT_MS_MAX = 10_000;
/** Of the whole: what took too long is known only when its own limit comes first. */
const CONNECT_SHARE_MAX = 0.8;
/** Between the 5 s of some servers, which announce it, and the 60 s of load balancers, which do not. */
const KEEP_ALIVE_MS = 30_000;

/** What undici says to the requests that wait for a connection of HTTP/2 which lets none through. */
const NO_STREAM = 'UND_ERR_HEADERS_TIMEOUT';
/** A window of zstd: 8 MiB, as RFC 9659 has it. */
const ZSTD_WINDOW_LOG_MAX = 23;
const CODINGS_MAX = 4;

const gzipAsync = promisify(zlib.gzip);

/** Level 1: three quarters of what level 6 saves, at a quarter of its time. On a thread of libuv's pool. */
export async function compress(body: Uint8Array): Promise<Uint8Array> {
  return await gzipAsync(body, { level: zlib.constants.Z_BEST_SPEED });
}

export class HttpClient {
  readonly whom: Whom;
  readonly #options: HttpClientOptions;
  readonly #files: TlsFiles | null;
  #pool: Pool | null = null;
  #connector: Connector | null = null;
  #proxy: HttpProxy | null = null;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.whom = { ...whomOf(placeOf(options.url), options.role), isPlain: options.url.protocol === 'http:' };
    const isTls = options.url.protocol === 'https:' || options.proxy.url.startsWith('https:') || options.proxy.url === 'environment';
    this.#files = isTls ? new TlsFiles(options.tls) : null;
  }

  /** Ends of the certificates, milliseconds since 1970; null for none, or not known yet. */
  get expiry(): { readonly clientMs: number | null; readonly peerMs: number | null } {
    return { clientMs: this.#files?.material?.clientExpiryMs ?? null, peerMs: this.#connector?.peerExpiryMs ?? null };
  }

  /** Why the certificates on disk cannot be used; those of before are, where there were any. */
  get tlsProblem(): Problem | null {
    return this.#files?.problem ?? null;
  }

  /** Whether the certificates on disk are others than those that were read. */
  hasChanged(): boolean {
    return this.#files?.hasChanged() ?? false;
  }

  /** Certificates anew, for new connections; those that are under way end in peace. */
  reload(): Problem | null {
    const problem = this.#files?.reload() ?? null;
    if (problem === null) void this.#drop();
    return problem;
  }

  /** Sends once. Never throws. An answer of any status is a reply; a failure is whatever gave none. */
  async request(request: HttpRequest): Promise<HttpReply | Failure> {
    const { signal } = request;
    if (signal.aborted) return aborted();
    const { requestTimeoutMs, clocks } = this.#options;
    const controller = new AbortController();
    let phase: TooLate['phase'] = 'answer';
    const startedMs = performance.now();
    const timer = setTimeout(() => controller.abort(new TooLate(phase, requestTimeoutMs)), requestTimeoutMs);
    const onAbort = (): void => controller.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const pool = this.#open();
      const asked = pool.request({
        method: request.method,
        ...this.#target(request),
        body: request.body,
        signal: controller.signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const response = await untilAborted(asked, controller.signal);
      phase = 'body';
      const bytesMax = request.replyBytesMax ?? REPLY_BYTES_MAX;
      const sent = await readUpTo(response.body, bytesMax);
      const plain = await decoded(sent, String(response.headers['content-encoding'] ?? ''), bytesMax);
      const reply = new Reply(response.statusCode, response.headers, plain ?? sent, plain === null);
      // Only a proxy says so: where it passes requests on, in the place of the other side.
      if (reply.status === 407 && this.#proxy !== null && this.#isForwarded()) return proxyRefused(this.#proxy.whom);
      clocks.note(reply.header('date'), this.whom.place);
      return reply;
    } catch (error) {
      if (signal.aborted) return aborted();
      if (controller.signal.aborted) return connectionFailure(controller.signal.reason, this.whom, clocks.skew);
      // What TLS says of it may come a moment behind the end of the connection.
      await setImmediate();
      const late = codeOf(error) === NO_STREAM ? new TooLate(phase, requestTimeoutMs) : null;
      return connectionFailure(late ?? this.#connector?.faultSince(startedMs) ?? error, this.whom, clocks.skew);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Makes a connection of its own, step by step, and closes it. Never throws. */
  async probe(): Promise<ProbeStep[]> {
    const { url, proxy, http2, requestTimeoutMs, clocks } = this.#options;
    if (this.#files?.material === null) return [failed('tls', this.#files.problem as Problem)];
    try {
      return await probeConnection({
        url,
        whom: this.whom,
        proxy: proxyFor(url, proxy),
        material: this.#files?.material ?? null,
        http2,
        limitMs: Math.min(CONNECT_TIMEOUT_MS_MAX, requestTimeoutMs),
        skew: clocks.skew,
      });
    } catch (error) {
      return [failed('proxy', connectionFailure(error, this.whom, clocks.skew).problem)];
    }
  }

  async close(): Promise<void> {
    await this.#drop(true);
  }

  #open(): Pool {
    if (this.#pool !== null) return this.#pool;
    const { url, proxy, http2, connectionsMax, requestTimeoutMs, clocks } = this.#options;
    if (this.#files?.material === null) {
      const { code, what, next } = this.#files.problem as Problem;
      throw new FailureError(blocked(code, what, next));
    }
    this.#proxy = proxyFor(url, proxy);
    const connector = new Connector({
      url,
      whom: this.whom,
      proxy: this.#proxy,
      tls: () => this.#files?.material ?? null,
      http2,
      timeoutMs: Math.min(CONNECT_TIMEOUT_MS_MAX, requestTimeoutMs * CONNECT_SHARE_MAX),
      skew: () => clocks.skew,
    });
    if (this.#connector !== null) connector.peerExpiryMs = this.#connector.peerExpiryMs;
    this.#connector = connector;
    this.#pool = new Pool((this.#isForwarded() ? (this.#proxy as HttpProxy).url : url).origin, {
      connections: connectionsMax,
      allowH2: http2,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: REPLY_BYTES_MAX,
      // Requests have their own limit; this one is for a connection of HTTP/2 that lets none through. It is given up then.
      headersTimeout: requestTimeoutMs,
      connect: (_options, callback) => {
        connector.connect().then(
          (socket) => callback(null, socket),
          (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
        );
      },
    });
    return this.#pool;
  }

  /** Plain HTTP goes to the proxy with its whole URL. */
  #isForwarded(): boolean {
    return this.#proxy !== null && this.#options.url.protocol === 'http:';
  }

  #target({ url, headers: given }: HttpRequest): { path: string; headers: Record<string, string> } {
    const path = `${url.pathname}${url.search}`;
    const headers = { 'accept-encoding': 'identity', ...given };
    if (!this.#isForwarded()) return { path, headers };
    const authorization = this.#proxy?.authorization() ?? '';
    const credentials: Record<string, string> = authorization === '' ? {} : { 'proxy-authorization': authorization };
    return { path: `${url.origin}${path}`, headers: { ...headers, ...credentials, host: url.host } };
  }

  async #drop(isEnd = false): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    this.#connector?.forget();
    if (pool === null) return;
    await (isEnd ? pool.destroy() : pool.close()).catch(() => undefined);
  }
}

/** The first part of a body. */
interface Part {
  readonly bytes: Uint8Array;
  /** There is more. */
  readonly isCut: boolean;
}

async function readUpTo(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Part> {
  const chunks: Uint8Array[] = [];
  let room = bytesMax;
  for await (const chunk of source) {
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    room -= chunk.length;
    if (room < 0) break;
  }
  return { bytes: Buffer.concat(chunks), isCut: room < 0 };
}

/** Takes the codings of Content-Encoding off, the last first (RFC 9110, section 8.4). null: not known, or broken. */
async function decoded(part: Part, contentEncoding: string, bytesMax: number): Promise<Part | null> {
  const codings = contentEncoding.toLowerCase().split(/[\s,]+/);
  let plain = part;
  for (const coding of codings.filter((name) => name !== '' && name !== 'identity').reverse()) {
    if (plain.bytes.length === 0) break;
    const decoder = codings.length > CODINGS_MAX ? null : decoderOf(coding, plain);
    if (decoder === null) return null;
    try {
      decoder.end(plain.bytes);
      const inner = await readUpTo(decoder, bytesMax);
      // Nothing of it could be unpacked: that it is empty is not said.
      if (plain.isCut && inner.bytes.length === 0) return null;
      plain = { bytes: inner.bytes, isCut: inner.isCut || plain.isCut };
    } catch {
      return null;
    }
  }
  return plain;
}

/** It streams, so that it unpacks no more than is read of it. What is cut is unpacked as far as it goes. */
function decoderOf(coding: string, { bytes, isCut }: Part): Transform | null {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush, ZSTD_d_windowLogMax } = zlib.constants;
  const zlibOptions = isCut ? { finishFlush: Z_SYNC_FLUSH } : {};
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip(zlibOptions);
    case 'deflate':
      // Some leave the zlib header out (RFC 9110, section 8.4.1.2).
      return (bytes[0] & 0x0f) === 8 ? zlib.createInflate(zlibOptions) : zlib.createInflateRaw(zlibOptions);
    case 'br':
      return zlib.createBrotliDecompress(isCut ? { finishFlush: BROTLI_OPERATION_FLUSH } : {});
    case 'zstd':
      return zlib.createZstdDecompress({
        params: { [ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
        ...(isCut ? { finishFlush: ZSTD_e_flush } : {}),
      });
    default:
      return null;
  }
}

/** An aborted request that undici still holds in a queue ends only when its turn comes. */
async function untilAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  const end = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return await Promise.race([asked, end]);
}

class Reply implements HttpReply {
  readonly type = 'reply';
  readonly status: number;
  readonly body: Uint8Array;
  readonly isCut: boolean;
  readonly isCoded: boolean;
  readonly #headers: Readonly<Record<string, string | string[] | undefined>>;

  constructor(status: number, headers: Readonly<Record<string, string | string[] | undefined>>, { bytes, isCut }: Part, isCoded: boolean) {
    this.status = status;
    this.#headers = headers;
    this.body = bytes;
    this.isCut = isCut;
    this.isCoded = isCoded;
  }

  header(name: string): string {
    const value = this.#headers[name];
    return (Array.isArray(value) ? value[0] : value) ?? '';
  }

  text(): string {
    return Buffer.from(this.body.buffer, this.body.byteOffset, Math.min(this.body.byteLength, REPLY_BYTES_MAX)).toString();
  }
}
