/**
 * The walk through a packet to its innermost IP packet, in classic BPF. It takes the path of decode/, as far as a program
 * without loops can: each header is there once for every level, a level being what one tunnel holds.
 *
 *   level 0   frame, tags, MPLS, PPPoE  ->  IPv4, IPv6  ->  TCP, UDP, SCTP: found
 *                                                      \->  UDP, GRE, IP: tunnel  --+
 *   level 1   frame ...                                                      <------+
 *
 * Registers on the way: X is where the next header begins. M[SOURCE_AT] and M[DESTINATION_AT] are where the addresses of
 * the last IP header lie, and M[IP_VERSION] is 4 or 6, or 0 when there was none.
 *
 * What it takes off, as decode/ does: VLAN tags, LLC with SNAP, MPLS (an IP packet or a pseudowire below), PPPoE, IPv4 with
 * options, IPv6 with extension headers in the order of RFC 8200, 4.1 (segment routing names the destination), AH; GRE of
 * version 0 with its options, ERSPAN I to III, WCCP, GRE in UDP, VXLAN and VXLAN-GPE, GENEVE with its options, IP, MPLS and
 * Ethernet in IP, EtherIP.
 *
 * What decode/ looks into and the walk does not is "opaque": Teredo, GTP, L2TP, AYIYA, PPTP, NSH, VN, E and I tags, GRE
 * source routes, tunnels that only a source port announces, extension headers in another order, and what is nested deeper
 * than the limits below. Teredo away from its port, and the addresses of Mobile IPv6, go unnoticed.
 *
 * Limits: 3 tunnels; at each level 3 tags; 4 MPLS labels. LLC, MPLS and PPPoE only outside of the second tunnel.
 */
import { type Assembler, fromX, immediate, type Label, packetLength, scratch, X } from './bpf.ts';

export const SOURCE_AT = 0;
export const DESTINATION_AT = 1;
export const IP_VERSION = 2;
/** Scratch words of the walk itself; later ones are free. */
const FLAGS = 3;
const TYPE = 4;
/** First scratch word that the walk leaves alone. */
export const FREE_SCRATCH = 5;

const TUNNELS_MAX = 3;
const TAGS_MAX = 3;
const LABELS_MAX = 4;
/** Levels that look for LLC, MPLS and PPPoE. */
const RARE_LEVELS = 2;

const TYPE_IPV4 = 0x0800;
const TYPE_IPV6 = 0x86dd;
const TYPE_ETHERNET = 0x6558;
const TYPE_LLC_MAX = 1535;
const TYPE_MPLS = 0x8847;
const TYPE_MPLS_UPSTREAM = 0x8848;
const TYPE_PPPOE = 0x8864;
const TYPE_NSH = 0x894f;
const TYPE_WCCP = 0x883e;
const TYPE_ERSPAN = 0x88be;
const TYPE_ERSPAN_THREE = 0x22eb;
const VLAN_TYPES = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];
/** Frames in a tag, PPP, NSH, Cisco metadata, VN, E and I tags. */
const OPAQUE_TYPES = [TYPE_ETHERNET, 0x880b, TYPE_NSH, 0x8909, 0x8926, 0x893f, 0x88e7];

const PROTOCOL_HOP_BY_HOP = 0;
const PROTOCOL_IPV4 = 4;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_IPV6 = 41;
const PROTOCOL_ROUTING = 43;
const PROTOCOL_FRAGMENT = 44;
const PROTOCOL_GRE = 47;
const PROTOCOL_AUTHENTICATION = 51;
const PROTOCOL_DESTINATION_OPTIONS = 60;
const PROTOCOL_ETHERIP = 97;
const PROTOCOL_L2TP = 115;
const PROTOCOL_SCTP = 132;
const PROTOCOL_MOBILITY = 135;
const PROTOCOL_MPLS = 137;
const PROTOCOL_ETHERNET = 143;
/** Next headers of IPv6 that stand before the transport header. */
const EXTENSIONS = [
  PROTOCOL_HOP_BY_HOP,
  PROTOCOL_DESTINATION_OPTIONS,
  PROTOCOL_ROUTING,
  PROTOCOL_FRAGMENT,
  PROTOCOL_AUTHENTICATION,
  PROTOCOL_MOBILITY,
];

