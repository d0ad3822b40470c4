/**
 * Frames: TCP segments of one connection as Ethernet frames, both directions, and VXLAN around them.
 *
 *   +----------+---------------------+----------------------+-----------+
 *   | Ethernet | IPv4 20 or IPv6 40  | TCP 20 + options     | payload   |
 *   | 14       | no options          | 20 in a SYN, else 12 | <= 1448   |
 *   +----------+---------------------+----------------------+-----------+
 *
 *   VXLAN (RFC 7348) adds 50 bytes in front: Ethernet 14, IPv4 20, UDP 8 (checksum 0), VXLAN 8.
 *
 * The headers that never change on a connection are made once and copied; lengths, numbers, flags and checksums
 * (all of them right) are patched in. Multi-byte fields are big-endian, as on the wire.
 */
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

/** Bytes that VXLAN puts in front of a frame. */
export const VXLAN_BYTES = 50;
/** The longest frame that `FlowFrames.write` makes, VXLAN excluded. */
export const FRAME_BYTES_MAX = 1514;

const ETHERNET_BYTES = 14;
const TCP_BYTES = 20;
const SYN_OPTION_BYTES = 20;
const OPTION_BYTES = 12;
const MTU = 1500;
const EMPTY = Buffer.alloc(0);

/** One end of a connection: 4 or 16 address bytes. */
export interface Endpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

/** One TCP segment to be written. Numbers are unsigned 32 bit. */
export interface TcpSegment {
  readonly fromServer: boolean;
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** TCP timestamp, milliseconds since any time (RFC 7323). */
  readonly timestamp: number;
  readonly payload?: Buffer;
  readonly payloadAt?: number;
  readonly payloadEnd?: number;
}

