/**
 * MPLS label stack entry (RFC 3032, 2.1); one call takes one entry.
 *
 *   0                                  20   23  24      32 bits
 *   | label 20                         | TC | S | TTL   |           S: bottom of stack
 *
 * Nothing names what follows the bottom: explicit null labels 0 and 2 stand for IPv4 and IPv6; otherwise the first nibble
 * tells IPv4 and IPv6, and a pseudowire has an Ethernet frame, with or without a control word (RFC 4385, 4448), whose
 * first nibble is 0.
 *
 * Bounds: 4 bytes. Raises: decode.mpls.truncated. Left out: OAM channels (label 13, nibble 1), other pseudowire payloads.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { MPLS_LAYER, pushLayer } from './encapsulation.ts';
import { looksLikeEthernet, looksLikeIpv4 } from './guess.ts';
import { type Cursor, ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER, MPLS_HEADER } from './header.ts';
import { NOT_IP, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_STACK = weird('decode.mpls.truncated');
const OAM_LABEL = 13;

export function mpls(c: Cursor): number {
  const at = c.at;
  if (c.end - at < 4) {
    raise(TRUNCATED_STACK);
    return TRUNCATED;
  }
  const entry = V.getInt32(at);
  const label = entry >>> 12;
  pushLayer(MPLS_LAYER, label);
  c.at = at + 4;
  return entry & 0x100 ? bottom(c, label) : MPLS_HEADER;
}

function bottom(c: Cursor, label: number): number {
  const at = c.at;
  const end = c.end;
  if (at >= end) {
    raise(TRUNCATED_STACK);
    return TRUNCATED;
  }
  if (label === 0) return IPV4_HEADER;
  if (label === 2) return IPV6_HEADER;
  if (label === OAM_LABEL) return NOT_IP;
  const nibble = B[at] >> 4;
  // A frame can begin with any nibble. IPv4 says enough about itself; IPv6 has to end where the packet does.
  if (nibble === 4) return looksLikeIpv4(at, end, c.wireEnd) === 0 && looksLikeEthernet(at, end) ? ETHERNET_HEADER : IPV4_HEADER;
  if (nibble === 6) {
    const exact = end - at >= 40 && at + 40 + V.getUint16(at + 4) === c.wireEnd;
    return !exact && looksLikeEthernet(at, end) ? ETHERNET_HEADER : IPV6_HEADER;
  }
  if (nibble === 0 && (looksLikeEthernet(at + 4, end) || !looksLikeEthernet(at, end))) {
    if (end - at < 4) {
      raise(TRUNCATED_STACK);
      return TRUNCATED;
    }
    c.at = at + 4;
  }
  return ETHERNET_HEADER;
}
