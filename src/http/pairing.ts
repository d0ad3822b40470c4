/**
 * Pairing: requests queue on their connection; a response belongs to the first that waits. After a hole order
 * alone is not trusted: acknowledgement numbers say which requests a response can answer.
 *
 * - A response whose segment does not acknowledge the first byte of a request cannot be its answer: its own
 *   request was not captured.
 * - A server that acknowledges bytes beyond a request whose successor was lost answers the successor: clients send
 *   the next request only after the answer to the one before, unless they pipeline.
 * - A client that sent its next request after it had received bytes beyond this response's place had the
 *   answer to the request before: that answer was lost, and the request is reported without one.
 *
 * Finished calls wait in a ring until the pipeline takes them (`nextFinished`), before the next chunk is parsed.
 */
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import * as c from './connection.ts';
import { EARLY_RESPONSE, PIPELINED, raiseBits } from './head.ts';
import { raiseHttp2Bits } from './http2-weirds.ts';
import * as t from './transaction.ts';

const C = counts;
const N = c.connections;
const K = t.calls;
const { N_QUEUE, N_QUEUE_LAST, N_DEPTH, N_FLAGS, N_QUEUED, N_CLIENT, N_PROXY, GAPPED, IN_CONNECT, IN_SOCKS, JOINED_LATE } = c;
const { CALL_SHIFT, C_NEXT, C_FLOW, C_FLAGS, C_CAUSES, C_DEPTH, C_ACK, C_WEIRDS, C_CONNECTION, C_CLIENT, C_PROXY, C_REQUEST_END, HAS_END } =
  t;
const { REQUEST, S_SEQUENCE } = t;
const { HAS_REQUEST, HAS_RESPONSE, REQUEST_DONE, RESPONSE_DONE } = t;

const T_SEEN = counter('calls.seen');
const T_COMPLETE = counter('calls.complete');
const T_NO_RESPONSE = counter('calls.incomplete{no-response}');
const T_NO_REQUEST = counter('calls.incomplete{no-request}');
const T_PARTIAL = counter('calls.incomplete{partial}');
const T_CLOSINGS = counter('closings.seen');
const W_NO_RESPONSE = weird('http.pairing.request_without_response');
const W_NO_REQUEST = weird('http.pairing.response_without_request');
const W_PIPELINE = weird('limit.http.pipeline');
const W_CALLS = weird('limit.http.calls');

/** A FIN takes one sequence number: acknowledging it says nothing of another request. */
const FIN_BYTES = 1;

const PUSHED_MAX = 0x7fff;

let pipelineMax = 256;
let finished = new Int32Array(1024);
let finishedAt = 0;
let finishedEnd = 0;
/** Kept bytes of bodies of those that wait. */
let finishedBytes = 0;

export function resetPairing(max: number): void {
  pipelineMax = max < 1 ? 1 : max;
  finishedAt = 0;
  finishedEnd = 0;
  finishedBytes = 0;
}

/** The next finished call, or 0. The caller gives it back with `releaseCall` once it has been recorded. */
export function nextFinished(): number {
  if (finishedAt === finishedEnd) {
    finishedAt = 0;
    finishedEnd = 0;
    finishedBytes = 0;
    return 0;
  }
  return finished[finishedAt++];
}

/** Finished calls that wait for `nextFinished`. */
export function finishedCalls(): number {
  return finishedEnd - finishedAt;
}

/** Kept bytes of their bodies, since the last time that none waited. */
export function finishedBodyBytes(): number {
  return finishedBytes;
}

/** A new call of connection row `n` (word index) and flow row `flow`; 0 when there is no room. */
export function beginCall(n: number, flow: number): number {
  const call = t.newCall();
  if (call === 0) {
    raise(W_CALLS);
    return 0;
  }
  const k = call << CALL_SHIFT;
  const flags = N[n + N_FLAGS];
  K[k + C_FLOW] = flow;
  K[k + C_CLIENT] = N[n + N_CLIENT] - 1;
  K[k + C_DEPTH] = ++N[n + N_DEPTH];
  K[k + C_PROXY] = N[n + N_PROXY];
  K[k + C_CONNECTION] =
    (flags & IN_CONNECT ? t.VIA_CONNECT : 0) | (flags & IN_SOCKS ? t.VIA_SOCKS : 0) | (flags & JOINED_LATE ? t.FROM_MIDSTREAM : 0);
  return call;
}

