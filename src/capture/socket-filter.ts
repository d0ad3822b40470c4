/**
 * The capture filter as a socket filter (SO_ATTACH_FILTER): which packets the kernel puts into a ring or a receive buffer.
 *
 *   interface listed?  ->  not the outgoing copy on loopback?  ->  not/only, on the innermost packet  ->  libpcap's program
 *
 * The data begins at the link header of a frame (AF_PACKET, SOCK_RAW), which devices like tun do not have, or at the UDP
 * header (a UDP socket). `only` and `not` look through the tunnels like capture/balance-program.ts. libpcap's program does
 * not: it sees what tcpdump sees.
 *
 * A packet is left out when it is known to be unwanted. What cannot be known passes: the ports of a fragment other than the
 * first, what lies in a tunnel that is not looked into, and what ends inside its headers. What is no IP packet is unwanted
 * as soon as anything is in `only`. Either end of a packet may have the port or the address.
 *
 * A VLAN tag that the kernel has taken off is not in the data: `vlan` in an expression does not find it.
 * Limit: 4096 instructions; beyond it filter-invalid is thrown.
 */
import { type Cidr, parseCidr } from '../base/cidr.ts';
import { SensorError } from '../base/errors.ts';
import {
  ANCILLARY_HARDWARE,
  ANCILLARY_INTERFACE,
  ANCILLARY_PACKET_TYPE,
  Assembler,
  ancillary,
  fromX,
  immediate,
  type Label,
  PACKET_OUTGOING,
  scratch,
} from './bpf.ts';
import {
  beginWalk,
  DESTINATION_AT,
  FREE_SCRATCH,
  IP_VERSION,
  mayBeTunnel,
  placeWalk,
  SOURCE_AT,
  type TunnelPorts,
  walkEntries,
} from './tunnel-walk.ts';

/** What an accepted packet is cut to: more than any packet has. */
const ACCEPT = 0x40000;
const REJECT = 0;
const HARDWARE_ETHERNET = 1;
const HARDWARE_LOOPBACK = 772;
const UDP_BYTES = 8;

const SOURCE_PORT = FREE_SCRATCH;
const DESTINATION_PORT = FREE_SCRATCH + 1;
/** In place of a port: there is none. */
const NO_PORT = 0x10000;
/** In place of a port: it cannot be known. */
const UNKNOWN_PORT = 0x20000;

/** Ports and CIDR blocks; with both, both must fit. Nothing in a list: it says nothing. */
export interface PacketList {
  readonly ports: readonly number[];
  readonly networks: readonly string[];
}

export interface SocketFilterOptions extends TunnelPorts {
  readonly start: 'frame' | 'udp';
  /** Numbers of interfaces; null for all. */
  readonly interfaces: readonly number[] | null;
  /** Number of the interface whose outgoing packets are left out, because they come in again; null for none. */
  readonly loopback: number | null;
  readonly only: PacketList;
  /** A packet that fits one of these is left out, whatever `only` says. */
  readonly not: PacketList;
  /** A program of capture/libpcap.ts for Ethernet; of frames only. */
  readonly expression: Buffer | null;
  /** The same for devices without link header (link type 101). Without it `expression` does not count there. */
  readonly rawExpression?: Buffer | null;
  /** What a datagram holds, when it does not follow from its destination port. */
  readonly encapsulation?: 'vxlan' | 'geneve' | 'geneve+vxlan';
}

/** The program: 0 rejects a packet, another number accepts it. Throws SensorError (filter-invalid). */
export function socketFilter(options: SocketFilterOptions): Buffer {
  const { start, interfaces, loopback, only, not, expression } = options;
  if (start === 'udp' && expression !== null) {
    throw invalid('an expression of tcpdump is for interfaces: an end-point receives datagrams without their headers');
  }
  const p = new Assembler();
  const pass = p.label();
  const reject = p.label();
  if (interfaces !== null) placeInterfaces(p, interfaces, reject);
  if (loopback !== null) placeLoopback(p, loopback, reject);
  if (only.ports.length + only.networks.length + not.ports.length + not.networks.length > 0) placeLists(p, options, pass, reject);
  p.place(pass);
  if (expression !== null) placeExpression(p, expression, options.rawExpression ?? null);
  p.ret(ACCEPT);
  p.place(reject);
  p.ret(REJECT);
  return p.assemble();
}

function invalid(why: string): SensorError {
  return new SensorError('filter-invalid', 'Cannot use the capture filter', why, 'Correct capture.filter, capture.only and capture.not.');
}

function placeInterfaces(p: Assembler, interfaces: readonly number[], reject: Label): void {
  const listed = p.label();
  p.ld(ancillary(ANCILLARY_INTERFACE));
  for (const index of interfaces) p.jeq(index, listed);
  p.ja(reject);
  p.place(listed);
}

function placeLoopback(p: Assembler, loopback: number, reject: Label): void {
  const on = p.label();
  p.ld(ancillary(ANCILLARY_INTERFACE));
  p.jne(loopback, on);
  p.ld(ancillary(ANCILLARY_PACKET_TYPE));
  p.jeq(PACKET_OUTGOING, reject);
  p.place(on);
}

