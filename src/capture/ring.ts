/**
 * AF_PACKET: packets from the wire through a ring of blocks that the kernel fills and we read in place
 * (TPACKET_V3; linux/if_packet.h, packet_mmap in the kernel's documentation). All fields in host order.
 *
 *   block   0 version   4 offset to private   8 status   12 packets   16 offset to first   20 length   24 sequence ...
 *   packet  0 next      4 s   8 ns   12 captured   16 on the wire   20 status   24 mac (16)   26 net (16)
 *           28 hash    32 vlan tci   36 vlan tpid (16)   48 sockaddr_ll: 52 interface   56 hardware type (16)   58 type
 *           82 ... bytes from the link-layer header on, with RESERVE_BYTES more room before them
 *
 * The status of a block is the hand-over: 0, the kernel writes; USER, it is ours until we write 0 again. A block comes
 * when it is full, or `ringBlockTimeoutMs` after its first packet.
 *
 * One socket listens on all interfaces of its network namespace; its filter (capture/socket-filter.ts) lets only
 * those pass that are wanted. So interfaces may come and go without the socket noticing.
 *
 * Bounds: nothing of a block is believed beyond the ring. A VLAN tag that the kernel took off is put back in the room
 * before the packet. Raises capture.link.unsupported. Left out: hardware time stamps, Infiniband, Wi-Fi monitor mode.
 */
import { bytes, words } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { SensorError } from '../base/errors.ts';
import { raise, weird } from '../base/weird.ts';
import type { Packet } from './packet.ts';
import { BLOCK_BYTES } from './packet-socket.ts';
import { systemCalls } from './syscalls.ts';

const B = bytes;
const W = words;
const C = counts;
const now = packetTimeUs;
const RECEIVED = counter('packets.received');
const BYTES = counter('packets.bytes');
const UNSUPPORTED = weird('capture.link.unsupported');

const BLOCK_HEADER_BYTES = 48;
const PACKET_HEADER_BYTES = 68;
const STATUS_USER = 1;
const VLAN_VALID = 0x10;
const TPID_VALID = 0x40;
const TPID_8021Q = 0x8100;
const TAG_BYTES = 4;
const MACS_BYTES = 12;

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
/** Devices whose packets begin with an IP header: raw IP, IP-in-IP, IPv6 tunnels, SIT, GRE, none. */
const RAW_IP_DEVICES: readonly number[] = [519, 768, 769, 776, 778, 823, 0xfffe];
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;
/** Interfaces that one reader tells apart; "interfaceId" is below it. */
export const INTERFACES_MAX: number = 1024;

/** Packets and their bytes on the wire, by the kernel's number of the interface. */
export interface InterfaceCounts {
  readonly index: number;
  readonly packets: number;
  readonly bytes: number;
}

/** Reads one ring. Its blocks lie in the arena, from `at` on. */
export class RingReader {
  readonly #at: number;
  readonly #blocks: number;
  readonly #indexes = new Int32Array(INTERFACES_MAX);
  readonly #packets = new Float64Array(INTERFACES_MAX);
  readonly #bytes = new Float64Array(INTERFACES_MAX);
  readonly #state: Int32Array;
  #interfaces = 0;
  /** Offset of the block that is being read; 0 when none is. */
  #block = 0;
  #left = 0;
  #next = 0;
  #lastIndex = -1;
  #lastId = 0;

  /**
   * `state` outlives the reader, so that another reader of the same ring goes on where this one ended: word 0 is the
   * place of the next block, word 1 how many of its packets have been handed out. The ring must have been mapped
   * (`mapRing`).
   */
  constructor(at: number, ringBytes: number, state: Int32Array) {
    this.#at = at;
    this.#blocks = Math.floor(ringBytes / BLOCK_BYTES);
    this.#state = state;
  }

