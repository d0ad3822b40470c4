/**
 * Reading a tunnel end-point, in a worker: datagrams in batches, by recvmmsg(2), straight into the arena.
 *
 * The kernel hands over what is behind the UDP header. The headers before it are written anew from what the kernel
 * tells beside the datagram, so that a packet is raw IP (link type 101) as if it had been captured, and its
 * encapsulation path has the outer addresses:
 *
 *   slot   | room | IPv4 20 or IPv6 40 | UDP 8 | datagram ...                                              |
 *                 ^ packet.at                  ^ SLOT_HEAD_BYTES into the slot                    packet.end
 *
 * Source address and port are those of the sender, the destination address is that to which it sent. The destination
 * port is the standard one of the encapsulation (4789, 6081), whatever port the socket has: by that decode/ knows it.
 * The UDP checksum is 0, which says "none"; that of the IPv4 header is right.
 *
 * What the kernel reads and writes lies in front of the slots (LP64, host order; bits/socket.h, asm-generic/socket.h):
 *
 *   mmsghdr  64 B   | name * | name length 4, - 4 | iovec * | iovecs 8 | control * | control length 8 | flags 4, - 4 | length 4, - 4 |
 *   iovec    16 B   | base * | length 8 |
 *   name     32 B   sockaddr_in or sockaddr_in6 (capture/sockaddr.ts)
 *   control 128 B   cmsghdr | length 8 | level 4 | type 4 | data ..., each aligned to 8 bytes:
 *                   SCM_TIMESTAMPNS | seconds 8 | nanoseconds 8 |
 *                   IP_PKTINFO | interface 4 | local address 4 | destination address 4 |
 *                   IPV6_PKTINFO | destination address 16 | interface 4 |
 *
 * Bounds: 64 datagrams a batch; a slot takes the longest datagram that there is, if the region has
 * REGION_BYTES; in a smaller region it is cut, and `wireBytes` says how long it was. Raises
 * capture.endpoint.no_time, capture.endpoint.read_failed. Left out: the outer headers' other fields (TTL, DSCP, IPv6
 * extension headers), and outer fragments, which the kernel has put together.
 */
import { bytes, type Region, view } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { GENEVE_PORT, VXLAN_PORT } from '../base/endpoint-url.ts';
import { raise, weird } from '../base/weird.ts';
import type { Packet } from './packet.ts';
import { addressBytes, SOCKADDR_BYTES_MAX } from './sockaddr.ts';
import { type SystemCalls, systemCalls } from './syscalls.ts';
import { type Endpoint, endpointDrops, endpointFill } from './tunnel-endpoint.ts';

const B = bytes;
const V = view;
const C = counts;
const now = packetTimeUs;
const RECEIVED = counter('packets.received');
const BYTES = counter('packets.bytes');
const NO_TIME = weird('capture.endpoint.no_time');
const READ_FAILED = weird('capture.endpoint.read_failed');

const BATCH = 64;
const MESSAGE_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 128;
const ADDRESS_BYTES = 16;
const LINE_BYTES = 64;
/** Offsets in a mmsghdr. */
const NAME_LENGTH = 8;
const CONTROL_LENGTH = 40;
const LENGTH = 56;
/** Offsets in the region. */
const IOVECS = BATCH * MESSAGE_BYTES;
const NAMES = IOVECS + BATCH * IOVEC_BYTES;
const CONTROLS = NAMES + BATCH * NAME_BYTES;
const BOUND_ADDRESS = CONTROLS + BATCH * CONTROL_BYTES;
const SLOTS = BOUND_ADDRESS + LINE_BYTES;

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const SLOT_HEAD_BYTES = IPV6_BYTES + UDP_BYTES;
const DATAGRAM_BYTES_MAX = 65_535;
/** An odd number of cache lines, so that the beginnings of the slots do not fight for the same ones. */
const SLOT_BYTES_MAX = Math.ceil((SLOT_HEAD_BYTES + DATAGRAM_BYTES_MAX) / LINE_BYTES) * LINE_BYTES;
const SLOT_BYTES_MIN = 4 * LINE_BYTES;

/** Bytes of the arena that one reader needs, wherever they begin. */
export const REGION_BYTES: number = LINE_BYTES + SLOTS + BATCH * SLOT_BYTES_MAX;
const REGION_BYTES_MIN = LINE_BYTES + SLOTS + BATCH * SLOT_BYTES_MIN;

const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
/** With MSG_TRUNC the kernel tells the whole length of a datagram that it had to cut. */
const FLAGS = MSG_DONTWAIT | MSG_TRUNC;
const EINTR = -4;
const EAGAIN = -11;
const CMSG_HEADER_BYTES = 16;
const SOL_SOCKET = 1;
const SCM_TIMESTAMPNS = 35;
const SOL_IP = 0;
const IP_PKTINFO = 8;
const SOL_IPV6 = 41;
const IPV6_PKTINFO = 50;
const LINKTYPE_RAW = 101;
const UDP_PROTOCOL = 17;
const HOP_LIMIT = 64;

