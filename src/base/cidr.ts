/**
 * Addresses and CIDR blocks from text (RFC 4291, RFC 4632). Both families are one: four int32 words, most significant
 * first, IPv4 mapped into ::ffff:0:0/96, so that 10.0.0.1 and ::ffff:10.0.0.1 are the same address.
 *
 *   word 0            word 1            word 2            word 3
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   | IPv6: eight groups of 16 bits, network order                         |
 *   | 0                                 | 0x0000ffff      | IPv4 address   |
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *
 * Text is read strictly: no leading zeros in IPv4 (10.010.0.1 means two things), no zone, no white space.
 */
import { formatIpv4, formatIpv6 } from './address.ts';

/** The address that `parseAddress` read last: four words. */
export const parsedAddress: Int32Array = new Int32Array(4);
const address = parsedAddress;

const groups = new Int32Array(8);

/** Reads dotted IPv4 in `text[from..to)`; gives the word, or NaN when it is none. */
function parseIpv4(text: string, from: number, to: number): number {
  let word = 0;
  let at = from;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && (at >= to || text.charCodeAt(at++) !== 0x2e)) return Number.NaN;
    const start = at;
    let n = 0;
    while (at < to && at - start < 3) {
      const digit = text.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) break;
      n = n * 10 + digit;
      at++;
    }
    if (at === start || n > 255 || (at - start > 1 && text.charCodeAt(start) === 0x30)) return Number.NaN;
    word = (word << 8) | n;
  }
  return at === to ? word : Number.NaN;
}

/** Reads an IPv4 or IPv6 address into `parsedAddress`; false when the text is none, and then its words mean nothing. */
export function parseAddress(text: string): boolean {
  if (text.length > 45) return false;
  const word = parseIpv4(text, 0, text.length);
  if (!Number.isNaN(word)) {
    address[0] = address[1] = 0;
    address[2] = 0xffff;
    address[3] = word;
    return true;
  }
  let count = 0;
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (count === 8) return false;
    const start = at;
    let n = 0;
    while (at < text.length && at - start < 5) {
      const c = text.charCodeAt(at);
      const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : (c | 0x20) >= 0x61 && (c | 0x20) <= 0x66 ? (c | 0x20) - 0x57 : -1;
      if (digit < 0) break;
      n = (n << 4) | digit;
      at++;
    }
    if (at < text.length && text.charCodeAt(at) === 0x2e) {
      const last = parseIpv4(text, start, text.length);
      if (Number.isNaN(last) || count > 6) return false;
      groups[count++] = last >>> 16;
      groups[count++] = last & 0xffff;
      break;
    }
    if (at === start || at - start > 4) return false;
    groups[count++] = n;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== 0x3a) return false;
    if (at < text.length && text.charCodeAt(at) === 0x3a) {
      if (gap >= 0) return false;
      gap = count;
      at++;
    } else if (at === text.length) return false;
  }
  if (gap < 0 ? count !== 8 : count > 7) return false;
  if (gap >= 0) {
    groups.copyWithin(gap + 8 - count, gap, count);
    groups.fill(0, gap, gap + 8 - count);
  }
  for (let i = 0; i < 4; i++) address[i] = (groups[2 * i] << 16) | groups[2 * i + 1];
  return true;
}

/** The address in its one spelling, IPv4 dotted also where it came mapped, IPv6 as RFC 5952; null when the text is none. */
export function normaliseAddress(text: string): string | null {
  if (!parseAddress(text)) return null;
  if (address[0] === 0 && address[1] === 0 && address[2] === 0xffff) return formatIpv4(address[3]);
  return formatIpv6(address[0], address[1], address[2], address[3]);
}

/** A block of addresses: `network` with the host bits cleared, and the mask, four words each. */
export interface Cidr {
  readonly network: Int32Array;
  readonly mask: Int32Array;
}

/** Reads "10.0.0.0/8", "2001:db8::/32", or an address alone, which is a block of one; null when the text is none. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  if (!parseAddress(slash < 0 ? text : text.slice(0, slash))) return null;
  const v4 = slash < 0 ? false : text.lastIndexOf(':', slash) < 0;
  let bits = 128;
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(0|[1-9][0-9]{0,2})$/.test(digits)) return null;
    bits = Number(digits);
    if (bits > (v4 ? 32 : 128)) return null;
    if (v4) bits += 96;
  }
  const mask = new Int32Array(4);
  for (let i = 0; i < 4; i++) {
    const n = Math.min(32, Math.max(0, bits - 32 * i));
    mask[i] = n === 0 ? 0 : -1 << (32 - n);
  }
  return { network: address.map((word, i) => word & mask[i]), mask };
}

/** Whether any of the blocks holds the address in `parsedAddress`. */
export function isInAny(blocks: readonly Cidr[]): boolean {
  for (let i = 0; i < blocks.length; i++) {
    const { network, mask } = blocks[i];
    if (
      (address[3] & mask[3]) === network[3] &&
      (address[0] & mask[0]) === network[0] &&
      (address[1] & mask[1]) === network[1] &&
      (address[2] & mask[2]) === network[2]
    ) {
      return true;
    }
  }
  return false;
}
