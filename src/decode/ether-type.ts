/**
 * EtherType: which header follows where a link, tag or tunnel header names it by a 16-bit type
 * (IEEE 802.3, clause 3.2.6; values from the IEEE registry). Below 1536 the field is a length and LLC follows.
 *
 * Raises: decode.link.unknown_type.
 */
import { raise, weird } from '../base/weird.ts';
import {
  type Cursor,
  ETHERNET_HEADER,
  IPV4_HEADER,
  IPV6_HEADER,
  LLC_HEADER,
  MPLS_HEADER,
  NSH_HEADER,
  PPP_HEADER,
  PPPOE_HEADER,
  TAG_HEADER,
} from './header.ts';
import { ARP, NOT_IP } from './segment.ts';

const UNKNOWN = weird('decode.link.unknown_type');
const IPV4 = IPV4_HEADER;

const TYPE_IPV4 = 0x0800;
const TYPE_ARP = 0x0806;
const TYPE_ETHERNET = 0x6558;
const TYPE_VLAN = 0x8100;
const TYPE_IPV6 = 0x86dd;
const TYPE_PPP = 0x880b;
const TYPE_MPLS = 0x8847;
const TYPE_MPLS_UPSTREAM = 0x8848;
const TYPE_PPPOE = 0x8864;
const TYPE_QINQ = 0x88a8;
const TYPE_QINQ_OLD = 0x9100;
const TYPE_QINQ_OLD_2 = 0x9200;
const TYPE_QINQ_OLD_3 = 0x9300;
const TYPE_NSH = 0x894f;
export const TYPE_CISCO_METADATA = 0x8909;
export const TYPE_VN_TAG = 0x8926;
export const TYPE_E_TAG = 0x893f;
export const TYPE_BACKBONE = 0x88e7;

/** The next header (or a verdict) for an EtherType; tags find their type in `c.protocol`. */
export function byEtherType(type: number, c: Cursor): number {
  return type === TYPE_IPV4 ? IPV4 : byRarerType(type, c);
}

function byRarerType(type: number, c: Cursor): number {
  switch (type) {
    case TYPE_IPV6:
      return IPV6_HEADER;
    case TYPE_VLAN:
    case TYPE_QINQ:
    case TYPE_QINQ_OLD:
    case TYPE_QINQ_OLD_2:
    case TYPE_QINQ_OLD_3:
    case TYPE_CISCO_METADATA:
    case TYPE_VN_TAG:
    case TYPE_E_TAG:
    case TYPE_BACKBONE:
      c.protocol = type;
      return TAG_HEADER;
    case TYPE_MPLS:
    case TYPE_MPLS_UPSTREAM:
      return MPLS_HEADER;
    case TYPE_PPPOE:
      return PPPOE_HEADER;
    case TYPE_PPP:
      return PPP_HEADER;
    case TYPE_ETHERNET:
      return ETHERNET_HEADER;
    case TYPE_NSH:
      return NSH_HEADER;
    case TYPE_ARP:
      return ARP;
  }
  if (type < 1536) return LLC_HEADER;
  raise(UNKNOWN);
  return NOT_IP;
}
