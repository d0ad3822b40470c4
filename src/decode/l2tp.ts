/**
 * L2TP data messages: version 2 (RFC 2661, 3.1) and 3 (RFC 3931, 4.1) in UDP port 1701, version 3 right behind IP (115).
 *
 *   v2         | T L . S . O P .... ver 4 | L: length 2 | tunnel 2 | session 2 | S: Ns 2, Nr 2 | O: size 2, padding | PPP
 *   v3, UDP    | T ........... ver 4 | reserved 2 | session 4 | cookie 0, 4 or 8 | sublayer 0 or 4 | payload
 *   v3, IP     | session 4 | cookie 0, 4 or 8 | sublayer 0 or 4 | payload               session 0: control
 *
 * Version 3 does not say what it carries or how long its cookie is: the first place among the possible ones where an
 * Ethernet frame or an IP header stands is taken.
 *
 * Bounds: as above. Raises: decode.l2tp.truncated. Left out: control messages (T), other pseudowires.
 */
import { view } from '../base/arena.ts';
import { weird } from '../base/weird.ts';
import { L2TP_LAYER, pushTunnel } from './encapsulation.ts';
import { looksLikeEthernet, looksLikeIpv4, looksLikeIpv6 } from './guess.ts';
import { type Cursor, cutShort, ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER, PPP_HEADER, trim } from './header.ts';
import { OTHER_IP, type Segment, UDP } from './segment.ts';

const V = view;
const TRUNCATED_L2TP = weird('decode.l2tp.truncated');
const CONTROL = 0x8000;
const LENGTH = 0x4000;
const SEQUENCE = 0x0800;
const OFFSET = 0x0200;
/** Longest cookie and sublayer together. */
const COOKIE_BYTES_MAX = 12;

/** L2TP in UDP. */
export function l2tp(c: Cursor, s: Segment): number {
  const start = c.at;
  const end = c.end;
  if (end - start < 6) return cutShort(c, TRUNCATED_L2TP, UDP);
  const flags = V.getUint16(start);
  const version = flags & 15;
  if ((flags & CONTROL) !== 0 || (version !== 2 && version !== 3)) return UDP;
  if (version === 3) {
    c.at = start + 4;
    return versionThree(c, s, UDP);
  }
  let at = start + 2;
  if ((flags & LENGTH) !== 0) {
    const stop = start + V.getUint16(at);
    at += 2;
    if (stop < at + 4) return UDP;
    trim(c, stop);
  }
  const idsAt = at;
  at += 4;
  if ((flags & SEQUENCE) !== 0) at += 4;
  if ((flags & OFFSET) !== 0) {
    if (at + 2 > c.end) return cutShort(c, TRUNCATED_L2TP, UDP);
    at += 2 + V.getUint16(at);
  }
  if (at > c.end) return cutShort(c, TRUNCATED_L2TP, UDP);
  pushTunnel(L2TP_LAYER, 2, V.getUint16(idsAt + 2), V.getUint16(idsAt), s);
  c.at = at;
  return PPP_HEADER;
}

/** L2TP version 3 right behind an IP header. */
export function l2tpIp(c: Cursor, s: Segment): number {
  return versionThree(c, s, OTHER_IP);
}

/** From the session id at `c.at`; `otherwise` is the verdict for what carries nothing that is known. */
function versionThree(c: Cursor, s: Segment, otherwise: number): number {
  const at = c.at;
  const end = c.end;
  if (end - at < 4) return cutShort(c, TRUNCATED_L2TP, otherwise);
  const session = V.getInt32(at);
  if (session === 0) return otherwise;
  for (let skip = 0; skip <= COOKIE_BYTES_MAX; skip += 4) {
    const inner = at + 4 + skip;
    let kind = 0;
    if (looksLikeEthernet(inner, end)) kind = ETHERNET_HEADER;
    else if (looksLikeIpv4(inner, end, c.wireEnd)) kind = IPV4_HEADER;
    else if (looksLikeIpv6(inner, end, c.wireEnd)) kind = IPV6_HEADER;
    if (kind !== 0) {
      pushTunnel(L2TP_LAYER, 1, session, 0, s);
      c.at = inner;
      return kind;
    }
  }
  return otherwise;
}
