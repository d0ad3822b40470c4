/**
 * Capture filters in the language of tcpdump (man pcap-filter), compiled by libpcap where it is installed.
 *
 * Such a program looks at the outermost packet. `tcp port 80` finds no request that comes in VXLAN, because there the
 * packet is UDP to port 4789: the classic trap. `tunnelsHiddenBy` tells by trial which tunnels a program never lets pass.
 *
 * libpcap's own structures (LP64, host order):
 *
 *   struct bpf_program   | number of instructions 4 | padding 4 | pointer 8 |
 *
 * Left out: what needs an open device (`inbound`, `ifindex`); libpcap says so. Names of hosts are looked up in the DNS, which
 * blocks the thread. A VLAN tag that the kernel has taken off is not in the packet, so `vlan` finds nothing while listening.
 */
import koffi from 'koffi';
import { SensorError } from '../base/errors.ts';
import { INSTRUCTION_BYTES, JEQ, JGE, JGT, JMP, readInstruction } from './bpf.ts';
import { runProgram } from './bpf-interpreter.ts';

const LIBRARIES = ['libpcap.so.1', 'libpcap.so.0.8'];
const SNAP_BYTES = 262_144;
const OPTIMISE = 1;
const NETMASK_UNKNOWN = 0xffffffff;
/** Link types whose number in libpcap (DLT_) is not that in files (LINKTYPE_): raw IP. */
const dataLinkTypes = new Map([[101, 12]]);

interface Library {
  readonly openDead: (dataLinkType: number, snapBytes: number) => unknown;
  readonly compile: (handle: unknown, program: Buffer, text: string, optimise: number, netmask: number) => number;
  readonly lastError: (handle: unknown) => string;
  readonly freeCode: (program: Buffer) => void;
  readonly close: (handle: unknown) => void;
}

let library: Library | null | undefined;

function libpcap(): Library | null {
  if (library !== undefined) return library;
  library = null;
  for (const name of LIBRARIES) {
    try {
      library = load(name);
      break;
    } catch {
      // Not under this name.
    }
  }
  return library;
}

function load(name: string): Library {
  const lib = koffi.load(name);
  return {
    openDead: lib.func('void *pcap_open_dead(int, int)'),
    compile: lib.func('int pcap_compile(void *, void *, const char *, int, uint32_t)'),
    lastError: lib.func('const char *pcap_geterr(void *)'),
    freeCode: lib.func('void pcap_freecode(void *)'),
    close: lib.func('void pcap_close(void *)'),
  };
}

/**
 * Compiles an expression for packets of a link type (LINKTYPE_ value: 1 Ethernet, 101 raw IP). Throws SensorError:
 * libpcap-missing, filter-invalid.
 */
export function compileExpression(text: string, linkType: number): Buffer {
  const lib = libpcap();
  if (lib === null) {
    throw new SensorError(
      'libpcap-missing',
      'Cannot use capture.filter',
      `libpcap is not installed (looked for ${LIBRARIES.join(' and ')})`,
      'Install libpcap (Debian: libpcap0.8, Red Hat: libpcap), or use capture.only and capture.not, which need no library and look through tunnels.',
    );
  }
  const handle = lib.openDead(dataLinkTypes.get(linkType) ?? linkType, SNAP_BYTES);
  if (handle === null) throw invalid(text, 'libpcap gets no memory');
  const program = Buffer.alloc(16);
  try {
    // What is behind a NUL, C would not see.
    if (text.includes('\0')) throw invalid(text, 'it holds a NUL character');
    if (lib.compile(handle, program, text, OPTIMISE, NETMASK_UNKNOWN) !== 0) throw invalid(text, lib.lastError(handle));
    return copied(program);
  } finally {
    lib.freeCode(program);
    lib.close(handle);
  }
}

function copied(program: Buffer): Buffer {
  const bytes = new DataView(program.buffer, program.byteOffset).getUint32(0, true) * INSTRUCTION_BYTES;
  const at = koffi.decode(program, 8, 'void *');
  return Buffer.from(new Uint8Array(koffi.view(at, bytes)));
}

