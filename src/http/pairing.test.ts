import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resetBlocks } from '../base/blocks.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import * as c from './connection.ts';
import { callWeirds } from './head.ts';
import {
  beginCall,
  enqueue,
  finishCall,
  firstWaiting,
  nextFinished,
  pairResponse,
  requestDone,
  resetPairing,
  responseDone,
} from './pairing.ts';
import * as t from './transaction.ts';

/** The connection row of these tests, as a word index. */
const N = 5 * c.CONNECTION_WORDS;
const K = t.calls;

function reset(flags = 0, pipelineMax = 256, callsMax = 100): void {
  resetBlocks(1 << 20);
  resetCounters();
  resetWeirds();
  resetPairing(pipelineMax);
  t.resetCalls(callsMax);
  c.connections.fill(0, N, N + c.CONNECTION_WORDS);
  c.connections[N + c.N_CLIENT] = 1;
  c.connections[N + c.N_FLAGS] = flags;
}

/** A request of 100 bytes from `sequence` on, sent when `ack` of the server's bytes had come. */
function ask(sequence: number, ack: number, length = 100): number {
  const call = beginCall(N, 5);
  const k = call << t.CALL_SHIFT;
  K[k + t.C_FLAGS] |= t.HAS_REQUEST | t.HAS_END;
  K[k + t.REQUEST + t.S_SEQUENCE] = sequence | 0;
  K[k + t.C_REQUEST_END] = (sequence + length) | 0;
  K[k + t.C_ACK] = ack | 0;
  enqueue(N, call);
  return call;
}

function answer(call: number): void {
  K[(call << t.CALL_SHIFT) + t.C_FLAGS] |= t.HAS_RESPONSE;
}

/** Calls that are finished, with their causes. */
function finished(): [number, number][] {
  const out: [number, number][] = [];
  for (let call = nextFinished(); call !== 0; call = nextFinished()) out.push([call, K[(call << t.CALL_SHIFT) + t.C_CAUSES]]);
  return out;
}

const weirdsOf = (call: number): string[] => callWeirds.filter((_, i) => K[(call << t.CALL_SHIFT) + t.C_WEIRDS] & (1 << i));

test('without a hole, order alone decides', () => {
  reset();
  const a = ask(100, 500);
  const b = ask(200, 500);
  assert.equal(pairResponse(N, 500, 0), a);
  answer(a);
  assert.equal(firstWaiting(N), b);
  assert.equal(pairResponse(N, 700, 0), b);
});

test('nobody waits: no request', () => {
  reset();
  assert.equal(pairResponse(N, 500, 100), 0);
  const a = ask(100, 500);
  answer(a);
  assert.equal(pairResponse(N, 500, 200), 0);
});

test('after a hole, a response that had not seen the request answers another', () => {
  reset(c.GAPPED);
  const a = ask(1000, 500);
  assert.equal(pairResponse(N, 500, 900), 0);
  assert.equal(pairResponse(N, 500, 1000), 0);
  assert.equal(pairResponse(N, 500, 1001), a);
});

test('after a hole, a client that went on had its answer: that one was lost', () => {
  reset(c.GAPPED);
  const a = ask(1000, 500);
  const b = ask(1100, 700);
  // The response at 700 is the one after what the client had when it sent b.
  assert.equal(pairResponse(N, 700, 1200), b);
  assert.deepEqual(finished(), [[a, t.NO_RESPONSE | t.CAUSE_GAP]]);
  assert.equal(weirdCount('http.pairing.request_without_response'), 1);
});

test('after a hole, pipelined requests keep their order', () => {
  reset(c.GAPPED);
  const a = ask(1000, 500);
  const b = ask(1100, 500);
  assert.equal(pairResponse(N, 500, 1200), a);
  answer(a);
  assert.equal(pairResponse(N, 600, 1200), b);
  assert.deepEqual(finished(), []);
});

