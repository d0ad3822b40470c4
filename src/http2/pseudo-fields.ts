/**
 * Pseudo-header fields (RFC 9113, 8.3): what they say, and what is wrong with them.
 *
 *   request    :method :scheme :path [:authority]          each once, before all other fields
 *   CONNECT    :method :authority                          (8.5)
 *   extended   :method CONNECT :protocol :scheme :path [:authority]  (RFC 8441, 4)
 *   response   :status
 *   trailers   none
 *
 * Of two of a kind the first counts.
 */
import { bytes } from '../base/arena.ts';
import { startsWith } from '../http/head.ts';
import * as w from '../http/http2-weirds.ts';
import { fieldList } from './field-list.ts';
import * as m from './malformed.ts';
import { isStatic } from './static-table.ts';

const B = bytes;
const F = fieldList;
const COLON = 58;
const SLASH = 47;
const ASTERISK = 42;

const name = (s: string): Uint8Array => Buffer.from(s, 'latin1');
const WEBSOCKET = name('websocket');
const CONNECT = name('connect');
const HOST = name('host');

// Bits of `seen`; their names stand at the same places.
const METHOD = 1;
const SCHEME = 2;
const PATH = 4;
const AUTHORITY = 8;
const STATUS = 16;
const PROTOCOL = 32;
const OF_REQUESTS = METHOD | SCHEME | PATH | AUTHORITY;
const names: readonly Uint8Array[] = [':method', ':scheme', ':path', ':authority', ':status', ':protocol'].map(name);

/** What `readList` found: places of the values of pseudo-header fields, -1 where there is none or it is unknown. */
class Pseudo {
  methodAt = -1;
  methodEnd = -1;
  pathAt = -1;
  pathEnd = -1;
  authorityAt = -1;
  authorityEnd = -1;
  /** -1: no such field; 0: it is there and its value unknown, or no status. */
  status = -1;
  /** `:method`, `:path`, `:scheme` or `:authority` is there, known or not. */
  isRequest = false;
  /** `:protocol` (RFC 8441), and whether it is known to be WebSocket. */
  isExtended = false;
  isWebSocket = false;
  /** A name or a value is unknown. */
  isIncomplete = false;
  hasHost = false;
  /** What is wrong with the list whatever it is the list of (http/http2-weirds.ts). */
  weirds = 0;
  seen = 0;
  /** The first `host`. */
  hostAt = 0;
  hostEnd = 0;

  /** Whether `:authority` is there and no `host` says the same: it stands as the first `host` then (RFC 9113, 8.3.1). */
  get isHost(): boolean {
    if (this.authorityAt < 0) return false;
    return !this.hasHost || !isSameHost(this.authorityAt, this.authorityEnd, this.hostAt, this.hostEnd);
  }
}
export const pseudo: Pseudo = new Pseudo();
const P = pseudo;

/** Looks through the first `count` fields of the list. */
export function readList(count: number): void {
  P.methodAt = P.methodEnd = P.pathAt = P.pathEnd = P.authorityAt = P.authorityEnd = P.status = -1;
  P.isRequest = P.isExtended = P.isWebSocket = P.isIncomplete = P.hasHost = false;
  P.weirds = P.seen = 0;
  let isBehind = false;
  for (let f = 0; f < count << 2; f += 4) {
    const at = F[f];
    if (at < 0) {
      P.isIncomplete = true;
      continue;
    }
    const valueAt = F[f + 2];
    if (valueAt < 0) P.isIncomplete = true;
    const length = F[f + 1] - at;
    if (length === 0 || B[at] !== COLON) {
      isBehind = true;
      if (length === 4 && valueAt >= 0 && (B[at] | 0x20) === 104 && startsWith(at, at + 4, HOST)) noteHost(valueAt, F[f + 3]);
      continue;
    }
    if (isBehind) P.weirds |= w.MISPLACED_PSEUDO;
    notePseudo(pseudoAt(at, length), valueAt, F[f + 3]);
  }
  P.isRequest = (P.seen & OF_REQUESTS) !== 0;
}

/** Which one it is, by its length and one letter; a name that is not that of the static table is compared. 0: none. */
function pseudoAt(at: number, length: number): number {
  let i = -1;
  if (length === 7) i = B[at + 1] === 109 ? 0 : B[at + 2] === 116 ? 4 : 1;
  else if (length === 5) i = 2;
  else if (length === 10) i = 3;
  else if (length === 9) i = 5;
  if (i < 0 || (!isStatic(at) && !isSame(at, at + length, names[i]))) return 0;
  return 1 << i;
}

