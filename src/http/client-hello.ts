/**
 * The ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2), the one message of TLS that anybody on the way can read.
 *
 *   01 | length(3) | version(2) | random(32) | n session id | n(2) suites | n compression | n(2) extensions
 *   extension: type(2) | length(2) | data
 *     0  server name (RFC 6066, 3)    n(2) | 00 | n(2) name
 *     13 signature algorithms         n(2) | 2 bytes each
 *     16 ALPN (RFC 7301)              n(2) | n name | n name ...
 *     43 supported versions           n | 2 bytes each
 *     fe0d encrypted_client_hello     (RFC 9849)
 *
 * Leaves offsets in `hello`; strings are made by who asks. Bounds: it never reads past `end`; of a hello that is cut or
 * malformed what stands before the fault is told. Left out: what the extensions not named above say.
 */
import { bytes } from '../base/arena.ts';

const B = bytes;
const NAME_CHARACTERS_MAX = 255;
const SERVER_NAME = 0;
const SIGNATURE_ALGORITHMS = 13;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

/** One long-lived object; a list that is not there has `at` = `end` = 0. */
class ClientHello {
  /** Every length in it fits. */
  isWhole = false;
  /** legacy_version. */
  version = 0;
  suitesAt = 0;
  suitesEnd = 0;
  extensionsAt = 0;
  extensionsEnd = 0;
  /** The extension is there, whatever it says. */
  hasServerName = false;
  nameAt = 0;
  nameEnd = 0;
  /** Names with a length byte before each. */
  alpnAt = 0;
  alpnEnd = 0;
  versionsAt = 0;
  versionsEnd = 0;
  signaturesAt = 0;
  signaturesEnd = 0;
  hasEch = false;
}

export const hello: ClientHello = new ClientHello();
const H = hello;

/** Reads the message at `at` into `hello`; true when it is whole. */
export function readClientHello(at: number, end: number): boolean {
  H.version = 0;
  H.suitesAt = H.suitesEnd = H.extensionsAt = H.extensionsEnd = 0;
  H.nameAt = H.nameEnd = H.alpnAt = H.alpnEnd = 0;
  H.versionsAt = H.versionsEnd = H.signaturesAt = H.signaturesEnd = 0;
  H.hasServerName = H.hasEch = false;
  H.isWhole = readParts(at, end);
  return H.isWhole;
}

function readParts(at: number, end: number): boolean {
  let p = at + 4 + 2 + 32;
  if (p >= end) return false;
  const stop = at + 4 + ((B[at + 1] << 16) | (B[at + 2] << 8) | B[at + 3]);
  H.version = (B[at + 4] << 8) | B[at + 5];
  p += 1 + B[p];
  if (p + 2 > end) return false;
  const suites = (B[p] << 8) | B[p + 1];
  p += 2;
  if (p + suites >= end || suites & 1) return false;
  H.suitesAt = p;
  H.suitesEnd = p + suites;
  p += suites;
  p += 1 + B[p];
  // Extensions may be missing altogether.
  if (p === stop && p <= end) return true;
  if (p + 2 > end) return false;
  const last = p + 2 + ((B[p] << 8) | B[p + 1]);
  H.extensionsAt = p + 2;
  H.extensionsEnd = last < end ? last : end;
  return readExtensions(H.extensionsAt, H.extensionsEnd) && last === stop && last <= end;
}

function readExtensions(at: number, end: number): boolean {
  let p = at;
  while (p + 4 <= end) {
    const type = (B[p] << 8) | B[p + 1];
    const from = p + 4;
    const to = from + ((B[p + 2] << 8) | B[p + 3]);
    if (to > end) return false;
    if (!readExtension(type, from, to)) return false;
    p = to;
  }
  return p === end;
}

function readExtension(type: number, at: number, end: number): boolean {
  switch (type) {
    case SERVER_NAME: {
      H.hasServerName = true;
      if (end - at < 5) return false;
      const to = at + 5 + ((B[at + 3] << 8) | B[at + 4]);
      if (to > end) return false;
      if (B[at + 2] !== 0) return true;
      H.nameAt = at + 5;
      H.nameEnd = to;
      return true;
    }
    case ALPN:
      if (end - at < 2 || at + 2 + ((B[at] << 8) | B[at + 1]) !== end) return false;
      H.alpnAt = at + 2;
      H.alpnEnd = end;
      return true;
    case SIGNATURE_ALGORITHMS:
      if (end - at < 2 || at + 2 + ((B[at] << 8) | B[at + 1]) !== end || (end - at) & 1) return false;
      H.signaturesAt = at + 2;
      H.signaturesEnd = end;
      return true;
    case SUPPORTED_VERSIONS:
      if (end === at || at + 1 + B[at] !== end || B[at] & 1) return false;
      H.versionsAt = at + 1;
      H.versionsEnd = end;
      return true;
    case ENCRYPTED_CLIENT_HELLO:
      H.hasEch = true;
      return true;
    default:
      return true;
  }
}

/** Values that mean nothing and keep servers tolerant (RFC 8701): 0a0a, 1a1a ... fafa. */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

/** The highest version that the hello offers; without supported_versions its legacy_version. */
export function offeredVersion(): number {
  let highest = 0;
  for (let p = H.versionsAt; p < H.versionsEnd; p += 2) {
    const version = (B[p] << 8) | B[p + 1];
    if (version > highest && !isGrease(version)) highest = version;
  }
  return highest === 0 ? H.version : highest;
}

/** The name of the server, in lower case; "" for none. What no name may hold becomes "?". */
export function serverName(): string {
  return printable(H.nameAt, H.nameEnd).toLowerCase();
}

/** The protocols of ALPN in their order, at most `max`. */
export function alpnNames(max: number): string[] {
  const names: string[] = [];
  for (let p = H.alpnAt; p < H.alpnEnd && names.length < max; p += 1 + B[p]) {
    const to = p + 1 + B[p];
    names.push(printable(p + 1, to < H.alpnEnd ? to : H.alpnEnd));
  }
  return names;
}

function printable(at: number, end: number): string {
  let s = '';
  for (let p = at; p < end && s.length < NAME_CHARACTERS_MAX; p++) s += B[p] > 32 && B[p] < 127 ? String.fromCharCode(B[p]) : '?';
  return s;
}
