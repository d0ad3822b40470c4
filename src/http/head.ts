/**
 * Heads: start lines and header fields of HTTP/0.9, 1.0 and 1.1 (RFC 9112, 2 to 5; RFC 9110, 5).
 *
 *   request:   method SP target SP HTTP/d.d CRLF  *( name ":" OWS value OWS CRLF )  CRLF
 *   response:  HTTP/d.d SP ddd SP reason CRLF     *( name ":" OWS value OWS CRLF )  CRLF
 *
 * Bounds: the caller gives at most http.headBytesMax bytes; at most http.headersMax fields are kept.
 * Read as common servers read: lines may end with LF alone, white space around and inside the request line is
 * forgiven, a folded line continues the value before it. Each such liberty raises its weird.
 * Deliberately left out: the grammar of targets and of field values.
 */
import { bytes, view, words } from '../base/arena.ts';
import { COUNT_WORD, fieldWords, kernels } from '../base/simd.ts';
import { raise, type WeirdName, weird } from '../base/weird.ts';

const B = bytes;
const HT = 9;
const LF = 10;
const CR = 13;
const SP = 32;
const COLON = 58;

/** Weirds of a head that are also reported with the call: bit i of the call's weirds is `callWeirds[i]`. */
export const callWeirds: readonly WeirdName[] = [
  'http.http1.lf_only',
  'http.http1.folded_header',
  'http.http1.header_without_colon',
  'http.http1.space_before_colon',
  'http.http1.bad_header_name',
  'http.http1.nul_in_head',
  'http.http1.non_ascii_head',
  'http.http1.space_in_target',
  'http.http1.odd_request_line',
  'http.http1.odd_status_line',
  'http.http1.unknown_version',
  'http.http1.http09',
  'http.http1.absolute_form',
  'http.http1.missing_host',
  'http.http1.several_hosts',
  'http.http1.length_and_chunked',
  'http.head.conflicting_lengths',
  'http.head.repeated_length',
  'http.head.bad_length',
  'http.head.odd_transfer_coding',
  'http.http1.chunked_in_http10',
  'http.http1.bad_chunk_size',
  'http.http1.bad_chunk_end',
  'http.http1.chunk_extension',
  'http.http1.trailers',
  'http.http1.gap_in_head',
  'http.http1.gap_in_body',
  'http.http1.early_response',
  'http.http1.pipelined',
  'limit.http.head_bytes',
  'limit.http.headers',
  'http.coding.corrupt',
];
const bitOf = (name: WeirdName): number => 1 << callWeirds.indexOf(name);

export const LF_ONLY: number = bitOf('http.http1.lf_only');
export const FOLDED: number = bitOf('http.http1.folded_header');
export const WITHOUT_COLON: number = bitOf('http.http1.header_without_colon');
export const SPACE_BEFORE_COLON: number = bitOf('http.http1.space_before_colon');
export const BAD_NAME: number = bitOf('http.http1.bad_header_name');
export const NUL_IN_HEAD: number = bitOf('http.http1.nul_in_head');
export const NON_ASCII: number = bitOf('http.http1.non_ascii_head');
export const SPACE_IN_TARGET: number = bitOf('http.http1.space_in_target');
export const ODD_REQUEST_LINE: number = bitOf('http.http1.odd_request_line');
export const ODD_STATUS_LINE: number = bitOf('http.http1.odd_status_line');
export const UNKNOWN_VERSION: number = bitOf('http.http1.unknown_version');
export const HTTP09: number = bitOf('http.http1.http09');
export const ABSOLUTE_FORM: number = bitOf('http.http1.absolute_form');
export const MISSING_HOST: number = bitOf('http.http1.missing_host');
export const SEVERAL_HOSTS: number = bitOf('http.http1.several_hosts');
export const LENGTH_AND_CHUNKED: number = bitOf('http.http1.length_and_chunked');
export const CONFLICTING_LENGTHS: number = bitOf('http.head.conflicting_lengths');
export const REPEATED_LENGTH: number = bitOf('http.head.repeated_length');
export const BAD_LENGTH: number = bitOf('http.head.bad_length');
export const ODD_TRANSFER_CODING: number = bitOf('http.head.odd_transfer_coding');
export const CHUNKED_IN_HTTP10: number = bitOf('http.http1.chunked_in_http10');
export const BAD_CHUNK_SIZE: number = bitOf('http.http1.bad_chunk_size');
export const BAD_CHUNK_END: number = bitOf('http.http1.bad_chunk_end');
export const CHUNK_EXTENSION: number = bitOf('http.http1.chunk_extension');
export const TRAILERS: number = bitOf('http.http1.trailers');
export const GAP_IN_HEAD: number = bitOf('http.http1.gap_in_head');
export const GAP_IN_BODY: number = bitOf('http.http1.gap_in_body');
export const EARLY_RESPONSE: number = bitOf('http.http1.early_response');
export const PIPELINED: number = bitOf('http.http1.pipelined');
export const HEAD_TOO_LONG: number = bitOf('limit.http.head_bytes');
export const TOO_MANY_HEADERS: number = bitOf('limit.http.headers');
export const CODING_CORRUPT: number = bitOf('http.coding.corrupt');

