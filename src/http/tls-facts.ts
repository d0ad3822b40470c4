/**
 * What is known of TLS that passed by: counts by server, by fingerprint, by protocol, and the last connections one by one
 * for who wants to look closer.
 *
 * Bounds: each count tells TLS_KEYS_MAX keys apart and has one sum for the others [refuse-new]; TLS_RECENT_MAX connections
 * are kept [drop-oldest]. Nothing here leaves the process but by name of who asks: `summary`, `stats`, the doctor.
 */
import { raise, weird } from '../base/weird.ts';

const FULL = weird('limit.http.tls_servers');
export const TLS_KEYS_MAX = 4096;
export const TLS_RECENT_MAX = 1024;

/** One ClientHello and the connection that it came on. */
export interface TlsConnection {
  /** Time of its first byte, microseconds since 1970. */
  readonly timeUs: number;
  readonly transport: 'tcp' | 'quic';
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** As the client wrote it, in lower case; "" for none. */
  readonly serverName: string;
  readonly alpn: readonly string[];
  /** The highest that the client offers: "1.3" */
  readonly version: string;
  /** "" when the hello is not whole. */
  readonly ja4: string;
  /** The client sent encrypted_client_hello: the name may stand for another. */
  readonly hasEch: boolean;
}

/** Counts by key; keys beyond the bound are counted together. */
class Tally {
  readonly #counts = new Map<string, number>();
  /** All that was counted. */
  total = 0;

  add(key: string): void {
    this.total++;
    const count = this.#counts.get(key);
    if (count !== undefined) this.#counts.set(key, count + 1);
    else if (this.#counts.size < TLS_KEYS_MAX) this.#counts.set(key, 1);
    else raise(FULL);
  }

  /** The most frequent first. */
  top(max: number): [string, number][] {
    return [...this.#counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, max);
  }

  clear(): void {
    this.#counts.clear();
    this.total = 0;
  }
}

/** By server name; "" is no name. */
const names = new Tally();
/** By address and port of the server: "10.0.0.1:443", "[2001:db8::1]:443" */
const addresses = new Tally();
const fingerprints = new Tally();
/** By the first protocol of ALPN; "" is none. */
const protocols = new Tally();
const recent: TlsConnection[] = [];

export function noteTls(connection: TlsConnection): void {
  names.add(connection.serverName);
  const { serverAddress, serverPort } = connection;
  addresses.add(`${serverAddress.includes(':') ? `[${serverAddress}]` : serverAddress}:${serverPort}`);
  if (connection.ja4 !== '') fingerprints.add(connection.ja4);
  protocols.add(connection.alpn[0] ?? '');
  recent[(names.total - 1) % TLS_RECENT_MAX] = connection;
}

/**
 * The connections after the first `seen`, oldest first, as far as they are kept, and how many there have been: what to pass
 * as `seen` the next time.
 */
export function tlsSince(seen: number): { connections: TlsConnection[]; seen: number } {
  const connections: TlsConnection[] = [];
  for (let i = Math.max(seen, names.total - TLS_RECENT_MAX); i < names.total; i++) connections.push(recent[i % TLS_RECENT_MAX]);
  return { connections, seen: names.total };
}

/** Hellos that were noted. */
export function tlsNoted(): number {
  return names.total;
}

/** Counts by key, the most frequent first, and what they sum up to with those that are not listed. */
export interface TlsCounts {
  readonly total: number;
  readonly top: readonly (readonly [string, number])[];
}

export interface TlsSeen {
  readonly names: TlsCounts;
  readonly addresses: TlsCounts;
  readonly fingerprints: TlsCounts;
  readonly protocols: TlsCounts;
}

export function tlsSeen(max: number): TlsSeen {
  const of = (tally: Tally): TlsCounts => ({ total: tally.total, top: tally.top(max) });
  return { names: of(names), addresses: of(addresses), fingerprints: of(fingerprints), protocols: of(protocols) };
}

export function resetTlsFacts(): void {
  for (const tally of [names, addresses, fingerprints, protocols]) tally.clear();
  recent.length = 0;
}
