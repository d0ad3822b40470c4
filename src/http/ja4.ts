/**
 * JA4, the fingerprint of a TLS client by FoxIO (the client fingerprint only, under the 3-clause BSD licence): programs that
 * use the same TLS library with the same settings have the same one.
 *
 *   t13d1516h2_8daaf6152771_e5627efa2ab1
 *   | | ||  | |             |
 *   | | ||  | |             SHA-256 of the extensions, sorted, without server name and ALPN, "_", signature algorithms as they come
 *   | | ||  | SHA-256 of the cipher suites, sorted          (both: four hex digits each, commas between, first 12 digits)
 *   | | ||  first and last character of the first ALPN name, 00 for none
 *   | | |15 cipher suites, 16 extensions; at most 99
 *   | | server name there: d, not there: i
 *   | highest version
 *   TCP: t, QUIC: q
 *
 * GREASE (RFC 8701) counts nowhere. Bounds: JA4_ITEMS_MAX of each list; with more there is no fingerprint.
 */
import { hash } from 'node:crypto';
import { bytes } from '../base/arena.ts';
import { hello, isGrease, offeredVersion } from './client-hello.ts';

const B = bytes;
const H = hello;
/** Suites, extensions or signature algorithms: sorting and hashing more is work for a liar. */
const JA4_ITEMS_MAX = 512;
const DIGITS = 12;
const NONE = '000000000000';

const versionNames: Readonly<Record<number, string>> = {
  772: '13',
  771: '12',
  770: '11',
  769: '10',
  768: 's3',
  2: 's2',
};

/** The fingerprint of the hello read last; "" when it has none. */
export function ja4(transport: 't' | 'q'): string {
  if (!H.isWhole) return '';
  const suites = items(H.suitesAt, H.suitesEnd);
  const signatures = items(H.signaturesAt, H.signaturesEnd);
  const extensions = extensionTypes();
  if (suites === null || extensions === null || signatures === null) return '';
  const version = versionNames[offeredVersion()] ?? '00';
  const start = `${transport}${version}${H.hasServerName ? 'd' : 'i'}${twoDigits(suites.length)}${twoDigits(extensions.length)}${alpnEnds()}`;
  const hashed = extensions.filter((type) => type !== '0000' && type !== '0010').sort();
  const last = signatures.length === 0 ? hashed.join() : `${hashed.join()}_${signatures.join()}`;
  return `${start}_${digest(suites.sort().join())}_${extensions.length === 0 ? NONE : digest(last)}`;
}

function digest(text: string): string {
  return text === '' ? NONE : hash('sha256', text, 'hex').slice(0, DIGITS);
}

function twoDigits(n: number): string {
  return String(n < 99 ? n : 99).padStart(2, '0');
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0');
}

/** A list of two-byte values; null when it is too long. */
function items(at: number, end: number): string[] | null {
  if (end - at > 2 * JA4_ITEMS_MAX) return null;
  const found: string[] = [];
  for (let p = at; p < end; p += 2) {
    const value = (B[p] << 8) | B[p + 1];
    if (!isGrease(value)) found.push(hex(value));
  }
  return found;
}

function extensionTypes(): string[] | null {
  const found: string[] = [];
  for (let p = H.extensionsAt; p < H.extensionsEnd; p += 4 + ((B[p + 2] << 8) | B[p + 3])) {
    const type = (B[p] << 8) | B[p + 1];
    if (isGrease(type)) continue;
    if (found.length === JA4_ITEMS_MAX) return null;
    found.push(hex(type));
  }
  return found;
}

/** "h2" of "h2", "h1" of "http/1.1"; of a name that does not begin and end with letters or digits those of its hex form. */
function alpnEnds(): string {
  const length = H.alpnAt < H.alpnEnd ? B[H.alpnAt] : 0;
  if (length === 0 || H.alpnAt + length >= H.alpnEnd) return '00';
  const first = B[H.alpnAt + 1];
  const last = B[H.alpnAt + length];
  if (isAlphanumeric(first) && isAlphanumeric(last)) return String.fromCharCode(first, last);
  return (first >> 4).toString(16) + (last & 15).toString(16);
}

function isAlphanumeric(b: number): boolean {
  return (b >= 48 && b <= 57) || (b >= 65 && b <= 90) || (b >= 97 && b <= 122);
}
