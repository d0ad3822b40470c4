/**
 * A packet or frame right behind an IP header, without a header of the tunnel's own:
 *
 *   | outer IPv4 or IPv6 | IPv4 (protocol 4, RFC 2003) or IPv6 (41, RFC 4213, RFC 2473)
 *   | outer IPv4 or IPv6 | MPLS stack (137, RFC 4023)
 *   | outer IPv4 or IPv6 | Ethernet frame (143, RFC 8986)
 *   | outer IPv4 or IPv6 | EtherIP: version 3 and 12 zero bits | Ethernet frame (97, RFC 3378)
 *
 * The layer of the path has the outer addresses and nothing else.
 * Bounds: EtherIP 2 bytes. Raises: decode.link.truncated. Left out: minimal encapsulation (55).
 */
import { bytes } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { IPIP_LAYER, OTHER_LAYER, pushTunnel } from './encapsulation.ts';
import { type Cursor, ETHERNET_HEADER } from './header.ts';
import { OTHER_IP, type Segment, TRUNCATED } from './segment.ts';

const B = bytes;
const TRUNCATED_LINK = weird('decode.link.truncated');

/** Notes the layer, whose addresses stand in the segment; `inner` is the kind of header behind it. */
export function ipInIp(inner: number, s: Segment): number {
  pushTunnel(IPIP_LAYER, 0, 0, 0, s);
  return inner;
}

export function etherIp(c: Cursor, s: Segment): number {
  const at = c.at;
  if (c.end - at < 2) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  if (B[at] >> 4 !== 3) return OTHER_IP;
  pushTunnel(OTHER_LAYER, 0, 0, 0, s);
  c.at = at + 2;
  return ETHERNET_HEADER;
}
