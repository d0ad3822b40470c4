/**
 * The calls of the last seconds, and what they say by host, endpoint and client. Bounded: so many calls, of which the
 * oldest go first, and so many keys, behind which all others are one.
 */
import type { CallLine } from './call-line.ts';

export const dimensions = ['host', 'endpoint', 'client'] as const;
export type Dimension = (typeof dimensions)[number];

/** Calls that are remembered. */
const CALLS_MAX = 100_000;
/** Keys that are told apart in one view. */
const KEYS_MAX = 10_000;
const KEY_CHARACTERS_MAX = 200;

interface Entry {
  readonly atMs: number;
  readonly host: string;
  readonly endpoint: string;
  readonly client: string;
  readonly status: number;
  /** 0 where there is none. */
  readonly grpcStatus: number;
  /** NaN: unknown. */
  readonly latencyUs: number;
  readonly bytes: number;
}

export interface Rates {
  /** Calls a second; scaled up when some were skipped, as all that ends in PerS. */
  readonly callsPerS: number;
  readonly bytesPerS: number;
  /** Parts of the calls, 0 to 1. */
  readonly clientErrors: number;
  readonly serverErrors: number;
  /** Calls of gRPC with another status than 0, unless they are among those. */
  readonly grpcErrors: number;
  /** null: no latency is known. */
  readonly p50Us: number | null;
  readonly p95Us: number | null;
}

export interface KeyRates extends Rates {
  readonly key: string;
}

export interface View {
  readonly seconds: number;
  /** Calls that were seen in that time. */
  readonly calls: number;
  /** Calls that were not, so that the others stand for them. */
  readonly skipped: number;
  readonly total: Rates;
  readonly by: Readonly<Partial<Record<Dimension, KeyTable>>>;
}

export interface KeyTable {
  /** The busiest first. */
  readonly rows: readonly KeyRates[];
  /** The rest together; null when there is none. `keys` is -1 when there were too many to count. */
  readonly more: (Rates & { readonly keys: number }) | null;
}

export class CallWindow {
  readonly #ms: number;
  readonly #startedMs: number;
  #entries: Entry[] = [];
  #skips: { readonly atMs: number; readonly n: number }[] = [];

  /** A window of `ms` milliseconds that begins to be filled at `nowMs`. */
  constructor(ms: number, nowMs: number) {
    this.#ms = ms;
    this.#startedMs = nowMs;
  }

  add(calls: readonly CallLine[], skipped: number, nowMs: number): void {
    this.#forget(nowMs);
    let n = skipped;
    for (const call of calls) {
      if (this.#entries.length < CALLS_MAX) this.#entries.push(entryOf(call, nowMs));
      else n++;
    }
    if (n > 0) this.#skips.push({ atMs: nowMs, n });
  }

  #forget(nowMs: number): void {
    const from = nowMs - this.#ms;
    const old = this.#entries.findIndex(({ atMs }) => atMs > from);
    if (old !== 0) this.#entries = old < 0 ? [] : this.#entries.slice(old);
    this.#skips = this.#skips.filter(({ atMs }) => atMs > from);
  }

  /** What the last seconds say, with at most `rows` keys of each dimension. */
  view(nowMs: number, by: readonly Dimension[], rows: number): View {
    this.#forget(nowMs);
    const seconds = Math.max(1, Math.min(this.#ms, nowMs - this.#startedMs)) / 1000;
    const calls = this.#entries.length;
    const skipped = this.#skips.reduce((sum, { n }) => sum + n, 0);
    /** How many calls each that was seen stands for. */
    const weight = calls === 0 ? 1 : (calls + skipped) / calls;
    return {
      seconds,
      calls,
      skipped,
      total: ratesOf(this.#entries, weight, seconds),
      by: Object.fromEntries(by.map((dimension) => [dimension, keyTable(this.#entries, dimension, rows, weight, seconds)])),
    };
  }
}

function cut(text: string): string {
  return text.length > KEY_CHARACTERS_MAX ? `${text.slice(0, KEY_CHARACTERS_MAX - 1)}…` : text;
}

function entryOf(call: CallLine, atMs: number): Entry {
  const host = call.host ?? '(no host)';
  const operation = call.operation === undefined ? '' : ` ${call.operation}`;
  return {
    atMs,
    host: cut(host),
    endpoint: cut(`${call.method ?? '(no request)'} ${call.host ?? ''}${call.template ?? call.path ?? ''}${operation}`.trimEnd()),
    client: cut(call.clientIp ?? call.client),
    status: call.status ?? 0,
    grpcStatus: call.grpcStatus ?? 0,
    latencyUs: call.latencyUs ?? Number.NaN,
    bytes: (call.requestBytes ?? 0) + (call.responseBytes ?? 0),
  };
}

function keyTable(entries: readonly Entry[], dimension: Dimension, rows: number, weight: number, seconds: number): KeyTable {
  const byKey = new Map<string, Entry[]>();
  const beyond: Entry[] = [];
  for (const entry of entries) {
    const list = byKey.get(entry[dimension]);
    if (list !== undefined) list.push(entry);
    else if (byKey.size < KEYS_MAX) byKey.set(entry[dimension], [entry]);
    else beyond.push(entry);
  }
  const sorted = [...byKey].sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1));
  const rest = sorted.slice(rows);
  const others = [...rest.flatMap(([, list]) => list), ...beyond];
  return {
    rows: sorted.slice(0, rows).map(([key, list]) => ({ key, ...ratesOf(list, weight, seconds) })),
    more: others.length === 0 ? null : { keys: beyond.length > 0 ? -1 : rest.length, ...ratesOf(others, weight, seconds) },
  };
}

function ratesOf(entries: readonly Entry[], weight: number, seconds: number): Rates {
  let bytes = 0;
  let clientErrors = 0;
  let serverErrors = 0;
  let grpcErrors = 0;
  for (const entry of entries) {
    bytes += entry.bytes;
    if (entry.status >= 500) serverErrors++;
    else if (entry.status >= 400) clientErrors++;
    else if (entry.grpcStatus !== 0) grpcErrors++;
  }
  const latencies = Float64Array.from(entries.filter(({ latencyUs }) => !Number.isNaN(latencyUs)).map(({ latencyUs }) => latencyUs)).sort();
  const n = Math.max(1, entries.length);
  return {
    callsPerS: (entries.length * weight) / seconds,
    bytesPerS: (bytes * weight) / seconds,
    clientErrors: clientErrors / n,
    serverErrors: serverErrors / n,
    grpcErrors: grpcErrors / n,
    p50Us: quantile(latencies, 0.5),
    p95Us: quantile(latencies, 0.95),
  };
}

/** The smallest value that is not less than that part of all (nearest rank). */
function quantile(sorted: Float64Array, part: number): number | null {
  return sorted.length === 0 ? null : sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}
