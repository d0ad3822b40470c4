import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Column, table } from './table.ts';

interface Row {
  readonly name: string;
  readonly n: number;
  readonly note: string;
}

const columns: Column<Row>[] = [
  { title: 'name', cell: (row) => row.name, elasticMin: 8 },
  { title: 'n', cell: (row) => String(row.n), right: true },
  { title: 'note', cell: (row) => row.note, spare: 1 },
  { title: 'same', cell: (row) => row.note, spare: 2 },
];
const rows: Row[] = [
  { name: 'first', n: 1, note: 'x' },
  { name: 'a name of some length', n: 12_345, note: 'yy' },
];

test('columns are as wide as they have to be', () => {
  assert.deepEqual(table(columns, rows, 80), [
    'name                       n  note  same',
    'first                      1  x     x',
    'a name of some length  12345  yy    yy',
  ]);
});

test('too narrow: spare columns go when cutting the elastic one is not enough', () => {
  assert.deepEqual(table(columns, rows, 27), ['name          n  note  same', 'first         1  x     x', 'a name …  12345  yy    yy']);
  assert.deepEqual(table(columns, rows, 21), ['name          n  note', 'first         1  x', 'a name …  12345  yy']);
  assert.deepEqual(table(columns, rows, 10), ['name          n', 'first         1', 'a name …  12345']);
});

test('what a cell brings cannot steer the terminal, and colours count no columns', () => {
  const painted = table<Row>(
    [{ title: 'name', cell: (row) => row.name, paint: (text) => `<${text}>` }],
    [{ name: 'a\x1b[2J\nb', n: 0, note: '' }],
    80,
    (text) => `*${text}*`,
  );
  assert.deepEqual(painted, ['*name*', '<a?[2J?b>']);
  assert.deepEqual(table(columns, [], 80), ['name  n  note  same']);
});
