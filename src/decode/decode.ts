/**
 * decode: the bytes of a packet -> Segment. Stateless but for the numbering of encapsulation paths.
 *
 * One loop over (kind of header, place in the packet): each protocol file takes one header and says what stands behind
 * it, tunnels included, until a verdict ends the walk.
 *
 *   link  ->  tags, MPLS, PPPoE  ->  IPv4, IPv6  ->  TCP
 *     ^                                  ^      \->  UDP, GRE, IP  ->  tunnel header --+
 *     |                                  |                                            |
 *     +----------------------------------+--------------------------------------------+
 *
 * Limit: decode.depthMax headers below the last transport header, raised as limit.decode.depth; the packet is dropped.
 */

import type { Settings } from '../base/settings.ts';
import { raise, weird } from '../base/weird.ts';
import type { Packet } from '../capture/packet.ts';
import { ayiya } from './ayiya.ts';
import { internPath, resetPaths, startPath } from './encapsulation.ts';
import { erspan } from './erspan.ts';
import { ethernet, llc } from './ethernet.ts';
import { geneve } from './geneve.ts';
import { gre } from './gre.ts';
import { gtp } from './gtp.ts';
import * as header from './header.ts';
import { etherIp } from './ip-in-ip.ts';
import { byIpProtocol } from './ip-protocol.ts';
import { ipv4 } from './ipv4.ts';
import { extension, ipv6 } from './ipv6.ts';
import { l2tp, l2tpIp } from './l2tp.ts';
import { sll, sll2 } from './linux-sll.ts';
import { loopback, rawIp } from './loopback.ts';
import { mpls } from './mpls.ts';
import { nsh } from './nsh.ts';
import { ppp } from './ppp.ts';
import { pppoe } from './pppoe.ts';
import { FRAGMENT, NOT_IP, type Segment, TOO_DEEP } from './segment.ts';
import { tcp } from './tcp.ts';
import { teredo } from './teredo.ts';
import { resetUdp, udp } from './udp.ts';
import { tag } from './vlan.ts';
import { vxlan, vxlanGpe } from './vxlan.ts';

const DEPTH_REACHED = weird('limit.decode.depth');
const UNKNOWN_LINK = weird('decode.link.unknown_type');
/** Verdicts up to this one are TCP and FRAGMENT, the two that go on. */
const FRAGMENT_VERDICT = FRAGMENT;
const stop = header.stop;
const FIRST_HEADER = header.FIRST_HEADER;
const ETHERNET = header.ETHERNET_HEADER;
const IPV4 = header.IPV4_HEADER;
const IPV6 = header.IPV6_HEADER;
const TCP_KIND = header.TCP_HEADER;
const UDP_KIND = header.UDP_HEADER;
const VXLAN = header.VXLAN_HEADER;
const TAG = header.TAG_HEADER;
const GENEVE = header.GENEVE_HEADER;
const WIRE_BYTES_MAX = header.WIRE_BYTES_MAX;

const takeEthernet = ethernet;
const takeIpv4 = ipv4;
const takeIpv6 = ipv6;
const takeTcp = tcp;
const takeUdp = udp;
const takeVxlan = vxlan;
const takeTag = tag;
const takeGeneve = geneve;
const intern = internPath;
const start = startPath;

const cursor = new header.Cursor();

/** Takes over the settings and forgets all encapsulation paths. */
export function resetDecode(settings: Settings): void {
  cursor.depthMax = settings.decode.depthMax;
  cursor.checksums = settings.decode.checksums ? 1 : 0;
  resetPaths(settings);
  resetUdp(settings);
}

/** Decodes a packet into the segment. Returns a verdict of decode/segment.ts: what the packet was. */
export function decode(packet: Packet, segment: Segment): number {
  const c = cursor;
  const at = packet.at;
  const end = packet.end;
  const wireBytes = packet.wireBytes < WIRE_BYTES_MAX ? packet.wireBytes : WIRE_BYTES_MAX;
  c.at = at;
  c.end = end;
  c.wireEnd = at + wireBytes > end ? at + wireBytes : end;
  c.depth = 0;
  c.cut = 0;
  start();
  segment.interfaceId = packet.interfaceId;
  segment.ipVersion = 0;
  return walk(packet.linkType === 1 ? ETHERNET : linkKind(packet.linkType), segment);
}

