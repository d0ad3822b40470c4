/**
 * Connections: TCP, through a proxy where there is one, and TLS, each step with a time limit and with errors that say
 * which of them failed.
 *
 * The server's certificate is judged by Node and OpenSSL, as always; only what follows from it is decided here: a
 * socket that is not `authorized` is closed before a byte is sent, and the certificate is kept for the words. (Node by
 * itself would close it before anybody can ask who signed it.)
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { codeOf } from '../base/errors.ts';
import { FailureError } from './failure.ts';
import type { Skew, Whom } from './problem-words.ts';
import { connectionFailure, TooLate } from './problems.ts';
import { type HttpProxy, openTunnel } from './proxy.ts';
import type { TlsMaterial } from './tls-options.ts';
import { type CertificateFacts, CertificateRefused } from './tls-problems.ts';

export interface ConnectorOptions {
  readonly url: URL;
  readonly whom: Whom;
  readonly proxy: HttpProxy | null;
  /** Not asked for where neither URL nor proxy is https. */
  readonly tls: () => TlsMaterial | null;
  readonly http2: boolean;
  readonly timeoutMs: number;
  readonly skew: () => Skew;
}

/** Told while a connection is made: which parts of it are there. */
interface Progress {
  readonly onTcp?: (socket: Socket) => void;
  /** The proxy has opened the way. */
  readonly onTunnel?: () => void;
  readonly onTls?: (socket: TLSSocket) => void;
}

const KEEP_ALIVE_MS = 30_000;
const CHAIN_DEPTH_MAX = 10;
/** Of one host; TLS 1.3 tickets are for one use each. */
const SESSIONS_MAX = 8;

