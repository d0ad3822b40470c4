/**
 * pcapng (draft-ietf-opsawg-pcapng): a sequence of blocks; a section header block sets the byte order of what
 * follows and forgets the interfaces before it.
 *
 *   0        4        8                        length - 4   length
 *   +--------+--------+------------------------+------------+
 *   | type   | length | body, padded to 32 bit | length     |      length: the whole block, a multiple of 4
 *   +--------+--------+------------------------+------------+
 *
 *   body of       0              4              8         12        16        20
 *   section       | 1a2b3c4d     | major, minor | section length    | options ...
 *   interface     | link type, 0 | snaplen      | options ...
 *   enhanced (6)  | interface    | time, high   | low     | captured | on wire | packet, options ...
 *   obsolete (2)  | if 16, drops | time, high   | low     | captured | on wire | packet, options ...
 *   simple (3)    | on wire      | packet ...
 *
 *   option        | code 16, length 16 | value, padded to 32 bit ...          code 0 ends the list
 *
 * Bounds: a block at most 256 MiB; one longer than the window is passed over (a packet: capture.packet.too_long),
 * but a section or interface block so long is bad. At most 65536 interfaces a section. Raises capture.pcapng.bad_block, bad_packet, bad_option,
 * unknown_interface, no_timestamp, capture.link.unsupported, limit.capture.interfaces.
 * Times become whole microseconds, rounded down, from any if_tsresol and if_tsoffset, kept within 0 ... 2^53 - 1.
 * Left out on purpose: all other blocks (names, statistics, secrets, custom) and options, the section length, and
 * FCS lengths (IP says where it ends).
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { INTERFACES_MAX, type InterfaceTable } from './interface-table.ts';
import { isSupported } from './link-types.ts';
import type { Packet } from './packet.ts';
import { LENGTH_MAX, MORE, PACKET, type Parser, SKIPPED, STOP, type Step } from './parser.ts';

const V = view;
const LENGTH_LIMIT = LENGTH_MAX;
const BAD_BLOCK = weird('capture.pcapng.bad_block');
const BAD_PACKET = weird('capture.pcapng.bad_packet');
const BAD_OPTION = weird('capture.pcapng.bad_option');
const UNKNOWN_INTERFACE = weird('capture.pcapng.unknown_interface');
const NO_TIMESTAMP = weird('capture.pcapng.no_timestamp');
const LINK_UNSUPPORTED = weird('capture.link.unsupported');
const TOO_MANY_INTERFACES = weird('limit.capture.interfaces');
const TOO_LONG = weird('capture.packet.too_long');

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const BLOCK_BYTES_MIN = 12;
const SECTION_BYTES_MIN = 28;
const INTERFACE_BYTES_MIN = 20;
const SIMPLE_BYTES_MIN = 16;
const PACKET_BYTES_MIN = 32;

const OPTION_END = 0;
const OPTION_NAME = 2;
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;
const NAME_BYTES_MAX = 256;

const WORD = 4294967296;
const US = 1e6;
const TIME_MAX = Number.MAX_SAFE_INTEGER;
const NOT_SUPPORTED = -1;

/** Whether the four bytes at `at` begin a pcapng file. */
export function isPcapng(at: number): boolean {
  return V.getInt32(at, false) === SECTION;
}

export class PcapngParser implements Parser {
  at: number;
  end: number;
  need = 0;
  skip = 0;
  /** Supported interfaces described so far. */
  supportedCount = 0;
  /** Link type of the first interface that is not supported; -1 while there is none. */
  unsupportedLinkType = -1;

  readonly #capacity: number;
  readonly #file: string;
  readonly #interfaces: InterfaceTable;
  #littleEndian = true;
  /** Time of the packet before, for simple packets. */
  readonly #lastTime = new Float64Array(1);

  // Interfaces of the current section, by their number in it.
  /** Number over all files, or NOT_SUPPORTED. */
  readonly #ids: number[] = [];
  readonly #linkTypes: number[] = [];
  readonly #snapLengths: number[] = [];
  /** Units of the time stamp in a microsecond (>= 1), or 0 when they are longer, or powers of two. */
  readonly #unitsPerUs: number[] = [];
  /** Otherwise: microseconds in a unit (> 1), or 0 when the unit is a power of two. */
  readonly #usPerUnit: number[] = [];
  /** Otherwise: seconds in a unit (2^-k). */
  readonly #secondsPerUnit: number[] = [];
  /** To be added, microseconds. */
  readonly #offsetsUs: number[] = [];