export class EndpointReader {
  readonly fd: number;
  readonly #calls: SystemCalls;
  readonly #interfaceId: number;
  readonly #v6: boolean;
  /** The mmsghdrs, as the system call takes them. */
  readonly #messages: Buffer;
  readonly #messagesAt: number;
  /** Of the first datagram. */
  readonly #payloadsAt: number;
  readonly #slotBytes: number;
  readonly #datagramBytesMax: number;
  /** Sum of the words of an IPv4 header that never change. */
  readonly #ipv4Sum: number;
  readonly #totals = new Float64Array(2);
  #count = 0;
  #taken = 0;

  /** Throws when the region is too small to be of use. */
  constructor(fd: number, endpoint: Endpoint, region: Pick<Region, 'at' | 'end'>, interfaceId: number) {
    const calls = systemCalls();
    const at = Math.ceil(region.at / LINE_BYTES) * LINE_BYTES;
    const address = addressBytes(endpoint.address);
    if (calls === null || address === null) throw new Error(`end-point ${endpoint.url}: it cannot have been opened`);
    if (region.end - region.at < REGION_BYTES_MIN)
      throw new Error(`end-point ${endpoint.url}: a region of less than ${REGION_BYTES_MIN} bytes`);
    this.fd = fd;
    this.#calls = calls;
    this.#interfaceId = interfaceId;
    this.#v6 = address.length === ADDRESS_BYTES;
    const slotBytes = Math.min(SLOT_BYTES_MAX, Math.floor((region.end - at - SLOTS) / BATCH / LINE_BYTES) * LINE_BYTES);
    this.#slotBytes = slotBytes;
    this.#datagramBytesMax = Math.min(DATAGRAM_BYTES_MAX, slotBytes - SLOT_HEAD_BYTES);
    this.#messagesAt = at;
    this.#messages = bytes.subarray(at, at + IOVECS);
    this.#payloadsAt = at + SLOTS + SLOT_HEAD_BYTES;
    B.fill(0, at, at + SLOTS);
    B.set(address, at + BOUND_ADDRESS);
    const base = calls.addressOf(this.#messages) - BigInt(at);
    const port = endpoint.encapsulation === 'vxlan' ? VXLAN_PORT : GENEVE_PORT;
    for (let i = 0; i < BATCH; i++) {
      const message = at + i * MESSAGE_BYTES;
      const iovec = at + IOVECS + i * IOVEC_BYTES;
      const payload = this.#payloadsAt + i * slotBytes;
      V.setBigUint64(message, base + BigInt(at + NAMES + i * NAME_BYTES), true);
      V.setBigUint64(message + 16, base + BigInt(iovec), true);
      V.setUint32(message + 24, 1, true);
      V.setBigUint64(message + 32, base + BigInt(at + CONTROLS + i * CONTROL_BYTES), true);
      V.setBigUint64(iovec, base + BigInt(payload), true);
      V.setUint32(iovec + 8, this.#datagramBytesMax, true);
      writeFixedHeaders(payload, this.#v6, port);
    }
    this.#ipv4Sum = 0x4500 + ((HOP_LIMIT << 8) | UDP_PROTOCOL);
    this.#prepare(BATCH);
  }

  /** Datagrams handed on. */
  get packets(): number {
    return this.#totals[0];
  }

  /** Their captured bytes, with the outer headers. */
  get bytes(): number {
    return this.#totals[1];
  }

  /** Filled part of the receive buffer, 0 to 1. */
  fill(): number {
    return endpointFill(this.fd);
  }

  /** Datagrams that the kernel dropped at this socket, because the receive buffer was full. */
  kernelDropped(): number {
    return endpointDrops(this.fd);
  }

  /** Fills `packet` and packet time; false when nothing is there. The bytes are valid until the next call. Never blocks. */
  next(packet: Packet): boolean {
    if (this.#taken === this.#count && !this.#receive()) return false;
    const i = this.#taken++;
    const base = this.#messagesAt;
    const message = base + i * MESSAGE_BYTES;
    const payload = this.#payloadsAt + i * this.#slotBytes;
    const length = V.getInt32(message + LENGTH, true);
    const most = this.#datagramBytesMax;
    const destination = this.#readControl(base + CONTROLS + i * CONTROL_BYTES, V.getInt32(message + CONTROL_LENGTH, true));
    const name = base + NAMES + i * NAME_BYTES;
    const headers = this.#v6
      ? ipv6Header(payload, name, destination, length)
      : ipv4Header(payload, name, destination, length, this.#ipv4Sum);
    const at = payload - headers;
    const end = payload + (length < most ? length : most);
    packet.at = at;
    packet.end = end;
    packet.wireBytes = headers + length;
    packet.linkType = LINKTYPE_RAW;
    packet.interfaceId = this.#interfaceId;
    const totals = this.#totals;
    totals[0]++;
    totals[1] += end - at;
    C[RECEIVED]++;
    C[BYTES] += end - at;
    return true;
  }

  /** Takes the next batch; false when nothing is there. */
  #receive(): boolean {
    this.#prepare(this.#count);
    this.#taken = 0;
    this.#count = 0;
    const n = this.#calls.recvmmsg(this.fd, this.#messages, BATCH, FLAGS);
    if (n > 0) {
      this.#count = n;
      return true;
    }
    if (n < 0 && n !== EAGAIN && n !== EINTR) raise(READ_FAILED);
    return false;
  }

  /** The room for names and control messages, which the kernel has overwritten with what it used of it. */
  #prepare(count: number): void {
    const end = this.#messagesAt + count * MESSAGE_BYTES;
    for (let message = this.#messagesAt; message < end; message += MESSAGE_BYTES) {
      V.setInt32(message + NAME_LENGTH, SOCKADDR_BYTES_MAX, true);
      V.setInt32(message + CONTROL_LENGTH, CONTROL_BYTES, true);
    }
  }

  /** Sets the packet time; returns where the destination address lies: that of the socket when the kernel tells none. */
  #readControl(at: number, length: number): number {
    const end = at + (length < CONTROL_BYTES ? length : CONTROL_BYTES);
    let destination = this.#messagesAt + BOUND_ADDRESS;
    let timed = false;
    while (end - at >= CMSG_HEADER_BYTES) {
      const own = V.getInt32(at, true);
      if (own < CMSG_HEADER_BYTES || own > end - at) break;
      const level = V.getInt32(at + 8, true);
      const type = V.getInt32(at + 12, true);
      const data = at + CMSG_HEADER_BYTES;
      if (level === SOL_SOCKET && type === SCM_TIMESTAMPNS && own >= 32) {
        const seconds = V.getUint32(data, true) + V.getInt32(data + 4, true) * 2 ** 32;
        now[0] = seconds * 1e6 + V.getInt32(data + 8, true) / 1000;
        timed = true;
      } else if (level === SOL_IP && type === IP_PKTINFO && own >= 28) destination = data + 8;
      else if (level === SOL_IPV6 && type === IPV6_PKTINFO && own >= 36) destination = data;
      at += (own + 7) & ~7;
    }
    if (!timed) {
      raise(NO_TIME);
      now[0] = Date.now() * 1000;
    }
    return destination;
  }
}

/** What is the same in the headers of all datagrams; `payload` is where the datagram begins. */
function writeFixedHeaders(payload: number, v6: boolean, port: number): void {
  const at = payload - SLOT_HEAD_BYTES;
  B.fill(0, at, payload);
  V.setUint16(payload - UDP_BYTES + 2, port);
  if (v6) {
    B[at] = 0x60;
    B[at + 6] = UDP_PROTOCOL;
    B[at + 7] = HOP_LIMIT;
  } else {
    const ipv4 = payload - UDP_BYTES - IPV4_BYTES;
    B[ipv4] = 0x45;
    B[ipv4 + 8] = HOP_LIMIT;
    B[ipv4 + 9] = UDP_PROTOCOL;
  }
}

/** Completes IPv4 and UDP header before the datagram at `payload`; returns their length. `name` is a sockaddr_in. */
function ipv4Header(payload: number, name: number, destination: number, length: number, fixedSum: number): number {
  const udp = payload - UDP_BYTES;
  const at = udp - IPV4_BYTES;
  const total = IPV4_BYTES + UDP_BYTES + length;
  const source = V.getInt32(name + 4);
  const to = V.getInt32(destination);
  V.setUint16(at + 2, total);
  V.setInt32(at + 12, source);
  V.setInt32(at + 16, to);
  let sum = fixedSum + total + (source >>> 16) + (source & 0xffff) + (to >>> 16) + (to & 0xffff);
  sum = (sum & 0xffff) + (sum >>> 16);
  V.setUint16(at + 10, ~(sum + (sum >>> 16)) & 0xffff);
  V.setUint16(udp, V.getUint16(name + 2));
  V.setUint16(udp + 4, UDP_BYTES + length);
  return IPV4_BYTES + UDP_BYTES;
}

/** The same for IPv6; `name` is a sockaddr_in6. */
function ipv6Header(payload: number, name: number, destination: number, length: number): number {
  const udp = payload - UDP_BYTES;
  const at = udp - IPV6_BYTES;
  V.setUint16(at + 4, UDP_BYTES + length);
  for (let i = 0; i < ADDRESS_BYTES; i += 4) {
    V.setInt32(at + 8 + i, V.getInt32(name + 8 + i));
    V.setInt32(at + 24 + i, V.getInt32(destination + i));
  }
  V.setUint16(udp, V.getUint16(name + 2));
  V.setUint16(udp + 4, UDP_BYTES + length);
  return SLOT_HEAD_BYTES;
}
