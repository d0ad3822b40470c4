/**
 * Packet builders for tests and generators: each function wraps a payload in one header and returns the new bytes.
 *
 *   ethernet(ipv4(udp(vxlan(ethernet(ipv4(tcp(Buffer.from('GET / ...'), { sequence: 1 })))))))
 *
 * A header finds out by itself what it wraps (EtherType, IP protocol, next header) when the payload came from a builder.
 * Lengths and checksums are right unless an option says otherwise; IP headers fill in the checksums of TCP and UDP, which
 * cover their addresses. Numbers are unsigned; addresses are text. Nothing here is used by the sensor itself.
 */
import { bytes, packetRegion } from '../../src/base/arena.ts';
import type { Packet } from '../../src/capture/packet.ts';

type Kind =
  | 'ethernet'
  | 'vlan'
  | 'mpls'
  | 'pppoe'
  | 'ppp'
  | 'nsh'
  | 'arp'
  | 'ipv4'
  | 'ipv6'
  | 'extension'
  | 'tcp'
  | 'udp'
  | 'gre'
  | 'ah'
  | 'icmp';

const kinds = new WeakMap<Buffer, Kind>();
/** IPv6 extension headers: the protocol number of the first one. */
const numbers = new WeakMap<Buffer, number>();
/** TCP and UDP whose checksum the IP header has still to fill in: offset of the checksum and of the transport header. */
const unsummed = new WeakMap<Buffer, { transportAt: number; checksumAt: number; protocol: number }>();

const etherTypes: Partial<Record<Kind, number>> = {
  ipv4: 0x0800,
  ipv6: 0x86dd,
  arp: 0x0806,
  vlan: 0x8100,
  mpls: 0x8847,
  pppoe: 0x8864,
  ppp: 0x880b,
  ethernet: 0x6558,
  nsh: 0x894f,
};
const protocols: Partial<Record<Kind, number>> = { ipv4: 4, ipv6: 41, tcp: 6, udp: 17, gre: 47, ah: 51, icmp: 1, mpls: 137, ethernet: 143 };

function made(kind: Kind, header: Buffer, payload: Buffer): Buffer {
  const all = Buffer.concat([header, payload]);
  kinds.set(all, kind);
  return all;
}

function etherTypeOf(payload: Buffer): number {
  return etherTypes[kinds.get(payload) ?? 'ipv4'] ?? 0x0800;
}

function protocolOf(payload: Buffer): number {
  return numbers.get(payload) ?? protocols[kinds.get(payload) ?? 'tcp'] ?? 6;
}

/** Four bytes of dotted text. */
export function ipv4Bytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** Sixteen bytes of IPv6 text; dotted tails are understood. */
export function ipv6Bytes(text: string): Buffer {
  const plain = text.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) => `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`,
  );
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return Buffer.from(groups.flatMap((g) => [Number.parseInt(g, 16) >> 8, Number.parseInt(g, 16) & 255]));
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

/** Internet checksum (RFC 1071) of the parts, one behind the other; every part but the last has an even length. */
export function internetChecksum(...parts: Buffer[]): number {
  let sum = 0;
  for (const part of parts) for (let i = 0; i < part.length; i++) sum += i & 1 ? part[i] : part[i] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function word16(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 2);
  for (const [i, v] of values.entries()) out.writeUInt16BE(v, i * 2);
  return out;
}

function word32(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [i, v] of values.entries()) out.writeUInt32BE(v >>> 0, i * 4);
  return out;
}

export interface EthernetOptions {
  source?: string;
  destination?: string;
  type?: number;
}

/** Ethernet II. */
export function ethernet(payload: Buffer, o: EthernetOptions = {}): Buffer {
  const header = Buffer.concat([
    macBytes(o.destination ?? '02:00:00:00:00:02'),
    macBytes(o.source ?? '02:00:00:00:00:01'),
    word16(o.type ?? etherTypeOf(payload)),
  ]);
  return made('ethernet', header, payload);
}

/** IEEE 802.3 with LLC and SNAP (OUI 000000). */
export function ethernetSnap(payload: Buffer, o: EthernetOptions = {}): Buffer {
  const snap = Buffer.concat([Buffer.from('aaaa03000000', 'hex'), word16(o.type ?? etherTypeOf(payload)), payload]);
  return ethernet(snap, { ...o, type: snap.length });
}