const weirdOfBit = callWeirds.map((name) => weird(name));

/** Counts every weird whose bit is set. */
export function raiseBits(bits: number): void {
  for (let rest = bits; rest !== 0; rest &= rest - 1) raise(weirdOfBit[31 - Math.clz32(rest & -rest)]);
}

// What `scanHead` found, all relative to the arena. One object of int32 fields, filled in place.
class Head {
  /** Offset after the head. */
  end = 0;
  /** Request: end of the method (it starts at the head's start). */
  methodEnd = 0;
  /** Target or reason. */
  textAt = 0;
  textEnd = 0;
  /** 9, 10, 11, or major * 10 + minor + 100 for any other. */
  version = 0;
  status = 0;
  /** First byte of the start line (leading empty lines and blanks left out). */
  at = 0;
  fields = 0;
  weirds = 0;
  /** 1: chunked is the last transfer coding; 2: another coding is; 0: none. */
  transfer = 0;
  hasLength = 0;
  /** Host fields. */
  hosts = 0;
  /** Field indexes + 1; 0 for none. */
  host = 0;
  contentType = 0;
  contentEncoding = 0;
  severalEncodings = 0;
  /** 1 when X-Forwarded-For, Forwarded or X-Real-IP is there. */
  clientIp = 0;
  /** The X-Forwarded-For field + 1 when it is the only one of these. */
  forwardedFor = 0;
  upgrade = 0;
  /** 0: the request line does not begin with a token. */
  valid = 0;
}
export const head: Head = new Head();
/** Content-Length, bytes; a double because bodies may exceed 2^31. */
export const contentLength: Float64Array = new Float64Array(1);
const LENGTH = contentLength;

/** For each field four offsets: name at, name end, value at, value end. */
export const fields: Int32Array = fieldWords;
const F = fields;
const W = words;
const COUNT = COUNT_WORD;
const V = view;
const scanLines = kernels === null ? null : kernels.scanFieldLines;
const find = kernels === null ? null : kernels.findOdd;
let headersMax = 1024;

export function resetHead(max: number): void {
  headersMax = max;
}

/** http.headersMax. */
export function fieldsMax(): number {
  return headersMax;
}

/** 1 for the token characters of RFC 9110, 5.6.2. */
const token = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") token[c.charCodeAt(0)] = 1;

const name = (s: string): Uint8Array => Buffer.from(s, 'latin1');
const N_HOST = name('host');
const N_UPGRADE = name('upgrade');
const N_FORWARDED = name('forwarded');
const N_X_REAL_IP = name('x-real-ip');
const N_CONTENT_TYPE = name('content-type');
const N_CONTENT_LENGTH = name('content-length');
const N_X_FORWARDED_FOR = name('x-forwarded-for');
const N_CONTENT_ENCODING = name('content-encoding');
const N_TRANSFER_ENCODING = name('transfer-encoding');
const V_CHUNKED = name('chunked');

function isName(at: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) if ((B[at + i] | 0x20) !== lower[i]) return false;
  return true;
}

/** Whether the bytes at `at` are `lower` without regard to case; `lower` holds no capitals. */
export function startsWith(at: number, end: number, lower: Uint8Array): boolean {
  if (end - at < lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const c = B[at + i];
    if ((c >= 65 && c <= 90 ? c | 0x20 : c) !== lower[i]) return false;
  }
  return true;
}

/** Offset of the next LF in `[at, end)`, or `end`. */
export function lineEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== LF) p++;
  return p;
}

