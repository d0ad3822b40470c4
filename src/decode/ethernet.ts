/**
 * Ethernet II and IEEE 802.3 with LLC and SNAP.
 *
 *   0               6              12     14
 *   +---------------+--------------+------+------------
 *   | destination   | source       | type | payload ...        type >= 1536: EtherType
 *   +---------------+--------------+------+------------        type <  1536: length, LLC follows
 *
 *   LLC   0      1      2         3
 *         | DSAP | SSAP | control |                            AA AA 03: SNAP follows; 06 06 03: IPv4
 *   SNAP  3     6      8
 *         | OUI | type |                                       OUI 000000 or 0000f8: type is an EtherType
 *
 * Bounds: 14 bytes; LLC 3, with SNAP 8. Raises: decode.link.truncated, decode.link.unknown_type.
 * Left out: the 802.3 length (IP states its own), Cisco ISL, other OUIs than the two above.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { byEtherType } from './ether-type.ts';
import { type Cursor, IPV4_HEADER, stop } from './header.ts';
import { NOT_IP, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_LINK = weird('decode.link.truncated');
const UNKNOWN = weird('decode.link.unknown_type');
const typed = byEtherType;

export function ethernet(c: Cursor): number {
  const at = c.at;
  if (c.end - at < 14) return stop(TRUNCATED_LINK, TRUNCATED);
  c.at = at + 14;
  return typed(V.getUint16(at + 12), c);
}

export function llc(c: Cursor): number {
  const at = c.at;
  const left = c.end - at;
  if (left < 3) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  const access = V.getUint16(at);
  if (access === 0x0606 && B[at + 2] === 3) {
    c.at = at + 3;
    return IPV4_HEADER;
  }
  if (access !== 0xaaaa || B[at + 2] !== 3) {
    raise(UNKNOWN);
    return NOT_IP;
  }
  if (left < 8) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  const oui = (B[at + 3] << 16) | (B[at + 4] << 8) | B[at + 5];
  const type = V.getUint16(at + 6);
  if ((oui !== 0 && oui !== 0xf8) || type < 1536) {
    raise(UNKNOWN);
    return NOT_IP;
  }
  c.at = at + 8;
  return typed(type, c);
}