/** 802.1Q tag. To wrap it as QinQ say `ethernet(..., { type: 0x88a8 })` or `vlan(..., { type: ... })` around it. */
export function vlan(payload: Buffer, o: { id?: number; priority?: number; type?: number } = {}): Buffer {
  return made('vlan', word16(((o.priority ?? 0) << 13) | (o.id ?? 100), o.type ?? etherTypeOf(payload)), payload);
}

/** MPLS label stack, outermost first; `controlWord` puts a pseudowire control word behind it. */
export function mpls(payload: Buffer, o: { labels?: number[]; ttl?: number; controlWord?: boolean } = {}): Buffer {
  const labels = o.labels ?? [16];
  const stack = labels.map((label, i) => (label << 12) | (i === labels.length - 1 ? 0x100 : 0) | (o.ttl ?? 64));
  return made('mpls', word32(...stack, ...(o.controlWord ? [0] : [])), payload);
}

/** PPP. `compressed` leaves FF 03 away and, with protocol below 256, its first byte. */
export function ppp(payload: Buffer, o: { protocol?: number; addressAndControl?: boolean; compressed?: boolean } = {}): Buffer {
  const kind = kinds.get(payload);
  const protocol = o.protocol ?? (kind === 'ipv6' ? 0x57 : kind === 'mpls' ? 0x281 : 0x21);
  const field = o.compressed && protocol < 256 ? Buffer.from([protocol]) : word16(protocol);
  return made('ppp', Buffer.concat([o.addressAndControl ? Buffer.from([0xff, 3]) : Buffer.alloc(0), field]), payload);
}

/** PPPoE session with PPP inside; `payload` is the IP packet. */
export function pppoe(payload: Buffer, o: { session?: number; code?: number } = {}): Buffer {
  const inner = ppp(payload);
  return made('pppoe', Buffer.concat([Buffer.from([0x11, o.code ?? 0]), word16(o.session ?? 1, inner.length)]), inner);
}

/** Linux cooked capture, version 1. */
export function sll(payload: Buffer, o: { type?: number; device?: number } = {}): Buffer {
  return Buffer.concat([
    word16(0, o.device ?? 1, 6),
    Buffer.from('0200000000010000', 'hex'),
    word16(o.type ?? etherTypeOf(payload)),
    payload,
  ]);
}

/** Linux cooked capture, version 2. */
export function sll2(payload: Buffer, o: { type?: number; device?: number } = {}): Buffer {
  return Buffer.concat([
    word16(o.type ?? etherTypeOf(payload), 0, 0, 1, o.device ?? 1),
    Buffer.from([0, 6]),
    Buffer.from('0200000000010000', 'hex'),
    payload,
  ]);
}

/** BSD loopback: the address family in either byte order. */
export function loopback(payload: Buffer, o: { family?: number; littleEndian?: boolean } = {}): Buffer {
  const header = word32(o.family ?? (kinds.get(payload) === 'ipv6' ? 30 : 2));
  return Buffer.concat([o.littleEndian ? header.reverse() : header, payload]);
}

export interface Ipv4Options {
  source?: string;
  destination?: string;
  protocol?: number;
  id?: number;
  ttl?: number;
  /** Place of the payload in the whole packet, bytes. */
  fragmentOffset?: number;
  moreFragments?: boolean;
  /** Options, padded to four bytes. */
  options?: Buffer;
  totalLength?: number;
  checksum?: number;
}

export function ipv4(payload: Buffer, o: Ipv4Options = {}): Buffer {
  const options = o.options ?? Buffer.alloc(0);
  const padded = Buffer.concat([options, Buffer.alloc((4 - (options.length % 4)) % 4)]);
  const source = ipv4Bytes(o.source ?? '10.0.0.1');
  const destination = ipv4Bytes(o.destination ?? '10.0.0.2');
  const protocol = o.protocol ?? protocolOf(payload);
  const headerBytes = 20 + padded.length;
  const header = Buffer.concat([
    Buffer.from([0x40 | (headerBytes >> 2), 0]),
    word16(o.totalLength ?? headerBytes + payload.length, o.id ?? 1, (o.moreFragments ? 0x2000 : 0) | ((o.fragmentOffset ?? 0) >> 3)),
    Buffer.from([o.ttl ?? 64, protocol]),
    word16(0),
    source,
    destination,
    padded,
  ]);
  header.writeUInt16BE(o.checksum ?? internetChecksum(header), 10);
  return made('ipv4', header, summed(payload, source, destination));
}

