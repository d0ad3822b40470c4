/**
 * PPP (RFC 1661, 2; HDLC-like framing RFC 1662, 3.1), from PPPoE, L2TP, PPTP, or as a link type.
 *
 *   | FF 03 |  protocol 1 or 2  | payload ...      FF 03 only without address and control field compression;
 *                                                  one byte of protocol when that byte is odd
 *
 * 0021 IPv4, 0057 IPv6, 0281 and 0283 MPLS.
 *
 * Bounds: 1 to 4 bytes. Raises: decode.pppoe.truncated, decode.link.unknown_type.
 * Left out: multilink, compressed and encrypted payloads; HDLC escapes (captures have them removed).
 */
import { bytes } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { byEtherType } from './ether-type.ts';
import { type Cursor, IPV4_HEADER, IPV6_HEADER, MPLS_HEADER } from './header.ts';
import { NOT_IP, TRUNCATED } from './segment.ts';

const B = bytes;
const TRUNCATED_PPP = weird('decode.pppoe.truncated');
const UNKNOWN = weird('decode.link.unknown_type');

export function ppp(c: Cursor): number {
  let at = c.at;
  const end = c.end;
  if (end - at >= 4 && B[at] === 0xff && B[at + 1] === 0x03) {
    at += 2;
  } else if (end - at >= 4 && (B[at] === 0x0f || B[at] === 0x8f) && B[at + 1] === 0) {
    // Cisco HDLC, which shares PPP's link types: address 0f or 8f, control 00, EtherType.
    c.at = at + 4;
    return byEtherType((B[at + 2] << 8) | B[at + 3], c);
  }
  if (end - at < 2) {
    raise(TRUNCATED_PPP);
    return TRUNCATED;
  }
  let protocol = B[at++];
  if ((protocol & 1) === 0) protocol = (protocol << 8) | B[at++];
  c.at = at;
  switch (protocol) {
    case 0x0021:
      return IPV4_HEADER;
    case 0x0057:
      return IPV6_HEADER;
    case 0x0281:
    case 0x0283:
      return MPLS_HEADER;
  }
  raise(UNKNOWN);
  return NOT_IP;
}