function invalid(text: string, why: string): SensorError {
  return new SensorError(
    'filter-invalid',
    `Cannot use the filter "${text}"`,
    `libpcap says: ${why}`,
    'Correct capture.filter; it has the syntax of tcpdump (man pcap-filter).',
  );
}

const ETHERNET_BYTES = 14;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const TRIAL_PORTS_MAX = 12;
const TRIAL_ADDRESSES_MAX = 6;
const comparisons = [JMP | JEQ, JMP | JGT, JMP | JGE];
const COMMON_PORTS = [80, 443, 8080];
const START_LINES = ['GET / HTTP/1.1\r\n', 'POST / HTTP/1.1\r\n', 'HTTP/1.1 200 OK\r\n'];
/** Bytes of the payload: a small packet, and a full one. */
const PAYLOAD_BYTES = [120, 1400];

interface Tunnel {
  readonly name: string;
  /** IP protocol of the outer packet, and what lies between its header and the inner packet. */
  readonly protocol: number;
  readonly port?: number;
  readonly head: Buffer;
  /** Whether a frame is inside, not an IP packet. */
  readonly frame: boolean;
}

const tunnels: readonly Tunnel[] = [
  { name: 'VXLAN', protocol: PROTOCOL_UDP, port: 4789, head: Buffer.from('0800000000000100', 'hex'), frame: true },
  { name: 'GENEVE', protocol: PROTOCOL_UDP, port: 6081, head: Buffer.from('0000655800000100', 'hex'), frame: true },
  { name: 'GRE', protocol: 47, head: Buffer.from('00000800', 'hex'), frame: false },
  { name: 'ERSPAN', protocol: 47, head: Buffer.from('100088be000000011001000100000000', 'hex'), frame: true },
  { name: 'IP-in-IP', protocol: 4, head: Buffer.alloc(0), frame: false },
];

/**
 * The tunnels in which a program for Ethernet lets no packet pass, whatever the ports and addresses inside: of "VXLAN",
 * "GENEVE", "GRE", "ERSPAN" and "IP-in-IP". Found by running it over packets made with the numbers that it compares with.
 * Nothing when it lets none of all these packets pass: then they do not say anything.
 */
export function tunnelsHiddenBy(program: Buffer): string[] {
  const { addresses, ports } = numbersOf(program);
  const pairs = pairsOf(addresses);
  const passes = (packet: Buffer): boolean => runProgram(program, packet, { protocol: packet.readUInt16BE(12) }) !== 0;
  const hidden = tunnels.filter((tunnel) => !someOf(tunnelPackets(tunnel, pairs, ports), passes)).map(({ name }) => name);
  return hidden.length < tunnels.length || someOf(plainPackets(pairs, ports), passes) ? hidden : [];
}

function someOf(packets: Iterable<Buffer>, passes: (packet: Buffer) => boolean): boolean {
  for (const packet of packets) if (passes(packet)) return true;
  return false;
}

/** What the program compares loaded values with, as addresses (4 or 16 bytes) and as ports. */
function numbersOf(program: Buffer): { addresses: Buffer[]; ports: number[] } {
  const compared: number[] = [];
  for (let i = 0; i < program.length / INSTRUCTION_BYTES; i++) {
    const { code, k } = readInstruction(program, i);
    if (comparisons.includes(code)) compared.push(k);
  }
  const words = compared.map((k) => {
    const word = Buffer.alloc(4);
    word.writeUInt32BE(k);
    return word;
  });
  const v4 = words.filter((_, i) => compared[i] > 0xffff);
  const v6 = words.flatMap((_, i) => (i + 4 <= words.length && compared[i] > 0xffff ? [Buffer.concat(words.slice(i, i + 4))] : []));
  const ports = [...new Set([...COMMON_PORTS, ...compared.filter((k) => k > 0 && k <= 0xffff)])];
  return {
    addresses: [...v4.slice(0, TRIAL_ADDRESSES_MAX), ...v6.slice(0, TRIAL_ADDRESSES_MAX)],
    ports: ports.slice(0, TRIAL_PORTS_MAX),
  };
}

