/**
 * BSD loopback (LINKTYPE_NULL 0, LINKTYPE_LOOP 108) and raw IP (101, and 12 and 14 of old systems).
 *
 *   0                4
 *   | address family | IP header ...       NULL: byte order of the machine that captured; LOOP: network order
 *
 * AF_INET is 2 everywhere; AF_INET6 is 10 (Linux), 23 (Windows), 24 (NetBSD, OpenBSD), 28 (FreeBSD), 30 (macOS).
 * Both byte orders are taken for both link types: writers mix them up, and the families do not collide.
 * Raw IP has no header: the version nibble tells.
 *
 * Bounds: 4 bytes; raw IP 1. Raises: decode.link.truncated, decode.link.unknown_type.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { type Cursor, IPV4_HEADER, IPV6_HEADER } from './header.ts';
import { NOT_IP, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_LINK = weird('decode.link.truncated');
const UNKNOWN = weird('decode.link.unknown_type');

export function loopback(c: Cursor): number {
  const at = c.at;
  if (c.end - at < 4) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  c.at = at + 4;
  const big = V.getInt32(at);
  switch (big > 0 && big < 0x10000 ? big : V.getInt32(at, true)) {
    case 2:
      return IPV4_HEADER;
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
      return IPV6_HEADER;
  }
  raise(UNKNOWN);
  return NOT_IP;
}

export function rawIp(c: Cursor): number {
  const at = c.at;
  if (at >= c.end) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  const version = B[at] >> 4;
  if (version === 4) return IPV4_HEADER;
  if (version === 6) return IPV6_HEADER;
  raise(UNKNOWN);
  return NOT_IP;
}
