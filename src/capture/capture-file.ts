/**
 * CaptureFile: one open capture: its source, its parser and its slot of the packet region. `advance` gives one packet
 * after the other; when the parser runs dry, what is left of a cut record moves to the front of the slot and the next
 * chunk is read behind it.
 */
import { bytes } from '../base/arena.ts';
import { SensorError } from '../base/errors.ts';
import { raise, weird } from '../base/weird.ts';
import { type ByteSource, nameOf, openSource, readAtLeast } from './byte-source.ts';
import type { InterfaceTable } from './interface-table.ts';
import { describeLinkType, isSupported } from './link-types.ts';
import { Packet } from './packet.ts';
import { LENGTH_MAX, MORE, PACKET, type Parser, SKIPPED, STOP, type Step } from './parser.ts';
import { isPcap, PCAP_HEADER_BYTES, PcapParser, pcapLinkType } from './pcap.ts';
import { isPcapng, PcapngParser } from './pcapng.ts';

const B = bytes;
const FILE_CUT = weird('capture.file.cut');
const COMPRESSED_CUT = weird('capture.file.compressed_cut');
/** Bytes asked for at a time: measured as fast as any larger, and it stays in the processor's cache. */
const CHUNK_BYTES = 1 << 18;
const MAGIC_BYTES = 4;

/** A part of the packet region. */
export interface Slot {
  readonly at: number;
  readonly end: number;
}

/** First bytes of what people try to read by mistake. */
const foreigners: readonly { readonly hex: string; readonly why: string; readonly next: string }[] = [
  { hex: 'fd377a58', why: 'it is compressed with xz', next: 'Decompress it first: xz -dc FILE | earshot read -' },
  { hex: '425a68', why: 'it is compressed with bzip2', next: 'Decompress it first: bzip2 -dc FILE | earshot read -' },
  { hex: '04224d18', why: 'it is compressed with lz4', next: 'Decompress it first: lz4 -dc FILE | earshot read -' },
  { hex: '504b0304', why: 'it is a zip archive', next: 'Unpack it first.' },
  { hex: '736e6f6f70', why: 'it is a snoop capture', next: 'Convert it first: editcap -F pcapng FILE OUT' },
];

function foreign(path: string, at: number, end: number): SensorError {
  const hex = B.toString('hex', at, Math.min(end, at + 8));
  const known = foreigners.find((f) => hex.startsWith(f.hex));
  return new SensorError(
    'file-foreign',
    `Cannot read ${nameOf(path)}`,
    known?.why ?? `it is neither pcap nor pcapng (it begins with ${hex})`,
    known?.next ?? 'Name a capture file; other formats can be converted with editcap -F pcapng FILE OUT.',
  );
}

function unsupported(path: string, linkType: number): SensorError {
  return new SensorError(
    'link-unsupported',
    `Cannot read ${nameOf(path)}`,
    `its link type ${describeLinkType(linkType)} is not supported`,
    'Capture on an Ethernet, raw IP, Linux cooked, PPP or loopback interface.',
  );
}

/** Parser of a file that ends inside its header. */
class NoParser implements Parser {
  at: number;
  end: number;
  need = LENGTH_MAX;
  skip = 0;
  constructor(at: number, end: number) {
    this.at = at;
    this.end = end;
  }
  parse(): Step {
    return MORE;
  }
}

export class CaptureFile {
  readonly path: string;
  /** The packet that `fill` found; its bytes stay until the next `fill`. */
  readonly head: Packet = new Packet();
  /** Its time, microseconds. */
  readonly headTime: Float64Array = new Float64Array(1);
  /** Whether `head` is one that nobody has had yet. */
  filled = false;
  readonly slot: Slot;
  readonly source: ByteSource;
  /** Called before each further read of the source. */
  beforeRead: () => void = () => {};
  readonly #parser: Parser;
  #done = false;