  /** The window begins with a section header block; it can hold `capacity` bytes. */
  constructor(at: number, end: number, capacity: number, file: string, interfaces: InterfaceTable) {
    this.at = at;
    this.end = end;
    this.#capacity = capacity;
    this.#file = file;
    this.#interfaces = interfaces;
  }

  parse(packet: Packet, time: Float64Array): Step {
    for (;;) {
      const at = this.at;
      const have = this.end - at;
      if (have < BLOCK_BYTES_MIN) {
        this.need = BLOCK_BYTES_MIN;
        return MORE;
      }
      const type = V.getInt32(at, this.#littleEndian);
      if (type === SECTION && !this.#readByteOrder(at)) return this.#bad();
      const littleEndian = this.#littleEndian;
      const length = V.getInt32(at + 4, littleEndian);
      if (length < BLOCK_BYTES_MIN || length > LENGTH_LIMIT || (length & 3) !== 0) return this.#bad();
      if (length > have) return this.#incomplete(type, length);
      const next = at + length;
      if (V.getInt32(next - 4, littleEndian) !== length) return this.#bad();
      this.at = next;

      let step: Step = MORE;
      if (type === ENHANCED_PACKET) step = this.#packet(at, length, packet, time, V.getInt32(at + 8, littleEndian));
      else if (type === SIMPLE_PACKET) step = this.#simplePacket(at, length, packet, time);
      else if (type === OBSOLETE_PACKET) step = this.#packet(at, length, packet, time, V.getUint16(at + 8, littleEndian));
      else if (type === SECTION) {
        if (!this.#section(at, length)) return this.#bad();
      } else if (type === INTERFACE) {
        if (length < INTERFACE_BYTES_MIN) return this.#bad();
        this.#interface(at, length);
      }
      if (step !== MORE) return step;
    }
  }

  #bad(): Step {
    raise(BAD_BLOCK);
    return STOP;
  }

  /** The block does not lie in the window whole: it is too long for it, or not read yet. */
  #incomplete(type: number, length: number): Step {
    if (length <= this.#capacity) {
      this.need = length;
      return MORE;
    }
    if (type === SECTION || type === INTERFACE) return this.#bad();
    if (type === ENHANCED_PACKET || type === SIMPLE_PACKET || type === OBSOLETE_PACKET) raise(TOO_LONG);
    this.skip = length - (this.end - this.at);
    this.at = this.end;
    this.need = BLOCK_BYTES_MIN;
    return MORE;
  }

  #readByteOrder(at: number): boolean {
    if (V.getInt32(at + 8, true) === BYTE_ORDER) this.#littleEndian = true;
    else if (V.getInt32(at + 8, false) === BYTE_ORDER) this.#littleEndian = false;
    else return false;
    return true;
  }

  #section(at: number, length: number): boolean {
    if (length < SECTION_BYTES_MIN || V.getUint16(at + 12, this.#littleEndian) !== 1) return false;
    this.#ids.length = 0;
    this.#linkTypes.length = 0;
    this.#snapLengths.length = 0;
    this.#unitsPerUs.length = 0;
    this.#usPerUnit.length = 0;
    this.#secondsPerUnit.length = 0;
    this.#offsetsUs.length = 0;
    return true;
  }

  #interface(at: number, length: number): void {
    if (this.#ids.length >= INTERFACES_MAX) {
      raise(TOO_MANY_INTERFACES);
      return;
    }
    const littleEndian = this.#littleEndian;
    const linkType = V.getUint16(at + 8, littleEndian);
    const end = at + length - 4;
    let name = '';
    let resolution = 6;
    let offset = 0;
    let p = at + 16;
    while (p + 4 <= end) {
      const code = V.getUint16(p, littleEndian);
      const bytesOfValue = V.getUint16(p + 2, littleEndian);
      const value = p + 4;
      if (code === OPTION_END) break;
      if (value + bytesOfValue > end) {
        raise(BAD_OPTION);
        break;
      }
      if (code === OPTION_NAME) name = bytes.toString('utf8', value, value + Math.min(bytesOfValue, NAME_BYTES_MAX)).replace(/\0+$/, '');
      else if (code === OPTION_RESOLUTION && bytesOfValue === 1) resolution = V.getUint8(value);
      else if (code === OPTION_OFFSET && bytesOfValue === 8) {
        offset =
          V.getInt32(value + (littleEndian ? 4 : 0), littleEndian) * WORD + V.getUint32(value + (littleEndian ? 0 : 4), littleEndian);
      }
      p = value + ((bytesOfValue + 3) & ~3);
    }
    const place = this.#ids.length;
    let id = NOT_SUPPORTED;
    if (isSupported(linkType)) {
      id = this.#interfaces.add(this.#file, place, name, linkType);
      this.supportedCount++;
    } else if (this.unsupportedLinkType < 0) {
      this.unsupportedLinkType = linkType;
    }
    const exponent = resolution & 0x7f;
    const decimal = (resolution & 0x80) === 0;
    this.#ids.push(id);
    this.#linkTypes.push(linkType);
    this.#snapLengths.push(V.getInt32(at + 12, littleEndian));
    this.#unitsPerUs.push(decimal && exponent >= 6 ? 10 ** (exponent - 6) : 0);
    this.#usPerUnit.push(decimal && exponent < 6 ? 10 ** (6 - exponent) : 0);
    this.#secondsPerUnit.push(decimal ? 0 : 2 ** -exponent);
    this.#offsetsUs.push(offset * US);
  }

