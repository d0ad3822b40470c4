/**
 * VXLAN (RFC 7348, 5) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-13, 3.1), in UDP.
 *
 *   0       1          3               4     7          8
 *   | flags | reserved | next protocol | VNI | reserved | frame ...          flags 08: the VNI is valid
 *
 * Reserved bits are ignored, as RFC 7348 demands. The next protocol counts on port 4790 when flag 04 says so:
 * 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH, 5 MPLS. A header without flag 08, or one that only the source port announces, is
 * taken for VXLAN when an Ethernet frame stands behind it.
 *
 * Bounds: 8 bytes. Raises: decode.vxlan.truncated. Left out: group policy and other extensions.
 */
import { bytes, view } from '../base/arena.ts';
import { weird } from '../base/weird.ts';
import { pushTunnel, VXLAN_LAYER } from './encapsulation.ts';
import { looksLikeEthernet } from './guess.ts';
import { type Cursor, cutShort, ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER, MPLS_HEADER, NSH_HEADER } from './header.ts';
import { NOT_IP, type Segment, UDP } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_VXLAN = weird('decode.vxlan.truncated');
const FLAG_VNI = 0x08;
const FLAG_NEXT_PROTOCOL = 0x04;
const push = pushTunnel;
const LAYER = VXLAN_LAYER;
const FRAME = ETHERNET_HEADER;

export function vxlan(c: Cursor, s: Segment): number {
  const at = c.at;
  if (c.end - at < 8) return cutShort(c, TRUNCATED_VXLAN, UDP);
  if (((B[at] & FLAG_VNI) === 0 || c.guess !== 0) && looksLikeEthernet(at + 8, c.end) === 0) return UDP;
  push(LAYER, 1, V.getInt32(at + 4) >>> 8, 0, s);
  c.at = at + 8;
  return FRAME;
}

export function vxlanGpe(c: Cursor, s: Segment): number {
  const at = c.at;
  if (c.end - at < 8) return cutShort(c, TRUNCATED_VXLAN, UDP);
  if ((B[at] & FLAG_NEXT_PROTOCOL) === 0) return vxlan(c, s);
  if ((B[at] & FLAG_VNI) === 0 || (c.guess !== 0 && B[at + 3] > 5)) return UDP;
  push(LAYER, 1, V.getInt32(at + 4) >>> 8, 0, s);
  c.at = at + 8;
  switch (B[at + 3]) {
    case 1:
      return IPV4_HEADER;
    case 2:
      return IPV6_HEADER;
    case 3:
      return FRAME;
    case 4:
      return NSH_HEADER;
    case 5:
      return MPLS_HEADER;
  }
  return NOT_IP;
}