/**
 * Goes on with the payload of an IP packet that was put together from fragments: [at, end) in the arena, of that IP protocol
 * (an extension header's number in IPv6 too). IP version and addresses stand in the segment; path and depth of the last
 * `decode` grow further. Verdicts as for `decode`.
 */
export function decodeReassembled(protocol: number, at: number, end: number, segment: Segment): number {
  const c = cursor;
  c.at = at;
  c.end = end;
  c.wireEnd = end;
  c.ipv6Open = 0;
  return walk(byIpProtocol(protocol, c, segment), segment);
}

/** What the first header of a packet of that link type (LINKTYPE_ registry) is; the verdict NOT_IP for a foreign one. */
function linkKind(linkType: number): number {
  switch (linkType) {
    case 0:
    case 108:
      return header.LOOPBACK_HEADER;
    case 9:
    case 50:
      return header.PPP_HEADER;
    case 51:
      return header.PPPOE_HEADER;
    case 12:
    case 14:
    case 101:
      return header.RAW_IP_HEADER;
    case 113:
      return header.SLL_HEADER;
    case 228:
      return IPV4;
    case 229:
      return IPV6;
    case 276:
      return header.SLL2_HEADER;
  }
  raise(UNKNOWN_LINK);
  return NOT_IP;
}

function walk(kind: number, s: Segment): number {
  const c = cursor;
  let depth = c.depth;
  while (kind >= FIRST_HEADER && kind !== TCP_KIND) {
    if (depth === c.depthMax) return stop(DEPTH_REACHED, TOO_DEEP);
    depth++;
    if (kind === IPV4) kind = takeIpv4(c, s);
    else if (kind === ETHERNET) kind = takeEthernet(c);
    else kind = takeOther(kind, c, s);
  }
  c.depth = depth;
  if (kind === TCP_KIND) kind = takeTcp(c, s);
  if (kind <= FRAGMENT_VERDICT) intern(s);
  return kind;
}

function takeOther(kind: number, c: header.Cursor, s: Segment): number {
  if (kind === UDP_KIND) return takeUdp(c, s);
  if (kind === VXLAN) return takeVxlan(c, s);
  if (kind === IPV6) return takeIpv6(c, s);
  if (kind === TAG) return takeTag(c);
  if (kind === GENEVE) return takeGeneve(c, s);
  return takeRare(kind, c, s);
}

function takeRare(kind: number, c: header.Cursor, s: Segment): number {
  switch (kind) {
    case header.LLC_HEADER:
      return llc(c);
    case header.MPLS_HEADER:
      return mpls(c);
    case header.PPPOE_HEADER:
      return pppoe(c);
    case header.PPP_HEADER:
      return ppp(c);
    case header.SLL_HEADER:
      return sll(c);
    case header.SLL2_HEADER:
      return sll2(c);
    case header.LOOPBACK_HEADER:
      return loopback(c);
    case header.RAW_IP_HEADER:
      return rawIp(c);
    case header.EXTENSION_HEADER:
      return extension(c, s);
    case header.GRE_HEADER:
      return gre(c, s);
    case header.ERSPAN_HEADER:
      return erspan(c, s);
    case header.VXLAN_GPE_HEADER:
      return vxlanGpe(c, s);
    case header.TEREDO_HEADER:
      return teredo(c, s);
    case header.GTP_HEADER:
      return gtp(c, s);
    case header.L2TP_HEADER:
      return l2tp(c, s);
    case header.L2TP_IP_HEADER:
      return l2tpIp(c, s);
    case header.NSH_HEADER:
      return nsh(c);
    case header.AYIYA_HEADER:
      return ayiya(c, s);
    default:
      return etherIp(c, s);
  }
}
