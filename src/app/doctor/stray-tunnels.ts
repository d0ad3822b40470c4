/**
 * Stray tunnels: UDP packets that look like VXLAN (RFC 7348) or GENEVE (RFC 8926) on a port that nobody told us of.
 *
 *   link header, VLAN tags  |  IPv4 or IPv6  |  UDP 8  |  VXLAN 8 or GENEVE 8 + options  |  Ethernet or IP inside
 *
 *   VXLAN    08 | 00 00 00 | VNI 3 | 00          GENEVE   version 2 bits, options 6 bits | O C | protocol 2 | VNI 3 | 00
 *
 * Only the outermost packet is looked at. All reserved bits must be 0 and the inside must begin as it should: two dozen
 * bits that chance would have to meet. Bounds: every header is checked to lie before `end`; four VLAN tags. Raises nothing.
 * Left out: IPv6 extension headers, fragments behind the first.
 */
import { bytes, view } from '../../base/arena.ts';
import { looksLikeEthernet, looksLikeIpv4, looksLikeIpv6 } from '../../decode/guess.ts';

const B = bytes;
const V = view;

export const VXLAN_LIKE = 1;
export const GENEVE_LIKE = 2;

const TAGS_MAX = 4;
const LINK_ETHERNET = 1;
const LINK_RAW = 101;

/** What the packet at [at, end) looks like: VXLAN_LIKE or GENEVE_LIKE << 16 | destination port; 0 for neither. */
export function strayTunnel(at: number, end: number, linkType: number): number {
  let p = at;
  if (linkType === LINK_ETHERNET) {
    if (end - at < 14) return 0;
    p += 12;
    for (let tags = 0; tags < TAGS_MAX && isTag(V.getUint16(p)) && end - p >= 6; tags++) p += 4;
    const type = V.getUint16(p);
    if (type !== 0x0800 && type !== 0x86dd) return 0;
    p += 2;
  } else if (linkType !== LINK_RAW) return 0;
  if (end - p < 20) return 0;
  const version = B[p] >> 4;
  if (version === 4) {
    const laterFragment = (V.getUint16(p + 6) & 0x1fff) !== 0;
    if (B[p + 9] !== 17 || laterFragment) return 0;
    p += (B[p] & 15) << 2;
  } else if (version === 6 && end - p >= 40) {
    if (B[p + 6] !== 17) return 0;
    p += 40;
  } else return 0;
  if (end - p < 16) return 0;
  const like = tunnelHeader(p + 8, end);
  return like === 0 ? 0 : (like << 16) | V.getUint16(p + 2);
}

function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

function tunnelHeader(at: number, end: number): number {
  if (B[at + 7] !== 0) return 0;
  if (V.getInt32(at) === 0x08000000) return looksLikeEthernet(at + 8, end) !== 0 ? VXLAN_LIKE : 0;
  if (B[at] >> 6 !== 0 || (B[at + 1] & 0x3f) !== 0) return 0;
  const inner = at + 8 + ((B[at] & 63) << 2);
  switch (V.getUint16(at + 2)) {
    case 0x6558:
      return looksLikeEthernet(inner, end) !== 0 ? GENEVE_LIKE : 0;
    case 0x0800:
      return looksLikeIpv4(inner, end, end) !== 0 ? GENEVE_LIKE : 0;
    case 0x86dd:
      return looksLikeIpv6(inner, end, end) !== 0 ? GENEVE_LIKE : 0;
  }
  return 0;
}
