/**
 * TLS that passes by: nothing of it can be read but the ClientHello (RFC 8446, 4.1.2), whose server name
 * (RFC 6066, 3) and ALPN (RFC 7301) tell the operator which traffic is not visible.
 *
 *   record:    16 | version(2) | length(2) | handshake
 *   handshake: 01 | length(3) | version(2) | random(32) | n session id | n(2) suites | n compression | n(2) extensions
 *   extension: type(2) | length(2) | data      0: server name, 16: ALPN
 *
 * Bounds: one record of at most 16 KiB + 256. At most SERVERS_MAX distinct names are told apart.
 * Raises http.tls.malformed. Left out: a ClientHello over several records.
 */
import { bytes } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';

const B = bytes;
const MALFORMED = weird('http.tls.malformed');
const SERVERS_MAX = 4096;

/** Connections by server name and ALPN ("api.example.com h2"); "" is no name. */
export const tlsServers: Map<string, number> = new Map<string, number>();

export function resetTls(): void {
  tlsServers.clear();
}

/** Bytes of the record that begins at `at`, header included; at least 5 bytes must be there. */
export function recordBytes(at: number): number {
  return 5 + ((B[at + 3] << 8) | B[at + 4]);
}

/** Counts the server name and ALPN of a ClientHello in the record at `at`; other records are left alone. */
export function readClientHello(at: number, end: number): void {
  if (end - at < 6 || B[at] !== 0x16 || B[at + 5] !== 1) return;
  let p = at + 5 + 4 + 2 + 32;
  if (p >= end) {
    raise(MALFORMED);
    return;
  }
  p += 1 + B[p];
  if (p + 2 > end) {
    raise(MALFORMED);
    return;
  }
  p += 2 + ((B[p] << 8) | B[p + 1]);
  if (p + 1 > end) {
    raise(MALFORMED);
    return;
  }
  p += 1 + B[p];
  let server = '';
  let alpn = '';
  if (p + 2 <= end) {
    const stop = Math.min(end, p + 2 + ((B[p] << 8) | B[p + 1]));
    p += 2;
    while (p + 4 <= stop) {
      const type = (B[p] << 8) | B[p + 1];
      const length = (B[p + 2] << 8) | B[p + 3];
      p += 4;
      if (p + length > stop) break;
      if (type === 0 && length > 5) {
        const n = (B[p + 3] << 8) | B[p + 4];
        server = printable(p + 5, Math.min(p + 5 + n, p + length));
      } else if (type === 16 && length > 3) {
        alpn = printable(p + 3, Math.min(p + 3 + B[p + 2], p + length));
      }
      p += length;
    }
  }
  const key = alpn === '' ? server : `${server} ${alpn}`;
  const count = tlsServers.get(key);
  if (count !== undefined) tlsServers.set(key, count + 1);
  else if (tlsServers.size < SERVERS_MAX) tlsServers.set(key, 1);
}

function printable(at: number, end: number): string {
  let s = '';
  for (let p = at; p < end && s.length < 255; p++) s += B[p] > 32 && B[p] < 127 ? String.fromCharCode(B[p]) : '?';
  return s;
}
