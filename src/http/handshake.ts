/**
 * The first handshake message of a TLS stream, out of its records (RFC 8446, 5.1).
 *
 *   record:   16 | version(2) | length(2) | a part of the message      one record, or several
 *   message:  01 ClientHello, 02 ServerHello | length(3) | ...
 *
 * A message in one record is read where it lies; one in several is joined in a block. Bounds: HELLO_BYTES_MAX and
 * HELLO_RECORDS_MAX; beyond them it is not read [cut-head]. Raises: limit.http.client_hello.
 */
import { bytes } from '../base/arena.ts';
import { release, reserve } from '../base/blocks.ts';
import { raise, weird } from '../base/weird.ts';

const B = bytes;
const TOO_LONG = weird('limit.http.client_hello');
/** Of a message; post-quantum keys make 2 KB of it, a server that is told many tickets perhaps 10. */
export const HELLO_BYTES_MAX = 65_536;
export const HELLO_RECORDS_MAX = 64;
const RECORD_BYTES_MAX = 16_384 + 256;
const HANDSHAKE = 22;
export const CLIENT_HELLO = 1;
export const SERVER_HELLO = 2;

// What `gather` found.
export const WHOLE = 1;
export const MORE = 0;
/** No handshake, or more than the bounds allow. */
export const REFUSED = -1;

/** The message found last, header included. */
class Gathered {
  at = 0;
  end = 0;
  /** Block that it was joined in; 0 when it lies in its record. */
  block = 0;
}
export const gathered: Gathered = new Gathered();
const G = gathered;

/** Type of the message that may begin in the record at `at`, of which 6 bytes are there; 0 when it is no hello. */
export function helloType(at: number, end: number): number {
  if (B[at] !== HANDSHAKE || (B[at + 5] !== CLIENT_HELLO && B[at + 5] !== SERVER_HELLO)) return 0;
  // Encrypted handshake records look the same from outside; the version inside of hellos is 3.x.
  const length = (B[at + 3] << 8) | B[at + 4];
  return length >= 5 && end - at > 9 && B[at + 9] !== 3 ? 0 : B[at + 5];
}

/** Looks for a whole message in the records of `[at, end)`; `releaseGathered` when it has been read. */
export function gather(at: number, end: number): number {
  let p = at;
  let have = 0;
  let need = -1;
  let head = 0;
  for (let records = 1; ; records++) {
    if (end - p < 5) return MORE;
    const length = (B[p + 3] << 8) | B[p + 4];
    if (B[p] !== HANDSHAKE || B[p + 1] !== 3 || length === 0 || length > RECORD_BYTES_MAX) return REFUSED;
    const from = p + 5;
    const to = from + length < end ? from + length : end;
    // The type and the length may be spread over records too.
    for (let q = from; q < to && have + q - from < 4; q++) head = (head << 8) | B[q];
    have += to - from;
    if (need < 0 && have >= 4) {
      need = 4 + (head & 0xffffff);
      if (need > HELLO_BYTES_MAX) return tooLong();
    }
    if (need >= 0 && have >= need) {
      G.at = from;
      G.end = from + need;
      G.block = 0;
      return records === 1 ? WHOLE : join(at, need);
    }
    if (to < from + length) return MORE;
    if (records === HELLO_RECORDS_MAX) return tooLong();
    p = to;
  }
}

function tooLong(): number {
  raise(TOO_LONG);
  return REFUSED;
}

function join(at: number, need: number): number {
  const block = reserve(need);
  if (block === 0) return REFUSED;
  let p = at;
  let have = 0;
  while (have < need) {
    const length = (B[p + 3] << 8) | B[p + 4];
    const part = length < need - have ? length : need - have;
    B.copyWithin(block + have, p + 5, p + 5 + part);
    have += part;
    p += 5 + length;
  }
  G.at = block;
  G.end = block + need;
  G.block = block;
  return WHOLE;
}

export function releaseGathered(): void {
  release(G.block);
  G.block = 0;
}
