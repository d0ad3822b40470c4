/**
 * The readable report of a read: what was in the capture, what became of it, and what to look at. Made to fit on one
 * screen; long lists are cut and say so.
 */
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf, countsByName, sumOf } from '../base/counters.ts';
import { balances } from '../base/ledger.ts';
import { weirdCount, weirdCounts, weirds } from '../base/weird.ts';
import { describePath, describePaths, type Layer } from '../decode/encapsulation.ts';
import { PATH, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import { payloadBytesHeld } from '../flow/reassemble.ts';
import { kindNames } from '../http/connection.ts';
import { connectionsByKind } from '../http/ending.ts';
import { tlsSeen } from '../http/tls-facts.ts';
import * as t from '../http/transaction.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { callsParked } from '../normalise/duplicates.ts';
import { maskedStart } from '../policy/mask/masked-start.ts';
import { operationText } from './call-line.ts';
import { grpcStatusItems } from './grpc-report.ts';
import { http2Rows } from './http2-report.ts';
import { type Colours, shown, wrapped } from './terminal.ts';
import { countItems, quicWords } from './tls-report.ts';
import { webSocketRows } from './websocket-report.ts';

const K = t.calls;
const R = rows;
const KEYS_MAX = 20_000;
const KEY_CHARACTERS_MAX = 60;
const TOP = 10;
const TUNNEL_LINES_MAX = 5;
const NAME_COLUMNS = 14;
const COUNT_COLUMNS = 9;
/** As many halves of calls are no accident at the edges of the capture. */
const HALVES_MIN = 5;

/** No text in a record holds unescaped quotes: these are members. They stand behind the path template, which is shorter than this. */
const OPERATION = Buffer.from(',"operation":{');
const GRPC = Buffer.from(',"grpc":{"flavour":');
const REQUEST = Buffer.from(',"request":{"firstByteUs":');
const BEFORE_REQUEST_BYTES = 1 << 18;

type Counts = Map<string, number>;

function bump(map: Counts, key: string, by = 1): void {
  const known = map.has(key) || map.size < KEYS_MAX ? key : '(more)';
  map.set(known, (map.get(known) ?? 0) + by);
}

function sorted(map: ReadonlyMap<string, number>): [string, number][] {
  return [...map].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

function sum(map: ReadonlyMap<string, number>): number {
  return [...map.values()].reduce((total, n) => total + n, 0);
}

function number(n: number): string {
  return n.toLocaleString('en');
}

/** "1 gap", "2 gaps" */
function several(n: number, noun: string): string {
  return `${number(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** The most frequent, as items: "GET 3", "POST 1", "2 more". */
function list(
  map: ReadonlyMap<string, number>,
  item = (key: string, n: number, _place: number): string => `${key} ${number(n)}`,
): string[] {
  const all = sorted(map);
  const items = all.slice(0, TOP).map(([key, n], i) => item(key, n, i));
  if (all.length > TOP) items.push(`${number(all.length - TOP)} more`);
  return items;
}

function amount(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} GB`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} MB`;
  if (n >= 1e3) return `${(n / 1e3).toFixed(1)} kB`;
  return `${n} B`;
}

function duration(us: number): string {
  const seconds = us / 1e6;
  if (seconds >= 7200) return `${(seconds / 3600).toFixed(1)} h`;
  if (seconds >= 120) return `${(seconds / 60).toFixed(1)} min`;
  return `${seconds.toFixed(seconds >= 10 ? 1 : 3)} s`;
}

/** "2025-06-15 15:06:40 UTC" */
function date(us: number): string {
  return `${new Date(us / 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const idNames = { vni: 'VNI', vlan: 'VLAN', key: 'key', session: 'session', label: 'label', teid: 'TEID' } as const;

/** What a path is made of ("vlan > vxlan") and which one it is ("VLAN 7, VNI 12"; without any id its outer addresses). */
function tunnelOf(layers: readonly Layer[]): { kind: string; name: string } {
  const ids: string[] = [];
  for (const layer of layers) {
    for (const id of Object.keys(idNames) as (keyof typeof idNames)[]) {
      if (layer[id] !== undefined) ids.push(`${idNames[id]} ${layer[id]}`);
    }
  }
  const outer = layers.find((layer) => layer.source !== undefined);
  if (ids.length === 0 && outer !== undefined) ids.push(`${outer.source} -> ${outer.destination}`);
  return { kind: layers.map((layer) => layer.type).join(' > '), name: ids.join(' > ') };
}

export class Summary {
  readonly #hosts: Counts = new Map();
  readonly #methods: Counts = new Map();
  readonly #statuses: Counts = new Map();
  readonly #operations: Counts = new Map();
  /** Calls of gRPC by service and method. */
  readonly #grpc: Counts = new Map();
  /** Calls by encapsulation path. */
  readonly #paths = new Map<number, number>();
  readonly #firstUs: Float64Array = new Float64Array(1);
  #lines: string[] = [];
  #width = 0;
  #bold: (text: string) => string = (text) => text;

  /** `firstUs` is the time of the first packet, microseconds since 1970. */
  constructor(firstUs: number) {
    this.#firstUs[0] = firstUs;
  }

  /** Counts a finished call, by what the masking rules at work leave of it. */
  count(call: number): void {
    const k = call << t.CALL_SHIFT;
    const flags = K[k + t.C_FLAGS];
    if (flags & t.HAS_REQUEST) {
      const { method, host } = maskedStart(call, KEY_CHARACTERS_MAX + 1);
      bump(this.#methods, shown(method, KEY_CHARACTERS_MAX));
      bump(this.#hosts, host === '' ? '(no host)' : shown(host, KEY_CHARACTERS_MAX));
    }
    bump(this.#statuses, flags & t.HAS_RESPONSE ? String(K[k + t.RESPONSE + t.S_FIRST] || 'HTTP/0.9') : 'no response');
    const path = R[(K[k + t.C_FLOW] << ROW_SHIFT) + PATH + (K[k + t.C_CLIENT] & 1)];
    this.#paths.set(path, (this.#paths.get(path) ?? 0) + 1);
  }

  /** Counts what the call of a masked record in the arena does, when more than its path says it. */
  countOperation(at: number, end: number): void {
    const record = bytes.subarray(at, Math.min(end, at + BEFORE_REQUEST_BYTES));
    const request = record.indexOf(REQUEST);
    const before = record.subarray(0, Math.max(0, request));
    const place = before.indexOf(OPERATION);
    const from = place < 0 ? before.indexOf(GRPC) : place;
    if (from < 0) return;
    const found = JSON.parse(`{${before.toString('utf8', from + 1)}}`) as Pick<ApiCall, 'operation' | 'grpc'>;
    if (found.operation !== undefined) bump(this.#operations, shown(operationText(found.operation), KEY_CHARACTERS_MAX));
    const { service, method } = found.grpc ?? {};
    if (service !== undefined) bump(this.#grpc, shown(`${service}/${method}`, KEY_CHARACTERS_MAX));
  }

  /** The report. `seconds` is how long the read took; lines have at most `width` columns, where words allow it. */
  report(files: readonly string[], seconds: number, colours: Colours, width: number): string {
    this.#lines = [];
    this.#width = width;
    this.#bold = colours.bold;
    const kinds = kindsOfConnections();
    this.#packets(files);
    this.#tunnels();
    this.#connections(kinds);
    this.#calls();
    this.#weirds();
    this.#ledger(colours);
    const packets = countOf('packets.received');
    if (seconds > 0) {
      const gigabits = (countOf('packets.bytes') * 8) / seconds / 1e9;
      const rates = `${gigabits.toFixed(2)} Gbit/s, ${number(Math.round(packets / seconds))} packets/s`;
      this.#row('took', [`${seconds.toFixed(2)} s: ${rates}, ${number(Math.round(countOf('calls.seen') / seconds))} calls/s`]);
    }
    for (const note of notes(kinds)) for (const line of words(note, width - NAME_COLUMNS)) this.#lines.push(colours.yellow(line));
    return `${this.#lines.join('\n')}\n`;
  }

  /** A named row; its items are wrapped under each other. */
  #row(name: string, items: readonly string[], columns = NAME_COLUMNS): void {
    const lines = wrapped(items, this.#width - columns);
    if (lines.length === 0) lines.push('none');
    lines.forEach((line, i) => {
      this.#lines.push(`${i === 0 ? this.#bold(name.padEnd(columns)) : ' '.repeat(columns)}${line}`);
    });
  }

  #packets(files: readonly string[]): void {
    const names = files.map((file) => (file === '-' ? 'standard input' : shown(file, 2 * KEY_CHARACTERS_MAX)));
    this.#row(files.length === 1 ? 'file' : 'files', names.length > TOP ? [...names.slice(0, TOP), `${names.length - TOP} more`] : names);
    const packets = countOf('packets.received');
    const items = [`${number(packets)} (${amount(countOf('packets.bytes'))})`];
    if (packets > 0) items.push(`${duration(packetTimeUs[0] - this.#firstUs[0])} from ${date(this.#firstUs[0])}`);
    this.#row('packets', items);
    const dropped = droppedPackets();
    const tcp = `TCP ${number(countOf('packets.decoded'))}`;
    if (dropped.size > 0) this.#row('', [tcp, ...list(dropped)]);
  }

  #tunnels(): void {
    const tunnels = new Map<string, Counts>();
    const add = (layers: readonly Layer[], calls: number): void => {
      const { kind, name } = tunnelOf(layers);
      const names = tunnels.get(kind) ?? new Map<string, number>();
      bump(names, name, calls);
      tunnels.set(kind, names);
    };
    for (const layers of describePaths()) add(layers, 0);
    if (tunnels.size === 0) return;
    for (const [path, calls] of this.#paths) if (path !== 0) add(describePath(path), calls);
    const byCalls = [...tunnels].sort((a, b) => sum(b[1]) - sum(a[1]));
    byCalls.slice(0, TUNNEL_LINES_MAX).forEach(([kind, names], i) => {
      // "VNI 7 (12 calls), 8 (3)"
      const items = list(names, (name, n, place) =>
        place === 0 ? `${name} (${several(n, 'call')})`.trim() : `${name.replace(/^[A-Za-z]+ (?=\d+$)/, '')} (${number(n)})`,
      );
      this.#row(i === 0 ? 'tunnels' : '', [`${kind} ${items[0]}`, ...items.slice(1)]);
    });
    if (byCalls.length > TUNNEL_LINES_MAX) this.#row('', [`${byCalls.length - TUNNEL_LINES_MAX} more kinds`]);
    const bare = this.#paths.get(0) ?? 0;
    if (bare > 0) this.#row('', [`outside of any (${several(bare, 'call')})`]);
  }

  #connections(kinds: ReadonlyMap<string, Counts>): void {
    this.#row('connections', [number(countOf('flows.seen'))]);
    for (const [kind, ports] of kinds) {
      const [first, ...more] = kind === 'empty' ? ['without data'] : list(ports, (port, n) => `${port} (${number(n)})`);
      this.#row(`  ${kind}`, [`${number(sum(ports)).padEnd(5)}${kind === 'empty' ? '' : ' port '}${first}`, ...more]);
    }
    const counters = Object.fromEntries(countsByName());
    http2Rows(counters).forEach(([name, items], i) => {
      if (i === 0) this.#row('http/2', [`${name} ${items[0]}`, ...items.slice(1)]);
      else this.#row(`  ${name}`, items);
    });
    for (const [name, items] of webSocketRows(counters)) this.#row(name === '' ? 'websocket' : `  ${name}`, items);
    this.#tls();
  }

  /** What the hellos of TLS said, in TCP and in QUIC. */
  #tls(): void {
    const seen = tlsSeen(TOP);
    const quic = quicWords(countOf);
    if (quic !== '') this.#row('quic', [quic]);
    if (seen.names.total === 0) return;
    const ech = countOf('tls.ech');
    this.#row('tls', [
      several(sumOf('tls.hellos'), 'hello'),
      ...(ech > 0 ? [`${number(ech)} with encrypted name (ECH)`] : []),
      ...spoken().map(([version, n]) => `${version} ${number(n)}`),
    ]);
    this.#row('  names', countItems(seen.names, TOP));
    this.#row('  addresses', countItems(seen.addresses, TOP));
    this.#row('  protocols', countItems(seen.protocols, TOP));
    if (seen.fingerprints.total > 0) this.#row('  clients', countItems(seen.fingerprints, TOP));
  }

  #calls(): void {
    const incomplete = sumOf('calls.incomplete');
    this.#row('calls', [
      `${number(countOf('calls.seen'))}: complete ${number(countOf('calls.complete'))}`,
      `incomplete ${number(incomplete)}`,
      `copies merged ${number(countOf('calls.duplicate'))}`,
    ]);
    if (countOf('calls.seen') > 0) {
      this.#row('  hosts', list(this.#hosts));
      this.#row('  methods', list(this.#methods));
      this.#row('  statuses', list(this.#statuses));
      if (this.#operations.size > 0) this.#row('  operations', list(this.#operations));
      if (this.#grpc.size > 0) this.#row('  grpc', list(this.#grpc));
      const statuses = grpcStatusItems(Object.fromEntries(countsByName()));
      if (statuses.length > 0) this.#row('  grpc status', statuses);
    }
    if (incomplete > 0) {
      const causes = [
        ['without response', countOf('calls.incomplete{no-response}')],
        ['without request', countOf('calls.incomplete{no-request}')],
        ['in part', countOf('calls.incomplete{partial}')],
        ['still open when they were reported', countOf('calls.incomplete{still-open}')],
      ] as const;
      this.#row(
        '  incomplete',
        causes.filter(([, n]) => n > 0).map(([name, n]) => `${name} ${number(n)}`),
      );
    }
    const closings = countOf('closings.seen');
    if (closings > 0) this.#row('  closings', [`${number(closings)} ends of calls that had been reported, and of WebSocket connections`]);
    const gaps = countOf('gaps.count');
    this.#row('gaps', gaps === 0 ? [] : [`${several(gaps, 'hole')} in streams, ${amount(countOf('gaps.bytes'))} never captured`]);
  }

  #weirds(): void {
    const odd = weirds.map((w, i) => ({ ...w, count: weirdCounts[i] })).filter((w) => w.count > 0);
    odd.sort((a, b) => b.count - a.count);
    this.#row('weirds', odd.length === 0 ? [] : [`${several(odd.length, 'kind')}; docs/weirds.md says what to do`]);
    const columns = Math.max(...odd.slice(0, TOP).map((w) => w.name.length));
    for (const { name, meaning, count } of odd.slice(0, TOP)) {
      const room = this.#width - COUNT_COLUMNS - columns - 4;
      this.#lines.push(
        `${number(count).padStart(COUNT_COLUMNS)}  ${room >= 20 ? `${name.padEnd(columns)}  ${shown(meaning, room)}` : name}`,
      );
    }
    if (odd.length > TOP) this.#lines.push(`${' '.repeat(COUNT_COLUMNS)}  ${odd.length - TOP} more`);
  }

  #ledger(colours: Colours): void {
    balances(payloadBytesHeld(), callsParked()).forEach((b, i) => {
      const parts = b.parts.map(([name, value]) => `${name} ${number(value)}`).join(' + ');
      const verdict = b.balances ? '' : colours.red('  DOES NOT BALANCE');
      this.#lines.push(
        `${this.#bold((i === 0 ? 'ledger' : '').padEnd(NAME_COLUMNS))}${b.name} ${number(b.total)} = ${parts || '0'}${verdict}`,
      );
    });
  }
}

