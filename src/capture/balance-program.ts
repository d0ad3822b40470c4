/**
 * Which worker takes a packet: a classic BPF program that looks through the tunnels and hashes the innermost addresses and
 * ports, the same in both directions, and never a tunnel's id, so that all copies of a connection come to one worker.
 *
 *   PACKET_FANOUT_CBPF         'packet'     on ingress the data begins at the network header, on the way out at the link header
 *   SO_ATTACH_REUSEPORT_CBPF   'datagram'   the data begins behind the UDP header
 *
 * It uses no load relative to the network header: before Linux 6.16 these reach only what lies in the linear part of a
 * packet, which may be nothing. Plain loads reach everything.
 *
 *   h = mix(source + destination, source ^ destination)          an IPv6 address is folded into one word first
 *   h = mix(h, source port + destination port, source port ^ destination port)
 *
 * A fragment is hashed without ports: docs/decisions/0008-balance.md says why. What is no IP packet, or ends inside a
 * header, is 0. What holds a tunnel that is not looked into is hashed by that tunnel's addresses.
 */
import {
  ANCILLARY_HARDWARE,
  ANCILLARY_PACKET_TYPE,
  ANCILLARY_PROTOCOL,
  Assembler,
  ancillary,
  fromX,
  immediate,
  PACKET_OUTGOING,
  scratch,
  X,
} from './bpf.ts';
import {
  beginWalk,
  DESTINATION_AT,
  type Entries,
  FREE_SCRATCH,
  IP_VERSION,
  placeWalk,
  SOURCE_AT,
  type TunnelPorts,
  walkEntries,
} from './tunnel-walk.ts';

const HARDWARE_ETHERNET = 1;
const HARDWARE_LOOPBACK = 772;
const PROTOCOL_LLC = 4;

const SOURCE = FREE_SCRATCH;
const DESTINATION = FREE_SCRATCH + 1;
const PORTS = FREE_SCRATCH + 2;

// Odd numbers with well-spread bits (the golden ratio; the finaliser of MurmurHash3).
const MULTIPLIERS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const;

export interface BalanceOptions extends TunnelPorts {
  /** Where the data begins: as a fanout group has it, or a group of UDP sockets. */
  readonly start: 'packet' | 'datagram';
  /** At least 1. */
  readonly workers: number;
  /** What a datagram holds; "geneve+vxlan": GENEVE around packets that hold VXLAN. VXLAN when not said. */
  readonly encapsulation?: 'vxlan' | 'geneve' | 'geneve+vxlan';
}

/** The program. It ends with the number of a worker, less than `workers`. */
export function balanceProgram({ start, workers, encapsulation = 'vxlan', vxlanPorts, genevePorts }: BalanceOptions): Buffer {
  const p = new Assembler();
  const entries = walkEntries(p);
  const ports = p.label();
  const addresses = p.label();
  beginWalk(p, 0);
  if (start === 'packet') beginWithPacket(p, entries);
  else p.ja(encapsulation === 'vxlan' ? entries.vxlan : entries.geneve);
  placeWalk(
    p,
    entries,
    { ports, addresses, fragment: addresses, firstFragments: 'ended', opaque: addresses, none: addresses, short: null },
    { vxlanPorts, genevePorts },
  );

  const hash = p.label();
  p.place(ports);
  p.ldh(fromX(0));
  p.st(SOURCE);
  p.ldh(fromX(2));
  p.st(DESTINATION);
  combine(p, MULTIPLIERS[1]);
  p.st(PORTS);
  p.ja(hash);
  p.place(addresses);
  p.ld(immediate(0));
  p.st(PORTS);
  p.place(hash);
  hashAddresses(p);
  p.mod(workers);
  p.retA();
  return p.assemble();
}

function beginWithPacket(p: Assembler, entries: Entries): void {
  const outgoing = p.label();
  p.ld(ancillary(ANCILLARY_PACKET_TYPE));
  p.jeq(PACKET_OUTGOING, outgoing);
  p.ld(ancillary(ANCILLARY_PROTOCOL));
  p.jeq(PROTOCOL_LLC, entries.llc, entries.type);
  p.place(outgoing);
  p.ld(ancillary(ANCILLARY_HARDWARE));
  p.jeq(HARDWARE_ETHERNET, entries.ethernet);
  p.jeq(HARDWARE_LOOPBACK, entries.ethernet, entries.rawIp);
}

/** A = a hash of M[SOURCE] and M[DESTINATION] that is the same when they are exchanged. */
function combine(p: Assembler, multiplier: number): void {
  p.ldx(scratch(SOURCE));
  p.ld(scratch(DESTINATION));
  p.add(X);
  p.mul(multiplier);
  p.xor(X);
  p.ldx(scratch(DESTINATION));
  p.xor(X);
}

/** A = the hash, from the addresses and M[PORTS]; 0 when there was no IP packet. */
function hashAddresses(p: Assembler): void {
  const v4 = p.label();
  const v6 = p.label();
  const mix = p.label();
  p.ld(scratch(IP_VERSION));
  p.jeq(4, v4);
  p.jeq(6, v6);
  p.ret(0);

  p.place(v6);
  for (const [at, to] of [
    [SOURCE_AT, SOURCE],
    [DESTINATION_AT, DESTINATION],
  ]) {
    p.ldx(scratch(at));
    p.ld(fromX(0));
    for (const word of [1, 2, 3]) {
      p.mul(MULTIPLIERS[0]);
      p.st(to);
      p.ldx(scratch(at));
      p.ld(fromX(4 * word));
      p.ldx(scratch(to));
      p.xor(X);
    }
    p.st(to);
  }
  p.ja(mix);

  p.place(v4);
  for (const [at, to] of [
    [SOURCE_AT, SOURCE],
    [DESTINATION_AT, DESTINATION],
  ]) {
    p.ldx(scratch(at));
    p.ld(fromX(0));
    p.st(to);
  }

  p.place(mix);
  combine(p, MULTIPLIERS[0]);
  xorShift(p, 16);
  p.mul(MULTIPLIERS[1]);
  p.ldx(scratch(PORTS));
  p.add(X);
  for (const [shift, multiplier] of [
    [15, MULTIPLIERS[1]],
    [13, MULTIPLIERS[2]],
    [16, MULTIPLIERS[3]],
  ]) {
    xorShift(p, shift);
    p.mul(multiplier);
  }
  xorShift(p, 15);
}

/** A ^= A >>> `bits`. Uses X. */
function xorShift(p: Assembler, bits: number): void {
  p.tax();
  p.rsh(bits);
  p.xor(X);
}