// ---------------------------------------------------------------- start lines

export const NO = 0;
export const YES = 1;
/** Not enough bytes to tell. */
export const MAYBE = 2;

/**
 * Whether a response may begin here: "HTTP/" digit, any case, blanks, three digits. `lenient` forgives any short
 * version and more digits: for places where a response is expected, not for searching.
 */
export function looksLikeResponse(at: number, end: number, lenient: boolean): number {
  const n = end - at;
  if (n > 0 && (B[at] | 0x20) !== 104) return NO;
  if (n > 1 && (B[at + 1] | 0x20) !== 116) return NO;
  if (n > 2 && (B[at + 2] | 0x20) !== 116) return NO;
  if (n > 3 && (B[at + 3] | 0x20) !== 112) return NO;
  if (n > 4 && B[at + 4] !== 47) return NO;
  if (n > 5 && !lenient && !isDigit(B[at + 5])) return NO;
  if (n < 9) return MAYBE;
  // HTTP/1.1 or HTTP/1 or HTTP/1.10, then blanks, then three digits.
  let p = at + 6;
  while (p < end && p < at + 12 && (B[p] === 46 || isDigit(B[p]) || (lenient && B[p] > SP))) p++;
  if (p < end && B[p] !== SP && B[p] !== HT) return NO;
  while (p < end && p < at + 24 && (B[p] === SP || B[p] === HT)) p++;
  for (let i = 0; i < 3; i++) {
    if (p + i >= end) return MAYBE;
    if (!isDigit(B[p + i])) return NO;
  }
  if (!lenient && p + 3 < end && isDigit(B[p + 3])) return NO;
  return YES;
}

/**
 * Whether a request may begin here. YES needs the whole line with its version, MAYBE says that a line which
 * has begun like a request is not over yet. `bare` allows HTTP/0.9: "GET" SP target without a version.
 */
export function looksLikeRequest(at: number, end: number, bare: boolean): number {
  let p = at;
  const tokenMax = at + 64 < end ? at + 64 : end;
  while (p < tokenMax && token[B[p]] === 1) p++;
  if (p === at) return NO;
  if (p === end) return MAYBE;
  if (B[p] !== SP && B[p] !== HT && !(bare && (B[p] === CR || B[p] === LF))) return NO;
  const methodEnd = p;
  const e = lineEnd(p, end);
  if (e === end) {
    // No line end yet: binary data is told by its control bytes, unless a target has plainly begun.
    const target = p + 1 < end ? B[p + 1] : 0;
    if (target === 47 || (target | 0x20) === 104) return MAYBE;
    const look = end - p > 256 ? p + 256 : end;
    for (let i = p; i < look; i++) if (B[i] < 32 && B[i] !== HT && B[i] !== CR) return NO;
    return MAYBE;
  }
  const v = versionAt(methodEnd, e);
  if (v >= 0) return YES;
  if (!bare) return NO;
  return isBareRequest(at, methodEnd, e, end) ? YES : NO;
}

const commonMethods = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'PRI'].map(name);

/** Whether `[at, end)` is a common method without its first letters, or with more in front of it. */
function isTornMethod(at: number, end: number): boolean {
  const n = end - at;
  for (let m = 0; m < commonMethods.length; m++) {
    const method = commonMethods[m];
    const length = method.length;
    const same = n < length ? n : length;
    let i = 1;
    while (i <= same && B[end - i] === method[length - i]) i++;
    if (i > same) return n !== length;
  }
  return false;
}

/**
 * As `looksLikeRequest`, for where only the bytes themselves say that a message begins (after a hole, on a connection
 * joined late): method SP target SP "HTTP/", as RFC 9112, 3 has it, and the method in capitals and not a torn one.
 */
export function looksLikePlainRequest(at: number, end: number): number {
  const looks = looksLikeRequest(at, end, false);
  if (looks === NO) return NO;
  let p = at;
  while (p < end && ((B[p] >= 65 && B[p] <= 90) || B[p] === 45 || B[p] === 95)) p++;
  if (p === end) return MAYBE;
  if (B[p] !== SP || p === at || isTornMethod(at, p)) return NO;
  const target = ++p;
  while (p < end && B[p] > SP) p++;
  if (p === end) return MAYBE;
  if (p === target || (B[p] !== SP && B[p] !== HT)) return NO;
  p++;
  for (let i = 0; i < 5 && p + i < end; i++) {
    const wanted = i === 4 ? 47 : N_HTTP[i];
    // White space inside a target that begins with a slash is forgiven once the whole line is there.
    if ((i === 4 ? B[p + i] : B[p + i] | 0x20) !== wanted) return looks === YES && B[target] === 47 ? YES : NO;
  }
  return looks;
}
const N_HTTP = name('http');

