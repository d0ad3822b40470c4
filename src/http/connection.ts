/**
 * What http/ knows of a connection: one row of 24 int32 for each row of the flow table, by the same number.
 *
 *     0 kind   1 client direction + 1   2, 3 first and last call of the queue   4 calls so far   5 flags
 *     6 block of the PROXY protocol header   7 calls in the queue
 *     8..15 direction 0, 16..23 direction 1:
 *        0 state   1 flags   2 call under way   3 tail block   4 tail bytes
 *        5 small state of the parser; for HTTP/2, that of direction 0 is the number of the connection in http2/
 *        6, 7 remaining bytes of the body or chunk, as a double
 *
 * A row is all zeros for a connection that has sent nothing; `CLOSE` brings it back to that.
 */
import { release } from '../base/blocks.ts';

export const CONNECTION_WORDS = 24;
const ROWS_MAX = (1 << 21) + 4096;
/** Row `n` starts at word `n * CONNECTION_WORDS`. */
export const connections: Int32Array = new Int32Array(ROWS_MAX * CONNECTION_WORDS);
const N = connections;
/** The same rows as doubles, for `remaining`. */
export const remainders: Float64Array = new Float64Array(connections.buffer);

export const N_KIND = 0;
export const N_CLIENT = 1;
export const N_QUEUE = 2;
export const N_QUEUE_LAST = 3;
export const N_DEPTH = 4;
export const N_FLAGS = 5;
export const N_PROXY = 6;
export const N_QUEUED = 7;
export const N_SIDE = 8;
export const SIDE_SHIFT = 3;

export const X_STATE = 0;
export const X_FLAGS = 1;
export const X_CALL = 2;
export const X_TAIL = 3;
export const X_TAIL_BYTES = 4;
export const X_SMALL = 5;
/** Index into `remainders`: `(x + X_REMAINING) >> 1`. */
export const X_REMAINING = 6;

// Kinds of a connection: what it turned out to carry.
export const UNKNOWN = 0;
export const HTTP = 1;
export const TLS = 2;
export const HTTP2 = 3;
export const WEBSOCKET = 4;
export const UPGRADED = 5;
export const SOCKS = 6;
/** It never carried a byte. */
export const EMPTY = 7;
/** Names of the kinds by value. */
export const kindNames: readonly string[] = ['other', 'http', 'tls', 'http2', 'websocket', 'upgraded', 'socks', 'empty'];

// Flags of a connection.
/** A hole was seen in either direction: pairing looks at acknowledgements. */
export const GAPPED = 1;
export const IN_CONNECT = 2;
export const IN_SOCKS = 4;
export const SOCKS_AUTHENTICATES = 8;
/** HTTP was found at least once. */
export const WAS_HTTP = 16;
export const JOINED_LATE = 32;
/** A hole in which requests may have been lost, and no response came since. */
export const REQUEST_HOLE = 64;
/** The same for responses. */
export const RESPONSE_HOLE = 128;
/** From this bit on: how many responses are still to come to requests that http.pipelineMax had pushed out of the queue. */
export const PUSHED_SHIFT = 16;

// States of a direction.
/** At the start of the stream: the protocol is not known yet. */
export const IDENTIFY = 0;
/** Between messages, or inside a head. */
export const HEAD = 1;
export const BODY_LENGTH = 2;
export const BODY_CLOSE = 3;
export const CHUNK_SIZE = 4;
export const CHUNK_EXTENSION = 5;
export const CHUNK_DATA = 6;
export const CHUNK_END = 7;
export const TRAILER = 8;
/** Looking for the next plausible message. */
export const SEARCH = 9;
/** Not HTTP, or handed over: bytes are counted and left alone. */
export const SKIP = 10;
/** The rest of a head that is longer than http.headBytesMax. */
export const HEAD_REST = 11;
/** The rest of a line that is longer than http.headBytesMax and no head. */
export const LINE_REST = 12;
/** HTTP/2: http2/ reads. */
export const FRAMES = 13;
/** WebSocket: websocket/ reads; the small state is the number of the direction there. */
export const SOCKET = 14;

/** Gives back a direction's tail. `x` is the word index of the direction. */
export function dropTail(x: number): void {
  release(N[x + X_TAIL]);
  N[x + X_TAIL] = 0;
  N[x + X_TAIL_BYTES] = 0;
}

/** Back to all zeros. */
export function clearConnection(n: number): void {
  for (let x = n + N_SIDE; x < n + CONNECTION_WORDS; x += 1 << SIDE_SHIFT) release(N[x + X_TAIL]);
  release(N[n + N_PROXY]);
  N.fill(0, n, n + CONNECTION_WORDS);
}
