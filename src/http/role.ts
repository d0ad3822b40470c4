/**
 * What a connection is and who is its client: kinds and roles as they are found, and the ledger of payload bytes that
 * follows from them.
 */
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import * as c from './connection.ts';

const C = counts;
const N = c.connections;
const LEFT = c.remainders;
const {
  N_KIND,
  N_CLIENT,
  N_FLAGS,
  N_SIDE,
  SIDE_SHIFT,
  CONNECTION_WORDS,
  X_STATE,
  X_REMAINING,
  UNKNOWN,
  HTTP,
  HTTP2,
  TLS,
  WAS_HTTP,
  JOINED_LATE,
  SKIP,
} = c;

const W_REVERSED = weird('http.http1.reversed_direction');
const P_HTTP = counter('payload.http');
const P_TLS = counter('payload.tls');
export const P_OTHER = counter('payload.other');

/** The ledger: bytes go to what the connection is; while that is unknown they wait in the direction's remainder. */
export function count(n: number, x: number, length: number): void {
  const kind = N[n + N_KIND];
  if (kind === HTTP || kind === HTTP2) C[P_HTTP] += length;
  else if (kind === TLS) C[P_TLS] += length;
  else if (kind === UNKNOWN) LEFT[(x + X_REMAINING) >> 1] += length;
  else C[P_OTHER] += length;
}

export function setKind(n: number, kind: number): void {
  if (N[n + N_KIND] === UNKNOWN) {
    const target = kind === HTTP || kind === HTTP2 ? P_HTTP : kind === TLS ? P_TLS : P_OTHER;
    for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) {
      C[target] += LEFT[(x + X_REMAINING) >> 1];
      LEFT[(x + X_REMAINING) >> 1] = 0;
    }
  }
  N[n + N_KIND] = kind;
  if (kind === HTTP) N[n + N_FLAGS] |= WAS_HTTP;
}

/** Leaves both directions alone from here on. */
export function handOver(n: number, kind: number): void {
  setKind(n, kind);
  for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) {
    N[x + X_STATE] = SKIP;
    c.dropTail(x);
  }
}

export function isServer(n: number, direction: number): boolean {
  return N[n + N_CLIENT] === 2 - direction;
}

export function setClient(n: number, direction: number): void {
  if (N[n + N_CLIENT] !== direction + 1) {
    N[n + N_CLIENT] = direction + 1;
    if (direction === 1 && (N[n + N_FLAGS] & JOINED_LATE) === 0) raise(W_REVERSED);
  }
}