/** Protocols whose fragments may be pieces of a tunnel. */
export const mayBeTunnel: readonly number[] = [
  PROTOCOL_UDP,
  PROTOCOL_GRE,
  PROTOCOL_IPV4,
  PROTOCOL_IPV6,
  PROTOCOL_MPLS,
  PROTOCOL_ETHERNET,
  PROTOCOL_ETHERIP,
  PROTOCOL_L2TP,
  ...EXTENSIONS,
];

const PORT_GRE = 4754;
const PORT_VXLAN_GPE = 4790;
/** L2TP, GTP, Teredo, AYIYA. */
const OPAQUE_PORTS = [1701, 2152, 3544, 5072];

/** Where the walk ends. */
export interface Ends {
  /** TCP, UDP or SCTP: the ports are at X. */
  readonly ports: Label;
  /** An IP packet without ports: ICMP, ESP ... */
  readonly addresses: Label;
  /**
   * A fragment; the protocol of what was fragmented is in A. When `firstFragments` is "walked", only the later ones: a
   * first fragment holds the headers and is a packet like others.
   */
  readonly fragment: Label;
  readonly firstFragments: 'walked' | 'ended';
  /** There may be a tunnel that is not looked into. */
  readonly opaque: Label;
  /** No IP packet. */
  readonly none: Label;
  /** The packet ends inside a header. Null: nobody looks, and the program ends with 0, as the load does. */
  readonly short: Label | null;
}

export interface TunnelPorts {
  readonly vxlanPorts: readonly number[];
  readonly genevePorts: readonly number[];
}

/** Where the walk can begin: labels to jump to before `placeWalk`. X is the place of the header that is named. */
export interface Entries {
  readonly ethernet: Label;
  /** Behind an EtherType, which is in A. */
  readonly type: Label;
  readonly llc: Label;
  /** An IP packet of whichever version. */
  readonly rawIp: Label;
  readonly mpls: Label;
  readonly ipv4: Label;
  readonly ipv6: Label;
  readonly udp: Label;
  readonly gre: Label;
  readonly vxlan: Label;
  readonly geneve: Label;
}

export function walkEntries(p: Assembler): Entries {
  return {
    ethernet: p.label(),
    type: p.label(),
    llc: p.label(),
    rawIp: p.label(),
    mpls: p.label(),
    ipv4: p.label(),
    ipv6: p.label(),
    udp: p.label(),
    gre: p.label(),
    vxlan: p.label(),
    geneve: p.label(),
  };
}

/** The registers as they are before the first header: X at `at`, no addresses. Comes before the jump to an entry. */
export function beginWalk(p: Assembler, at: number): void {
  p.ld(immediate(0));
  p.st(IP_VERSION);
  p.st(SOURCE_AT);
  p.st(DESTINATION_AT);
  p.ldx(immediate(at));
}

/** Puts the walk here. The ends have their place behind it; `entries` are the beginnings of level 0. */
export function placeWalk(p: Assembler, entries: Entries, ends: Ends, ports: TunnelPorts): void {
  let here = entries;
  for (let level = 0; level <= TUNNELS_MAX; level++) {
    const inner = level === TUNNELS_MAX ? null : walkEntries(p);
    placeLevel(p, here, inner, level < RARE_LEVELS, ends, ports);
    if (inner !== null) here = inner;
  }
}