test('sequence numbers wrap', () => {
  reset(c.GAPPED);
  const a = ask(0xffffffc0, 0xfffffff0);
  const b = ask(0x24, 0x40);
  assert.equal(pairResponse(N, 0x40, 0x88), b);
  assert.equal(finished()[0][0], a);
});

test('a stream joined late is treated like one with a hole', () => {
  reset(c.JOINED_LATE);
  ask(1000, 500);
  assert.equal(pairResponse(N, 400, 900), 0);
});

test('a pipelined request says so; one behind an answer, or behind a lost answer, does not', () => {
  reset();
  const a = ask(100, 500);
  const b = ask(200, 500);
  assert.deepEqual([weirdsOf(a), weirdsOf(b)], [[], ['http.http1.pipelined']]);
  answer(b);
  assert.deepEqual(weirdsOf(ask(300, 600)), []);
  reset(c.GAPPED);
  ask(100, 500);
  assert.deepEqual(weirdsOf(ask(200, 600)), []);
});

test('a call is finished when both sides are done, in either order', () => {
  reset();
  const a = ask(100, 500);
  requestDone(N, a);
  assert.deepEqual(finished(), []);
  answer(a);
  responseDone(N, a);
  assert.deepEqual(finished(), [[a, 0]]);
  assert.deepEqual(weirdsOf(a), []);

  const b = ask(200, 600);
  answer(b);
  responseDone(N, b);
  assert.deepEqual(finished(), []);
  requestDone(N, b);
  assert.deepEqual(finished(), [[b, 0]]);
  assert.deepEqual(weirdsOf(b), ['http.http1.early_response']);
  assert.equal(countOf('calls.complete'), 2);
});

test('finished out of the middle of the queue, the rest stays linked', () => {
  reset();
  const [a, b, d] = [ask(100, 1), ask(200, 1), ask(300, 1)];
  finishCall(N, b, t.NO_RESPONSE);
  assert.equal(firstWaiting(N), a);
  answer(a);
  assert.equal(firstWaiting(N), d);
  finishCall(N, d, t.NO_RESPONSE);
  const e = ask(400, 1);
  assert.equal(firstWaiting(N), e);
  assert.deepEqual(
    finished().map(([call]) => call),
    [b, d],
  );
});

test('too many unanswered requests: the oldest goes, and its response is nobody else’s', () => {
  reset(0, 2);
  const [a, b] = [ask(100, 1), ask(200, 1)];
  ask(300, 1);
  assert.deepEqual(finished(), [[a, t.NO_RESPONSE | t.CUT_AT_LIMIT]]);
  assert.equal(weirdCount('limit.http.pipeline'), 1);
  assert.equal(pairResponse(N, 500, 400), 0);
  assert.equal(pairResponse(N, 600, 400), b);
});

test('too many calls in flight: none is begun', () => {
  reset(0, 256, 2);
  ask(100, 1);
  ask(200, 1);
  assert.equal(beginCall(N, 5), 0);
  assert.equal(weirdCount('limit.http.calls'), 1);
});

test('depth counts the calls of a connection, and says how they came', () => {
  reset(c.IN_CONNECT | c.JOINED_LATE);
  const [a, b] = [ask(100, 1), ask(200, 1)];
  assert.deepEqual([K[(a << t.CALL_SHIFT) + t.C_DEPTH], K[(b << t.CALL_SHIFT) + t.C_DEPTH]], [1, 2]);
  assert.equal(K[(a << t.CALL_SHIFT) + t.C_CONNECTION], t.VIA_CONNECT | t.FROM_MIDSTREAM);
});

test('more finished calls than the ring began with', () => {
  reset(0, 5000, 5000);
  const made = Array.from({ length: 3000 }, (_, i) => ask(i, 1));
  for (const call of made) finishCall(N, call, t.NO_RESPONSE);
  assert.deepEqual(
    finished().map(([call]) => call),
    made,
  );
});
