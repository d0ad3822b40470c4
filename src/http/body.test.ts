import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, packetRegion } from '../base/arena.ts';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { weirdCount } from '../base/weird.ts';
import { addBody, resetBodies } from './body.ts';
import {
  C_FLAGS,
  CALL_SHIFT,
  calls,
  D_BODY,
  D_REQUEST,
  D_RESPONSE,
  doubles,
  newCall,
  REQUEST,
  REQUEST_STOPPED,
  RESPONSE,
  releaseCall,
  resetCalls,
  S_BODY,
  S_KEPT,
} from './transaction.ts';

const AT = packetRegion.at;

function begin(keep: number, blockBytesMax = 1 << 24): number {
  resetBlocks(blockBytesMax);
  resetCalls(10);
  resetBodies(keep);
  return newCall();
}

function add(call: number, side: number, text: string, expected = 0): void {
  addBody(call, side, AT, AT + bytes.write(text, AT, 'latin1'), expected);
}

function kept(call: number, side: number): string {
  const s = (call << CALL_SHIFT) + side;
  return bytes.toString('latin1', calls[s + S_BODY], calls[s + S_BODY] + calls[s + S_KEPT]);
}

const total = (call: number, side: number): number => doubles[(call << 5) + (side === REQUEST ? D_REQUEST : D_RESPONSE) + D_BODY];

test('both sides are kept apart, piece by piece', () => {
  const call = begin(1000);
  add(call, REQUEST, 'abc');
  add(call, RESPONSE, '1234');
  add(call, REQUEST, 'def');
  assert.deepEqual([kept(call, REQUEST), kept(call, RESPONSE)], ['abcdef', '1234']);
  assert.deepEqual([total(call, REQUEST), total(call, RESPONSE)], [6, 4]);
  releaseCall(call);
  assert.equal(blockBytesUsed(), 0);
});

test('the limit cuts what is kept and never what is counted', () => {
  const call = begin(10);
  for (let i = 0; i < 5; i++) add(call, RESPONSE, 'abcd', 100);
  assert.equal(kept(call, RESPONSE), 'abcdabcdab');
  assert.equal(total(call, RESPONSE), 20);
});

test('a limit of 0 keeps nothing and takes no memory', () => {
  const call = begin(0);
  add(call, RESPONSE, 'abcd', 100);
  assert.equal(total(call, RESPONSE), 4);
  assert.equal(blockBytesUsed(), 0);
});

test('an expected length takes one block; without it the block grows', () => {
  const call = begin(16_384);
  add(call, RESPONSE, 'x'.repeat(100), 5000);
  assert.equal(blockBytesUsed(), 8192);
  add(call, REQUEST, 'x'.repeat(100));
  assert.equal(blockBytesUsed(), 8192 + 256);
  for (let i = 0; i < 20; i++) add(call, REQUEST, 'y'.repeat(100));
  assert.equal(kept(call, REQUEST), 'x'.repeat(100) + 'y'.repeat(2000));
  assert.equal(blockBytesUsed(), 8192 + 4096);
});

test('no memory: what is kept so far stays, and later pieces do not follow a hole', () => {
  const call = begin(16_384, 512);
  const before = weirdCount('limit.memory.block_bytes');
  add(call, REQUEST, 'a'.repeat(200));
  add(call, REQUEST, 'b'.repeat(200));
  assert.equal(weirdCount('limit.memory.block_bytes'), before + 1);
  add(call, REQUEST, 'c'.repeat(20));
  assert.equal(kept(call, REQUEST), 'a'.repeat(200));
  assert.equal(total(call, REQUEST), 420);
  assert.equal(calls[(call << CALL_SHIFT) + C_FLAGS], REQUEST_STOPPED);
});

test('more than 2^32 bytes are counted', () => {
  const call = begin(4);
  doubles[(call << 5) + D_RESPONSE + D_BODY] = 2 ** 32 - 1;
  add(call, RESPONSE, 'abc');
  assert.equal(total(call, RESPONSE), 2 ** 32 + 2);
});