/** The headers of one level, each before those that may follow it. `inner` is null where tunnels are not looked into. */
function placeLevel(p: Assembler, here: Entries, inner: Entries | null, rare: boolean, ends: Ends, ports: TunnelPorts): void {
  const transport = p.label();
  placeFrame(p, here, rare, ends);
  placeMpls(p, here, rare ? inner : null, ends);
  p.place(here.rawIp);
  ensure(p, 1, ends);
  p.ldb(fromX(0));
  p.and(0xf0);
  p.jeq(0x40, here.ipv4);
  p.jeq(0x60, here.ipv6, ends.none);
  placeIpv4(p, here, transport, ends);
  placeIpv6(p, here, transport, ends);
  p.place(transport);
  placeTransport(p, here, inner, ends);
  placeUdp(p, here, inner, ends, ports);
  placeVxlan(p, here, inner, ends);
  placeGeneve(p, here, inner, ends);
  placeGre(p, here, inner, ends);
}

/** Goes to `ends.short` when fewer than `bytes` are left at X. Uses A. */
function ensure(p: Assembler, bytes: number, ends: Ends): void {
  if (ends.short === null) return;
  p.ld(packetLength);
  // X can lie behind the end when a header says that it is longer than the packet.
  p.jlt(X, ends.short);
  p.sub(X);
  p.jlt(bytes, ends.short);
}

/** X += `bytes`. Uses A. */
function advance(p: Assembler, bytes: number): void {
  p.txa();
  p.add(bytes);
  p.tax();
}

/** X += A. */
function advanceByA(p: Assembler): void {
  p.add(X);
  p.tax();
}

function anyOf(p: Assembler, values: readonly number[], then: Label): void {
  for (const value of values) p.jeq(value, then);
}

/** Ethernet, LLC and SNAP, tags, PPPoE: decode/ethernet.ts, decode/vlan.ts, decode/pppoe.ts. */
function placeFrame(p: Assembler, here: Entries, rare: boolean, ends: Ends): void {
  p.place(here.ethernet);
  ensure(p, 14, ends);
  p.ldh(fromX(12));
  p.st(TYPE);
  advance(p, 14);
  p.ld(scratch(TYPE));
  p.jgt(TYPE_LLC_MAX, here.type);
  p.place(here.llc);
  if (rare) placeLlc(p, here, ends);
  else p.ja(ends.opaque);

  p.place(here.type);
  const other = p.label();
  const opaque = p.label();
  const pppoe = p.label();
  for (let tags = 0; tags <= TAGS_MAX; tags++) {
    const tag = p.label();
    p.jeq(TYPE_IPV4, here.ipv4);
    p.jeq(TYPE_IPV6, here.ipv6);
    anyOf(p, VLAN_TYPES, tags === TAGS_MAX ? opaque : tag);
    p.ja(other);
    p.place(tag);
    if (tags === TAGS_MAX) break;
    ensure(p, 4, ends);
    p.ldh(fromX(2));
    p.st(TYPE);
    advance(p, 4);
    p.ld(scratch(TYPE));
  }
  p.place(other);
  p.jeq(TYPE_MPLS, rare ? here.mpls : opaque);
  p.jeq(TYPE_MPLS_UPSTREAM, rare ? here.mpls : opaque);
  p.jeq(TYPE_PPPOE, rare ? pppoe : opaque);
  anyOf(p, OPAQUE_TYPES, opaque);
  // LLC behind a tag is there in theory.
  p.jgt(TYPE_LLC_MAX, ends.none);
  p.place(opaque);
  p.ja(ends.opaque);

  // Six bytes, then the protocol of PPP.
  p.place(pppoe);
  ensure(p, 8, ends);
  p.ldh(fromX(6));
  p.st(TYPE);
  advance(p, 8);
  p.ld(scratch(TYPE));
  p.jeq(0x0021, here.ipv4);
  p.jeq(0x0057, here.ipv6);
  p.jeq(0x0281, here.mpls, ends.opaque);
}

