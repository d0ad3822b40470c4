/**
 * GTP-U version 1 (3GPP TS 29.281, 5.1), in UDP port 2152.
 *
 *   0                      1      2        4      8
 *   | ver 3, PT, -, E S PN | type | length | TEID | any of E S PN: sequence 2, N-PDU 1, next extension 1 | payload ...
 *
 *   extension              | length, in 4 bytes | ... | next extension 1 |          next 0 ends the list
 *
 * Only G-PDUs (type 255) carry traffic; what is inside has to begin as an IP packet does.
 * Bounds: 8 bytes, 12 with any flag, at most 16 extensions. Raises: decode.gtp.truncated.
 * Left out: GTP-C, GTP', Ethernet and unstructured payloads, the sequence number.
 */
import { bytes, view } from '../base/arena.ts';
import { weird } from '../base/weird.ts';
import { GTP_LAYER, pushTunnel } from './encapsulation.ts';
import { type Cursor, cutShort, IPV4_HEADER, IPV6_HEADER, trim } from './header.ts';
import { type Segment, UDP } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_GTP = weird('decode.gtp.truncated');
const G_PDU = 255;
const EXTENSIONS_MAX = 16;

export function gtp(c: Cursor, s: Segment): number {
  const start = c.at;
  const end = c.end;
  let at = start + 8;
  if (at > end) return cutShort(c, TRUNCATED_GTP, UDP);
  const flags = B[start];
  if (flags >> 4 !== 3 || B[start + 1] !== G_PDU) return UDP;
  if ((flags & 7) !== 0) {
    at += 4;
    if (at > end) return cutShort(c, TRUNCATED_GTP, UDP);
    let extension = (flags & 4) !== 0 ? B[at - 1] : 0;
    for (let i = 0; extension !== 0; i++) {
      if (at >= end) return cutShort(c, TRUNCATED_GTP, UDP);
      const length = B[at] << 2;
      if (length === 0 || i === EXTENSIONS_MAX) return UDP;
      at += length;
      if (at > end) return cutShort(c, TRUNCATED_GTP, UDP);
      extension = B[at - 1];
    }
  }
  if (at >= end) return cutShort(c, TRUNCATED_GTP, UDP);
  const version = B[at] >> 4;
  if (version !== 4 && version !== 6) return UDP;
  const stop = start + 8 + V.getUint16(start + 2);
  if (stop <= at) return UDP;
  pushTunnel(GTP_LAYER, 1, V.getInt32(start + 4), 0, s);
  c.at = at;
  trim(c, stop);
  return version === 4 ? IPV4_HEADER : IPV6_HEADER;
}
