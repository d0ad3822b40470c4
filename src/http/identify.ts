/**
 * What a stream begins with, told from its first bytes alone; ports play no part.
 *
 *   TLS       16 03 0x len len 01|02 (handshake: ClientHello, ServerHello), or 14..17 03 0x for a stream joined late
 *   HTTP/2    "PRI * HTTP/2.0"; or from the server 00 00 length 04 00 00 00 00 00 (SETTINGS), which may come first
 *   PROXY     "PROXY " (version 1), 0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A (version 2)
 *   SOCKS     04 01|02 port address, or 05 methods
 *   HTTP      http/head.ts
 */
import { bytes } from '../base/arena.ts';
import { looksLikeRequest, looksLikeResponse, MAYBE, NO, YES } from './head.ts';

const B = bytes;

export const IS_UNKNOWN = 0;
/** More bytes are needed. */
export const IS_OPEN = 1;
export const IS_REQUEST = 2;
export const IS_RESPONSE = 3;
export const IS_TLS = 4;
export const IS_HTTP2 = 5;
export const IS_PROXY1 = 6;
export const IS_PROXY2 = 7;
export const IS_SOCKS4 = 8;
export const IS_SOCKS5 = 9;
/** The first frame of a server. */
export const IS_HTTP2_SERVER = 10;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n', 'latin1');
const PROXY1 = Buffer.from('PROXY ', 'latin1');
const PROXY2 = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);

/** YES when `[at, end)` begins with `pattern`, MAYBE when it ends inside it. */
export function begins(at: number, end: number, pattern: Uint8Array): number {
  const n = end - at < pattern.length ? end - at : pattern.length;
  for (let i = 0; i < n; i++) if (B[at + i] !== pattern[i]) return NO;
  return n === pattern.length ? YES : MAYBE;
}

/** Whether the line breaks at `at` may become the signature of PROXY version 2. */
export function mayBeProxy2(at: number, end: number): boolean {
  return begins(at, end, PROXY2) === MAYBE;
}

const SETTINGS_BYTES = 9;
/** Whether the header of a SETTINGS frame on stream 0 stands at `at`, with whole settings behind it (RFC 9113, 6.5): YES, NO or MAYBE. */
function looksLikeSettings(at: number, end: number): number {
  for (let i = 0; i < SETTINGS_BYTES; i++) {
    if (at + i >= end) return MAYBE;
    if (i === 2 ? B[at + i] % 6 !== 0 : B[at + i] !== (i === 3 ? 4 : 0)) return NO;
  }
  return YES;
}

/** `bare` allows HTTP/0.9 requests: at the true start of a connection only. */
export function identify(at: number, end: number, bare: boolean): number {
  const c = B[at];
  const n = end - at;
  if (c >= 0x14 && c <= 0x17) {
    if (n < 3) return n === 1 || B[at + 1] === 3 ? IS_OPEN : IS_UNKNOWN;
    if (B[at + 1] !== 3 || B[at + 2] > 4) return IS_UNKNOWN;
    if (n < 6) return IS_OPEN;
    const length = (B[at + 3] << 8) | B[at + 4];
    return length > 0 && length <= 0x4800 ? IS_TLS : IS_UNKNOWN;
  }
  if (c === 0 && bare) {
    const settings = looksLikeSettings(at, end);
    return settings === YES ? IS_HTTP2_SERVER : settings === MAYBE ? IS_OPEN : IS_UNKNOWN;
  }
  if (c === 5 && bare) {
    if (n < 2) return IS_OPEN;
    return B[at + 1] > 0 && n <= 2 + B[at + 1] ? IS_SOCKS5 : IS_UNKNOWN;
  }
  if (c === 4 && bare) {
    if (n < 2) return IS_OPEN;
    return B[at + 1] === 1 || B[at + 1] === 2 ? IS_SOCKS4 : IS_UNKNOWN;
  }
  if (c === 13) {
    const v2 = begins(at, end, PROXY2);
    if (v2 === YES) return IS_PROXY2;
    if (v2 === MAYBE) return IS_OPEN;
  }
  if (c === 80) {
    const h2 = begins(at, end, PREFACE);
    if (h2 === YES) return IS_HTTP2;
    const v1 = begins(at, end, PROXY1);
    if (v1 === YES) return IS_PROXY1;
    if (h2 === MAYBE || v1 === MAYBE) return IS_OPEN;
  }
  // Empty lines before a message are forgiven (RFC 9112, 2.2).
  let p = at;
  while (p < end && (B[p] === 13 || B[p] === 10)) p++;
  if (p === end) return IS_OPEN;
  const response = looksLikeResponse(p, end, true);
  if (response === YES) return IS_RESPONSE;
  const request = looksLikeRequest(p, end, bare);
  if (request === YES) return IS_REQUEST;
  return response === MAYBE || request === MAYBE ? IS_OPEN : IS_UNKNOWN;
}
