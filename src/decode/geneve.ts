/**
 * GENEVE (RFC 8926, 3.4), in UDP.
 *
 *   0                      1        2      4     7          8
 *   | ver 2, options len 6 | O C .. | type | VNI | reserved | options, in 4 bytes | payload ...
 *
 * The type is an EtherType: 6558 Ethernet, IPv4 and IPv6 without a frame, and what else decode/ether-type.ts knows.
 * A Gateway Load Balancer sends IPv4 or IPv6 with options; mirrored traffic behind it has VXLAN inside.
 *
 * Bounds: 8 bytes and the options, which are skipped. Raises: decode.geneve.truncated.
 * Left out: the options' contents (the VNI alone tells tunnels apart), control packets.
 */
import { bytes, view } from '../base/arena.ts';
import { weird } from '../base/weird.ts';
import { GENEVE_LAYER, pushTunnel } from './encapsulation.ts';
import { byEtherType } from './ether-type.ts';
import { looksLikeEthernet, looksLikeIpv4, looksLikeIpv6 } from './guess.ts';
import { type Cursor, cutShort, ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER } from './header.ts';
import { type Segment, UDP } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_GENEVE = weird('decode.geneve.truncated');
const typed = byEtherType;

export function geneve(c: Cursor, s: Segment): number {
  const at = c.at;
  const end = c.end;
  const left = end - at;
  const headerBytes = left > 0 ? 8 + ((B[at] & 63) << 2) : 8;
  if (left < headerBytes) return cutShort(c, TRUNCATED_GENEVE, UDP);
  const type = V.getUint16(at + 2);
  if (B[at] >> 6 !== 0 || type < 1536) return UDP;
  const inner = at + headerBytes;
  const next = typed(type, c);
  if (c.guess !== 0) {
    let right = 0;
    if (next === IPV4_HEADER) right = looksLikeIpv4(inner, end, c.wireEnd);
    else if (next === IPV6_HEADER) right = looksLikeIpv6(inner, end, c.wireEnd);
    else if (next === ETHERNET_HEADER) right = looksLikeEthernet(inner, end);
    if (right === 0) return UDP;
  }
  pushTunnel(GENEVE_LAYER, 1, V.getInt32(at + 4) >>> 8, 0, s);
  c.at = inner;
  return next;
}
