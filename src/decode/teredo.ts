/**
 * Teredo (RFC 4380, 5.1.1): IPv6 in UDP port 3544, with up to two indications before it, authentication first.
 *
 *   authentication  | 00 01 | id length | value length | id | value | nonce 8 | confirmation 1 |      13 bytes and more
 *   origin          | 00 00 | port 2 | address 4 |                                                     8 bytes
 *   IPv6            | 6. ...
 *
 * Bounds: as above. Raises: decode.teredo.malformed. Left out: the obfuscated origin; trailers.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { pushTunnel, TEREDO_LAYER } from './encapsulation.ts';
import { looksLikeIpv6 } from './guess.ts';
import { type Cursor, IPV6_HEADER } from './header.ts';
import { type Segment, TRUNCATED, UDP } from './segment.ts';

const B = bytes;
const V = view;
const MALFORMED_TEREDO = weird('decode.teredo.malformed');

export function teredo(c: Cursor, s: Segment): number {
  let at = c.at;
  const end = c.end;
  if (end - at >= 4 && V.getUint16(at) === 1) at += 13 + B[at + 2] + B[at + 3];
  if (end - at >= 2 && V.getUint16(at) === 0) at += 8;
  if (end - at < 40) {
    if (at < end && B[at] >> 4 !== 6) return UDP;
    raise(MALFORMED_TEREDO);
    return c.wireEnd > end ? TRUNCATED : UDP;
  }
  if (B[at] >> 4 !== 6 || (c.guess !== 0 && looksLikeIpv6(at, end, c.wireEnd) === 0)) return UDP;
  pushTunnel(TEREDO_LAYER, 0, 0, 0, s);
  c.at = at;
  return IPV6_HEADER;
}