export interface Ipv6Options {
  source?: string;
  destination?: string;
  nextHeader?: number;
  payloadLength?: number;
  /** Final destination for the transport checksum when a routing header is inside. */
  finalDestination?: string;
}

export function ipv6(payload: Buffer, o: Ipv6Options = {}): Buffer {
  const source = ipv6Bytes(o.source ?? '2001:db8::1');
  const destination = ipv6Bytes(o.destination ?? '2001:db8::2');
  const header = Buffer.concat([
    word32(0x60000000),
    word16(o.payloadLength ?? payload.length),
    Buffer.from([o.nextHeader ?? protocolOf(payload), 64]),
    source,
    destination,
  ]);
  const final = o.finalDestination === undefined ? destination : ipv6Bytes(o.finalDestination);
  return made('ipv6', header, summed(payload, source, final));
}

/** The payload with the TCP or UDP checksum that these addresses give, when it waits for one. */
function summed(payload: Buffer, source: Buffer, destination: Buffer): Buffer {
  const waiting = unsummed.get(payload);
  if (waiting === undefined) return payload;
  const copy = Buffer.from(payload);
  const transport = copy.subarray(waiting.transportAt);
  const pseudo = Buffer.concat([source, destination, word32(transport.length, waiting.protocol)]);
  const sum = internetChecksum(pseudo, transport);
  copy.writeUInt16BE(waiting.protocol === 17 && sum === 0 ? 0xffff : sum, waiting.checksumAt);
  return copy;
}

/** Any IPv6 extension header; `body` follows next header and length and is padded to a multiple of eight bytes. */
export function ipv6Extension(number: number, body: Buffer, payload: Buffer): Buffer {
  const bytesOfHeader = Math.ceil((body.length + 2) / 8) * 8;
  const header = Buffer.alloc(bytesOfHeader);
  header[0] = protocolOf(payload);
  header[1] = bytesOfHeader / 8 - 1;
  body.copy(header, 2);
  return extended(number, header, payload);
}

export const hopByHop = (payload: Buffer, options: Buffer = Buffer.from('010400000000', 'hex')): Buffer =>
  ipv6Extension(0, options, payload);
export const destinationOptions = (payload: Buffer, options: Buffer = Buffer.from('010400000000', 'hex')): Buffer =>
  ipv6Extension(60, options, payload);
/** Mobility header: nothing but its shape. */
export const mobility = (payload: Buffer): Buffer => ipv6Extension(135, Buffer.alloc(6), payload);

/** Hop-by-hop header with the jumbo payload option (RFC 2675); `length` counts from behind the IPv6 header. */
export function jumbo(payload: Buffer, length: number = payload.length + 8): Buffer {
  return ipv6Extension(0, Buffer.concat([Buffer.from([0xc2, 4]), word32(length)]), payload);
}

/** Routing header of type 0, 2 or 4; type 4 lists its segments in reverse, as on the wire. */
export function routing(payload: Buffer, o: { type?: number; segmentsLeft?: number; addresses: string[] }): Buffer {
  const type = o.type ?? 0;
  const fixed =
    type === 4
      ? Buffer.from([type, o.segmentsLeft ?? 1, o.addresses.length - 1, 0, 0, 0])
      : Buffer.from([type, o.segmentsLeft ?? 1, 0, 0, 0, 0]);
  return ipv6Extension(43, Buffer.concat([fixed, ...o.addresses.map(ipv6Bytes)]), payload);
}

/** IPv6 fragment header in front of a piece of a packet whose first header is `nextHeader`. */
export function ipv6Fragment(piece: Buffer, o: { offset?: number; more?: boolean; id?: number; nextHeader?: number } = {}): Buffer {
  const header = Buffer.concat([
    Buffer.from([o.nextHeader ?? protocolOf(piece), 0]),
    word16((o.offset ?? 0) | (o.more ? 1 : 0)),
    word32(o.id ?? 1),
  ]);
  return extended(44, header, piece);
}

