/**
 * Calls made for the wire: connections of HTTP with a truth, as IP packets and in the tunnels around them, for the
 * sender; and how the calls that a sensor wrote are compared with it.
 */
import assert from 'node:assert/strict';
import type { CallLine } from '../../src/app/call-line.ts';
import { type Conversation, ipPacket, partsOf, type Turn } from '../support/conversation.ts';
import * as p from '../support/packets.ts';
import { Random } from '../support/random.ts';

/** A call in words: "GET /orders/7 200 10.1.0.1:40000>10.2.0.1:8080". */
export type CallText = string;

export interface MadePacket {
  readonly ip: Buffer;
  /** Number of its connection. */
  readonly connection: number;
}

export interface Made {
  readonly packets: readonly MadePacket[];
  readonly calls: readonly CallText[];
}

export interface MakeOptions {
  readonly connections: number;
  readonly callsEach: number;
  readonly ipv6?: boolean;
  /** First part of every path; tells the calls of one batch from those of another. */
  readonly label?: string;
  /** From 1 to 100: batches of different nets have no address in common. */
  readonly net?: number;
  /** Bytes of a body of a response, from and to. */
  readonly bodyBytes?: readonly [number, number];
  readonly segmentBytes?: number;
  readonly seed?: number;
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
const STATUSES = [200, 200, 200, 201, 404, 500] as const;

/** Connections that run at the same time, packet by packet in turn; each ends with FINs. */
export function makeCalls({
  connections,
  callsEach,
  ipv6 = false,
  label = 'orders',
  net = 1,
  bodyBytes = [20, 3000],
  segmentBytes = 1400,
  seed = 1,
}: MakeOptions): Made {
  const random = new Random(seed + net * 1000);
  const calls: CallText[] = [];
  const streams: Buffer[][] = [];
  for (let connection = 0; connection < connections; connection++) {
    const client = ipv6 ? `2001:db8:${net}::${(connection + 1).toString(16)}` : `10.${net}.${connection >> 8}.${connection & 255}`;
    const server = ipv6 ? `2001:db8:ffff:${net}::${(connection % 7) + 1}` : `10.${100 + net}.0.${(connection % 7) + 1}`;
    const clientPort = 40000 + ((connection * 37) % 20000);
    const serverPort = 8080;
    const turns: Turn[] = [];
    for (let i = 0; i < callsEach; i++) {
      const method = random.pick(METHODS);
      const status = random.pick(STATUSES);
      const path = `/${label}/${connection}/${i}`;
      const sent = method === 'GET' || method === 'DELETE' ? '' : body(random, [10, 900]);
      const answer = body(random, bodyBytes);
      const asked = `${method} ${path}?page=${i} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: made\r\n${lengthOf(sent)}\r\n${sent}`;
      const answered = `HTTP/1.1 ${status} Whatever\r\nContent-Type: application/json\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`;
      turns.push({ fromServer: false, bytes: Buffer.from(asked) }, { fromServer: true, bytes: Buffer.from(answered) });
      calls.push(callText(method, path, status, client, clientPort, server, serverPort));
    }
    const conversation: Conversation = { turns, calls: [], end: 'client-fin' };
    const cut = (length: number): number[] =>
      Array.from({ length: Math.max(0, Math.ceil(length / segmentBytes) - 1) }, (_, i) => (i + 1) * segmentBytes);
    const parts = partsOf(conversation, cut, random.bits(), random.bits());
    streams.push(parts.map((part) => ipPacket(part, { client, server, clientPort, serverPort })));
  }
  const packets: MadePacket[] = [];
  for (let i = 0, left = true; left; i++) {
    left = false;
    streams.forEach((stream, connection) => {
      if (i >= stream.length) return;
      packets.push({ ip: stream[i], connection });
      left = true;
    });
  }
  return { packets, calls };
}

/** JSON of so many bytes; a number where they are too few for more. */
function body(random: Random, [from, to]: readonly [number, number]): string {
  const length = random.integer(from, to);
  const [begin, end] = ['{"note":"', '"}'];
  const textLength = length - begin.length - end.length;
  if (textLength < 0) return '1'.repeat(length);
  return `${begin}${'a body without line ends that says nothing; '.repeat(Math.ceil(textLength / 40)).slice(0, textLength)}${end}`;
}

function lengthOf(sent: string): string {
  return sent === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${sent.length}\r\n`;
}

export function callText(
  method: string | null,
  path: string | null,
  status: number | null,
  client: string,
  clientPort: number,
  server: string,
  serverPort: number,
): CallText {
  return `${method} ${path} ${status} ${client}:${clientPort}>${server}:${serverPort}`;
}

export function textOf(call: CallLine): CallText {
  return callText(call.method, call.path, call.status, call.client, call.clientPort, call.server, call.serverPort);
}

/** What is wrong with the calls that were found, in a few lines; nothing when each one wanted was found once, whole. */
export function assertCalls(found: readonly CallLine[], wanted: readonly CallText[], what = 'calls'): void {
  const left = new Map<CallText, number>();
  for (const text of wanted) left.set(text, (left.get(text) ?? 0) + 1);
  const extra: CallText[] = [];
  for (const call of found) {
    const text = textOf(call);
    const n = left.get(text) ?? 0;
    if (n === 0) extra.push(text);
    else left.set(text, n - 1);
  }
  const missing = [...left].filter(([, n]) => n > 0).map(([text]) => text);
  const cut = found.filter(({ complete }) => !complete).map(textOf);
  assert.deepEqual(
    { missing: missing.slice(0, 5), extra: extra.slice(0, 5), incomplete: cut.slice(0, 5) },
    { missing: [], extra: [], incomplete: [] },
    `${what}: of ${wanted.length} wanted ${missing.length} are missing; of ${found.length} found ${extra.length} are not wanted and ${cut.length} not complete: ` +
      JSON.stringify({ missing: missing.slice(0, 3), extra: extra.slice(0, 3), incomplete: cut.slice(0, 3) }),
  );
}

/** Puts what it is called for around a packet; the number is that of its connection. */
export type Wrap = (ip: Buffer, connection: number) => Buffer;

const four = { source: '192.0.2.1', destination: '192.0.2.2' };
/** Senders of tunnels choose the UDP port by the flow, so that networks can spread it. */
const portOf = (connection: number): number => 49152 + (connection % 1000);

/** VXLAN over IPv4, from the mirror to the sensor. */
export const inVxlan =
  (vni: number, outer: p.Ipv4Options = four): Wrap =>
  (ip, connection) =>
    p.ethernet(p.ipv4(p.udp(p.vxlan(p.ethernet(ip), { vni }), { sourcePort: portOf(connection), checksum: 0 }), outer));

/** The tunnels that the tests try, by name. */
export const wraps: Readonly<Record<string, { readonly wrap: Wrap; readonly tunnel: RegExp }>> = {
  plain: { wrap: (ip) => p.ethernet(ip), tunnel: /^none$/ },
  '802.1Q': { wrap: (ip, connection) => p.ethernet(p.vlan(ip, { id: 10 + (connection % 3) })), tunnel: /^vlan 1[012]$/ },
  QinQ: { wrap: (ip) => p.ethernet(p.vlan(p.vlan(ip, { id: 34 }), { id: 12 }), { type: 0x88a8 }), tunnel: /^vlan 12 > vlan 34$/ },
  VXLAN: { wrap: inVxlan(77), tunnel: /^vxlan 77$/ },
  'VXLAN over IPv6': {
    wrap: (ip, connection) =>
      p.ethernet(
        p.ipv6(p.udp(p.vxlan(p.ethernet(ip), { vni: 78 }), { sourcePort: portOf(connection) }), {
          source: '2001:db8:ffff::1',
          destination: '2001:db8:ffff::2',
        }),
      ),
    tunnel: /^vxlan 78$/,
  },
  'VXLAN in 802.1Q': {
    wrap: (ip, connection) => p.ethernet(p.vlan(inVxlan(77)(ip, connection).subarray(14), { id: 9 })),
    tunnel: /^vlan 9 > vxlan 77$/,
  },
  GENEVE: {
    wrap: (ip, connection) =>
      p.ethernet(p.ipv4(p.udp(p.geneve(p.ethernet(ip), { vni: 5, options: Buffer.alloc(12) }), { sourcePort: portOf(connection) }), four)),
    tunnel: /^geneve 5$/,
  },
  'GENEVE > VXLAN': {
    wrap: (ip, connection) =>
      p.ethernet(
        p.ipv4(
          p.udp(
            p.geneve(p.ipv4(p.udp(p.vxlan(p.ethernet(ip), { vni: 6 }), { sourcePort: portOf(connection), checksum: 0 }), four), { vni: 0 }),
          ),
          { source: '198.51.100.1', destination: '198.51.100.2' },
        ),
      ),
    tunnel: /^geneve 0 > vxlan 6$/,
  },
  'GRE with key': { wrap: (ip) => p.ethernet(p.ipv4(p.gre(ip, { key: 4242, sequence: 7 }), four)), tunnel: /^gre 4242$/ },
  'ERSPAN II': {
    wrap: (ip) => p.ethernet(p.ipv4(p.erspan(p.ethernet(ip), { type: 2, session: 3, vlan: 8 }), four)),
    tunnel: /^erspan \d+$/,
  },
  'IP in IP': { wrap: (ip) => p.ethernet(p.ipv4(ip, four)), tunnel: /^ipip$/ },
};

export function wrapAll({ packets }: Made, wrap: Wrap): Buffer[] {
  return packets.map(({ ip, connection }) => wrap(ip, connection));
}
