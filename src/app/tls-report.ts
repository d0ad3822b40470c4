/** What workers say about TLS and QUIC, put together, and in words. */
import type { TlsCounts, TlsSeen } from '../http/tls-facts.ts';
import type { SensorReport } from './report.ts';
import { type Colours, shown, wrapped } from './terminal.ts';
import { count } from './units.ts';

/** Servers, addresses, fingerprints and protocols that a worker tells, and a report names, of each. */
export const TLS_TOLD_MAX = 32;
const NAME_CHARACTERS_MAX = 60;
const none: TlsCounts = { total: 0, top: [] };
export const noTls: TlsSeen = { names: none, addresses: none, fingerprints: none, protocols: none };

/** Sums; what only some of the parts list is more than is said here, the total is right. */
export function sumTls(parts: readonly TlsSeen[]): TlsSeen {
  const sum = (of: (seen: TlsSeen) => TlsCounts): TlsCounts => sumCounts(parts.map(of));
  return {
    names: sum((seen) => seen.names),
    addresses: sum((seen) => seen.addresses),
    fingerprints: sum((seen) => seen.fingerprints),
    protocols: sum((seen) => seen.protocols),
  };
}

function sumCounts(parts: readonly TlsCounts[]): TlsCounts {
  const sums = new Map<string, number>();
  for (const { top } of parts) for (const [key, n] of top) sums.set(key, (sums.get(key) ?? 0) + n);
  return { total: parts.reduce((n, { total }) => n + total, 0), top: sorted(sums) };
}

function sorted(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, TLS_TOLD_MAX);
}

/** What came between two reports. */
export function tlsBetween(first: TlsSeen, second: TlsSeen): TlsSeen {
  const grown = (a: TlsCounts, b: TlsCounts): TlsCounts => {
    const before = new Map(a.top);
    const more = b.top.map(([key, n]): [string, number] => [key, Math.max(0, n - (before.get(key) ?? 0))]);
    return { total: Math.max(0, b.total - a.total), top: sorted(new Map(more.filter(([, n]) => n > 0))) };
  };
  return {
    names: grown(first.names, second.names),
    addresses: grown(first.addresses, second.addresses),
    fingerprints: grown(first.fingerprints, second.fingerprints),
    protocols: grown(first.protocols, second.protocols),
  };
}

/** "shop.example 40", "(none) 3", "others 7": at most `max` keys, and of each so many characters. */
export function countItems({ total, top }: TlsCounts, max: number, characters: number = NAME_CHARACTERS_MAX): string[] {
  const items = top.slice(0, max).map(([key, n]) => `${key === '' ? '(none)' : shown(key, characters)} ${count(n)}`);
  const others = total - top.slice(0, max).reduce((sum, [, n]) => sum + n, 0);
  if (others > 0) items.push(`others ${count(others)}`);
  return items;
}

/** Servers by name; where clients send none, by address. */
export function servers({ names, addresses }: TlsSeen): TlsCounts {
  return names.top.every(([name]) => name === '') ? addresses : names;
}

function several(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** "1,200 packets of QUIC in 30 connections, 28 of them HTTP/3"; "" for none. */
export function quicWords(counterOf: (name: string) => number): string {
  const packets = counterOf('packets.dropped{quic}');
  return packets === 0 ? '' : quicText(packets, counterOf('quic.connections'), counterOf('quic.http3'));
}

export function quicText(packets: number, connections: number, http3: number): string {
  return `${several(packets, 'packet')} of QUIC in ${several(connections, 'connection')}${http3 > 0 ? `, ${count(http3)} of them HTTP/3` : ''}`;
}

const STATS_NAMES_MAX = 10;
const NAME_COLUMNS = 5;
const COUNT_COLUMNS = 17;

/** Lines of `earshot stats`: what passes by and cannot be read; none when there is nothing of it. */
export function unreadLines({ tls, counters }: SensorReport, { columns, colours }: { columns: number; colours: Colours }): string[] {
  const lines: string[] = [];
  const add = (name: string, items: readonly string[]): void => {
    wrapped(items, columns - NAME_COLUMNS - 2).forEach((line, i) => {
      lines.push(`  ${(i === 0 ? name : '').padEnd(NAME_COLUMNS)}${line}`);
    });
  };
  const room = columns - 2 - NAME_COLUMNS - COUNT_COLUMNS;
  if (tls.names.total > 0) {
    add('TLS', [several(tls.names.total, 'hello'), ...countItems(servers(tls), STATS_NAMES_MAX, room)]);
    add('JA4', countItems(tls.fingerprints, STATS_NAMES_MAX, room));
  }
  const packets = counters['packets.dropped{quic}'] ?? 0;
  const http3 = counters['quic.http3'] ?? 0;
  if (packets > 0) {
    const connections = several(counters['quic.connections'] ?? 0, 'connection');
    add('QUIC', [several(packets, 'packet'), connections, ...(http3 > 0 ? [`HTTP/3 ${count(http3)}`] : [])]);
  }
  return lines.length === 0 ? [] : [colours.bold('encrypted, cannot be read'), ...lines];
}
