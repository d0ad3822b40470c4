/**
 * Segment: what decode/ hands on. One long-lived object of int32 fields, reset in place. Addresses, sequence
 * numbers and ports are int32 with the bits of the unsigned value (store `| 0`, never `>>> 0`).
 */
export class Segment {
  /** 4 or 6. */
  ipVersion = 0;
  /** Source address: IPv4 in `src0` (others 0), IPv6 in four words, most significant first. */
  src0 = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
  /** Source port << 16 | destination port. */
  ports = 0;
  sequence = 0;
  acknowledgement = 0;
  /** TCP flags, low byte: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  flags = 0;
  window = 0;
  urgentPointer = 0;
  /** First payload byte in the arena. */
  payloadAt = 0;
  /** One past the last captured payload byte. */
  payloadEnd = 0;
  /** Payload bytes that the segment had on the wire; at least `payloadEnd - payloadAt`. */
  payloadWireBytes = 0;
  /** Encapsulation path (decode/encapsulation.ts): 0 for none. Includes outer addresses. */
  pathId = 0;
  /** Scope of the flow key: tunnels with VNI, key and VLAN, without outer addresses. 0 for none. */
  scopeId = 0;
  /** The isolating part of the scope: as `scopeId`, without ids that may differ by direction (VLAN, MPLS, TEID). */
  scopeGroup = 0;
  /** Capture interface of the packet. */
  interfaceId = 0;

  // For a verdict of FRAGMENT: the IP payload is [fragmentAt, fragmentEnd) and addresses are set.
  /** First byte of the fragment's payload. */
  fragmentAt = 0;
  fragmentEnd = 0;
  /** Place of the payload in the whole packet, bytes. */
  fragmentOffset = 0;
  /** 1 when more fragments follow. */
  fragmentMore = 0;
  /** IP identification (IPv4 16 bit, IPv6 32 bit). */
  fragmentId = 0;
  /** Protocol of the reassembled payload (IPv4 protocol / last IPv6 next header). */
  fragmentProtocol = 0;
}

/** Verdicts of `decode`: what the packet was. Everything but TCP and FRAGMENT is a drop with that reason. */
export const TCP = 1;
export const FRAGMENT = 2;
export const UDP = 3;
export const ICMP = 4;
export const ARP = 5;
export const OTHER_IP = 6;
export const NOT_IP = 7;
export const TRUNCATED = 8;
export const MALFORMED = 9;
export const TOO_DEEP = 10;
export const QUIC = 11;

/** Names of the verdicts by value, as in the ledger's `packets.dropped{...}`. */
export const verdictNames: readonly string[] = [
  'none',
  'tcp',
  'fragment',
  'udp',
  'icmp',
  'arp',
  'other-ip',
  'not-ip',
  'truncated',
  'malformed',
  'too-deep',
  'quic',
];