/** Goes on to `here.type`, with the type in A. */
function placeLlc(p: Assembler, here: Entries, ends: Ends): void {
  const snap = p.label();
  const known = p.label();
  ensure(p, 3, ends);
  p.ldb(fromX(2));
  p.jne(3, ends.none);
  p.ldh(fromX(0));
  p.jeq(0xaaaa, snap);
  p.jne(0x0606, ends.none);
  advance(p, 3);
  p.ja(here.ipv4);
  p.place(snap);
  ensure(p, 8, ends);
  p.ld(fromX(2));
  p.jeq(0x03000000, known);
  p.jne(0x030000f8, ends.none);
  p.place(known);
  p.ldh(fromX(6));
  p.jlt(TYPE_LLC_MAX + 1, ends.none);
  p.st(TYPE);
  advance(p, 8);
  p.ld(scratch(TYPE));
}

/** The stack, and what stands below it: decode/mpls.ts. A pseudowire is a level of its own. */
function placeMpls(p: Assembler, here: Entries, inner: Entries | null, ends: Ends): void {
  p.place(here.mpls);
  if (inner === null) {
    p.ja(ends.opaque);
    return;
  }
  const bottom = p.label();
  for (let labels = 0; labels < LABELS_MAX; labels++) {
    ensure(p, 4, ends);
    p.ld(fromX(0));
    p.st(TYPE);
    advance(p, 4);
    p.ld(scratch(TYPE));
    p.jset(0x100, bottom);
  }
  p.ja(ends.opaque);
  p.place(bottom);
  p.rsh(12);
  p.jeq(0, here.ipv4);
  p.jeq(2, here.ipv6);
  p.jeq(13, ends.none);
  ensure(p, 1, ends);
  p.ldb(fromX(0));
  p.and(0xf0);
  p.jeq(0x40, here.ipv4);
  p.jeq(0x60, here.ipv6);
  p.jne(0, inner.ethernet);
  // A control word, unless a frame begins right here and none behind one.
  const word = p.label();
  const frameTypes = [TYPE_IPV4, TYPE_IPV6, VLAN_TYPES[0]];
  ensure(p, 18, ends);
  p.ldh(fromX(16));
  anyOf(p, frameTypes, word);
  p.ldh(fromX(12));
  anyOf(p, frameTypes, inner.ethernet);
  p.place(word);
  advance(p, 4);
  p.ja(inner.ethernet);
}

/** decode/ipv4.ts */
function placeIpv4(p: Assembler, here: Entries, transport: Label, ends: Ends): void {
  p.place(here.ipv4);
  ensure(p, 20, ends);
  p.ldb(fromX(0));
  p.jlt(0x45, ends.none);
  p.jgt(0x4f, ends.none);
  p.txa();
  p.add(12);
  p.st(SOURCE_AT);
  p.add(4);
  p.st(DESTINATION_AT);
  p.ld(immediate(4));
  p.st(IP_VERSION);
  const piece = p.label();
  p.ldh(fromX(6));
  p.jset(ends.firstFragments === 'walked' ? 0x1fff : 0x3fff, piece);
  p.ldb(fromX(9));
  p.st(TYPE);
  p.ldb(fromX(0));
  p.and(15);
  p.lsh(2);
  advanceByA(p);
  p.ld(scratch(TYPE));
  p.jne(PROTOCOL_AUTHENTICATION, transport);
  takeAuthentication(p, ends);
  p.ja(transport);
  p.place(piece);
  p.ldb(fromX(9));
  p.ja(ends.fragment);
}

/** AH at X; then A is the next protocol. */
function takeAuthentication(p: Assembler, ends: Ends): void {
  ensure(p, 8, ends);
  p.ldb(fromX(0));
  p.st(TYPE);
  p.ldb(fromX(1));
  p.add(2);
  p.lsh(2);
  advanceByA(p);
  p.ld(scratch(TYPE));
}