export class Connector {
  readonly #options: ConnectorOptions;
  #sessions: Buffer[] = [];
  /** End of the server's certificate as it was seen last, milliseconds since 1970. */
  peerExpiryMs: number | null = null;
  #fault: Error | null = null;
  #faultAtMs = 0;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** A socket over which HTTP can be spoken. Rejects with FailureError. */
  async connect(progress: Progress = {}): Promise<Socket> {
    const { url, whom, proxy, http2, skew } = this.#options;
    const limit = new Limit(this.#options.timeoutMs);
    let party = proxy === null ? whom : proxy.whom;
    try {
      const first = proxy === null ? url : proxy.url;
      let socket = await limit.during('connect', openTcp(first));
      progress.onTcp?.(socket);
      if (proxy !== null && proxy.url.protocol === 'https:') {
        socket = await limit.during('tls', this.#secure(socket, proxy.url.hostname, '', ['http/1.1'], null));
      }
      if (url.protocol !== 'https:') return socket;
      if (proxy !== null) {
        await limit.during('proxy', openTunnel(socket, proxy, placeWithPort(url)), socket);
        party = whom;
        progress.onTunnel?.();
      }
      const protocols = http2 ? ['h2', 'http/1.1'] : ['http/1.1'];
      const secured = await limit.during('tls', this.#secure(socket, url.hostname, this.#options.tls()?.serverName ?? '', protocols, this));
      progress.onTls?.(secured);
      return secured;
    } catch (error) {
      throw new FailureError(connectionFailure(error, party, skew()));
    } finally {
      limit.end();
    }
  }

  /**
   * What the server objected to in TLS since then. In TLS 1.3 it judges the client's certificate when the connection
   * already counts as made (RFC 8446, section 4.4.2.4), and the request only sees that it was broken off.
   */
  faultSince(atMs: number): Error | null {
    return this.#faultAtMs >= atMs ? this.#fault : null;
  }

  /** Sessions are forgotten: the next connections judge the certificate anew. */
  forget(): void {
    this.#sessions = [];
  }

  #secure(socket: Socket, hostname: string, wantedName: string, protocols: string[], keeper: Connector | null): Cancellable<TLSSocket> {
    const host = hostname.replace(/^\[|\]$/g, '');
    const name = wantedName || host;
    const session = keeper === null ? undefined : this.#sessions.pop();
    const secured = connectTls({
      socket,
      host: name,
      servername: isIP(name) === 0 ? name : '',
      secureContext: this.#options.tls()?.context,
      ALPNProtocols: protocols,
      // Judged below, before anything is sent.
      rejectUnauthorized: false,
      ...(session === undefined ? {} : { session }),
    });
    secured.once('close', () => socket.destroy());
    return cancellable(secured, (resolve, reject) => {
      secured.once('error', reject);
      secured.once('secureConnect', () => {
        const certificate = secured.getPeerCertificate(true) as DetailedPeerCertificate | Record<string, never> | null;
        const chain = chainOf(certificate);
        if (!secured.authorized) {
          secured.destroy();
          reject(new CertificateRefused(refusalOf(secured), factsOf(chain, Date.now()), name));
          return;
        }
        secured.off('error', reject);
        if (keeper !== null) {
          if (chain.length > 0) keeper.peerExpiryMs = Date.parse(chain[0].valid_to);
          secured.on('error', (error) => {
            // Node only says so and leaves it open, where it would be used again.
            secured.destroy();
            if (!codeOf(error).startsWith('ERR_SSL_')) return;
            keeper.#fault = error;
            keeper.#faultAtMs = performance.now();
          });
          secured.on('session', (ticket) => {
            if (keeper.#sessions.length < SESSIONS_MAX) keeper.#sessions.push(ticket);
          });
        }
        resolve(secured);
      });
    });
  }
}

/** Why a certificate was not taken: Node says it as a code, although its types say Error. */
function refusalOf(socket: TLSSocket): string {
  const error: unknown = socket.authorizationError;
  if (typeof error === 'string') return error;
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNSPECIFIED';
}

interface Cancellable<T> {
  readonly promise: Promise<T>;
  readonly cancel: () => void;
}

function cancellable<T extends Socket>(
  socket: T,
  start: (resolve: (socket: T) => void, reject: (error: Error) => void) => void,
): Cancellable<T> {
  const promise = new Promise<T>(start);
  return { promise, cancel: () => socket.on('error', () => undefined).destroy() };
}

function openTcp(url: URL): Cancellable<Socket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const socket = connectTcp({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  return cancellable(socket, (resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** One time limit over all steps; the step that it meets is broken off. */
class Limit {
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  #expire: () => void = () => undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  async during<T>(phase: TooLate['phase'], step: Cancellable<T> | Promise<T>, socket?: Socket): Promise<T> {
    const { promise, cancel } = step instanceof Promise ? { promise: step, cancel: (): void => void socket?.destroy() } : step;
    const late = new Promise<never>((_resolve, reject) => {
      this.#expire = () => reject(new TooLate(phase, this.#timeoutMs));
    });
    try {
      return await Promise.race([promise, late]);
    } catch (error) {
      promise.catch(() => undefined);
      cancel();
      throw error;
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function placeWithPort(url: URL): string {
  return `${url.hostname}:${url.port || '443'}`;
}

/** From the server's own certificate upwards; the last is a root or what the server sent last. */
export function chainOf(certificate: DetailedPeerCertificate | Record<string, never> | null): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let next = certificate as DetailedPeerCertificate | undefined;
  while (next?.valid_to !== undefined && chain.length < CHAIN_DEPTH_MAX && !chain.includes(next)) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function factsOf(chain: readonly DetailedPeerCertificate[], nowMs: number): CertificateFacts {
  const outdated = chain.find((one) => Date.parse(one.valid_to) < nowMs || Date.parse(one.valid_from) > nowMs) ?? chain[0];
  const own = chain[0];
  const names = (own?.subjectaltname ?? '').split(', ').filter((part) => part !== '');
  return {
    subject: named(outdated?.subject),
    topIssuer: named(chain.at(-1)?.issuer),
    names: names.map((part) => part.replace(/^(DNS|IP Address):/, '')),
    validFromMs: Date.parse(outdated?.valid_from ?? ''),
    validToMs: Date.parse(outdated?.valid_to ?? ''),
  };
}

/** "CN=Example Root, O=Example" */
export function named(name: object | undefined): string {
  const parts = Object.entries(name ?? {}).flatMap(([key, value]) => [value].flat().map((one) => `${key}=${String(one)}`));
  return parts.sort((a, b) => Number(b.startsWith('CN=')) - Number(a.startsWith('CN='))).join(', ') || 'nobody';
}
