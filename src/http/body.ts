/**
 * Bodies: counted in full, kept up to `http.bodyBytes` bytes as they came (content-codings are undone when the
 * call is recorded). A kept body lies in one block that grows; when there is no room it is cut.
 */
import { bytes } from '../base/arena.ts';
import { capacity, enlarge, reserve } from '../base/blocks.ts';
import { countMessages } from '../grpc/messages.ts';
import {
  C_FLAGS,
  C_GRPC,
  CALL_SHIFT,
  calls,
  D_BODY,
  D_REQUEST,
  doubles,
  REQUEST,
  REQUEST_STOPPED,
  RESPONSE_STOPPED,
  S_BODY,
  S_KEPT,
} from './transaction.ts';

const B = bytes;
const K = calls;
const D = doubles;
const SHIFT = CALL_SHIFT;
const BODY = S_BODY;
const KEPT = S_KEPT;
const GRPC = C_GRPC;

let bodyBytes = 16384;

export function resetBodies(max: number): void {
  bodyBytes = max;
}

/** Adds `[at, end)` to the body of one side (REQUEST or RESPONSE) of a call; `expected` more bytes are known to come. */
export function addBody(call: number, side: number, at: number, end: number, expected: number): void {
  const s = (call << SHIFT) + side;
  const n = end - at;
  D[(call << 5) + D_REQUEST + ((side - REQUEST) >> 2) + D_BODY] += n;
  const messages = K[(call << SHIFT) + GRPC];
  if (messages !== 0) countMessages(messages, side === REQUEST ? 0 : 1, at, end);
  const kept = K[s + KEPT];
  const room = bodyBytes - kept;
  const stopped = side === REQUEST ? REQUEST_STOPPED : RESPONSE_STOPPED;
  if (room <= 0 || K[(call << SHIFT) + C_FLAGS] & stopped) return;
  const take = n < room ? n : room;
  let block = K[s + BODY];
  if (block === 0) {
    const want = expected > n ? expected : n;
    block = reserve(want < bodyBytes ? want : bodyBytes);
    if (block === 0) {
      K[(call << SHIFT) + C_FLAGS] |= stopped;
      return;
    }
    K[s + BODY] = block;
  } else if (kept + take > capacity(block)) {
    const double = 2 * capacity(block);
    const want = double > kept + take ? double : kept + take;
    const larger = enlarge(block, kept, want < bodyBytes ? want : bodyBytes);
    if (larger === 0) {
      K[(call << SHIFT) + C_FLAGS] |= stopped;
      return;
    }
    block = larger;
    K[s + BODY] = block;
  }
  B.copyWithin(block + kept, at, at + take);
  K[s + KEPT] = kept + take;
}
