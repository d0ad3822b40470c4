/**
 * PPPoE session stage (RFC 2516, 4).
 *
 *   0            1      2         4        6
 *   | ver  type  | code | session | length | PPP ...          ver 1, type 1, code 0
 *
 * Bounds: 6 bytes; the length trims what follows. Raises: decode.pppoe.truncated.
 * Left out: the discovery stage (EtherType 8863), which carries no traffic.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { PPPOE_LAYER, pushLayer } from './encapsulation.ts';
import { type Cursor, PPP_HEADER, trim } from './header.ts';
import { NOT_IP, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_PPPOE = weird('decode.pppoe.truncated');

export function pppoe(c: Cursor): number {
  const at = c.at;
  if (c.end - at < 6) {
    raise(TRUNCATED_PPPOE);
    return TRUNCATED;
  }
  if (B[at + 1] !== 0) return NOT_IP;
  pushLayer(PPPOE_LAYER, V.getUint16(at + 2));
  c.at = at + 6;
  const length = V.getUint16(at + 4);
  if (length !== 0) trim(c, at + 6 + length);
  return PPP_HEADER;
}