/** decode/ipv6.ts: each extension header once, in the order that RFC 8200 recommends. */
function placeIpv6(p: Assembler, here: Entries, transport: Label, ends: Ends): void {
  p.place(here.ipv6);
  ensure(p, 40, ends);
  p.ldb(fromX(0));
  p.and(0xf0);
  p.jne(0x60, ends.none);
  p.txa();
  p.add(8);
  p.st(SOURCE_AT);
  p.add(16);
  p.st(DESTINATION_AT);
  p.ld(immediate(6));
  p.st(IP_VERSION);
  p.ldb(fromX(6));
  p.st(TYPE);
  advance(p, 40);
  p.ld(scratch(TYPE));
  p.jeq(PROTOCOL_TCP, transport);
  p.jeq(PROTOCOL_UDP, transport);
  const skip = (...protocols: number[]): void => {
    const extension = p.label();
    const next = p.label();
    anyOf(p, protocols, extension);
    p.ja(next);
    p.place(extension);
    takeExtension(p, ends);
    p.place(next);
  };
  skip(PROTOCOL_HOP_BY_HOP);
  skip(PROTOCOL_DESTINATION_OPTIONS);

  const behindRouting = p.label();
  const routing = p.label();
  p.jne(PROTOCOL_ROUTING, behindRouting);
  takeDestination(p, routing, ends);
  p.place(routing);
  takeExtension(p, ends);
  p.place(behindRouting);

  const behindFragment = p.label();
  const whole = p.label();
  p.jne(PROTOCOL_FRAGMENT, behindFragment);
  ensure(p, 8, ends);
  p.ldb(fromX(0));
  p.st(TYPE);
  p.ldh(fromX(2));
  p.and(ends.firstFragments === 'walked' ? 0xfff8 : 0xfff9);
  p.jeq(0, whole);
  p.ld(scratch(TYPE));
  p.ja(ends.fragment);
  p.place(whole);
  advance(p, 8);
  p.ld(scratch(TYPE));
  p.place(behindFragment);

  const behindAuthentication = p.label();
  p.jne(PROTOCOL_AUTHENTICATION, behindAuthentication);
  takeAuthentication(p, ends);
  p.place(behindAuthentication);
  skip(PROTOCOL_DESTINATION_OPTIONS, PROTOCOL_MOBILITY);
  const opaque = p.label();
  anyOf(p, EXTENSIONS, opaque);
  p.ja(transport);
  p.place(opaque);
  p.ja(ends.opaque);
}

/** An extension header at X; then A is the next one. */
function takeExtension(p: Assembler, ends: Ends): void {
  ensure(p, 8, ends);
  p.ldb(fromX(0));
  p.st(TYPE);
  p.ldb(fromX(1));
  p.add(1);
  p.lsh(3);
  advanceByA(p);
  p.ld(scratch(TYPE));
}

/** The routing header at X: with segments left, it names the final destination. Goes on to `then`. */
function takeDestination(p: Assembler, then: Label, ends: Ends): void {
  const segmentList = p.label();
  ensure(p, 8, ends);
  p.ldb(fromX(3));
  p.jeq(0, then);
  p.ldb(fromX(1));
  p.jlt(2, then);
  p.ldb(fromX(2));
  p.jeq(4, segmentList);
  p.jne(0, then);
  // Type 0: the last address of the header.
  p.ldb(fromX(1));
  p.lsh(3);
  p.add(X);
  p.sub(8);
  p.st(DESTINATION_AT);
  p.ja(then);
  // Type 4: the first of the list, which is in reverse.
  p.place(segmentList);
  p.txa();
  p.add(8);
  p.st(DESTINATION_AT);
}

