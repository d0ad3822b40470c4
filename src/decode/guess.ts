/**
 * Guesses: what stands at an offset when nothing names it (below an MPLS stack, behind an L2TPv3 cookie, in a tunnel that
 * only a source port announces). Each reads no further than `end` and says 1 for "looks like it".
 */
import { bytes, view } from '../base/arena.ts';

const B = bytes;
const V = view;

/** An IPv4 header with a possible header length and a total length that fits `wireEnd`. */
export function looksLikeIpv4(at: number, end: number, wireEnd: number): number {
  if (end - at < 20) return 0;
  const first = B[at];
  if (first < 0x45 || first > 0x4f) return 0;
  const total = V.getUint16(at + 2);
  return total >= (first & 15) << 2 && at + total <= wireEnd ? 1 : 0;
}

/** An IPv6 header whose payload length fits `wireEnd`. */
export function looksLikeIpv6(at: number, end: number, wireEnd: number): number {
  return end - at >= 40 && B[at] >> 4 === 6 && at + 40 + V.getUint16(at + 4) <= wireEnd ? 1 : 0;
}

/** An Ethernet frame whose type is known and whose payload begins as that type must. */
export function looksLikeEthernet(at: number, end: number): number {
  if (end - at < 15) return 0;
  const next = B[at + 14];
  switch (V.getUint16(at + 12)) {
    case 0x0800:
      return next >= 0x45 && next <= 0x4f ? 1 : 0;
    case 0x86dd:
      return next >> 4 === 6 ? 1 : 0;
    case 0x0806:
      return next === 0 ? 1 : 0;
    case 0x8100:
    case 0x88a8:
    case 0x9100:
    case 0x8847:
    case 0x8848:
    case 0x8864:
    case 0x894f:
      return 1;
  }
  return 0;
}