/** Goes to `ethernet` or `other`, by whether the data begins with an Ethernet header. */
function placeHardware(p: Assembler, ethernet: Label, other: Label): void {
  p.ld(ancillary(ANCILLARY_HARDWARE));
  p.jeq(HARDWARE_ETHERNET, ethernet);
  p.jeq(HARDWARE_LOOPBACK, ethernet, other);
}

function placeExpression(p: Assembler, expression: Buffer, rawExpression: Buffer | null): void {
  const ethernet = p.label();
  const other = p.label();
  placeHardware(p, ethernet, other);
  p.place(ethernet);
  p.append(expression);
  p.place(other);
  if (rawExpression !== null) p.append(rawExpression);
}

function placeLists(p: Assembler, options: SocketFilterOptions, pass: Label, reject: Label): void {
  const { start, only, not } = options;
  const encapsulation = start === 'udp' ? options.encapsulation : undefined;
  const entries = walkEntries(p);
  const ports = p.label();
  const addresses = p.label();
  const fragment = p.label();
  const none = p.label();
  beginWalk(p, encapsulation === undefined ? 0 : UDP_BYTES);
  if (start === 'frame') placeHardware(p, entries.ethernet, entries.rawIp);
  else if (encapsulation === undefined) p.ja(entries.udp);
  else p.ja(encapsulation === 'vxlan' ? entries.vxlan : entries.geneve);
  placeWalk(p, entries, { ports, addresses, fragment, firstFragments: 'walked', opaque: pass, none, short: pass }, options);

  const match = p.label();
  p.place(ports);
  p.ldh(fromX(0));
  p.st(SOURCE_PORT);
  p.ldh(fromX(2));
  p.st(DESTINATION_PORT);
  p.ja(match);
  p.place(fragment);
  const known = p.label();
  const setPorts = p.label();
  for (const protocol of mayBeTunnel) p.jeq(protocol, pass);
  p.ja(known);
  p.place(addresses);
  p.ld(immediate(NO_PORT));
  p.ja(setPorts);
  p.place(known);
  p.ld(immediate(UNKNOWN_PORT));
  p.place(setPorts);
  p.st(SOURCE_PORT);
  p.st(DESTINATION_PORT);

  p.place(match);
  // A datagram for an end-point that is no tunnel: its own addresses are not there to be compared.
  p.ld(scratch(IP_VERSION));
  p.jeq(0, pass);
  matchPorts(p, not.ports, reject);
  matchNetworks(p, not.networks, reject);
  if (only.ports.length > 0) {
    const fits = p.label();
    p.ld(scratch(SOURCE_PORT));
    p.jeq(UNKNOWN_PORT, fits);
    matchPorts(p, only.ports, fits);
    p.ja(reject);
    p.place(fits);
  }
  if (only.networks.length > 0) {
    matchNetworks(p, only.networks, pass);
    p.ja(reject);
  }
  p.ja(pass);
  p.place(none);
  p.ja(only.ports.length + only.networks.length > 0 ? reject : pass);
}

/** Goes to `fits` when either port is in the list. */
function matchPorts(p: Assembler, ports: readonly number[], fits: Label): void {
  if (ports.length === 0) return;
  for (const at of [SOURCE_PORT, DESTINATION_PORT]) {
    p.ld(scratch(at));
    for (const port of ports) p.jeq(port, fits);
  }
}

/** Goes to `fits` when either address is in one of the blocks. */
function matchNetworks(p: Assembler, networks: readonly string[], fits: Label): void {
  if (networks.length === 0) return;
  const blocks = networks.map((text) => {
    const block = parseCidr(text);
    if (block === null) throw invalid(`"${text}" is no address and no CIDR block, as 10.0.0.0/8`);
    return block;
  });
  const v6 = p.label();
  const end = p.label();
  p.ld(scratch(IP_VERSION));
  p.jeq(6, v6);
  const v4Blocks = blocks.filter(mayHoldIpv4);
  // No packet on a wire has an IPv4 address written as IPv6.
  const v6Blocks = blocks.filter((block) => !isIpv4(block));
  for (const at of [SOURCE_AT, DESTINATION_AT]) {
    p.ldx(scratch(at));
    for (const { network, mask } of v4Blocks) {
      p.ld(fromX(0));
      if (mask[3] !== -1) p.and(mask[3]);
      p.jeq(network[3], fits);
    }
  }
  p.ja(end);
  p.place(v6);
  for (const at of [SOURCE_AT, DESTINATION_AT]) {
    p.ldx(scratch(at));
    for (const { network, mask } of v6Blocks) {
      const next = p.label();
      for (let word = 0; word < 4; word++) {
        if (mask[word] === 0) break;
        p.ld(fromX(4 * word));
        if (mask[word] !== -1) p.and(mask[word]);
        p.jne(network[word], next);
      }
      p.ja(fits);
      p.place(next);
    }
  }
  p.place(end);
}

/** Blocks have IPv4 addresses in ::ffff:0:0/96 (base/cidr.ts). */
function mayHoldIpv4({ network, mask }: Cidr): boolean {
  return network[0] === 0 && network[1] === 0 && (0xffff & mask[2]) === network[2];
}

function isIpv4({ network, mask }: Cidr): boolean {
  return network[2] === 0xffff && (mask[0] & mask[1] & mask[2]) === -1;
}
