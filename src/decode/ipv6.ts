/**
 * IPv6 (RFC 8200, 3) and its extension headers (RFC 8200, 4); one call takes one header.
 *
 *   0              4                6             7           8        24            40
 *   | v class flow | payload length | next header | hop limit | source | destination |
 *
 *   extension      0             1        2
 *                  | next header | length | ...                length in 8 bytes, the first 8 not counted
 *   fragment (44)  | next header | 0      | offset 13, 0, M | identification 4 |          8 bytes
 *   AH (51)        | next header | length | ...                length in 4 bytes, less 2 (RFC 4302, 2.2)
 *
 * Payload length: as IPv4's total length; 0 stands for a jumbogram (RFC 2675), whose length is in a hop-by-hop option,
 * or for segmentation offload.
 * A routing header with segments left names the final destination, which is the flow's (types 0 and 2: RFC 2460, RFC 6275;
 * type 4: RFC 8754); a home address option (RFC 6275, 6.3) names the flow's source. An atomic fragment (RFC 6946) is none.
 *
 * Bounds: 40 bytes; each extension 8 bytes and its stated length; their number counts against decode.depthMax.
 * Raises: decode.ipv6.truncated, bad_header, cut. Left out: every other option, ESP (not readable).
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { type Cursor, WIRE_BYTES_MAX } from './header.ts';
import {
  byIpProtocol,
  PROTOCOL_AUTHENTICATION,
  PROTOCOL_DESTINATION_OPTIONS,
  PROTOCOL_FRAGMENT,
  PROTOCOL_HOP_BY_HOP,
  PROTOCOL_ROUTING,
} from './ip-protocol.ts';
import { FRAGMENT, MALFORMED, type Segment, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_IPV6 = weird('decode.ipv6.truncated');
const BAD_HEADER = weird('decode.ipv6.bad_header');
const CUT = weird('decode.ipv6.cut');
const WIRE_MAX = WIRE_BYTES_MAX;
const byProtocol = byIpProtocol;

const OPTION_PAD1 = 0;
const OPTION_JUMBO = 0xc2;
const OPTION_HOME_ADDRESS = 0xc9;

export function ipv6(c: Cursor, s: Segment): number {
  const at = c.at;
  if (c.end - at < 40) {
    raise(TRUNCATED_IPV6);
    return TRUNCATED;
  }
  if (B[at] >> 4 !== 6) {
    raise(BAD_HEADER);
    return MALFORMED;
  }
  const length = V.getUint16(at + 4);
  c.at = at + 40;
  c.ipv6PayloadAt = at + 40;
  if (length !== 0) {
    c.ipv6Open = 0;
    stopAt(c, at + 40 + length);
  } else {
    c.ipv6Open = 1;
  }
  s.ipVersion = 6;
  s.src0 = V.getInt32(at + 8);
  s.src1 = V.getInt32(at + 12);
  s.src2 = V.getInt32(at + 16);
  s.src3 = V.getInt32(at + 20);
  s.dst0 = V.getInt32(at + 24);
  s.dst1 = V.getInt32(at + 28);
  s.dst2 = V.getInt32(at + 32);
  s.dst3 = V.getInt32(at + 36);
  return byProtocol(B[at + 6], c, s);
}

/** The extension header of type `c.protocol`. */
export function extension(c: Cursor, s: Segment): number {
  const at = c.at;
  const left = c.end - at;
  if (left < 8) {
    raise(TRUNCATED_IPV6);
    return TRUNCATED;
  }
  const type = c.protocol;
  const next = B[at];
  if (type === PROTOCOL_FRAGMENT) {
    c.at = at + 8;
    const place = V.getUint16(at + 2) & 0xfff9;
    if (place === 0) return byProtocol(next, c, s);
    s.fragmentAt = at + 8;
    s.fragmentEnd = c.end;
    s.fragmentOffset = place & 0xfff8;
    s.fragmentMore = place & 1;
    s.fragmentId = V.getInt32(at + 4);
    s.fragmentProtocol = next;
    return FRAGMENT;
  }
  const headerBytes = type === PROTOCOL_AUTHENTICATION ? (B[at + 1] + 2) << 2 : (B[at + 1] + 1) << 3;
  if (left < headerBytes) {
    raise(TRUNCATED_IPV6);
    return TRUNCATED;
  }
  if (type === PROTOCOL_HOP_BY_HOP || type === PROTOCOL_DESTINATION_OPTIONS) options(c, s, at + 2, at + headerBytes);
  else if (type === PROTOCOL_ROUTING) route(s, at, headerBytes);
  c.at = at + headerBytes;
  return byProtocol(next, c, s);
}

/** The packet ends at `stop` on the wire. */
function stopAt(c: Cursor, stop: number): void {
  c.wireEnd = stop;
  if (stop <= c.end) {
    c.end = stop;
  } else if (c.cut === 0) {
    c.cut = 1;
    raise(CUT);
  }
}

/** Walks the options in [at, end); every step is at least one byte, so 2 KiB of them are the most. */
function options(c: Cursor, s: Segment, at: number, end: number): void {
  while (at < end) {
    const type = B[at];
    if (type === OPTION_PAD1) {
      at++;
      continue;
    }
    if (end - at < 2) return;
    const length = B[at + 1];
    if (at + 2 + length > end) return;
    if (type === OPTION_JUMBO && length === 4 && c.ipv6Open !== 0) {
      const jumbo = V.getUint32(at + 2);
      const stop = c.ipv6PayloadAt + (jumbo < WIRE_MAX ? jumbo : WIRE_MAX);
      if (stop >= end) {
        c.ipv6Open = 0;
        stopAt(c, stop);
      }
    } else if (type === OPTION_HOME_ADDRESS && length === 16) {
      s.src0 = V.getInt32(at + 2);
      s.src1 = V.getInt32(at + 6);
      s.src2 = V.getInt32(at + 10);
      s.src3 = V.getInt32(at + 14);
    }
    at += 2 + length;
  }
}

/** Takes the final destination from a routing header of `headerBytes` captured bytes. */
function route(s: Segment, at: number, headerBytes: number): void {
  if (B[at + 3] === 0 || headerBytes < 24) return;
  const type = B[at + 2];
  let final = at + 8;
  if (type === 0) final = at + headerBytes - 16;
  else if (type !== 2 && type !== 4) return;
  s.dst0 = V.getInt32(final);
  s.dst1 = V.getInt32(final + 4);
  s.dst2 = V.getInt32(final + 8);
  s.dst3 = V.getInt32(final + 12);
}
