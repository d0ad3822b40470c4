/**
 * The guard: which segments do not go on, although they could be read. The sensor's own connections, because it must
 * not watch itself; what the operator does not want of an end-point (packets of interfaces are filtered by the kernel,
 * capture/socket-filter.ts; at a UDP socket it counts what a filter refuses as drops, so nobody could tell the two
 * apart); and under overload a share of all flows, always whole ones.
 *
 * Counters: packets.dropped{own}, packets.dropped{filter}, packets.dropped{shed}.
 */
import { type Cidr, isInAny, parseCidr, parsedAddress } from '../base/cidr.ts';
import { counter, counts } from '../base/counters.ts';
import { tunnelsOf } from '../decode/encapsulation.ts';
import type { Segment } from '../decode/segment.ts';

const C = counts;
const OWN = counter('packets.dropped{own}');
const FILTERED = counter('packets.dropped{filter}');
const SHED = counter('packets.dropped{shed}');
const PORTS = 65536;
/** Shares are parts of this. */
export const SHARES: number = 256;

/** An address of the sensor's own: four words as in a Segment, and the port. */
export interface OwnSocket {
  readonly address: readonly [number, number, number, number];
  readonly port: number;
}

const own = new Map<number, (readonly [number, number, number, number])[]>();
const ownPorts = new Uint8Array(PORTS);
const OP = ownPorts;
let shed = 0;

/** Ports and blocks of addresses. */
interface Wanted {
  readonly ports: Uint8Array | null;
  readonly networks: readonly Cidr[];
}
const EVERYTHING: Wanted = { ports: null, networks: [] };
let only = EVERYTHING;
let not = EVERYTHING;
let filtering = false;

/** Word 0: whether there is anything to guard. */
export const guarding: Int32Array = new Int32Array(1);

export function resetGuard(): void {
  setOwnSockets([]);
  setShedding(0);
  setFilter(null, null);
}

/** Lists as in the settings: capture.only and capture.not. */
export interface PacketList {
  readonly ports: readonly number[];
  readonly networks: readonly string[];
}

/** What goes on: packets that fit one of the ports and one of the networks of `want`, where there are any, and none of `refuse`. */
export function setFilter(want: PacketList | null, refuse: PacketList | null): void {
  only = wanted(want);
  not = wanted(refuse);
  filtering = [only, not].some(({ ports, networks }) => ports !== null || networks.length > 0);
  update();
}

function wanted(list: PacketList | null): Wanted {
  if (list === null) return EVERYTHING;
  const ports = list.ports.length === 0 ? null : new Uint8Array(PORTS);
  for (const port of list.ports) if (ports !== null) ports[port] = 1;
  return { ports, networks: list.networks.map(parseCidr).filter((block) => block !== null) };
}

function update(): void {
  guarding[0] = own.size > 0 || shed > 0 || filtering ? 1 : 0;
}

/** The sensor's own sockets from now on. */
export function setOwnSockets(sockets: readonly OwnSocket[]): void {
  own.clear();
  ownPorts.fill(0);
  for (const { address, port } of sockets) {
    ownPorts[port] = 1;
    const addresses = own.get(port);
    if (addresses === undefined) own.set(port, [address]);
    else addresses.push(address);
  }
  update();
}

/** Drops `share` parts of SHARES of all flows. */
export function setShedding(share: number): void {
  shed = share;
  update();
}

/** True when the segment goes no further; it has been counted. */
export function refuses(s: Segment): boolean {
  const ports = s.ports;
  if ((OP[ports >>> 16] !== 0 || OP[ports & 0xffff] !== 0) && tunnelsOf(s.pathId) === 0 && isOwn(s)) {
    C[OWN]++;
    return true;
  }
  if (filtering && isUnwanted(s)) {
    C[FILTERED]++;
    return true;
  }
  if (shed !== 0 && shareOf(s) < shed) {
    C[SHED]++;
    return true;
  }
  return false;
}

/** Both directions of a flow have the same number, from 0 to SHARES - 1, whatever tunnels they come through. */
function shareOf(s: Segment): number {
  const addresses = s.src0 ^ s.dst0 ^ (s.src1 ^ s.dst1) ^ (s.src2 ^ s.dst2) ^ (s.src3 ^ s.dst3);
  const mixed = Math.imul(addresses ^ Math.imul((s.ports >>> 16) ^ (s.ports & 0xffff), 0x9e3779b1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & (SHARES - 1);
}

function isOwn(s: Segment): boolean {
  for (const address of own.get(s.ports >>> 16) ?? [])
    if (address[0] === s.src0 && address[1] === s.src1 && address[2] === s.src2 && address[3] === s.src3) return true;
  for (const address of own.get(s.ports & 0xffff) ?? [])
    if (address[0] === s.dst0 && address[1] === s.dst1 && address[2] === s.dst2 && address[3] === s.dst3) return true;
  return false;
}

function isUnwanted(s: Segment): boolean {
  const ports = s.ports;
  if (only.ports !== null && !hasPort(only.ports, ports)) return true;
  if (not.ports !== null && hasPort(not.ports, ports)) return true;
  if (only.networks.length > 0 && !isBetween(only.networks, s)) return true;
  return not.networks.length > 0 && isBetween(not.networks, s);
}

function hasPort(wantedPorts: Uint8Array, ports: number): boolean {
  return wantedPorts[ports >>> 16] !== 0 || wantedPorts[ports & 0xffff] !== 0;
}

/** Whether one of the two ends is in one of the blocks. */
function isBetween(networks: readonly Cidr[], s: Segment): boolean {
  load(s.ipVersion, s.src0, s.src1, s.src2, s.src3);
  if (isInAny(networks)) return true;
  load(s.ipVersion, s.dst0, s.dst1, s.dst2, s.dst3);
  return isInAny(networks);
}

/** The address as base/cidr.ts has it: IPv4 in its mapped form. */
function load(ipVersion: number, w0: number, w1: number, w2: number, w3: number): void {
  const isIpv4 = ipVersion === 4;
  parsedAddress[0] = isIpv4 ? 0 : w0;
  parsedAddress[1] = isIpv4 ? 0 : w1;
  parsedAddress[2] = isIpv4 ? 0xffff : w2;
  parsedAddress[3] = isIpv4 ? w0 : w3;
}