/** Offset of "HTTP/d" as the last word of the line `[at, e)`, or -1. */
function versionAt(at: number, e: number): number {
  let q = e;
  while (q > at && (B[q - 1] === CR || B[q - 1] === SP || B[q - 1] === HT)) q--;
  let w = q;
  while (w > at && B[w - 1] !== SP && B[w - 1] !== HT) w--;
  return w > at && isHttpVersion(w, q) ? w : -1;
}

function isHttpVersion(w: number, q: number): boolean {
  return (
    q - w >= 6 &&
    (B[w] | 0x20) === 104 &&
    (B[w + 1] | 0x20) === 116 &&
    (B[w + 2] | 0x20) === 116 &&
    (B[w + 3] | 0x20) === 112 &&
    B[w + 4] === 47 &&
    isDigit(B[w + 5])
  );
}

/**
 * A request line without a version: "GET" blanks target (HTTP/0.9), or any method in capitals when a header field
 * follows, as broken clients send it.
 */
function isBareRequest(at: number, methodEnd: number, e: number, end: number): boolean {
  for (let p = at; p < methodEnd; p++) if ((B[p] < 65 || B[p] > 90) && B[p] !== 95 && B[p] !== 45) return false;
  if (methodEnd - at < 3) return false;
  for (let p = methodEnd; p < e; p++) if (B[p] < 32 && B[p] !== CR && B[p] !== HT) return false;
  if (isFieldLine(e + 1, end)) return !namesOtherProtocol(methodEnd, e);
  if (methodEnd - at !== 3 || B[at] !== 71 || B[at + 1] !== 69 || B[at + 2] !== 84) return false;
  let p = methodEnd;
  while (p < e && (B[p] === SP || B[p] === HT)) p++;
  return B[p] === 47 || (B[p] | 0x20) === 104;
}

/** Whether a line that begins like a request has three words, or ends with the version of a protocol that is not HTTP. */
function namesOtherProtocol(methodEnd: number, e: number): boolean {
  let words = 0;
  let slash = 0;
  for (let p = methodEnd; p < e && B[p] !== CR; p++) {
    const blank = B[p] === SP || B[p] === HT;
    if (!blank && (B[p - 1] === SP || B[p - 1] === HT)) words++;
    if (B[p] === 47 && p + 1 < e && isDigit(B[p + 1])) slash = p;
  }
  if (words > 1) return true;
  return slash > 0 && !(slash >= methodEnd + 5 && isHttpVersion(slash - 4, slash + 2));
}

/** Whether the line at `at` is whole and begins or ends with the name and version of a protocol that is not HTTP: "ICAP/1.0". */
export function isOtherProtocol(at: number, end: number): boolean {
  let e = lineEnd(at, end);
  if (e === end) return false;
  while (e > at && (B[e - 1] === CR || B[e - 1] === SP || B[e - 1] === HT)) e--;
  let first = at;
  while (first < e && B[first] !== SP && B[first] !== HT) first++;
  let last = e;
  while (last > first && B[last - 1] !== SP && B[last - 1] !== HT) last--;
  return isForeignVersion(at, first) || (last > first && isForeignVersion(last, e));
}

/** Capital letters, a slash, a digit, a dot and a digit, but not ending in HTTP and its version. */
function isForeignVersion(at: number, end: number): boolean {
  let p = at;
  while (p < end && B[p] >= 65 && B[p] <= 90) p++;
  return (
    p - at >= 3 && end - p === 4 && B[p] === 47 && isDigit(B[p + 1]) && B[p + 2] === 46 && isDigit(B[p + 3]) && !isHttpVersion(p - 4, end)
  );
}

