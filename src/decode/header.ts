/**
 * What the protocol files share: the kinds of header, and the cursor that walks over them.
 *
 * A header file exports one function `(cursor, segment) -> next`. It reads the header at `cursor.at`, moves
 * `cursor.at` behind it, and returns either the kind of the header that stands there (32 or more) or a verdict
 * (decode/segment.ts, below 32) that ends the walk. decode/decode.ts has the loop.
 */
import { raise } from '../base/weird.ts';
import { TRUNCATED } from './segment.ts';

export const ETHERNET_HEADER = 32;
export const LLC_HEADER = 33;
export const TAG_HEADER = 34;
export const MPLS_HEADER = 35;
export const PPPOE_HEADER = 36;
export const PPP_HEADER = 37;
export const SLL_HEADER = 38;
export const SLL2_HEADER = 39;
export const LOOPBACK_HEADER = 40;
export const RAW_IP_HEADER = 41;
export const IPV4_HEADER = 42;
export const IPV6_HEADER = 43;
export const EXTENSION_HEADER = 44;
export const TCP_HEADER = 45;
export const UDP_HEADER = 46;
export const GRE_HEADER = 47;
export const ERSPAN_HEADER = 48;
export const VXLAN_HEADER = 49;
export const VXLAN_GPE_HEADER = 50;
export const GENEVE_HEADER = 51;
export const TEREDO_HEADER = 52;
export const GTP_HEADER = 53;
export const L2TP_HEADER = 54;
export const L2TP_IP_HEADER = 55;
export const NSH_HEADER = 56;
export const AYIYA_HEADER = 57;
export const ETHERIP_HEADER = 58;

/** A value at or above this is the kind of the next header; below it is a verdict. */
export const FIRST_HEADER = 32;

/** Longest packet that lengths on the wire are believed to state, bytes; keeps offsets within int32. */
export const WIRE_BYTES_MAX: number = 1 << 28;

/** Where the walk over one packet stands. One long-lived object. `end <= wireEnd` always. */
export class Cursor {
  /** First byte of the next header. */
  at = 0;
  /** One past the last captured byte that belongs to it and its payload. */
  end = 0;
  /** Where that end would be had everything been captured; beyond `end` when the packet was cut. */
  wireEnd = 0;
  /** Headers walked over so far. */
  depth = 0;
  /** The most of them, decode.depthMax. */
  depthMax = 0;
  /** 1 once the cut of this packet was counted: an outer cut means inner cuts. */
  cut = 0;
  /** EtherType or IP protocol by which the header at `at` was announced, where its kind leaves that open. */
  protocol = 0;
  /** 1 when only the source port announced the tunnel at `at`, so that its header must look right beyond doubt. */
  guess = 0;
  /** First byte behind the fixed part of the innermost IPv6 header. */
  ipv6PayloadAt = 0;
  /** 1 when that header states no payload length (jumbogram or segmentation offload). */
  ipv6Open = 0;
  /** 1 when checksums are to be verified. */
  checksums = 0;
}

/** Takes over a length that the packet states: the header's payload ends at `wireEnd` on the wire if that is not later than now. */
export function trim(c: Cursor, wireEnd: number): void {
  if (wireEnd < c.wireEnd) {
    c.wireEnd = wireEnd;
    if (wireEnd < c.end) c.end = wireEnd;
  }
}

/** Ends the walk: counts the weird and gives the verdict. */
export function stop(weirdIndex: number, verdict: number): number {
  raise(weirdIndex);
  return verdict;
}

/** The verdict for bytes that end inside a tunnel's header: cut by the capture, or (`otherwise`) never that tunnel. */
export function cutShort(c: Cursor, truncated: number, otherwise: number): number {
  if (c.wireEnd === c.end) return otherwise;
  raise(truncated);
  return TRUNCATED;
}
