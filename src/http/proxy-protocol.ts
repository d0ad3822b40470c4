/**
 * PROXY protocol in front of a stream (the specification by HAProxy, versions 1 and 2).
 *
 *   v1:  "PROXY" SP ("TCP4" | "TCP6" | "UNKNOWN") SP source SP destination SP port SP port CRLF    at most 107 bytes
 *   v2:  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | version<<4 command | family<<4 protocol | length (2, big endian)
 *        then for TCP4 4+4+2+2 bytes, for TCP6 16+16+2+2 bytes; TLVs up to `length`
 *
 * The addresses are kept in a block of 12 words: IP version (0 when unknown), source port, destination port,
 * unused, source address (4), destination address (4); IPv4 in the first word of four.
 * Raises http.proxy.malformed. Left out: Unix sockets and the TLVs of version 2.
 */
import { isIP } from 'node:net';
import { bytes, view, words } from '../base/arena.ts';
import { reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';
import { lineEnd } from './head.ts';

const B = bytes;
const W = words;
const V1_BYTES_MAX = 107;
const MALFORMED = weird('http.proxy.malformed');

export const PROXY_VERSION = 0;
export const PROXY_SOURCE = 4;

/** Block of the addresses found last; 0 for none. */
let block = 0;
/** The block of the header that `readProxy1` or `readProxy2` just read; the caller owns it. 0 when it named no address. */
export function proxyBlock(): number {
  return block;
}

/** Offset after a version 1 header at `at`, -1 when it is not complete, -2 when it is none. */
export function readProxy1(at: number, end: number): number {
  block = 0;
  const stop = at + V1_BYTES_MAX < end ? at + V1_BYTES_MAX : end;
  const e = lineEnd(at, stop);
  if (e === stop) {
    if (end - at < V1_BYTES_MAX) return -1;
    raise(MALFORMED);
    return -2;
  }
  const parts = B.toString('latin1', at, e).trim().split(' ');
  const version = parts[1] === 'TCP4' ? 4 : parts[1] === 'TCP6' ? 6 : 0;
  if (version !== 0) {
    if (isIP(parts[2] ?? '') !== version || isIP(parts[3] ?? '') !== version) raise(MALFORMED);
    else keep(version, parts[2], parts[3], Number(parts[4]) | 0, Number(parts[5]) | 0);
  }
  return e + 1;
}

/** The same for version 2. */
export function readProxy2(at: number, end: number): number {
  block = 0;
  if (end - at < 16) return -1;
  const length = (B[at + 14] << 8) | B[at + 15];
  if (B[at + 12] >> 4 !== 2) {
    raise(MALFORMED);
    return -2;
  }
  if (end - at < 16 + length) return -1;
  const family = B[at + 13] >> 4;
  const p = at + 16;
  if ((B[at + 12] & 15) === 1 && ((family === 1 && length >= 12) || (family === 2 && length >= 36))) {
    const addressBytes = family === 1 ? 4 : 16;
    block = reserve(48);
    if (block !== 0) {
      const w = block >> 2;
      W.fill(0, w, w + 12);
      W[w] = family === 1 ? 4 : 6;
      W[w + 1] = (B[p + 2 * addressBytes] << 8) | B[p + 2 * addressBytes + 1];
      W[w + 2] = (B[p + 2 * addressBytes + 2] << 8) | B[p + 2 * addressBytes + 3];
      for (let i = 0; i < addressBytes >> 2; i++) {
        W[w + 4 + i] = view.getInt32(p + 4 * i);
        W[w + 8 + i] = view.getInt32(p + addressBytes + 4 * i);
      }
    }
  }
  return p + length;
}

function keep(version: number, source: string, destination: string, sourcePort: number, destinationPort: number): void {
  block = reserve(48);
  if (block === 0) return;
  const w = block >> 2;
  W.fill(0, w, w + 12);
  W[w] = version;
  W[w + 1] = sourcePort;
  W[w + 2] = destinationPort;
  putAddress(w + 4, version, source);
  putAddress(w + 8, version, destination);
}

function putAddress(w: number, version: number, text: string): void {
  if (version === 4) {
    const p = text.split('.').map(Number);
    W[w] = (p[0] << 24) | (p[1] << 16) | (p[2] << 8) | p[3];
    return;
  }
  // node:net has found the text to be IPv6; expand its one "::" and a dotted tail.
  let t = text.replace(/%.*$/, '');
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(t);
  if (dotted) {
    const n = dotted.slice(1).map(Number);
    t = `${t.slice(0, dotted.index)}${((n[0] << 8) | n[1]).toString(16)}:${((n[2] << 8) | n[3]).toString(16)}`;
  }
  const [left, right] = t.split('::');
  const a = left ? left.split(':') : [];
  const b = right ? right.split(':') : [];
  const groups = right === undefined ? a : [...a, ...Array<string>(8 - a.length - b.length).fill('0'), ...b];
  for (let i = 0; i < 4; i++) W[w + i] = (Number.parseInt(groups[2 * i], 16) << 16) | Number.parseInt(groups[2 * i + 1], 16);
}
