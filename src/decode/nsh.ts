/**
 * Network service header (RFC 8300, 2.2), behind Ethernet, GRE, VXLAN-GPE or GENEVE.
 *
 *   0                                      2           3               4           7       8
 *   | ver 2, O, -, TTL 6, length 6         | MD type   | next protocol | path id 3 | index | metadata ...
 *
 * Length in 4 bytes, at least 2. Next protocol: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH, 5 MPLS.
 * Bounds: 8 bytes and the stated length. Raises: decode.nsh.truncated, decode.nsh.bad_length. Left out: path and index, which change on the way
 * and differ by direction; metadata.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { NSH_LAYER, pushPlain } from './encapsulation.ts';
import { type Cursor, ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER, MPLS_HEADER, NSH_HEADER } from './header.ts';
import { MALFORMED, NOT_IP, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_NSH = weird('decode.nsh.truncated');
const BAD_LENGTH = weird('decode.nsh.bad_length');

export function nsh(c: Cursor): number {
  const at = c.at;
  const left = c.end - at;
  if (left < 8) {
    raise(TRUNCATED_NSH);
    return TRUNCATED;
  }
  const headerBytes = (V.getUint16(at) & 63) << 2;
  if (headerBytes < 8) {
    raise(BAD_LENGTH);
    return MALFORMED;
  }
  if (left < headerBytes) {
    raise(TRUNCATED_NSH);
    return TRUNCATED;
  }
  pushPlain(NSH_LAYER);
  c.at = at + headerBytes;
  switch (B[at + 3]) {
    case 1:
      return IPV4_HEADER;
    case 2:
      return IPV6_HEADER;
    case 3:
      return ETHERNET_HEADER;
    case 4:
      return NSH_HEADER;
    case 5:
      return MPLS_HEADER;
  }
  return NOT_IP;
}