/** Puts a request at the end of its connection's queue. */
export function enqueue(n: number, call: number): void {
  const k = call << CALL_SHIFT;
  const last = N[n + N_QUEUE_LAST];
  if (last === 0) N[n + N_QUEUE] = call;
  else {
    K[(last << CALL_SHIFT) + C_NEXT] = call;
    const l = last << CALL_SHIFT;
    // After a hole, a client that acknowledged more in between may have had the answer, which was lost.
    const answered = K[l + C_FLAGS] & HAS_RESPONSE || (N[n + N_FLAGS] & GAPPED && ((K[k + C_ACK] - K[l + C_ACK]) | 0) > 0);
    if (!answered) K[k + C_WEIRDS] |= PIPELINED;
  }
  if (N[n + N_FLAGS] & c.REQUEST_HOLE || (last !== 0 && K[(last << CALL_SHIFT) + C_FLAGS] & t.DOUBTFUL && isSameBurst(last, call)))
    doubt(call);
  N[n + N_QUEUE_LAST] = call;
  if (N[n + N_FLAGS] & c.RESPONSE_HOLE) doubtBursts(n);
  if (++N[n + N_QUEUED] > pipelineMax) {
    raise(W_PIPELINE);
    const oldest = N[n + N_QUEUE];
    const answered = K[(oldest << CALL_SHIFT) + C_FLAGS] & HAS_RESPONSE;
    const doubtful = K[(oldest << CALL_SHIFT) + C_FLAGS] & t.DOUBTFUL;
    if (!answered && !doubtful && N[n + N_FLAGS] >> c.PUSHED_SHIFT < PUSHED_MAX) N[n + N_FLAGS] += 1 << c.PUSHED_SHIFT;
    finishCall(n, oldest, answered ? t.CUT_AT_LIMIT : t.NO_RESPONSE | t.CUT_AT_LIMIT);
  }
}

/** The first call of the queue that has no response yet, or 0. */
export function firstWaiting(n: number): number {
  let call = N[n + N_QUEUE];
  while (call !== 0 && K[(call << CALL_SHIFT) + C_FLAGS] & HAS_RESPONSE) call = K[(call << CALL_SHIFT) + C_NEXT];
  return call;
}

/** Whether the client sent the later of two requests before it had received anything more than when it sent the other. */
function isSameBurst(call: number, later: number): boolean {
  return ((K[(later << CALL_SHIFT) + C_ACK] - K[(call << CALL_SHIFT) + C_ACK]) | 0) <= 0;
}

function doubt(call: number): void {
  K[(call << CALL_SHIFT) + C_FLAGS] |= t.DOUBTFUL;
  K[(call << CALL_SHIFT) + C_CAUSES] |= t.CAUSE_GAP;
}

/**
 * Whole messages may lie in a hole of one direction. Of requests that were pipelined around it, nobody can tell
 * which response is whose; one that was sent alone is known by its acknowledgements.
 */
export function noteHole(n: number, server: boolean): void {
  N[n + N_FLAGS] |= server ? c.RESPONSE_HOLE : c.REQUEST_HOLE;
  if (N[n + N_FLAGS] & c.RESPONSE_HOLE) doubtBursts(n);
}

function doubtBursts(n: number): void {
  for (let call = firstWaiting(n); call !== 0; call = K[(call << CALL_SHIFT) + C_NEXT]) {
    const next = K[(call << CALL_SHIFT) + C_NEXT];
    // Of a request that was cut, acknowledgements do not say whether it is answered.
    if ((K[(call << CALL_SHIFT) + C_FLAGS] & (REQUEST_DONE | HAS_END)) === REQUEST_DONE) doubt(call);
    if (next !== 0 && isSameBurst(call, next)) {
      doubt(call);
      doubt(next);
    }
  }
}

/** An interim response ends at `end`, having begun at `sequence`: what it announces stands behind it. */
export function noteInterim(n: number, sequence: number, end: number): void {
  let call = firstWaiting(n);
  if (call === 0) return;
  for (let next = K[(call << CALL_SHIFT) + C_NEXT]; next !== 0; next = K[(call << CALL_SHIFT) + C_NEXT]) {
    if (isSameBurst(call, next) || ((K[(next << CALL_SHIFT) + C_ACK] - sequence) | 0) > 0) break;
    call = next;
  }
  K[(call << CALL_SHIFT) + C_ACK] = end;
}