/** Ones' complement sum of big-endian 16-bit words of `bytes`, added to `sum`; not folded (RFC 1071). */
function addWords(sum: number, bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  for (; i + 1 < end; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  if (i < end) sum += bytes[i] << 8;
  return sum;
}

function checksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Writes the frames of one connection. */
export class FlowFrames {
  /** Payload bytes that fit into one frame: 1448 with IPv4, 1428 with IPv6. */
  readonly payloadBytesMax: number;
  private readonly fromClient: Buffer;
  private readonly fromServer: Buffer;
  private readonly ipv6: boolean;
  /** Checksum of the pseudo-header without its length: the same in both directions. */
  private readonly pseudoSum: number;
  private ipId: number;
  /** Newest TCP timestamps of both sides; each side echoes the other's (RFC 7323, 4.3). */
  private clientTimestamp = 0;
  private serverTimestamp = 0;

  constructor(client: Endpoint, server: Endpoint, ipId: number) {
    this.ipv6 = client.address.length === 16;
    this.fromClient = headers(client, server, 0x0c);
    this.fromServer = headers(server, client, 0x0d);
    this.pseudoSum = addWords(addWords(6, client.address, 0, client.address.length), server.address, 0, server.address.length);
    this.payloadBytesMax = MTU - (this.ipv6 ? 40 : 20) - TCP_BYTES - OPTION_BYTES;
    this.ipId = ipId;
  }

  /** Writes the segment's frame at `at`; returns one past its last byte. At most FRAME_BYTES_MAX bytes. */
  write(bytes: Buffer, at: number, segment: TcpSegment): number {
    const template = segment.fromServer ? this.fromServer : this.fromClient;
    const payload = segment.payload ?? EMPTY;
    const payloadAt = segment.payloadAt ?? 0;
    const payloadLength = (segment.payloadEnd ?? payload.length) - payloadAt;
    const syn = (segment.flags & SYN) !== 0;
    const tcpBytes = TCP_BYTES + (syn ? SYN_OPTION_BYTES : OPTION_BYTES);
    const tcpAt = at + template.length - TCP_BYTES;
    const end = tcpAt + tcpBytes + payloadLength;
    bytes.set(template, at);
    const ipAt = at + ETHERNET_BYTES;
    if (this.ipv6) {
      bytes.writeUInt16BE(end - tcpAt, ipAt + 4);
    } else {
      bytes.writeUInt16BE(end - ipAt, ipAt + 2);
      this.ipId = (this.ipId + 1) & 0xffff;
      bytes.writeUInt16BE(this.ipId, ipAt + 4);
      bytes.writeUInt16BE(checksum(addWords(0, bytes, ipAt, ipAt + 20)), ipAt + 10);
    }
    bytes.writeUInt32BE(segment.sequence, tcpAt + 4);
    bytes.writeUInt32BE(segment.flags & ACK ? segment.acknowledgement : 0, tcpAt + 8);
    bytes[tcpAt + 12] = (tcpBytes >> 2) << 4;
    bytes[tcpAt + 13] = segment.flags;
    bytes.writeUInt16BE(syn ? 64240 : 502, tcpAt + 14);
    let optionAt = tcpAt + TCP_BYTES;
    if (syn) {
      bytes.writeUInt32BE(0x020405b4, optionAt); // maximum segment size 1460
      bytes.writeUInt16BE(0x0402, optionAt + 4); // selective acknowledgement permitted
      bytes.writeUInt32BE(0x01030307, optionAt + 16); // no-operation, window scale 7
      optionAt += 6;
    } else {
      bytes.writeUInt16BE(0x0101, optionAt);
      optionAt += 2;
    }
    bytes.writeUInt16BE(0x080a, optionAt);
    bytes.writeUInt32BE(segment.timestamp, optionAt + 2);
    bytes.writeUInt32BE(segment.fromServer ? this.clientTimestamp : this.serverTimestamp, optionAt + 6);
    if (segment.fromServer) this.serverTimestamp = segment.timestamp;
    else this.clientTimestamp = segment.timestamp;
    const dataAt = tcpAt + tcpBytes;
    if (payloadLength > 0) payload.copy(bytes, dataAt, payloadAt, payloadAt + payloadLength);
    bytes.writeUInt16BE(checksum(addWords(this.pseudoSum + end - tcpAt, bytes, tcpAt, end)), tcpAt + 16);
    return end;
  }
}

/** Ethernet, IP and TCP header of one direction, with zeros where a segment's own values go. */
function headers(source: Endpoint, destination: Endpoint, mac: number): Buffer {
  const ipv6 = source.address.length === 16;
  const out = Buffer.alloc(ETHERNET_BYTES + (ipv6 ? 40 : 20) + TCP_BYTES);
  out.set([0x0a, 0x00, 0x00, 0x00, 0x00, mac ^ 1, 0x0a, 0x00, 0x00, 0x00, 0x00, mac], 0);
  out.writeUInt16BE(ipv6 ? 0x86dd : 0x0800, 12);
  let at = ETHERNET_BYTES;
  if (ipv6) {
    out[at] = 0x60;
    out.set([6, 64], at + 6);
    out.set(source.address, at + 8);
    out.set(destination.address, at + 24);
    at += 40;
  } else {
    out[at] = 0x45;
    out.set([0x40, 0, 64, 6], at + 6); // do not fragment, time to live 64, TCP
    out.set(source.address, at + 12);
    out.set(destination.address, at + 16);
    at += 20;
  }
  out.writeUInt16BE(source.port, at);
  out.writeUInt16BE(destination.port, at + 2);
  return out;
}

/** Writes the VXLAN_BYTES in front of an inner frame of `innerBytes` bytes, as a mirror session does. */
export function writeVxlan(bytes: Buffer, at: number, vni: number, sourcePort: number, innerBytes: number): void {
  bytes.set([0x02, 0x42, 0x0a, 0x00, 0x00, 0x02, 0x02, 0x42, 0x0a, 0x00, 0x00, 0x01, 0x08, 0x00], at);
  const ipAt = at + ETHERNET_BYTES;
  bytes.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 172, 31, 0, 1 + (vni % 250), 172, 31, 255, 1], ipAt);
  bytes.writeUInt16BE(20 + 8 + 8 + innerBytes, ipAt + 2);
  bytes.writeUInt16BE(checksum(addWords(0, bytes, ipAt, ipAt + 20)), ipAt + 10);
  const udpAt = ipAt + 20;
  bytes.writeUInt16BE(sourcePort, udpAt);
  bytes.writeUInt16BE(4789, udpAt + 2);
  bytes.writeUInt16BE(8 + 8 + innerBytes, udpAt + 4);
  bytes.writeUInt16BE(0, udpAt + 6);
  bytes.writeUInt32BE(0x08000000, udpAt + 8);
  bytes.writeUInt32BE(vni * 256, udpAt + 12);
}
