/**
 * AYIYA, "anything in anything" (draft-massar-v6ops-ayiya-02, 3), in UDP port 5072.
 *
 *   0                          1                              2              3             4     8
 *   | id length 4, id type 4   | signature length 4, method 4 | auth 4, op 4 | next header | epoch | identity | signature | IP ...
 *
 * The identity has 2 to the power of its length bytes, the signature four times its length. Operation 1 forwards;
 * next header 4 is IPv4 and 41 IPv6.
 * Bounds: 8 bytes and both lengths. Raises: decode.ayiya.truncated. Left out: signatures, other operations.
 */
import { bytes } from '../base/arena.ts';
import { weird } from '../base/weird.ts';
import { OTHER_LAYER, pushTunnel } from './encapsulation.ts';
import { looksLikeIpv4, looksLikeIpv6 } from './guess.ts';
import { type Cursor, cutShort, IPV4_HEADER, IPV6_HEADER } from './header.ts';
import { type Segment, UDP } from './segment.ts';

const B = bytes;
const TRUNCATED_AYIYA = weird('decode.ayiya.truncated');
const FORWARD = 1;
const ID_LENGTH_MAX = 8;

export function ayiya(c: Cursor, s: Segment): number {
  const at = c.at;
  const end = c.end;
  if (end - at < 8) return cutShort(c, TRUNCATED_AYIYA, UDP);
  const next = B[at + 3];
  const idLength = B[at] >> 4;
  if ((B[at + 2] & 15) !== FORWARD || idLength > ID_LENGTH_MAX || (next !== 4 && next !== 41)) return UDP;
  const inner = at + 8 + (1 << idLength) + ((B[at + 1] >> 4) << 2);
  if (inner > end) return cutShort(c, TRUNCATED_AYIYA, UDP);
  const right = next === 4 ? looksLikeIpv4(inner, end, c.wireEnd) : looksLikeIpv6(inner, end, c.wireEnd);
  if (right === 0) return c.wireEnd > end ? cutShort(c, TRUNCATED_AYIYA, UDP) : UDP;
  pushTunnel(OTHER_LAYER, 0, 0, 0, s);
  c.at = inner;
  return next === 4 ? IPV4_HEADER : IPV6_HEADER;
}
