/**
 * IP protocol number: which header follows an IPv4 or IPv6 header, or an IPv6 extension header (IANA registry).
 * Extension headers count as such only in IPv6, but AH is taken off in both: it hides nothing.
 * What Earshot does not look into (ESP, SCTP, routing protocols, no next header ...) is OTHER_IP.
 */
import {
  type Cursor,
  ETHERIP_HEADER,
  ETHERNET_HEADER,
  EXTENSION_HEADER,
  GRE_HEADER,
  IPV4_HEADER,
  IPV6_HEADER,
  L2TP_IP_HEADER,
  MPLS_HEADER,
  TCP_HEADER,
  UDP_HEADER,
} from './header.ts';
import { ipInIp } from './ip-in-ip.ts';
import { ICMP, OTHER_IP, type Segment } from './segment.ts';

const TCP_NEXT = TCP_HEADER;

export const PROTOCOL_HOP_BY_HOP = 0;
const PROTOCOL_ICMP = 1;
const PROTOCOL_IPV4 = 4;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_IPV6 = 41;
export const PROTOCOL_ROUTING = 43;
export const PROTOCOL_FRAGMENT = 44;
const PROTOCOL_GRE = 47;
export const PROTOCOL_AUTHENTICATION = 51;
const PROTOCOL_ICMPV6 = 58;
export const PROTOCOL_DESTINATION_OPTIONS = 60;
const PROTOCOL_ETHERIP = 97;
const PROTOCOL_L2TP = 115;
const PROTOCOL_MOBILITY = 135;
const PROTOCOL_MPLS = 137;
const PROTOCOL_ETHERNET = 143;

/** The next header (or a verdict) for an IP protocol number; extension headers find their type in `c.protocol`. */
export function byIpProtocol(protocol: number, c: Cursor, s: Segment): number {
  return protocol === PROTOCOL_TCP ? TCP_NEXT : byRarerProtocol(protocol, c, s);
}

function byRarerProtocol(protocol: number, c: Cursor, s: Segment): number {
  switch (protocol) {
    case PROTOCOL_UDP:
      return UDP_HEADER;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      return ICMP;
    case PROTOCOL_IPV4:
      return ipInIp(IPV4_HEADER, s);
    case PROTOCOL_IPV6:
      return ipInIp(IPV6_HEADER, s);
    case PROTOCOL_MPLS:
      return ipInIp(MPLS_HEADER, s);
    case PROTOCOL_ETHERNET:
      return ipInIp(ETHERNET_HEADER, s);
    case PROTOCOL_GRE:
      return GRE_HEADER;
    case PROTOCOL_ETHERIP:
      return ETHERIP_HEADER;
    case PROTOCOL_L2TP:
      return L2TP_IP_HEADER;
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_FRAGMENT:
    case PROTOCOL_DESTINATION_OPTIONS:
    case PROTOCOL_MOBILITY:
      if (s.ipVersion !== 6) return OTHER_IP;
      c.protocol = protocol;
      return EXTENSION_HEADER;
    case PROTOCOL_AUTHENTICATION:
      c.protocol = protocol;
      return EXTENSION_HEADER;
  }
  return OTHER_IP;
}