/** The call that a response answers whose first byte is `sequence` in a segment that acknowledges `ack`; 0: its request was not captured. */
export function pairResponse(n: number, sequence: number, ack: number): number {
  if (N[n + N_FLAGS] >> c.PUSHED_SHIFT > 0) {
    // It answers a request that was pushed out of the queue.
    N[n + N_FLAGS] -= 1 << c.PUSHED_SHIFT;
    return 0;
  }
  let call = firstWaiting(n);
  N[n + N_FLAGS] &= ~c.RESPONSE_HOLE;
  // Sent before the server had received anything behind the request, it says nothing about a hole there.
  const earlier = call !== 0 && K[(call << CALL_SHIFT) + C_FLAGS] & HAS_END && ((ack - K[(call << CALL_SHIFT) + C_REQUEST_END]) | 0) <= 0;
  if (!earlier) N[n + N_FLAGS] &= ~c.REQUEST_HOLE;
  if (call === 0 || (N[n + N_FLAGS] & (GAPPED | JOINED_LATE)) === 0) return call;
  for (;;) {
    const k = call << CALL_SHIFT;
    // The server had not received this request when it sent the response.
    if (((ack - K[k + REQUEST + S_SEQUENCE]) | 0) <= 0) return 0;
    const next = K[k + C_NEXT];
    const end = K[k + C_REQUEST_END];
    const hasEnd = (K[k + C_FLAGS] & HAS_END) !== 0;
    if (next !== 0) {
      const n2 = next << CALL_SHIFT;
      const answeredBefore = ((K[n2 + C_ACK] - K[k + C_ACK]) | 0) > 0 && ((K[n2 + C_ACK] - sequence) | 0) <= 0;
      if (answeredBefore) {
        finishCall(n, call, t.NO_RESPONSE | t.CAUSE_GAP);
        call = next;
        continue;
      }
      // A lost request stands between these two, and the server answers that one.
      const nextSequence = K[n2 + REQUEST + S_SEQUENCE];
      if (!hasEnd || end === nextSequence || ((ack - end) | 0) <= FIN_BYTES || ((ack - nextSequence) | 0) > 0)
        return K[k + C_FLAGS] & t.DOUBTFUL ? 0 : call;
    } else if (!hasEnd || ((ack - end) | 0) <= FIN_BYTES) return K[k + C_FLAGS] & t.DOUBTFUL ? 0 : call;
    // The server had received more than this request: it answers a later one, which was lost.
    finishCall(n, call, t.NO_RESPONSE | t.CAUSE_GAP);
    return 0;
  }
}

/** Takes a call out of its connection's queue (if it is there) and puts it on the finished ring. */
export function finishCall(n: number, call: number, causes: number): void {
  const k = call << CALL_SHIFT;
  if (K[k + C_FLAGS] & HAS_REQUEST) {
    let previous = 0;
    let at = N[n + N_QUEUE];
    while (at !== 0 && at !== call) {
      previous = at;
      at = K[(at << CALL_SHIFT) + C_NEXT];
    }
    if (at === call) {
      const next = K[k + C_NEXT];
      if (previous === 0) N[n + N_QUEUE] = next;
      else K[(previous << CALL_SHIFT) + C_NEXT] = next;
      if (N[n + N_QUEUE_LAST] === call) N[n + N_QUEUE_LAST] = previous;
      N[n + N_QUEUED]--;
    }
  }
  for (let x = n + c.N_SIDE; x < n + c.CONNECTION_WORDS; x += 1 << c.SIDE_SHIFT) {
    if (N[x + c.X_CALL] === call) N[x + c.X_CALL] = 0;
  }
  K[k + C_CAUSES] |= causes;
  const flags = K[k + C_FLAGS];
  if (flags & t.REPORTED) C[T_CLOSINGS]++;
  else countCall(flags, K[k + C_CAUSES]);
  raiseBits(K[k + C_WEIRDS]);
  raiseHttp2Bits(K[k + t.C_HTTP2_WEIRDS]);
  if (finishedEnd === finished.length) {
    const larger = new Int32Array(finished.length * 2);
    larger.set(finished);
    finished = larger;
  }
  finished[finishedEnd++] = call;
  finishedBytes += K[k + t.REQUEST + t.S_KEPT] + K[k + t.RESPONSE + t.S_KEPT];
}

function countCall(flags: number, causes: number): void {
  C[T_SEEN]++;
  if ((flags & HAS_RESPONSE) === 0) {
    raise(W_NO_RESPONSE);
    C[T_NO_RESPONSE]++;
  } else if ((flags & HAS_REQUEST) === 0) {
    raise(W_NO_REQUEST);
    C[T_NO_REQUEST]++;
  } else if (causes !== 0) C[T_PARTIAL]++;
  else C[T_COMPLETE]++;
}

/** The request of this call is whole (or as whole as it will be). */
export function requestDone(n: number, call: number): void {
  const k = call << CALL_SHIFT;
  K[k + C_FLAGS] |= REQUEST_DONE;
  if (K[k + C_FLAGS] & RESPONSE_DONE) {
    K[k + C_WEIRDS] |= EARLY_RESPONSE;
    finishCall(n, call, 0);
  }
}

/** The response of this call is whole (or as whole as it will be). */
export function responseDone(n: number, call: number): void {
  const k = call << CALL_SHIFT;
  K[k + C_FLAGS] |= RESPONSE_DONE;
  if (K[k + C_FLAGS] & REQUEST_DONE || (K[k + C_FLAGS] & HAS_REQUEST) === 0) finishCall(n, call, 0);
}