/** Authentication header with a value of twelve bytes; in IPv4 and IPv6. */
export function authentication(payload: Buffer): Buffer {
  return extended(51, Buffer.concat([Buffer.from([protocolOf(payload), 4, 0, 0]), word32(1, 1), Buffer.alloc(12)]), payload);
}

function extended(number: number, header: Buffer, payload: Buffer): Buffer {
  const all = made('extension', header, payload);
  numbers.set(all, number);
  const waiting = unsummed.get(payload);
  if (waiting !== undefined) {
    unsummed.set(all, {
      transportAt: waiting.transportAt + header.length,
      checksumAt: waiting.checksumAt + header.length,
      protocol: waiting.protocol,
    });
  }
  return all;
}

/** TCP flags, as in Segment. */
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;

export interface TcpOptions {
  sourcePort?: number;
  destinationPort?: number;
  sequence?: number;
  acknowledgement?: number;
  flags?: number;
  window?: number;
  urgentPointer?: number;
  /** Options, padded to four bytes. */
  options?: Buffer;
  /** Header length in 32-bit words, when it is to be wrong. */
  offset?: number;
  /** Given: kept as it is. Otherwise the IP header around fills it in. */
  checksum?: number;
}

export function tcp(payload: Buffer, o: TcpOptions = {}): Buffer {
  const options = o.options ?? Buffer.alloc(0);
  const padded = Buffer.concat([options, Buffer.alloc((4 - (options.length % 4)) % 4)]);
  const header = Buffer.concat([
    word16(o.sourcePort ?? 40000, o.destinationPort ?? 80),
    word32(o.sequence ?? 1, o.acknowledgement ?? 0),
    Buffer.from([(o.offset ?? 5 + padded.length / 4) << 4, o.flags ?? ACK]),
    word16(o.window ?? 65535, o.checksum ?? 0, o.urgentPointer ?? 0),
    padded,
  ]);
  const all = made('tcp', header, payload);
  if (o.checksum === undefined) unsummed.set(all, { transportAt: 0, checksumAt: 16, protocol: 6 });
  return all;
}

export interface UdpOptions {
  sourcePort?: number;
  destinationPort?: number;
  length?: number;
  /** Given (0: none): kept as it is. Otherwise the IP header around fills it in. */
  checksum?: number;
}

export function udp(payload: Buffer, o: UdpOptions = {}): Buffer {
  const header = word16(
    o.sourcePort ?? 50000,
    o.destinationPort ?? tunnelPorts.get(payload) ?? 53,
    o.length ?? 8 + payload.length,
    o.checksum ?? 0,
  );
  const all = made('udp', header, payload);
  if (o.checksum === undefined) unsummed.set(all, { transportAt: 0, checksumAt: 6, protocol: 17 });
  return all;
}

/** Well-known destination port of a tunnel header, for `udp` around it. */
const tunnelPorts = new WeakMap<Buffer, number>();

function tunnel(port: number, ...parts: Buffer[]): Buffer {
  const all = Buffer.concat(parts);
  tunnelPorts.set(all, port);
  return all;
}

export function vxlan(frame: Buffer, o: { vni?: number; flags?: number; reserved?: number } = {}): Buffer {
  const reserved = o.reserved ?? 0;
  return tunnel(4789, word32(((o.flags ?? 8) << 24) | (reserved & 0xffffff), ((o.vni ?? 1) << 8) | (reserved & 255)), frame);
}

/** VXLAN-GPE; the next protocol is found from the payload. */
export function vxlanGpe(payload: Buffer, o: { vni?: number; nextProtocol?: number } = {}): Buffer {
  const next = { ipv4: 1, ipv6: 2, ethernet: 3, nsh: 4, mpls: 5 } as Partial<Record<Kind, number>>;
  const protocol = o.nextProtocol ?? next[kinds.get(payload) ?? 'ethernet'] ?? 3;
  return tunnel(4790, word32(0x0c000000 | protocol, (o.vni ?? 1) << 8), payload);
}