/** Versions of TLS that servers chose: "TLS 1.3" */
function spoken(): [string, number][] {
  const found = countsByName().filter(([name]) => name.startsWith('tls.spoken{'));
  return found.map(([name, n]): [string, number] => [`TLS ${name.slice('tls.spoken{'.length, -1)}`, n]).sort((a, b) => b[1] - a[1]);
}

function droppedPackets(): Counts {
  const dropped = countsByName().filter(([name]) => name.startsWith('packets.dropped{'));
  return new Map(dropped.map(([name, n]) => [name.slice('packets.dropped{'.length, -1), n]));
}

/** By kind, most frequent first: connections by the port of the server. */
function kindsOfConnections(): Map<string, Counts> {
  const kinds = new Map<string, Counts>();
  for (const [key, n] of connectionsByKind) {
    const kind = kindNames[key >> 16];
    const ports = kinds.get(kind) ?? new Map<string, number>();
    bump(ports, String(key & 0xffff), n);
    kinds.set(kind, ports);
  }
  return new Map([...kinds].sort((a, b) => sum(b[1]) - sum(a[1])));
}

/** What the operator should know or do, in sentences. */
function notes(kinds: ReadonlyMap<string, Counts>): string[] {
  const of = (kind: string): number => sum(kinds.get(kind) ?? new Map());
  const all = countOf('flows.seen');
  const found: string[] = [];
  if (countOf('calls.seen') === 0) found.push(`No HTTP call was found: ${insteadOfCalls(kinds)}.`);
  if (of('tls') > 0) {
    const share = Math.round((100 * of('tls')) / all);
    const which = of('tls') === all ? 'All connections are' : `${number(of('tls'))} of ${several(all, 'connection')} (${share} %) carry`;
    found.push(
      `${which} TLS, which cannot be read. To see the calls inside, mirror the traffic behind the point that ends TLS (load balancer, ingress, sidecar).`,
    );
  }
  const quic = quicWords(countOf);
  if (quic !== '') {
    found.push(`${quic}: it cannot be read. The calls inside are seen where QUIC ends (load balancer, ingress).`);
  }
  const halves = countOf('calls.incomplete{no-response}') + countOf('calls.incomplete{no-request}');
  if (halves >= HALVES_MIN && halves * 2 > countOf('calls.seen')) {
    found.push(
      `${number(halves)} of ${several(countOf('calls.seen'), 'call')} lack request or response: mirror both directions (ingress and egress).`,
    );
  }
  if (weirdCount('flow.tcp.cut_segment') > 0) {
    found.push('Packets were captured only in part: raise the snap length, or the MTU of the mirror target.');
  } else if (countOf('gaps.count') > 0) {
    found.push('Packets are missing from the capture: look for losses on the way to it (mirror bandwidth, kernel drops).');
  }
  return found;
}

/** What was there, most telling first. */
function insteadOfCalls(kinds: ReadonlyMap<string, Counts>): string {
  const packets = countOf('packets.received');
  if (packets === 0) return 'the capture holds no packet';
  if (countOf('packets.decoded') === 0) return `of ${several(packets, 'packet')} none is TCP (${list(droppedPackets()).join(', ')})`;
  const carrying = [...kinds].filter(([kind]) => kind !== 'empty');
  if (carrying.length === 0) return `none of ${several(countOf('flows.seen'), 'TCP connection')} carried a byte of data`;
  const ports = ([kind, by]: [string, Counts]): string =>
    `${kind === 'other' ? 'something unknown' : kind.toUpperCase()} on port ${sorted(by)[0][0]}${by.size > 1 ? ' and others' : ''}`;
  return `the connections carry ${carrying.map(ports).join(', ')}`;
}

/** A sentence in lines, the first marked. */
function words(sentence: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const last = lines.length - 1;
    if (last >= 0 && lines[last].length + 1 + word.length <= width) lines[last] += ` ${word}`;
    else lines.push(word);
  }
  return lines.map((line, i) => `${(i === 0 ? 'note' : '').padEnd(NAME_COLUMNS)}${line}`);
}