  /** Throws SensorError as openSource does, and file-foreign, link-unsupported. */
  constructor(path: string, slot: Slot, interfaces: InterfaceTable) {
    this.path = path;
    this.slot = slot;
    const capacity = slot.end - slot.at;
    const opened = openSource(path, slot.at, capacity, MAGIC_BYTES);
    this.source = opened.source;
    try {
      this.#parser = this.#makeParser(opened.end, interfaces);
    } catch (error) {
      this.source.close();
      throw error;
    }
  }

  #makeParser(opened: number, interfaces: InterfaceTable): Parser {
    const { at } = this.slot;
    const capacity = this.slot.end - at;
    let end = opened;
    if (end - at < MAGIC_BYTES) throw foreign(this.path, at, end);
    if (isPcapng(at)) {
      const parser = new PcapngParser(at, end, capacity, this.path, interfaces);
      this.#seekInterface(parser);
      return parser;
    }
    if (!isPcap(at)) throw foreign(this.path, at, end);
    if (end - at < PCAP_HEADER_BYTES) end = readAtLeast(this.source, end, PCAP_HEADER_BYTES - (end - at), capacity - (end - at));
    if (end - at < PCAP_HEADER_BYTES) return new NoParser(at, end);
    const linkType = pcapLinkType(at);
    if (!isSupported(linkType)) throw unsupported(this.path, linkType);
    return new PcapParser(at, end, capacity, interfaces.add(this.path, 0, '', linkType));
  }

  /**
   * pcapng says late which interfaces there are. Goes on to the first packet of a supported one; throws when there is
   * none in the whole file, or, for a pipe, none before the first packet.
   */
  #seekInterface(parser: PcapngParser): void {
    for (;;) {
      const step = parser.parse(this.head, this.headTime);
      if (step === PACKET) {
        this.filled = true;
        return;
      }
      if (step === STOP) this.#stop(parser);
      if (step === SKIPPED && (parser.supportedCount > 0 || !this.source.isFile)) break;
      if (step === STOP || (step === MORE && !this.#refill(parser))) break;
    }
    if (parser.supportedCount === 0 && parser.unsupportedLinkType >= 0) throw unsupported(this.path, parser.unsupportedLinkType);
  }

  /** The next packet into `packet` and `time[0]`; false at the end. */
  advance(packet: Packet, time: Float64Array): boolean {
    const parser = this.#parser;
    for (;;) {
      const step = parser.parse(packet, time);
      if (step === PACKET) return true;
      if (step === STOP) this.#stop(parser);
      if (step !== SKIPPED && !this.#refill(parser)) return false;
    }
  }

  /** Sees to it that `head` holds a packet that nobody has had; false at the end. */
  fill(): boolean {
    if (!this.filled) this.filled = this.advance(this.head, this.headTime);
    return this.filled;
  }

  close(): void {
    this.#done = true;
    this.source.close();
  }

  /** Nothing more of this file can be read. */
  #stop(parser: Parser): void {
    parser.end = parser.at;
    parser.skip = 0;
    this.close();
  }

  /** Reads on until the parser's next record can be there; false at the end of the file. */
  #refill(parser: Parser): boolean {
    if (this.#done) return false;
    const { at } = this.slot;
    for (;;) {
      const passed = Math.min(parser.skip, parser.end - parser.at);
      parser.at += passed;
      parser.skip -= passed;
      const kept = parser.end - parser.at;
      if (kept > 0 && parser.at > at) B.copyWithin(at, parser.at, parser.end);
      parser.at = at;
      parser.end = at + kept;
      if (kept >= parser.need) return true;
      const free = this.slot.end - parser.end;
      const wanted = Math.max(CHUNK_BYTES, parser.need - kept);
      this.beforeRead();
      const n = this.source.read(parser.end, wanted < free ? wanted : free);
      if (n === 0) {
        if (this.source.compressedCut) raise(COMPRESSED_CUT);
        else if (kept > 0 || parser.skip > 0 || this.source.fault !== undefined) raise(FILE_CUT);
        this.#stop(parser);
        return false;
      }
      parser.end += n;
    }
  }
}
