/**
 * TCP (RFC 9293, 3.1): the end of the walk.
 *
 *   0             2                  4          8     12      13      14       16         18       20
 *   | source port | destination port | sequence | ack | offset| flags | window | checksum | urgent | options ...
 *
 * `payloadWireBytes` is what the IP length says, also when less was captured.
 *
 * Bounds: 20 bytes and the options, which are skipped. Raises: decode.tcp.truncated (also when the capture ends inside the
 * options), bad_offset, bad_checksum. Left out: options; the flow does without window scale and time stamps.
 */
import { bytes, view } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';
import { type Cursor, stop } from './header.ts';
import { MALFORMED, type Segment, TCP, TRUNCATED } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_TCP = weird('decode.tcp.truncated');
const BAD_OFFSET = weird('decode.tcp.bad_offset');
const BAD_CHECKSUM = weird('decode.tcp.bad_checksum');
const VERDICT = TCP;

export function tcp(c: Cursor, s: Segment): number {
  const at = c.at;
  const end = c.end;
  if (end - at < 20) return stop(TRUNCATED_TCP, TRUNCATED);
  const payloadAt = at + ((B[at + 12] >> 4) << 2);
  if (payloadAt < at + 20 || payloadAt > end) return badOffset(c, payloadAt);
  s.ports = V.getInt32(at);
  s.sequence = V.getInt32(at + 4);
  s.acknowledgement = V.getInt32(at + 8);
  s.flags = B[at + 13];
  s.window = V.getUint16(at + 14);
  s.urgentPointer = V.getUint16(at + 18);
  s.payloadAt = payloadAt;
  s.payloadEnd = end;
  s.payloadWireBytes = c.wireEnd - payloadAt;
  if (c.checksums !== 0) verify(c, s);
  return VERDICT;
}

/** A header that ends before its fixed part, behind what was captured, or behind what was on the wire. */
function badOffset(c: Cursor, payloadAt: number): number {
  return payloadAt > c.end && payloadAt <= c.wireEnd ? stop(TRUNCATED_TCP, TRUNCATED) : stop(BAD_OFFSET, MALFORMED);
}

/** Counts a wrong checksum of a segment that is all there. */
function verify(c: Cursor, s: Segment): void {
  if (c.wireEnd === c.end && !sumIsRight(c.at, c.end, s)) raise(BAD_CHECKSUM);
}

/** One's complement sum over the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) and the segment in [at, end). */
function sumIsRight(at: number, end: number, s: Segment): boolean {
  const length = end - at;
  // A double holds the sum exactly: at most 2^28 bytes of segment give less than 2^44.
  let sum = 6 + length + half(s.src0) + half(s.dst0);
  if (s.ipVersion === 6) sum += half(s.src1) + half(s.src2) + half(s.src3) + half(s.dst1) + half(s.dst2) + half(s.dst3);
  let i = at;
  for (; i + 1 < end; i += 2) sum += V.getUint16(i);
  if (i < end) sum += B[i] << 8;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum === 0xffff;
}

function half(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}