/** Whether a token and a colon stand at `at`. */
function isFieldLine(at: number, end: number): boolean {
  let p = at;
  while (p < end && token[B[p]] === 1) p++;
  return p > at && p < end && B[p] === COLON;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

// ---------------------------------------------------------------- heads

/**
 * Reads the head at `[at, end)` into `head` and `fields`. Returns the offset after its blank line, or -1 when
 * the head is not complete. With `cut` the bytes are all there is: every complete line counts, and so does a
 * last, unfinished one when it is the start line. The caller has found the start to be a request or a response.
 */
export function scanHead(at: number, end: number, isResponse: boolean, cut: boolean): number {
  let p = at;
  let weirds = 0;
  clear();
  head.at = at;
  let e = isResponse ? plainStatusLine(at, end) : plainRequestLine(at, end);
  if (e < 0) {
    e = lineEnd(p, end);
    if (e === end && !cut) return -1;
    weirds |= isResponse ? statusLine(p, e) : requestLine(p, e);
    if (e < end && (e === p || B[e - 1] !== CR)) weirds |= LF_ONLY;
  }
  p = e < end ? e + 1 : end;
  head.weirds = weirds;
  if (!isResponse && head.version === 9 && !isFieldLine(p, end)) {
    head.end = p;
    return p;
  }
  p = scanFields(p, end, cut);
  if (p < 0) return -1;
  weirds = head.weirds;
  if (head.transfer !== 0 && head.hasLength !== 0) weirds |= LENGTH_AND_CHUNKED;
  if (head.transfer !== 0 && head.version === 10) weirds |= CHUNKED_IN_HTTP10;
  if (!isResponse) {
    if (head.hosts === 0 && head.version === 11) weirds |= MISSING_HOST;
    if (head.hosts > 1) weirds |= SEVERAL_HOSTS;
  }
  head.weirds = weirds;
  head.end = p;
  return p;
}

const HTTP_WORD = 0x50545448; // "HTTP" as little-endian words
const V10_WORD = 0x302e312f; // "/1.0"
const V11_WORD = 0x312e312f; // "/1.1"
const LINE_END = 0x0a0d;

/** Reads `token SP target SP HTTP/1.x CRLF` with an origin-form target of printable ASCII; the offset of its LF, or -1 for anything else. */
function plainRequestLine(at: number, end: number): number {
  if (find === null) return -1;
  const m = find(at, end, 0);
  if (m === at || m + 12 > end || B[m] !== SP || B[m + 1] !== 47) return -1;
  const t = find(m + 1, end, 0);
  if (t + 11 > end || B[t] !== SP || V.getInt32(t + 1, true) !== HTTP_WORD || V.getUint16(t + 9, true) !== LINE_END) return -1;
  const version = V.getInt32(t + 5, true);
  if (version === V11_WORD) head.version = 11;
  else if (version === V10_WORD) head.version = 10;
  else return -1;
  for (let i = at; i < m; i++) if (token[B[i]] === 0) return -1;
  head.methodEnd = m;
  head.textAt = m + 1;
  head.textEnd = t;
  head.status = 0;
  head.valid = 1;
  return t + 10;
}

/** Reads `HTTP/1.x SP ddd SP reason CRLF` with a reason of printable ASCII; the offset of its LF, or -1 for anything else. */
function plainStatusLine(at: number, end: number): number {
  if (at + 15 > end || V.getInt32(at, true) !== HTTP_WORD || B[at + 8] !== SP || B[at + 12] !== SP) return -1;
  const version = V.getInt32(at + 4, true);
  if (version === V11_WORD) head.version = 11;
  else if (version === V10_WORD) head.version = 10;
  else return -1;
  const a = B[at + 9] - 48;
  const b = B[at + 10] - 48;
  const c = B[at + 11] - 48;
  if (a < 0 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return -1;
  let p = at + 13;
  while (p < end && B[p] >= SP && B[p] < 127) p++;
  if (p + 1 >= end || p === at + 13 || B[p - 1] === SP || B[at + 13] === SP || V.getUint16(p, true) !== LINE_END) return -1;
  head.status = a * 100 + b * 10 + c;
  head.methodEnd = at;
  head.textAt = at + 13;
  head.textEnd = p;
  return p + 1;
}

/** Makes `head` ready for `scanFields` alone (trailers). */
export function clear(): void {
  head.fields = 0;
  head.weirds = 0;
  head.hosts = 0;
  head.hasLength = 0;
  head.transfer = 0;
  head.host = 0;
  head.contentType = 0;
  head.contentEncoding = 0;
  head.severalEncodings = 0;
  head.clientIp = 0;
  head.forwardedFor = 0;
  head.upgrade = 0;
  LENGTH[0] = 0;
}

/** Reads header or trailer fields up to and with the blank line; -1 when that is not there yet and not `cut`. */
export function scanFields(at: number, end: number, cut: boolean): number {
  let p = at;
  let e = at;
  let n = 0;
  let weirds = head.weirds;
  if (scanLines !== null) {
    // Plain lines, sixteen bytes at a time; what remains is the blank line or something odd.
    p = scanLines(at, end, headersMax);
    n = W[COUNT];
    for (let i = 0, v = 0; i < n; i++, v += 4) weirds |= takeField(i + 1, F[v], F[v + 1], F[v + 2], F[v + 3]);
  }
  for (;;) {
    // One line: [p, e), the LF at e.
    const lineAt = p;
    let c = 0;
    while (p < end && token[(c = B[p])] === 1) p++;
    if (p >= end) {
      if (!cut) return -1;
      break;
    }
    if (p === lineAt) {
      if (c === LF) {
        weirds |= LF_ONLY;
        p++;
        break;
      }
      if (c === CR) {
        if (p + 1 >= end) {
          if (!cut) return -1;
          break;
        }
        if (B[p + 1] === LF) {
          p += 2;
          break;
        }
      }
      if ((c === SP || c === HT) && n > 0) {
        // Obsolete folding: the value before goes on.
        e = lineEnd(p, end);
        if (e === end) {
          if (!cut) return -1;
          break;
        }
        let last = e;
        while (last > p && (B[last - 1] === CR || B[last - 1] === SP || B[last - 1] === HT)) last--;
        const v = (n - 1) * 4;
        if ((weirds & TOO_MANY_HEADERS) === 0 && last > p) {
          if (F[v + 2] === F[v + 3]) {
            while (p < last && (B[p] === SP || B[p] === HT)) p++;
            F[v + 2] = p;
          }
          F[v + 3] = last;
        }
        weirds |= FOLDED;
        p = e + 1;
        continue;
      }
    }
    let nameStop = p;
    if (c !== COLON) {
      // Not the plain "token:" form.
      let q = p;
      e = lineEnd(q, end);
      if (e === end && !cut) return -1;
      while (q < e && B[q] !== COLON) q++;
      if (q === e) {
        weirds |= WITHOUT_COLON;
        nameStop = e;
        while (nameStop > lineAt && (B[nameStop - 1] === CR || B[nameStop - 1] === SP)) nameStop--;
      } else {
        nameStop = q;
        while (nameStop > lineAt && (B[nameStop - 1] === SP || B[nameStop - 1] === HT)) nameStop--;
        weirds |= nameStop < q ? SPACE_BEFORE_COLON : BAD_NAME;
      }
      p = q;
    }
    let valueStart = p < end && B[p] === COLON ? p + 1 : p;
    // The value ends at LF.
    e = valueStart;
    let odd = 0;
    while (e < end && (c = B[e]) !== LF) {
      odd |= c & 0x80;
      if (c === 0) weirds |= NUL_IN_HEAD;
      e++;
    }
    if (e === end) {
      if (!cut) return -1;
      break;
    }
    if (odd) weirds |= NON_ASCII;
    let valueStop = e;
    if (B[e - 1] !== CR) weirds |= LF_ONLY;
    else if (valueStop > valueStart) valueStop--;
    while (valueStart < valueStop && (B[valueStart] === SP || B[valueStart] === HT)) valueStart++;
    while (valueStop > valueStart && (B[valueStop - 1] === SP || B[valueStop - 1] === HT || B[valueStop - 1] === CR)) valueStop--;
    p = e + 1;
    if (n >= headersMax) {
      weirds |= TOO_MANY_HEADERS;
      continue;
    }
    const v = n << 2;
    n++;
    F[v] = lineAt;
    F[v + 1] = nameStop;
    F[v + 2] = valueStart;
    F[v + 3] = valueStop;
    weirds |= takeField(n, lineAt, nameStop, valueStart, valueStop);
  }
  if (weirds & FOLDED) weirds = readAgain(n, weirds);
  head.fields = n;
  head.weirds = weirds;
  return p;
}

/** A folded value means what it says as a whole: notes the fields again, now that their ends are known. */
function readAgain(n: number, before: number): number {
  clear();
  let weirds = before & ~(BAD_LENGTH | REPEATED_LENGTH | CONFLICTING_LENGTHS | ODD_TRANSFER_CODING);
  for (let i = 0, v = 0; i < n; i++, v += 4) weirds |= takeField(i + 1, F[v], F[v + 1], F[v + 2], F[v + 3]);
  return weirds;
}

/** Notes what field number `n` (from 1) means for framing and routing. Returns its weirds. */
export function takeField(n: number, nameStart: number, nameStop: number, valueStart: number, valueStop: number): number {
  switch (nameStop - nameStart) {
    case 4:
      if (isName(nameStart, N_HOST)) {
        if (head.hosts++ === 0) head.host = n;
      }
      break;
    case 7:
      if (isName(nameStart, N_UPGRADE)) head.upgrade = n;
      break;
    case 9:
      if (isName(nameStart, N_FORWARDED) || isName(nameStart, N_X_REAL_IP)) {
        head.clientIp = 1;
        head.forwardedFor = 0;
      }
      break;
    case 12:
      if (isName(nameStart, N_CONTENT_TYPE)) head.contentType = n;
      break;
    case 14:
      if (isName(nameStart, N_CONTENT_LENGTH)) return takeLength(valueStart, valueStop);
      break;
    case 15:
      if (isName(nameStart, N_X_FORWARDED_FOR)) {
        head.forwardedFor = head.clientIp === 0 ? n : 0;
        head.clientIp = 1;
      }
      break;
    case 16:
      if (isName(nameStart, N_CONTENT_ENCODING)) {
        if (head.contentEncoding !== 0) head.severalEncodings = 1;
        else head.contentEncoding = n;
      }
      break;
    case 17:
      if (isName(nameStart, N_TRANSFER_ENCODING)) return takeTransfer(valueStart, valueStop);
      break;
    default:
  }
  return 0;
}

function requestLine(at: number, lineStop: number): number {
  let weirds = 0;
  let e = lineStop;
  if (e > at && B[e - 1] === CR) e--;
  let p = at;
  while (p < e && B[p] !== SP && B[p] !== HT) p++;
  head.methodEnd = p;
  head.status = 0;
  head.valid = p > at ? 1 : 0;
  for (let i = at; i < p; i++) if (token[B[i]] === 0) head.valid = 0;
  let textAt = p;
  while (textAt < e && (B[textAt] === SP || B[textAt] === HT)) textAt++;
  if (textAt !== p + 1 || B[p] === HT) weirds |= ODD_REQUEST_LINE;
  const w = versionAt(p, lineStop);
  let textEnd = e;
  if (w > textAt) {
    let q = e;
    while (q > w && (B[q - 1] === SP || B[q - 1] === HT || B[q - 1] === CR)) q--;
    if (q !== e) weirds |= ODD_REQUEST_LINE;
    weirds |= readVersion(w, q);
    textEnd = w;
    while (textEnd > textAt && (B[textEnd - 1] === SP || B[textEnd - 1] === HT)) textEnd--;
    if (textEnd !== w - 1) weirds |= ODD_REQUEST_LINE;
  } else {
    while (textEnd > textAt && (B[textEnd - 1] === SP || B[textEnd - 1] === HT)) textEnd--;
    head.version = 9;
    weirds |= HTTP09;
  }
  if (textEnd < textAt) textEnd = textAt;
  head.textAt = textAt;
  head.textEnd = textEnd;
  let odd = 0;
  for (let i = textAt; i < textEnd; i++) {
    const c = B[i];
    odd |= c & 0x80;
    if (c === SP || c === HT) {
      // RFC 9112, 3: the target ends at the first white space.
      weirds |= SPACE_IN_TARGET;
      textEnd = i;
    } else if (c === 0) weirds |= NUL_IN_HEAD;
  }
  head.textEnd = textEnd;
  if (odd) weirds |= NON_ASCII;
  if (textEnd > textAt && B[textAt] !== 47 && p - at !== 7) {
    // Not origin-form, and the method is not as long as CONNECT: absolute-form has a scheme.
    for (let i = textAt; i + 2 < textEnd && i < textAt + 16; i++) {
      if (B[i] === COLON && B[i + 1] === 47 && B[i + 2] === 47) weirds |= ABSOLUTE_FORM;
    }
  }
  return weirds;
}

function readVersion(w: number, q: number): number {
  const major = q - w > 5 && isDigit(B[w + 5]) ? B[w + 5] - 48 : 0;
  const minor = q - w > 7 && B[w + 6] === 46 && isDigit(B[w + 7]) ? B[w + 7] - 48 : 0;
  const v = major * 10 + minor;
  if (q - w === 8 && (v === 10 || v === 11)) {
    head.version = v;
    return B[w] === 72 ? 0 : ODD_REQUEST_LINE;
  }
  head.version = v === 10 || v === 11 ? v : 100 + v;
  return UNKNOWN_VERSION;
}

function statusLine(at: number, lineStop: number): number {
  let e = lineStop;
  if (e > at && B[e - 1] === CR) e--;
  let p = at;
  while (p < e && B[p] !== SP && B[p] !== HT) p++;
  let weirds = readVersion(at, p) === 0 ? 0 : ODD_STATUS_LINE;
  if (head.version >= 100) weirds |= UNKNOWN_VERSION;
  const blank = p;
  while (p < e && (B[p] === SP || B[p] === HT)) p++;
  if (p !== blank + 1) weirds |= ODD_STATUS_LINE;
  let status = 0;
  const digits = p;
  while (p < e && p < digits + 3 && isDigit(B[p])) status = status * 10 + B[p++] - 48;
  head.status = status;
  if (p - digits !== 3 || (p < e && B[p] !== SP)) weirds |= ODD_STATUS_LINE;
  while (p < e && isDigit(B[p])) p++;
  while (p < e && (B[p] === SP || B[p] === HT)) p++;
  while (e > p && (B[e - 1] === SP || B[e - 1] === CR || B[e - 1] === HT)) e--;
  head.methodEnd = at;
  head.textAt = p;
  head.textEnd = e;
  return weirds;
}

/** RFC 9110, 8.6: digits; a list of equal values counts as one, of different values as the first. */
function takeLength(at: number, end: number): number {
  let p = at;
  let v = 0;
  let digits = 0;
  while (p < end && isDigit(B[p])) {
    v = v * 10 + (B[p] - 48);
    p++;
    digits++;
  }
  if (digits === 0 || v > Number.MAX_SAFE_INTEGER) return BAD_LENGTH;
  let weirds = 0;
  if (p < end) weirds |= B[p] === 44 ? restOfLengths(p, end, v) : BAD_LENGTH;
  if (head.hasLength !== 0) return weirds | (LENGTH[0] === v ? REPEATED_LENGTH : CONFLICTING_LENGTHS);
  head.hasLength = 1;
  LENGTH[0] = v;
  return weirds;
}

/** What the rest of a list of lengths says about its first, `v`. */
function restOfLengths(at: number, end: number, v: number): number {
  let weirds = REPEATED_LENGTH;
  for (let p = at; p < end; ) {
    while (p < end && (B[p] === 44 || B[p] === SP || B[p] === HT)) p++;
    if (p === end) break;
    let next = 0;
    while (p < end && isDigit(B[p])) next = next * 10 + (B[p++] - 48);
    if (p < end && B[p] !== 44 && B[p] !== SP && B[p] !== HT) return BAD_LENGTH;
    if (next !== v) weirds = CONFLICTING_LENGTHS;
  }
  return weirds;
}

/** RFC 9112, 6.1: chunked must be the last coding. */
function takeTransfer(at: number, end: number): number {
  if (end - at === 7 && startsWith(at, end, V_CHUNKED)) {
    const weirds = head.transfer !== 0 ? ODD_TRANSFER_CODING : 0;
    head.transfer = 1;
    return weirds;
  }
  // A list, or something odd: the last word decides.
  let e = end;
  while (e > at && (B[e - 1] === SP || B[e - 1] === HT || B[e - 1] === 44)) e--;
  let w = e;
  while (w > at && B[w - 1] !== 44 && B[w - 1] !== SP && B[w - 1] !== HT) w--;
  if (e - w === 7 && startsWith(w, e, V_CHUNKED)) head.transfer = 1;
  else if (!(e - w === 8 && startsWith(w, e, N_IDENTITY)) && head.transfer === 0 && e > w) head.transfer = 2;
  return ODD_TRANSFER_CODING;
}
const N_IDENTITY = name('identity');
