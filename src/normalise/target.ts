/**
 * The target of a request: where authority and path lie in its bytes (RFC 9112, section 3.2).
 *
 *   origin form     /path?query                     authority from the Host field
 *   absolute form   http://user@host:port/path      authority in the target
 *   authority form  host:port                       CONNECT
 *   asterisk form   *                               a path as it stands
 */
import { bytes } from '../base/arena.ts';
import * as t from '../http/transaction.ts';
import { writeAny } from './json.ts';

const B = bytes;
const K = t.calls;
const { C_FLAGS, REQUEST, S_HEAD, S_HEAD_BYTES, S_HOST, S_TEXT, S_TEXT_END } = t;

/** Filled by `locateTarget`. Offsets into the arena; an empty range is "none". */
export const target = {
  hostAt: 0,
  hostEnd: 0,
  pathAt: 0,
  /** Before the question mark or the hash. */
  pathEnd: 0,
  /** The target says https. */
  secure: false,
};

/** Finds the parts of the target of the call whose words begin at `k`. The call must have a request. */
export function locateTarget(k: number): void {
  const s = k + REQUEST;
  const block = K[s + S_HEAD];
  const targetAt = block + K[s + S_TEXT];
  const targetEnd = block + K[s + S_TEXT_END];
  let pathAt = targetAt;
  let hostAt = 0;
  let hostEnd = 0;
  target.secure = false;
  if ((K[k + C_FLAGS] & t.IS_CONNECT) !== 0) {
    hostAt = targetAt;
    hostEnd = authorityEnd(targetAt, targetEnd);
    pathAt = targetEnd;
  } else if (targetAt < targetEnd && B[targetAt] !== 47) {
    const scheme = schemeEnd(targetAt, targetEnd);
    if (scheme > 0) {
      target.secure = scheme - targetAt === 5 && (B[scheme - 1] | 0x20) === 115;
      hostAt = scheme + 3;
      hostEnd = authorityEnd(hostAt, targetEnd);
      pathAt = hostEnd;
    }
  }
  hostAt = userEnd(hostAt, hostEnd);
  if (hostEnd === hostAt && K[s + S_HOST] !== 0) {
    const table = t.fieldTable(block, K[s + S_HEAD_BYTES]);
    hostEnd = t.valueEnd(block, table, K[s + S_HOST] - 1);
    hostAt = userEnd(t.valueAt(block, table, K[s + S_HOST] - 1), hostEnd);
  }
  let pathEnd = pathAt;
  while (pathEnd < targetEnd && B[pathEnd] !== 63 && B[pathEnd] !== 35) pathEnd++;
  target.hostAt = hostAt;
  target.hostEnd = hostEnd;
  target.pathAt = pathAt;
  target.pathEnd = pathEnd;
}

/** Writes the host that was located, in lower case. */
export function writeHost(to: number): number {
  const end = writeAny(to, target.hostAt, target.hostEnd);
  for (let p = to; p < end; p++) if (B[p] >= 65 && B[p] <= 90) B[p] |= 0x20;
  return end;
}

/** Where the authority that begins at `at` ends: at a slash, a question mark, a hash. */
function authorityEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== 47 && B[p] !== 63 && B[p] !== 35) p++;
  return p;
}

/** Where the host begins: user information, up to the last "@", is no part of it. */
function userEnd(at: number, end: number): number {
  let from = at;
  for (let p = at; p < end; p++) if (B[p] === 64) from = p + 1;
  return from;
}

/** End of the scheme when the target begins with one and "://"; 0 when not (RFC 3986, section 3.1). */
function schemeEnd(at: number, end: number): number {
  let p = at;
  while (p < end && isSchemeByte(B[p])) p++;
  return p > at && p + 2 < end && B[p] === 58 && B[p + 1] === 47 && B[p + 2] === 47 ? p : 0;
}

function isSchemeByte(c: number): boolean {
  const letter = c | 0x20;
  return (letter >= 97 && letter <= 122) || (c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46;
}
