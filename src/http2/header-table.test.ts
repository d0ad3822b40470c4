import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { HeaderTable, TABLE_BYTES_MAX } from './header-table.ts';
import { decodeBlock, entriesOf, type Field, fieldsOf, writeNumber, writeString } from './hpack-testing.ts';

const BLOCK_BYTES = 64 << 20;
resetBlocks(BLOCK_BYTES);
afterEach(() => resetBlocks(BLOCK_BYTES));

const insert = (name: string, value: string): Buffer => Buffer.from([0x40, ...writeString(name, false), ...writeString(value, false)]);
const insertNamed = (index: number, value: string): Buffer => Buffer.from([...writeNumber(0x40, 6, index), ...writeString(value, false)]);
const setSize = (size: number): Buffer => Buffer.from(writeNumber(0x20, 5, size));
const index = (i: number): Buffer => Buffer.from(writeNumber(0x80, 7, i));
const blocks = (table: HeaderTable, ...parts: readonly Buffer[]): readonly Field[] => fieldsOf(table, Buffer.concat(parts));

test('joined late: an index beyond what was seen is unknown, not guessed, and moves with each insertion', () => {
  const table = new HeaderTable(true);
  assert.deepEqual(blocks(table, index(62), index(63), index(200), index(2)), [
    [null, null],
    [null, null],
    [null, null],
    [':method', 'GET'],
  ]);
  assert.deepEqual(blocks(table, insert('a', '1'), index(62), index(63)), [
    ['a', '1'],
    ['a', '1'],
    [null, null],
  ]);
  assert.deepEqual(blocks(table, insert('b', '2'), index(62), index(63), index(64)), [
    ['b', '2'],
    ['b', '2'],
    ['a', '1'],
    [null, null],
  ]);
});

test('joined late: a literal whose name is unknown is an entry with a value', () => {
  const table = new HeaderTable(true);
  const named: Field = [null, 'v'];
  assert.deepEqual(blocks(table, insertNamed(70, 'v'), index(62), insertNamed(62, 'w'), index(63)), [named, named, [null, 'w'], named]);
  assert.deepEqual(entriesOf(table), [[null, 'w'], named]);
  assert.deepEqual(blocks(table, Buffer.from([...writeNumber(0, 4, 70), ...writeString('x', false)])), [[null, 'x']], 'not inserted');
});

test('joined late: all is known again when the encoder empties the table, or when it has turned over at a size that was seen', () => {
  const emptied = new HeaderTable(true);
  blocks(emptied, setSize(0), setSize(4096));
  assert.equal(emptied.isLate, false);
  assert.ok(decodeBlock(emptied, index(62)).result < 0);

  const turned = new HeaderTable(true);
  blocks(turned, setSize(100));
  for (const [i, isLate] of [true, true, false].entries()) {
    blocks(turned, insert('a', String(i)));
    assert.equal(turned.isLate, isLate, `${i}`);
  }
  assert.deepEqual(entriesOf(turned), [
    ['a', '2'],
    ['a', '1'],
  ]);

  const guessed = new HeaderTable(true);
  for (let i = 0; i < 300; i++) blocks(guessed, insert('a', String(i)));
  assert.equal(guessed.isLate, true, 'the size is only assumed: the encoder may have a larger one');
  assert.ok(guessed.count < 300);
});

test('poisoned: all is forgotten, and what comes then is known', () => {
  const table = new HeaderTable(false);
  blocks(table, insert('a', '1'));
  table.poison();
  assert.equal(table.isLate, true);
  assert.deepEqual(blocks(table, index(62), insert('b', '2'), index(62), index(63)), [
    [null, null],
    ['b', '2'],
    ['b', '2'],
    [null, null],
  ]);
});

test('poisoned at a small size: a size update may have been lost, entries are learned all the same', () => {
  const table = new HeaderTable(false);
  blocks(table, setSize(0));
  table.poison();
  assert.deepEqual(blocks(table, insert('a', '1'), index(62))[1], ['a', '1']);
});

test('an entry larger than the table empties it (RFC 7541, 4.4)', () => {
  const table = new HeaderTable(false);
  blocks(table, setSize(100), insert('a', '1'), insert('b', 'x'.repeat(100)));
  assert.deepEqual(entriesOf(table), []);
  assert.deepEqual(blocks(table, insert('c', '3'), index(62))[1], ['c', '3']);
  assert.ok(decodeBlock(table, index(63)).result < 0, 'nothing is older');
});

test('the name of an entry that its own insertion evicts (RFC 7541, 4.4)', () => {
  const table = new HeaderTable(false);
  blocks(table, setSize(80), insert('some-name', 'x'.repeat(30)));
  assert.deepEqual(blocks(table, insertNamed(62, 'y'.repeat(30)), index(62)), [
    ['some-name', 'y'.repeat(30)],
    ['some-name', 'y'.repeat(30)],
  ]);
  assert.equal(table.count, 1);
});

test('a size beyond the limit: entries beyond it are unknown, not an error', () => {
  const table = new HeaderTable(false);
  table.resize(1 << 20);
  blocks(table, setSize(1 << 20), insert('first', '1'));
  assert.equal(table.isLate, false);
  for (let i = 0; i < 100; i++) blocks(table, insert('a', 'x'.repeat(1000)));
  assert.ok(table.bytes <= TABLE_BYTES_MAX);
  assert.ok(table.bytes > TABLE_BYTES_MAX - 1100);
  assert.deepEqual(blocks(table, index(62 + 100), index(62 + table.count - 1)), [
    [null, null],
    ['a', 'x'.repeat(1000)],
  ]);
  assert.deepEqual(blocks(table, insert('b', 'x'.repeat(TABLE_BYTES_MAX)), index(62)).at(-1), [null, null], 'one entry beyond the limit');
  assert.ok(blockBytesUsed() <= 2 * TABLE_BYTES_MAX, `${blockBytesUsed()} bytes`);
});

test('memory: none before the first entry, at most twice the size, all given back', () => {
  const tables = Array.from({ length: 20 }, () => new HeaderTable(false));
  assert.equal(blockBytesUsed(), 0);
  for (const table of tables) for (let i = 0; i < 500; i++) blocks(table, insert(`name-${i % 7}`, `value ${i}`));
  assert.ok(blockBytesUsed() <= 20 * 8192, `${blockBytesUsed()} bytes`);
  for (const table of tables) table.release();
  assert.equal(blockBytesUsed(), 0);
});

test('memory is spent: what cannot be stored is unknown, not wrong', () => {
  resetBlocks(2048);
  const first = new HeaderTable(false);
  const second = new HeaderTable(false);
  const value = (i: number): string => `${i} ${'x'.repeat(50)}`;
  for (let i = 0; i < 60; i++) blocks(first, insert('name', value(i)));
  assert.ok(first.count > 20, 'the newest that fit are kept');
  assert.deepEqual(blocks(first, index(62), index(62 + first.count - 1), index(62 + first.count)), [
    ['name', value(59)],
    ['name', value(60 - first.count)],
    [null, null],
  ]);
  assert.deepEqual(blocks(second, insert('a', '1'), index(62)), [
    ['a', '1'],
    [null, null],
  ]);
  first.release();
  assert.deepEqual(blocks(second, insert('b', '2'), index(62), index(63)), [
    ['b', '2'],
    ['b', '2'],
    [null, null],
  ]);
  assert.deepEqual(blocks(second, insert('c', 'x'.repeat(3000)), index(62)).at(-1), [null, null], 'larger than its block');
  second.release();
  assert.equal(blockBytesUsed(), 0);
});
