/**
 * pcap: the classic capture file. All fields are in the byte order of the machine that wrote it, which the
 * magic number shows.
 *
 *   file header, 24 bytes
 *   0        4      6      8          16        20
 *   +--------+------+------+----------+---------+------------------------+
 *   | magic  | 2    | 4    | unused   | snaplen | FCS bits | link type 16 |
 *   +--------+------+------+----------+---------+------------------------+
 *   magic a1b2c3d4: microseconds; a1b23c4d: nanoseconds; a1b2cd34: microseconds, records of 24 bytes
 *
 *   record, 16 bytes (a1b2cd34: 24, the rest being interface, protocol and packet type) and the packet
 *   0         4                 8          12        16
 *   +---------+-----------------+----------+---------+--------------------+
 *   | seconds | micro- or nanos | captured | on wire | captured bytes ... |
 *   +---------+-----------------+----------+---------+--------------------+
 *
 * Bounds: captured at most 256 MiB, and at most the capacity of the window, else the packet is passed over.
 * Raises capture.pcap.bad_length, capture.packet.too_long. On wire less than captured counts as captured.
 * Left out on purpose: the snap length (often wrong), the time zone, the version, the FCS length (IP says where
 * it ends); the formats of AIX and of IXIA, and layouts of some old Linux kernels
 * that share a magic number with the standard one.
 */
import { view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import type { Packet } from './packet.ts';
import { LENGTH_MAX, MORE, PACKET, type Parser, STOP, type Step } from './parser.ts';

const V = view;
const LENGTH_LIMIT = LENGTH_MAX;
const BAD_LENGTH = weird('capture.pcap.bad_length');
const TOO_LONG = weird('capture.packet.too_long');

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const LONG_RECORDS = 0xa1b2cd34;
const US = 1e6;

/** Bytes of the file header. */
export const PCAP_HEADER_BYTES = 24;

function isMagic(magic: number): boolean {
  return magic === MICROSECONDS || magic === NANOSECONDS || magic === LONG_RECORDS;
}

/** Whether the four bytes at `at` are the magic number of a pcap file, in either byte order. */
export function isPcap(at: number): boolean {
  return isMagic(V.getUint32(at, true)) || isMagic(V.getUint32(at, false));
}

/** Link type of the 24-byte file header at `at`, without the FCS bits above it. */
export function pcapLinkType(at: number): number {
  return V.getUint32(at + 20, isMagic(V.getUint32(at, true))) & 0xffff;
}

export class PcapParser implements Parser {
  at: number;
  end: number;
  need = 0;
  skip = 0;
  readonly #littleEndian: boolean;
  readonly #nanoseconds: boolean;
  readonly #headBytes: number;
  readonly #capacity: number;
  readonly #linkType: number;
  readonly #interfaceId: number;

  /** The window begins with a whole file header at `at`; it can hold `capacity` bytes. */
  constructor(at: number, end: number, capacity: number, interfaceId: number) {
    this.#littleEndian = isMagic(V.getUint32(at, true));
    const magic = V.getUint32(at, this.#littleEndian);
    this.#nanoseconds = magic === NANOSECONDS;
    this.#headBytes = magic === LONG_RECORDS ? 24 : 16;
    this.#linkType = pcapLinkType(at);
    this.#capacity = capacity;
    this.#interfaceId = interfaceId;
    this.at = at + PCAP_HEADER_BYTES;
    this.end = end;
  }

  parse(packet: Packet, time: Float64Array): Step {
    const at = this.at;
    const end = this.end;
    const from = at + this.#headBytes;
    if (from > end) {
      this.need = this.#headBytes;
      return MORE;
    }
    const littleEndian = this.#littleEndian;
    const captured = V.getInt32(at + 8, littleEndian);
    const to = from + captured;
    if (captured < 0 || to > end) return this.#incomplete(captured);
    const wire = V.getInt32(at + 12, littleEndian);
    packet.at = from;
    packet.end = to;
    packet.wireBytes = wire > captured ? wire : captured;
    packet.linkType = this.#linkType;
    packet.interfaceId = this.#interfaceId;
    const fraction = V.getUint32(at + 4, littleEndian);
    time[0] = V.getUint32(at, littleEndian) * US + (this.#nanoseconds ? Math.floor(fraction / 1000) : fraction);
    this.at = to;
    return PACKET;
  }

  /** The packet does not lie in the window whole: it is impossible, too long for it, or not read yet. */
  #incomplete(captured: number): Step {
    if (captured < 0 || captured > LENGTH_LIMIT) {
      raise(BAD_LENGTH);
      return STOP;
    }
    const length = this.#headBytes + captured;
    if (length <= this.#capacity) {
      this.need = length;
      return MORE;
    }
    raise(TOO_LONG);
    this.skip = length - (this.end - this.at);
    this.at = this.end;
    this.need = this.#headBytes;
    return MORE;
  }
}
