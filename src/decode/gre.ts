/**
 * GRE, version 0 (RFC 2784, RFC 2890, RFC 1701; in UDP port 4754 RFC 8086) and version 1 (PPTP, RFC 2637, 4.1).
 *
 *   0                 2         4
 *   | C R K S s .. v0 | type    | C or R: checksum 2, offset 2 | K: key 4 | S: sequence 4 | R: routing entries | payload
 *   | ..K S .. A . v1 | 880b    | length 2, call id 2 | S: sequence 4 | A: acknowledgement 4 | PPP
 *
 *   routing entry     | family 2 | offset | length | ... |           one with family 0 and length 0 ends the list
 *
 * The type is an EtherType: IPv4, IPv6, 6558 Ethernet, 880b PPP, 8847 MPLS, VLAN tags, 894f NSH; 88be and 22eb are
 * ERSPAN; 883e is WCCP, with or without its own four bytes before the IPv4 header.
 *
 * Bounds: 4 bytes and what the flags announce; at most 16 routing entries. Raises: decode.gre.truncated, decode.gre.unknown.
 * Left out: checksums, PPP compression, other types.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { GRE_LAYER, PPTP_LAYER, pushTunnel } from './encapsulation.ts';
import { erspanTypeOne } from './erspan.ts';
import { byEtherType } from './ether-type.ts';
import { type Cursor, ERSPAN_HEADER, IPV4_HEADER, PPP_HEADER, trim } from './header.ts';
import { NOT_IP, OTHER_IP, type Segment, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_GRE = weird('decode.gre.truncated');
const UNKNOWN = weird('decode.gre.unknown');

const CHECKSUM = 0x8000;
const ROUTING = 0x4000;
const KEY = 0x2000;
const SEQUENCE = 0x1000;
const ACKNOWLEDGEMENT = 0x0080;
const TYPE_PPP = 0x880b;
const TYPE_WCCP = 0x883e;
const TYPE_ERSPAN = 0x88be;
const TYPE_ERSPAN_THREE = 0x22eb;
const ROUTING_ENTRIES_MAX = 16;

export function gre(c: Cursor, s: Segment): number {
  const at = c.at;
  const end = c.end;
  if (end - at < 4) {
    raise(TRUNCATED_GRE);
    return TRUNCATED;
  }
  const flags = V.getUint16(at);
  const type = V.getUint16(at + 2);
  if ((flags & 7) === 1 && type === TYPE_PPP && (flags & KEY) !== 0) return pptp(c, s, flags);
  if ((flags & 7) !== 0) {
    raise(UNKNOWN);
    return OTHER_IP;
  }
  let next = at + 4;
  if ((flags & (CHECKSUM | ROUTING)) !== 0) next += 4;
  const keyAt = next;
  if ((flags & KEY) !== 0) next += 4;
  if ((flags & SEQUENCE) !== 0) next += 4;
  if (next > end) {
    raise(TRUNCATED_GRE);
    return TRUNCATED;
  }
  if ((flags & ROUTING) !== 0) {
    next = behindRouting(next, end);
    if (next === 0) {
      raise(TRUNCATED_GRE);
      return TRUNCATED;
    }
  }
  c.at = next;
  if (type === TYPE_ERSPAN && (flags & SEQUENCE) === 0) return erspanTypeOne(s);
  if (type === TYPE_ERSPAN || type === TYPE_ERSPAN_THREE) return ERSPAN_HEADER;
  if ((flags & KEY) !== 0) pushTunnel(GRE_LAYER, 1, V.getInt32(keyAt), 0, s);
  else pushTunnel(GRE_LAYER, 0, 0, 0, s);
  if (type === TYPE_WCCP) {
    if (next < end && B[next] >> 4 !== 4) c.at = next + 4;
    return IPV4_HEADER;
  }
  if (type >= 1536) {
    const kind = byEtherType(type, c);
    if (kind !== NOT_IP) return kind;
  }
  raise(UNKNOWN);
  return OTHER_IP;
}

/** Where the payload begins behind the routing entries at `at`; 0 when they do not end within reason. */
function behindRouting(at: number, end: number): number {
  for (let i = 0; i < ROUTING_ENTRIES_MAX && end - at >= 4; i++) {
    const length = B[at + 3];
    const last = length === 0 && V.getUint16(at) === 0;
    at += 4 + length;
    if (last) return at;
  }
  return 0;
}

function pptp(c: Cursor, s: Segment, flags: number): number {
  const at = c.at;
  let next = at + 8;
  if ((flags & SEQUENCE) !== 0) next += 4;
  if ((flags & ACKNOWLEDGEMENT) !== 0) next += 4;
  if (next > c.end) {
    raise(TRUNCATED_GRE);
    return TRUNCATED;
  }
  const length = V.getUint16(at + 4);
  if ((flags & SEQUENCE) === 0 || length === 0) return OTHER_IP;
  pushTunnel(PPTP_LAYER, 1, V.getUint16(at + 6), 0, s);
  c.at = next;
  trim(c, next + length);
  return PPP_HEADER;
}