/** GENEVE; `options` is padded to four bytes. */
export function geneve(payload: Buffer, o: { vni?: number; type?: number; options?: Buffer; version?: number } = {}): Buffer {
  const options = o.options ?? Buffer.alloc(0);
  const padded = Buffer.concat([options, Buffer.alloc((4 - (options.length % 4)) % 4)]);
  const head = Buffer.concat([Buffer.from([((o.version ?? 0) << 6) | (padded.length / 4), 0]), word16(o.type ?? etherTypeOf(payload))]);
  return tunnel(6081, head, word32((o.vni ?? 1) << 8), padded, payload);
}

export interface GreOptions {
  type?: number;
  key?: number;
  sequence?: number;
  checksum?: boolean;
  /** Source route entries, without the one that ends the list. */
  routing?: Buffer;
}

/** GRE version 0. */
export function gre(payload: Buffer, o: GreOptions = {}): Buffer {
  const flags =
    (o.checksum ? 0x8000 : 0) | (o.routing ? 0x4000 : 0) | (o.key === undefined ? 0 : 0x2000) | (o.sequence === undefined ? 0 : 0x1000);
  const parts = [word16(flags, o.type ?? etherTypeOf(payload))];
  if (o.checksum || o.routing) parts.push(word16(0, 0));
  if (o.key !== undefined) parts.push(word32(o.key));
  if (o.sequence !== undefined) parts.push(word32(o.sequence));
  if (o.routing) parts.push(o.routing, word32(0));
  const all = made('gre', Buffer.concat(parts), payload);
  if (o.checksum) all.writeUInt16BE(internetChecksum(all), 4);
  return all;
}

/** GRE version 1 (PPTP) around PPP; `payload` undefined makes a bare acknowledgement. */
export function pptp(payload: Buffer | undefined, o: { callId?: number; sequence?: number; acknowledgement?: number } = {}): Buffer {
  const inner = payload === undefined ? Buffer.alloc(0) : ppp(payload, { addressAndControl: true });
  const flags = 0x2001 | (payload === undefined ? 0 : 0x1000) | (o.acknowledgement === undefined ? 0 : 0x80);
  const parts = [word16(flags, 0x880b, inner.length, o.callId ?? 7)];
  if (payload !== undefined) parts.push(word32(o.sequence ?? 1));
  if (o.acknowledgement !== undefined) parts.push(word32(o.acknowledgement));
  return made('gre', Buffer.concat(parts), inner);
}

export interface ErspanOptions {
  /** 1, 2 or 3. */
  type?: 1 | 2 | 3;
  session?: number;
  vlan?: number;
  /** Type III: with the platform specific subheader. */
  platform?: boolean;
  /** Type III: frame type, 0 Ethernet, 2 IP. */
  frameType?: number;
}

/** ERSPAN with its GRE header. */
export function erspan(frame: Buffer, o: ErspanOptions = {}): Buffer {
  const type = o.type ?? 2;
  if (type === 1) return gre(frame, { type: 0x88be });
  const head = word16(((type - 1) << 12) | (o.vlan ?? 0), o.session ?? 1);
  if (type === 2) return gre(Buffer.concat([head, word32(0), frame]), { type: 0x88be, sequence: 1 });
  const last = ((o.frameType ?? 0) << 10) | (o.platform ? 1 : 0);
  const sub = o.platform ? Buffer.alloc(8) : Buffer.alloc(0);
  return gre(Buffer.concat([head, word32(0), word16(0, last), sub, frame]), { type: 0x22eb, sequence: 1 });
}

/** Teredo: indications in front of an IPv6 packet. */
export function teredo(payload: Buffer, o: { authentication?: boolean; origin?: boolean } = {}): Buffer {
  const parts: Buffer[] = [];
  if (o.authentication) parts.push(Buffer.from([0, 1, 2, 3]), Buffer.from('idval'), Buffer.alloc(8), Buffer.from([0]));
  if (o.origin) parts.push(word16(0, 0x1234), word32(0x01020304));
  return tunnel(3544, ...parts, payload);
}

export interface GtpOptions {
  teid?: number;
  messageType?: number;
  sequence?: number;
  /** Extension headers: type and content, whose length plus two is a multiple of four. */
  extensions?: { type: number; content: Buffer }[];
}