  /** Enhanced and obsolete packet blocks: the same but for the width of the interface number. */
  #packet(at: number, length: number, packet: Packet, time: Float64Array, place: number): Step {
    const littleEndian = this.#littleEndian;
    const from = at + 28;
    // The length is a multiple of 4: below the minimum there is no room for the fixed fields.
    const captured = length < PACKET_BYTES_MIN ? -1 : V.getInt32(at + 20, littleEndian);
    if (captured < 0 || captured > length - PACKET_BYTES_MIN) {
      raise(BAD_PACKET);
      return MORE;
    }
    if (place < 0 || place >= this.#ids.length) {
      raise(UNKNOWN_INTERFACE);
      return MORE;
    }
    const id = this.#ids[place];
    if (id === NOT_SUPPORTED) {
      raise(LINK_UNSUPPORTED);
      return SKIPPED;
    }
    const wire = V.getInt32(at + 24, littleEndian);
    packet.at = from;
    packet.end = from + captured;
    packet.wireBytes = wire > captured ? wire : captured;
    packet.linkType = this.#linkTypes[place];
    packet.interfaceId = id;
    this.#setTime(time, place, V.getUint32(at + 12, littleEndian), V.getUint32(at + 16, littleEndian));
    this.#lastTime[0] = time[0];
    return PACKET;
  }

  #simplePacket(at: number, length: number, packet: Packet, time: Float64Array): Step {
    if (length < SIMPLE_BYTES_MIN) {
      raise(BAD_PACKET);
      return MORE;
    }
    if (this.#ids.length === 0) {
      raise(UNKNOWN_INTERFACE);
      return MORE;
    }
    const id = this.#ids[0];
    if (id === NOT_SUPPORTED) {
      raise(LINK_UNSUPPORTED);
      return SKIPPED;
    }
    raise(NO_TIMESTAMP);
    const wire = V.getInt32(at + 8, this.#littleEndian);
    const room = length - SIMPLE_BYTES_MIN;
    const snapLength = this.#snapLengths[0];
    let captured = wire >= 0 && wire < room ? wire : room;
    if (snapLength > 0 && snapLength < captured) captured = snapLength;
    packet.at = at + 12;
    packet.end = packet.at + captured;
    packet.wireBytes = wire > captured ? wire : captured;
    packet.linkType = this.#linkTypes[0];
    packet.interfaceId = id;
    time[0] = this.#lastTime[0];
    return PACKET;
  }

  /** Sets `time[0]` from a 64-bit time stamp. High and low are divided apart: together they exceed a double's 53 bits. */
  #setTime(time: Float64Array, place: number, high: number, low: number): void {
    const units = this.#unitsPerUs[place];
    let us = 0;
    if (units >= 1) {
      const whole = Math.floor(high / units);
      us = whole * WORD + Math.floor(((high - whole * units) * WORD + low) / units);
    } else if (this.#usPerUnit[place] > 0) {
      us = (high * WORD + low) * this.#usPerUnit[place];
    } else {
      const unit = this.#secondsPerUnit[place];
      const highSeconds = high * WORD * unit;
      const lowSeconds = low * unit;
      const whole = Math.floor(highSeconds);
      const lowWhole = Math.floor(lowSeconds);
      us = (whole + lowWhole) * US + Math.floor((highSeconds - whole + (lowSeconds - lowWhole)) * US);
    }
    us += this.#offsetsUs[place];
    time[0] = us > 0 ? (us < TIME_MAX ? us : TIME_MAX) : 0;
  }
}
