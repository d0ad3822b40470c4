import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockRegion, bytes } from './arena.ts';
import { blockBytesUsed, capacity, enlarge, release, reserve, resetBlocks } from './blocks.ts';
import { weirdCount } from './weird.ts';

/** The largest block. */
const BLOCK_BYTES_MAX = 1 << 20;

test('sizes are rounded up to powers of two from 256 bytes', () => {
  resetBlocks(1 << 24);
  for (const [length, size] of [
    [0, 256],
    [1, 256],
    [256, 256],
    [257, 512],
    [512, 512],
    [513, 1024],
    [65_536, 65_536],
    [65_537, 131_072],
    [BLOCK_BYTES_MAX, BLOCK_BYTES_MAX],
  ]) {
    const at = reserve(length);
    assert.equal(capacity(at), size);
    release(at);
  }
  assert.equal(blockBytesUsed(), 0);
});

test('a block that was given back is handed out again', () => {
  resetBlocks(1 << 20);
  const [a, b] = [reserve(300), reserve(300)];
  release(a);
  release(b);
  assert.equal(reserve(500), b);
  assert.equal(reserve(500), a);
});

test('the budget: 0 and a weird, and room again after a release', () => {
  resetBlocks(1024);
  const before = weirdCount('limit.memory.block_bytes');
  const a = reserve(512);
  const b = reserve(512);
  assert.equal(reserve(1), 0);
  assert.equal(weirdCount('limit.memory.block_bytes'), before + 1);
  release(a);
  assert.notEqual(reserve(256), 0);
  assert.equal(blockBytesUsed(), 768);
  release(b);
});

test('more than the largest block is refused', () => {
  resetBlocks(1 << 26);
  assert.equal(reserve(BLOCK_BYTES_MAX + 1), 0);
});

test('a double release and a foreign offset are bugs', () => {
  resetBlocks(1 << 20);
  const a = reserve(100);
  release(0);
  release(a);
  assert.throws(() => release(a), /not in use/);
  assert.throws(() => release(a + 256), /not in use/);
  assert.throws(() => release(64), /not in use/);
});

test('enlarge keeps the bytes, or the old block when there is no room', () => {
  resetBlocks(256 + 1024);
  const a = reserve(100);
  bytes.write('hello', a);
  const b = enlarge(a, 5, 600);
  assert.equal(bytes.toString('latin1', b, b + 5), 'hello');
  assert.equal(blockBytesUsed(), 1024);
  assert.equal(enlarge(b, 5, 5000), 0);
  assert.equal(bytes.toString('latin1', b, b + 5), 'hello');
  assert.throws(() => release(a), /not in use/);
});

test('blocks in use never overlap, lie in their region and keep their bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.nat(9)), { maxLength: 200 }), (steps) => {
      resetBlocks(1 << 22);
      const live: { at: number; mark: number }[] = [];
      let mark = 0;
      for (const [length, what] of steps) {
        if (what < 4 && live.length > 0) release(live.splice((what * 7) % live.length, 1)[0].at);
        else {
          const at = reserve(length);
          mark = (mark + 1) & 255;
          bytes.fill(mark, at, at + capacity(at));
          live.push({ at, mark });
        }
      }
      let sum = 0;
      for (const { at, mark: m } of live) {
        assert.ok(at >= blockRegion.at && at + capacity(at) <= blockRegion.end);
        for (let i = 0; i < capacity(at); i++) assert.equal(bytes[at + i], m);
        sum += capacity(at);
      }
      assert.equal(blockBytesUsed(), sum);
    }),
    { numRuns: 30 },
  );
});
