/** Random header blocks, beside a model that is as plain as it can be: whole connections, late ones, lost blocks, wrong bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { HeaderTable, SIZE_UNKNOWN } from './header-table.ts';
import {
  decodeBlock,
  entriesOf,
  type Field,
  fieldsOf,
  type Known,
  ModelDecoder,
  ModelEncoder,
  numbers,
  someFields,
  writeNumber,
} from './hpack-testing.ts';

resetBlocks(64 << 20);
const sizes = [0, 32, 100, 400, 1000, 4096, 10_000, 70_000];

interface Encoded {
  readonly fields: readonly Known[];
  readonly block: Uint8Array;
}

/** Blocks of one connection, in order. With `changes`, some begin with size updates. */
function connection(seed: number, count: number, changes: boolean): { encoded: Encoded[]; encoder: ModelEncoder } {
  const below = numbers(seed);
  const encoder = new ModelEncoder(below);
  const encoded = Array.from({ length: count }, (): Encoded => {
    const updates: number[] = [];
    for (let n = changes && below(12) === 0 ? 1 + below(2) : 0; n > 0; n--) updates.push(...encoder.update(sizes[below(sizes.length)]));
    const fields = someFields(below, below(12));
    return { fields, block: Uint8Array.from([...updates, ...encoder.encode(fields)]) };
  });
  return { encoded, encoder };
}

test('seen from the start: every field and every entry is that of the model', () => {
  fc.assert(
    fc.property(fc.nat(), fc.boolean(), (seed, changes) => {
      const { encoded, encoder } = connection(seed, 40, changes);
      const table = new HeaderTable(false);
      table.resize(SIZE_UNKNOWN);
      for (const { fields, block } of encoded) assert.deepEqual(fieldsOf(table, block), fields);
      assert.deepEqual(entriesOf(table), encoder.entries.slice(0, table.count));
      if (encoder.bytes <= 65_536) assert.equal(table.bytes, encoder.bytes);
      table.release();
    }),
    { numRuns: 60 },
  );
  assert.equal(blockBytesUsed(), 0);
});

/** Fails when a field is wrong; returns how many names and values were known. */
function check(seen: readonly Field[], fields: readonly Known[]): number {
  assert.equal(seen.length, fields.length);
  let known = 0;
  for (const [i, field] of seen.entries()) {
    for (const part of [0, 1] as const) {
      if (field[part] === null) continue;
      assert.equal(field[part], fields[i][part]);
      known++;
    }
  }
  return known;
}

test('joined at each block in turn: no field is ever wrong, and the share that is known rises', () => {
  const BLOCKS = 40;
  const knownAfter = new Float64Array(BLOCKS);
  const allAfter = new Float64Array(BLOCKS);
  for (let seed = 1; seed <= 24; seed++) {
    const { encoded } = connection(seed, BLOCKS, seed % 2 === 0);
    for (let joint = 1; joint < BLOCKS; joint++) {
      const table = new HeaderTable(true);
      for (let i = joint; i < BLOCKS; i++) {
        const { fields, block } = encoded[i];
        knownAfter[i - joint] += check(fieldsOf(table, block), fields);
        allAfter[i - joint] += 2 * fields.length;
      }
      table.release();
    }
  }
  const shares = [0, 4, 9, 19].map((i) => knownAfter[i] / allAfter[i]);
  for (let i = 1; i < shares.length; i++) assert.ok(shares[i] > shares[i - 1], `shares known ${shares.join(', ')}`);
  // Not all: a name that stands in the table from before may be used without end.
  assert.ok(shares[0] > 0.5 && shares[3] > 0.9, `shares known ${shares.join(', ')}`);
});

test('joined when the size in effect is not the default, and that is never said: no field is wrong', () => {
  for (const size of sizes) {
    for (let seed = 1; seed <= 12; seed++) {
      const below = numbers(seed);
      const encoder = new ModelEncoder(below);
      encoder.setSize(size);
      encoder.encode(someFields(below, 50));
      // Also as seen by one who believes to have seen all, and was wrong: an error is possible, a wrong field is not.
      const late = new HeaderTable(true);
      const wrong = new HeaderTable(false);
      for (let i = 0; i < 30; i++) {
        const fields = someFields(below, 8);
        const block = Uint8Array.from(encoder.encode(fields));
        check(fieldsOf(late, block), fields);
        const seen = decodeBlock(wrong, block).fields;
        check(seen, fields.slice(0, seen.length));
      }
      late.release();
      wrong.release();
    }
  }
});

test('lost blocks: no field is wrong, and most is known again in the end', () => {
  let known = 0;
  let all = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { encoded } = connection(seed, 120, seed % 3 === 0);
    const below = numbers(-seed);
    const table = new HeaderTable(false);
    table.resize(SIZE_UNKNOWN);
    for (const [i, { fields, block }] of encoded.entries()) {
      if (i < 60 && below(8) === 0) {
        table.poison();
        continue;
      }
      const right = check(fieldsOf(table, block), fields);
      if (i < 100) continue;
      known += right;
      all += 2 * fields.length;
    }
    table.release();
  }
  assert.ok(known / all > 0.95, `share known ${known / all}`);
});

/** A block with some bytes changed, left out or added. */
function damaged(block: Uint8Array, below: (below: number) => number): Uint8Array {
  const out = [...block];
  for (let n = 1 + below(3); n > 0; n--) {
    const at = below(out.length + 1);
    const kind = below(4);
    if (kind === 0) out.splice(at, 1 + below(4));
    else if (kind === 1) out.splice(at, 0, below(256));
    else if (kind === 2) out.length = at;
    else out[at] = below(256);
  }
  return Uint8Array.from(out.map((byte) => byte ?? 0));
}

test('damaged and random blocks: the same fields and the same error as the model, whatever stands around them', () => {
  const seedless = numbers(77);
  let errors = 0;
  let whole = 0;
  for (let round = 0; round < 3000; round++) {
    const { encoded } = connection(seedless(1 << 20), 1 + seedless(3), false);
    const tables = [0x00, 0xff].map((around) => ({ around, table: new HeaderTable(false) }));
    const model = new ModelDecoder();
    for (const { block } of encoded) {
      const random = Uint8Array.from({ length: seedless(40) }, () => seedless(256));
      const given = seedless(3) === 0 ? block : seedless(4) === 0 ? random : damaged(block, seedless);
      const { fields, error } = model.decode(given);
      for (const { table, around } of tables) {
        const seen = decodeBlock(table, given, around);
        assert.deepEqual(seen, { result: error < 0 ? error : fields.length, fields }, `round ${round}`);
      }
      if (error === 0) whole++;
      else errors++;
      // What follows would be unknown here, and not for the model.
      if (error !== 0) break;
      assert.deepEqual(entriesOf(tables[0].table), model.entries);
    }
    for (const { table } of tables) table.release();
  }
  assert.ok(errors > 1000 && whole > 500, `${errors} errors, ${whole} blocks without`);
});

test('random bytes on a table that goes on: nothing is thrown, no memory is left behind', () => {
  const below = numbers(5);
  for (let round = 0; round < 50; round++) {
    const table = new HeaderTable(below(2) === 0);
    for (let i = 0; i < 100; i++) {
      const head = below(2) === 0 ? writeNumber([0x80, 0x40, 0x20, 0x10, 0][below(5)], 4, below(200)) : [];
      decodeBlock(table, Uint8Array.from([...head, ...Array.from({ length: below(300) }, () => below(256))]));
    }
    table.release();
  }
  assert.equal(blockBytesUsed(), 0);
});
