/**
 * The guard: which segments do not go on, although they could be read. The sensor's own connections, because it must
 * not watch itself, and under overload a share of all flows, always whole ones.
 *
 * Counters: packets.dropped{own}, packets.dropped{shed}.
 */
import { counter, counts } from '../base/counters.ts';
import type { Segment } from '../decode/segment.ts';

const C = counts;
const OWN = counter('packets.dropped{own}');
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

/** Word 0: whether there is anything to guard. */
export const guarding: Int32Array = new Int32Array(1);

export function resetGuard(): void {
  setOwnSockets([]);
  setShedding(0);
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
  guarding[0] = own.size > 0 || shed > 0 ? 1 : 0;
}

/** Drops `share` parts of SHARES of all flows. */
export function setShedding(share: number): void {
  shed = share;
  guarding[0] = own.size > 0 || shed > 0 ? 1 : 0;
}

/** True when the segment goes no further; it has been counted. */
export function refuses(s: Segment): boolean {
  const ports = s.ports;
  if ((OP[ports >>> 16] !== 0 || OP[ports & 0xffff] !== 0) && s.pathId === 0 && isOwn(s)) {
    C[OWN]++;
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
