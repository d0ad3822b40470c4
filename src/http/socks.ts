/**
 * SOCKS in front of a stream (SOCKS 4 and 4a; RFC 1928 and 1929 for 5): what has to pass before the relayed bytes.
 *
 *   4  client: 04 command port(2) address(4) user 00 [name 00 when the address is 0.0.0.x]     server: 00 code port(2) address(4)
 *   5  client: 05 n methods(n)        server: 05 method
 *      client: 01 n user n password   server: 01 status          (method 2 only)
 *      client: 05 01 00 address port  server: 05 code 00 address port
 *      address: 01 IPv4(4) | 03 n name(n) | 04 IPv6(16)
 *
 * Bounds: a step is at most 515 bytes. Left out: UDP association, BIND's second reply, GSSAPI protection.
 */
import { bytes } from '../base/arena.ts';

const B = bytes;

export const MORE_NEEDED = -1;
export const NOT_SOCKS = -2;

/** Offset after a SOCKS 4 request. */
export function afterSocks4Request(at: number, end: number): number {
  if (end - at < 9) return MORE_NEEDED;
  const limit = at + 515 < end ? at + 515 : end;
  let p = at + 8;
  while (p < limit && B[p] !== 0) p++;
  if (p >= limit) return limit === end ? MORE_NEEDED : NOT_SOCKS;
  p++;
  if (B[at + 4] === 0 && B[at + 5] === 0 && B[at + 6] === 0 && B[at + 7] !== 0) {
    while (p < limit && B[p] !== 0) p++;
    if (p >= limit) return limit === end ? MORE_NEEDED : NOT_SOCKS;
    p++;
  }
  return p;
}

/** Offset after a SOCKS 4 reply. */
export function afterSocks4Reply(at: number, end: number): number {
  if (end - at < 8) return MORE_NEEDED;
  return B[at] === 0 ? at + 8 : NOT_SOCKS;
}

/** Offset after the list of methods. */
export function afterGreeting(at: number, end: number): number {
  if (end - at < 2) return MORE_NEEDED;
  if (B[at] !== 5) return NOT_SOCKS;
  return end - at < 2 + B[at + 1] ? MORE_NEEDED : at + 2 + B[at + 1];
}

/** Offset after user and password. */
export function afterCredentials(at: number, end: number): number {
  if (end - at < 2) return MORE_NEEDED;
  if (B[at] !== 1) return NOT_SOCKS;
  const password = at + 2 + B[at + 1];
  if (password >= end) return MORE_NEEDED;
  const after = password + 1 + B[password];
  return after > end ? MORE_NEEDED : after;
}

/** Offset after a two-byte answer whose first byte is `first`. */
export function afterAnswer(at: number, end: number, first: number): number {
  if (end - at < 2) return MORE_NEEDED;
  return B[at] === first ? at + 2 : NOT_SOCKS;
}

/** Offset after a SOCKS 5 request or reply. */
export function afterAddress(at: number, end: number): number {
  if (end - at < 5) return MORE_NEEDED;
  if (B[at] !== 5) return NOT_SOCKS;
  const type = B[at + 3];
  const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? 1 + B[at + 4] : -1;
  if (length < 0) return NOT_SOCKS;
  const after = at + 4 + length + 2;
  return after > end ? MORE_NEEDED : after;
}
