/**
 * Linux cooked captures: what `-i any` gives (LINKTYPE_LINUX_SLL 113, LINKTYPE_LINUX_SLL2 276).
 *
 *   SLL, 16    0      2        4           6         14         16
 *              | kind | ARPHRD | addr len  | address | protocol | payload ...
 *   SLL2, 20   0          2          4        8        10     11         12        20
 *              | protocol | reserved | device | ARPHRD | kind | addr len | address | payload ...
 *
 * The protocol is an EtherType, or 0001 (802.3 without LLC), 0004 (LLC).
 * Bounds: 16 or 20 bytes. Raises: decode.link.truncated, decode.link.unknown_type.
 * Left out: device types whose protocol field is none (netlink, 802.11): their packets are not IP.
 */
import { view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { byEtherType } from './ether-type.ts';
import { type Cursor, LLC_HEADER } from './header.ts';
import { NOT_IP, TRUNCATED } from './segment.ts';

const V = view;
const TRUNCATED_LINK = weird('decode.link.truncated');
const UNKNOWN = weird('decode.link.unknown_type');
const ARPHRD_NETLINK = 824;
const ARPHRD_IEEE80211 = 801;
const ARPHRD_IEEE80211_RADIOTAP = 803;

export function sll(c: Cursor): number {
  const at = c.at;
  if (c.end - at < 16) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  c.at = at + 16;
  return cooked(V.getUint16(at + 2), V.getUint16(at + 14), c);
}

export function sll2(c: Cursor): number {
  const at = c.at;
  if (c.end - at < 20) {
    raise(TRUNCATED_LINK);
    return TRUNCATED;
  }
  c.at = at + 20;
  return cooked(V.getUint16(at + 8), V.getUint16(at), c);
}

function cooked(device: number, protocol: number, c: Cursor): number {
  const foreign = device === ARPHRD_NETLINK || (device >= ARPHRD_IEEE80211 && device <= ARPHRD_IEEE80211_RADIOTAP);
  if (protocol === 4 && !foreign) return LLC_HEADER;
  if (protocol < 1536 || foreign) {
    raise(UNKNOWN);
    return NOT_IP;
  }
  return byEtherType(protocol, c);
}