/** By protocol number, which is in A: decode/ip-protocol.ts. */
function placeTransport(p: Assembler, here: Entries, inner: Entries | null, ends: Ends): void {
  const ports = p.label();
  const etherIp = p.label();
  const opaque = p.label();
  p.jeq(PROTOCOL_TCP, ports);
  p.jeq(PROTOCOL_UDP, here.udp);
  p.jeq(PROTOCOL_SCTP, ports);
  p.jeq(PROTOCOL_GRE, inner === null ? opaque : here.gre);
  p.jeq(PROTOCOL_IPV4, inner?.ipv4 ?? opaque);
  p.jeq(PROTOCOL_IPV6, inner?.ipv6 ?? opaque);
  p.jeq(PROTOCOL_MPLS, inner?.mpls ?? opaque);
  p.jeq(PROTOCOL_ETHERNET, inner?.ethernet ?? opaque);
  p.jeq(PROTOCOL_ETHERIP, inner === null ? opaque : etherIp);
  p.jeq(PROTOCOL_L2TP, opaque, ends.addresses);
  p.place(opaque);
  p.ja(ends.opaque);
  p.place(ports);
  ensure(p, 4, ends);
  p.ja(ends.ports);
  if (inner === null) return;
  p.place(etherIp);
  ensure(p, 2, ends);
  p.ldb(fromX(0));
  p.and(0xf0);
  p.jne(0x30, ends.addresses);
  advance(p, 2);
  p.ja(inner.ethernet);
}

/** decode/udp.ts: the destination port says which tunnel it is. A port in both lists is VXLAN. */
function placeUdp(p: Assembler, here: Entries, inner: Entries | null, ends: Ends, { vxlanPorts, genevePorts }: TunnelPorts): void {
  const gpe = p.label();
  const toVxlan = p.label();
  const toGeneve = p.label();
  const toGre = p.label();
  const opaque = p.label();
  const elsewhere = inner === null ? opaque : null;
  p.place(here.udp);
  ensure(p, 8, ends);
  p.ldh(fromX(2));
  anyOf(p, vxlanPorts, elsewhere ?? toVxlan);
  anyOf(p, genevePorts, elsewhere ?? toGeneve);
  p.jeq(PORT_VXLAN_GPE, elsewhere ?? gpe);
  p.jeq(PORT_GRE, elsewhere ?? toGre);
  anyOf(p, OPAQUE_PORTS, opaque);
  p.ldh(fromX(0));
  anyOf(p, [...vxlanPorts, ...genevePorts, PORT_VXLAN_GPE, ...OPAQUE_PORTS], opaque);
  p.ja(ends.ports);
  p.place(opaque);
  p.ja(ends.opaque);
  if (inner === null) return;

  p.place(toGre);
  advance(p, 8);
  p.ja(here.gre);
  p.place(toGeneve);
  advance(p, 8);
  p.ja(here.geneve);

  // VXLAN-GPE: with flag 04 the header names what it holds (decode/vxlan.ts).
  p.place(gpe);
  advance(p, 8);
  ensure(p, 8, ends);
  p.ldb(fromX(0));
  p.and(0x0c);
  p.jeq(0x04, ends.opaque);
  p.jne(0x0c, here.vxlan);
  p.ldb(fromX(3));
  p.st(TYPE);
  advance(p, 8);
  p.ld(scratch(TYPE));
  p.jeq(1, inner.ipv4);
  p.jeq(2, inner.ipv6);
  p.jeq(3, inner.ethernet);
  p.jeq(5, inner.mpls, ends.opaque);

  p.place(toVxlan);
  advance(p, 8);
}