  /** What came by each interface, `Packet.interfaceId` being the place in this list. */
  get interfaces(): InterfaceCounts[] {
    return Array.from({ length: this.#interfaces }, (_, id) => ({
      index: this.#indexes[id],
      packets: this.#packets[id],
      bytes: this.#bytes[id],
    }));
  }

  /** Fills `packet` and packet time; false when nothing is ready. The bytes are valid until the next call. */
  next(packet: Packet): boolean {
    if (this.#left === 0 && !this.#nextBlock()) return false;
    const at = this.#next;
    const p = at >> 2;
    const captured = W[p + 3];
    const status = W[p + 5];
    const offsets = W[p + 6];
    let start = at + (offsets & 0xffff);
    let end = start + captured;
    let wire = W[p + 4];
    this.#advance();
    this.#state[1]++;
    if (start < at + PACKET_HEADER_BYTES || captured < 0 || end > this.#block + BLOCK_BYTES) {
      // No kernel writes that: of this packet nothing is believed, and no other of the block.
      this.#left = 0;
      start = at;
      end = at;
    }
    now[0] = (W[p + 1] >>> 0) * 1e6 + (W[p + 2] >>> 0) / 1000;
    const device = W[p + 14] & 0xffff;
    packet.linkType = LINKTYPE_ETHERNET;
    if (device !== ARPHRD_ETHER && device !== ARPHRD_LOOPBACK) {
      if (RAW_IP_DEVICES.includes(device)) {
        const net = at + (offsets >>> 16);
        const from = net < start || net > end ? end : net;
        wire -= from - start;
        start = from;
        packet.linkType = LINKTYPE_RAW;
      } else {
        raise(UNSUPPORTED);
        packet.linkType = -1;
      }
    } else if ((status & VLAN_VALID) !== 0 && end - start >= MACS_BYTES && start - TAG_BYTES >= at + PACKET_HEADER_BYTES) {
      const tpid = status & TPID_VALID ? W[p + 9] & 0xffff : TPID_8021Q;
      const tci = W[p + 8];
      B.copyWithin(start - TAG_BYTES, start, start + MACS_BYTES);
      start -= TAG_BYTES;
      wire += TAG_BYTES;
      B[start + MACS_BYTES] = tpid >> 8;
      B[start + MACS_BYTES + 1] = tpid;
      B[start + MACS_BYTES + 2] = tci >> 8;
      B[start + MACS_BYTES + 3] = tci;
    }
    packet.at = start;
    packet.end = end;
    if (wire < end - start) wire = end - start;
    packet.wireBytes = wire;
    const index = W[p + 13];
    packet.interfaceId = index === this.#lastIndex ? this.#lastId : this.#idOf(index);
    this.#packets[packet.interfaceId]++;
    this.#bytes[packet.interfaceId] += wire;
    C[RECEIVED]++;
    C[BYTES] += end - start;
    return true;
  }

  /** From the packet at `#next` to the one behind it, if there is one that can be believed. */
  #advance(): void {
    const step = W[this.#next >> 2];
    this.#left--;
    this.#next += step;
    if (step <= 0 || this.#next > this.#block + BLOCK_BYTES - PACKET_HEADER_BYTES) this.#left = 0;
  }

  /** Gives the block back that was read and takes the next one, if the kernel has handed it over. */
  #nextBlock(): boolean {
    const state = this.#state;
    if (this.#block !== 0) {
      // The kernel counts from 0 when it opens the block; until then nobody shall count it as waiting.
      W[(this.#block >> 2) + 3] = 0;
      Atomics.store(W, (this.#block >> 2) + 2, 0);
      this.#block = 0;
      state[0] = state[0] + 1 < this.#blocks ? state[0] + 1 : 0;
      state[1] = 0;
    }
    const block = this.#at + state[0] * BLOCK_BYTES;
    const b = block >> 2;
    if ((Atomics.load(W, b + 2) & STATUS_USER) === 0) return false;
    this.#block = block;
    const first = W[b + 4];
    this.#left = first >= BLOCK_HEADER_BYTES && first <= BLOCK_BYTES - PACKET_HEADER_BYTES ? Math.max(0, W[b + 3]) : 0;
    this.#next = block + first;
    // What a reader before this one took: reading it again would give its calls twice, and a packet that ended a reader would end them all.
    for (let taken = state[1]; taken > 0 && this.#left > 0; taken--) this.#advance();
    return this.#left > 0 || this.#nextBlock();
  }

  #idOf(index: number): number {
    let id = 0;
    while (id < this.#interfaces && this.#indexes[id] !== index) id++;
    if (id === this.#interfaces) {
      // The last place is for all that are too many, under the number that no interface has.
      if (id < INTERFACES_MAX) this.#interfaces++;
      if (id < INTERFACES_MAX - 1) this.#indexes[id] = index;
      else id = INTERFACES_MAX - 1;
    }
    this.#lastIndex = index;
    this.#lastId = id;
    return id;
  }

  /** Packets in the ring that were not handed out yet, those of the block that the kernel is filling among them. */
  waiting(): number {
    let packets = this.#block === 0 ? -this.#state[1] : this.#left;
    for (let i = 0; i < this.#blocks; i++) {
      const block = this.#at + i * BLOCK_BYTES;
      if (block !== this.#block) packets += W[(block >> 2) + 3];
    }
    return packets;
  }

  /** Filled part of the ring, 0 to 1: blocks that wait for us. They lie one behind the other. */
  fill(): number {
    let low = 0;
    let high = this.#blocks;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.#at + ((this.#state[0] + middle) % this.#blocks) * BLOCK_BYTES;
      if (Atomics.load(W, (block >> 2) + 2) & STATUS_USER) low = middle + 1;
      else high = middle;
    }
    return low / this.#blocks;
  }
}

/** Lays the ring of `fd` into the arena at `at`, page-aligned, of this thread. Throws SensorError (ring-failed). */
export function mapRing(fd: number, at: number, ringBytes: number): void {
  const result = systemCalls()?.mapOver(bytes.subarray(at), ringBytes, fd) ?? -1;
  if (result < 0) {
    throw new SensorError(
      'ring-failed',
      'Cannot map the packet ring',
      `the system refuses it (${-result})`,
      'Choose a smaller capture.ringBytes.',
    );
  }
}

/** Puts plain memory in the place of the ring: nothing must read the ring afterwards. */
export function unmapRing(at: number, ringBytes: number): void {
  systemCalls()?.unmapOver(bytes.subarray(at), ringBytes);
}
