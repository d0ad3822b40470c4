import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytes, packetRegion } from '../base/arena.ts';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { weirdCount } from '../base/weird.ts';
import {
  dropHeld,
  H_BLOCK,
  H_KIND,
  H_LENGTH,
  H_SEQUENCE,
  HELD_CUT,
  HELD_DATA,
  HELD_FIN,
  held,
  heldBytesTotal,
  insertHeld,
  insertion,
  payloadBytesOf,
  resetHeld,
} from './held.ts';

function reset(blockBytesMax = 1 << 24): void {
  resetBlocks(blockBytesMax);
  resetHeld();
}

function insert(first: number, sequence: number, text: string, kind = HELD_DATA, length = text.length): number {
  bytes.write(text, packetRegion.at, 'latin1');
  return insertHeld(first, kind, sequence, length, packetRegion.at, 0, 0);
}

/** "105 text" for data, "105 cut 3", "105 fin". */
function list(first: number): string[] {
  const out: string[] = [];
  for (let row = first; row !== 0; row = held[row << 3]) {
    const h = row << 3;
    const kind = held[h + H_KIND];
    const length = held[h + H_LENGTH];
    const what =
      kind === HELD_FIN
        ? 'fin'
        : kind === HELD_CUT
          ? `cut ${length}`
          : bytes.toString('latin1', held[h + H_BLOCK], held[h + H_BLOCK] + length);
    out.push(`${held[h + H_SEQUENCE]} ${what}`);
  }
  return out;
}

test('pieces are kept in order, whatever order they come in', () => {
  reset();
  let first = insert(0, 110, 'kk');
  first = insert(first, 100, 'aaa');
  first = insert(first, 105, 'ff');
  assert.deepEqual(list(first), ['100 aaa', '105 ff', '110 kk']);
  assert.equal(payloadBytesOf(first), 7);
  assert.equal(heldBytesTotal(), 3 * 256);
});

test('what is held already is left out, and counted', () => {
  reset();
  let first = insert(0, 103, 'def');
  first = insert(first, 100, 'abcdefghi');
  assert.deepEqual(list(first), ['100 abc', '103 def', '106 ghi']);
  assert.equal(insertion.repeated, 3);
  first = insert(first, 101, 'bcd');
  assert.equal(insertion.repeated, 3);
  assert.equal(insertion.memory, 0);
  assert.deepEqual(list(first), ['100 abc', '103 def', '106 ghi']);
});

test('a copy that differs is told once, and the first one stays', () => {
  reset();
  const before = weirdCount('flow.tcp.overlap_differs');
  let first = insert(0, 100, 'abcdef');
  first = insert(first, 98, '..aXcXef..');
  assert.deepEqual(list(first), ['98 ..', '100 abcdef', '106 ..']);
  assert.equal(weirdCount('flow.tcp.overlap_differs'), before + 1);
});

test('bytes that were not captured are held without a block', () => {
  reset();
  let first = insert(0, 100, 'ab');
  first = insert(first, 102, '', HELD_CUT, 50);
  assert.deepEqual(list(first), ['100 ab', '102 cut 50']);
  assert.equal(payloadBytesOf(first), 2);
  assert.equal(heldBytesTotal(), 256);
});

test('one FIN, at its place', () => {
  reset();
  let first = insert(0, 110, '', HELD_FIN, 0);
  first = insert(first, 110, '', HELD_FIN, 0);
  first = insert(first, 105, 'hello');
  first = insert(first, 100, 'abcde');
  assert.deepEqual(list(first), ['100 abcde', '105 hello', '110 fin']);
});

test('sequence numbers wrap inside a list', () => {
  reset();
  let first = insert(0, 2, 'late');
  first = insert(first, -3, 'abc');
  first = insert(first, -1, 'cde??');
  assert.deepEqual(list(first), ['-3 abc', '0 de', '2 late']);
});

test('no memory: what did not fit is told', () => {
  reset(256);
  let first = insert(0, 100, 'abc');
  first = insert(first, 110, 'defgh');
  assert.deepEqual([list(first), insertion.refused], [['100 abc'], 5]);
  dropHeld(first, false);
  assert.equal(heldBytesTotal(), 0);
  assert.equal(blockBytesUsed(), 0);
});

test('a row may be dropped while its block lives on', () => {
  reset();
  const first = insert(0, 100, 'abc');
  const block = held[(first << 3) + H_BLOCK];
  assert.equal(dropHeld(first, true), 256);
  assert.equal(heldBytesTotal(), 0);
  assert.equal(blockBytesUsed(), 256);
  assert.equal(bytes.toString('latin1', block, block + 3), 'abc');
});

test('agrees with a map of first copies', () => {
  const piece = fc.tuple(fc.nat(60), fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('a', 'b', 'c') }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.constantFrom(1000, 0x7fffffe0, -30), (pieces, base) => {
      reset();
      const model = new Map<number, string>();
      let first = 0;
      for (const [at, text] of pieces) {
        let repeated = 0;
        for (let i = 0; i < text.length; i++) {
          if (model.has(at + i)) repeated++;
          else model.set(at + i, text[i]);
        }
        first = insert(first, (base + at) | 0, text);
        assert.equal(insertion.repeated, repeated);
      }
      const got = new Map<number, string>();
      let last = -1;
      for (let row = first; row !== 0; row = held[row << 3]) {
        const h = row << 3;
        const at = (held[h + H_SEQUENCE] - base) | 0;
        assert.ok(at > last, 'in order and disjoint');
        for (let i = 0; i < held[h + H_LENGTH]; i++) got.set(at + i, String.fromCharCode(bytes[held[h + H_BLOCK] + i]));
        last = at + held[h + H_LENGTH] - 1;
      }
      assert.deepEqual([...got].sort(), [...model].sort());
    }),
    { numRuns: 300 },
  );
});
