/**
 * ERSPAN (draft-foschiano-erspan-03, 4): mirrored Ethernet frames behind GRE.
 *
 *   type I     GRE 88be without a sequence number: no header, the frame follows
 *   type II    GRE 88be:  | ver 4 = 1, VLAN 12 | cos 3, encapsulation 2, cut 1, session 10 | index 4 | frame        8 bytes
 *   type III   GRE 22eb:  | ver 4 = 2, VLAN 12 | cos 3, bso 2, cut 1, session 10 | time stamp 4 | group 2 |
 *                         | P 1, frame type 5, hardware 6, direction 1, granularity 2, O 1 |                        12 bytes
 *                         | O: platform specific 8 | frame, or an IP packet when the frame type is 2
 *
 * The GRE header has no layer of its own in the path: it is ERSPAN's carrier.
 * Bounds: 8, 12 or 20 bytes. Raises: decode.erspan.truncated, decode.gre.unknown. Left out: time stamps, the cut bit.
 */
import { view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { ERSPAN_LAYER, pushTunnel } from './encapsulation.ts';
import { type Cursor, ETHERNET_HEADER, RAW_IP_HEADER } from './header.ts';
import { OTHER_IP, type Segment, TRUNCATED } from './segment.ts';

const V = view;
const TRUNCATED_ERSPAN = weird('decode.erspan.truncated');
const UNKNOWN = weird('decode.gre.unknown');

/** A frame right behind GRE. */
export function erspanTypeOne(s: Segment): number {
  pushTunnel(ERSPAN_LAYER, 0, 0, 0, s);
  return ETHERNET_HEADER;
}

export function erspan(c: Cursor, s: Segment): number {
  const at = c.at;
  const left = c.end - at;
  if (left < 8) {
    raise(TRUNCATED_ERSPAN);
    return TRUNCATED;
  }
  const first = V.getUint16(at);
  const version = first >> 12;
  if (version !== 1 && version !== 2) {
    raise(UNKNOWN);
    return OTHER_IP;
  }
  let headerBytes = 8;
  let inner = ETHERNET_HEADER;
  if (version === 2) {
    headerBytes = 12;
    if (left >= 12) {
      const last = V.getUint16(at + 10);
      if ((last & 1) !== 0) headerBytes = 20;
      if (((last >> 10) & 31) === 2) inner = RAW_IP_HEADER;
    }
  }
  if (left < headerBytes) {
    raise(TRUNCATED_ERSPAN);
    return TRUNCATED;
  }
  pushTunnel(ERSPAN_LAYER, 2, V.getUint16(at + 2) & 0x3ff, first & 0xfff, s);
  c.at = at + headerBytes;
  return inner;
}
