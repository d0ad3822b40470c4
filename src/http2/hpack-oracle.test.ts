/** Differential tests with hpack.js: what it encodes we decode, and what our model encodes both decode. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { resetBlocks } from '../base/blocks.ts';
import { HeaderTable, SIZE_UNKNOWN } from './header-table.ts';
import { type Field, fieldsOf, type Known, ModelEncoder, numbers, someFields } from './hpack-testing.ts';

/** What is used of hpack.js, which has no types. */
interface Header {
  readonly name: string;
  readonly value: string;
  readonly huffman?: boolean;
  readonly incremental?: boolean;
  readonly neverIndex?: boolean;
}
interface Compressor {
  write(headers: readonly Header[]): void;
  read(): Buffer | null;
  reset(): void;
}
interface Decompressor {
  write(block: Uint8Array): void;
  execute(): void;
  read(): Header | null;
}
interface Options {
  readonly table: { readonly maxSize: number; readonly lookupDepth?: number };
}
interface Oracle {
  readonly compressor: { create(options: Options): Compressor };
  readonly decompressor: { create(options: Options): Decompressor };
}
const require = createRequire(import.meta.url);
const oracle = require('hpack.js') as Oracle;

resetBlocks(64 << 20);
const SEQUENCES = 60_000;
const BLOCKS_A_CONNECTION = 60;

/** As `assert.deepEqual`, but quick while all is well. */
function assertFields(seen: readonly Field[], wanted: readonly Field[]): void {
  const differs = seen.length !== wanted.length || seen.some(([name, value], i) => name !== wanted[i][0] || value !== wanted[i][1]);
  if (differs) assert.deepEqual(seen, wanted);
}

test('what hpack.js encodes: 60,000 header blocks', () => {
  const below = numbers(2024);
  for (let done = 0; done < SEQUENCES; ) {
    const size = [4096, 4096, 256, 1000, 16_384][below(5)];
    const compressor = oracle.compressor.create({ table: { maxSize: size, lookupDepth: 8 } });
    const table = new HeaderTable(false);
    table.resize(size);
    assert.equal(table.setSize(size), true);
    for (let i = 0; i < BLOCKS_A_CONNECTION; i++, done++) {
      const fields = someFields(below, 1 + below(6));
      // An update to 0 and back again.
      if (below(50) === 0) compressor.reset();
      compressor.write(
        fields.map(([name, value]) => ({
          name,
          value,
          huffman: below(3) > 0,
          incremental: below(4) > 0,
          neverIndex: below(10) === 0,
        })),
      );
      const parts: Buffer[] = [];
      for (let part = compressor.read(); part !== null; part = compressor.read()) parts.push(part);
      assertFields(fieldsOf(table, Buffer.concat(parts)), fields);
    }
    table.release();
  }
});

test('what the model encodes, decoded by hpack.js and by us: 60,000 header blocks', () => {
  const below = numbers(4202);
  for (let done = 0; done < SEQUENCES; ) {
    const size = [4096, 4096, 256, 1000, 16_384][below(5)];
    const encoder = new ModelEncoder(below);
    encoder.setSize(size);
    const decompressor = oracle.decompressor.create({ table: { maxSize: size } });
    const table = new HeaderTable(false);
    table.resize(SIZE_UNKNOWN);
    assert.equal(table.setSize(size), true);
    for (let i = 0; i < BLOCKS_A_CONNECTION; i++, done++) {
      const update = below(40) === 0 ? encoder.update(below(size + 1)) : [];
      const block = Uint8Array.from([...update, ...encoder.encode(someFields(below, 1 + below(5)))]);
      decompressor.write(block);
      decompressor.execute();
      const wanted: Known[] = [];
      for (let header = decompressor.read(); header !== null; header = decompressor.read()) wanted.push([header.name, header.value]);
      assertFields(fieldsOf(table, block), wanted);
    }
    table.release();
  }
});
