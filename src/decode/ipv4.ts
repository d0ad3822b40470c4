/**
 * IPv4 (RFC 791, 3.1).
 *
 *   0        1     2        4    6              8     9          10         12       16            20
 *   | v|ihl  | tos | length | id | flags|offset | ttl | protocol | checksum | source | destination | options ...
 *
 * Total length: shorter than what was captured: the rest is padding and goes; longer: the packet was cut, a hole of known
 * size; 0: segmentation offload, the packet is as long as it was on the wire.
 *
 * Bounds: 20 bytes and the options, which are skipped. Raises: decode.ipv4.truncated, bad_header, bad_length, cut,
 * bad_checksum. Left out: source routing (the destination is the one in the header).
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { type Cursor, stop } from './header.ts';
import { byIpProtocol } from './ip-protocol.ts';
import { FRAGMENT, MALFORMED, type Segment, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_IPV4 = weird('decode.ipv4.truncated');
const BAD_HEADER = weird('decode.ipv4.bad_header');
const BAD_LENGTH = weird('decode.ipv4.bad_length');
const CUT = weird('decode.ipv4.cut');
const BAD_CHECKSUM = weird('decode.ipv4.bad_checksum');
const byProtocol = byIpProtocol;

export function ipv4(c: Cursor, s: Segment): number {
  const at = c.at;
  const left = c.end - at;
  const first = B[at];
  const headerBytes = (first & 15) << 2;
  if (left < 20 || left < headerBytes || first >> 4 !== 4 || headerBytes < 20) return notAHeader(left, first);
  const total = V.getUint16(at + 2);
  if (total <= left && total >= headerBytes) {
    c.wireEnd = at + total;
    c.end = at + total;
  } else if (total !== 0) {
    if (total < headerBytes) return stop(BAD_LENGTH, MALFORMED);
    c.wireEnd = at + total;
    countCut(c);
  }
  s.ipVersion = 4;
  s.src0 = V.getInt32(at + 12);
  s.dst0 = V.getInt32(at + 16);
  s.src1 = 0;
  s.src2 = 0;
  s.src3 = 0;
  s.dst1 = 0;
  s.dst2 = 0;
  s.dst3 = 0;
  c.at = at + headerBytes;
  if (c.checksums !== 0) verify(at, headerBytes);
  if ((V.getUint16(at + 6) & 0x3fff) !== 0) return fragment(c, s, at);
  return byProtocol(B[at + 9], c, s);
}

/** Why the bytes that begin with `first` are no IPv4 header, or no whole one. */
function notAHeader(left: number, first: number): number {
  if (left >= 20 && (first >> 4 !== 4 || (first & 15) < 5)) return stop(BAD_HEADER, MALFORMED);
  return stop(TRUNCATED_IPV4, TRUNCATED);
}

function countCut(c: Cursor): void {
  if (c.cut !== 0) return;
  c.cut = 1;
  raise(CUT);
}

/** A piece of a packet whose header is at `at` and whose payload at `c.at`. */
function fragment(c: Cursor, s: Segment, at: number): number {
  const place = V.getUint16(at + 6);
  s.fragmentAt = c.at;
  s.fragmentEnd = c.end;
  s.fragmentOffset = (place & 0x1fff) << 3;
  s.fragmentMore = (place >> 13) & 1;
  s.fragmentId = V.getUint16(at + 4);
  s.fragmentProtocol = B[at + 9];
  return FRAGMENT;
}

/** Counts a wrong header checksum. */
function verify(at: number, headerBytes: number): void {
  let sum = 0;
  for (let i = 0; i < headerBytes; i += 2) sum += V.getUint16(at + i);
  sum = (sum & 0xffff) + (sum >>> 16);
  if (((sum + (sum >>> 16)) & 0xffff) !== 0xffff) raise(BAD_CHECKSUM);
}