function isSame(at: number, end: number, text: Uint8Array): boolean {
  if (end - at !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (B[at + i] !== text[i]) return false;
  return true;
}

function notePseudo(which: number, at: number, end: number): void {
  if (which === 0 || P.seen & which) {
    P.weirds |= which === 0 ? w.UNKNOWN_PSEUDO : w.REPEATED_PSEUDO;
    return;
  }
  P.seen |= which;
  if (which === METHOD) {
    P.methodAt = at;
    P.methodEnd = end;
  } else if (which === PATH) {
    P.pathAt = at;
    P.pathEnd = end;
  } else if (which === AUTHORITY) {
    P.authorityAt = at;
    P.authorityEnd = end;
  } else if (which === STATUS) {
    P.status = at < 0 ? 0 : statusOf(at, end);
    if (P.status === 0 && at >= 0) P.weirds |= w.BAD_PSEUDO;
  } else if (which === SCHEME) {
    if (at >= 0 && !isStatic(at) && isBad(at, end, m.NOT_IN_SCHEME)) P.weirds |= w.BAD_PSEUDO;
  } else if (which === PROTOCOL) {
    P.isExtended = true;
    P.isWebSocket = at >= 0 && end - at === WEBSOCKET.length && startsWith(at, end, WEBSOCKET);
  }
}

function isBad(at: number, end: number, notIn: number): boolean {
  return at === end || (m.classesOf(at, end) & notIn) !== 0;
}

function statusOf(at: number, end: number): number {
  if (end - at !== 3) return 0;
  let status = 0;
  for (let p = at; p < end; p++) {
    const digit = B[p] - 48;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status;
}

function noteHost(at: number, end: number): void {
  if (P.hasHost) {
    if (!isSameHost(at, end, P.hostAt, P.hostEnd)) P.weirds |= w.CONFLICTING_HOST;
    return;
  }
  P.hasHost = true;
  P.hostAt = at;
  P.hostEnd = end;
}

function isSameHost(at: number, end: number, other: number, otherEnd: number): boolean {
  const length = withoutPort(at, end) - at;
  if (length !== withoutPort(other, otherEnd) - other) return false;
  for (let i = 0; i < length; i++) {
    const a = B[at + i];
    const b = B[other + i];
    if (a !== b && ((a | 0x20) !== (b | 0x20) || (a | 0x20) < 97 || (a | 0x20) > 122)) return false;
  }
  return true;
}

/** The end of an authority without `:80` or `:443`, which are the same as none. */
function withoutPort(at: number, end: number): number {
  if (end - at > 3 && B[end - 3] === COLON && B[end - 2] === 56 && B[end - 1] === 48) return end - 3;
  if (end - at > 4 && B[end - 4] === COLON && B[end - 3] === 52 && B[end - 2] === 52 && B[end - 1] === 51) return end - 4;
  return end;
}

/** Whether the method is known to be CONNECT. */
export function isConnect(): boolean {
  const at = P.methodAt;
  return at >= 0 && P.methodEnd - at === 7 && B[at] === 67 && startsWith(at, P.methodEnd, CONNECT);
}

/** What is wrong with the list as that of a request; `isWhole`: nothing of it is unknown or unread. */
export function requestWeirds(isWhole: boolean): number {
  let weirds = P.weirds;
  const { methodAt, pathAt, authorityAt, seen } = P;
  const connects = isConnect();
  const tunnels = connects && !P.isExtended;
  if (methodAt >= 0 && !isStatic(methodAt) && isBad(methodAt, P.methodEnd, m.NOT_IN_METHOD)) weirds |= w.BAD_PSEUDO;
  if (pathAt >= 0 && isBadPath(pathAt, P.pathEnd)) weirds |= w.BAD_PSEUDO;
  if (authorityAt >= 0) {
    if (m.classesOf(authorityAt, P.authorityEnd) & m.NOT_IN_AUTHORITY) weirds |= w.BAD_PSEUDO;
    if (P.hasHost && P.isHost) weirds |= w.CONFLICTING_HOST;
  }
  if (seen & STATUS || (P.isExtended && methodAt >= 0 && !connects) || (tunnels && seen & (SCHEME | PATH))) weirds |= w.MISPLACED_PSEUDO;
  const wanted = tunnels ? AUTHORITY : METHOD | SCHEME | PATH;
  if (isWhole && (seen & wanted) !== wanted) weirds |= w.MISSING_PSEUDO;
  return weirds;
}

/** A path begins with a slash; of OPTIONS it may be an asterisk (8.3.1). */
function isBadPath(at: number, end: number): boolean {
  if (isBad(at, end, m.NOT_IN_PATH)) return true;
  return B[at] !== SLASH && !(B[at] === ASTERISK && end - at === 1);
}

export function responseWeirds(isWhole: boolean): number {
  let weirds = P.weirds & ~w.CONFLICTING_HOST;
  if (P.seen & ~STATUS) weirds |= w.MISPLACED_PSEUDO;
  if (isWhole && (P.seen & STATUS) === 0) weirds |= w.MISSING_PSEUDO;
  return weirds;
}

export function trailerWeirds(): number {
  return (P.weirds & ~w.CONFLICTING_HOST) | (P.seen !== 0 ? w.MISPLACED_PSEUDO : 0);
}
