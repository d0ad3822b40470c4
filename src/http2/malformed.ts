/**
 * What RFC 9113 does not let a message have. Such messages are read all the same, and say what is wrong (http/http2-weirds.ts).
 *
 *   field name    no byte up to 0x20, no capital, none from 0x7f on, no colon (8.2.1); no token is wider than that
 *   field value   no NUL, CR, LF (8.2.1)
 *   fields        none that is about one connection of HTTP/1 (8.2.2)
 *   lengths       Content-Length is the number of DATA bytes (8.1.1)
 *
 * Deliberately left out: blanks at the ends of values, which common clients send.
 */
import { bytes } from '../base/arena.ts';
import { kernels } from '../base/simd.ts';
import { startsWith } from '../http/head.ts';
import { CONNECTION_FIELD, LENGTH_MISMATCH } from '../http/http2-weirds.ts';
import * as t from '../http/transaction.ts';

const B = bytes;
const K = t.calls;
const D = t.doubles;
const { CALL_SHIFT, REQUEST, RESPONSE } = t;

// Where a byte may not stand.
export const NOT_IN_NAME = 1;
export const NOT_IN_VALUE = 2;
export const NOT_IN_METHOD = 4;
export const NOT_IN_SCHEME = 8;
export const NOT_IN_AUTHORITY = 16;
export const NOT_IN_PATH = 32;

const classes = new Uint8Array(256);
for (let b = 0; b < 256; b++) {
  const isBlank = b <= 0x20 || b === 0x7f;
  const c = String.fromCharCode(b);
  if (isBlank || b > 0x7f || /[A-Z:]/.test(c)) classes[b] |= NOT_IN_NAME;
  if (b === 0 || b === 10 || b === 13) classes[b] |= NOT_IN_VALUE;
  if (!/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(c)) classes[b] |= NOT_IN_METHOD;
  if (!/[0-9A-Za-z+\-.]/.test(c)) classes[b] |= NOT_IN_SCHEME;
  if (isBlank || /[/?#@\\]/.test(c)) classes[b] |= NOT_IN_AUTHORITY;
  if (isBlank) classes[b] |= NOT_IN_PATH;
}

/** The classes of all bytes in `[at, end)`. */
export function classesOf(at: number, end: number): number {
  let all = 0;
  for (let p = at; p < end; p++) all |= classes[B[p]];
  return all;
}

const countControls = kernels === null ? null : kernels.countControls;

/** Whether `[at, end)`, which holds `lines` lines, has no control byte but their ends; false where that is not cheap to tell. */
export function isPlain(at: number, end: number, lines: number): boolean {
  return countControls !== null && countControls(at, end, 0) === 2 * lines;
}

const name = (s: string): Uint8Array => Buffer.from(s, 'latin1');
const TE = name('te');
const TRAILERS = name('trailers');
const CONNECTION = name('connection');
const KEEP_ALIVE = name('keep-alive');
const PROXY_CONNECTION = name('proxy-connection');

/** CONNECTION_FIELD when it is one, but for Upgrade and Transfer-Encoding, which http/head.ts finds. */
export function connectionField(at: number, end: number, valueAt: number, valueEnd: number): number {
  switch (end - at) {
    case 2:
      if (!startsWith(at, end, TE) || (valueEnd - valueAt === TRAILERS.length && startsWith(valueAt, valueEnd, TRAILERS))) return 0;
      break;
    case 10:
      if (!startsWith(at, end, CONNECTION) && !startsWith(at, end, KEEP_ALIVE)) return 0;
      break;
    case 16:
      if (!startsWith(at, end, PROXY_CONNECTION)) return 0;
      break;
    default:
      return 0;
  }
  return CONNECTION_FIELD;
}

/** One side of a call has ended with END_STREAM: whether its body is as long as it said. */
export function checkLength(call: number, side: number): void {
  const k = call << CALL_SHIFT;
  const field = side === REQUEST ? K[k + t.C_LENGTHS] >>> 16 : K[k + t.C_LENGTHS] & 0xffff;
  if (field === 0 || K[k + t.C_CAUSES] & t.CAUSE_GAP || K[k + t.C_FLAGS] & t.IS_CONNECT) return;
  const body = D[(call << 5) + (side === REQUEST ? t.D_REQUEST : t.D_RESPONSE) + t.D_BODY];
  if (side === RESPONSE && body === 0 && hasNoBody(k)) return;
  const s = k + side;
  const block = K[s + t.S_HEAD];
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  const end = t.valueEnd(block, table, field - 1);
  let length = 0;
  for (let p = t.valueAt(block, table, field - 1); p < end && B[p] >= 48 && B[p] <= 57; p++) length = length * 10 + B[p] - 48;
  if (length !== body) K[k + t.C_HTTP2_WEIRDS] |= LENGTH_MISMATCH;
}

/** RFC 9110, 8.6: the answer to HEAD, and 304, say the length that a body would have. An unknown method may be HEAD. */
function hasNoBody(k: number): boolean {
  const flags = K[k + t.C_FLAGS];
  const isMethodKnown = (flags & t.HAS_REQUEST) !== 0 && K[k + REQUEST + t.S_FIRST] > 0;
  const status = K[k + RESPONSE + t.S_FIRST];
  return !isMethodKnown || (flags & t.IS_HEAD) !== 0 || status === 304 || status === 0;
}