/** Source and destination: two of no importance, and each address on either side. */
function pairsOf(addresses: readonly Buffer[]): [Buffer, Buffer][] {
  const pairs: [Buffer, Buffer][] = [];
  for (const [some, others] of [
    [Buffer.from('c6336401', 'hex'), addresses.filter(({ length }) => length === 4)],
    [Buffer.from('20010db8000000000000000000000001', 'hex'), addresses.filter(({ length }) => length === 16)],
  ] as const) {
    pairs.push([some, some]);
    for (const one of others) {
      pairs.push([one, some], [some, one]);
      for (const other of others) pairs.push([one, other]);
    }
  }
  return pairs;
}

function* plainPackets(pairs: readonly [Buffer, Buffer][], ports: readonly number[]): Generator<Buffer> {
  const arp = Buffer.from('0001080006040001', 'hex');
  yield Buffer.concat([frameHead(0x0806), arp, Buffer.alloc(38)]);
  for (const pair of pairs) {
    for (const packet of ipPackets(pair, ports)) {
      const type = pair[0].length === 4 ? 0x0800 : 0x86dd;
      yield Buffer.concat([frameHead(type), packet]);
      yield Buffer.concat([frameHead(0x8100), Buffer.from([0, 100, type >> 8, type & 255]), packet]);
    }
  }
}

function* tunnelPackets(tunnel: Tunnel, pairs: readonly [Buffer, Buffer][], ports: readonly number[]): Generator<Buffer> {
  const [some] = pairs;
  for (const outer of pairs) {
    for (const inner of outer === some ? pairs : [some]) {
      for (const packet of ipPackets(inner, ports)) {
        if (inner[0].length !== 4 && !tunnel.frame) continue;
        const content = tunnel.frame ? Buffer.concat([frameHead(inner[0].length === 4 ? 0x0800 : 0x86dd), packet]) : packet;
        const body = Buffer.concat([tunnel.head, content]);
        const carried = tunnel.port === undefined ? body : udp(50_000, tunnel.port, body);
        yield Buffer.concat([frameHead(outer[0].length === 4 ? 0x0800 : 0x86dd), ip(outer, tunnel.protocol, carried)]);
      }
    }
  }
}

/** Requests, answers and openings of connections, of TCP and UDP, with each port on either side. */
function* ipPackets(pair: [Buffer, Buffer], ports: readonly number[]): Generator<Buffer> {
  for (const port of ports) {
    for (const [source, destination] of [
      [port, 40_000],
      [40_000, port],
    ]) {
      for (const bytes of PAYLOAD_BYTES) {
        for (const line of START_LINES) yield ip(pair, PROTOCOL_TCP, tcp(source, destination, 0x18, payload(line, bytes)));
        yield ip(pair, PROTOCOL_UDP, udp(source, destination, payload('', bytes)));
      }
      yield ip(pair, PROTOCOL_TCP, tcp(source, destination, 0x02, Buffer.alloc(0)));
    }
  }
}

function payload(line: string, bytes: number): Buffer {
  return Buffer.from(line.padEnd(bytes, '\0'), 'latin1');
}

function frameHead(type: number): Buffer {
  const head = Buffer.alloc(ETHERNET_BYTES, 2);
  head.writeUInt16BE(type, 12);
  return head;
}

function ip([source, destination]: [Buffer, Buffer], protocol: number, content: Buffer): Buffer {
  if (source.length === 4) {
    const head = Buffer.from('45000000000140004000000000000000', 'hex').subarray(0, 12);
    head.writeUInt16BE(20 + content.length, 2);
    head[9] = protocol;
    return Buffer.concat([head, source, destination, content]);
  }
  const head = Buffer.from('6000000000000040', 'hex');
  head.writeUInt16BE(content.length, 4);
  head[6] = protocol;
  return Buffer.concat([head, source, destination, content]);
}

function tcp(source: number, destination: number, flags: number, content: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt16BE(source, 0);
  head.writeUInt16BE(destination, 2);
  head.writeUInt32BE(1, 4);
  head[12] = 0x50;
  head[13] = flags;
  return Buffer.concat([head, content]);
}

function udp(source: number, destination: number, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(source, 0);
  head.writeUInt16BE(destination, 2);
  head.writeUInt16BE(8 + content.length, 4);
  return Buffer.concat([head, content]);
}
