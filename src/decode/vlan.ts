/**
 * Tags between a link header and its payload. The VLAN tags are IEEE 802.1Q (8100), 802.1ad (88a8) and the older QinQ
 * types 9100, 9200, 9300; they nest as deep as decode.depthMax allows. `at` is behind the tag's own EtherType.
 *
 *   VLAN, 4 bytes        0            2      4            priority 3 bits, drop eligible 1, VLAN id 12
 *                        | control    | type |
 *   VN-Tag (8926), 6     | flags and virtual interfaces 4 | type |
 *   E-Tag (893f), 8      | control 6                      | type |      IEEE 802.1BR
 *   Metadata (8909), 8   | version, length, option, SGT 6 | type |      Cisco
 *   I-Tag (88e7), 4      | flags 1, service id 3 | Ethernet frame       IEEE 802.1ah
 *
 * Bounds: as above. Raises: decode.vlan.truncated.
 * Left out: ids other than the VLAN's, and MACsec (88e5), which is as a rule encrypted.
 */
import { view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { pushLayer, VLAN_LAYER } from './encapsulation.ts';
import { byEtherType, TYPE_BACKBONE, TYPE_CISCO_METADATA, TYPE_E_TAG, TYPE_VN_TAG } from './ether-type.ts';
import { type Cursor, ETHERNET_HEADER } from './header.ts';
import { TRUNCATED } from './segment.ts';

const V = view;
const TRUNCATED_TAG = weird('decode.vlan.truncated');
const push = pushLayer;
const typed = byEtherType;
const LAYER = VLAN_LAYER;

export function tag(c: Cursor): number {
  const at = c.at;
  const type = c.protocol;
  if (type === TYPE_VN_TAG) return skip(c, 6);
  if (type === TYPE_E_TAG || type === TYPE_CISCO_METADATA) return skip(c, 8);
  if (c.end - at < 4) {
    raise(TRUNCATED_TAG);
    return TRUNCATED;
  }
  c.at = at + 4;
  if (type === TYPE_BACKBONE) return ETHERNET_HEADER;
  push(LAYER, V.getUint16(at) & 0xfff);
  return typed(V.getUint16(at + 2), c);
}

/** Skips a tag of `length` bytes whose last two are the next EtherType. */
function skip(c: Cursor, length: number): number {
  if (c.end - c.at < length) {
    raise(TRUNCATED_TAG);
    return TRUNCATED;
  }
  c.at += length;
  return typed(V.getUint16(c.at - 2), c);
}