/** decode/vxlan.ts: with the flag for the VNI, or without it when an Ethernet frame stands behind. */
function placeVxlan(p: Assembler, here: Entries, inner: Entries | null, ends: Ends): void {
  if (inner === null) return;
  const found = p.label();
  const looksLikeIpv4 = p.label();
  const looksLikeIpv6 = p.label();
  p.place(here.vxlan);
  ensure(p, 8, ends);
  p.ldb(fromX(0));
  p.jset(0x08, found);
  ensure(p, 23, ends);
  p.ldh(fromX(20));
  p.jeq(TYPE_IPV4, looksLikeIpv4);
  p.jeq(TYPE_IPV6, looksLikeIpv6);
  anyOf(p, [TYPE_MPLS, TYPE_MPLS_UPSTREAM, TYPE_PPPOE, TYPE_NSH, ...VLAN_TYPES.slice(0, 3)], found);
  p.ja(ends.opaque);
  p.place(looksLikeIpv4);
  p.ldb(fromX(22));
  p.and(0xf0);
  p.jeq(0x40, found, ends.opaque);
  p.place(looksLikeIpv6);
  p.ldb(fromX(22));
  p.and(0xf0);
  p.jne(0x60, ends.opaque);
  p.place(found);
  advance(p, 8);
  p.ja(inner.ethernet);
}

/** decode/geneve.ts */
function placeGeneve(p: Assembler, here: Entries, inner: Entries | null, ends: Ends): void {
  if (inner === null) return;
  p.place(here.geneve);
  ensure(p, 8, ends);
  p.ldh(fromX(2));
  p.jlt(TYPE_LLC_MAX + 1, ends.opaque);
  p.st(TYPE);
  p.ldb(fromX(0));
  p.jset(0xc0, ends.opaque);
  p.and(63);
  p.lsh(2);
  p.add(8);
  advanceByA(p);
  p.ld(scratch(TYPE));
  p.jeq(TYPE_ETHERNET, inner.ethernet, inner.type);
}

/** decode/gre.ts and decode/erspan.ts */
function placeGre(p: Assembler, here: Entries, inner: Entries | null, ends: Ends): void {
  if (inner === null) return;
  const erspan = p.label();
  const erspanOne = p.label();
  const erspanThree = p.label();
  const wccp = p.label();
  p.place(here.gre);
  ensure(p, 4, ends);
  p.ldh(fromX(2));
  p.st(TYPE);
  p.ldh(fromX(0));
  // Version 1, and source routes.
  p.jset(0x4007, ends.opaque);
  p.st(FLAGS);
  advance(p, 4);
  // Checksum, key and sequence number: four bytes each.
  for (const bit of [15, 13, 12]) {
    p.ld(scratch(FLAGS));
    p.rsh(bit - 2);
    p.and(4);
    advanceByA(p);
  }
  p.ld(scratch(TYPE));
  p.jeq(TYPE_IPV4, inner.ipv4);
  p.jeq(TYPE_IPV6, inner.ipv6);
  p.jeq(TYPE_ETHERNET, inner.ethernet);
  p.jeq(TYPE_ERSPAN, erspanOne);
  p.jeq(TYPE_ERSPAN_THREE, erspan);
  p.jeq(TYPE_WCCP, wccp);
  p.jgt(TYPE_LLC_MAX, inner.type, ends.opaque);

  p.place(erspanOne);
  p.ld(scratch(FLAGS));
  p.jset(0x1000, erspan, inner.ethernet);

  p.place(erspan);
  ensure(p, 8, ends);
  p.ldb(fromX(0));
  p.and(0xf0);
  p.jeq(0x20, erspanThree);
  p.jne(0x10, ends.opaque);
  advance(p, 8);
  p.ja(inner.ethernet);

  p.place(erspanThree);
  ensure(p, 12, ends);
  p.ldh(fromX(10));
  p.st(TYPE);
  // The platform specific subheader: eight bytes more.
  p.and(1);
  p.lsh(3);
  p.add(12);
  advanceByA(p);
  p.ld(scratch(TYPE));
  p.rsh(10);
  p.and(31);
  p.jeq(2, inner.rawIp, inner.ethernet);

  p.place(wccp);
  ensure(p, 1, ends);
  p.ldb(fromX(0));
  p.and(0xf0);
  p.jeq(0x40, inner.ipv4);
  advance(p, 4);
  p.ja(inner.ipv4);
}
