/**
 * Socket addresses (netinet/in.h) and their text. The family is in host order, all else in network order.
 *
 *   sockaddr_in    | family 2 | port 2 | address 4 | zero 8 |                    16 bytes, AF_INET 2
 *   sockaddr_in6   | family 2 | port 2 | flow label 4 | address 16 | scope 4 |    28 bytes, AF_INET6 10
 *
 * Bounds: 16 and 28 bytes. Raises nothing: what is no such address is null. Left out: flow label and scope, which are
 * written as 0, and every other family. Nothing here is for the hot path, and the arena is not touched.
 */
import { isIPv4, isIPv6 } from 'node:net';

export const AF_INET = 2;
export const AF_INET6 = 10;
/** Length of a sockaddr_in6, the longer of the two. */
export const SOCKADDR_BYTES_MAX = 28;
const SOCKADDR_IN_BYTES = 16;

export interface SocketAddress {
  /** "10.0.0.1" or, as RFC 5952 writes it, "2001:db8::1"; without brackets. */
  readonly address: string;
  readonly port: number;
}

/** The 4 or 16 bytes of an address in network order; null when the text is none (a zone, as in fe80::1%eth0, makes it none). */
export function addressBytes(text: string): Buffer | null {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) return null;
  // A dotted tail (::ffff:10.0.0.1) is the last two groups.
  const tailAt = text.lastIndexOf(':') + 1;
  const dotted = text.includes('.') ? text.slice(tailAt).split('.').map(Number) : [];
  const hex = dotted.length === 0 ? text : text.slice(0, tailAt) + groupOf(dotted[0], dotted[1]) + groupOf(dotted[2], dotted[3], ':');
  const [head, tail] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const bytes = Buffer.alloc(16);
  for (const [i, group] of left.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  for (const [i, group] of right.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - (right.length - i) * 2);
  return bytes;
}

function groupOf(high: number, low: number, before = ''): string {
  return before + ((high << 8) | low).toString(16);
}

/** Text of an address of 4 or 16 bytes. An IPv4 address in an IPv6 one keeps its dots: ::ffff:10.0.0.1. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  if (mapped) return `::ffff:${bytes.subarray(12).join('.')}`;
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16));
  // A URL writes the host in the one way of RFC 5952, in brackets.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** The sockaddr_in or sockaddr_in6 of an address and a port (0 to 65535); null when the text is no address. */
export function writeSockaddr({ address, port }: SocketAddress): Buffer | null {
  const bytes = addressBytes(address);
  if (bytes === null) return null;
  const v4 = bytes.length === 4;
  const sockaddr = Buffer.alloc(v4 ? SOCKADDR_IN_BYTES : SOCKADDR_BYTES_MAX);
  sockaddr.writeUInt16LE(v4 ? AF_INET : AF_INET6, 0);
  sockaddr.writeUInt16BE(port, 2);
  bytes.copy(sockaddr, v4 ? 4 : 8);
  return sockaddr;
}

/** What a sockaddr says; null when it is of another family, or too short. */
export function readSockaddr(sockaddr: Buffer): SocketAddress | null {
  if (sockaddr.length < SOCKADDR_IN_BYTES) return null;
  const family = sockaddr.readUInt16LE(0);
  const port = sockaddr.readUInt16BE(2);
  if (family === AF_INET) return { address: addressText(sockaddr.subarray(4, 8)), port };
  if (family !== AF_INET6 || sockaddr.length < SOCKADDR_BYTES_MAX) return null;
  return { address: addressText(sockaddr.subarray(8, 24)), port };
}