/** GTP-U version 1. */
export function gtp(payload: Buffer, o: GtpOptions = {}): Buffer {
  const extensions = o.extensions ?? [];
  const flags = 0x30 | (extensions.length > 0 ? 4 : 0) | (o.sequence === undefined ? 0 : 2);
  const parts: Buffer[] = [];
  if (flags & 7) parts.push(word16(o.sequence ?? 0), Buffer.from([0, extensions[0]?.type ?? 0]));
  extensions.forEach(({ content }, i) => {
    parts.push(Buffer.from([(content.length + 2) / 4]), content, Buffer.from([extensions[i + 1]?.type ?? 0]));
  });
  const body = Buffer.concat([...parts, payload]);
  return tunnel(2152, Buffer.from([flags, o.messageType ?? 255]), word16(body.length), word32(o.teid ?? 1), body);
}

/** L2TP version 2 data message with PPP inside. */
export function l2tp(
  payload: Buffer,
  o: { tunnelId?: number; session?: number; length?: boolean; sequence?: boolean; offset?: number } = {},
): Buffer {
  const flags = 2 | (o.length ? 0x4000 : 0) | (o.sequence ? 0x0800 : 0) | (o.offset === undefined ? 0 : 0x0200);
  const tail = Buffer.concat([
    word16(o.tunnelId ?? 1, o.session ?? 2),
    o.sequence ? word16(0, 0) : Buffer.alloc(0),
    o.offset === undefined ? Buffer.alloc(0) : Buffer.concat([word16(o.offset), Buffer.alloc(o.offset)]),
    ppp(payload, { addressAndControl: true }),
  ]);
  return tunnel(1701, word16(flags), o.length ? word16(4 + tail.length) : Buffer.alloc(0), tail);
}

/** L2TP version 3 from the session id on: the payload of IP protocol 115; in UDP put `word32(3)` before it. */
export function l2tpV3(payload: Buffer, o: { session?: number; cookie?: Buffer; sublayer?: boolean; inUdp?: boolean } = {}): Buffer {
  const body = [word32(o.session ?? 9), o.cookie ?? Buffer.alloc(0), o.sublayer ? word32(0) : Buffer.alloc(0), payload];
  if (o.inUdp) return tunnel(1701, word16(3, 0), ...body);
  const all = Buffer.concat(body);
  numbers.set(all, 115);
  return all;
}

/** Network service header, MD type 2 without metadata, or with `metadata` of a multiple of four bytes. */
export function nsh(payload: Buffer, o: { metadata?: Buffer; nextProtocol?: number } = {}): Buffer {
  const next = { ipv4: 1, ipv6: 2, ethernet: 3, nsh: 4, mpls: 5 } as Partial<Record<Kind, number>>;
  const metadata = o.metadata ?? Buffer.alloc(0);
  const protocol = o.nextProtocol ?? next[kinds.get(payload) ?? 'ipv4'] ?? 1;
  return made(
    'nsh',
    Buffer.concat([word16(0x0fc0 | (2 + metadata.length / 4)), Buffer.from([2, protocol]), word32(0x2aff), metadata]),
    payload,
  );
}

/** AYIYA with a 16-byte identity and a 20-byte signature. */
export function ayiya(payload: Buffer): Buffer {
  const next = kinds.get(payload) === 'ipv4' ? 4 : 41;
  return tunnel(5072, Buffer.from([0x41, 0x52, 0x11, next]), word32(1), Buffer.alloc(16), Buffer.alloc(20), payload);
}

/** EtherIP: the payload of IP protocol 97. */
export function etherIp(frame: Buffer): Buffer {
  const all = Buffer.concat([word16(0x3000), frame]);
  numbers.set(all, 97);
  return all;
}

/** ICMP echo request, for what is to be left alone. */
export function icmp(payload: Buffer = Buffer.alloc(8)): Buffer {
  return made('icmp', Buffer.from([8, 0, 0, 0]), payload);
}

export interface PlaceOptions {
  /** Bytes on the wire, when the capture cut the packet. */
  wireBytes?: number;
  linkType?: number;
  interfaceId?: number;
}

/** Puts the bytes of a packet where a capture source would, and fills the Packet. */
export function placePacket(packet: Packet, data: Buffer, o: PlaceOptions = {}): void {
  packet.at = packetRegion.at;
  packet.end = packetRegion.at + data.length;
  packet.wireBytes = o.wireBytes ?? data.length;
  packet.linkType = o.linkType ?? 1;
  packet.interfaceId = o.interfaceId ?? 0;
  bytes.set(data, packet.at);
}
